"""A three-hidden-layer MLP in NumPy, as one might hand it in. Its bias gradient is wrong."""

from itertools import pairwise

import numpy as np


def sigmoid(Z):
    return 0.5 * (1.0 + np.tanh(0.5 * Z))


HIDDEN = {
    "sigmoid": (sigmoid, lambda A: A * (1.0 - A)),
    "tanh": (np.tanh, lambda A: 1.0 - A**2),
    "relu": (lambda Z: np.maximum(Z, 0.0), lambda A: (A > 0).astype(A.dtype)),
}


def build(layer_sizes, activation, seed):
    return MLP(layer_sizes, activation, seed)


class MLP:
    def __init__(self, layer_sizes, activation, seed):
        self.rng = np.random.default_rng(seed)
        self.f, self.df = HIDDEN[activation]
        self.W, self.b = [], []
        for fan_in, fan_out in pairwise(layer_sizes):
            limit = np.sqrt(6.0 / (fan_in + fan_out))
            self.W.append(self.rng.uniform(-limit, limit, (fan_in, fan_out)).astype(np.float32))
            self.b.append(np.zeros(fan_out, np.float32))

    def get_weights(self):
        return [array for pair in zip(self.W, self.b) for array in pair]

    def set_weights(self, weights):
        self.W, self.b = list(weights[0::2]), list(weights[1::2])

    def forward(self, X):
        outputs = [X]
        for W, b in zip(self.W[:-1], self.b[:-1]):
            outputs.append(self.f(outputs[-1] @ W + b))
        return outputs, outputs[-1] @ self.W[-1] + self.b[-1]

    def predict_proba(self, X):
        logits = self.forward(X)[1]
        E = np.exp(logits - logits.max(axis=1, keepdims=True))
        return E / E.sum(axis=1, keepdims=True)

    def loss_and_gradients(self, X, y):
        outputs, logits = self.forward(X)
        logits = logits - logits.max(axis=1, keepdims=True)
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        loss = -log_p[np.arange(len(y)), y].mean()
        delta = np.exp(log_p)
        delta[np.arange(len(y)), y] -= 1.0
        delta /= len(y)
        gradients = []
        for layer in range(len(self.W) - 1, -1, -1):
            dW = outputs[layer].T @ delta
            db = delta.mean(axis=0)  # the one mistake: delta is divided by the batch size already
            gradients = [dW, db, *gradients]
            if layer > 0:
                delta = (delta @ self.W[layer].T) * self.df(outputs[layer])
        return loss, gradients

    def fit(self, X, y, *, epochs, batch_size, learning_rate, weight_decay=0.0):
        for _ in range(epochs):
            order = self.rng.permutation(len(X))
            for start in range(0, len(X), batch_size):
                rows = order[start : start + batch_size]
                _, gradients = self.loss_and_gradients(X[rows], y[rows])
                updated = [
                    w - learning_rate * (g + weight_decay * w) for w, g in zip(self.get_weights(), gradients)
                ]
                self.set_weights(updated)
