"""Mistakes of the forward pass with a free constant, of which others are special cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from harness import oracle
from harness.diagnosis.activations import NAMES, logits, softmax
from harness.diagnosis.fitting import fit_constant, ratio
from harness.diagnosis.passes import Pass
from harness.diagnosis.types import Hypothesis
from harness.oracle import Float

LEAST, MOST = 1e-4, 1e4  # constants beyond these are no slip that anybody makes


def constants(net: Pass, found: Float) -> Iterator[Hypothesis]:
    """Yield the mistakes whose constant is fitted to ``found``."""
    # One number cannot be told from a constant that was fitted to it.
    if found.size - len(found) < 3:
        return
    yield from _temperature(net, found)
    yield from _softened(net, found)
    yield from _inputs(net, found)
    yield from _biases(net, found)
    if net.depth > 1:
        yield from _activations(net, found)


def temperature(logits: Float, found: Float) -> float | None:
    """Return the factor to the logits that gives these probabilities, or None where it makes no sense."""
    if not (found > 0.0).all():
        return None
    logarithms = np.log(found)
    centred = logits - logits.mean(axis=1, keepdims=True)
    factor = ratio(logarithms - logarithms.mean(axis=1, keepdims=True), centred)
    return factor if LEAST < factor < MOST else None


def of_temperature(factor: float) -> str:
    """Return the sentence for logits that are multiplied by a factor."""
    if factor < 1.0:
        return f"the logits are divided by {1.0 / factor:.4g} (a temperature) before the softmax"
    return f"the logits are multiplied by {factor:.4g} before the softmax"


def _temperature(net: Pass, found: Float) -> Iterator[Hypothesis]:
    factor = temperature(net.logits, found)
    if factor is not None:
        yield Hypothesis(
            id="softmax_temperature",
            sentence=of_temperature(factor),
            predict=lambda: [softmax(factor * net.logits)],
        )


def _softened(net: Pass, found: Float) -> Iterator[Hypothesis]:
    """A constant beside the sum of softmax, or at which its answers are cut."""
    sums = found.sum(axis=1, keepdims=True)
    peak = net.logits.max(axis=1, keepdims=True)
    for shift in (peak, 0.0 * peak) if (sums > 0.0).all() and np.abs(peak).max() < 300.0 else ():
        exponentials = np.exp(net.logits - shift)
        total = exponentials.sum(axis=1, keepdims=True)
        added = float(np.median(total / sums - total))
        if 1e-9 < added < MOST:
            yield Hypothesis(
                id="softmax_epsilon",
                sentence=f"{added:.4g} is added to the sum that the softmax divides by",
                predict=lambda e=exponentials, total=total, added=added: [e / (total + added)],  # type: ignore[misc]
            )
    least = float(found.min())
    if 0.0 < least < 0.5:
        for most in (1.0, 1.0 - least):
            yield Hypothesis(
                id="probabilities_clipped",
                sentence=f"the probabilities are cut at {least:.4g}: answer them as they are",
                predict=lambda most=most: [np.clip(net.P, least, most)],  # type: ignore[misc]
            )


def _biases(net: Pass, found: Float) -> Iterator[Hypothesis]:
    def predict(times: float) -> Float:
        return softmax(logits(net, biases=lambda k, b: times * b))

    times = fit_constant(predict, found, 1.0)
    if times is not None and LEAST < abs(times) < MOST:
        what = "are added twice" if abs(times - 2.0) < 1e-4 else f"are multiplied by {times:.4g}"
        yield Hypothesis(id="bias_scaled", sentence=f"the biases {what}", predict=lambda: [predict(times)])


def _activations(net: Pass, found: Float) -> Iterator[Hypothesis]:
    def scaled(factor: float) -> Float:
        return softmax(logits(net, activate=lambda Z: factor * oracle.activate(Z, net.activation)))

    def steeper(factor: float) -> Float:
        return softmax(logits(net, activate=lambda Z: oracle.activate(factor * Z, net.activation)))

    label = NAMES[net.activation]
    choices = [
        (
            "activations_scaled",
            "hidden activations are multiplied by {:.4g}, as dropout's scaling does: they should go on as is",
            scaled,
        )
    ]
    if net.activation != "relu":  # of which both are one
        choices.append(("wrong_activation", f"hidden layers use {label} of {{:.4g}} z", steeper))
    for name, sentence, predict in choices:
        factor = fit_constant(predict, found, 1.0)
        if factor is not None and LEAST < factor < MOST:
            yield Hypothesis(
                id=name,
                sentence=sentence.format(factor),
                predict=lambda predict=predict, factor=factor: [predict(factor)],  # type: ignore[misc]
            )


def _inputs(net: Pass, found: Float) -> Iterator[Hypothesis]:
    """Inputs that are stretched and shifted by constants."""
    weights = net.weights
    product, sums = net.before[0] - weights[1], weights[0].sum(axis=0)

    def predict(by: Float) -> Float:
        Z = by[0] * product + by[1] * sums + weights[1]
        for layer in range(1, net.depth):
            Z = oracle.activate(Z, net.activation) @ weights[2 * layer] + weights[2 * layer + 1]
        return softmax(Z)

    by = _fit_pair(predict, found)
    if LEAST < abs(by[0]) < MOST and not _of_batch(net.X, by):
        shift = f" {'+' if by[1] > 0 else '-'} {abs(by[1]):.4g}" if abs(by[1]) > 1e-7 * abs(by[0]) else ""
        yield Hypothesis(
            id="inputs_rescaled",
            sentence=f"the inputs are replaced by {by[0]:.4g} x{shift}: they are used as they come",
            predict=lambda: [predict(by)],
        )


def _of_batch(X: Float, by: Float) -> bool:
    """Whether stretch and shift are near those of the batch's own mean, deviation or largest input."""
    centred = abs(by[1] / by[0] + X.mean()) < 1e-2
    scaled = any(abs(by[0] * size - 1.0) < 1e-2 for size in (X.std(), X.max(), np.ptp(X)))
    return bool(centred or scaled)


def _fit_pair(predict: Callable[[Float], Float], found: Float) -> Float:
    """Return the stretch and shift with which ``predict`` comes nearest to ``found``: Gauss and Newton's
    method, with steps that are halved until they help.
    """
    grid = [np.array([a, a * s]) for a in (1 / 256, 0.25, 1.0, 2.0, 4.0) for s in (0.0, -0.25, -0.5, -1.0)]
    by = min(grid, key=lambda by: float(np.linalg.norm(found - predict(by))))
    here = predict(by)
    for _ in range(20):
        step = 1e-6
        columns = [(predict(by + step * unit) - here).ravel() / step for unit in np.eye(2)]
        change = np.linalg.lstsq(np.stack(columns, axis=1), (found - here).ravel(), rcond=None)[0]
        left = float(np.linalg.norm(found - here))
        for _ in range(8):
            there = predict(by + change)
            if np.isfinite(there).all() and float(np.linalg.norm(found - there)) < left:
                break
            change = change / 2.0
        else:
            return by
        by, here = by + change, there
        if np.abs(change).max() <= 1e-13:
            break
    return by
