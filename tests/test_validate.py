"""The error rates themselves: intervals from tables, and gradings made up so that every rule is met."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.corpus.loader import Edit, RightCase, WrongCase, known_right
from tests.validate import baselines, gradings, rates, report
from tests.validate.gradings import BASELINES, CheckOutcome, Grading, Task
from tests.validate.rates import Rate

RIGHT = RightCase(id="classes", source="bases/classes.py", difference="none")
WRONG = WrongCase(
    id="bent",
    chapter="update",
    source="bases/classes.py",
    bug="bent",
    defect="it is bent",
    edits=(Edit(old="w -= learning_rate * g", new="w -= learning_rate"),),
    shows=("step",),
    fails=("updates",),
    passes=("forward",),
    diagnosis="update_bent",
)


def outcome(name: str, group: str, status: str = "pass", diagnosis: str | None = None) -> CheckOutcome:
    return CheckOutcome(id=name, group=group, status=status, diagnosis=diagnosis)


def grading(*checks: CheckOutcome, case: str = "bent", profile: str = "quick", seed: int = 1) -> Grading:
    return Grading(
        case=case, profile=profile, seed=seed, checks=checks, seconds=5.0, seconds_in_submission=4.0
    )


def measured(*found: Grading) -> report.Measured:
    return report.Measured(right={"classes": RIGHT}, wrong={"bent": WRONG}, gradings=found)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        (0, 1000, 0.0, 0.003682),  # 1 - (0.025)^(1/1000)
        (10, 10, 0.691503, 1.0),  # (0.025)^(1/10)
        (3, 10, 0.066740, 0.652453),  # Geigy Scientific Tables
    ],
)
def test_intervals_are_those_of_clopper_and_pearson(count: int, total: int, low: float, high: float) -> None:
    found = Rate(count=count, total=total).interval
    assert found == pytest.approx((low, high), abs=2e-6)


@pytest.mark.parametrize("status", ["fail", "error", "timeout", "out_of_memory", "crashed", "harness_error"])
def test_every_blame_is_a_false_alarm_on_a_right_submission(status: str) -> None:
    right = grading(outcome("forward", "forward", status), case="classes")
    rate, problems = rates.false_alarms([right, grading(outcome("forward", "forward"), case="classes")])
    assert (rate.count, rate.total) == (1, 2)
    assert problems[0].what.startswith(f"forward: {status}")


@pytest.mark.parametrize("status", ["pass", "skipped", "not_provided"])
def test_what_does_not_blame_is_no_false_alarm(status: str) -> None:
    assert rates.false_alarms([grading(outcome("adam", "updates", status))])[0].count == 0


def test_a_check_that_the_base_passes_and_the_case_does_not_provide_counts_as_caught() -> None:
    base = grading(outcome("adam", "updates"), case="classes")
    missing = grading(outcome("adam", "updates", "not_provided"))
    assert rates.caught(missing, base)
    assert not rates.caught(missing, missing)
    assert not rates.caught(missing, None)


def test_a_claim_that_does_not_hold_counts_as_caught() -> None:
    honest = grading(outcome("forward", "forward"))
    assert not rates.caught(honest, None)
    assert rates.caught(
        replace(honest, notes=("claims 99 % for x, measured 95: the claim does not hold",)), None
    )


def test_diagnoses_are_right_wrong_or_silent() -> None:
    cases = {"bent": replace(WRONG, also=("bent_elsewhere",))}
    for names, right, wrong in (
        (("update_bent",), 1, 0),
        (("bent_elsewhere", "update_bent"), 1, 0),
        (("something_else",), 0, 1),
        (("update_bent", "something_else"), 1, 1),
        ((), 0, 0),
    ):
        checks = [outcome(f"c{i}", "updates", "fail", name) for i, name in enumerate(names)]
        found = rates.diagnoses(cases, [grading(*checks, outcome("last", "updates", "fail"))])
        assert (found.right.count, found.wrong.count, len(found.silent)) == (right, wrong, 0 if names else 1)


def test_entries_that_disagree_with_the_checks_are_reported() -> None:
    cases = {"bent": WRONG}
    good = grading(outcome("forward", "forward"), outcome("step", "updates", "fail"))
    assert rates.broken_promises(cases, [good]) == []
    other = grading(outcome("forward", "forward", "fail"), outcome("step", "updates"))
    said = [problem.what for problem in rates.broken_promises(cases, [other])]
    assert len(said) == 2
    assert "none of ('updates',) failed" in said[0]
    assert "forward should pass" in said[1]


def test_targets_are_missed_reached_or_not_measured() -> None:
    def states(*found: Grading) -> list[bool | None]:
        return [target.reached for target in report.targets(measured(*found))]

    caught = grading(outcome("step", "updates", "fail", "update_bent"))
    right = [grading(outcome("step", "updates"), case="classes", seed=seed) for seed in range(1000)]
    assert states(caught, *right) == [True] * 7
    assert states(caught, *right[:-1])[2] is None  # 999 gradings show nothing about 1,000
    assert (
        states(caught, *right[:-1], grading(outcome("step", "updates", "fail"), case="classes"))[2] is False
    )
    assert states(grading(outcome("step", "updates")), *right)[:2] == [False, False]
    assert states(*right)[:2] == [None, None]
    slow = replace(right[0], seconds=9.0)
    assert states(caught, slow)[6] is False


def test_standard_makes_up_for_quick_and_the_invisible_are_left_out() -> None:
    missed = grading(outcome("step", "updates"))
    seen = grading(outcome("experiment", "accuracy", "fail"), profile="standard")
    assert report.targets(measured(missed, seen))[1].reached is True
    assert [case.id for case in measured(missed).missed_by_quick()] == ["bent"]
    hidden = report.Measured(
        right={}, wrong={"bent": replace(WRONG, profile="invisible", reason="so")}, gradings=[missed]
    )
    assert hidden.missed_by_quick() == []
    assert "listed as invisible: so" in report.text(hidden)


def test_the_report_and_its_data_hold_every_part() -> None:
    found = measured(
        grading(outcome("step", "updates", "fail", "something_else")),
        grading(outcome("step", "updates", "fail"), case="classes"),
        grading(outcome("gradcheck", BASELINES), profile=BASELINES),
        grading(outcome("gradcheck", BASELINES, "fail"), case="classes", profile=BASELINES),
    )
    text = report.text(found)
    for part in ("MISSED", "called something_else; it is update_bent: it is bent", "gradcheck: 0/1", "| 1/1"):
        assert part in text
    assert json.loads(json.dumps(report.data(found)))["baselines"]["gradcheck"]["caught"]["count"] == 0


def test_gradings_are_kept_and_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task(case=known_right()[0], profile="quick", seed=3)
    kept = replace(grading(outcome("forward", "forward"), case="functions", seed=3), key=task.key)
    (tmp_path / "gradings.jsonl").write_text(json.dumps(asdict(kept)) + '\n{"cut off')
    monkeypatch.setattr(gradings, "ProcessPoolExecutor", None)  # to start a process would raise
    found = gradings.run([task], jobs=1, folder=tmp_path, report=lambda *_: None)
    assert found == [kept]
    with pytest.raises(TypeError):
        gradings.run([replace(task, seed=4)], jobs=1, folder=tmp_path, report=lambda *_: None)


def test_baselines_pass_a_right_submission_and_miss_or_catch_what_they_are_known_to() -> None:
    right = {case.id: case for case in known_right()}
    assert set(baselines.passes(right["layers"]).values()) == {True}
    doubled = replace(
        right["layers"],
        edits=(Edit(old="return grad / len(self.labels)", new="return 2 * grad / len(self.labels)"),),
    )
    found = baselines.passes(doubled)
    assert not found["torch.autograd.gradcheck"]
    assert not found["CS231n relative error"]
    assert found["accuracy over a threshold"]  # twice the learning rate trains as well
    # A loss that is wrong in the same way as its gradient agrees with its own differences.
    with_loss = replace(
        doubled,
        edits=(*doubled.edits, Edit(old="return float(np.mean(", new="return 2 * float(np.mean(")),
    )
    assert set(baselines.passes(with_loss).values()) == {True}
