"""Claims about experiments, decided by paired seeds, simultaneous confidence intervals and a fixed margin.

Two experiments run with the same seed share what the seed decides, so their metrics are compared seed by
seed. Each comparison's interval has Bonferroni's correction over all comparisons of all claims of a
report: with probability 1 - CLAIM_ALPHA every interval of the report holds its true value. Nothing here
knows a report: what is compared comes from the specification.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.spec import FULL, Arm, Claim, Experiment, Pair
from harness.statistics.distribution import AccuracyRun
from harness.statistics.paired import (
    CONTRADICTED,
    NOT_REPRODUCED,
    REPRODUCED,
    UNDECIDED,
    Comparison,
    difference,
    equivalence,
    too_few,
)
from harness.statistics.ranges import MIN_RUNS, consistent, p_equals

CLAIM_ALPHA = 0.05
"""The probability that any interval of a report's claims misses its true value."""

Key = tuple[str, int]  # reference and seed


class MetricRun(AccuracyRun, Protocol):
    """What claims read of a stored run, beyond its test accuracy."""

    @property
    def train_accuracy(self) -> float:
        """Per cent of the training images that the final network classifies rightly."""

    @property
    def epoch_loss(self) -> Sequence[float]:
        """The training loss of each epoch."""


METRICS: Mapping[str, Callable[[MetricRun], float]] = {
    "test_accuracy": lambda run: run.test_accuracy,
    "train_accuracy": lambda run: run.train_accuracy,
    "train_loss": lambda run: run.epoch_loss[-1],
}


@dataclass(frozen=True, kw_only=True)
class ClaimVerdict:
    """A claim, the verdict on it, and the comparisons from which the verdict follows.

    ``details`` are shown beside them and decide nothing: the differences behind an average.
    """

    claim: Claim
    verdict: str
    comparisons: tuple[Comparison, ...]
    details: tuple[Comparison, ...] = ()

    @property
    def seeds(self) -> int | None:
        """The number of seeds that would decide an undecided claim, where one is known."""
        needed = [part.seeds for part in self.comparisons if part.verdict == UNDECIDED]
        return None if None in needed else max((seeds for seeds in needed if seeds), default=None)


def judge_claims(
    claims: Sequence[Claim],
    experiments: Mapping[str, Experiment],
    runs: Iterable[MetricRun],
    *,
    alpha: float = CLAIM_ALPHA,
) -> tuple[ClaimVerdict, ...]:
    """Decide each claim from the stored runs of the full budget; all intervals hold together with 1 -
    alpha.
    """
    by_arm: dict[Arm, dict[Key, MetricRun]] = {}
    for run in runs:
        if run.budget == FULL:
            arm = Arm(experiment=run.experiment, variant=run.variant)
            by_arm.setdefault(arm, {})[run.reference, run.seed] = run
    level = alpha / max(1, sum(_intervals(claim) for claim in claims))
    return tuple(_judge(claim, experiments, by_arm, level) for claim in claims)


def _intervals(claim: Claim) -> int:
    """On how many intervals the verdict on a claim rests."""
    if claim.kind == "overall":
        return 1
    return len(claim.pairs) or len(claim.arms) * (2 if claim.kind == "measured_on" else 1)


def _judge(
    claim: Claim,
    experiments: Mapping[str, Experiment],
    by_arm: Mapping[Arm, Mapping[Key, MetricRun]],
    level: float,
) -> ClaimVerdict:
    details: tuple[Comparison, ...] = ()
    if claim.kind == "measured_on":
        parts = tuple(
            _measured_on(claim, experiments[arm.experiment], by_arm, arm, level) for arm in claim.arms
        )
    elif claim.kind == "chance":
        parts = tuple(_at_level(claim, by_arm, arm, level) for arm in claim.arms)
    else:
        parts = tuple(
            _compared(f"{pair.higher} − {pair.lower}", claim, by_arm, [pair], level) for pair in claim.pairs
        )
        if claim.kind == "overall":
            label = f"mean of the {len(parts)} differences"
            parts, details = (_compared(label, claim, by_arm, claim.pairs, level),), parts
    gravest = (CONTRADICTED, NOT_REPRODUCED, UNDECIDED, REPRODUCED)
    found = {part.verdict for part in parts}
    verdict = next(verdict for verdict in gravest if verdict in found)
    return ClaimVerdict(claim=claim, verdict=verdict, comparisons=parts, details=details)


