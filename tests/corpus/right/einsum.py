"""Every product written with einsum; the softmax's Jacobian written out in full."""

import math

import numpy as np

FORWARD = {
    "sigmoid": lambda z: np.where(z > 0, 1, np.exp(np.minimum(z, 0))) / (1 + np.exp(-np.abs(z))),
    "tanh": np.tanh,
    "relu": lambda z: np.clip(z, 0, None),
}
DERIVATIVE = {
    "sigmoid": lambda a: a - a**2,
    "tanh": lambda a: 1 - a**2,
    "relu": lambda a: np.heaviside(a, 0.0),
}


class EinsumNet:
    def __init__(self, layer_sizes, activation, seed):
        generator = np.random.Generator(np.random.PCG64(seed))
        self.generator = generator
        self.f, self.df = FORWARD[activation], DERIVATIVE[activation]
        self.layers = []
        for n, m in zip(layer_sizes[:-1], layer_sizes[1:]):
            bound = math.sqrt(6 / (n + m))
            self.layers.append({"W": bound * (2 * generator.random((n, m)) - 1), "b": np.zeros(m)})

    def states(self, X):
        out = [X]
        for number, layer in enumerate(self.layers, 1):
            z = np.einsum("ni,io->no", out[-1], layer["W"]) + layer["b"][None, :]
            out.append(z if number == len(self.layers) else self.f(z))
        return out

    def log_softmax(self, z):
        m = np.amax(z, axis=1)
        return z - (m + np.log(np.einsum("nc->n", np.exp(z - m[:, None]))))[:, None]

    def predict_proba(self, X):
        return np.exp(self.log_softmax(self.states(X)[-1]))

    def loss_and_gradients(self, X, y):
        states = self.states(X)
        log_p = self.log_softmax(states[-1])
        p = np.exp(log_p)
        n, c = p.shape
        target = np.eye(c)[y]
        # d log p_j / d z_k = [j = k] - p_k
        jacobian = np.eye(c)[None] - p[:, None, :]
        delta = -np.einsum("nj,njk->nk", target, jacobian) / n
        gradients = []
        for number in reversed(range(len(self.layers))):
            gradients.append(np.einsum("no->o", delta))
            gradients.append(np.einsum("ni,no->io", states[number], delta))
            if number:
                delta = np.einsum(
                    "no,io,ni->ni", delta, self.layers[number]["W"], self.df(states[number]), optimize=True
                )
        return -np.einsum("nc,nc->", target, log_p) / n, gradients[::-1]

    def get_weights(self):
        return [layer[key] for layer in self.layers for key in ("W", "b")]

    def set_weights(self, weights):
        values = iter(weights)
        for layer in self.layers:
            layer["W"] = np.array(next(values))
            layer["b"] = np.array(next(values))

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        if optimizer != "sgd":
            raise NotImplementedError(optimizer)
        history = {"loss": []}
        for _ in range(epochs):
            losses = 0.0
            for rows in np.split(self.generator.permutation(len(X)), range(batch_size, len(X), batch_size)):
                loss, gradients = self.loss_and_gradients(X[rows], y[rows])
                losses += loss * rows.size
                pairs = iter(gradients)
                for layer in self.layers:
                    layer["W"] = (1 - learning_rate * weight_decay) * layer["W"] - learning_rate * next(pairs)
                    layer["b"] = layer["b"] - learning_rate * next(pairs)
            history["loss"].append(losses / len(X))
        return history


def build(layer_sizes, activation, seed):
    return EinsumNet(layer_sizes, activation, seed)
