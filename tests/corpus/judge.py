"""Every quantity by name, and how one is measured: the corpus's own judge, independent of the harness."""

from __future__ import annotations

import math
import warnings

import numpy as np

from tests.corpus import corners, quantities
from tests.corpus.quantities import Build, Quantity

QUANTITIES: dict[str, Quantity] = {
    q.__name__: q
    for q in (
        *quantities.CALLS,
        *quantities.UPDATES,
        *quantities.TRAININGS,
        *corners.CALLS,
        *corners.TRAININGS,
    )
}
NEEDS_ADAM = (
    "adam",
    "adam_small",
    "adam_batches",
    "adam_long",
    "adam_square",
    "adam_again",
    "adam_beside",
    "adam_decay",
    "adam_sparse",
    "adam_hundreds",
)


def measure(build: Build, name: str, activation: str) -> float:
    """Return the deviation of one quantity; what raises, and what is not a number, deviates infinitely."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            value = QUANTITIES[name](build, activation)
        except Exception:
            return math.inf
    return math.inf if math.isnan(value) else value
