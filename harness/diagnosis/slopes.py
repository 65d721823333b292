"""Mistakes in the activation's derivative on the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from harness import oracle
from harness.diagnosis.fitting import fit_constant
from harness.diagnosis.passes import Pass
from harness.diagnosis.types import Hypothesis
from harness.oracle import Float

Slope = Callable[[Float, Float], Float]  # of Z and A

_FORMULAS: dict[str, Slope] = {  # each activation's derivative as people write it, of the activation's value
    "sigmoid": lambda Z, A: A * (1.0 - A),
    "tanh": lambda Z, A: 1.0 - A * A,
}
_NAMES = {"sigmoid": "sigmoid", "tanh": "tanh", "relu": "ReLU"}


def slopes(net: Pass, found: list[Float]) -> Iterator[Hypothesis]:
    """Yield the mistakes in the derivative; none where there is no hidden layer."""
    if net.depth < 2:
        return
    for name, sentence, slope in _everywhere(net.activation):
        yield _with_slope(net, name, sentence, slope)
    yield from _missing(net)
    yield from _of_another_in_one_layer(net)
    yield from _shared(net)
    if net.activation == "relu":
        yield from _of_relu(net, found)
    sentence = (
        f"delta of the logits is multiplied by {_NAMES[net.activation]}'s "
        "derivative: the last layer is linear"
    )
    delta = (net.P - net.T) / net.n * oracle.derivative(net.logits, net.activation)
    yield Hypothesis(id="derivative_on_logits", sentence=sentence, predict=lambda: net.backward(delta=delta))


def _shared(net: Pass) -> Iterator[Hypothesis]:
    """One place for the outputs of all hidden layers (n, units), which holds the last one's afterwards."""
    if net.depth < 3 or len({net.before[layer - 1].shape for layer in net.hidden}) > 1:
        return
    yield Hypothesis(
        id="activation_shared",
        sentence="all hidden layers keep their activation's output in one place, so that on the way back "
        "each finds the last one's: keep one for each layer",
        predict=lambda: net.backward(through=lambda layer, error, Z, A: error * net.slope(net.depth - 1)),
    )


def _everywhere(activation: str) -> Iterator[tuple[str, str, Slope]]:
    """(id, sentence, slope) of the derivatives that are wrong in every layer."""
    label = _NAMES[activation]
    yield (
        "derivative_sign",
        f"{label}'s derivative has the wrong sign in every layer",
        lambda Z, A: -oracle.derivative(Z, activation),
    )
    if activation != "relu":
        formula = _FORMULAS[activation]
        written = "z (1 - z)" if activation == "sigmoid" else "1 - z^2"
        yield (
            "derivative_at_activation",
            f"{label}' is taken at the activation a, it belongs at the pre-activation z",
            lambda Z, A: oracle.derivative(A, activation),
        )
        yield (
            "derivative_at_preactivation",
            f"the derivative is {written}: that formula takes the activation a, not z",
            lambda Z, A: formula(Z, Z),
        )
        yield (
            "derivative_squared",
            f"{label}'s derivative is multiplied in twice in every layer",
            lambda Z, A: formula(Z, A) ** 2,
        )
    if activation == "sigmoid":
        yield (
            "sigmoid_derivative_half",
            "sigmoid's derivative is a, the factor 1 - a is missing",
            lambda Z, A: A,
        )
        yield (
            "sigmoid_derivative_half",
            "sigmoid's derivative is 1 - a, the factor a is missing",
            lambda Z, A: 1 - A,
        )
    if activation == "tanh":
        yield (
            "tanh_linear_derivative",
            "tanh's derivative is 1 - a, it should be 1 - a^2",
            lambda Z, A: 1.0 - A,
        )
        yield (
            "tanh_derivative_plus",
            "tanh's derivative is 1 + a^2, it should be 1 - a^2",
            lambda Z, A: 1.0 + A * A,
        )
        yield (
            "tanh_derivative_root",
            "tanh's derivative is 1 / cosh(z), it should be the square of that",
            lambda Z, A: 1.0 / np.cosh(Z),
        )
        yield (
            "tanh_derivative_composed",
            "tanh's derivative is tanh(1 - z^2), it should be 1 - tanh(z)^2",
            lambda Z, A: np.tanh(1.0 - Z * Z),
        )
    for other in oracle.ACTIVATIONS:
        if other != activation:
            yield from _of_another(activation, other)


