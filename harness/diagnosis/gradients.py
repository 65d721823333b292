"""Diagnosis of gradients: every known mistake of the backward pass, each with all else right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from harness import oracle
from harness.diagnosis.constants import LEAST, MOST, of_temperature
from harness.diagnosis.deltas import deltas
from harness.diagnosis.fitting import fit_constant, name
from harness.diagnosis.halves import halves
from harness.diagnosis.layers import EPSILONS, batch_norm_left, hidden_choices, named
from harness.diagnosis.passes import Pass
from harness.diagnosis.routes import routes
from harness.diagnosis.scales import scales
from harness.diagnosis.slopes import slopes
from harness.diagnosis.types import Diagnosis, Hypothesis, Posed
from harness.oracle import Float


def diagnose(
    problem: Posed, found: Sequence[Float], *, rounding: Sequence[float] | None = None
) -> Diagnosis | None:
    """Name the mistake that gives these gradients."""
    net = Pass.of(problem)
    observed = list(found)
    if [f.shape for f in observed] != [g.shape for g in net.gradients]:
        return None
    return name(
        observed,
        net.gradients,
        hypotheses(net, observed),
        general=general(net, observed),
        rounding=rounding,
    )


def hypotheses(net: Pass, found: list[Float]) -> Iterator[Hypothesis]:
    """Yield every known mistake of the backward pass; their constants are fitted to ``found``."""
    yield from scales(net)
    yield from slopes(net, found)
    yield from deltas(net, found)
    yield from routes(net, found)
    yield from halves(net, found)
    yield from _batch_norm(net)


def general(net: Pass, found: list[Float]) -> Iterator[Hypothesis]:
    """Yield the mistakes with a free constant, of which others are special cases."""
    yield from _clipped(net, found)
    for inner in (True, False):

        def delta(factor: float, inner: bool = inner) -> Float:
            P = np.exp(oracle.log_softmax(factor * net.logits))
            return (factor if inner else 1.0) * (P - net.T) / net.n

        factor = fit_constant(lambda c: delta(c).sum(axis=0), found[-1], 1.0)
        if factor is not None and LEAST < factor < MOST:
            yield Hypothesis(
                id="softmax_temperature",
                sentence=f"in the gradient, {of_temperature(factor)}",
                predict=lambda delta=delta, factor=factor: net.backward(delta=delta(factor)),  # type: ignore[misc]
            )


def _clipped(net: Pass, found: list[Float]) -> Iterator[Hypothesis]:
    """Entries are cut at the largest that is seen, or the whole gradient at a round length."""
    limit = max(float(np.abs(g).max()) for g in found)
    yield Hypothesis(
        id="gradient_clipped",
        sentence=f"every gradient entry is clipped to {limit:.4g}: nobody asked for that",
        predict=lambda: [np.clip(g, -limit, limit) for g in net.gradients],
    )
    length = float(np.sqrt(sum(float(np.vdot(g, g)) for g in net.gradients)))
    for most in (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0):
        for added in (0.0, 1e-6):  # PyTorch's, against a division by zero
            if length > most:
                yield Hypothesis(
                    id="gradient_clipped",
                    sentence=f"the gradient is scaled down to length {most:g}: nobody asked for that",
                    predict=lambda f=most / (length + added): [f * g for g in net.gradients],  # type: ignore[misc]
                )


def _batch_norm(net: Pass) -> Iterator[Hypothesis]:
    """A batch normalisation at rest divides a hidden layer by a constant, forward and backward."""
    for layers in hidden_choices(net):
        for epsilon in EPSILONS[:2]:
            scale = 1.0 / np.sqrt(1.0 + epsilon)
            # Before the activation, it is as if the layer's weights and bias were smaller; after it, the
            # next layer's weights.
            before = {i for layer in layers for i in (2 * layer - 2, 2 * layer - 1)}
            after = {2 * layer for layer in layers}
            for chosen in (before, after):

                def predict(chosen: set[int] = chosen, scale: float = scale) -> list[Float]:
                    factors = [scale if i in chosen else 1.0 for i in range(len(net.weights))]
                    weights = [f * w for f, w in zip(factors, net.weights)]
                    inner = Pass(weights, net.X, net.y, net.activation)
                    return [f * g for f, g in zip(factors, inner.gradients)]

                yield Hypothesis(
                    id="batch_norm_left",
                    sentence=f"{batch_norm_left(epsilon)} (hidden {named(layers)})",
                    predict=predict,
                )
