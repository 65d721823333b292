"""From results to points: only a measured pass scores, and nobody pays for the harness."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import SpecError
from harness.grading.accuracy import AccuracyRun, Blinding
from harness.grading.plan import plan
from harness.grading.score import claims, judge_experiment, needs_another_run, verdict
from harness.grading.units import draw
from harness.manifest import Manifest
from harness.records import CheckResult, ExperimentResult, Status
from harness.spec import load_rubric, load_spec
from harness.statistics import Distribution
from harness.submission import Submission

SPEC, RUBRIC = load_spec(), load_rubric()
TANH = SPEC.experiments["scratch/tanh/lr=0.01"]
# Twelve accuracies with mean 94.2 and standard deviation 0.14.
REFERENCE = Distribution(
    experiment=TANH.id,
    budget="full",
    variant="report",
    seeds=tuple(range(12)),
    accuracies=(94.0, 94.1, 94.2, 94.3, 94.4, 94.2, 94.1, 94.3, 94.2, 94.0, 94.4, 94.2),
)


def submission(part="scratch", **more):
    return Submission(
        name="alice",
        path=Path("alice.py"),
        entry=Path("/alice.py"),
        folder=None,
        manifest=Manifest(**more),
        part=part,
        packages=(),
        digest="",
    )


def planned(profile="quick", part="scratch", **more):
    return plan(submission(part, **more), spec=SPEC, rubric=RUBRIC, profile=profile)


def results(made, change=None):
    """Every check passed, but for those that ``change`` says."""
    change = change or {}
    return [
        CheckResult(
            id=c.id,
            group=c.group,
            status=change.get(c.id, Status.PASS),
            evidence={"not_applicable": True} if change.get(c.id) is Status.SKIPPED else {},
        )
        for c in made.checks
    ]


def run(accuracy, status=Status.PASS):
    return AccuracyRun(experiment=TANH.id, seed=1, blind=2, status=status, accuracy=accuracy)


def judged(*accuracies, distribution=REFERENCE):
    runs = [run(a) for a in accuracies]
    return judge_experiment(TANH, runs, distribution=distribution, family=3, points=5.0)


def test_everything_passed_is_worth_what_the_rubric_says():
    made = planned()
    found = verdict(made, results(made), [])
    assert found.score == found.max_score
    assert found.max_score == pytest.approx(RUBRIC.total - RUBRIC.points("accuracy"))
    gradients = sum(c.max_points for c in found.checks if c.group == "gradients")
    assert gradients == pytest.approx(RUBRIC.points("gradients"))


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.PASS])
def test_nothing_but_a_pass_scores_and_the_denominator_stays(status):
    made = planned()
    bad = CheckResult(id="gradients[tanh]", group="gradients", status=status)
    found = verdict(made, [bad if r.id == bad.id else r for r in results(made)], [])
    assert found.max_score == pytest.approx(85.0)
    assert found.score == pytest.approx(85.0 - made.points["gradients[tanh]"])


def test_what_does_not_apply_costs_nothing_and_is_no_pass():
    made = planned()
    found = verdict(made, results(made, {"adam": Status.SKIPPED}), [])
    assert found.score == found.max_score == pytest.approx(85.0)
    assert next(c for c in found.checks if c.id == "adam").points == 0.0


def test_profiles_choose_experiments_by_part():
    assert planned("quick").experiments == ()
    assert [e.id for e in planned("standard").experiments] == [
        f"scratch/{name}/lr=0.01" for name in ("sigmoid", "tanh", "relu")
    ]
    assert len(planned("full").experiments) == 9
    assert len(planned("full", part="both").experiments) == 15


def test_a_data_set_is_asked_for_only_where_something_is_trained():
    elsewhere = replace(SPEC, dataset="iris")
    assert plan(submission(), spec=elsewhere, rubric=RUBRIC, profile="quick").experiments == ()
    with pytest.raises(SpecError, match="dataset: no data set 'iris'"):
        plan(submission(), spec=elsewhere, rubric=RUBRIC, profile="standard")


def test_an_accuracy_in_range_passes_and_one_out_of_range_asks_again():
    assert judged(94.2).status is Status.PASS
    assert judged(94.2).points == 5.0
    assert not needs_another_run([run(94.2)], REFERENCE, 3)
    assert needs_another_run([], REFERENCE, 3)
    assert needs_another_run([run(90.0)], REFERENCE, 3)
    assert not needs_another_run([run(90.0), run(90.1), run(89.9)], REFERENCE, 3)


def test_too_low_and_too_good_fail():
    low, good = judged(90.0, 90.1, 89.9, 90.0), judged(98.0, 98.1, 97.9, 98.0)
    assert (low.status, good.status) == (Status.FAIL, Status.FAIL)
    assert "too low" in low.message
    assert "too good" in good.message
    assert low.points == 0.0
    assert low.max_points == 5.0


def test_without_calibration_nobody_pays():
    result = judged(94.2, distribution=None)
    assert result.status is Status.HARNESS_ERROR
    assert result.max_points == 0.0
    assert "no calibration of this experiment" in result.message
    assert "`backcheck calibrate --spec FILE --runs RUNS`" in result.message
    assert "grade with `--spec FILE --runs RUNS`" in result.message
    assert not needs_another_run([run(94.2)], None, 3)


def test_a_run_that_broke_gives_its_own_status():
    runs = [run(None, Status.TIMEOUT)]
    result = judge_experiment(TANH, runs, distribution=REFERENCE, family=3, points=5.0)
    assert (result.status, result.points, result.max_points) == (Status.TIMEOUT, 0.0, 5.0)
    assert not needs_another_run(runs, REFERENCE, 3)


def test_claims_are_held_against_what_was_measured():
    measured = ExperimentResult(
        id=TANH.id, reported=94.3, low=93.8, high=94.6, accuracies=(94.25,), status=Status.PASS
    )
    holds, fails, unknown = claims({TANH.id: 94.5}, [measured]), claims({TANH.id: 97.0}, [measured]), None
    assert "the claim holds" in next(holds)
    assert "does not hold" in next(fails)
    unknown = claims({"scratch/relu/lr=0.1": 97.8}, [measured])
    assert "not measured" in next(unknown)


def test_draws_are_fixed_by_the_seed_and_differ_by_key():
    assert draw(1, "build", "a", 0) == draw(1, "build", "a", 0)
    numbers = {
        draw(s, kind, name, n) for s in (1, 2) for kind in ("build", "blind") for name in "ab" for n in (0, 1)
    }
    assert len(numbers) == 16


def test_blinding_permutes_images_and_classes_alike_for_training_and_test():
    import numpy as np

    def drawn(blind):
        return Blinding.draw(blind, features=12, classes=4, train=9, test=8)

    blinding = drawn(5)
    assert sorted(blinding.train) == list(range(9)) != list(blinding.train)
    assert sorted(blinding.test) == list(range(8)) != list(blinding.test)
    images = np.arange(24, dtype=np.uint8).reshape(2, 12)
    X = blinding.inputs(images, 255)
    assert X.dtype == np.float32
    np.testing.assert_allclose(np.sort(X, axis=1), np.sort(images / 255, axis=1), rtol=1e-6)
    assert not np.allclose(X, images / 255)
    np.testing.assert_array_equal(np.argsort(X[0]), np.argsort(X[1]))
    assert sorted(blinding.labels(np.arange(4))) == [0, 1, 2, 3]
    assert any(not np.array_equal(drawn(b).classes, blinding.classes) for b in range(6, 10))
