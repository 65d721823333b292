"""The decision rule for grading: one run screens, fresh seeds decide.

A first run inside the screening range passes. A first run outside it fails nobody: up to ``FRESH_SEEDS``
runs follow, and the verdict rests on all runs together. With three runs, and again with four, the
submission fails if the mean of its runs is outside the prediction interval for a mean of so many runs
*and* at least three of the runs lie beyond the same limit of it, so that one or two wild runs do not
decide. Four runs of which none is in the range of a single run fail as well, on whichever side they lie:
a training that is too good on one seed and collapses on the next is no right one. Otherwise it passes.

Error rates. Each of the two looks at a mean has level VERDICT_ALPHA / (2 * family); failing at any look in
any of the family's experiments has therefore probability below VERDICT_ALPHA = 1 % for a right submission
whose accuracies are normal (Bonferroni: whatever the dependence), and in fact far below it, since the first
run must have been out as well. That none of four runs is in the range of a single one, at the same level, is
less likely by far than that the first is not. Screening at SCREEN_ALPHA costs a right submission some re-runs
in at most 5 % of gradings, nothing else. The tests repeat this with outliers and with collapsing runs, where
the normal theory does not hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.errors import BackcheckError
from harness.statistics.distribution import Distribution
from harness.statistics.ranges import SD_FLOOR, Range, expected_range

FRESH_SEEDS = 3
"""Runs that follow a first run out of range, at most."""

_LOOKS = (FRESH_SEEDS, FRESH_SEEDS + 1)  # numbers of runs with which a submission may fail
_MAJORITY = 3  # runs beyond the same limit

SCREEN_ALPHA = 0.05
"""A right submission has any first run out of range in at most this share of gradings."""

VERDICT_ALPHA = 0.01
"""A right submission fails any accuracy check in under this share of gradings."""

JudgementStatus = Literal["pass", "rerun", "fail"]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What follows from a submission's accuracies so far; [low, high] is the range that was applied, per
    cent.

    For one run the range is the screening range of a single run, for more it is the range of their mean.
    """

    status: JudgementStatus
    low: float
    high: float
    message: str


def judge(accuracies: Sequence[float], distribution: Distribution, *, family: int) -> Judgement:
    """Judge a submission's test accuracies (per cent, in the order they were run) against the reference.

    ``family`` is the number of accuracy checks in this grading. "rerun" asks for one more run on a fresh
    seed; the runs may also be made ahead and handed over together. Raises BackcheckError for no accuracy,
    or one that is no per cent figure.
    """
    if not accuracies or not all(0 <= accuracy <= 100 for accuracy in accuracies):
        raise BackcheckError(
            f"{distribution.experiment}: one accuracy in per cent for each run expected, "
            f"found {list(accuracies)}"
        )
    screen = screening_range(distribution, family=family)
    first = accuracies[0]
    if first in screen:
        return _judgement("pass", screen, f"{first:.2f} is in the expected range {_text(screen)}")
    for runs in (look for look in _LOOKS if look <= len(accuracies)):
        limits = verdict_range(distribution, family=family, runs=runs)
        seen = accuracies[:runs]
        if _beyond(seen, limits):
            return _judgement("fail", limits, _failing(seen, limits))
    if len(accuracies) <= FRESH_SEEDS:
        message = (
            f"{first:.2f} is out of the expected range {_text(screen)}: a fresh seed is run before a verdict"
        )
        return _judgement("rerun", screen, message)
    single = verdict_range(distribution, family=family, runs=1)
    if not any(accuracy in single for accuracy in seen):
        return _judgement("fail", single, _astray(seen, single))
    mean = math.fsum(seen) / len(seen)
    if mean in limits:
        message = (
            f"first run {first:.2f} out of {_text(screen)}, but {len(seen)} runs together "
            f"(mean {mean:.2f}) are what a correct implementation reaches, {_text(limits)}"
        )
    else:
        message = (
            f"first run {first:.2f} out of {_text(screen)}, and the mean of {len(seen)} runs, {mean:.2f}, "
            f"out of {_text(limits)}, but fewer than {_MAJORITY} of them lie beyond one limit: "
            "no verdict against it"
        )
    return _judgement("pass", limits, message)


