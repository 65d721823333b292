"""Digits with a multi-layer perceptron: plain functions, the parameters in one dictionary."""

import numpy as np


def sigmoid(z):
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0 / (1.0 + e), e / (1.0 + e))


def relu(z):
    return np.maximum(z, 0.0)


def sigmoid_slope(z):
    s = sigmoid(z)
    return s * (1.0 - s)


def tanh_slope(z):
    return 1.0 - np.tanh(z) ** 2


def relu_slope(z):
    return np.where(z > 0, 1.0, 0.0)


ACTIVATIONS = {"sigmoid": sigmoid, "tanh": np.tanh, "relu": relu}
SLOPES = {"sigmoid": sigmoid_slope, "tanh": tanh_slope, "relu": relu_slope}


def initialise(layer_sizes, rng):
    params = {}
    for k in range(1, len(layer_sizes)):
        fan_in, fan_out = layer_sizes[k - 1], layer_sizes[k]
        limit = np.sqrt(6.0 / (fan_in + fan_out))
        params[f"W{k}"] = rng.uniform(-limit, limit, size=(fan_in, fan_out))
        params[f"b{k}"] = np.zeros(fan_out)
    return params


def one_hot(y, classes):
    T = np.zeros((len(y), classes))
    T[np.arange(len(y)), y] = 1.0
    return T


def softmax(z):
    z = z - np.max(z, axis=1, keepdims=True)
    e = np.exp(z)
    return e / np.sum(e, axis=1, keepdims=True)


def cross_entropy(z, T):
    z = z - np.max(z, axis=1, keepdims=True)
    log_p = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
    return -np.sum(T * log_p) / len(T)


def forward(params, X, activation):
    depth = len(params) // 2
    cache = {"A0": X}
    for k in range(1, depth + 1):
        Z = cache[f"A{k - 1}"] @ params[f"W{k}"] + params[f"b{k}"]
        cache[f"Z{k}"] = Z
        cache[f"A{k}"] = ACTIVATIONS[activation](Z) if k < depth else Z
    return cache


def backward(params, cache, T, activation):
    depth = len(params) // 2
    n = len(T)
    grads = {}
    delta = (softmax(cache[f"Z{depth}"]) - T) / n
    for k in range(depth, 0, -1):
        grads[f"W{k}"] = cache[f"A{k - 1}"].T @ delta
        grads[f"b{k}"] = delta.sum(axis=0)
        if k > 1:
            delta = (delta @ params[f"W{k}"].T) * SLOPES[activation](cache[f"Z{k - 1}"])
    return grads


def update(params, grads, learning_rate, weight_decay):
    for name in params:
        step = grads[name] + weight_decay * params[name]
        params[name] = params[name] - learning_rate * step


def accuracy(z, y):
    return np.mean(np.argmax(z, axis=1) == y)


def train(params, X, y, activation, rng, epochs, batch_size, learning_rate, weight_decay):
    n = len(X)
    history = {"loss": [], "accuracy": []}
    for _ in range(epochs):
        order = rng.permutation(n)
        total, right = 0.0, 0.0
        for start in range(0, n, batch_size):
            batch = order[start : start + batch_size]
            Xb, yb = X[batch], y[batch]
            T = one_hot(yb, params[f"b{len(params) // 2}"].size)
            cache = forward(params, Xb, activation)
            logits = cache[f"Z{len(params) // 2}"]
            total += cross_entropy(logits, T) * len(batch)
            right += accuracy(logits, yb) * len(batch)
            grads = backward(params, cache, T, activation)
            update(params, grads, learning_rate, weight_decay)
        history["loss"].append(total / n)
        history["accuracy"].append(right / n)
    return history


class Model:
    def __init__(self, layer_sizes, activation, seed):
        self.rng = np.random.default_rng(seed)
        self.params = initialise(layer_sizes, self.rng)
        self.activation = activation

    def get_weights(self):
        return [self.params[f"{kind}{k}"] for k in range(1, len(self.params) // 2 + 1) for kind in "Wb"]

    def set_weights(self, weights):
        for k in range(1, len(self.params) // 2 + 1):
            self.params[f"W{k}"] = np.array(weights[2 * k - 2], dtype=float)
            self.params[f"b{k}"] = np.array(weights[2 * k - 1], dtype=float)

    def predict_proba(self, X):
        cache = forward(self.params, X, self.activation)
        return softmax(cache[f"Z{len(self.params) // 2}"])

    def loss_and_gradients(self, X, y):
        depth = len(self.params) // 2
        T = one_hot(y, self.params[f"b{depth}"].size)
        cache = forward(self.params, X, self.activation)
        grads = backward(self.params, cache, T, self.activation)
        ordered = [grads[f"{kind}{k}"] for k in range(1, depth + 1) for kind in "Wb"]
        return cross_entropy(cache[f"Z{depth}"], T), ordered

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        if optimizer != "sgd":
            raise NotImplementedError(f"no optimizer {optimizer!r}, only sgd")
        return train(
            self.params, X, y, self.activation, self.rng, epochs, batch_size, learning_rate, weight_decay
        )


def build(layer_sizes, activation, seed):
    return Model(layer_sizes, activation, seed)
