"""Single precision throughout, one long parameter vector with views into it."""

import numpy as np

F = np.float32


class Net:
    def __init__(self, layer_sizes, activation, seed):
        self.sizes = tuple(layer_sizes)
        self.activation = activation
        self.rng = np.random.default_rng(seed)
        count = sum((i + 1) * o for i, o in zip(self.sizes, self.sizes[1:]))
        self.theta, self.grad = np.zeros(count, F), np.zeros(count, F)
        self.params, self.grads = self.views(self.theta), self.views(self.grad)
        for W in self.params[::2]:
            limit = np.sqrt(6 / sum(W.shape))
            W[:] = self.rng.uniform(-limit, limit, W.shape)

    def views(self, vector):
        out, at = [], 0
        for i, o in zip(self.sizes, self.sizes[1:]):
            out.append(vector[at : at + i * o].reshape(i, o))
            out.append(vector[at + i * o : at + (i + 1) * o])
            at += (i + 1) * o
        return out

    def act(self, z):
        if self.activation == "sigmoid":
            with np.errstate(over="ignore"):
                return 1 / (1 + np.exp(-z))
        return np.tanh(z) if self.activation == "tanh" else np.maximum(z, F(0))

    def slope(self, a):
        if self.activation == "sigmoid":
            return a * (1 - a)
        return 1 - a * a if self.activation == "tanh" else a > 0

    def forward(self, X):
        hidden = [np.asarray(X, F)]
        for W, b in zip(self.params[:-2:2], self.params[1:-2:2]):
            hidden.append(self.act(hidden[-1] @ W + b))
        return hidden, hidden[-1] @ self.params[-2] + self.params[-1]

    def backward(self, hidden, logits, y):
        shifted = logits - logits.max(axis=1, keepdims=True)
        delta = np.exp(shifted)
        total = delta.sum(axis=1, keepdims=True)
        rows = np.arange(len(y))
        loss = np.mean(np.log(total[:, 0]) - shifted[rows, y])
        delta /= total
        delta[rows, y] -= 1
        delta /= len(y)
        for k in range(len(hidden) - 1, -1, -1):
            np.matmul(hidden[k].T, delta, out=self.grads[2 * k])
            np.sum(delta, axis=0, out=self.grads[2 * k + 1])
            if k:
                delta = (delta @ self.params[2 * k].T) * self.slope(hidden[k])
        return loss

    def get_weights(self):
        return list(self.params)

    def set_weights(self, weights):
        for mine, given in zip(self.params, weights):
            mine[...] = given

    def predict_proba(self, X):
        logits = self.forward(X)[1]
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def loss_and_gradients(self, X, y):
        return self.backward(*self.forward(X), y), [g.copy() for g in self.grads]

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        assert optimizer == "sgd"
        X = np.asarray(X, F)
        for _ in range(epochs):
            order = self.rng.permutation(len(X))
            for k in range(0, len(X), batch_size):
                rows = order[k : k + batch_size]
                self.backward(*self.forward(X[rows]), y[rows])
                self.theta -= F(learning_rate) * (self.grad + F(weight_decay) * self.theta)


def build(layer_sizes, activation, seed):
    return Net(layer_sizes, activation, seed)
