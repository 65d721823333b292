"""Biases as the first row of augmented weights; the backward pass is a recursion and also updates."""

import numpy as np


def with_ones(A):
    return np.hstack([np.ones((A.shape[0], 1)), A])


def sigmoid(z):
    out = np.empty_like(z)
    positive = z >= 0
    out[positive] = 1 / (1 + np.exp(-z[positive]))
    out[~positive] = np.exp(z[~positive]) / (1 + np.exp(z[~positive]))
    return out


class Augmented:
    def __init__(self, layer_sizes, activation, seed):
        self.kind = activation
        self.rng = np.random.default_rng([seed, 17])
        self.theta = []
        for i, o in zip(layer_sizes[:-1], layer_sizes[1:]):
            m = np.sqrt(6 / (i + o))
            self.theta.append(np.vstack([np.zeros((1, o)), self.rng.uniform(-m, m, (i, o))]))

    def activate(self, z):
        return {"sigmoid": sigmoid, "tanh": np.tanh, "relu": lambda v: v.clip(min=0)}[self.kind](z)

    def slope(self, a):
        return {"sigmoid": a * (1 - a), "tanh": 1 - a**2, "relu": 1.0 * (a > 0)}[self.kind]

    def pass_through(self, A, y, layer, rate, decay):
        """Go forward from a layer, come back with the error at its input, the loss and the gradients."""
        ones = with_ones(A)
        Z = ones @ self.theta[layer]
        if layer == len(self.theta) - 1:
            Z = Z - Z.max(axis=1, keepdims=True)
            log_p = Z - np.log(np.exp(Z).sum(axis=1, keepdims=True))
            rows = np.arange(len(y))
            loss, delta, gradients = -log_p[rows, y].mean(), np.exp(log_p), []
            delta[rows, y] -= 1
            delta /= len(y)
        else:
            H = self.activate(Z)
            error, loss, gradients = self.pass_through(H, y, layer + 1, rate, decay)
            delta = error * self.slope(H)
        gradient = ones.T @ delta
        back = delta @ self.theta[layer][1:].T
        if rate:
            self.theta[layer] -= rate * (gradient + decay * self.theta[layer])
        return back, loss, [gradient[1:], gradient[0], *gradients]

    def predict_proba(self, X):
        for theta in self.theta[:-1]:
            X = self.activate(with_ones(X) @ theta)
        Z = with_ones(X) @ self.theta[-1]
        E = np.exp(Z - Z.max(axis=1, keepdims=True))
        return E / E.sum(axis=1, keepdims=True)

    def loss_and_gradients(self, X, y):
        _, loss, gradients = self.pass_through(X, y, 0, 0.0, 0.0)
        return loss, gradients

    def get_weights(self):
        return [part for theta in self.theta for part in (theta[1:], theta[0])]

    def set_weights(self, weights):
        self.theta = [np.vstack([b[None, :], W]) for W, b in zip(weights[::2], weights[1::2])]

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        if optimizer != "sgd":
            raise NotImplementedError(optimizer)
        for _ in range(epochs):
            indices = self.rng.permutation(len(X))
            for start in range(0, len(X), batch_size):
                rows = indices[start : start + batch_size]
                self.pass_through(X[rows], y[rows], 0, learning_rate, weight_decay)


def build(layer_sizes, activation, seed):
    return Augmented(layer_sizes, activation, seed)
