from itertools import pairwise

import numpy as np


def build(layer_sizes, activation, seed):
    return Model(layer_sizes, activation, seed)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class Model:
    def __init__(self, layer_sizes, activation, seed):
        self.rng = np.random.default_rng(seed)
        self.activation = activation
        self.weights = []
        for fan_in, fan_out in pairwise(layer_sizes):
            limit = np.sqrt(6 / (fan_in + fan_out))
            self.weights += [self.rng.uniform(-limit, limit, (fan_in, fan_out)), np.zeros(fan_out)]

    def get_weights(self):
        return [w.copy() for w in self.weights]

    def set_weights(self, weights):
        self.weights = [np.array(w) for w in weights]

    def forward(self, X):
        outputs = [np.asarray(X, dtype=self.weights[0].dtype)]
        for i in range(0, len(self.weights), 2):
            z = outputs[-1] @ self.weights[i] + self.weights[i + 1]
            outputs.append(z if i == len(self.weights) - 2 else self.activate(z))
        return outputs

    def activate(self, z):
        if self.activation == "relu":
            return np.maximum(z, 0)
        return np.tanh(z) if self.activation == "tanh" else 0.5 * (1 + np.tanh(0.5 * z))

    def slope(self, a):
        if self.activation == "relu":
            return a > 0
        return 1 - a**2 if self.activation == "tanh" else a * (1 - a)

    def predict_proba(self, X):
        return softmax(self.forward(X)[-1])

    def loss_and_gradients(self, X, y):
        outputs = self.forward(X)
        z, rows = outputs[-1], np.arange(len(y))
        shifted = z - z.max(axis=1, keepdims=True)
        loss = float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, y]))
        delta = softmax(z)
        delta[rows, y] -= 1
        delta /= len(y)
        gradients = []
        for i in range(len(self.weights) - 2, -1, -2):
            a = outputs[i // 2]
            gradients = [a.T @ delta, delta.sum(axis=0), *gradients]
            if i:
                delta = (delta @ self.weights[i].T) * self.slope(a)
        return loss, gradients

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        if optimizer != "sgd":
            raise NotImplementedError("only SGD")
        for _ in range(epochs):
            order = self.rng.permutation(len(X))
            for start in range(0, len(X), batch_size):
                batch = order[start : start + batch_size]
                _, gradients = self.loss_and_gradients(X[batch], y[batch])
                for w, g in zip(self.weights, gradients):
                    w -= learning_rate * (g + weight_decay * w)
