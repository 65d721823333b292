"""Mistakes of gradient descent: steps too many, too few, too long, of wrong weights or old gradients."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.diagnosis.fitting import ratio
from harness.diagnosis.passes import Pass
from harness.diagnosis.schedules import constants, fit_strength, schedules
from harness.diagnosis.tampering import tampering
from harness.diagnosis.trajectory import Trajectory, Weights, hypothesis
from harness.diagnosis.types import Hypothesis

ROUND_RATES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)


def descent(path: Trajectory, found: Weights) -> Iterator[Hypothesis]:
    """Yield the mistakes of gradient descent without weight decay; ``found`` are displacements."""
    yield from _counts(path)
    yield from _rates(path)
    yield from schedules(path, found)
    yield from _memory(path, found)
    if not path.costly:
        yield from _order(path)
        yield from tampering(path, found)


def still(path: Trajectory, found: Weights) -> Iterator[Hypothesis]:
    """Yield the one hypothesis that freezes just those tensors that did not move."""
    # A float32 submission rounds the weights that it was given, which is no movement.
    frozen = frozenset(
        i
        for i, (d, w) in enumerate(zip(found, path.start))
        if np.linalg.norm(d) <= 1.5e-7 * np.linalg.norm(w)
    )
    moving = path.every - frozen
    if not frozen or not moving:
        return
    name, sentence = _frozen(path, frozen)
    run = path.adam if path.optimizer == "adam" else path.descend
    yield hypothesis(name, sentence, lambda: run(moving=moving))


def _frozen(path: Trajectory, frozen: frozenset[int]) -> tuple[str, str]:
    names = ", ".join(f"{'Wb'[i % 2]}{i // 2 + 1}" for i in sorted(frozen))
    if frozen == path.biases:
        return "bias_never_updated", "no bias is ever updated"
    if frozen == path.matrices:
        return "weights_never_updated", "no weight matrix is ever updated, the biases are"
    for layer in range(1, path.depth + 1):
        if frozen == {2 * layer - 2, 2 * layer - 1}:
            return (
                f"frozen_layer_{layer}",
                f"layer {layer} never moves: its W and b are left out of the update",
            )
    if frozen == path.every - {len(path.start) - 2, len(path.start) - 1}:
        return "frozen_hidden_layers", "only the last layer is updated"
    return "frozen_tensors", f"{names} never move"


def _counts(path: Trajectory) -> Iterator[Hypothesis]:
    steps = path.steps
    yield hypothesis(
        "no_update", "fit leaves every weight as it was", lambda: [np.zeros_like(w) for w in path.start]
    )
    yield hypothesis(
        "sign_flipped",
        "the update adds the gradient, it should subtract it",
        lambda: path.descend(factor=-1.0),
    )
    yield hypothesis(
        "update_twice",
        "every update is twice as long: it is applied twice, or doubled",
        lambda: path.descend(factor=2.0),
    )
    yield hypothesis(
        "extra_epoch",
        f"{steps + 1} steps were taken where {steps} {'was' if steps == 1 else 'were'} asked for",
        lambda: path.descend(steps=steps + 1),
    )
    if not path.costly:
        for others in (*range(1, 21), 25, 30, 50, 100):
            # Some of these have names of their own.
            if others not in (1, steps - 1, steps, steps + 1, 2 * steps):
                yield hypothesis(
                    "epochs_ignored",
                    f"{others} steps were taken where {steps} {'was' if steps == 1 else 'were'} asked for",
                    lambda others=others: path.after(others),  # type: ignore[misc]
                )
    if steps > 1:
        yield hypothesis(
            "missing_epoch",
            f"{steps - 1} steps were taken where {steps} were asked for",
            lambda: path.descend(steps=steps - 1),
        )
        yield hypothesis(
            "single_epoch",
            f"one step was taken where {steps} were asked for",
            lambda: path.descend(steps=1),
        )
        yield hypothesis(
            "update_twice",
            f"{2 * steps} steps were taken where {steps} were asked for",
            lambda: path.descend(steps=2 * steps),
        )


def _rates(path: Trajectory) -> Iterator[Hypothesis]:
    asked = path.learning_rate
    for rate in ROUND_RATES:
        if abs(rate - asked) > 1e-9 and not path.costly:
            yield hypothesis(
                "learning_rate_ignored",
                f"the steps are those of learning rate {rate:g}, {asked:g} was asked for",
                lambda rate=rate: path.descend(factor=rate / asked),  # type: ignore[misc]
            )


def _order(path: Trajectory) -> Iterator[Hypothesis]:
    if path.depth < 2:
        return

    def stale(number: int, weights: Weights, gradients: Weights) -> Weights:
        problem = path.problem
        net = Pass(weights, problem.X, problem.y, problem.activation)
        after = list(weights)
        delta = (net.P - net.T) / net.n
        for layer in range(net.depth, 0, -1):
            i = 2 * (layer - 1)
            after[i] = weights[i] - path.learning_rate * (net.inputs[layer - 1].T @ delta)
            after[i + 1] = weights[i + 1] - path.learning_rate * delta.sum(axis=0)
            if layer > 1:
                delta = (delta @ after[i].T) * net.slope(layer - 1)
        return after

    sentence = (
        "each layer is updated before the error goes back through it: "
        "compute all gradients first, then update"
    )
    yield hypothesis("stale_weights", sentence, lambda: path.run(stale))

    def one_by_one(number: int, weights: Weights, gradients: Weights) -> Weights:
        after = list(weights)
        for i in range(len(after)):
            after[i] = after[i] - path.learning_rate * path.gradient(after)[i]
        return after

    sentence = (
        "each tensor is updated before the next one's gradient is computed: compute all gradients first"
    )
    yield hypothesis("updated_one_by_one", sentence, lambda: path.run(one_by_one))


def _memory(path: Trajectory, found: Weights) -> Iterator[Hypothesis]:
    """What is carried from one step to the next; one step alone does not show it."""
    if path.steps < 2:
        return
    yield hypothesis(
        "gradient_accumulated",
        "every step uses the sum of all gradients so far: set them to zero before each backward pass",
        lambda: _momentum(path, 1.0),
    )

    def lagging() -> Weights:
        previous: list[Weights] = []

        def step(number: int, weights: Weights, gradients: Weights) -> Weights:
            used = previous[-1] if previous else gradients
            previous.append(gradients)
            return [w - path.learning_rate * g for w, g in zip(weights, used)]

        return path.run(step)

    yield hypothesis("stale_gradient", "every step uses the gradient of the step before", lagging)

    def fixed(number: int, weights: Weights, gradients: Weights) -> Weights:
        return [w - path.learning_rate * g for w, g in zip(weights, path.first_gradient)]

    yield hypothesis("stale_gradient", "every step uses the gradient of the first", lambda: path.run(fixed))
    for kind in ("heavy", "nesterov", "dampened"):

        def carried(beta: float, kind: str = kind) -> Weights:
            return _momentum(path, beta, kind=kind)

        for beta in constants(path, carried, found, (0.5, 0.9, 0.95, 0.99)):
            if 1e-4 < beta < 0.9999:
                yield hypothesis(
                    "momentum_spurious",
                    f"the steps carry momentum {beta:.4g}, which was not asked for",
                    lambda b=beta, carried=carried: carried(b),  # type: ignore[misc]
                )


def _momentum(path: Trajectory, beta: float, *, kind: str = "heavy") -> Weights:
    """Momentum; dampened, it is a running mean that starts with the first gradient."""
    speed = [np.zeros_like(w) for w in path.start]

    def step(number: int, weights: Weights, gradients: Weights) -> Weights:
        after = []
        for i, (w, g) in enumerate(zip(weights, gradients)):
            share = 1.0 - beta if kind == "dampened" and number > 0 else 1.0
            speed[i] = beta * speed[i] + share * g
            used = g + beta * speed[i] if kind == "nesterov" else speed[i]
            after.append(w - path.learning_rate * used)
        return after

    return path.run(step)


def spurious_decay(path: Trajectory, found: Weights) -> Iterator[Hypothesis]:
    """Yield weight decay that nobody asked for, its strength fitted to what was seen."""
    if path.costly:
        return  # one step has shown it before
    for who, decayed in (("weights", path.matrices), ("weights and biases", path.every)):

        def predict(strength: float, decayed: frozenset[int] = decayed) -> Weights:
            return path.descend(decays=[strength if i in decayed else 0.0 for i in range(len(found))])

        strength = fit_strength(predict, found, _first_guess(path, found, decayed))
        if strength is not None and strength != 0.0 and abs(strength) < 1.0 / max(path.learning_rate, 1e-12):
            yield hypothesis(
                "weight_decay_spurious",
                f"{who} decay by {strength:.4g} although no weight decay was asked for",
                lambda s=strength, predict=predict: predict(s),  # type: ignore[misc]
            )


def _first_guess(path: Trajectory, found: Weights, decayed: frozenset[int]) -> float:
    rest = [f - e for f, e in zip(found, path.descend())]
    chosen = sorted(decayed)
    flat = np.concatenate([rest[i].ravel() for i in chosen])
    whole = np.concatenate([path.start[i].ravel() for i in chosen])
    return -ratio(flat, whole) / (path.learning_rate * path.steps)
