"""Confidence intervals of a mean difference over paired seeds, against a margin that was fixed beforehand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.statistics.ranges import MIN_RUNS, mean_and_sd, t_quantile

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
CONTRADICTED = "contradicted"
UNDECIDED = "undecided"

MOST_SEEDS = 1000
"""More than anybody would train: no number of seeds above it is proposed."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One part of a claim: an estimate in units of the metric, its interval, and what follows for the claim.

    ``estimate``, ``low`` and ``high`` are None where runs are missing. ``seeds`` is the number of seeds
    that would decide an undecided comparison if mean and scale stayed as they are; None if that is over a
    thousand, if there are too few runs to say, or if the comparison is decided.
    """

    label: str
    n: int
    verdict: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    seeds: int | None = None
    note: str = ""


def difference(label: str, differences: Sequence[float], *, margin: float, level: float) -> Comparison:
    """Does the mean of paired differences exceed the margin? The interval has confidence 1 - level.

    Lower bound over the margin: reproduced. Upper bound under it: not reproduced, and contradicted if
    under 0.
    """
    n = len(differences)
    if n < MIN_RUNS:
        return too_few(label, n)
    mean, low, high = interval(differences, margin=margin, level=level)
    if low > margin:
        verdict = REPRODUCED
    elif high < min(0.0, margin):
        verdict = CONTRADICTED
    elif high < margin:
        verdict = NOT_REPRODUCED
    else:
        verdict = UNDECIDED
    needed = seeds_needed(differences, distance=abs(mean - margin), margin=margin, level=level)
    return Comparison(
        label=label,
        n=n,
        estimate=mean,
        low=low,
        high=high,
        verdict=verdict,
        seeds=needed if verdict == UNDECIDED else None,
    )


def equivalence(
    label: str, figures: Sequence[float], *, value: float, margin: float, level: float
) -> Comparison:
    """Is the mean within the margin of a value? Reproduced if its whole interval is, contradicted if none
    of it is.
    """
    n = len(figures)
    if n < MIN_RUNS:
        return too_few(label, n)
    mean, low, high = interval(figures, margin=margin, level=level)
    if value - margin <= low and high <= value + margin:
        verdict = REPRODUCED
    elif low > value + margin or high < value - margin:
        verdict = CONTRADICTED
    else:
        verdict = UNDECIDED
    needed = seeds_needed(figures, distance=abs(abs(mean - value) - margin), margin=margin, level=level)
    return Comparison(
        label=label,
        n=n,
        estimate=mean,
        low=low,
        high=high,
        verdict=verdict,
        seeds=needed if verdict == UNDECIDED else None,
    )


def too_few(label: str, n: int) -> Comparison:
    """A comparison that cannot be made yet."""
    found = "no runs" if n == 0 else f"{n} seed{'s' if n > 1 else ''}"
    return Comparison(label=label, n=n, verdict=UNDECIDED, note=f"{found}, at least {MIN_RUNS} needed")


def interval(values: Sequence[float], *, margin: float, level: float) -> tuple[float, float, float]:
    """Mean, and lower and upper limit of its two-sided t interval with confidence 1 - level."""
    mean, sd = mean_and_sd(values)
    reach = _reach(max(sd, margin / 2), len(values), level)
    return mean, mean - reach, mean + reach


def seeds_needed(values: Sequence[float], *, distance: float, margin: float, level: float) -> int | None:
    """The least number of seeds at which the interval reaches less far than ``distance``; None if over a
    thousand.
    """
    scale = max(mean_and_sd(values)[1], margin / 2)
    if _reach(scale, MOST_SEEDS, level) >= distance:
        return None
    low, high = MIN_RUNS - 1, MOST_SEEDS  # not enough, enough: the reach falls with n
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _reach(scale, middle, level) < distance else (middle, high)
    return high


def _reach(scale: float, n: int, level: float) -> float:
    """Half the width of the interval. As in ``ranges``, agreement by luck is not taken for certainty: the
    caller gives no scale under half of the margin.
    """
    return t_quantile(1 - level / 2, n - 1) * scale / math.sqrt(n)
