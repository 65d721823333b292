"""Functional: each layer's forward returns its output and a closure that goes back."""

from dataclasses import dataclass, replace
from functools import partial, reduce

import numpy as np


@dataclass(frozen=True)
class Layer:
    W: np.ndarray
    b: np.ndarray


def linear(layer, x):
    def back(g):
        return g @ layer.W.T, Layer(x.T @ g, g.sum(0))

    return x @ layer.W + layer.b, back


def sigmoid(x):
    s = np.exp(-np.logaddexp(0, -x))
    return s, lambda g: g * s * (1 - s)


def tanh(x):
    t = np.tanh(x)
    return t, lambda g: g / np.cosh(np.clip(x, -300, 300)) ** 2


def relu(x):
    on = x > 0
    return x * on, lambda g: g * on


def cross_entropy(z, y):
    shifted = z - z.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    hot = y[:, None] == np.arange(z.shape[1])
    return -log_p[hot].mean(), lambda: (np.exp(log_p) - hot) / len(y)


def glorot(rng, i, o):
    return Layer(rng.uniform(-1, 1, (i, o)) * np.sqrt(6 / (i + o)), np.zeros(o))


class Network:
    def __init__(self, layers, activation, rng):
        self.layers, self.activation, self.rng = layers, activation, rng

    def forward(self, X):
        backs, x = [], X
        for layer in self.layers[:-1]:
            x, back_linear = linear(layer, x)
            x, back_activation = self.activation(x)
            backs += [back_linear, back_activation]
        x, back = linear(self.layers[-1], x)
        return x, [*backs, back]

    def gradients(self, X, y):
        z, backs = self.forward(X)
        loss, start = cross_entropy(z, y)
        g, found = start(), []
        for number, back in enumerate(reversed(backs)):
            if number % 2 == 0:
                g, layer = back(g)
                found.insert(0, layer)
            else:
                g = back(g)
        return loss, found

    def get_weights(self):
        return reduce(lambda done, layer: [*done, layer.W, layer.b], self.layers, [])

    def set_weights(self, weights):
        pairs = zip(weights[::2], weights[1::2])
        self.layers = [replace(old, W=W.copy(), b=b.copy()) for old, (W, b) in zip(self.layers, pairs)]

    def predict_proba(self, X):
        z = self.forward(X)[0]
        return np.exp(z - np.logaddexp.reduce(z, axis=1, keepdims=True))

    def loss_and_gradients(self, X, y):
        loss, found = self.gradients(X, y)
        return np.array(loss), [g for layer in found for g in (layer.W, layer.b)]

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        if optimizer != "sgd":
            raise NotImplementedError(optimizer)

        def moved(old, gradient):
            return old - learning_rate * gradient - learning_rate * weight_decay * old

        for _ in range(epochs):
            order = self.rng.permutation(len(y))
            for rows in (order[k : k + batch_size] for k in range(0, len(y), batch_size)):
                _, found = self.gradients(X[rows], y[rows])
                self.layers = [
                    Layer(moved(old.W, new.W), moved(old.b, new.b)) for old, new in zip(self.layers, found)
                ]


def build(layer_sizes, activation, seed):
    rng = np.random.default_rng(seed)
    draw = partial(glorot, rng)
    layers = [draw(i, o) for i, o in zip(layer_sizes, layer_sizes[1:])]
    return Network(layers, {"sigmoid": sigmoid, "tanh": tanh, "relu": relu}[activation], rng)
