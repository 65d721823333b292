"""Weights that training did not start from: drawn anew instead."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.diagnosis.distributions import p_value
from harness.diagnosis.trajectory import Trajectory, Weights, hypothesis
from harness.diagnosis.types import Hypothesis

ENTRIES = 50  # fewer say too little about where they come from
CORRELATION = 5.0  # standard deviations of a correlation of independent draws
ALIKE = 1e-4  # the least p-value of Glorot's distribution; a few steps blur it a little


def reinitialised(path: Trajectory, found: Weights) -> Iterator[Hypothesis]:
    """Yield re-initialisation where every large matrix has lost its start and looks freshly drawn.

    The draw is not known, so that there is no prediction to fit: the evidence is that the weights are
    uncorrelated with those that were set, which steps from them are not, and distributed as initial ones.
    """
    large = [i for i in sorted(path.matrices) if path.start[i].size >= ENTRIES]
    if not large or not all(_fresh(path, found, i) for i in large):
        return
    yield hypothesis(
        "reinitialised",
        (
            "the weights that were set are gone and freshly drawn ones stand in "
            "their place: fit must go on from its weights"
        ),
        lambda: found,
    )


def _fresh(path: Trajectory, found: Weights, i: int) -> bool:
    start, now = path.start[i], path.start[i] + found[i]
    if start.std() == 0 or now.std() == 0:
        return False
    correlation = float(np.corrcoef(start.ravel(), now.ravel())[0, 1])
    limit = float(np.sqrt(6.0 / sum(start.shape)))
    inside = np.clip(np.sort(now.ravel()), -limit, limit)
    return abs(correlation) * np.sqrt(start.size) < CORRELATION and p_value(inside, "uniform", limit) > ALIKE
