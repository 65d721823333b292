"""One example at a time: the loop over the batch is written out, vectors everywhere, gradients added up."""

import numpy as np


class Perceptron:
    def __init__(self, layer_sizes, activation, seed):
        self.rng = np.random.default_rng(seed)
        self.activation = activation
        self.W = []
        self.b = []
        for rows, cols in zip(layer_sizes[:-1], layer_sizes[1:]):
            limit = (6.0 / (rows + cols)) ** 0.5
            self.W.append(self.rng.uniform(-limit, limit, size=(rows, cols)))
            self.b.append(np.zeros(cols))

    def squash(self, z):
        if self.activation == "sigmoid":
            return 0.5 + 0.5 * np.tanh(z / 2)
        if self.activation == "tanh":
            return np.tanh(z)
        return np.where(z > 0, z, 0.0)

    def squash_slope(self, a):
        if self.activation == "sigmoid":
            return a * (1 - a)
        if self.activation == "tanh":
            return (1 - a) * (1 + a)
        return np.where(a > 0, 1.0, 0.0)

    def feed(self, x):
        outs = [x]
        for k in range(len(self.W) - 1):
            outs.append(self.squash(outs[-1].dot(self.W[k]) + self.b[k]))
        z = outs[-1].dot(self.W[-1]) + self.b[-1]
        z = z - z.max()
        return outs, z - np.log(np.exp(z).sum())

    def predict_proba(self, X):
        return np.array([np.exp(self.feed(x)[1]) for x in X])

    def loss_and_gradients(self, X, y):
        loss = 0.0
        dW = [np.zeros_like(W) for W in self.W]
        db = [np.zeros_like(b) for b in self.b]
        for x, label in zip(X, y):
            outs, log_p = self.feed(x)
            loss -= log_p[label]
            error = np.exp(log_p)
            error[label] -= 1.0
            for k in range(len(self.W) - 1, -1, -1):
                dW[k] += np.outer(outs[k], error)
                db[k] += error
                if k > 0:
                    error = self.W[k].dot(error) * self.squash_slope(outs[k])
        n = len(X)
        return loss / n, [g / n for pair in zip(dW, db) for g in pair]

    def get_weights(self):
        return [p for pair in zip(self.W, self.b) for p in pair]

    def set_weights(self, weights):
        self.W = [np.array(w) for w in weights[::2]]
        self.b = [np.array(w) for w in weights[1::2]]

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        if optimizer != "sgd":
            raise ValueError("only sgd")
        for _ in range(epochs):
            order = self.rng.permutation(len(X))
            for k in range(0, len(X), batch_size):
                rows = order[k : k + batch_size]
                _, grads = self.loss_and_gradients(X[rows], y[rows])
                for i in range(len(self.W)):
                    self.W[i] -= learning_rate * (grads[2 * i] + weight_decay * self.W[i])
                    self.b[i] -= learning_rate * grads[2 * i + 1]


def build(layer_sizes, activation, seed):
    return Perceptron(layer_sizes, activation, seed)
