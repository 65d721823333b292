"""How the length of a step depends on what was asked for.

A step that has the right direction and the wrong length says little by itself: a hundredth of what it should
be may be a square, a warm-up or a written-down rate. Steps at several rates, and of batches of several sizes,
tell them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.diagnosis.passes import Pass
from harness.diagnosis.scales import constants
from harness.diagnosis.types import Diagnosis, Posed
from harness.oracle import FLOAT32_EPS, Float

EXACT = 1e-6  # float64 code gives a factor to about 1e-12
SINGLE = 2e-5  # what float32 code leaves of a gradient unexplained, besides the rounding of its weights
WELL_KNOWN = 0.03  # a factor that rounding blurs more than this is not known
# Of a gradient these have names of their own when they are seen in an update.
_RENAMED = {"scale_2": "update_twice", "scale_minus_1": "sign_flipped"}
BATCHES = (32, 100, 128, 256, 512)  # sizes that a rate is scaled by, written down


@dataclass(frozen=True, kw_only=True)
class Observed:
    """One full-batch step of gradient descent: what was asked for, and the weights after it."""

    problem: Posed
    learning_rate: float
    found: Sequence[Float]

    @cached_property
    def net(self) -> Pass:
        """The pass of the problem."""
        return Pass.of(self.problem)

    @cached_property
    def factor(self) -> Factor | None:
        """How long the step is in units of the right one, where that is the same in every tensor."""
        return factor_of(self)


@dataclass(frozen=True, kw_only=True)
class Factor:
    """A factor and how far it may be off."""

    value: float
    blur: float

    def is_like(self, expected: float) -> bool:
        """Whether the factor is this number as far as can be told."""
        return abs(self.value - expected) <= EXACT * abs(expected) + 3.0 * self.blur


Law = Callable[[Observed], float]  # the factor that a mistake would give


def factor_of(step: Observed) -> Factor | None:
    """Return the factor by which every tensor's step differs from the right one, None where there is none."""
    if [f.shape for f in step.found] != [w.shape for w in step.problem.weights]:
        return None
    moved = [f - w for f, w in zip(step.found, step.problem.weights)]
    if not all(np.isfinite(m).all() for m in moved):
        return None
    right = [-step.learning_rate * g for g in step.net.gradients]
    lengths = [float(np.linalg.norm(r)) for r in right]
    rounding = [FLOAT32_EPS * float(np.linalg.norm(w)) + 1e-300 for w in step.problem.weights]
    if min(lengths) == 0.0:
        return None
    # Each tensor counts as much as float32 weights would let it tell.
    value = sum(float(np.vdot(m, r)) / e**2 for m, r, e in zip(moved, right, rounding))
    value /= sum((length / e) ** 2 for length, e in zip(lengths, rounding))
    rest = [float(np.linalg.norm(m - value * r)) for m, r in zip(moved, right)]
    if all(left <= EXACT * abs(value) * length for left, length in zip(rest, lengths)):
        return Factor(value=value, blur=1e-9 * abs(value))
    if all(float(np.linalg.norm(m)) <= 2.0 * e for m, e in zip(moved, rounding)):
        return Factor(value=0.0, blur=0.0)
    blur = SINGLE * abs(value) + min(e / length for e, length in zip(rounding, lengths))
    explained = all(
        left <= 4.0 * e + SINGLE * abs(value) * length for left, e, length in zip(rest, rounding, lengths)
    )
    return Factor(value=value, blur=blur) if explained and blur <= WELL_KNOWN * abs(value) else None


def law(steps: Sequence[Observed], second: Observed | None) -> Diagnosis | None:
    """Name the mistake that gives the steps' lengths, all of which have a factor.

    ``second`` is the step after the first of ``steps``: what a first step alone shows may be a beginning.
    """
    known = [step.factor for step in steps if step.factor is not None]
    if len(known) < len(steps) or not known:
        return None
    after = second.factor if second else None
    whole = [*steps, second] if second is not None and after is not None else list(steps)
    # Lengths may depend on the weights, but then by a law that holds for the second step too.
    fits = {
        name: sentence
        for name, sentence, value in _laws(steps)
        if all(step.factor and step.factor.is_like(value(step)) for step in whole)
    }
    constant = all(factor.is_like(known[0].value) for factor in known)
    if all(factor.value == 0.0 for factor in known):
        return Diagnosis(id="no_update", sentence="fit leaves every weight as it was")
    if second is not None and after is None:
        return _beginning(steps[0], second) if constant else None
    if fits or not constant:
        return _only(fits)
    if second is not None and after is not None and not after.is_like(known[0].value):
        return _beginning(steps[0], second)
    value = known[0].value
    if abs(value - 1.0) < 0.01 or value <= 0.0:
        return None
    return Diagnosis(
        id="learning_rate_scaled",
        sentence=f"every step is {value:.4g} x as long as the learning rate says, whatever the rate: "
        "take it as asked for",
    )


def _only(fits: Mapping[str, str]) -> Diagnosis | None:
    if len(fits) != 1:
        return None
    ((name, sentence),) = fits.items()
    return Diagnosis(id=name, sentence=sentence)