def _of_another(activation: str, other: str) -> Iterator[tuple[str, str, Slope]]:
    sentence = f"{_NAMES[activation]} is given {_NAMES[other]}'s derivative"
    yield "wrong_derivative", sentence, lambda Z, A: oracle.derivative(Z, other)
    if other in _FORMULAS:
        yield "wrong_derivative", sentence, _FORMULAS[other]
    elif activation == "tanh":  # sigmoid's outputs are all positive: the mask would be all ones
        yield "wrong_derivative", sentence, lambda Z, A: (A > 0).astype(np.float64)


def _of_another_in_one_layer(net: Pass) -> Iterator[Hypothesis]:
    if net.depth == 2:
        return
    for other in oracle.ACTIVATIONS:
        for _, sentence, slope in _of_another(net.activation, other) if other != net.activation else ():
            for wrong in net.hidden:

                def through(
                    layer: int, e: Float, Z: Float, A: Float, wrong: int = wrong, slope: Slope = slope
                ) -> Float:
                    return e * (slope(Z, A) if layer == wrong else net.slope(layer))

                yield Hypothesis(
                    id=f"wrong_derivative_layer_{wrong}",
                    sentence=f"{sentence} in hidden layer {wrong}, and there only",
                    predict=lambda through=through: net.backward(through=through),  # type: ignore[misc]
                )


def _missing(net: Pass) -> Iterator[Hypothesis]:
    label = _NAMES[net.activation]
    if net.activation == "relu":
        name = "relu_derivative_all_ones"
        sentence = "ReLU's derivative is 1 everywhere: it is left out, or tests a >= 0, which is always true"
    else:
        name = "derivative_missing_everywhere"
        sentence = f"{label}'s derivative is left out in every layer"
    yield _with_slope(net, name, sentence, lambda Z, A: np.ones_like(Z))
    if net.depth == 2:
        return
    for missing in net.hidden:
        sentence = f"{label}'s derivative is left out in hidden layer {missing}, and there only"

        def through(layer: int, error: Float, Z: Float, A: Float, missing: int = missing) -> Float:
            return error if layer == missing else error * net.slope(layer)

        yield Hypothesis(
            id=f"derivative_missing_layer_{missing}",
            sentence=sentence,
            predict=lambda through=through: net.backward(through=through),  # type: ignore[misc]
        )


def _of_relu(net: Pass, found: list[Float]) -> Iterator[Hypothesis]:
    yield _with_slope(
        net,
        "relu_derivative_is_value",
        "ReLU's derivative is z where z > 0, it should be 1 there",
        lambda Z, A: A,
    )
    yield _with_slope(
        net,
        "relu_derivative_is_sign",
        "ReLU's derivative is -1 where z < 0, it should be 0 there",
        lambda Z, A: np.sign(Z),
    )
    yield _with_slope(
        net,
        "relu_derivative_inverted",
        "ReLU's derivative is 1 where z < 0, it should be 1 where z > 0",
        lambda Z, A: (Z <= 0).astype(np.float64),
    )
    yield Hypothesis(
        id="relu_masks_gradient",
        sentence="ReLU's backward pass clips the incoming gradient at 0: mask it where z <= 0 instead",
        predict=lambda: net.backward(through=lambda layer, error, Z, A: np.maximum(error, 0.0)),
    )
    for threshold in (0.01, 0.05, 0.1, 0.2, 0.5, 1.0):
        if any((net.before[layer - 1] <= threshold).all() for layer in net.hidden):
            continue  # nothing would come through: as if the layers below were left out
        yield _with_slope(
            net,
            "relu_derivative_threshold",
            f"ReLU's derivative switches at z = {threshold:g}, it should at 0",
            lambda Z, A, at=threshold: (at < Z).astype(np.float64),  # type: ignore[misc]
        )
    leak = _leak(net, found)
    if leak is not None and 1e-9 < leak < 0.999:
        yield _with_slope(
            net,
            "leaky_relu",
            f"ReLU's derivative is {leak:.4g} where z < 0, it should be 0 there: that is leaky ReLU's",
            lambda Z, A: np.where(Z > 0, 1.0, leak),
        )


def _leak(net: Pass, found: list[Float]) -> float | None:
    """Fit the leak to the last hidden layer's bias gradient, which is linear in it."""
    index = 2 * net.depth - 3

    def bias(leak: float) -> Float:
        error = (net.P - net.T) / net.n @ net.weights[-2].T
        result: Float = (error * np.where(net.before[-2] > 0, 1.0, leak)).sum(axis=0)
        return result

    return fit_constant(bias, found[index], 0.01, rounds=2)


def _with_slope(net: Pass, name: str, sentence: str, slope: Slope) -> Hypothesis:
    def predict() -> list[Float]:
        return net.backward(through=lambda layer, error, Z, A: error * slope(Z, A))

    return Hypothesis(id=name, sentence=sentence, predict=predict)
