"""scikit-learn's MLPClassifier behind the contract: what it cannot offer is simply not there."""

import numpy as np
from sklearn.neural_network import MLPClassifier

ACTIVATIONS = {"sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}


def build(layer_sizes, activation, seed):
    return Model(layer_sizes, ACTIVATIONS[activation], seed)


class Model:
    def __init__(self, layer_sizes, activation, seed):
        self.layer_sizes, self.activation, self.seed = list(layer_sizes), activation, seed
        self.net = self._new(epochs=1, batch_size=1, learning_rate=0.0)
        # scikit-learn makes its weights when it first sees data: one step of rate 0 shows it every class.
        features, classes = layer_sizes[0], layer_sizes[-1]
        self.net.partial_fit(np.zeros((classes, features)), np.arange(classes), classes=np.arange(classes))

    def _new(self, *, epochs, batch_size, learning_rate):
        return MLPClassifier(
            hidden_layer_sizes=self.layer_sizes[1:-1],
            activation=self.activation,
            solver="sgd",
            alpha=0.0,  # its L2 term is not the contract's weight decay
            batch_size=batch_size,
            learning_rate_init=max(learning_rate, 1e-300),  # scikit-learn refuses a rate of exactly 0
            momentum=0.0,
            max_iter=epochs,
            tol=0.0,
            n_iter_no_change=epochs + 1,
            warm_start=True,
            random_state=self.seed,
        )

    def get_weights(self):
        return [array for pair in zip(self.net.coefs_, self.net.intercepts_) for array in pair]

    def set_weights(self, weights):
        for old, new in zip(self.net.coefs_, weights[0::2]):
            old[...] = new
        for old, new in zip(self.net.intercepts_, weights[1::2]):
            old[...] = new

    def predict_proba(self, X):
        return self.net.predict_proba(X)

    def fit(self, X, y, *, epochs, batch_size, learning_rate):
        self.net.set_params(
            max_iter=epochs,
            batch_size=min(batch_size, len(X)),
            learning_rate_init=max(learning_rate, 1e-300),
            n_iter_no_change=epochs + 1,
        )
        # One call an epoch: fit() would insist on seeing every class, and partial_fit is one epoch.
        for _ in range(epochs):
            self.net.partial_fit(X, y)
