"""Diagnosis of probabilities: every known mistake of the forward pass, each with all else right."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness import oracle
from harness.diagnosis.activations import Listed, activations, leak, logits, softmax
from harness.diagnosis.constants import constants
from harness.diagnosis.fitting import float16, float16_by_float32, name
from harness.diagnosis.layers import some_layers
from harness.diagnosis.outputs import outputs
from harness.diagnosis.passes import Pass
from harness.diagnosis.types import Diagnosis, Hypothesis, Posed
from harness.oracle import Float


def diagnose(problem: Posed, found: Float) -> Diagnosis | None:
    """Name the mistake that gives these probabilities (n, classes)."""
    net = Pass.of(problem)
    if found.shape != net.P.shape:
        return None
    return name([found], [net.P], hypotheses(net, found), general=constants(net, found))


def hypotheses(net: Pass, found: Float) -> Iterator[Hypothesis]:
    """Yield every known mistake of the forward pass; their constants are fitted to ``found``."""
    for listed in (
        outputs(net),
        activations(net),
        some_layers(net),
        _structure(net),
        _inputs(net),
        _precision(net),
    ):
        for mistake, sentence, predict in listed:
            yield Hypothesis(
                id=mistake,
                sentence=sentence,
                predict=lambda predict=predict: [predict()],  # type: ignore[misc]
            )
    yield from leak(net, found)
    yield from _unanswered(net, found)


def _unanswered(net: Pass, found: Float) -> Iterator[Hypothesis]:
    silent = np.asarray(np.abs(found).max(axis=1) == 0.0)
    if silent.any() and not silent.all():
        yield Hypothesis(
            id="rows_not_answered",
            sentence=f"{int(silent.sum())} of {net.n} rows are answered with zeros alone",
            predict=lambda: [np.where(silent[:, None], 0.0, net.P)],
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
    yield (
        "bias_missing",
        "no bias is used, or all are cut to 0",
        lambda: softmax(logits(net, biases=lambda k, b: 0.0 * b)),
    )
    yield "bias_sign", "the biases are subtracted", lambda: softmax(logits(net, biases=lambda k, b: -b))
    if any(np.trunc(b).any() for b in net.weights[1::2]):  # else there is nothing left of them
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


@np.errstate(divide="ignore", invalid="ignore")
def changed_inputs(net: Pass) -> list[tuple[str, str, Float]]:
    """Return (id, sentence, the inputs instead) of what is done to inputs that should stay as they are."""
    X = net.X
    mean, sd = X.mean(), X.std()
    cut, rounded = np.trunc(X * 255.0) / 255.0, np.round(X * 255.0) / 255.0
    changes: list[tuple[str, str, Float]] = [
        ("inputs_rescaled", "the inputs are divided by 255 once more: they are in [0, 1] already", X / 255.0),
        ("inputs_rescaled", "the inputs are multiplied by 255: they are used in [0, 1]", X * 255.0),
        ("inputs_rescaled", "the inputs are stretched to [-1, 1]: they are used in [0, 1]", 2.0 * X - 1.0),
        ("inputs_rescaled", "0.5 is taken off the inputs: they are used in [0, 1]", X - 0.5),
        (
            "inputs_rescaled",
            "the inputs are standardised with MNIST's mean and deviation",
            (X - 0.1307) / 0.3081,
        ),
        ("inputs_rescaled", "the inputs are inverted, 1 - x", 1.0 - X),
        ("inputs_binarised", "the inputs are rounded to 0 and 1", np.round(X)),
        ("inputs_binarised", "the inputs are cut to integers, which are all 0", np.trunc(X)),
        ("inputs_as_bytes", "the inputs are cut to whole 255ths: they are used as they come", cut),
        ("inputs_as_bytes", "the inputs are rounded to whole 255ths: they are used as they come", rounded),
        (
            "reshape_for_transpose",
            "the inputs are reshaped where they should be transposed",
            X.reshape(X.shape[::-1]).T,
        ),
    ]
    batch = "with statistics of the batch itself: a row's answer must not depend on the others"
    if X.max() > 0:
        changes.append(("batch_statistics", f"the inputs are scaled {batch}", X / X.max()))
    if net.n > 1:
        by_column = X.std(axis=0)
        rows = np.linalg.norm(X, axis=1, keepdims=True)
        safe = np.where(by_column > 0, by_column, 1.0)
        for least in (0.0, 1e-8, 1e-7):  # what is added against a division by zero
            changes += [
                ("batch_statistics", f"the inputs are standardised {batch}", (X - mean) / (sd + least)),
                ("batch_statistics", f"the inputs are scaled {batch}", (X - X.min()) / (np.ptp(X) + least)),
                (
                    "batch_statistics",
                    f"the inputs are standardised {batch}",
                    (X - X.mean(axis=0)) / (safe + least),
                ),
            ]
        changes += [
            (
                "batch_statistics",
                f"the inputs are standardised {batch}",
                (X - X.mean(axis=0)) / np.sqrt(by_column**2 + 1e-5),
            ),
            (
                "inputs_rescaled",
                "each row of the inputs is standardised by itself",
                (X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True),
            ),
            ("batch_statistics", f"the inputs are centred {batch}", X - X.mean(axis=0)),
            ("batch_statistics", f"the inputs are centred {batch}", X - mean),
            (
                "inputs_rescaled",
                "each row of the inputs is scaled to length 1",
                X / np.where(rows > 0, rows, 1.0),
            ),
            (
                "inputs_rescaled",
                "each row of the inputs is scaled to sum 1",
                X / X.sum(axis=1, keepdims=True),
            ),
        ]
    return changes


def _inputs(net: Pass) -> Listed:
    for mistake, sentence, changed in changed_inputs(net):
        yield mistake, sentence, lambda changed=changed: softmax(logits(net, X=changed))  # type: ignore[misc]
    if net.n > 1:
        sentence = "the logits are normalised over the batch: a row's answer must not depend on the others"
        centred = net.logits - net.logits.mean(axis=0)
        deviation = centred.std(axis=0)
        yield "batch_statistics", sentence, lambda: softmax(centred)
        yield "batch_statistics", sentence, lambda: softmax(centred / np.where(deviation > 0, deviation, 1.0))


def _precision(net: Pass) -> Listed:
    where = "are rounded to float16, which keeps three digits"
    for half in (float16, float16_by_float32):
        rounded = [half(w) for w in net.weights]
        matrices = [r if r.ndim == 2 else w for r, w in zip(rounded, net.weights)]
        for what, predict in (
            ("weights and biases", lambda w=rounded: softmax(logits(net, weights=w))),
            ("the weights", lambda w=matrices: softmax(logits(net, weights=w))),
            ("the hidden activations", lambda half=half: softmax(logits(net, keep=half))),
            ("the inputs", lambda half=half: softmax(logits(net, X=half(net.X)))),
            ("the probabilities", lambda half=half: half(net.P)),
        ):
            yield "float16", f"{what} {where}", predict
    for digits in (2, 3, 4, 5, 6):
        yield (
            "probabilities_rounded",
            f"the probabilities are rounded to {digits} decimals",
            lambda digits=digits: np.round(net.P, digits),  # type: ignore[misc]
        )
