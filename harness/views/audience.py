"""What each reader may see: the instructor everything, a student what is wrong and nothing secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any, Literal

from harness.errors import SubmissionChangedError, UsageError
from harness.records import CheckResult, ExperimentResult, Record, Status, Verdict
from harness.views.paths import path_cutter

Audience = Literal["instructor", "student"]
AUDIENCES: tuple[Audience, ...] = ("instructor", "student")

HARNESS_MESSAGE = "the grader itself could not carry this out; it is no fault of yours, tell the instructor"

# Evidence is an allow list: scalars for each tensor, the author's own learning curve, the band it is drawn
# against, counts, and its own tracebacks. Arrays, seeds, expected values and what a later check adds are the
# instructor's.
_TENSOR_KEYS = ("tensor", "scale", "cosine", "error")
_PLAIN_KEYS = ("history", "band", "confusion", "tolerance", "not_applicable", "rests_on")


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
    cut = path_cutter(verdict.path)
    return replace(
        verdict,
        path=PurePath(verdict.path).name,  # where the grader keeps its files is nobody's business
        checks=tuple(_student_check(check, cut) for check in verdict.checks),
        experiments=tuple(_student_experiment(experiment, cut) for experiment in verdict.experiments),
        notes=tuple(map(cut, verdict.notes)),
    )


def _student_check(check: CheckResult, cut: Callable[[str], str]) -> CheckResult:
    if check.status is Status.HARNESS_ERROR:
        return replace(check, message=_fault(check.message, cut), detail="", evidence={})
    return replace(
        check,
        diagnosis=None,  # the message is the diagnosis in words; the id is for who reads the harness
        message=cut(check.message),
        detail=cut(check.detail),
        evidence=_student_evidence(check.evidence, cut),
    )


def _student_experiment(experiment: ExperimentResult, cut: Callable[[str], str]) -> ExperimentResult:
    if experiment.status is Status.HARNESS_ERROR:
        return replace(experiment, message=_fault(experiment.message, cut), evidence={})
    return replace(
        experiment,
        message=cut(experiment.message),
        evidence=_student_evidence(experiment.evidence, cut),
    )


def _fault(message: str, cut: Callable[[str], str]) -> str:
    # The one fault that is the author's own doing, and whose message says what to do about it.
    return cut(message) if message.endswith(SubmissionChangedError.words) else HARNESS_MESSAGE


def _student_evidence(evidence: Mapping[str, Any], cut: Callable[[str], str]) -> dict[str, Any]:
    kept = {key: evidence[key] for key in _PLAIN_KEYS if key in evidence}
    details = evidence.get("details")
    if isinstance(details, list):
        kept["details"] = [cut(each) for each in details if isinstance(each, str)]
    tensors = evidence.get("per_tensor")
    if isinstance(tensors, list):
        kept["per_tensor"] = [
            {key: tensor[key] for key in _TENSOR_KEYS if key in tensor}
            for tensor in tensors
            if isinstance(tensor, Mapping)
        ]
    return kept
