"""Reused memory everywhere: products into preallocated arrays, Fortran order, weights set in place."""

import numpy as np


class Workspace:
    def __init__(self, n, sizes):
        self.n = n
        self.a = [None] + [np.empty((n, s), order="F") for s in sizes[1:]]
        self.d = [None] + [np.empty((n, s), order="F") for s in sizes[1:]]


class BufferedNet:
    def __init__(self, layer_sizes, activation, seed):
        self.sizes, self.activation = list(layer_sizes), activation
        seeds = np.random.SeedSequence(seed).spawn(len(layer_sizes))
        self.order = np.random.default_rng(seeds[-1])
        self.W, self.b = [], []
        for s, i, o in zip(seeds, layer_sizes[:-1], layer_sizes[1:]):
            limit = np.sqrt(6.0) / np.sqrt(i + o)
            self.W.append(np.asfortranarray(np.random.default_rng(s).uniform(-limit, limit, (i, o))))
            self.b.append(np.zeros(o))
        self.gW = [np.empty_like(w) for w in self.W]
        self.gb = [np.empty_like(b) for b in self.b]
        self.work = {}

    def space(self, n):
        if n not in self.work:
            if len(self.work) > 8:
                self.work.clear()
            self.work[n] = Workspace(n, self.sizes)
        return self.work[n]

    def forward(self, X):
        w = self.space(len(X))
        a = X
        for k in range(len(self.W)):
            z = w.a[k + 1]
            z[...] = a @ self.W[k]
            z += self.b[k]
            if k < len(self.W) - 1:
                if self.activation == "sigmoid":
                    z *= 0.5
                    np.tanh(z, out=z)
                    z += 1.0
                    z *= 0.5
                elif self.activation == "tanh":
                    np.tanh(z, out=z)
                else:
                    np.maximum(z, 0.0, out=z)
            a = z
        return w

    def backward(self, w, X, y):
        rows = np.arange(len(y))
        z, d = w.a[-1], w.d[-1]
        z -= z.max(axis=1, keepdims=True)
        np.exp(z, out=d)
        total = d.sum(axis=1, keepdims=True)
        loss = float(np.mean(np.log(total[:, 0]) - z[rows, y]))
        d /= total
        d[rows, y] -= 1.0
        d /= len(y)
        for k in range(len(self.W) - 1, -1, -1):
            below = w.a[k] if k else X
            self.gW[k][...] = below.T @ w.d[k + 1]
            w.d[k + 1].sum(axis=0, out=self.gb[k])
            if k:
                w.d[k][...] = w.d[k + 1] @ self.W[k].T
                if self.activation == "sigmoid":
                    w.d[k] *= below
                    w.d[k] *= 1.0 - below
                elif self.activation == "tanh":
                    w.d[k] *= 1.0 - np.square(below)
                else:
                    w.d[k][below <= 0] = 0.0
        return loss

    def get_weights(self):
        return [p for pair in zip(self.W, self.b) for p in pair]

    def set_weights(self, weights):
        for mine, given in zip(self.get_weights(), weights):
            np.copyto(mine, given)

    def predict_proba(self, X):
        z = self.forward(X).a[-1]
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        return p

    def loss_and_gradients(self, X, y):
        loss = self.backward(self.forward(X), X, y)
        return loss, [g for pair in zip(self.gW, self.gb) for g in pair]

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        if optimizer != "sgd":
            raise NotImplementedError(optimizer)
        history = {"loss": [], "accuracy": []}
        for _ in range(epochs):
            order = self.order.permutation(len(X))
            loss = correct = 0.0
            for k in range(0, len(X), batch_size):
                rows = order[k : k + batch_size]
                Xb, yb = X[rows], y[rows]
                w = self.forward(Xb)
                correct += np.count_nonzero(w.a[-1].argmax(axis=1) == yb)
                loss += self.backward(w, Xb, yb) * len(rows)
                for p, g in zip(self.W + self.b, self.gW + self.gb):
                    p *= 1.0 - learning_rate * weight_decay
                    g *= learning_rate
                    p -= g
            history["loss"].append(loss / len(X))
            history["accuracy"].append(correct / len(X))
        return history


def build(layer_sizes, activation, seed):
    return BufferedNet(layer_sizes, activation, seed)
