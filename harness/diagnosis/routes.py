"""Mistakes in what is multiplied and summed on the way back: inputs, errors, reshapes, biases, decay."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.diagnosis.fitting import ratio
from harness.diagnosis.passes import Pass
from harness.diagnosis.types import Hypothesis
from harness.oracle import Float


def routes(net: Pass, found: list[Float]) -> Iterator[Hypothesis]:
    """Yield the mistakes in how dW, db and the error handed down are computed."""
    yield from _weights(net)
    yield from _reshapes(net)
    if net.depth > 1:
        yield from _biases(net)
        yield from _inputs(net)
        yield from _errors(net)
    yield from _decay(net, found)
    if net.depth > 1:
        yield from _before_slope(net)


def _weights(net: Pass) -> Iterator[Hypothesis]:
    for row, which in ((-1, "last"), (0, "first")):
        yield Hypothesis(
            id=f"weights_{which}_row",
            sentence=f"dW holds the batch's {which} row alone, undivided or divided: sum over all rows",
            predict=lambda row=row: net.backward(of_weights=lambda A, d: np.outer(A[row], d[row])),  # type: ignore[misc]
        )
    yield Hypothesis(
        id="weights_of_mean_inputs",
        sentence="dW is the product of the batch's mean inputs and summed deltas: multiply row by row",
        predict=lambda: net.backward(of_weights=lambda A, d: np.outer(A.mean(axis=0), d.sum(axis=0))),
    )


def _reshapes(net: Pass) -> Iterator[Hypothesis]:
    sentence = "{} is reshaped where it should be transposed"
    yield Hypothesis(
        id="reshape_for_transpose",
        sentence=sentence.format("the layer's input in dW"),
        predict=lambda: net.backward(of_weights=lambda A, d: A.reshape(A.shape[::-1]) @ d),
    )
    yield Hypothesis(
        id="reshape_for_transpose",
        sentence=sentence.format("the layer's input in dW"),
        predict=lambda: net.backward(of_weights=lambda A, d: (d.T @ A.T.reshape(A.shape)).T),
    )
    yield Hypothesis(
        id="reshape_for_transpose",
        sentence=sentence.format("dW itself"),
        predict=lambda: [g.T.reshape(g.shape) for g in net.gradients],
    )
    if net.depth > 1:
        yield Hypothesis(
            id="reshape_for_transpose",
            sentence=sentence.format("W, through which the error goes back,"),
            predict=lambda: net.backward(error=lambda d, W: d @ W.reshape(W.shape[::-1])),
        )


def _biases(net: Pass) -> Iterator[Hypothesis]:
    for name, sentence, rule in (
        (
            "bias_mean_over_features",
            (
                "every entry of db is the mean of the layer's bias gradients: "
                "sum over the batch, keep the units"
            ),
            lambda d, e: np.full(d.shape[1], d.sum(axis=0).mean()),
        ),
        (
            "bias_mean_over_features",
            "every entry of db is the mean of the layer's delta: sum over the batch, keep the units",
            lambda d, e: np.full(d.shape[1], d.mean()),
        ),
        (
            "bias_scalar",
            (
                "every entry of db is the sum of the layer's delta over rows "
                "and units: sum over the batch only"
            ),
            lambda d, e: np.full(d.shape[1], d.sum()),
        ),
        ("bias_last_row", "db is delta of the batch's last row: sum over all rows", lambda d, e: d[-1]),
        ("bias_first_row", "db is delta of the batch's first row: sum over all rows", lambda d, e: d[0]),
        (
            "bias_last_row",
            "db is delta of the batch's last row before it is divided by the batch size: sum over all rows",
            lambda d, e: net.n * d[-1],
        ),
        (
            "bias_before_slope",
            "db of the hidden layers sums the error before it is multiplied by the activation's derivative",
            lambda d, e: e.sum(axis=0),
        ),
        ("bias_absolute", "db sums the absolute values of delta", lambda d, e: np.abs(d).sum(axis=0)),
    ):
        yield Hypothesis(
            id=name,
            sentence=sentence,
            predict=lambda rule=rule: net.backward(of_biases=rule),  # type: ignore[misc]
        )


def _inputs(net: Pass) -> Iterator[Hypothesis]:
    yield Hypothesis(
        id="weight_gradient_from_preactivation",
        sentence="dW is taken with the layer below's pre-activations z: it should be with its activations a",
        predict=lambda: net.backward(inputs=[net.X, *net.before[:-1]]),
    )
    yield Hypothesis(
        id="derivative_in_place",
        sentence="dW is taken with the layer below's derivative, which overwrote its activations",
        predict=lambda: net.backward(inputs=[net.X, *(net.slope(layer) for layer in net.hidden)]),
    )


def _errors(net: Pass) -> Iterator[Hypothesis]:
    yield Hypothesis(
        id="error_through_absolute_weights",
        sentence="the error goes back through |W|, it should go through W",
        predict=lambda: net.backward(error=lambda d, W: d @ np.abs(W).T),
    )
    pairs = list(zip(net.weights[::2], net.weights[1::2]))
    for place, kept, rows in (
        ("last", "first", [(W[1:], b[None]) for W, b in pairs]),
        ("first", "last", [(b[None], W[:-1]) for W, b in pairs]),
    ):
        through = [np.vstack(row) for row in rows]
        yield Hypothesis(
            id="error_through_bias_row",
            sentence=(
                f"the error goes back through the rows of W and b without the {kept}: leave out the "
                f"{place}, which is b"
            ),
            predict=lambda W=through: net.backward(  # type: ignore[misc]
                weights=[W[i // 2] if i % 2 == 0 else w for i, w in enumerate(net.weights)]
            ),
        )
    for name, sentence, pick in (
        (
            "error_averaged_over_batch",
            "the error handed down is the batch's mean, the same for every row",
            np.mean,
        ),
        (
            "error_summed_over_batch",
            "the error handed down is the batch's sum, the same for every row",
            np.sum,
        ),
    ):

        def error(d: Float, W: Float, pick: object = pick) -> Float:
            one: Float = pick(d, axis=0)  # type: ignore[operator]
            return np.broadcast_to(one, d.shape) @ W.T

        yield Hypothesis(
            id=name,
            sentence=sentence,
            predict=lambda error=error: net.backward(error=error),  # type: ignore[misc]
        )


def _decay(net: Pass, found: list[Float]) -> Iterator[Hypothesis]:
    """A multiple of the weights, or of their signs, added to the gradient: of all tensors or of matrices."""
    signs = [np.sign(w) for w in net.weights]
    for name, added, what in (
        ("weight_decay_spurious", net.weights, "the weights"),
        ("l1_penalty_spurious", signs, "the signs of the weights"),
    ):
        for who, places in (("dW", range(0, len(found), 2)), ("dW and db", range(len(found)))):
            chosen = set(places)
            extra = np.concatenate([(found[i] - net.gradients[i]).ravel() for i in places])
            strength = ratio(extra, np.concatenate([added[i].ravel() for i in places]))
            if not np.isfinite(strength) or strength == 0.0 or not any(np.any(added[i]) for i in places):
                continue

            def predict(
                strength: float = strength, chosen: set[int] = chosen, added: list[Float] = added
            ) -> list[Float]:
                return [
                    g + strength * w if i in chosen else g
                    for i, (g, w) in enumerate(zip(net.gradients, added))
                ]

            yield Hypothesis(
                id=name,
                sentence=(
                    f"{who} hold {strength:.4g} x {what} besides the gradient: "
                    "a weight decay that was not asked for"
                ),
                predict=predict,
            )


def _before_slope(net: Pass) -> Iterator[Hypothesis]:
    """The activation's derivative comes too late for a layer's own gradient, or is not handed down."""
    for name, sentence, biases in (
        ("gradient_before_slope", "dW and db", True),
        ("weights_before_slope", "dW", False),
    ):

        def predict(biases: bool = biases) -> list[Float]:
            errors: dict[int, Float] = {}

            def through(layer: int, error: Float, Z: Float, A: Float) -> Float:
                errors[layer] = error
                return error * net.slope(layer)

            gradients = net.backward(through=through)
            for layer, error in errors.items():
                gradients[2 * layer - 2] = net.inputs[layer - 1].T @ error
                if biases:
                    gradients[2 * layer - 1] = error.sum(axis=0)
            return gradients

        yield Hypothesis(
            id=name,
            sentence=f"{sentence} of hidden layers take the error before the activation's derivative",
            predict=predict,
        )
    if net.depth > 2:
        yield Hypothesis(
            id="slope_not_handed_down",
            sentence=(
                "the error handed down lacks the activation's derivative, which each layer's own gradient "
                "has: hand down delta"
            ),
            predict=lambda: _without_slopes(net),
        )


def _without_slopes(net: Pass) -> list[Float]:
    error = (net.P - net.T) / net.n
    gradients = [net.inputs[-1].T @ error, error.sum(axis=0)]
    for layer in reversed(net.hidden):
        error = error @ net.weights[2 * layer].T
        delta = error * net.slope(layer)
        gradients = [net.inputs[layer - 1].T @ delta, delta.sum(axis=0), *gradients]
    return gradients
