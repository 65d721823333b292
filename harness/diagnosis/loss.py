"""Diagnosis of the loss: one number, held against what each known mistake would give."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness import oracle
from harness.diagnosis.constants import of_temperature
from harness.diagnosis.deltas import log_of
from harness.diagnosis.fitting import FLOAT64, Tier, float16, name
from harness.diagnosis.layers import over_batch
from harness.diagnosis.passes import Pass
from harness.diagnosis.samples import RENUMBERED, SENTENCE, class_weights, renumbered
from harness.diagnosis.types import Diagnosis, Hypothesis, Posed

# One number meets one of a hundred by chance more easily than an array does: what float32 needs, no more.
TIERS = (FLOAT64, Tier(share=1e-6, noise=1e-6))

Listed = Iterator[tuple[str, str, float]]


def diagnose(problem: Posed, found: float) -> Diagnosis | None:
    """Name the mistake that gives this loss."""
    net = Pass.of(problem)
    right = oracle.cross_entropy(oracle.log_softmax(net.logits), net.y)
    if right == 0.0:
        return None
    listed = [
        Hypothesis(id=mistake, sentence=sentence, predict=lambda value=value: [np.array(value)])  # type: ignore[misc]
        for mistake, sentence, value in (
            *_scales(net, right),
            *_probabilities(net),
            *_shifts(net),
            *_others(net, right),
        )
        if np.isfinite(value)
    ]
    return name([np.array(found)], [np.array(right)], listed, tiers=TIERS)


def _scales(net: Pass, right: float) -> Listed:
    n, classes = net.n, net.classes
    yield "log2_loss", "the loss is in bits (log2): use the natural logarithm", right / np.log(2.0)
    yield "log10_loss", "the loss is written with log10: use the natural logarithm", right / np.log(10.0)
    yield "loss_sign", "the loss is the mean of log p: the minus is missing", -right
    yield (
        "loss_averaged_over_classes",
        f"the loss is averaged over the {classes} classes besides the batch",
        right / classes,
    )
    yield (
        "loss_over_classes",
        f"the loss is divided by the {classes} classes, not by the rows",
        right * n / classes,
    )
    yield "loss_doubled", "the loss is doubled", 2.0 * right
    yield "loss_halved", "the loss is halved: the 1/2 belongs to the squared error", 0.5 * right
    yield "loss_over_64", "the loss is divided by a fixed 64, not by the number of rows", right * n / 64.0
    for fixed in (16, 32, 100, 128, 256):
        yield "loss_over_fixed", f"the loss is divided by a fixed {fixed}, not by the rows", right * n / fixed
    yield "perplexity", "the loss is exp of the mean cross entropy", float(np.exp(right))
    yield (
        "float16",
        "the loss is rounded to float16, which keeps three digits",
        float(float16(np.array(right))),
    )
    for digits in (1, 2, 3, 4):
        yield "loss_rounded", f"the loss is rounded to {digits} decimals", round(right, digits)
    if n > 1:
        yield "sum_loss", f"the loss is the sum over the {n} rows: divide by the batch size", right * n
        yield "loss_divided_twice", f"the loss is divided by the batch size {n} twice", right / n
        yield "loss_over_n_minus_1", "the loss is divided by n - 1, it should be by n", right * n / (n - 1)
        yield "sum_loss_in_bits", "the loss is the sum over the rows, in bits", right * n / np.log(2.0)


def _probabilities(net: Pass) -> Listed:
    """Losses that look at other probabilities than those of the right class."""
    P, T, n, classes = net.P, net.T, net.n, net.classes
    log_p = oracle.log_softmax(net.logits)
    of_rows = -log_p[np.arange(n), net.y]
    if n > 1:
        yield "loss_of_one_row", "the loss is that of the batch's first row", float(of_rows[0])
        yield "loss_of_one_row", "the loss is that of the batch's last row", float(of_rows[-1])
        yield "loss_median", "the loss is the median over the batch, not the mean", float(np.median(of_rows))
        yield (
            "loss_broadcast",
            (
                "a column meets a row: the loss is a mean over all pairs "
                "of rows and labels, index [arange(n), y]"
            ),
            float(-log_p[:, net.y].mean()),
        )
        over_batch = -log_of(np.exp(oracle.log_softmax(net.logits.T)).T)
        yield (
            "softmax_axis",
            "the loss uses a softmax over the batch",
            float(over_batch[np.arange(n), net.y].mean()),
        )
    yield (
        "loss_of_prediction",
        "the loss is -log of the largest probability, whatever the label",
        float(-log_p.max(axis=1).mean()),
    )
    for shift in (1, -1):
        label = (net.y + shift) % classes
        yield (
            "classes_shifted",
            "the loss looks at the class beside the right one",
            float(-log_p[np.arange(n), label].mean()),
        )
    yield (
        "labels_renumbered",
        RENUMBERED,
        float(-log_p[np.arange(n), renumbered(net.y)].mean()),
    )
    double = oracle.log_softmax(P)
    yield (
        "double_softmax",
        "the loss takes the softmax of probabilities: give it logits",
        float(-(T * double).sum() / n),
    )
    yield (
        "nll_of_probabilities",
        "the loss is the mean of -p: the logarithm is missing",
        float(-(T * P).sum() / n),
    )
    yield (
        "nll_of_logits",
        "the loss is the mean of -z at the label: log-softmax is missing",
        float(-(T * net.logits).sum() / n),
    )
    peak = net.logits.max(axis=1, keepdims=True)
    yield (
        "log_normaliser_missing",
        "the loss leaves out the logarithm of softmax's normaliser",
        float((T * (peak - net.logits)).sum() / n),
    )
    yield (
        "entropy",
        "the loss is the entropy of the outputs, which knows no label",
        float(-(P * log_p).sum() / n),
    )


def _shifts(net: Pass) -> Listed:
    """Losses whose logits are shifted or scaled on their way into log-softmax."""
    Z, rows = net.logits, np.arange(net.n)
    at_label = Z[rows, net.y]
    peak = Z.max(axis=1)
    total = peak - oracle.log_softmax(Z).max(axis=1)  # log of the sum of exp(z)
    sentence = (
        "the maximum is taken off in one half of log-softmax only: numerator and sum need the same shift"
    )
    for shift in (peak, -peak):
        yield "softmax_shift_one_sided", sentence, float((total - shift - at_label).mean())
    if net.n > 1:
        yield (
            "softmax_max_axis",
            "the loss takes off each class's maximum over the batch: take off each example's own",
            oracle.cross_entropy(oracle.log_softmax(Z - Z.max(axis=0)), net.y),
        )
        for hidden, sentence in over_batch(net):
            yield "batch_statistics", sentence, oracle.cross_entropy(oracle.log_softmax(hidden), net.y)
    for times in (0.1, 0.2, 0.5, 2.0, 5.0, 10.0):
        yield (
            "softmax_temperature",
            f"in the loss, {of_temperature(times)}",
            oracle.cross_entropy(oracle.log_softmax(times * Z), net.y),
        )


def _others(net: Pass, right: float) -> Listed:
    P, T, n, classes = net.P, net.T, net.n, net.classes
    squares = float(((P - T) ** 2).sum() / n)
    for factor in (1.0, 0.5, 1.0 / classes, 0.5 / classes):
        yield (
            "squared_error",
            "the loss is the squared error of the probabilities, not cross entropy",
            factor * squares,
        )
    yield (
        "absolute_error",
        "the loss is the absolute error of the probabilities",
        float(np.abs(P - T).sum() / n),
    )
    binary = float(-(T * log_of(P) + (1.0 - T) * log_of(1.0 - P)).sum() / n)
    outputs = oracle.activate(net.logits, "sigmoid")
    of_sigmoid = float(-(T * log_of(outputs) + (1.0 - T) * log_of(1.0 - outputs)).sum() / n)
    sentence = "the loss is the binary cross entropy over all classes: use -log p of the right class alone"
    for value in (binary, binary / classes, of_sigmoid, of_sigmoid / classes):
        yield "binary_cross_entropy", sentence, value
    log_p = oracle.log_softmax(net.logits)
    for weights in class_weights(net):
        yield "class_weights", SENTENCE, float(-(weights[:, None] * T * log_p).sum())
    at_label = (net.logits * T).sum(axis=1, keepdims=True)
    margins = float(((1.0 - T) * np.maximum(net.logits - at_label + 1.0, 0.0)).sum() / n)
    for factor in (1.0, 1.0 / classes):
        yield "hinge_loss", "the loss is the multi-class hinge loss, not cross entropy", factor * margins
    for smoothing in (0.01, 0.05, 0.1, 0.2):
        targets = (1.0 - smoothing) * T + smoothing / classes
        yield (
            "label_smoothing",
            f"the labels are smoothed by {smoothing:g}",
            float(-(targets * log_p).sum() / n),
        )
    yield from _clipped(net)
    yield from _penalties(net, right)


def _clipped(net: Pass) -> Listed:
    """Softened and clipped probabilities, where the batch shows them."""
    p = net.P[np.arange(net.n), net.y]
    for exponent in range(2, 16):
        least = 10.0**-exponent
        yield (
            "log_clipped",
            f"the loss is -log(p + {least:g}): use log-softmax",
            float(-log_of(p + least).mean()),
        )
        if p.min() < least:
            sentence = f"probabilities are clipped at {least:g} before the logarithm: use log-softmax"
            yield "log_clipped", sentence, float(-log_of(np.maximum(p, least)).mean())


def _penalties(net: Pass, right: float) -> Listed:
    matrices = sum(float((W**2).sum()) for W in net.weights[::2])
    every = sum(float((w**2).sum()) for w in net.weights)
    for exponent in range(1, 7):
        for half in (1.0, 0.5):
            for squares in (matrices, every):
                strength = half * 10.0**-exponent
                sentence = (
                    f"the loss holds {strength:g} x the squared weights: a penalty that was not asked for"
                )
                yield "loss_with_penalty", sentence, right + strength * squares
                if net.n > 1:
                    yield "loss_with_penalty", sentence + ", divided by n", right + strength * squares / net.n
    absolute = sum(float(np.abs(W).sum()) for W in net.weights[::2])
    for exponent in range(1, 7):
        sentence = f"the loss holds {10.0**-exponent:g} x the absolute weights: a penalty not asked for"
        yield "loss_with_penalty", sentence, right + 10.0**-exponent * absolute
