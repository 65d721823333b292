"""The statistics against published tables, scipy.stats, hand calculation and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from harness.errors import BackcheckError
from harness.statistics import (
    Distribution,
    consistent,
    expected_range,
    judge,
    reference_distribution,
    smallest_shift,
)
from harness.statistics.judging import screening_range


def distribution(accuracies, experiment="example"):
    return Distribution(
        experiment=experiment,
        budget="full",
        variant="report",
        seeds=tuple(range(len(accuracies))),
        accuracies=tuple(float(accuracy) for accuracy in accuracies),
    )


class StoredRun:
    def __init__(self, seed, test_accuracy, experiment="a", variant="report", budget="full"):
        self.experiment, self.variant, self.budget = experiment, variant, budget
        self.seed, self.test_accuracy, self.reference = seed, test_accuracy, "numpy"


# --- ranges


def test_range_by_hand():
    # m = 94.5, s = 0.5774 (10 and 11 twice, tenths), t(0.975, 3) = 3.182 from any printed table
    found = expected_range([94.0, 94.0, 95.0, 95.0], alpha=0.05)
    assert found.mean == pytest.approx(94.5)
    assert found.sd == pytest.approx(0.57735, abs=1e-5)
    assert found.k == pytest.approx(3.182 * math.sqrt(1.25), abs=1e-3)
    assert found.low == pytest.approx(94.5 - 3.182 * 1.11803 * 0.57735, abs=1e-3)
    assert found.n == 4
    assert 94.9 in found
    assert 97.0 not in found


def test_floor_family_runs_and_rounding():
    same = [97.0] * 12
    single = expected_range(same, alpha=0.05)
    assert single.sd == 0
    assert single.high - 97.0 == pytest.approx(stats.t.ppf(0.975, 11) * math.sqrt(13 / 12) * 0.1)
    family = expected_range(same, alpha=0.05, family=10)
    assert family.high - 97.0 == pytest.approx(stats.t.ppf(1 - 0.0025, 11) * math.sqrt(13 / 12) * 0.1)
    mean_of_4 = expected_range(same, alpha=0.05, runs=4)
    assert mean_of_4.high - 97.0 == pytest.approx(stats.t.ppf(0.975, 11) * math.sqrt(1 / 4 + 1 / 12) * 0.1)
    rounded = expected_range(same, alpha=0.05, digit_unit=1)
    assert rounded.high - single.high == pytest.approx(0.5)
    assert expected_range([99.9, 99.0, 99.5, 98.0]).high == 100.0


@pytest.mark.parametrize("accuracies", [[], [1.0], [1.0, 2.0], [1.0, math.nan, 2.0]])
def test_too_few_or_broken_accuracies(accuracies):
    with pytest.raises(BackcheckError, match="reference distribution needs"):
        expected_range(accuracies)


def test_coverage_is_the_stated_one():
    """5,000 fresh draws against ranges from eight: one in ten is outside a 90 % prediction interval."""
    random = np.random.default_rng(1)
    draws = random.normal(90, 2, size=(5000, 9))
    outside = sum(float(row[8]) not in expected_range(row[:8].tolist(), alpha=0.1) for row in draws)
    assert stats.binomtest(outside, 5000, 0.1).pvalue > 1e-3


def test_consistent_is_the_interval_and_its_p():
    accuracies = [95.6, 95.7, 95.4, 95.8, 95.5, 95.9]
    limits = expected_range(accuracies, alpha=0.05, digit_unit=0.1)
    just_in, just_out = limits.high - 1e-9, limits.high + 1e-9
    assert consistent(just_in, accuracies, alpha=0.05, digit_unit=0.1).verdict == "consistent"
    out = consistent(just_out, accuracies, alpha=0.05, digit_unit=0.1)
    assert out.verdict == "not reproduced"
    assert out.p == pytest.approx(0.05, abs=1e-6)
    assert consistent(95.7, accuracies, digit_unit=0.2).p == 1.0  # the mean 95.65 rounds to it
    exact = consistent(96.4, accuracies)
    t = (96.4 - np.mean(accuracies)) / (np.std(accuracies, ddof=1) * math.sqrt(7 / 6))
    assert exact.p == pytest.approx(2 * stats.t.sf(t, 5))


# --- distributions


def test_reference_distribution_selects_and_orders():
    runs = [
        StoredRun(2, 62.0),
        StoredRun(1, 61.0),
        StoredRun(1, 99.0, budget="quick"),
        StoredRun(1, 98.0, variant="adam"),
        StoredRun(1, 97.0, experiment="b"),
    ]
    found = reference_distribution(runs, "a")
    assert found.seeds == (1, 2)
    assert found.accuracies == (61.0, 62.0)
    assert reference_distribution(runs, "a", "quick").accuracies == (99.0,)
    with pytest.raises(BackcheckError, match=r"no stored run of c .*backcheck calibrate"):
        reference_distribution(runs, "c")
    with pytest.raises(BackcheckError, match="more than one of numpy seed 2"):
        reference_distribution([*runs, StoredRun(2, 60.0)], "a")


# --- judging

RELU = distribution([95.6, 95.7, 95.4, 95.8, 95.5, 95.9, 95.65, 95.6, 95.7, 95.5, 95.75, 95.6])


def test_first_run_in_range_passes():
    found = judge([95.6], RELU, family=3)
    assert found.status == "pass"
    assert found.low < 95.4
    assert found.high > 95.9


@pytest.mark.parametrize("accuracy", [80.0, 99.0])
def test_out_of_range_asks_for_a_fresh_seed_and_then_fails(accuracy):
    assert judge([accuracy], RELU, family=3).status == "rerun"
    assert judge([accuracy] * 2, RELU, family=3).status == "rerun"
    found = judge([accuracy] * 3, RELU, family=3)
    assert found.status == "fail"
    assert ("too low" if accuracy < 95 else "too good") in found.message
    assert judge([accuracy] * 4, RELU, family=3).status == "fail"


def test_one_or_two_wild_runs_fail_nobody():
    for runs in (1, 2, 3):
        assert judge([60.0, 61.0, 95.7][:runs], RELU, family=3).status == "rerun"
    assert judge([60.0, 61.0, 95.7, 95.5], RELU, family=3).status == "pass"
    assert judge([60.0, 61.0, 95.7, 62.0], RELU, family=3).status == "fail"
    found = judge([60.0, 99.9, 95.7, 99.9], RELU, family=3)
    assert found.status == "pass"  # wild, but one run is where it should be
    assert "no verdict against it" in found.message


@pytest.mark.parametrize(
    "runs", [[96.95, 10.32, 11.35, 96.99], [60.0, 61.0, 99.9, 99.9], [97.0, 60.0, 97.0, 97.0]]
)
def test_four_runs_of_which_none_is_in_range_fail_on_whichever_side(runs):
    found = judge(runs, RELU, family=3)
    assert found.status == "fail"
    assert "none is in" in found.message


def test_a_first_run_in_range_settles_it():
    assert judge([95.6, 10.0, 10.0, 10.0], RELU, family=3).status == "pass"


@pytest.mark.parametrize("accuracies", [[], [math.nan], [-1.0], [101.0]])
def test_no_accuracy_is_refused(accuracies):
    with pytest.raises(BackcheckError, match="accuracy in per cent"):
        judge(accuracies, RELU, family=3)


def graded(random, draw, *, reference_runs, family):
    """One grading of a right submission: the number of first runs out of range, and of experiments failed."""
    screened = failed = 0
    for _ in range(family):
        reference = distribution(draw(random, reference_runs))
        runs = draw(random, 4).tolist()
        first = judge(runs[:1], reference, family=family)
        screened += first.status == "rerun"
        if first.status == "rerun":
            failed += judge(runs, reference, family=family).status == "fail"
    return screened, failed


def normal(random, size):
    return random.normal(90, 0.5, size)


def heavy(random, size):
    """Student's t with three degrees of freedom: outliers that a normal distribution does not have."""
    return np.clip(60 + 0.5 * random.standard_t(3, size), 0, 100)


