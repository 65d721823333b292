"""Mistakes of gradient descent that change gradients or weights on the way: clipping, scaling, rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from harness.diagnosis.clipping import cut_weights
from harness.diagnosis.storage import ROUNDINGS, Keep
from harness.diagnosis.trajectory import Step, Trajectory, Weights, hypothesis
from harness.diagnosis.types import Hypothesis


def tampering(path: Trajectory, found: Weights) -> Iterator[Hypothesis]:
    """Yield the mistakes of clipped and scaled gradients and of rounded weights."""
    yield from _clipping(path)
    yield from _arithmetic(path)
    if path.steps == 1:
        yield from cut_weights(path, found)
        yield from _adaptive(path)


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
        for name, how, keep in ROUNDINGS:
            step = kept(keep, places)
            sentence = f"the weights are {how} after each step"
            yield hypothesis(name, sentence, lambda step=step: path.run(step))  # type: ignore[misc]
    for factor in (rate, 1.0, 1.0 + rate):
        sentence = "the weights are replaced by the step, not changed by it"
        yield hypothesis(
            "weights_overwritten",
            sentence,
            lambda f=factor: path.run(lambda number, weights, gradients: [-f * g for g in gradients]),  # type: ignore[misc]
        )


def _adaptive(path: Trajectory) -> Iterator[Hypothesis]:
    """Another optimizer's first step: next to equally long in every entry, by what epsilon leaves."""
    rate = path.learning_rate
    for name, size, epsilons in (
        ("Adam", 1.0, (1e-8, 1e-7, 1e-8 / np.sqrt(1e-3), 1e-6)),
        ("RMSprop", np.sqrt(0.1), (1e-8, 1e-7, 1e-6)),
        ("RMSprop", np.sqrt(0.01), (1e-8, 1e-7, 1e-6)),
    ):
        for epsilon in epsilons:
            yield hypothesis(
                "sgd_is_adaptive",
                f"every entry's first step is about as long, as that of {name} is: "
                "plain gradient descent was asked for",
                lambda size=size, epsilon=epsilon: [  # type: ignore[misc]
                    -rate * g / (size * np.abs(g) + epsilon) for g in path.first_gradient
                ],
            )
