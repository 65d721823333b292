"""A network as a list of layer objects, each with forward and backward, and optimizer objects."""

import numpy as np


class Dense:
    def __init__(self, n_in, n_out, rng):
        limit = np.sqrt(6 / (n_in + n_out))
        self.W = rng.uniform(low=-limit, high=limit, size=(n_in, n_out))
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad):
        self.dW = self.x.T @ grad
        self.db = grad.sum(axis=0)
        return grad @ self.W.T


class Sigmoid:
    def forward(self, x):
        small = np.exp(-np.abs(x))
        self.y = np.where(x < 0, small, 1.0) / (1.0 + small)
        return self.y

    def backward(self, grad):
        return grad * self.y * (1.0 - self.y)


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, grad):
        return grad * (1.0 - self.y**2)


class ReLU:
    def forward(self, x):
        self.mask = x > 0
        return np.where(self.mask, x, 0.0)

    def backward(self, grad):
        return np.where(self.mask, grad, 0.0)


class SoftmaxCrossEntropy:
    def forward(self, logits, labels):
        self.labels = labels
        self.probabilities = self.softmax(logits)
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_norm = np.log(np.exp(shifted).sum(axis=1))
        return float(np.mean(log_norm - shifted[np.arange(len(labels)), labels]))

    def backward(self):
        grad = self.probabilities.copy()
        grad[np.arange(len(self.labels)), self.labels] -= 1
        return grad / len(self.labels)

    @staticmethod
    def softmax(logits):
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)


class SGD:
    def __init__(self, learning_rate, weight_decay):
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay

    def step(self, layer):
        layer.W -= self.learning_rate * (layer.dW + self.weight_decay * layer.W)
        layer.b -= self.learning_rate * (layer.db + self.weight_decay * layer.b)


class Adam:
    beta1, beta2, eps = 0.9, 0.999, 1e-8

    def __init__(self, learning_rate, weight_decay):
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.state = {}

    def step(self, layer):
        for name in ("W", "b"):
            value = getattr(layer, name)
            grad = getattr(layer, "d" + name) + self.weight_decay * value
            key = (id(layer), name)
            m, v, t = self.state.get(key, (np.zeros_like(value), np.zeros_like(value), 0))
            t = t + 1
            m = self.beta1 * m + (1 - self.beta1) * grad
            v = self.beta2 * v + (1 - self.beta2) * grad * grad
            self.state[key] = (m, v, t)
            m_hat = m / (1 - self.beta1**t)
            v_hat = v / (1 - self.beta2**t)
            setattr(layer, name, value - self.learning_rate * m_hat / (np.sqrt(v_hat) + self.eps))


class Network:
    def __init__(self, layer_sizes, activation, seed):
        self.rng = np.random.default_rng(seed)
        kind = {"sigmoid": Sigmoid, "tanh": Tanh, "relu": ReLU}[activation]
        self.layers = []
        for n_in, n_out in zip(layer_sizes, layer_sizes[1:]):
            self.layers += [Dense(n_in, n_out, self.rng), kind()]
        self.layers.pop()
        self.loss = SoftmaxCrossEntropy()

    @property
    def dense(self):
        return [layer for layer in self.layers if isinstance(layer, Dense)]

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self):
        grad = self.loss.backward()
        for layer in reversed(self.layers):
            grad = layer.backward(grad)

    def get_weights(self):
        return [w.copy() for layer in self.dense for w in (layer.W, layer.b)]

    def set_weights(self, weights):
        for i, layer in enumerate(self.dense):
            layer.W = np.array(weights[2 * i], float)
            layer.b = np.array(weights[2 * i + 1], float)

    def predict_proba(self, X):
        return self.loss.softmax(self.forward(X))

    def loss_and_gradients(self, X, y):
        loss = self.loss.forward(self.forward(X), y)
        self.backward()
        return loss, [g for layer in self.dense for g in (layer.dW, layer.db)]

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        rule = {"sgd": SGD, "adam": Adam}[optimizer](learning_rate, weight_decay)
        history = {"loss": [], "accuracy": []}
        for _ in range(epochs):
            order = self.rng.permutation(len(X))
            seen_loss, hits = [], 0
            for i in range(0, len(X), batch_size):
                pick = order[i : i + batch_size]
                logits = self.forward(X[pick])
                seen_loss.append(self.loss.forward(logits, y[pick]) * len(pick))
                hits += int((logits.argmax(axis=1) == y[pick]).sum())
                self.backward()
                for layer in self.dense:
                    rule.step(layer)
            history["loss"].append(sum(seen_loss) / len(X))
            history["accuracy"].append(hits / len(X))
        return history


def build(layer_sizes, activation, seed):
    return Network(layer_sizes, activation, seed)
