"""Mistakes of the last step of the forward pass: softmax, and what is answered in its place."""

from __future__ import annotations

import numpy as np

from harness import oracle
from harness.diagnosis.activations import NAMES, Listed, softmax
from harness.diagnosis.passes import Pass
from harness.oracle import Float


def outputs(net: Pass) -> Listed:
    """Yield the mistakes of the outputs: (id, sentence, what gives the probabilities)."""
    yield from _softmax(net)
    yield from _normaliser(net)
    yield from _answers(net)


def _softmax(net: Pass) -> Listed:
    Z, P = net.logits, net.P
    if net.n > 1:
        yield (
            "softmax_axis",
            "the softmax normalises each class over the batch: sum over each example's classes",
            lambda: softmax(Z, axis=0),
        )
        # Each row's own maximum taken off first, as is right, makes these two other numbers.
        shifted = Z - Z.max(axis=1, keepdims=True)
        yield (
            "softmax_axis",
            ("the softmax's exponentials are summed over the batch: sum over each example's classes"),
            lambda: softmax(shifted, axis=0),
        )
        yield (
            "softmax_of_whole_batch",
            "the exponentials are divided by their sum over the whole batch: sum each example by itself",
            lambda: softmax(shifted.reshape(1, -1)).reshape(Z.shape),
        )
        yield (
            "softmax_of_whole_batch",
            "the exponentials are divided by their sum over the whole batch: sum each example by itself",
            lambda: softmax(Z.reshape(1, -1)).reshape(Z.shape),
        )
    yield "double_softmax", "the softmax is taken twice", lambda: softmax(P)
    yield (
        "softmax_sign",
        "the softmax is of -z: take the maximum off, max - z turns it round",
        lambda: softmax(-Z),
    )
    yield (
        "softmax_base_2",
        "the softmax uses powers of 2, it should be of e",
        lambda: softmax(Z * np.log(2.0)),
    )
    yield (
        "softmax_base_10",
        "the softmax uses powers of 10, it should be of e",
        lambda: softmax(Z * np.log(10.0)),
    )
    yield "logits_returned", "predict_proba answers the logits: apply softmax", lambda: Z
    yield "log_probabilities_returned", "predict_proba answers log p: take exp", lambda: oracle.log_softmax(Z)
    yield (
        "sigmoid_outputs",
        "the outputs are independent sigmoids, not a softmax",
        lambda: oracle.activate(Z, "sigmoid"),
    )
    yield (
        "sigmoid_outputs",
        "the outputs are independent sigmoids divided by their sum, not a softmax",
        lambda: _shares(oracle.activate(Z, "sigmoid")),
    )
    for kept in (0, 1) if net.classes == 2 else ():
        yield (
            "one_logit_of_two",
            f"with two classes the probability of class {kept} is the sigmoid of its logit alone: take the "
            "softmax of both, as for any other number",
            lambda kept=kept: _one_of_two(Z, kept),  # type: ignore[misc]
        )
    yield (
        "linear_outputs",
        "the outputs are logits divided by their sum: the exponential is missing",
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


def _answers(net: Pass) -> Listed:
    """What is done to probabilities that were right."""
    P = net.P
    for name in ("sigmoid", "tanh"):
        yield (
            "activation_on_probabilities",
            f"the probabilities go through {NAMES[name]} once more: nothing comes after the softmax",
            lambda name=name: oracle.activate(P, name),  # type: ignore[misc]
        )
    if net.n > 1:
        for row, which in ((0, "first"), (-1, "last")):
            yield (
                "one_row_for_all",
                f"every row is answered with the {which} row's probabilities",
                lambda row=row: np.tile(P[row], (net.n, 1)),  # type: ignore[misc]
            )


def _normaliser(net: Pass) -> Listed:
    """Softmax whose shift and sum do not belong together, or that is not divided by its sum."""
    Z = net.logits
    peak = Z.max(axis=1, keepdims=True)
    if net.n > 1:
        yield (
            "softmax_max_axis",
            "the softmax takes off each class's maximum over the batch: take off each example's own",
            lambda: softmax(Z - Z.max(axis=0)),
        )
    for numerator, denominator in ((Z - peak, Z), (Z, Z - peak)):
        yield (
            "softmax_shift_one_sided",
            "the maximum is taken off in one half of the softmax only: numerator and sum need the same shift",
            lambda a=numerator, b=denominator: _quotient(a, b),  # type: ignore[misc]
        )
    for exponents in (Z - peak, Z):
        yield (
            "softmax_not_normalised",
            "the exponentials are not divided by their sum over the classes",
            lambda exponents=exponents: _exp(exponents),  # type: ignore[misc]
        )
    yield (
        "softmax_unit_length",
        "the exponentials are divided by their Euclidean length: divide them by their sum",
        lambda: np.exp(Z - peak) / np.linalg.norm(np.exp(Z - peak), axis=1, keepdims=True),
    )


def _one_of_two(Z: Float, kept: int) -> Float:
    P = np.empty_like(Z)
    P[:, kept] = oracle.activate(Z[:, kept], "sigmoid")
    P[:, 1 - kept] = 1.0 - P[:, kept]
    return P


def _quotient(numerator: Float, denominator: Float) -> Float:
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Float = _exp(numerator) / _exp(denominator).sum(axis=1, keepdims=True)
    return result


def _exp(values: Float) -> Float:
    with np.errstate(over="ignore"):
        return np.exp(values)


def _shares(values: Float) -> Float:
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Float = values / values.sum(axis=1, keepdims=True)
    return result
