"""What each reader may see: the instructor everything, a student what is wrong and nothing secret."""

from __future__ import annotations

import re
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
_PACKAGES = re.compile(r"/[^\s:'\"]*/(?=site-packages/)")
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
    folder = str(PurePath(verdict.path).parent)
    return replace(
        verdict,
        path=PurePath(verdict.path).name,  # where the grader keeps its files is nobody's business
        checks=tuple(_student_check(check, folder) for check in verdict.checks),
        experiments=tuple(_student_experiment(experiment, folder) for experiment in verdict.experiments),
    )


def _student_check(check: CheckResult, folder: str) -> CheckResult:
    if check.status is Status.HARNESS_ERROR:
        return replace(check, message=HARNESS_MESSAGE, detail="", evidence={})
    return replace(
        check,
        message=_without_paths(check.message, folder),
        detail=_without_paths(check.detail, folder),
        evidence=_student_evidence(check.evidence, folder),
    )


def _student_experiment(experiment: ExperimentResult, folder: str) -> ExperimentResult:
    if experiment.status is Status.HARNESS_ERROR:
        return replace(experiment, message=HARNESS_MESSAGE, evidence={})
    return replace(
        experiment,
        message=_without_paths(experiment.message, folder),
        evidence=_student_evidence(experiment.evidence, folder),
    )


def _without_paths(said: str, folder: str) -> str:
    """Cut from a traceback where the grader keeps submissions and installed packages; what follows stays."""
    if len(folder) > 1:
        said = said.replace(folder + "/", "")
    return _PACKAGES.sub("", said)


def _student_evidence(evidence: Mapping[str, Any], folder: str) -> dict[str, Any]:
    kept = {key: evidence[key] for key in _PLAIN_KEYS if key in evidence}
    details = evidence.get("details")
    if isinstance(details, list):
        kept["details"] = [_without_paths(each, folder) for each in details if isinstance(each, str)]
    tensors = evidence.get("per_tensor")
    if isinstance(tensors, list):
        kept["per_tensor"] = [
            {key: tensor[key] for key in _TENSOR_KEYS if key in tensor}
            for tensor in tensors
            if isinstance(tensor, Mapping)
        ]
    return kept
