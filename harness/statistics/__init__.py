"""When is an accuracy in the expected range, a reported figure consistent, a claim reproduced?

``ranges`` holds prediction intervals, ``judging`` the decision rule for grading with re-runs, ``claims``
paired comparisons with simultaneous confidence intervals, ``distribution`` the way from stored runs to a
reference distribution. Accuracies are in per cent everywhere.
"""

from __future__ import annotations

from harness.statistics.claims import CLAIM_ALPHA, ClaimVerdict, judge_claims
from harness.statistics.distribution import Distribution, reference_distribution
from harness.statistics.judging import (
    FRESH_SEEDS,
    SCREEN_ALPHA,
    VERDICT_ALPHA,
    Judgement,
    judge,
    leave_one_out,
    screening_range,
    smallest_shift,
)
from harness.statistics.paired import CONTRADICTED, NOT_REPRODUCED, REPRODUCED, UNDECIDED, Comparison
from harness.statistics.ranges import (
    MIN_RUNS,
    SD_FLOOR,
    Consistency,
    Range,
    consistent,
    expected_range,
    mean_and_sd,
    p_equals,
    p_value,
)

__all__ = [
    "CLAIM_ALPHA",
    "CONTRADICTED",
    "FRESH_SEEDS",
    "MIN_RUNS",
    "NOT_REPRODUCED",
    "REPRODUCED",
    "SCREEN_ALPHA",
    "SD_FLOOR",
    "UNDECIDED",
    "VERDICT_ALPHA",
    "ClaimVerdict",
    "Comparison",
    "Consistency",
    "Distribution",
    "Judgement",
    "Range",
    "consistent",
    "expected_range",
    "judge",
    "judge_claims",
    "leave_one_out",
    "mean_and_sd",
    "p_equals",
    "p_value",
    "reference_distribution",
    "screening_range",
    "smallest_shift",
]
