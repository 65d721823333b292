"""What a submission loses of the weights that it is given: digits, their arrangement, or some altogether."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from harness.diagnosis.fitting import FLOAT64, bfloat16, float16, float16_by_float32, name
from harness.diagnosis.types import Diagnosis, Hypothesis
from harness.oracle import Float

Keep = Callable[[Float], Float]


def _decimals(digits: int) -> Keep:
    return lambda w: np.round(w, digits)


ROUNDINGS: tuple[tuple[str, str, Keep], ...] = (
    ("float16", "rounded to float16, which keeps three digits,", float16),
    ("float16", "rounded to float16, which keeps three digits,", float16_by_float32),
    ("bfloat16", "rounded to bfloat16, which keeps two digits,", bfloat16),
    *(
        ("weights_rounded", f"rounded to {digits} decimals", _decimals(digits))
        for digits in (0, 1, 2, 3, 4, 5)
    ),
    ("weights_integer", "cut to integers (make their arrays float)", np.trunc),
)
"""(id, what is done to weights, the function that does it)."""


def diagnose(
    given: Sequence[Float], found: Sequence[Float], before: Sequence[Float] | None = None
) -> Diagnosis | None:
    """Name what has become of weights on their way through ``set_weights`` and ``get_weights``.

    ``before`` is what ``get_weights`` returned before the weights were set.
    """
    if [f.shape for f in found] != [w.shape for w in given]:
        return None
    # float32 rounds too, which is right: what it leaves is no deviation to be explained.
    kept = None if before is None else _kept(given, found, before)
    return kept or name(found, given, hypotheses(given), tiers=(FLOAT64,))


def _kept(given: Sequence[Float], found: Sequence[Float], before: Sequence[Float]) -> Diagnosis | None:
    """Some tensors are as they were before, the others as they were given."""
    if [w.shape for w in before] != [w.shape for w in given]:
        return None
    left = [i for i, (f, w, b) in enumerate(zip(found, given, before)) if _same(f, b) and not _same(f, w)]
    if not left or not all(_same(found[i], given[i]) for i in range(len(given)) if i not in left):
        return None
    if len(left) == len(given):
        return Diagnosis(
            id="weights_not_set", sentence="set_weights sets nothing, or get_weights answers other arrays"
        )
    # Where they are zero, arrays of integers may be what cuts them to that.
    where = "at old values" if any(before[i].any() for i in left) else "zero"
    return Diagnosis(
        id="weights_not_set",
        sentence=(
            f"{_tensors(left, len(given))} stay{'s' * (len(left) == 1)} {where}: "
            "set_weights must take over every tensor, as floats"
        ),
    )


def _same(one: Float, other: Float) -> bool:
    """Whether two tensors are alike up to float32's rounding."""
    return np.allclose(one, other, rtol=2.0**-23, atol=1e-30)


def _tensors(chosen: Sequence[int], count: int) -> str:
    if list(chosen) == list(range(1, count, 2)):
        return "the biases"
    if list(chosen) == list(range(0, count, 2)):
        return "the weight matrices"
    return ", ".join(f"{'Wb'[i % 2]}{i // 2 + 1}" for i in chosen)


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
                sentence=f"{who} are {how} when they are set or read",
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
