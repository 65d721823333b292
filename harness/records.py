"""The arrows of the data flow: one frozen dataclass for each, from a check's outcome to the record of a
class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

SCHEMA = 1


class Status(StrEnum):
    """How a planned check ended. Each planned check ends in exactly one of these; only ``PASS`` scores."""

    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    CRASHED = "crashed"
    NOT_PROVIDED = "not_provided"
    SKIPPED = "skipped"
    HARNESS_ERROR = "harness_error"


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What one check measured: ``message`` is one line for the submission's author, ``evidence`` plain
    JSON.
    """

    id: str
    group: str
    status: Status
    message: str = ""
    detail: str = ""  # several lines: the author's trimmed traceback, a counterexample
    diagnosis: str | None = None  # the id of the one known mistake that fits, if exactly one does
    evidence: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    points: float = 0.0
    max_points: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ExperimentResult:
    """Accuracies (per cent) of one experiment beside the range a correct implementation reaches."""

    id: str
    reported: float | None
    low: float | None
    high: float | None
    accuracies: tuple[float, ...]
    status: Status
    message: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    points: float = 0.0
    max_points: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Everything that grading one submission found."""

    name: str
    path: str
    part: str  # scratch, package or both
    score: float
    max_score: float
    checks: tuple[CheckResult, ...]
    experiments: tuple[ExperimentResult, ...]
    notes: tuple[str, ...] = ()  # what loading skipped or replaced, for the record
    seconds: float = 0.0
    digest: str = ""  # SHA-256 of what was handed in

    @property
    def items(self) -> tuple[CheckResult | ExperimentResult, ...]:
        """Everything that was planned, in order."""
        return (*self.checks, *self.experiments)


@dataclass(frozen=True, kw_only=True)
class Record:
    """The record of one grading, of which every output format is a view."""

    submissions: tuple[Verdict, ...]
    profile: str
    seed: int
    environment: Mapping[str, Any]
    harness_errors: tuple[str, ...] = ()
    schema: int = SCHEMA