def screening_range(distribution: Distribution, *, family: int) -> Range:
    """The range of a single run, by which a first run passes or calls for fresh seeds."""
    return expected_range(distribution.accuracies, alpha=SCREEN_ALPHA, family=family)


def verdict_range(distribution: Distribution, *, family: int, runs: int) -> Range:
    """The range of the mean of ``runs`` runs, outside which a submission fails."""
    return expected_range(
        distribution.accuracies, alpha=VERDICT_ALPHA, family=family * len(_LOOKS), runs=runs
    )


def leave_one_out(distribution: Distribution, *, family: int) -> int:
    """How many of the reference's own runs the screening range of the others would send to fresh seeds."""
    outside = 0
    for index, accuracy in enumerate(distribution.accuracies):
        rest = distribution.accuracies[:index] + distribution.accuracies[index + 1 :]
        outside += accuracy not in expected_range(rest, alpha=SCREEN_ALPHA, family=family)
    return outside


def smallest_shift(distribution: Distribution, *, family: int, power: float = 0.9) -> float:
    """Points by which the accuracy must be off to fail with at least this probability under the whole rule.

    Takes the reference's mean and scale as given and the submission's runs as normal with that scale. A
    shift that puts the first run out of the screening range, and every one of the four runs' majority and
    mean out of the last look's range, is caught at the last look at the latest; each of the two events
    gets half of the allowed miss.
    """
    from scipy.special import ndtri

    miss = (1 - power) / 2
    screen = screening_range(distribution, family=family)
    last = verdict_range(distribution, family=family, runs=FRESH_SEEDS + 1)
    scale = max(screen.sd, SD_FLOOR)
    per_run = _majority_quantile(miss)
    return scale * max(screen.k + float(ndtri(1 - miss)), last.k + float(ndtri(per_run)))


def _majority_quantile(miss: float) -> float:
    """The single-run probability q at which three of four runs (and then their mean, mostly) are out but
    for ``miss``.
    """
    low, high = 0.5, 1.0
    for _ in range(60):
        q = (low + high) / 2
        if q**4 + 4 * q**3 * (1 - q) < 1 - miss:
            low = q
        else:
            high = q
    return high


def _beyond(accuracies: Sequence[float], limits: Range) -> bool:
    mean = math.fsum(accuracies) / len(accuracies)
    below = sum(accuracy < limits.low for accuracy in accuracies)
    above = sum(accuracy > limits.high for accuracy in accuracies)
    return (mean < limits.low and below >= _MAJORITY) or (mean > limits.high and above >= _MAJORITY)


def _failing(accuracies: Sequence[float], limits: Range) -> str:
    mean = math.fsum(accuracies) / len(accuracies)
    side = "too low" if mean < limits.low else "too good"
    return (
        f"{side}: {_figures(accuracies)} (mean {mean:.2f}); "
        f"the mean of a correct implementation's is in {_text(limits)}"
    )


def _figures(accuracies: Sequence[float]) -> str:
    figures = ", ".join(f"{accuracy:.2f}" for accuracy in accuracies)
    return f"{len(accuracies)} runs on different seeds reach {figures}"


def _astray(accuracies: Sequence[float], single: Range) -> str:
    return f"{_figures(accuracies)}: none is in {_text(single)}, where a correct implementation's are"


def _judgement(status: JudgementStatus, limits: Range, message: str) -> Judgement:
    return Judgement(status=status, low=limits.low, high=limits.high, message=message)


def _text(limits: Range) -> str:
    return f"{limits.low:.2f} to {limits.high:.2f}"
