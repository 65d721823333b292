"""A multi-layer perceptron as one class, with gradient descent and Adam."""

import numpy as np


class MLP:
    def __init__(self, layer_sizes, activation, seed):
        self.layer_sizes = list(layer_sizes)
        self.activation = activation
        self.rng = np.random.default_rng(seed)
        self.W, self.b = [], []
        for fan_in, fan_out in zip(layer_sizes[:-1], layer_sizes[1:]):
            bound = np.sqrt(6.0 / (fan_in + fan_out))
            self.W.append(self.rng.uniform(-bound, bound, (fan_in, fan_out)))
            self.b.append(np.zeros(fan_out))

    def get_weights(self):
        return [w.copy() for pair in zip(self.W, self.b) for w in pair]

    def set_weights(self, weights):
        self.W = [np.array(w, dtype=np.float64) for w in weights[0::2]]
        self.b = [np.array(b, dtype=np.float64) for b in weights[1::2]]

    def _activate(self, z):
        if self.activation == "sigmoid":
            return np.exp(-np.logaddexp(0.0, -z))
        if self.activation == "tanh":
            return np.tanh(z)
        return z * (z > 0)

    def _slope(self, a):
        if self.activation == "sigmoid":
            return a * (1.0 - a)
        if self.activation == "tanh":
            return 1.0 - a * a
        return (a > 0).astype(a.dtype)

    def _forward(self, X):
        self.z = []
        self.a = [X]
        for W, b in zip(self.W[:-1], self.b[:-1]):
            self.z.append(self.a[-1] @ W + b)
            self.a.append(self._activate(self.z[-1]))
        self.logits = self.a[-1] @ self.W[-1] + self.b[-1]
        exps = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return exps / exps.sum(axis=1, keepdims=True)

    def _loss(self, y):
        top = self.logits.max(axis=1)
        log_total = top + np.log(np.exp(self.logits - top[:, None]).sum(axis=1))
        return np.mean(log_total - self.logits[np.arange(len(y)), y])

    def _backward(self, P, y):
        dW, db = [None] * len(self.W), [None] * len(self.b)
        delta = P.copy()
        delta[np.arange(len(y)), y] -= 1.0
        delta /= len(y)
        for i in reversed(range(len(self.W))):
            dW[i] = self.a[i].T @ delta
            db[i] = delta.sum(axis=0)
            if i > 0:
                delta = delta @ self.W[i].T
                delta = delta * self._slope(self.a[i])
        return dW, db

    def predict_proba(self, X):
        return self._forward(X)

    def loss_and_gradients(self, X, y):
        P = self._forward(X)
        dW, db = self._backward(P, y)
        return self._loss(y), [g for pair in zip(dW, db) for g in pair]

    def _sgd(self, grads, learning_rate):
        for w, g in zip(self.W + self.b, grads):
            w -= learning_rate * g

    def _adam(self, grads, learning_rate):
        self.t += 1
        for w, g, m, v in zip(self.W + self.b, grads, self.m, self.v):
            m[...] = 0.9 * m + 0.1 * g
            v[...] = 0.999 * v + 0.001 * g**2
            m_hat = m / (1.0 - 0.9**self.t)
            v_hat = v / (1.0 - 0.999**self.t)
            w -= learning_rate * m_hat / (np.sqrt(v_hat) + 1e-8)

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        step = {"sgd": self._sgd, "adam": self._adam}[optimizer]
        self.t = 0
        self.m = [np.zeros_like(w) for w in self.W + self.b]
        self.v = [np.zeros_like(w) for w in self.W + self.b]
        losses, accuracies = [], []
        for epoch in range(epochs):
            order = self.rng.permutation(len(X))
            loss_sum, correct = 0.0, 0
            for first in range(0, len(X), batch_size):
                rows = order[first : first + batch_size]
                Xb, yb = X[rows], y[rows]
                P = self._forward(Xb)
                loss_sum += self._loss(yb) * len(rows)
                correct += np.sum(P.argmax(axis=1) == yb)
                dW, db = self._backward(P, yb)
                grads = [g + weight_decay * w for g, w in zip(dW + db, self.W + self.b)]
                step(grads, learning_rate)
            losses.append(loss_sum / len(X))
            accuracies.append(correct / len(X))
        return {"loss": losses, "accuracy": accuracies}


def build(layer_sizes, activation, seed):
    return MLP(layer_sizes, activation, seed)
