"""scikit-learn's MLPClassifier behind the contract: what it cannot offer is simply not there."""

import numpy as np
from sklearn.neural_network import MLPClassifier

ACTIVATIONS = {"sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}


def build(layer_sizes, activation, seed):
    return Model(layer_sizes, ACTIVATIONS[activation], seed)


class Model:
    def __init__(self, layer_sizes, activation, seed):
        self.net = MLPClassifier(
            hidden_layer_sizes=layer_sizes[1:-1],
            activation=activation,
            solver="sgd",
            alpha=0.0,  # its L2 term is not the contract's weight decay
            momentum=0.0,
            # A generator, not a number: partial_fit would shuffle in the same order each time.
            random_state=np.random.RandomState(seed),
        )
        # scikit-learn makes its weights when it first sees data, and then makes a step: a negligible one.
        features, classes = layer_sizes[0], layer_sizes[-1]
        self.net.set_params(learning_rate_init=1e-300, batch_size=classes)
        self.net.partial_fit(np.zeros((classes, features)), np.arange(classes), classes=np.arange(classes))
        # Its own start differs by activation, and has random biases; the contract's is Glorot-uniform.
        rng = np.random.default_rng(seed)
        limits = [np.sqrt(6.0 / sum(W.shape)) for W in self.net.coefs_]
        Ws = [rng.uniform(-limit, limit, W.shape) for limit, W in zip(limits, self.net.coefs_)]
        self.net.coefs_ = [W.astype(np.float32) for W in Ws]
        self.net.intercepts_ = [np.zeros(W.shape[1], np.float32) for W in Ws]

    def get_weights(self):
        return [array for pair in zip(self.net.coefs_, self.net.intercepts_) for array in pair]

    def set_weights(self, weights):
        self.net.coefs_ = [np.array(W) for W in weights[0::2]]
        self.net.intercepts_ = [np.array(b) for b in weights[1::2]]

    def predict_proba(self, X):
        return self.net.predict_proba(X)

    def fit(self, X, y, *, epochs, batch_size, learning_rate):
        # scikit-learn refuses a rate of exactly 0.
        self.net.set_params(learning_rate_init=max(learning_rate, 1e-300), batch_size=min(batch_size, len(X)))
        # The optimizer of the last call would go on with its own rate and arrays.
        del self.net._optimizer
        for _ in range(epochs):
            self.net.partial_fit(X, y)
