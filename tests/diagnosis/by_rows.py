"""Back-propagation one row at a time, in plain loops of its own, every step open to a mistake."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Case:
    """A network with weights and a batch."""

    layer_sizes: tuple
    activation: str
    weights: list
    X: np.ndarray
    y: np.ndarray


def make(activation="tanh", sizes=(11, 9, 8, 6, 5), rows=7, seed=0, spread=0.7):
    """A case with weights large enough that units are far from linear, and biases."""
    rng = np.random.default_rng(seed)
    weights = []
    for i, o in pairwise(sizes):
        weights += [rng.normal(0, spread, (i, o)), rng.normal(0, 0.3, o)]
    return Case(
        sizes, activation, weights, rng.uniform(0, 1, (rows, sizes[0])), rng.integers(0, sizes[-1], rows)
    )


def f(z, activation):
    if activation == "sigmoid":
        return 1 / (1 + math.exp(-z))
    return math.tanh(z) if activation == "tanh" else max(z, 0.0)


def df(z, activation):
    if activation == "sigmoid":
        return f(z, activation) * (1 - f(z, activation))
    return 1 - math.tanh(z) ** 2 if activation == "tanh" else float(z > 0)


def softmax(z):
    e = [math.exp(v - max(z)) for v in z]
    return np.array([v / sum(e) for v in e])


def forward_row(case, x, activate=None):
    """Pre-activations and activations of one row: ([z1, ..., logits], [x, a1, ...])."""
    activate = activate or f
    zs, values = [], [np.array(x)]
    for k in range(0, len(case.weights), 2):
        z = np.array([values[-1] @ column for column in case.weights[k].T]) + case.weights[k + 1]
        zs.append(z)
        values.append(np.array([activate(v, case.activation) for v in z]))
    return zs, values[:-1]


def probabilities(case, **mistakes):
    return np.array([softmax(forward_row(case, x, **mistakes)[0][-1]) for x in case.X])


def right_delta(p, label, z):
    d = p.copy()
    d[label] -= 1
    return d


def gradients(
    case,
    *,
    delta=right_delta,  # of p, label, logits
    slope=lambda z, a, layer, activation: df(z, activation),
    clip_error=False,
    through=lambda W: W,
    inputs=lambda zs, values, k: values[k],
    on_logits=False,
):
    """Mean gradients over the batch, and (rows' deltas, rows' errors) by layer for mistakes about biases."""
    depth = len(case.weights) // 2
    total = [np.zeros_like(w) for w in case.weights]
    deltas = [[] for _ in range(depth)]
    errors = [[] for _ in range(depth)]
    for x, label in zip(case.X, case.y):
        zs, values = forward_row(case, x)
        e = d = delta(softmax(zs[-1]), label, zs[-1])
        if on_logits:
            d = np.array([u * df(v, case.activation) for u, v in zip(d, zs[-1])])
        for k in range(depth - 1, -1, -1):
            total[2 * k] += np.outer(inputs(zs, values, k), d) / len(case.X)
            total[2 * k + 1] += d / len(case.X)
            deltas[k].append(d / len(case.X))
            errors[k].append(e / len(case.X))
            if k:
                e = through(case.weights[2 * k]) @ d
                if clip_error:
                    e = np.maximum(e, 0)
                    d = e
                else:
                    s = [slope(z, a, k, case.activation) for z, a in zip(zs[k - 1], values[k])]
                    d = e * np.array(s)
    return total, [np.array(d) for d in deltas], [np.array(e) for e in errors]


def with_biases(case, rule, **mistakes):
    """Gradients whose db is ``rule`` of a layer's deltas and errors (rows, units)."""
    total, deltas, errors = gradients(case, **mistakes)
    for k, (d, e) in enumerate(zip(deltas, errors)):
        total[2 * k + 1] = rule(d, e)
    return total
