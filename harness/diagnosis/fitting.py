"""The fit: a mistake is named if its prediction explains the deviation that was seen, and no other's does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.diagnosis.types import Diagnosis, Hypothesis
from harness.oracle import Float


@dataclass(frozen=True, kw_only=True)
class Tier:
    """How closely a prediction must explain what was observed.

    ``share`` of the deviation may stay unexplained; ``noise`` of a tensor's right size is the arithmetic's.
    """

    share: float
    noise: float


# float64 code reproduces a mistake to about 1e-13; a formula of another shape may lose a few digits more.
FLOAT64 = Tier(share=1e-6, noise=1e-10)
# float32 code was measured under 7e-7 of a tensor's size; what deviates by less than 1e-4 is not judged.
FLOAT32 = Tier(share=2e-5, noise=3e-6)
TIERS = (FLOAT64, FLOAT32)


def name(
    found: Sequence[Float],
    expected: Sequence[Float],
    hypotheses: Iterable[Hypothesis],
    *,
    general: Iterable[Hypothesis] = (),
    rounding: Sequence[float] | None = None,
    tiers: Sequence[Tier] = TIERS,
) -> Diagnosis | None:
    """Return the one mistake whose prediction fits ``found``; None if none does, or several that differ.

    ``expected`` is what right code gives. ``general`` are mistakes with a free constant, of which others are
    special cases: they count only where no other fits as exactly. ``rounding`` is, for each tensor, the norm
    of the rounding that float32 code carries into it besides (that of the weights before a small step).
    """
    if any(f.shape != e.shape or not np.isfinite(f).all() for f, e in zip(found, expected)):
        return None
    targets = [Target(found, expected, tier, None if tier is FLOAT64 else rounding) for tier in tiers]
    targets = [target for target in targets if target.judged]
    if not targets:
        return None
    special = _fitting(targets, hypotheses)
    free = [[] for _ in targets] if special[0] else _fitting(targets, general)
    # The most exact tier that any fits decides.
    for fitting in (a or b for a, b in zip(special, free)):
        if fitting:
            first = fitting[0]
            alone = all(hypothesis.id == first.id for hypothesis in fitting)
            return Diagnosis(id=first.id, sentence=first.sentence) if alone else None
    return None


def _fitting(targets: Sequence[Target], hypotheses: Iterable[Hypothesis]) -> list[list[Hypothesis]]:
    """Return, for each target, the hypotheses that fit it."""
    fits: list[list[Hypothesis]] = [[] for _ in targets]
    for hypothesis in hypotheses:
        prediction = hypothesis.predict()
        for target, fitting in zip(targets, fits):
            if target.fits(prediction):
                fitting.append(hypothesis)
    return fits


class Target:
    """Observed tensors and the right ones, to hold predictions against at one tier of exactness."""

    def __init__(
        self, found: Sequence[Float], expected: Sequence[Float], tier: Tier, rounding: Sequence[float] | None
    ) -> None:
        self.found = found
        self.share = tier.share
        sizes = [float(np.linalg.norm(e)) for e in expected]
        seen = [float(np.linalg.norm(f)) for f in found]
        # Where the right tensor is zero, what was seen gives the scale.
        self.scales = [size or other or 1.0 for size, other in zip(sizes, seen)]
        extra = [0.0] * len(sizes) if rounding is None else rounding
        self.floors = [tier.noise * scale + more for scale, more in zip(self.scales, extra)]
        self.deviations = [float(np.linalg.norm(f - e)) for f, e in zip(found, expected)]
        self.total = _length(self.deviations, self.scales)
        self.floor = _length(self.floors, self.scales)
        # Small tensors first: they reject nearly every hypothesis, and cost nothing.
        self.order = sorted(range(len(found)), key=lambda i: found[i].size)

    @property
    def judged(self) -> bool:
        """Whether the deviation stands out from the arithmetic's noise far enough to be explained."""
        return self.floor <= 0.03 * self.total

    def fits(self, prediction: Sequence[Float] | None) -> bool:
        """Whether the prediction explains the deviation, in every tensor and in all."""
        if prediction is None or len(prediction) != len(self.found):
            return False
        rest = [0.0] * len(self.found)
        for i in self.order:
            if prediction[i].shape != self.found[i].shape:
                return False
            rest[i] = float(np.linalg.norm(self.found[i] - prediction[i]))
            if not rest[i] <= self.share * self.deviations[i] + self.floors[i]:
                return False
        return _length(rest, self.scales) <= self.share * self.total + self.floor


def fit_constant(
    predict: Callable[[float], Float], found: Float, start: float, *, rounds: int = 12
) -> float | None:
    """Return the constant with which ``predict`` comes nearest to ``found``, by Gauss and Newton's method.

    People choose round numbers: the round neighbours of what the method found are tried as well, which helps
    it over kinks.
    """
    value = start
    for _ in range(rounds):
        step = 1e-6 * (abs(value) + 1e-3)
        here = predict(value)
        slope = (predict(value + step) - here) / step
        square = float(np.vdot(slope, slope))
        if not np.isfinite(square) or square == 0.0:
            return None
        change = float(np.vdot(slope, found - here)) / square
        if not np.isfinite(change):
            return None
        value += change
        if abs(change) <= 1e-12 * abs(value):
            break
    tried = [value, *(float(f"{value:.{digits}g}") for digits in (1, 2, 3))]
    return min(tried, key=lambda v: float(np.linalg.norm(predict(v) - found)))


def ratio(found: Float, expected: Float) -> float:
    """Return the least-squares factor c of ``found = c expected`` (0 where ``expected`` is zero)."""
    square = float(np.vdot(expected, expected))
    return float(np.vdot(expected, found)) / square if square > 0 else 0.0


def float16(values: Float) -> Float:
    """Return values rounded to float16."""
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float64)


def float16_by_float32(values: Float) -> Float:
    """Return values rounded to float32 and then to float16, as PyTorch does and float32 code must."""
    return float16(values.astype(np.float32).astype(np.float64))


def bfloat16(values: Float) -> Float:
    """Return values rounded to bfloat16, to even, by way of float32."""
    bits = values.astype(np.float32).view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32).astype(np.float64)


def _length(values: Sequence[float], scales: Sequence[float]) -> float:
    return float(np.sqrt(sum((v / s) ** 2 for v, s in zip(values, scales))))
