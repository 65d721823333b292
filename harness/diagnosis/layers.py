"""Mistakes of the forward pass that are made in some layers only, and normalisations left in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import combinations

import numpy as np

from harness import oracle
from harness.diagnosis.activations import NAMES, Activate, Listed, logits, softmax
from harness.diagnosis.passes import Pass
from harness.oracle import Float

Layers = frozenset[int]
# What is added to the variance: PyTorch's, Keras's, and what people write by hand.
EPSILONS = (1e-5, 1e-3, 1e-8)


def some_layers(net: Pass) -> Listed:
    """Yield the mistakes of some layers: (id, sentence, what gives the probabilities)."""
    yield from _activations(net)
    yield from _biases(net)
    yield from _normalised(net)


def named(layers: Iterable[int]) -> str:
    """Return ``layer 2`` or ``layers 2, 3`` (in order)."""
    numbers = sorted(layers)
    return f"layer{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def _activations(net: Pass) -> Listed:
    """Another activation, or none, in one hidden layer, or in all but the first or the last."""
    label = NAMES[net.activation]
    for layers in _hidden_parts(net):
        many = len(layers) > 1
        suffix = "some_layers" if many else f"layer_{min(layers)}"
        verb = "" if many else "s"
        for wrong, activate in _others(net.activation):
            yield (
                f"wrong_activation_{suffix}",
                f"hidden {named(layers)} use{verb} {wrong} where {label} was asked for, and no other does",
                _activated(net, layers, activate),
            )
        if many:  # one layer without an activation is in ``activations`` already
            yield (
                f"activation_missing_{suffix}",
                f"hidden {named(layers)} have no activation",
                _activated(net, layers, lambda Z: Z),
            )


def _others(activation: str) -> Iterator[tuple[str, Activate]]:
    """Activations that differ from the right one everywhere, so that no two sets of layers look alike."""
    for other in oracle.ACTIVATIONS:
        if other != activation:
            yield NAMES[other], lambda Z, other=other: oracle.activate(Z, other)  # type: ignore[misc]
    yield "a softmax over its units", softmax


def _hidden_parts(net: Pass) -> list[Layers]:
    """Parts of the hidden layers: each by itself, all but the first, all but the last; never all."""
    hidden = list(net.hidden)
    parts = [[layer] for layer in hidden] + [hidden[1:], hidden[:-1]]
    return [layers for layers in dict.fromkeys(map(frozenset, parts)) if 0 < len(layers) < len(hidden)]


def _activated(net: Pass, layers: Layers, activate: Activate) -> Callable[[], Float]:
    def instead(layer: int, Z: Float) -> Float:
        return activate(Z) if layer in layers else oracle.activate(Z, net.activation)

    return lambda: softmax(logits(net, layer_activate=instead))


def _biases(net: Pass) -> Listed:
    """Biases that some layers leave out; all, all hidden and the last alone have names of their own."""
    used = [layer for layer in range(1, net.depth + 1) if net.weights[2 * layer - 1].any()]
    known = (set(used), set(used) - {net.depth}, {net.depth})
    for count in range(1, len(used)):
        for layers in combinations(used, count):
            if set(layers) not in known:
                yield (
                    "bias_missing_some_layers",
                    f"the bias is not used in {named(layers)}, it is in the others",
                    lambda layers=layers: softmax(  # type: ignore[misc]
                        logits(net, biases=lambda k, b: 0.0 * b if k in layers else b)
                    ),
                )


def _normalised(net: Pass) -> Listed:
    """A normalisation between a hidden layer and its activation, or after that."""
    for layers in hidden_choices(net):
        for epsilon in EPSILONS:
            for name, sentence, change in _normalisations(net, epsilon):
                where = f"{sentence} (hidden {named(layers)})"
                yield name, where, _changed(net, layers, change, before=True)
                yield name, where, _changed(net, layers, change, before=False)


def hidden_choices(net: Pass) -> list[Layers]:
    """Return all hidden layers together, and each by itself."""
    every = frozenset(net.hidden)
    return [layers for layers in dict.fromkeys([every, *(frozenset([k]) for k in net.hidden)]) if layers]


def batch_norm_left(epsilon: float) -> str:
    """Return the sentence for a batch normalisation at rest."""
    return f"a batch normalisation is left in, which divides by sqrt(1 + {epsilon:g}) before it is trained"


def _normalisations(net: Pass, epsilon: float) -> Iterator[tuple[str, str, Activate]]:
    yield (
        "batch_norm_left",
        batch_norm_left(epsilon),
        lambda Z: Z / np.sqrt(1.0 + epsilon),
    )
    if net.n > 1:
        yield (
            "batch_statistics",
            "hidden units are normalised over the batch: a row's answer must not depend on the others",
            lambda Z: (Z - Z.mean(axis=0)) / np.sqrt(Z.var(axis=0) + epsilon),
        )
    yield (
        "layer_norm",
        "a layer normalisation is left in: each row is standardised over the layer's units",
        lambda Z: (Z - Z.mean(axis=1, keepdims=True)) / np.sqrt(Z.var(axis=1, keepdims=True) + epsilon),
    )


def over_batch(net: Pass) -> Iterator[tuple[Float, str]]:
    """Yield the logits of networks whose hidden units are normalised over the batch, as when training."""
    for layers in hidden_choices(net):
        for name, sentence, change in _normalisations(net, EPSILONS[0]):
            if name == "batch_statistics":
                for before in (True, False):
                    yield _logits(net, layers, change, before=before), sentence


def _changed(net: Pass, layers: Layers, change: Activate, *, before: bool) -> Callable[[], Float]:
    return lambda: softmax(_logits(net, layers, change, before=before))


def _logits(net: Pass, layers: Layers, change: Activate, *, before: bool) -> Float:
    def instead(layer: int, Z: Float) -> Float:
        if layer not in layers:
            return oracle.activate(Z, net.activation)
        if before:
            return oracle.activate(change(Z), net.activation)
        return change(oracle.activate(Z, net.activation))

    return logits(net, layer_activate=instead)
