"""Mistakes of the loop over batches, which one batch an epoch does not show; here all batches are alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from harness.diagnosis.fitting import fit_constant
from harness.diagnosis.trajectory import Step, Trajectory, Weights, hypothesis
from harness.diagnosis.types import Hypothesis
from harness.oracle import Float


def of_batches(path: Trajectory, found: Weights) -> Iterator[Hypothesis]:
    """Yield the mistakes of the loop over batches; ``found`` are displacements."""
    yield from _one_update(path)
    yield from _carried(path, found)
    yield from _rates(path, found)
    if path.costly:
        return
    yield from _clipped(path, found)
    yield from _accumulated(path)


def _one_update(path: Trajectory) -> Iterator[Hypothesis]:
    batches = path.batches
    for factor, how in ((batches, "by all its batches' gradients summed"), (1, "as long as one batch's")):
        yield hypothesis(
            "one_update_an_epoch",
            f"an epoch of {batches} batches makes one update, {how}: update after every batch",
            lambda factor=factor: path.descend(factor=factor, steps=path.epochs),  # type: ignore[misc]
        )
    for length, when in ((batches, "within an epoch"), (path.steps, "from the first update on")):
        yield hypothesis(
            "gradient_accumulated",
            f"gradients add up over the batches {when}: set them to zero before each backward pass",
            lambda length=length: path.run(_carrying(path, length, 1.0)),  # type: ignore[misc]
        )


def _carrying(path: Trajectory, length: int, beta: float) -> Step:
    """Momentum, which is set to zero at each multiple of ``length``."""
    held: list[Weights] = []

    def step(number: int, weights: Weights, gradients: Weights) -> Weights:
        if number % length == 0 or not held:
            held[:] = [gradients]
        else:
            held[:] = [[beta * h + g for h, g in zip(held[0], gradients)]]
        return [w - path.learning_rate * h for w, h in zip(weights, held[0])]

    return step


def _carried(path: Trajectory, found: Weights) -> Iterator[Hypothesis]:
    for length, when in ((path.batches, "within an epoch"), (path.steps, "from batch to batch")):

        def carrying(beta: float, length: int = length) -> Step:
            return _carrying(path, length, beta)

        beta = _fit(path, found, carrying, 0.8)
        if beta is not None and 1e-3 < beta < 0.9999:
            yield hypothesis(
                "momentum_spurious",
                f"the steps carry momentum {beta:.4g} {when}, which was not asked for",
                lambda beta=beta, length=length: path.run(_carrying(path, length, beta)),  # type: ignore[misc]
            )


def _rates(path: Trajectory, found: Weights) -> Iterator[Hypothesis]:
    for length, when in ((path.batches, "batch within an epoch"), (path.steps, "batch")):

        def rates(shrink: float, length: int = length) -> Step:
            return lambda number, weights, gradients: [
                w - path.learning_rate * shrink ** (number % length) * g for w, g in zip(weights, gradients)
            ]

        shrink = _fit(path, found, rates, 0.95)
        if shrink is not None and 0.05 < shrink < 1.5 and abs(shrink - 1.0) > 1e-6:
            yield hypothesis(
                "learning_rate_decays",
                f"the learning rate is multiplied by {shrink:.4g} after each {when}: "
                "it should stay as asked for",
                lambda s=shrink, rates=rates: path.run(rates(s)),  # type: ignore[misc]
            )


def _clipped(path: Trajectory, found: Weights) -> Iterator[Hypothesis]:
    """Only the first gradients may be long enough to be clipped."""

    def clipped(limit: float) -> Step:
        def step(number: int, weights: Weights, gradients: Weights) -> Weights:
            length = float(np.sqrt(sum(float(np.vdot(g, g)) for g in gradients))) or 1.0
            return [w - path.learning_rate * min(1.0, limit / length) * g for w, g in zip(weights, gradients)]

        return step

    start = float(np.sqrt(sum(float(np.vdot(g, g)) for g in path.first_gradient)))
    limit = _fit(path, found, clipped, 0.6 * start)
    if limit is not None and 0.0 < limit < start:
        yield hypothesis(
            "gradient_clipped",
            f"the gradients together are scaled down to length {limit:.4g}: nobody asked for that",
            lambda: path.run(clipped(limit)),
        )


def _accumulated(path: Trajectory) -> Iterator[Hypothesis]:
    """An update is made only every second batch; where it were fewer, that training stops explains it too."""
    for factor, how in ((2, "summed"), (1, "averaged")):
        yield hypothesis(
            "updates_every_few_batches",
            f"an update is made only every 2 batches, by their gradients {how}: update after every batch",
            lambda f=factor: path.descend(factor=f, steps=path.steps // 2),  # type: ignore[misc]
        )


def _fit(path: Trajectory, found: Weights, step: Callable[[float], Step], start: float) -> float | None:
    def flat(value: float) -> Float:
        return _flat(path.run(step(value)))

    return None if path.costly else fit_constant(flat, _flat(found), start)


def _flat(tensors: Sequence[Float]) -> Float:
    return np.concatenate([t.ravel() for t in tensors])
