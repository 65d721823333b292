"""Reverse-mode differentiation of arrays: operations note how to go back on a tape."""

import numpy as np


class Tape:
    def __init__(self):
        self.steps = []
        self.grads = {}

    def grad(self, node, value):
        self.grads[id(node)] = self.grads[id(node)] + value if id(node) in self.grads else value

    def affine(self, x, W, b):
        out = x @ W + b

        def back(g):
            self.grad(x, g @ W.T)
            self.grad(W, x.T @ g)
            self.grad(b, g.sum(axis=0))

        self.steps.append((out, back))
        return out

    def elementwise(self, x, f, df):
        out = f(x)
        self.steps.append((out, lambda g: self.grad(x, g * df(x, out))))
        return out

    def cross_entropy(self, z, y):
        top = z.max(axis=1, keepdims=True)
        norm = top + np.log(np.exp(z - top).sum(axis=1, keepdims=True))
        rows = np.arange(len(y))
        loss = np.mean(norm[:, 0] - z[rows, y])

        def back(g):
            p = np.exp(z - norm)
            p[rows, y] -= 1
            self.grad(z, g * p / len(y))

        self.steps.append((loss, back))
        return loss

    def run_back(self, loss):
        self.grads[id(loss)] = 1.0
        for out, back in reversed(self.steps):
            back(self.grads[id(out)])


OPERATIONS = {
    "sigmoid": (lambda x: np.exp(-np.logaddexp(0, -x)), lambda x, a: a * (1 - a)),
    "tanh": (np.tanh, lambda x, a: 1 - a * a),
    "relu": (lambda x: np.maximum(x, 0), lambda x, a: np.where(x > 0, 1.0, 0.0)),
}


class Model:
    def __init__(self, layer_sizes, activation, seed):
        self.bits = np.random.RandomState(seed)
        self.op = OPERATIONS[activation]
        self.theta = []
        for i, o in zip(layer_sizes, layer_sizes[1:]):
            r = np.sqrt(6 / (i + o))
            self.theta += [self.bits.uniform(-r, r, (i, o)), np.zeros(o)]

    def logits(self, X, tape):
        x = X
        for k in range(0, len(self.theta), 2):
            x = tape.affine(x, self.theta[k], self.theta[k + 1])
            if k + 2 < len(self.theta):
                x = tape.elementwise(x, *self.op)
        return x

    def get_weights(self):
        return tuple(self.theta)

    def set_weights(self, weights):
        self.theta = [np.asarray(w, dtype=float) for w in weights]

    def predict_proba(self, X):
        z = self.logits(X, Tape())
        z = np.exp(z - z.max(axis=1, keepdims=True))
        return z / z.sum(axis=1, keepdims=True)

    def loss_and_gradients(self, X, y):
        tape = Tape()
        loss = tape.cross_entropy(self.logits(X, tape), y)
        tape.run_back(loss)
        return loss, tuple(tape.grads[id(w)] for w in self.theta)

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        if optimizer != "sgd":
            raise NotImplementedError(optimizer)
        for _ in range(epochs):
            perm = self.bits.permutation(len(X))
            for k in range(0, len(X), batch_size):
                rows = perm[k : k + batch_size]
                gradients = self.loss_and_gradients(X[rows], y[rows])[1]
                self.theta = [
                    w - learning_rate * (g + (weight_decay * w if w.ndim > 1 else 0))
                    for w, g in zip(self.theta, gradients)
                ]


def build(layer_sizes, activation, seed):
    return Model(layer_sizes, activation, seed)
