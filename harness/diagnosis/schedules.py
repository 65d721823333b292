"""Learning rates that change from step to step, and means over the weights on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from harness.diagnosis.fitting import fit_constant
from harness.diagnosis.trajectory import Step, Trajectory, Weights, hypothesis
from harness.diagnosis.types import Hypothesis
from harness.oracle import Float

Form = Callable[[float, int], float]  # a constant, the step's number from 0 -> the rate's factor


def schedules(path: Trajectory, found: Weights) -> Iterator[Hypothesis]:
    """Yield the schedules that nobody asked for; one step alone does not show them."""
    if path.steps < 2:
        return
    asked, steps = path.learning_rate, path.steps
    forms: tuple[tuple[str, Form, Sequence[float]], ...] = (
        ("is multiplied by {:.4g} after each epoch", lambda c, k: c**k, (0.9, 0.95, 0.99, 0.5, 0.1)),
        ("is divided by 1 + {:.4g} x epochs before", lambda c, k: 1 / max(1 + c * k, 1e-3), (0.1, 0.01, 1.0)),
    )
    for text, form, likely in forms:

        def scheduled(constant: float, form: Form = form) -> Weights:
            return path.run(_with_rates(path, lambda number: asked * form(constant, number)))

        for constant in constants(path, scheduled, found, likely):
            factor = form(constant, 1)
            if 0.05 < factor < 1.5 and abs(factor - 1.0) > 1e-6:
                yield hypothesis(
                    "learning_rate_decays",
                    f"the learning rate {text.format(constant)}: it should stay as asked for",
                    lambda c=constant, scheduled=scheduled: scheduled(c),  # type: ignore[misc]
                )
    for text, rate in (
        ("is divided by the root of the number of the epoch", lambda k: asked / np.sqrt(k + 1)),
        ("falls in a straight line to 0 over the epochs", lambda k: asked * (1 - k / steps)),
        ("follows a half cosine down to 0", lambda k: asked * 0.5 * (1 + np.cos(np.pi * k / steps))),
    ):
        yield hypothesis(
            "learning_rate_decays",
            f"the learning rate {text}: it should stay as asked for",
            lambda rate=rate: path.run(_with_rates(path, rate)),  # type: ignore[misc]
        )
    if not path.costly:
        yield from _means(path, found)


def _means(path: Trajectory, found: Weights) -> Iterator[Hypothesis]:
    sentence = "the weights after fit are a mean over those after each step: return the last ones"

    def moving(beta: float) -> Weights:
        mean = path.after(1)
        for number in range(2, path.steps + 1):
            mean = [beta * m + (1.0 - beta) * d for m, d in zip(mean, path.after(number))]
        return mean

    def plain() -> Weights:
        every = [path.after(number) for number in range(1, path.steps + 1)]
        return [np.mean(each, axis=0) for each in zip(*every)]

    yield hypothesis("weights_averaged", sentence, plain)
    for beta in constants(path, moving, found, (0.5,)):
        if 1e-4 < beta < 1.0:
            yield hypothesis("weights_averaged", sentence, lambda beta=beta: moving(beta))  # type: ignore[misc]


def _with_rates(path: Trajectory, rate: Callable[[int], float]) -> Step:
    return lambda number, weights, gradients: [w - rate(number) * g for w, g in zip(weights, gradients)]


def constants(
    path: Trajectory, predict: Callable[[float], Weights], found: Weights, likely: Sequence[float]
) -> Sequence[float]:
    """Return the constants to try: the one fitted, from the first likely one on, or the likely ones."""
    if path.costly:
        return likely
    fitted = fit_strength(predict, found, likely[0])
    return () if fitted is None else (fitted,)


def fit_strength(predict: Callable[[float], Weights], found: Weights, start: float) -> float | None:
    """Return the constant with which the displacements come nearest to ``found``."""

    def flat(value: float) -> Float:
        return np.concatenate([d.ravel() for d in predict(value)])

    return fit_constant(flat, np.concatenate([d.ravel() for d in found]), start)