def skewed(random, size):
    """A collapse by several points in one run of ten."""
    collapsed = random.normal(90, 0.3, size) - random.exponential(6, size) * (random.random(size) < 0.1)
    return np.clip(collapsed, 0, 100)


@pytest.mark.parametrize("draw", [normal, heavy, skewed])
@pytest.mark.parametrize("reference_runs", [5, 12, 20])
def test_a_right_submission_fails_in_under_one_per_cent_of_gradings(draw, reference_runs):
    check_error_rates(draw, reference_runs, gradings=1000)


@pytest.mark.slow
@pytest.mark.parametrize("draw", [normal, heavy, skewed])
@pytest.mark.parametrize("reference_runs", [5, 12, 20])
def test_error_rates_in_many_gradings(draw, reference_runs):
    check_error_rates(draw, reference_runs, gradings=30_000)


def check_error_rates(draw, reference_runs, gradings):
    random = np.random.default_rng(reference_runs)
    outcomes = [graded(random, draw, reference_runs=reference_runs, family=3) for _ in range(gradings)]
    rerun = sum(screened > 0 for screened, _ in outcomes)
    failed = sum(fails > 0 for _, fails in outcomes)
    assert failed < 0.01 * gradings
    if draw is normal:  # the screening level is exact for normal figures: 1 - (1 - 0.05 / 3)^3 = 4.9 %
        assert stats.binomtest(rerun, gradings, 0.0492).pvalue > 1e-3


@pytest.mark.parametrize("reference_runs", [5, 12, 20])
def test_the_smallest_shift_is_caught_as_often_as_promised(reference_runs):
    random = np.random.default_rng(7)
    reference = distribution(50 + stats.norm.ppf((np.arange(reference_runs) + 0.5) / reference_runs))
    limits = screening_range(reference, family=3)
    shift = smallest_shift(reference, family=3, power=0.9)
    for sign in (-1, 1):
        gradings = random.normal(limits.mean + sign * shift / 4, limits.sd / 4, size=(500, 4))
        weak = sum(judge(runs, reference, family=3).status == "fail" for runs in gradings.tolist())
        gradings = random.normal(limits.mean + sign * shift, limits.sd, size=(500, 4))
        strong = sum(judge(runs, reference, family=3).status == "fail" for runs in gradings.tolist())
        assert strong >= 0.88 * 500
        assert weak < 0.5 * 500  # the shift is not merely enormous


def test_the_order_of_too_good_and_too_low_is_symmetric():
    centre = distribution([50 + step for step in (-1, -0.5, 0, 0.5, 1)])
    for low in ([40.0, 41.0], [47.0, 46.5, 47.2, 46.9], [44.0, 50.0, 45.0, 46.0]):
        high = [100 - accuracy for accuracy in low]
        assert judge(low, centre, family=2).status == judge(high, centre, family=2).status
