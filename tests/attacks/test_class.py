"""In a class with attackers, everybody else's record is the same to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from harness.grading.grade import grade
from harness.grading.plan import plan
from harness.grading.pool import LocalPool
from harness.grading.units import Settings
from harness.records import Status, Verdict
from harness.spec import load_rubric, load_spec
from harness.submission import discover
from tests.attacks.arena import LIMITS, WATCHED_CHECKS, Arena, Case, arena, base_case, cases
from tests.sandbox.conftest import working_backends

pytestmark = pytest.mark.skipif(not working_backends(), reason="no backend with walls on this machine")
BY_NAME = {case.name: case for case in cases()}
FEW = ("exit_zero_in_predict", "write_to_another_submission", "fork_bomb", "forged_frames", "syntax_error")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Arena]:
    with arena(tmp_path) as place:
        yield place


def grade_class(place: Arena, members: list[Case]) -> dict[str, Verdict]:
    spec, rubric = load_spec(), load_rubric()
    submissions = discover([place.write(case) for case in members])
    plans = [plan(s, spec=spec, rubric=rubric, profile="quick") for s in submissions]
    plans = [
        replace(p, checks=tuple(c for c in p.checks if c.name in WATCHED_CHECKS and c.activation != "tanh"))
        for p in plans
    ]
    limits = replace(LIMITS, load_seconds=10.0, call_seconds=3.0)
    settings = Settings(seed=11, sandbox=working_backends()[0].name, limits=limits)
    return {v.name: v for v in grade(plans, spec=spec, settings=settings, pool=LocalPool(2))}


def without_times(verdict: Verdict) -> dict[str, Any]:
    plain = asdict(verdict)
    for item in (plain, *plain["checks"], *plain["experiments"]):
        item.pop("seconds")
    return plain


def compare(place: Arena, attackers: list[Case]) -> None:
    honest = [base_case("right"), base_case("weak")]
    alone = grade_class(place, honest)
    together = grade_class(place, [*honest, *attackers])
    assert len(together) == len(honest) + len(attackers)
    for case in honest:
        assert without_times(alone[case.name]) == without_times(together[case.name])
    assert alone["plain_right"].score > alone["plain_weak"].score > 0
    for name, verdict in together.items():
        assert Status.HARNESS_ERROR not in {check.status for check in verdict.checks}, name
    assert place._changes() == []


def test_attackers_change_nothing_for_anybody_else(place: Arena) -> None:
    compare(place, [BY_NAME[name] for name in FEW])


@pytest.mark.slow
def test_a_class_of_attackers_changes_nothing_for_anybody_else(place: Arena) -> None:
    compare(place, [case for case in BY_NAME.values() if case.base != "none" or case.line == 21])
