"""Diagnosis of probabilities: every known mistake of the forward pass, each with all else right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from harness import oracle
from harness.diagnosis.fitting import fit_constant, name
from harness.diagnosis.passes import Pass
from harness.diagnosis.types import Diagnosis, Hypothesis, Posed
from harness.oracle import Float

Activate = Callable[[Float], Float]
_NAMES = {"sigmoid": "sigmoid", "tanh": "tanh", "relu": "ReLU"}


def diagnose(problem: Posed, found: Float) -> Diagnosis | None:
    """Name the mistake that gives these probabilities (n, classes)."""
    net = Pass.of(problem)
    if found.shape != net.P.shape:
        return None
    return name([found], [net.P], hypotheses(net, found))


def hypotheses(net: Pass, found: Float) -> Iterator[Hypothesis]:
    """Yield every known mistake of the forward pass; their constants are fitted to ``found``."""
    for listed in (_softmax(net), _activations(net), _structure(net), _inputs(net), _precision(net)):
        for mistake, sentence, predict in listed:
            yield Hypothesis(
                id=mistake,
                sentence=sentence,
                predict=lambda predict=predict: [predict()],  # type: ignore[misc]
            )
    if net.activation == "relu" and net.depth > 1:
        yield from _leak(net, found)


Listed = Iterator[tuple[str, str, Callable[[], Float]]]


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
    weights = net.weights if weights is None else weights
    A = net.X if X is None else X
    for layer in range(1, net.depth + 1):
        W, b = weights[2 * layer - 2], weights[2 * layer - 1]
        Z = A @ W + (b if biases is None else biases(layer, b))
        if layer == net.depth:
            return Z
        if layer_activate is not None:
            A = layer_activate(layer, Z)
        else:
            A = activate(Z) if activate is not None else oracle.activate(Z, net.activation)
        A = A if keep is None else keep(A)
    raise AssertionError("a network has at least one layer")


def _softmax(net: Pass) -> Listed:
    Z, P = net.logits, net.P
    if net.n > 1:
        yield (
            "softmax_axis",
            "the softmax normalises each class over the batch: sum over the classes (axis 1), keepdims=True",
            lambda: softmax(Z, axis=0),
        )
        # Each row's own maximum taken off first, as is right, makes these two other numbers.
        shifted = Z - Z.max(axis=1, keepdims=True)
        yield (
            "softmax_axis",
            (
                "the softmax's exponentials are summed over the batch: sum "
                "over the classes (axis 1), keepdims=True"
            ),
            lambda: softmax(shifted, axis=0),
        )
        yield (
            "softmax_of_whole_batch",
            "the exponentials are divided by their sum over the whole batch: sum each row by itself",
            lambda: softmax(shifted.reshape(1, -1)).reshape(Z.shape),
        )
        yield (
            "softmax_of_whole_batch",
            "the exponentials are divided by their sum over the whole batch: sum each row by itself",
            lambda: softmax(Z.reshape(1, -1)).reshape(Z.shape),
        )
    yield "double_softmax", "the softmax is taken twice", lambda: softmax(P)
    yield (
        "softmax_sign",
        ("the softmax is of -z: take the maximum off, max - z turns it round"),
        lambda: softmax(-Z),
    )
    yield (
        "softmax_base_2",
        ("the softmax uses powers of 2, it should be of e"),
        lambda: softmax(Z * np.log(2.0)),
    )
    yield (
        "softmax_base_10",
        ("the softmax uses powers of 10, it should be of e"),
        lambda: softmax(Z * np.log(10.0)),
    )
    yield "logits_returned", "predict_proba answers the logits: apply softmax", lambda: Z
    yield "log_probabilities_returned", "predict_proba answers log p: take exp", lambda: oracle.log_softmax(Z)
    yield (
        "sigmoid_outputs",
        ("the outputs are independent sigmoids, not a softmax"),
        lambda: oracle.activate(Z, "sigmoid"),
    )
    yield (
        "sigmoid_outputs",
        "the outputs are independent sigmoids divided by their sum, not a softmax",
        lambda: _shares(oracle.activate(Z, "sigmoid")),
    )
    yield (
        "linear_outputs",
        ("the outputs are logits divided by their sum: the exponential is missing"),
        lambda: _shares(Z),
    )
    yield (
        "classes_predicted",
        "predict_proba answers the predicted class as 0 and 1, it should answer probabilities",
        lambda: np.eye(net.classes)[Z.argmax(axis=1)],
    )
    for shift in (1, -1):
        yield (
            "classes_shifted",
            "the columns of the probabilities are shifted by one class",
            lambda shift=shift: np.roll(P, shift, axis=1),  # type: ignore[misc]
        )
    yield "classes_reversed", "the columns of the probabilities are in reverse order", lambda: P[:, ::-1]
    if net.n > 1:
        yield "rows_reversed", "the rows of the probabilities are in reverse order", lambda: P[::-1]


def _shares(values: Float) -> Float:
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Float = values / values.sum(axis=1, keepdims=True)
    return result


def _activations(net: Pass) -> Listed:
    label = _NAMES[net.activation]
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
    for wrong in dict.fromkeys((net.activation, "relu", "sigmoid", "tanh")):
        yield (
            "activation_on_logits",
            f"the logits go through {_NAMES[wrong]} before the softmax: the last layer is linear",
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
            yield _NAMES[other], lambda Z, other=other: oracle.activate(Z, other)  # type: ignore[misc]
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


def _leak(net: Pass, found: Float) -> Iterator[Hypothesis]:
    def predict(leak: float) -> Float:
        return softmax(logits(net, activate=lambda Z: np.where(Z > 0, Z, leak * Z)))

    leak = fit_constant(predict, found, 0.01)
    if leak is not None and 1e-9 < leak < 0.999:
        yield Hypothesis(
            id="leaky_relu",
            sentence=f"hidden layers use leaky ReLU with slope {leak:.4g} below zero, ReLU was asked for",
            predict=lambda: [predict(leak)],
        )


def _structure(net: Pass) -> Listed:
    if net.depth > 1:
        yield (
            "bias_after_activation",
            "hidden layers add their bias after the activation: it belongs inside, f(x W + b)",
            lambda: softmax(_bias_after(net)),
        )
        yield (
            "bias_missing_hidden",
            "the hidden layers' biases are not used",
            lambda: softmax(logits(net, biases=lambda k, b: 0.0 * b if k < net.depth else b)),
        )
        yield (
            "bias_missing_output",
            "the last layer's bias is not used",
            lambda: softmax(logits(net, biases=lambda k, b: 0.0 * b if k == net.depth else b)),
        )
    yield "bias_missing", "no bias is used", lambda: softmax(logits(net, biases=lambda k, b: 0.0 * b))
    yield "bias_sign", "the biases are subtracted", lambda: softmax(logits(net, biases=lambda k, b: -b))
    yield (
        "bias_integer",
        "the biases are cut to integers: make their arrays float",
        lambda: softmax(logits(net, biases=lambda k, b: np.trunc(b))),
    )
    yield (
        "reshape_for_transpose",
        "W is reshaped where it should be transposed",
        lambda: softmax(logits(net, weights=[_mixed(w) for w in net.weights])),
    )
    yield (
        "reshape_for_transpose",
        "W is reshaped where it should be transposed",
        lambda: softmax(logits(net, weights=[w.T.reshape(w.shape) for w in net.weights])),
    )


def _mixed(w: Float) -> Float:
    return w.reshape(w.shape[::-1]).T


def _bias_after(net: Pass) -> Float:
    A = net.X
    for layer in net.hidden:
        A = oracle.activate(A @ net.weights[2 * layer - 2], net.activation) + net.weights[2 * layer - 1]
    return A @ net.weights[-2] + net.weights[-1]


def _inputs(net: Pass) -> Listed:
    X = net.X
    mean, sd = X.mean(), X.std()
    changes: list[tuple[str, str, Float]] = [
        ("inputs_rescaled", "the inputs are divided by 255 once more: they are in [0, 1] already", X / 255.0),
        ("inputs_rescaled", "the inputs are multiplied by 255: they are used in [0, 1]", X * 255.0),
        ("inputs_rescaled", "the inputs are stretched to [-1, 1]: they are used in [0, 1]", 2.0 * X - 1.0),
        ("inputs_rescaled", "0.5 is taken off the inputs: they are used in [0, 1]", X - 0.5),
        (
            "inputs_rescaled",
            ("the inputs are standardised with MNIST's mean and deviation"),
            (X - 0.1307) / 0.3081,
        ),
        ("inputs_rescaled", "the inputs are inverted, 1 - x", 1.0 - X),
        ("inputs_binarised", "the inputs are rounded to 0 and 1", np.round(X)),
        ("inputs_binarised", "the inputs are cut to integers, which are all 0", np.trunc(X)),
        (
            "reshape_for_transpose",
            ("the inputs are reshaped where they should be transposed"),
            X.reshape(X.shape[::-1]).T,
        ),
    ]
    if net.n > 1:
        by_column = X.std(axis=0)
        rows = np.linalg.norm(X, axis=1, keepdims=True)
        safe = np.where(by_column > 0, by_column, 1.0)
        batch = "with statistics of the batch itself: a row's answer must not depend on the others"
        changes += [
            ("batch_statistics", f"the inputs are standardised {batch}", (X - mean) / sd),
            ("batch_statistics", f"the inputs are standardised {batch}", (X - X.mean(axis=0)) / safe),
            ("batch_statistics", f"the inputs are centred {batch}", X - X.mean(axis=0)),
            ("batch_statistics", f"the inputs are centred {batch}", X - mean),
            ("batch_statistics", f"the inputs are scaled {batch}", X / X.max()),
            (
                "inputs_rescaled",
                ("each row of the inputs is scaled to length 1"),
                X / np.where(rows > 0, rows, 1.0),
            ),
            (
                "inputs_rescaled",
                ("each row of the inputs is scaled to sum 1"),
                X / X.sum(axis=1, keepdims=True),
            ),
        ]
    for mistake, sentence, changed in changes:
        yield mistake, sentence, lambda changed=changed: softmax(logits(net, X=changed))  # type: ignore[misc]


def _precision(net: Pass) -> Listed:
    def half(A: Float) -> Float:
        return A.astype(np.float16).astype(np.float64)

    where = "are rounded to float16, which keeps three digits"
    with np.errstate(over="ignore"):
        rounded = [half(w) for w in net.weights]
    yield "float16", f"weights and biases {where}", lambda: softmax(logits(net, weights=rounded))
    yield (
        "float16",
        f"the weights {where}",
        lambda: softmax(logits(net, weights=[r if r.ndim == 2 else w for r, w in zip(rounded, net.weights)])),
    )
    yield "float16", f"the hidden activations {where}", lambda: softmax(logits(net, keep=half))
    yield "float16", f"the inputs {where}", lambda: softmax(logits(net, X=half(net.X)))
    yield "float16", f"the probabilities {where}", lambda: half(net.P)
    for digits in (2, 3, 4, 5, 6):
        yield (
            "probabilities_rounded",
            f"the probabilities are rounded to {digits} decimals",
            lambda digits=digits: np.round(net.P, digits),  # type: ignore[misc]
        )
