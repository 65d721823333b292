"""What each reader may see: the instructor everything, a student what is wrong and nothing secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any, Literal

from harness.errors import UsageError
from harness.records import CheckResult, ExperimentResult, Record, Status, Verdict

Audience = Literal["instructor", "student"]
AUDIENCES: tuple[Audience, ...] = ("instructor", "student")

HARNESS_MESSAGE = "the grader itself could not carry this out; it is no fault of yours, tell the instructor"

# Evidence is an allow list: scalars for each tensor, the author's own learning curve, the band it is drawn
# against, counts, and its own tracebacks. Arrays, seeds, expected values and what a later check adds are the
# instructor's.
_TENSOR_KEYS = ("tensor", "scale", "cosine", "error")
_PLAIN_KEYS = ("history", "band", "confusion", "tolerance", "not_applicable", "details", "rests_on")


def for_audience(record: Record, audience: str) -> Record:
    """Return the record as ``audience`` may see it; raises UsageError for an unknown audience."""
    if audience == "instructor":
        return record
    if audience != "student":
        raise UsageError(f"audience: expected one of {', '.join(AUDIENCES)}, found {audience!r}")
    faults = len(record.harness_errors)
    return replace(
        record,
        submissions=tuple(_student_verdict(verdict) for verdict in record.submissions),
        seed=0,
        environment={},
        harness_errors=(HARNESS_MESSAGE,) if faults else (),
    )


def _student_verdict(verdict: Verdict) -> Verdict:
    return replace(
        verdict,
        path=PurePath(verdict.path).name,  # where the grader keeps its files is nobody's business
        checks=tuple(_student_check(check) for check in verdict.checks),
        experiments=tuple(_student_experiment(experiment) for experiment in verdict.experiments),
    )


def _student_check(check: CheckResult) -> CheckResult:
    if check.status is Status.HARNESS_ERROR:
        return replace(check, message=HARNESS_MESSAGE, detail="", evidence={})
    return replace(check, evidence=_student_evidence(check.evidence))


def _student_experiment(experiment: ExperimentResult) -> ExperimentResult:
    if experiment.status is Status.HARNESS_ERROR:
        return replace(experiment, message=HARNESS_MESSAGE, evidence={})
    return replace(experiment, evidence=_student_evidence(experiment.evidence))


def _student_evidence(evidence: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: evidence[key] for key in _PLAIN_KEYS if key in evidence}
    tensors = evidence.get("per_tensor")
    if isinstance(tensors, list):
        kept["per_tensor"] = [
            {key: tensor[key] for key in _TENSOR_KEYS if key in tensor}
            for tensor in tensors
            if isinstance(tensor, Mapping)
        ]
    return kept
