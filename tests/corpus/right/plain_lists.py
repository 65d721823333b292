"""No arrays at all: lists of lists and the math module (for small networks)."""

import math
import random


def sigmoid(z):
    return 1 / (1 + math.exp(-z)) if z > -700 else 0.0


FUNCTIONS = {
    "sigmoid": (sigmoid, lambda a: a * (1 - a)),
    "tanh": (math.tanh, lambda a: 1 - a * a),
    "relu": (lambda z: max(0.0, z), lambda a: 1.0 if a > 0 else 0.0),
}


def softmax(z):
    top = max(z)
    e = [math.exp(v - top) for v in z]
    total = sum(e)
    return [v / total for v in e], math.log(total) + top


class ListNet:
    def __init__(self, layer_sizes, activation, seed):
        self.random = random.Random(seed)
        self.f, self.df = FUNCTIONS[activation]
        self.W, self.b = [], []
        for i, o in zip(layer_sizes, layer_sizes[1:]):
            m = math.sqrt(6 / (i + o))
            self.W.append([[self.random.uniform(-m, m) for _ in range(o)] for _ in range(i)])
            self.b.append([0.0] * o)

    def forward(self, x):
        layers = [x]
        for k, (W, b) in enumerate(zip(self.W, self.b)):
            z = list(b)
            for xi, row in zip(layers[-1], W):
                if xi:
                    z = [zj + xi * w for zj, w in zip(z, row)]
            layers.append(z if k == len(self.W) - 1 else [self.f(v) for v in z])
        return layers

    def get_weights(self):
        return [w for pair in zip(self.W, self.b) for w in pair]

    def set_weights(self, weights):
        self.W = [[[float(v) for v in row] for row in W] for W in weights[::2]]
        self.b = [[float(v) for v in b] for b in weights[1::2]]

    def predict_proba(self, X):
        return [softmax(self.forward([float(v) for v in x])[-1])[0] for x in X]

    def loss_and_gradients(self, X, y):
        n = len(X)
        dW = [[[0.0] * len(row) for row in W] for W in self.W]
        db = [[0.0] * len(b) for b in self.b]
        loss = 0.0
        for x, label in zip(X, y):
            layers = self.forward([float(v) for v in x])
            p, log_total = softmax(layers[-1])
            loss += (log_total - layers[-1][label]) / n
            delta = [(pj - (j == label)) / n for j, pj in enumerate(p)]
            for k in range(len(self.W) - 1, -1, -1):
                db[k] = [g + d for g, d in zip(db[k], delta)]
                for i, a in enumerate(layers[k]):
                    if a:
                        dW[k][i] = [g + a * d for g, d in zip(dW[k][i], delta)]
                if k:
                    delta = [
                        sum(w * d for w, d in zip(row, delta)) * self.df(a)
                        for row, a in zip(self.W[k], layers[k])
                    ]
        return loss, [g for pair in zip(dW, db) for g in pair]

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        if optimizer != "sgd":
            raise NotImplementedError(optimizer)
        indices = list(range(len(X)))
        for _ in range(epochs):
            self.random.shuffle(indices)
            for k in range(0, len(indices), batch_size):
                rows = indices[k : k + batch_size]
                _, g = self.loss_and_gradients([X[r] for r in rows], [int(y[r]) for r in rows])
                for layer in range(len(self.W)):
                    dW, db = g[2 * layer], g[2 * layer + 1]
                    self.W[layer] = [
                        [w - learning_rate * (d + weight_decay * w) for w, d in zip(row, drow)]
                        for row, drow in zip(self.W[layer], dW)
                    ]
                    self.b[layer] = [
                        w - learning_rate * (d + weight_decay * w) for w, d in zip(self.b[layer], db)
                    ]


def build(layer_sizes, activation, seed):
    return ListNet(layer_sizes, activation, seed)
