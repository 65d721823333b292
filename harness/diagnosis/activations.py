"""Mistakes in the activations of the forward pass, and the forward pass whose steps can be replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from harness import oracle
from harness.diagnosis.fitting import fit_constant
from harness.diagnosis.passes import Pass
from harness.diagnosis.types import Hypothesis
from harness.oracle import Float

Activate = Callable[[Float], Float]
Listed = Iterator[tuple[str, str, Callable[[], Float]]]
NAMES = {"sigmoid": "sigmoid", "tanh": "tanh", "relu": "ReLU"}


def softmax(logits: Float, axis: int = 1) -> Float:
    """Return softmax over an axis, in float64."""
    moved = np.moveaxis(logits, axis, -1)
    return np.moveaxis(np.exp(oracle.log_softmax(moved)), -1, axis)


def logits(
    net: Pass,
    *,
    activate: Activate | None = None,
    layer_activate: Callable[[int, Float], Float] | None = None,
    weights: Sequence[Float] | None = None,
    X: Float | None = None,
    biases: Callable[[int, Float], Float] | None = None,
    keep: Callable[[Float], Float] | None = None,
) -> Float:
    """Return the logits of a forward pass with the given steps in place of the right ones.

    ``layer_activate`` takes the layer's number, from 1, and Z; ``biases`` the layer and its b; ``keep`` what
    a layer hands on.
    """
    # The first product is the largest: where nothing is changed in it, it is there already.
    kept = weights is None and X is None and biases is None
    weights = net.weights if weights is None else weights
    A = net.X if X is None else X
    for layer in range(1, net.depth + 1):
        W, b = weights[2 * layer - 2], weights[2 * layer - 1]
        Z = net.before[0] if kept and layer == 1 else A @ W + (b if biases is None else biases(layer, b))
        if layer == net.depth:
            return Z
        if layer_activate is not None:
            A = layer_activate(layer, Z)
        else:
            A = activate(Z) if activate is not None else oracle.activate(Z, net.activation)
        A = A if keep is None else keep(A)
    raise AssertionError("a network has at least one layer")


def activations(net: Pass) -> Listed:
    """Yield wrong, missing and misplaced activations: (id, sentence, what gives the probabilities)."""
    label = NAMES[net.activation]
    if net.depth > 1:
        for wrong, activate in _others(net.activation):
            yield (
                "wrong_activation",
                f"hidden layers use {wrong} where {label} was asked for",
                lambda activate=activate: softmax(logits(net, activate=activate)),  # type: ignore[misc]
            )
        yield (
            "activation_missing",
            "no activation stands between the layers: the network is linear",
            lambda: softmax(logits(net, activate=lambda Z: Z)),
        )
        yield from _missing_in_one_layer(net)
    yield (
        "activation_on_inputs",
        f"the inputs go through {label} before the first layer",
        lambda: softmax(logits(net, X=oracle.activate(net.X, net.activation))),
    )
    for wrong in dict.fromkeys((net.activation, "relu", "sigmoid", "tanh")):
        yield (
            "activation_on_logits",
            f"the logits go through {NAMES[wrong]} before the softmax: the last layer is linear",
            lambda wrong=wrong: softmax(oracle.activate(net.logits, wrong)),  # type: ignore[misc]
        )


def _missing_in_one_layer(net: Pass) -> Listed:
    if net.depth == 2:
        return
    for missing in net.hidden:
        yield (
            f"activation_missing_layer_{missing}",
            f"hidden layer {missing} has no activation",
            lambda missing=missing: softmax(  # type: ignore[misc]
                logits(
                    net,
                    layer_activate=lambda k, Z: Z if k == missing else oracle.activate(Z, net.activation),
                )
            ),
        )


def _others(activation: str) -> Iterator[tuple[str, Activate]]:
    """Activations that people put in another's place, and the right ones with a slip."""
    for other in oracle.ACTIVATIONS:
        if other != activation:
            yield NAMES[other], lambda Z, other=other: oracle.activate(Z, other)  # type: ignore[misc]
    yield "softplus", lambda Z: np.logaddexp(0.0, Z)
    yield "ELU", lambda Z: np.where(Z > 0, Z, np.expm1(np.minimum(Z, 0.0)))
    yield "SiLU", lambda Z: Z * oracle.activate(Z, "sigmoid")
    yield "softsign", lambda Z: Z / (1.0 + np.abs(Z))
    yield "a step function", lambda Z: (Z > 0).astype(np.float64)
    yield "a softmax over the units", softmax
    yield "the activation twice", lambda Z: oracle.activate(oracle.activate(Z, activation), activation)
    yield "the activation's derivative", lambda Z: oracle.derivative(Z, activation)
    if activation == "sigmoid":
        yield "1 / (1 + e^z)", lambda Z: oracle.activate(-Z, "sigmoid")
        yield "sigmoid of 2 z", lambda Z: oracle.activate(2.0 * Z, "sigmoid")
        yield "sigmoid of z / 2", lambda Z: oracle.activate(0.5 * Z, "sigmoid")
        yield "hard sigmoid", lambda Z: np.clip(0.2 * Z + 0.5, 0.0, 1.0)
        yield "hard sigmoid", lambda Z: np.clip(Z / 6.0 + 0.5, 0.0, 1.0)
    if activation == "tanh":
        yield "1.7159 tanh(2 z / 3), LeCun's,", lambda Z: 1.7159 * np.tanh(2.0 * Z / 3.0)
        yield "2 sigmoid(z) - 1, which is tanh(z / 2),", lambda Z: np.tanh(0.5 * Z)
        yield "tanh(2 z)", lambda Z: np.tanh(2.0 * Z)
        yield "-tanh(z)", lambda Z: -np.tanh(Z)
        yield "hard tanh", lambda Z: np.clip(Z, -1.0, 1.0)
    if activation == "relu":
        yield "|z|", np.abs
        yield "min(0, z)", lambda Z: np.minimum(Z, 0.0)
        for cap in (1.0, 6.0):
            yield f"ReLU capped at {cap:g}", lambda Z, cap=cap: np.clip(Z, 0.0, cap)  # type: ignore[misc]
        for at in (0.01, 0.05, 0.1, 0.5, 1.0):
            yield f"ReLU with its threshold at {at:g}", lambda Z, at=at: np.where(at < Z, Z, 0.0)  # type: ignore[misc]
            yield f"ReLU with a floor of {at:g}", lambda Z, at=at: np.maximum(Z, at)  # type: ignore[misc]


def leak(net: Pass, found: Float) -> Iterator[Hypothesis]:
    """Yield leaky ReLU in ReLU's place, its leak fitted to ``found``."""
    if net.activation != "relu" or net.depth < 2:
        return

    def predict(slope: float) -> Float:
        return softmax(logits(net, activate=lambda Z: np.where(Z > 0, Z, slope * Z)))

    slope = fit_constant(predict, found, 0.01)
    if slope is not None and 1e-9 < slope < 0.999:
        yield Hypothesis(
            id="leaky_relu",
            sentence=f"hidden layers use leaky ReLU with slope {slope:.4g} below zero, ReLU was asked for",
            predict=lambda: [predict(slope)],
        )
