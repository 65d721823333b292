"""Mistakes of gradient descent that change gradients or weights on the way: clipping, scaling, rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from harness.diagnosis.fitting import float16, float16_by_float32
from harness.diagnosis.trajectory import Step, Trajectory, Weights, hypothesis
from harness.diagnosis.types import Hypothesis
from harness.oracle import Float

Keep = Callable[[Float], Float]


def tampering(path: Trajectory) -> Iterator[Hypothesis]:
    """Yield the mistakes of clipped and scaled gradients and of rounded weights."""
    yield from _clipping(path)
    yield from _arithmetic(path)


def _clipping(path: Trajectory) -> Iterator[Hypothesis]:
    rate = path.learning_rate

    def changed(change: Callable[[Weights], Weights]) -> Callable[[], Weights]:
        def step(number: int, weights: Weights, gradients: Weights) -> Weights:
            return [w - rate * g for w, g in zip(weights, change(gradients))]

        return lambda: path.run(step)

    for limit in (10.0, 5.0, 1.0, 0.5, 0.1, 0.05, 0.01, 0.005, 0.001):
        yield hypothesis(
            "gradient_clipped",
            f"every gradient entry is clipped to {limit:g}: nobody asked for that",
            changed(lambda gs, c=limit: [np.clip(g, -c, c) for g in gs]),  # type: ignore[misc]
        )
        yield hypothesis(
            "gradient_clipped",
            f"each gradient is scaled down to length {limit:g}: nobody asked for that",
            changed(lambda gs, c=limit: [g * min(1.0, c / _norm([g])) for g in gs]),  # type: ignore[misc]
        )
        yield hypothesis(
            "gradient_clipped",
            f"the gradients together are scaled down to length {limit:g}: nobody asked for that",
            changed(lambda gs, c=limit: [g * min(1.0, c / _norm(gs)) for g in gs]),  # type: ignore[misc]
        )
    sentence = "gradients are scaled to length 1 before the step: nobody asked for that"
    yield hypothesis("gradient_normalised", sentence, changed(lambda gs: [g / _norm([g]) for g in gs]))
    yield hypothesis("gradient_normalised", sentence, changed(lambda gs: [g / _norm(gs) for g in gs]))
    yield hypothesis(
        "gradient_normalised",
        sentence,
        changed(lambda gs: [g / _norm([g]) if g.ndim == 2 else g for g in gs]),
    )
    sentence = "the step takes only the gradient's sign"
    yield hypothesis("gradient_sign_only", sentence, changed(lambda gs: [np.sign(g) for g in gs]))


def _norm(tensors: Weights) -> float:
    return float(np.sqrt(sum(float(np.vdot(g, g)) for g in tensors))) or 1.0


def _arithmetic(path: Trajectory) -> Iterator[Hypothesis]:
    rate = path.learning_rate

    def kept(keep: Keep, places: frozenset[int]) -> Step:
        return lambda number, weights, gradients: [
            keep(w - rate * g) if i in places else w - rate * g
            for i, (w, g) in enumerate(zip(weights, gradients))
        ]

    for places in (path.every, path.matrices):
        for name, sentence, keep in _ROUNDINGS:
            step = kept(keep, places)
            yield hypothesis(name, sentence, lambda step=step: path.run(step))  # type: ignore[misc]
    for factor in (rate, 1.0, 1.0 + rate):
        sentence = "the weights are replaced by the step, not changed by it"
        yield hypothesis(
            "weights_overwritten",
            sentence,
            lambda f=factor: path.run(lambda number, weights, gradients: [-f * g for g in gradients]),  # type: ignore[misc]
        )


def rounded_starts(path: Trajectory) -> Iterator[Hypothesis]:
    """Yield the rounding of the weights that shows even where no step moves them."""
    for places in (path.every, path.matrices):
        for name, sentence, keep in _ROUNDINGS:
            yield hypothesis(
                name,
                sentence,
                lambda keep=keep, places=places: [  # type: ignore[misc]
                    keep(w) - w if i in places else np.zeros_like(w) for i, w in enumerate(path.start)
                ],
            )


def _decimals(digits: int) -> Keep:
    return lambda w: np.round(w, digits)


_ROUNDINGS: list[tuple[str, str, Keep]] = [
    ("float16", "the weights are rounded to float16 after each step", float16),
    ("float16", "the weights are rounded to float16 after each step", float16_by_float32),
    *(
        (
            "weights_rounded",
            (f"the weights are rounded to {digits} decimals after each step"),
            _decimals(digits),
        )
        for digits in (0, 1, 2, 3, 4, 5)
    ),
    ("weights_integer", "the weights are cut to integers: make their arrays float", np.trunc),
]
