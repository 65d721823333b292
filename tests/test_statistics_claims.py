"""Claims on made-up runs: intervals against scipy's paired t test, verdicts against what was put in."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from harness.spec import Arm, Claim, Pair
from harness.statistics import judge_claims
from harness.statistics.paired import difference, equivalence


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    experiment: str
    seed: int
    test_accuracy: float
    train_accuracy: float = 99.0
    epoch_loss: tuple[float, ...] = (2.0, 1.0)
    variant: str = "report"
    budget: str = "full"
    reference: str = "numpy"


def runs_of(experiment, accuracies, **more):
    return [
        StoredRun(experiment=experiment, seed=s, test_accuracy=a, **more) for s, a in enumerate(accuracies)
    ]


def claim(kind, pairs=(), **more):
    pairs = tuple(Pair(higher=Arm(experiment=a), lower=Arm(experiment=b)) for a, b in pairs)
    arms = tuple(dict.fromkeys(arm for pair in pairs for arm in (pair.higher, pair.lower)))
    given = {
        "id": "1",
        "section": "1",
        "kind": kind,
        "text": "",
        "metric": "test_accuracy",
        "margin": 0.2,
        "arms": arms,
    }
    return Claim(**{**given, "pairs": pairs, **more})


def verdict(claims, runs, experiments=None):
    return judge_claims(claims, experiments or {}, runs)[0]


def test_interval_is_the_paired_t_interval():
    random = np.random.default_rng(1)
    a, b = random.normal(95, 1, 12), random.normal(94, 1, 12)
    found = verdict([claim("better", [("a", "b")])], runs_of("a", a) + runs_of("b", b)).comparisons[0]
    expected = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.estimate == pytest.approx(np.mean(a - b))


def test_intervals_are_simultaneous_over_all_claims():
    random = np.random.default_rng(1)
    a, b = random.normal(95, 1, 12), random.normal(94, 1, 12)
    claims = [
        claim("better", [("a", "b")]),
        claim("order", [("a", "b"), ("b", "c"), ("c", "d")]),
        claim("overall", [("a", "b"), ("c", "d")]),
    ]
    found = verdict(claims, runs_of("a", a) + runs_of("b", b)).comparisons[0]
    expected = stats.ttest_rel(a, b).confidence_interval(1 - 0.05 / 5)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(
    ("shift", "spread", "expected"),
    [
        (1.0, 0.1, "reproduced"),
        (0.1, 0.01, "not reproduced"),
        (-1.0, 0.1, "contradicted"),
        (0.3, 3.0, "undecided"),
    ],
)
def test_verdicts_of_a_difference(shift, spread, expected):
    differences = shift + spread * stats.norm.ppf((np.arange(12) + 0.5) / 12)
    assert difference("", differences.tolist(), margin=0.2, level=0.05).verdict == expected


def test_agreement_by_luck_is_not_certainty():
    """Equal differences: the scale is half of the margin, not 0."""
    found = difference("", [0.25] * 9, margin=0.2, level=0.05)
    assert found.high - found.estimate == pytest.approx(stats.t.ppf(0.975, 8) * 0.1 / 3)
    assert found.verdict == "undecided"


def test_pairing_removes_what_the_seed_decides():
    common = np.random.default_rng(2).normal(50, 5, 12)
    noise = np.random.default_rng(3).normal(0, 0.1, (2, 12))
    a, b = common + 0.6 + noise[0], common + noise[1]
    assert verdict([claim("better", [("a", "b")])], runs_of("a", a) + runs_of("b", b)).verdict == "reproduced"
    shuffled = runs_of("a", a) + runs_of("b", b[::-1])
    assert verdict([claim("better", [("a", "b")])], shuffled).verdict == "undecided"


def test_only_shared_seeds_of_the_full_budget_count():
    runs = runs_of("a", [95.0, 95.1, 95.2, 95.3]) + runs_of("b", [90.0, 90.1, 90.3])
    runs += runs_of("b", [99.0] * 9, budget="quick") + runs_of("b", [99.0] * 9, variant="other")
    assert verdict([claim("better", [("a", "b")])], runs).comparisons[0].n == 3


def test_the_seeds_that_are_said_to_decide_do_decide():
    pattern = stats.norm.ppf((np.arange(8) + 0.5) / 8)
    short = difference("", (0.5 + 0.6 * pattern).tolist(), margin=0.2, level=0.05)
    assert short.verdict == "undecided"
    n = short.seeds
    sd = np.std(0.6 * pattern, ddof=1)
    assert (
        stats.t.ppf(0.975, n - 1) * sd / np.sqrt(n) < 0.3 <= stats.t.ppf(0.975, n - 2) * sd / np.sqrt(n - 1)
    )
    # Figures that agree by luck are not taken to vary by less than half the margin.
    lucky = difference("", (0.25 + 1e-3 * pattern).tolist(), margin=0.2, level=0.05)
    assert lucky.verdict == "undecided"
    n = lucky.seeds
    assert (
        stats.t.ppf(0.975, n - 1) * 0.1 / np.sqrt(n)
        < 0.05
        <= stats.t.ppf(0.975, n - 2) * 0.1 / np.sqrt(n - 1)
    )
    hopeless = difference("", (0.2001 + pattern).tolist(), margin=0.2, level=0.05)
    assert hopeless.verdict == "undecided"
    assert hopeless.seeds is None


def test_a_conjunction_falls_with_its_gravest_part():
    runs = runs_of("a", [95.0, 95.1, 95.2, 95.1]) + runs_of("b", [90.0, 90.1, 90.3, 90.2])
    runs += runs_of("c", [94.95, 95.05, 95.15, 95.05])
    assert verdict([claim("best", [("a", "b")])], runs).verdict == "reproduced"
    assert verdict([claim("best", [("a", "b"), ("b", "a")])], runs).verdict == "contradicted"
    assert verdict([claim("best", [("a", "b"), ("a", "unknown")])], runs).verdict == "undecided"
    found = verdict([claim("best", [("a", "b"), ("a", "unknown")])], runs)
    assert "no runs of unknown" in found.comparisons[1].note


def test_overall_averages_pairs_and_shows_each():
    lift = [(2.0, "a", "b"), (-0.5, "c", "d")]
    runs = []
    for size, high, low in lift:
        base = [90.0, 90.1, 90.2, 90.1, 90.05, 90.0]
        runs += runs_of(low, base) + runs_of(high, [accuracy + size for accuracy in base])
    found = verdict([claim("overall", [("a", "b"), ("c", "d")])], runs)
    assert found.verdict == "reproduced"
    assert found.comparisons[0].estimate == pytest.approx(0.75)
    assert [round(detail.estimate, 3) for detail in found.details] == [2.0, -0.5]
    assert found.details[1].verdict == "contradicted"


def test_train_loss_is_the_last_epoch():
    runs = [
        StoredRun(
            experiment=name, seed=seed, test_accuracy=90.0, epoch_loss=(9.0 if name == "b" else 0.0, loss)
        )
        for name, loss in (("a", 0.5), ("b", 0.3))
        for seed in range(6)
    ]
    found = verdict([claim("order", [("a", "b")], metric="train_loss", margin=0.01)], runs)
    assert found.verdict == "reproduced"
    assert found.comparisons[0].estimate == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ([11.35] * 12, "reproduced"),
        ([50.0, 51.0, 52.0, 51.0], "contradicted"),
        ([11.35, 20.0, 11.35, 11.35], "undecided"),
        ([11.35, 11.35], "undecided"),
    ],
)
def test_chance(figures, expected):
    found = verdict(
        [claim("chance", level=11.35, arms=(Arm(experiment="a"),))],
        runs_of("a", figures),
    )
    assert found.verdict == expected
    assert (found.seeds is not None) == (expected == "undecided" and len(figures) > 2)


def test_equivalence_needs_the_whole_interval():
    assert (
        equivalence("", [10.0, 10.01, 9.99, 10.0] * 4, value=10, margin=0.2, level=0.05).verdict
        == "reproduced"
    )
    assert equivalence("", [10.1, 10.3, 9.9, 10.0], value=10, margin=0.2, level=0.05).verdict == "undecided"


@pytest.mark.parametrize(
    ("reported", "expected"),
    [(95.7, "contradicted"), (99.0, "reproduced"), (50.0, "not reproduced")],
)
def test_measured_on(reported, expected):
    figures = [95.6, 95.7, 95.8, 95.7, 95.65]
    runs = [
        StoredRun(experiment="a", seed=seed, test_accuracy=figure, train_accuracy=figure + 3.3)
        for seed, figure in enumerate(figures)
    ]
    experiment = SimpleNamespace(reported=reported, reported_text=str(reported), digit_unit=0.1)
    statement = claim("measured_on", arms=(Arm(experiment="a"),), measured_on="train")
    assert verdict([statement], runs, {"a": experiment}).verdict == expected


def test_joint_confidence():
    """All of four claims' intervals hold the truth in at least 95 % of reports."""
    random = np.random.default_rng(5)
    claims = [claim("better", [(str(i), str(i + 1))], margin=0.0) for i in range(4)]
    missed = 0
    for _ in range(400):
        runs = [run for i in range(5) for run in runs_of(str(i), random.normal(90, 1, 6))]
        found = judge_claims(claims, {}, runs)
        missed += any(not part.low <= 0 <= part.high for each in found for part in each.comparisons)
    assert stats.binomtest(missed, 400, 0.05, alternative="greater").pvalue > 1e-3
    assert missed > 0