def _laws(steps: Sequence[Observed]) -> Iterator[tuple[str, str, Law]]:
    if not steps:
        return
    first = steps[0]
    assert first.factor is not None
    rate = first.factor.value * first.learning_rate
    asked = ", ".join(f"{step.learning_rate:g}" for step in steps[:2])
    yield (
        "learning_rate_ignored",
        f"the steps are those of learning rate {rate:.4g}, whatever is asked for ({asked})",
        lambda step: rate / step.learning_rate if rate > 0 else np.nan,
    )
    yield (
        "learning_rate_squared",
        "the step is multiplied by the learning rate twice",
        lambda step: step.learning_rate,
    )
    # Where a limit is not reached nothing of it is seen.
    least = min(steps, key=lambda step: step.factor.value if step.factor else np.inf)
    share = least.factor.value if least.factor else 1.0
    length = share * _norm(least.net.gradients)
    if 0.0 < share < 0.999:
        yield (
            "gradient_clipped",
            f"the gradients together are scaled down to length {length:.4g}: nobody asked for that",
            lambda step: min(1.0, length / _norm(step.net.gradients)),
        )
    for size in BATCHES:
        yield (
            "scaled_by_batch_size",
            f"the step is multiplied by the batch size over {size}: take the rate as asked for, and divide "
            "by the number of rows in the batch",
            lambda step, size=size: step.net.n / size,  # type: ignore[misc]
        )
    for name, _, what in constants(first.net):
        renamed = _RENAMED.get(name, name)
        sentence = _sentence(renamed, first.factor.value, what)
        yield renamed, sentence, lambda step, key=(name, what): _constants(step).get(key, np.nan)  # type: ignore[misc]


def _constants(step: Observed) -> dict[tuple[str, str], float]:
    return {(name, what): factor for name, factor, what in constants(step.net)}


def _sentence(name: str, factor: float, what: str) -> str:
    if name == "update_twice":
        return "every update is twice as long: it is applied twice, or doubled"
    if name == "sign_flipped":
        return "the update adds the gradient, it should subtract it"
    return f"in fit, dW and db are {factor:.6g} x the mean gradient in every layer: {what}"


def _beginning(first: Observed, second: Observed) -> Diagnosis | None:
    """Name what begins with a step of another length and goes on otherwise."""
    assert first.factor is not None
    before, after = first.factor, second.factor
    if after is not None:
        if 0.0 < before.value < 0.99 and after.value > 1.02 * before.value and after.value < 1.01:
            return Diagnosis(
                id="learning_rate_warms_up",
                sentence=f"the first step is {before.value:.4g} x as long as the learning rate says, "
                f"the second {after.value:.4g} x: the rate warms up, it should be as asked for",
            )
        return None
    share = before.value  # of the newest gradient in a running mean, or of the newest weights
    moved = [f - w for f, w in zip(second.found, second.problem.weights)]
    rate, old = second.learning_rate, first.net.gradients
    new = second.net.gradients
    forms = (
        (1.0 - share, [share * (n + (1.0 - share) * o) for n, o in zip(new, old)]),  # a running mean
        (share - 1.0, [share * n + (share - 1.0) ** 2 * o for n, o in zip(new, old)]),  # Nesterov's
    )
    for beta, step in forms:
        if 0.0 < beta < 1.0 and _fits(moved, [-rate * s for s in step]):
            return Diagnosis(
                id="momentum_spurious",
                sentence=f"the steps carry momentum {beta:.4g}, which was not asked for",
            )
    if 0.0 < share < 1.0 and _averages(first, second):
        return Diagnosis(
            id="weights_averaged",
            sentence="the weights after fit are a mean over those on the way: return the last ones",
        )
    return None


def _averages(first: Observed, second: Observed) -> bool:
    """Whether the second weights lie between those that two right steps pass."""
    start, rate = first.problem.weights, first.learning_rate
    steps, weights = [], list(start)
    for _ in range(2):
        gradients = Pass(weights, first.net.X, first.net.y, first.net.activation).gradients
        steps.append(np.concatenate([-rate * g.ravel() for g in gradients]))
        weights = [w - rate * g for w, g in zip(weights, gradients)]
    moved = np.concatenate([(f - w).ravel() for f, w in zip(second.found, start)])
    shares = np.linalg.lstsq(np.stack(steps, axis=1), moved, rcond=None)[0]
    explained = sum(share * step for share, step in zip(shares, steps))
    left = float(np.linalg.norm(moved - explained))
    return (
        left <= 1e-4 * float(np.linalg.norm(steps[1] - steps[0])) and 1.0 > shares[0] > shares[1] - 1e-3 > 0.0
    )


def _fits(found: Sequence[Float], predicted: Sequence[Float]) -> bool:
    return all(
        float(np.linalg.norm(f - p)) <= 1e-3 * float(np.linalg.norm(p)) for f, p in zip(found, predicted)
    )


def _norm(tensors: Sequence[Float]) -> float:
    return float(np.sqrt(sum(float(np.vdot(t, t)) for t in tensors)))
