"""scikit-learn's MLPClassifier, driven batch by batch through partial_fit."""

import copy

import numpy as np
from scipy.special import log_softmax
from sklearn.neural_network import MLPClassifier
from sklearn.neural_network._base import ACTIVATIONS

NAMES = {"sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}


class Adapter:
    def __init__(self, layer_sizes, activation, seed):
        self.rng = np.random.default_rng(seed)
        self.sizes = list(layer_sizes)
        self.net = MLPClassifier(
            hidden_layer_sizes=tuple(layer_sizes[1:-1]),
            activation=NAMES[activation],
            solver="sgd",
            alpha=0.0,
            momentum=0.0,
            nesterovs_momentum=False,
            learning_rate_init=1.0,
            shuffle=False,
        )
        classes = np.arange(layer_sizes[-1])
        # A first step makes the arrays; the weights that it leaves are replaced.
        self.net.partial_fit(np.zeros((2, layer_sizes[0])), classes[:2], classes=classes)
        weights = []
        for i, o in zip(self.sizes[:-1], self.sizes[1:]):
            limit = np.sqrt(6 / (i + o))
            weights += [self.rng.uniform(-limit, limit, (i, o)), np.zeros(o)]
        self.set_weights(weights)

    def get_weights(self):
        return [w for pair in zip(self.net.coefs_, self.net.intercepts_) for w in pair]

    def set_weights(self, weights):
        self.net.coefs_ = [np.array(w, dtype=float) for w in weights[::2]]
        self.net.intercepts_ = [np.array(w, dtype=float) for w in weights[1::2]]

    def predict_proba(self, X):
        return self.net.predict_proba(X)

    def step(self, net, X, y, rate, decay):
        # alpha is divided by the number of examples of the batch, and decays weights only
        net.set_params(batch_size=len(X), learning_rate_init=rate, alpha=decay * len(X))
        if hasattr(net, "_optimizer"):
            del net._optimizer
        net.partial_fit(X, y)

    def loss_and_gradients(self, X, y):
        trial = copy.deepcopy(self.net)
        self.step(trial, X, y, 1.0, 0.0)
        gradients = []
        for k in range(len(self.net.coefs_)):
            gradients.append(self.net.coefs_[k] - trial.coefs_[k])
            gradients.append(self.net.intercepts_[k] - trial.intercepts_[k])
        return self.loss(X, y), gradients

    def loss(self, X, y):
        for W, b in zip(self.net.coefs_[:-1], self.net.intercepts_[:-1]):
            X = X @ W + b
            ACTIVATIONS[self.net.activation](X)  # in place
        log_p = log_softmax(X @ self.net.coefs_[-1] + self.net.intercepts_[-1], axis=1)
        return -log_p[np.arange(len(y)), y].mean()

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        if optimizer != "sgd":
            raise NotImplementedError("a new Adam would be made for each batch")
        for _ in range(epochs):
            order = self.rng.permutation(len(X))
            for k in range(0, len(X), batch_size):
                rows = order[k : k + batch_size]
                if learning_rate > 0:
                    self.step(self.net, X[rows], y[rows], learning_rate, weight_decay)


def build(layer_sizes, activation, seed):
    return Adapter(layer_sizes, activation, seed)
