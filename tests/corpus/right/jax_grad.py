"""JAX: a pure loss function, jit and value_and_grad, float64 switched on."""

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)
HIDDEN = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu}


class JaxNet:
    def __init__(self, layer_sizes, activation, seed):
        hidden = HIDDEN[activation]
        key = jax.random.key(seed)
        self.params = []
        for i, o in zip(layer_sizes[:-1], layer_sizes[1:]):
            key, draw = jax.random.split(key)
            limit = (6 / (i + o)) ** 0.5
            self.params += [jax.random.uniform(draw, (i, o), minval=-limit, maxval=limit), jnp.zeros(o)]
        self.rng = np.random.default_rng(seed)

        def logits(params, X):
            for W, b in zip(params[:-2:2], params[1:-2:2]):
                X = hidden(X @ W + b)
            return X @ params[-2] + params[-1]

        def loss(params, X, y):
            log_p = jax.nn.log_softmax(logits(params, X))
            return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()

        self.probabilities = jax.jit(lambda params, X: jax.nn.softmax(logits(params, X)))
        self.value_and_grad = jax.jit(jax.value_and_grad(loss))

    def get_weights(self):
        return [np.array(p) for p in self.params]

    def set_weights(self, weights):
        self.params = [jnp.array(w) for w in weights]

    def predict_proba(self, X):
        return np.asarray(self.probabilities(self.params, X))

    def loss_and_gradients(self, X, y):
        loss, gradients = self.value_and_grad(self.params, X, y)
        return float(loss), [np.asarray(g) for g in gradients]

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        if optimizer != "sgd":
            raise NotImplementedError(optimizer)
        for _ in range(epochs):
            order = self.rng.permutation(len(X))
            for k in range(0, len(X), batch_size):
                rows = order[k : k + batch_size]
                _, gradients = self.value_and_grad(self.params, X[rows], y[rows])
                self.params = jax.tree.map(
                    lambda p, g: p - learning_rate * (g + weight_decay * p), self.params, gradients
                )


def build(layer_sizes, activation, seed):
    return JaxNet(layer_sizes, activation, seed)
