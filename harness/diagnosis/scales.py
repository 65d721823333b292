"""Mistakes that leave a gradient's direction right and its length wrong: forgotten or doubled divisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.diagnosis.passes import Pass
from harness.diagnosis.types import Hypothesis
from harness.oracle import Float


def scales(net: Pass) -> Iterator[Hypothesis]:
    """Yield the mistakes that multiply tensors by constants."""
    yield from _uniform(net)
    yield from _kinds(net)
    yield from _by_layer(net)
    yield from _single(net)


def constants(net: Pass) -> list[tuple[str, float, str]]:
    """Return (id, factor to the mean gradient, what to do) of the divisions that people get wrong."""
    n, features, classes = net.n, net.features, net.classes
    listed = [
        ("scale_N", float(n), "divide by the batch size"),
        ("scale_1_over_N", 1 / n, "divide by the batch size once, not twice"),
        ("scale_1_over_N2", 1 / n**2, "divide by the batch size once, not three times"),
        ("scale_2", 2.0, "the factor 2 belongs to the squared error, cross entropy has none"),
        ("scale_1_over_2", 0.5, "a factor 1/2 belongs to the squared error, cross entropy has none"),
        ("scale_minus_1", -1.0, "the sign is wrong: delta is probabilities minus labels"),
        ("scale_1_over_features", n / features, f"divide by the batch size, not by the {features} inputs"),
        ("scale_1_over_features", 1 / features, f"do not divide by the {features} inputs besides"),
        ("scale_1_over_64", n / 64, "divide by the number of rows in the batch, not by a fixed 64"),
        ("scale_1_over_64", 1 / 64, "do not divide by a fixed 64 besides"),
        ("scale_1_over_classes", 1 / classes, f"average over the batch only, not over the {classes} classes"),
        ("scale_classes", float(classes), f"there is no factor {classes}, the number of classes"),
        ("scale_1_over_depth", 1 / net.depth, f"do not divide by the {net.depth} layers"),
    ]
    if n > 1:
        listed.append(("scale_N_over_N_minus_1", n / (n - 1), "divide by the batch size n, not by n - 1"))
    return [(name, factor, what) for name, factor, what in listed if factor != 1.0]


def _uniform(net: Pass) -> Iterator[Hypothesis]:
    for name, factor, what in constants(net):
        sentence = (
            f"dW and db are {factor:.6g} x the mean gradient in every layer, cosine {_cosine(factor)}: {what}"
        )
        yield _scaled(net, name, sentence, [factor] * (2 * net.depth))
    yield _scaled(net, "gradient_zero", "every gradient is zero", [0.0] * (2 * net.depth))


def _kinds(net: Pass) -> Iterator[Hypothesis]:
    """All weights, or all biases, scaled alike."""
    n = float(net.n)
    if net.depth < 2 or net.n < 2:
        return
    rows = (
        ("bias_mean", 1, 1 / n, (f"db is {1 / n:.4g} x too small in every layer: it "
"is averaged over the batch twice")),
        ("bias_sum", 1, n, (f"db is {n:.4g} x too large in every layer: it is "
"the sum over the batch, not the mean")),
        ("bias_zero", 1, 0.0, "db is zero in every layer"),
        ("bias_sign", 1, -1.0, "db has the wrong sign in every layer, dW is right"),
        ("bias_doubled", 1, 2.0, "db is doubled in every layer, dW is right"),
        ("weights_mean", 0, 1 / n, (f"dW is {1 / n:.4g} x too small in every layer: it "
"is averaged over the batch twice")),
        ("weights_sum", 0, n, (f"dW is {n:.4g} x too large in every layer: divide "
"it by the batch size, as db is")),
        ("weights_zero", 0, 0.0, "dW is zero in every layer, db is right"),
        ("weights_sign", 0, -1.0, "dW has the wrong sign in every layer, db is right"),
    )  # fmt: skip
    for name, offset, factor, sentence in rows:
        factors = [factor if i % 2 == offset else 1.0 for i in range(2 * net.depth)]
        yield _scaled(net, name, sentence, factors)
    # With two layers the hidden ones are one, whose tensors are tried singly.
    averaging = [row for row in rows if row[0].endswith(("_mean", "_sum"))]
    for name, offset, factor, sentence in averaging if net.depth > 2 else ():
        hidden = range(offset, 2 * net.depth - 2, 2)
        factors = [factor if i in hidden else 1.0 for i in range(2 * net.depth)]
        yield _scaled(net, name, sentence.replace("every layer", "the hidden layers"), factors)
    fans = [1 / w.shape[0] if w.ndim == 2 else 1.0 for w in net.weights]
    sentence = (
        "dW of each layer is divided by the layer's number of inputs, "
        "db is right: average over the batch only"
    )
    yield _scaled(net, "weights_divided_by_fan_in", sentence, fans)
    fans = [1 / (w.shape[1] if w.ndim == 2 else len(w)) for w in net.weights]
    sentence = "the gradients of each layer are divided by its number of units: average over the batch only"
    yield _scaled(net, "divided_by_fan_out", sentence, fans)


def _by_layer(net: Pass) -> Iterator[Hypothesis]:
    n, depth = float(net.n), net.depth
    if depth < 2 or net.n < 2:
        return
    for name, base, what in (
        ("divided_in_each_layer", 1 / n, "divides the error by the batch size again"),
        ("multiplied_in_each_layer", n, "multiplies the error by the batch size again"),
    ):
        factors = [base ** (depth - 1 - i // 2) for i in range(2 * depth)]
        sentence = (
            f"every layer on the way back {what}: the gradients of layer "
            f"k are right up to {base:.4g}^({depth} - k)"
        )
        yield _scaled(net, name, sentence, factors)
    for base in (0.25, 0.5, 2.0, 4.0) if depth > 2 else ():  # in one layer alone it is that layer's scale
        factors = [base ** (depth - 1 - i // 2) for i in range(2 * depth)]
        sentence = f"the activation's derivative is {base:g} x the right one in every layer"
        yield _scaled(net, "derivative_scaled", sentence, factors)
    for layer in range(1, depth + 1):
        for factor, text in ((0.0, "zero"), (n, f"{n:.4g} x too large"), (1 / n, f"{1 / n:.4g} x too small")):
            factors = [factor if i // 2 + 1 == layer else 1.0 for i in range(2 * depth)]
            what = "zero" if factor == 0.0 else "scaled"
            yield _scaled(
                net, f"layer_{what}", f"only layer {layer} is wrong: its dW and db are {text}", factors
            )


def _single(net: Pass) -> Iterator[Hypothesis]:
    """One wrong tensor among right ones."""
    if net.depth < 2:
        return
    n = float(net.n)
    for index in range(2 * net.depth):
        tensor = f"{'Wb'[index % 2]}{index // 2 + 1}"
        for factor in (0.0, n, 1 / n, -1.0, 2.0, 0.5):
            if factor == 1.0:
                continue
            factors = [factor if i == index else 1.0 for i in range(2 * net.depth)]
            kind = "zero" if factor == 0.0 else "scaled"
            text = "zero" if factor == 0.0 else f"{factor:.4g} x the right one"
            yield _scaled(
                net, f"one_tensor_{kind}", f"only the gradient of {tensor} is wrong: it is {text}", factors
            )


def _scaled(net: Pass, name: str, sentence: str, factors: Sequence[float]) -> Hypothesis:
    def predict() -> list[Float]:
        return [factor * g for factor, g in zip(factors, net.gradients)]

    return Hypothesis(id=name, sentence=sentence, predict=predict)


def _cosine(factor: float) -> str:
    return "1.000" if factor > 0 else "-1.000"
