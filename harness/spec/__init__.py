"""What a report says and what a check is worth: data in TOML, and its strict reader."""

from __future__ import annotations

from harness.spec.model import (
    FULL,
    REPORT,
    Arm,
    Budget,
    Candidate,
    Claim,
    Convention,
    Experiment,
    Group,
    Pair,
    Panel,
    Protocol,
    Quirk,
    Rubric,
    Spec,
)
from harness.spec.report import load_spec
from harness.spec.rubric import load_rubric

__all__ = [
    "FULL",
    "REPORT",
    "Arm",
    "Budget",
    "Candidate",
    "Claim",
    "Convention",
    "Experiment",
    "Group",
    "Pair",
    "Panel",
    "Protocol",
    "Quirk",
    "Rubric",
    "Spec",
    "load_rubric",
    "load_spec",
]
