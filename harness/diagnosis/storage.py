"""What a submission loses of the weights that it is given: digits, or their arrangement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from harness.diagnosis.fitting import FLOAT64, float16, float16_by_float32, name
from harness.diagnosis.types import Diagnosis, Hypothesis
from harness.oracle import Float

Keep = Callable[[Float], Float]


def _decimals(digits: int) -> Keep:
    return lambda w: np.round(w, digits)


ROUNDINGS: tuple[tuple[str, str, Keep], ...] = (
    ("float16", "rounded to float16, which keeps three digits,", float16),
    ("float16", "rounded to float16, which keeps three digits,", float16_by_float32),
    *(
        ("weights_rounded", f"rounded to {digits} decimals", _decimals(digits))
        for digits in (0, 1, 2, 3, 4, 5)
    ),
    ("weights_integer", "cut to integers (make their arrays float)", np.trunc),
)
"""(id, what is done to weights, the function that does it)."""


def diagnose(given: Sequence[Float], found: Sequence[Float]) -> Diagnosis | None:
    """Name what has become of weights on their way through ``set_weights`` and ``get_weights``."""
    if [f.shape for f in found] != [w.shape for w in given]:
        return None
    # float32 rounds too, which is right: what it leaves is no deviation to be explained.
    return name(found, given, hypotheses(given), tiers=(FLOAT64,))


def hypotheses(given: Sequence[Float]) -> Iterator[Hypothesis]:
    """Yield what is done to weights by mistake where they are only stored."""
    places = {
        "weights and biases": frozenset(range(len(given))),
        "weights": frozenset(range(0, len(given), 2)),
        "biases": frozenset(range(1, len(given), 2)),
    }
    for who, chosen in places.items():
        for mistake, how, keep in ROUNDINGS:
            yield Hypothesis(
                id=mistake,
                sentence=f"{who} are {how} when they are set",
                predict=lambda keep=keep, chosen=chosen: [  # type: ignore[misc]
                    keep(w) if i in chosen else w for i, w in enumerate(given)
                ],
            )
    sentence = "matrices are reshaped where they should be transposed on their way in or out"
    for turn in (lambda w: w.T.reshape(w.shape), lambda w: w.reshape(w.shape[::-1]).T):
        yield Hypothesis(
            id="reshape_for_transpose",
            sentence=sentence,
            predict=lambda turn=turn: [turn(w) if w.ndim == 2 else w for w in given],  # type: ignore[misc]
        )
