"""Prediction intervals for accuracies: the range of one run, of the mean of several, and a reported
figure in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from harness.errors import BackcheckError

SD_FLOOR = 0.1
"""Points. Twelve seeds can agree by luck, and another BLAS rounds otherwise: no scale is taken to be
smaller.
"""

MIN_RUNS = 3
"""With two runs the t quantile at these levels is in the hundreds, and the interval says nothing."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """A two-sided prediction interval [low, high] in per cent, with the n reference figures' mean and sd.

    ``k`` is the multiple of max(sd, floor) by which the interval reaches out from the mean, before
    rounding is allowed for.
    """

    low: float
    high: float
    mean: float
    sd: float
    n: int
    k: float

    def __contains__(self, accuracy: float) -> bool:
        return self.low <= accuracy <= self.high


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """Whether a reported figure fits the reference distribution: two-sided p, and the verdict at the
    level used.
    """

    p: float
    verdict: str  # "consistent" or "not reproduced"
    interval: Range
    level: float  # of this one comparison: p below it is "not reproduced"


def expected_range(
    accuracies: Sequence[float],
    *,
    alpha: float = 0.01,
    family: int = 1,
    runs: int = 1,
    digit_unit: float = 0.0,
    sd_floor: float = SD_FLOOR,
) -> Range:
    """The range in which the mean of ``runs`` further runs lies with probability 1 - alpha / family.

    With m and s of the N given accuracies (per cent): |x - m| <= k max(s, sd_floor) + digit_unit / 2,
    where k = t(1 - alpha / (2 family), N - 1) sqrt(1 / runs + 1 / N): the normal-theory prediction
    interval, with Bonferroni's correction for ``family`` ranges applied together. ``digit_unit`` is the
    unit of the last digit of a rounded figure (1 for "62", 0.1 for "94.3"), and 0 where the figure is not
    rounded. The range is cut at 0 and 100. Raises BackcheckError for fewer than three accuracies.
    """
    n = len(accuracies)
    mean, sd = mean_and_sd(accuracies)
    if not (0 < alpha < 1 and family >= 1 and runs >= 1 and digit_unit >= 0):
        raise ValueError(
            f"expected_range: alpha in (0, 1), family >= 1, runs >= 1, digit_unit >= 0 expected; "
            f"found {alpha=}, {family=}, {runs=}, {digit_unit=}"
        )
    k = t_quantile(1 - alpha / (2 * family), n - 1) * math.sqrt(1 / runs + 1 / n)
    reach = k * max(sd, sd_floor) + digit_unit / 2
    return Range(low=max(0.0, mean - reach), high=min(100.0, mean + reach), mean=mean, sd=sd, n=n, k=k)


def consistent(
    reported: float,
    accuracies: Sequence[float],
    *,
    alpha: float = 0.01,
    family: int = 1,
    digit_unit: float = 0.0,
    sd_floor: float = SD_FLOOR,
) -> Consistency:
    """Is a reported figure (per cent, rounded to ``digit_unit``) a draw from the distribution of the
    accuracies?

    p is two-sided for the nearest figure that rounds to the reported one; "not reproduced" is p < alpha /
    family, which is the same as lying outside the interval of ``expected_range`` with these arguments.
    """
    interval = expected_range(
        accuracies, alpha=alpha, family=family, digit_unit=digit_unit, sd_floor=sd_floor
    )
    n = interval.n
    distance = max(0.0, abs(reported - interval.mean) - digit_unit / 2)
    p = two_sided_p(distance / (max(interval.sd, sd_floor) * math.sqrt(1 + 1 / n)), n - 1)
    level = alpha / family
    return Consistency(
        p=p, verdict="consistent" if p >= level else "not reproduced", interval=interval, level=level
    )


def mean_and_sd(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (N - 1) of at least three finite figures; else BackcheckError."""
    n = len(values)
    if n < MIN_RUNS:
        raise BackcheckError(
            f"a reference distribution needs at least {MIN_RUNS} runs, found {n}: "
            "train more seeds with `backcheck calibrate`"
        )
    if not all(math.isfinite(value) for value in values):
        raise BackcheckError(f"a reference distribution needs finite accuracies, found {list(values)}")
    mean = math.fsum(values) / n
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))


def p_value(p: float) -> str:
    """p to two digits, and no smaller than a t distribution's tail can be trusted for."""
    if p < 1e-4:
        return "< 0.0001"
    return f"{p:.2f}" if p >= 0.1 else f"{p:.2g}"


def p_equals(p: float) -> str:
    """p in a sentence: "p = 0.04" or "p < 0.0001"."""
    text = p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


@lru_cache(maxsize=1024)
def t_quantile(probability: float, degrees: int) -> float:
    """Student's t: the value not exceeded with this probability (scipy.special.stdtrit)."""
    from scipy.special import stdtrit  # scipy.stats takes ten times as long to import

    return float(stdtrit(degrees, probability))


def two_sided_p(t: float, degrees: int) -> float:
    """The probability that |T| exceeds |t| for Student's t with these degrees of freedom."""
    from scipy.special import stdtr

    return float(2 * stdtr(degrees, -abs(t)))
