"""The mathematics of a multi-layer perceptron in float64, written for the harness alone.

Sources: softmax and cross entropy, Bishop, *Pattern Recognition and Machine Learning* (2006), 4.3.4; back-
propagation, ibid. 5.3; Glorot and Bengio (2010), equation 16; Adam, Kingma and Ba (2015), algorithm 1;
weight decay added to the gradient, as in PyTorch's ``SGD`` and ``Adam``. Weights are ``[W1, b1, W2, b2,
...]`` with ``W`` (fan_in, fan_out) and ``b`` (fan_out,); ``X`` is (n, features), ``y`` (n,) integer
classes. Everything is float64 whatever comes in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Gradient = Callable[[list[Float]], list[Float]]  # of weights

ACTIVATIONS = ("sigmoid", "tanh", "relu")
FLOAT32_EPS = 2.0**-23  # the spacing of float32 numbers at 1


def _sigmoid(Z: Float) -> Float:
    # 1 / (1 + e^-z) without overflow for either sign of z.
    small = np.exp(-np.abs(Z))
    return np.where(Z >= 0, 1.0 / (1.0 + small), small / (1.0 + small))


_FUNCTIONS: dict[str, Callable[[Float], Float]] = {
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "relu": lambda Z: np.maximum(Z, 0.0),
}
_DERIVATIVES: dict[str, Callable[[Float, Float], Float]] = {  # of Z (before) and A (after)
    "sigmoid": lambda Z, A: A * (1.0 - A),
    "tanh": lambda Z, A: 1.0 - A * A,
    "relu": lambda Z, A: (Z > 0).astype(np.float64),
}


def activate(Z: Float, activation: str) -> Float:
    """Return the activation of ``Z``, elementwise."""
    return _FUNCTIONS[activation](Z)


def derivative(Z: Float, activation: str) -> Float:
    """Return the activation's derivative at ``Z``, elementwise; ReLU's at 0 is taken as 0."""
    return _DERIVATIVES[activation](Z, activate(Z, activation))


def glorot(layer_sizes: Sequence[int], rng: np.random.Generator, *, bias_sd: float = 0.0) -> list[Float]:
    """Draw Glorot-uniform weights, and biases from N(0, bias_sd^2)."""
    weights: list[Float] = []
    for fan_in, fan_out in pairwise(layer_sizes):
        limit = np.sqrt(6.0 / (fan_in + fan_out))
        weights.append(rng.uniform(-limit, limit, (fan_in, fan_out)))
        weights.append(rng.normal(0.0, bias_sd, fan_out) if bias_sd else np.zeros(fan_out))
    return weights


def forward(weights: Sequence[Float], X: ArrayLike, activation: str) -> tuple[list[Float], list[Float]]:
    """Return the inputs of every layer ``[X, A1, A2, ...]`` and the pre-activations ``[Z1, ..., logits]``."""
    A = np.asarray(X, dtype=np.float64)
    inputs, before = [A], []
    for layer in range(0, len(weights), 2):
        Z = A @ weights[layer] + weights[layer + 1]
        before.append(Z)
        if layer + 2 < len(weights):
            A = activate(Z, activation)
            inputs.append(A)
    return inputs, before


def log_softmax(logits: Float) -> Float:
    """Return log softmax over the last axis, without overflow."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    result: Float = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def probabilities(weights: Sequence[Float], X: ArrayLike, activation: str) -> Float:
    """Return softmax outputs (n, classes)."""
    result: Float = np.exp(log_softmax(forward(weights, X, activation)[1][-1]))
    return result


def loss(weights: Sequence[Float], X: ArrayLike, y: Int, activation: str) -> float:
    """Return the mean cross entropy, in nats."""
    return cross_entropy(log_softmax(forward(weights, X, activation)[1][-1]), y)


def cross_entropy(log_probabilities: Float, y: Int) -> float:
    """Return the mean of ``-log p[y]``, in nats."""
    return float(-np.mean(log_probabilities[np.arange(len(y)), y]))


def backward(weights: Sequence[Float], X: ArrayLike, activation: str, delta: Float) -> list[Float]:
    """Propagate ``delta``, the loss's derivative by the logits (n, classes), to every weight and bias."""
    inputs, before = forward(weights, X, activation)
    gradients: list[Float] = [np.empty(0)] * len(weights)
    for layer in range(len(weights) // 2 - 1, -1, -1):
        gradients[2 * layer] = inputs[layer].T @ delta
        gradients[2 * layer + 1] = delta.sum(axis=0)
        if layer:
            delta = (delta @ weights[2 * layer].T) * derivative(before[layer - 1], activation)
    return gradients


def loss_and_gradients(
    weights: Sequence[Float], X: ArrayLike, y: Int, activation: str
) -> tuple[float, list[Float]]:
    """Return the mean cross entropy and its gradients in the order of ``weights``."""
    log_p = log_softmax(forward(weights, X, activation)[1][-1])
    delta = np.exp(log_p)
    delta[np.arange(len(y)), y] -= 1.0
    return cross_entropy(log_p, y), backward(weights, X, activation, delta / len(y))


def sgd(
    weights: Sequence[Float],
    X: ArrayLike,
    y: Int,
    activation: str,
    *,
    learning_rate: float,
    weight_decay: float = 0.0,
    decay_biases: bool = True,
    gradient: Gradient | None = None,
) -> Iterator[list[Float]]:
    """Yield the weights after each full-batch step of gradient descent, without end.

    ``gradient`` takes the place of the true gradient at given weights.
    """
    slope = gradient or (lambda w: loss_and_gradients(w, X, y, activation)[1])
    current = [w.astype(np.float64) for w in weights]
    while True:
        gradients = slope(current)
        current = [
            w - learning_rate * (g + (weight_decay * w if decay_biases or w.ndim == 2 else 0.0))
            for w, g in zip(current, gradients)
        ]
        yield current


def adam(
    weights: Sequence[Float],
    X: ArrayLike,
    y: Int,
    activation: str,
    *,
    learning_rate: float,
    weight_decay: float = 0.0,
    decay_biases: bool = True,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    corrected_epsilon: bool = True,
    gradient: Gradient | None = None,
) -> Iterator[list[Float]]:
    """Yield the weights after each full-batch step of Adam, without end; ``gradient`` as for ``sgd``.

    ``corrected_epsilon=False`` is the other form that Kingma and Ba (2015, end of section 2) give, which
    scikit-learn and TensorFlow compute: epsilon is added to the root before the bias correction.
    """
    slope = gradient or (lambda w: loss_and_gradients(w, X, y, activation)[1])
    current = [w.astype(np.float64) for w in weights]
    first = [np.zeros_like(w) for w in current]
    second = [np.zeros_like(w) for w in current]
    step = 0
    while True:
        step += 1
        gradients = slope(current)
        updated = []
        for i, (w, g) in enumerate(zip(current, gradients)):
            g = g + (weight_decay * w if decay_biases or w.ndim == 2 else 0.0)
            first[i] = beta1 * first[i] + (1 - beta1) * g
            second[i] = beta2 * second[i] + (1 - beta2) * g * g
            mean = first[i] / (1 - beta1**step)
            correction = np.sqrt(1 - beta2**step)
            added = epsilon if corrected_epsilon else epsilon / correction
            updated.append(w - learning_rate * mean / (np.sqrt(second[i]) / correction + added))
        current = updated
        yield current
