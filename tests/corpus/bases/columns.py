"""The lecture's notation: examples are columns, z = W a + b with W (units, inputs) and b (units, 1)."""

import numpy as np


def logistic(z):
    return 0.5 * (1.0 + np.tanh(0.5 * z))


FUNCTIONS = {
    "sigmoid": (logistic, lambda a: a * (1.0 - a)),
    "tanh": (np.tanh, lambda a: 1.0 - np.square(a)),
    "relu": (lambda z: np.maximum(0.0, z), lambda a: np.sign(a)),
}


def column_softmax(Z):
    E = np.exp(Z - Z.max(axis=0, keepdims=True))
    return E / E.sum(axis=0, keepdims=True)


class Network:
    def __init__(self, sizes, activation, seed):
        self.f, self.slope = FUNCTIONS[activation]
        self.random = np.random.RandomState(seed)
        self.weights = []
        self.biases = []
        for n_in, n_out in zip(sizes, sizes[1:]):
            M = np.sqrt(6.0 / (n_in + n_out))
            self.weights.append(self.random.uniform(-M, M, (n_out, n_in)))
            self.biases.append(np.zeros((n_out, 1)))

    def feedforward(self, X):
        a = X
        self.activations = [a]
        for W, b in zip(self.weights[:-1], self.biases[:-1]):
            a = self.f(W @ a + b)
            self.activations.append(a)
        return self.weights[-1] @ a + self.biases[-1]

    def cost(self, Z, Y):
        m = Y.shape[1]
        shifted = Z - Z.max(axis=0, keepdims=True)
        log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=0, keepdims=True))
        return -(Y * log_probabilities).sum() / m

    def backprop(self, X, Y):
        m = X.shape[1]
        Z = self.feedforward(X)
        dZ = (column_softmax(Z) - Y) / m
        nabla_W, nabla_b = [], []
        for k in range(len(self.weights) - 1, -1, -1):
            nabla_W.insert(0, dZ @ self.activations[k].T)
            nabla_b.insert(0, np.sum(dZ, axis=1, keepdims=True))
            if k:
                dA = self.weights[k].T @ dZ
                dZ = dA * self.slope(self.activations[k])
        return self.cost(Z, Y), nabla_W, nabla_b

    def encode(self, y):
        Y = np.zeros((self.biases[-1].size, len(y)))
        Y[y, np.arange(len(y))] = 1.0
        return Y

    def get_weights(self):
        flat = []
        for W, b in zip(self.weights, self.biases):
            flat += [W.T, b.ravel()]
        return flat

    def set_weights(self, flat):
        self.weights = [np.array(W).T for W in flat[::2]]
        self.biases = [np.array(b).reshape(-1, 1) for b in flat[1::2]]

    def predict_proba(self, X):
        return column_softmax(self.feedforward(X.T)).T

    def loss_and_gradients(self, X, y):
        loss, nabla_W, nabla_b = self.backprop(X.T, self.encode(y))
        gradients = []
        for gW, gb in zip(nabla_W, nabla_b):
            gradients += [gW.T, gb.ravel()]
        return loss, gradients

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        if optimizer != "sgd":
            raise NotImplementedError("this network trains with gradient descent only")
        columns, Y = X.T, self.encode(y)
        count = columns.shape[1]
        indices = np.arange(count)
        for _ in range(epochs):
            self.random.shuffle(indices)
            for k in range(0, count, batch_size):
                chosen = indices[k : k + batch_size]
                _, nabla_W, nabla_b = self.backprop(columns[:, chosen], Y[:, chosen])
                for j in range(len(self.weights)):
                    self.weights[j] = self.weights[j] - learning_rate * (
                        nabla_W[j] + weight_decay * self.weights[j]
                    )
                    self.biases[j] = self.biases[j] - learning_rate * (
                        nabla_b[j] + weight_decay * self.biases[j]
                    )


def build(layer_sizes, activation, seed):
    return Network(layer_sizes, activation, seed)