def _compared(
    label: str,
    claim: Claim,
    by_arm: Mapping[Arm, Mapping[Key, MetricRun]],
    pairs: Sequence[Pair],
    level: float,
) -> Comparison:
    """Compare the arms of the pairs seed by seed, averaging the differences of several pairs."""
    arms = list(dict.fromkeys(arm for pair in pairs for arm in (pair.higher, pair.lower)))
    missing = [str(arm) for arm in arms if arm not in by_arm]
    if missing:
        return Comparison(label=label, n=0, verdict=UNDECIDED, note=f"no runs of {', '.join(missing)}")
    values = {arm: _metric_by_seed(by_arm[arm], claim.metric) for arm in arms}
    shared = sorted(set.intersection(*(set(value) for value in values.values())))
    differences = [
        math.fsum(values[pair.higher][seed] - values[pair.lower][seed] for pair in pairs) / len(pairs)
        for seed in shared
    ]
    return difference(label, differences, margin=claim.margin, level=level)


def _metric_by_seed(runs: Mapping[Key, MetricRun], metric: str) -> dict[int, float]:
    """The metric of each seed; the mean over references where several ran a seed."""
    by_seed: dict[int, list[float]] = {}
    for (_, seed), run in runs.items():
        by_seed.setdefault(seed, []).append(METRICS[metric](run))
    return {seed: math.fsum(values) / len(values) for seed, values in by_seed.items()}


def _at_level(
    claim: Claim, by_arm: Mapping[Arm, Mapping[Key, MetricRun]], arm: Arm, level: float
) -> Comparison:
    """Whether the metric stays at the level of chance that the claim names."""
    figures = list(_metric_by_seed(by_arm.get(arm, {}), claim.metric).values())
    value = claim.level if claim.level is not None else math.nan  # the specification's reader requires it
    return equivalence(f"{arm}, chance {value:g}", figures, value=value, margin=claim.margin, level=level)


def _measured_on(
    claim: Claim,
    experiment: Experiment,
    by_arm: Mapping[Arm, Mapping[Key, MetricRun]],
    arm: Arm,
    level: float,
) -> Comparison:
    """Whether the reported figure is an accuracy on the set that the claim names, by two consistency
    tests.
    """
    runs = list(by_arm.get(arm, {}).values())
    if len(runs) < MIN_RUNS or experiment.reported is None:
        return too_few(str(arm), len(runs))
    tests = {
        name: consistent(
            experiment.reported,
            [METRICS[f"{name}_accuracy"](run) for run in runs],
            alpha=level,
            digit_unit=experiment.digit_unit or 0.0,
        )
        for name in ("train", "test")
    }
    fits = {name: test.verdict == "consistent" for name, test in tests.items()}
    other = "test" if claim.measured_on == "train" else "train"
    named = claim.measured_on or "train"
    verdict = {
        (True, False): REPRODUCED,
        (False, True): CONTRADICTED,
        (False, False): NOT_REPRODUCED,
        (True, True): UNDECIDED,
    }[fits[named], fits[other]]
    note = ", ".join(
        f"{'training' if name == 'train' else 'test'} set {test.interval.mean:.2f} ({p_equals(test.p)})"
        for name, test in tests.items()
    )
    return Comparison(
        label=f"{arm}: {experiment.reported_text} against",
        n=len(runs),
        verdict=verdict,
        estimate=tests[named].interval.mean,
        low=tests[named].interval.low,
        high=tests[named].interval.high,
        note=note,
    )
