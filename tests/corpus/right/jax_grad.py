"""JAX: pure functions compiled once for each shape, value_and_grad, float64 switched on."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)
HIDDEN = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu}


def logits(activation, params, X):
    for W, b in zip(params[:-2:2], params[1:-2:2]):
        X = HIDDEN[activation](X @ W + b)
    return X @ params[-2] + params[-1]


def mean_loss(params, activation, X, y):
    log_p = jax.nn.log_softmax(logits(activation, params, X))
    return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()


@partial(jax.jit, static_argnums=0)
def probabilities(activation, params, X):
    return jax.nn.softmax(logits(activation, params, X))


value_and_grad = jax.jit(jax.value_and_grad(mean_loss), static_argnums=1)


@jax.jit
def stepped(params, gradients, rate, decay):
    return jax.tree.map(lambda p, g: p - rate * (g + decay * p), params, gradients)


class JaxNet:
    def __init__(self, layer_sizes, activation, seed):
        self.activation = activation
        draws = jax.random.split(jax.random.key(seed), len(layer_sizes) - 1)
        self.params = []
        for draw, i, o in zip(draws, layer_sizes[:-1], layer_sizes[1:]):
            limit = (6 / (i + o)) ** 0.5
            self.params += [jax.random.uniform(draw, (i, o), minval=-limit, maxval=limit), jnp.zeros(o)]
        self.rng = np.random.default_rng(seed)

    def get_weights(self):
        return [np.array(p) for p in self.params]

    def set_weights(self, weights):
        self.params = [jnp.array(w) for w in weights]

    def predict_proba(self, X):
        return np.asarray(probabilities(self.activation, self.params, X))

    def loss_and_gradients(self, X, y):
        loss, gradients = value_and_grad(self.params, self.activation, X, y)
        return float(loss), [np.asarray(g) for g in gradients]

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        if optimizer != "sgd":
            raise NotImplementedError(optimizer)
        for _ in range(epochs):
            order = self.rng.permutation(len(X))
            for k in range(0, len(X), batch_size):
                rows = order[k : k + batch_size]
                _, gradients = value_and_grad(self.params, self.activation, X[rows], y[rows])
                self.params = stepped(self.params, gradients, learning_rate, weight_decay)


def build(layer_sizes, activation, seed):
    return JaxNet(layer_sizes, activation, seed)
