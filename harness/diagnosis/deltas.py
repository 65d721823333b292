"""Mistakes in delta, the loss's derivative by the logits: labels, softmax, or another loss altogether."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from harness import oracle
from harness.diagnosis.fitting import ratio
from harness.diagnosis.passes import Pass
from harness.diagnosis.samples import RENUMBERED, SENTENCE, class_weights, renumbered
from harness.diagnosis.types import Hypothesis
from harness.oracle import Float

Delta = Callable[[], Float]


def deltas(net: Pass, found: list[Float]) -> Iterator[Hypothesis]:
    """Yield the mistakes in delta; all else on the way back is right."""
    for name, sentence, delta in (*_labels(net), *_softmax(net), *_losses(net)):
        yield Hypothesis(
            id=name,
            sentence=sentence,
            predict=lambda delta=delta: net.backward(delta=delta()),  # type: ignore[misc]
        )
    yield from _smoothing(net, found)


def _labels(net: Pass) -> Iterator[tuple[str, str, Delta]]:
    P, T, n = net.P, net.T, net.n
    yield (
        "classes_shifted",
        "delta takes 1 off the class after the right one: labels and classes are shifted by one",
        lambda: (P - np.roll(T, 1, axis=1)) / n,
    )
    yield (
        "classes_shifted",
        "delta takes 1 off the class before the right one: labels and classes are shifted by one",
        lambda: (P - np.roll(T, -1, axis=1)) / n,
    )
    yield (
        "labels_renumbered",
        RENUMBERED,
        lambda: (P - np.eye(net.classes)[renumbered(net.y)]) / n,
    )
    yield (
        "labels_of_whole_batch",
        (
            "delta takes 1 off every label's column in every row: index "
            "rows and columns together, [arange(n), y]"
        ),
        lambda: (P - np.tile(T.max(axis=0), (n, 1))) / n,
    )
    yield (
        "label_not_subtracted",
        "delta is the probabilities: 1 must be taken off at the label",
        lambda: P / n,
    )
    yield (
        "delta_right_class_only",
        "delta is p at the label and 0 elsewhere, it should be p - 1 at the label and p elsewhere",
        lambda: P * T / n,
    )
    yield (
        "labels_not_one_hot",
        "delta takes the class's number off every probability: one-hot labels are needed",
        lambda: (P - net.y[:, None]) / n,
    )
    for weights in class_weights(net):
        yield "class_weights", SENTENCE, lambda w=weights: w[:, None] * (P - T)  # type: ignore[misc]
    yield (
        "labels_only",
        "delta is minus the one-hot label: the probabilities are missing from it",
        lambda: -T / n,
    )


def _softmax(net: Pass) -> Iterator[tuple[str, str, Delta]]:
    P, T, n, logits = net.P, net.T, net.n, net.logits
    yield (
        "softmax_diagonal_jacobian",
        "delta is -t (1 - p): only the diagonal of softmax's Jacobian is used",
        lambda: -T * (1.0 - P) / n,
    )
    yield (
        "double_softmax",
        "the gradient is that of a softmax of the softmax: give the loss logits, not probabilities",
        lambda: net.through_softmax(np.exp(oracle.log_softmax(P)) - T) / n,
    )
    yield (
        "softmax_forgotten",
        "delta is logits minus labels: the softmax is missing from the backward pass",
        lambda: (logits - T) / n,
    )
    yield (
        "perceptron_delta",
        "delta uses the predicted class where the probabilities belong",
        lambda: (np.eye(net.classes)[logits.argmax(axis=1)] - T) / n,
    )
    yield (
        "softmax_axis",
        "delta uses a softmax over the batch, not over the classes",
        lambda: (np.exp(oracle.log_softmax(logits.T)).T - T) / n,
    )
    if net.n > 1:
        yield (
            "softmax_max_axis",
            "delta's softmax takes off each class's maximum over the batch: take off each example's own",
            lambda: (np.exp(oracle.log_softmax(logits - logits.max(axis=0))) - T) / n,
        )
    for written, by_probability in (
        ("-t / p", lambda: -T / P),
        ("(p - t) / (p (1 - p))", lambda: (P - T) / (P * (1.0 - P))),
    ):
        yield (
            "softmax_derivative_missing",
            f"delta is {written}, the derivative by p: go on through softmax's, which makes it p - t",
            lambda by_probability=by_probability: _quietly(by_probability) / n,  # type: ignore[misc]
        )
    for factor in (1.0, 1.0 / net.classes):
        yield (
            "sigmoid_outputs",
            "the gradient is that of independent sigmoid outputs, not of a softmax",
            lambda f=factor: f * (oracle.activate(logits, "sigmoid") - T) / n,  # type: ignore[misc]
        )
    yield (
        "nll_of_probabilities",
        "the gradient is that of -p, not of -log p: the logarithm is missing from the loss",
        lambda: net.through_softmax(-T) / n,
    )


def _losses(net: Pass) -> Iterator[tuple[str, str, Delta]]:
    P, T, n, classes = net.P, net.T, net.n, net.classes
    # The squared error may be summed or averaged over the classes, with or without its 1/2.
    for factor in (1.0, 2.0, 2.0 / classes, 1.0 / classes):
        yield (
            "squared_error",
            "the gradient is that of the squared error of the probabilities, not of cross entropy",
            lambda f=factor: f * net.through_softmax(P - T) / n,  # type: ignore[misc]
        )
        yield (
            "squared_error_elementwise",
            (
                "delta is (p - t) p (1 - p), the squared error's with sigmoid outputs; "
                "for softmax and cross entropy it is p - t"
            ),
            lambda f=factor: f * (P - T) * P * (1.0 - P) / n,  # type: ignore[misc]
        )
    for factor in (1.0, 1.0 / classes):
        yield (
            "hinge_loss",
            "the gradient is that of the multi-class hinge loss, not of cross entropy",
            lambda f=factor: f * _hinge(net.logits, T) / n,  # type: ignore[misc]
        )
        yield (
            "binary_cross_entropy",
            (
                "the gradient is that of the binary cross entropy of the "
                "softmax: use -log p of the right class alone"
            ),
            lambda f=factor: f * net.through_softmax(_binary(P, T)) / n,  # type: ignore[misc]
        )


def _binary(P: Float, T: Float) -> Float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return (1.0 - T) / (1.0 - P) - T / P


def _quietly(compute: Delta) -> Float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return compute()


def _hinge(logits: Float, T: Float) -> Float:
    right = (logits * T).sum(axis=1, keepdims=True)
    over = (1.0 - T) * (logits - right + 1.0 > 0.0)
    result: Float = over - T * over.sum(axis=1, keepdims=True)
    return result


def _smoothing(net: Pass, found: list[Float]) -> Iterator[Hypothesis]:
    """Smoothed targets (1 - s) t + s / classes; s from the last bias gradient, which is linear in it."""
    change = ((net.T - 1.0 / net.classes) / net.n).sum(axis=0)
    smoothing = ratio(found[-1] - net.gradients[-1], change)
    if 1e-6 < smoothing < 1.0:
        targets = (1.0 - smoothing) * net.T + smoothing / net.classes
        yield Hypothesis(
            id="label_smoothing",
            sentence=f"the labels are smoothed by {smoothing:.4g}, which the loss does not ask for",
            predict=lambda: net.backward(delta=(net.P - targets) / net.n),
        )


def log_of(values: Float) -> Float:
    """Return the logarithm, without a warning where it is infinite or not a number."""
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Float = np.log(values)
    return result
