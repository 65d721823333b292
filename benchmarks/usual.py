"""Training the same network as people write it: PyTorch eager, scikit-learn, plain NumPy, JAX.

Each starts from given weights and trains by plain gradient descent, in the precision that its kind of program
has by default.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = Sequence[Array]
LEARNING_RATE, BATCH = 0.01, 64


class Trainer(Protocol):
    """A network that trains: weights are [W1, b1, ...], W (fan_in, fan_out)."""

    def train(self, X: Array, y: Array, *, epochs: int, shuffle: bool = True) -> None:
        """Train on X (n, features) float32 and y (n,) int64."""

    def weights(self) -> list[Array]:
        """Return the weights."""


class Reference:
    """One of the project's references, through the verbs that a submission offers."""

    def __init__(self, module: Any, weights: Arrays, activation: str) -> None:
        self.model = module.build(sizes_of(weights), activation, 0)
        self.model.set_weights(weights)

    def train(self, X: Array, y: Array, *, epochs: int, shuffle: bool = True) -> None:
        self.model.fit(X, y, epochs=epochs, batch_size=BATCH, learning_rate=LEARNING_RATE, shuffle=shuffle)

    def weights(self) -> list[Array]:
        found: list[Array] = self.model.get_weights()
        return found


class PlainNumPy:
    """Float64, one-hot labels, a new array for every step: NumPy as one first writes it."""

    def __init__(self, weights: Arrays, activation: str) -> None:
        self.W = [np.array(W, dtype=float) for W in weights[0::2]]
        self.b = [np.array(b, dtype=float) for b in weights[1::2]]
        self.activation = activation

    def f(self, z: Array) -> Array:
        if self.activation == "sigmoid":
            a: Array = 1 / (1 + np.exp(-z))
        elif self.activation == "tanh":
            a = np.tanh(z)
        else:
            a = np.maximum(0, z)
        return a

    def df(self, z: Array) -> Array:
        if self.activation == "sigmoid":
            slope: Array = self.f(z) * (1 - self.f(z))
        elif self.activation == "tanh":
            slope = 1 - np.tanh(z) ** 2
        else:
            slope = (z > 0).astype(float)
        return slope

    def step(self, X: Array, Y: Array) -> float:
        a: list[Array] = [X]
        z: list[Array] = []
        for layer, (W, b) in enumerate(zip(self.W, self.b)):
            z.append(a[-1] @ W + b)
            a.append(self.f(z[-1]) if layer < len(self.W) - 1 else z[-1])
        exp = np.exp(a[-1] - np.max(a[-1], axis=1, keepdims=True))
        p = exp / np.sum(exp, axis=1, keepdims=True)
        loss = -np.mean(np.sum(Y * np.log(p + 1e-12), axis=1))
        delta = (p - Y) / len(X)
        dW: list[Array] = []
        db: list[Array] = []
        for layer in range(len(self.W) - 1, -1, -1):
            dW.insert(0, a[layer].T @ delta)
            db.insert(0, np.sum(delta, axis=0))
            if layer > 0:
                delta = (delta @ self.W[layer].T) * self.df(z[layer - 1])
        for layer in range(len(self.W)):
            self.W[layer] = self.W[layer] - LEARNING_RATE * dW[layer]
            self.b[layer] = self.b[layer] - LEARNING_RATE * db[layer]
        return float(loss)

    def train(self, X: Array, y: Array, *, epochs: int, shuffle: bool = True) -> None:
        X, Y = np.asarray(X, dtype=float), np.eye(len(self.b[-1]))[y]
        for _ in range(epochs):
            if shuffle:
                order = np.random.permutation(len(X))
                X, Y = X[order], Y[order]
            for start in range(0, len(X), BATCH):
                self.step(X[start : start + BATCH], Y[start : start + BATCH])

    def weights(self) -> list[Array]:
        return [array for pair in zip(self.W, self.b) for array in pair]


class TorchEager:
    """``nn.Sequential``, ``CrossEntropyLoss``, ``optim.SGD``; batches by DataLoader or by index."""

    def __init__(self, weights: Arrays, activation: str, *, loader: bool) -> None:
        import torch
        from torch import nn

        between = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}[activation]
        layers: list[nn.Module] = []
        for W, b in zip(weights[0::2], weights[1::2]):
            linear = nn.Linear(*W.shape)
            with torch.no_grad():
                linear.weight.copy_(torch.tensor(W.T))
                linear.bias.copy_(torch.tensor(b))
            layers += [linear, between()]
        self.model = nn.Sequential(*layers[:-1])
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=LEARNING_RATE)
        self.loader = loader

    def train(self, X: Array, y: Array, *, epochs: int, shuffle: bool = True) -> None:
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        images, classes = torch.from_numpy(X), torch.from_numpy(y)
        loader = DataLoader(TensorDataset(images, classes), batch_size=BATCH, shuffle=shuffle)
        for _ in range(epochs):
            running, correct = 0.0, 0
            for inputs, labels in loader if self.loader else self._indexed(images, classes, shuffle):
                self.optimizer.zero_grad()
                outputs = self.model(inputs)
                loss = self.criterion(outputs, labels)
                loss.backward()
                self.optimizer.step()
                running += loss.item() * len(labels)
                correct += (outputs.argmax(1) == labels).sum().item()

    @staticmethod
    def _indexed(images: Any, classes: Any, shuffle: bool) -> Any:
        import torch

        order = torch.randperm(len(images)) if shuffle else torch.arange(len(images))
        return ((images[i], classes[i]) for i in torch.split(order, BATCH))

    def weights(self) -> list[Array]:
        return [p.detach().numpy().T for p in self.model.parameters()]


class ScikitLearn:
    """scikit-learn's ``MLPClassifier``: plain SGD, no momentum, no penalty."""

    def __init__(self, weights: Arrays, activation: str) -> None:
        from sklearn.neural_network import MLPClassifier

        sizes = sizes_of(weights)
        self.net = MLPClassifier(
            hidden_layer_sizes=sizes[1:-1],
            activation="logistic" if activation == "sigmoid" else activation,
            solver="sgd",
            alpha=0.0,
            momentum=0.0,
            batch_size=BATCH,
            learning_rate_init=LEARNING_RATE,
            n_iter_no_change=10**6,
            warm_start=True,
        )
        # Its weights exist only after a first call: one on a row of each class, then they are replaced.
        classes = np.arange(sizes[-1])
        self._fit(np.zeros((len(classes), sizes[0]), weights[0].dtype), classes, epochs=1)
        self.net.coefs_ = [np.array(W) for W in weights[0::2]]
        self.net.intercepts_ = [np.array(b) for b in weights[1::2]]

    def train(self, X: Array, y: Array, *, epochs: int, shuffle: bool = True) -> None:
        self.net.shuffle = shuffle
        self._fit(X, y, epochs)

    def _fit(self, X: Array, y: Array, epochs: int) -> None:
        self.net.max_iter = epochs
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # that the epochs are few, and that a batch is short: both are meant
            self.net.fit(X, y)

    def weights(self) -> list[Array]:
        return [array for pair in zip(self.net.coefs_, self.net.intercepts_) for array in pair]


class Jax:
    """JAX: one compiled function for an update, called for each batch."""

    def __init__(self, weights: Arrays, activation: str) -> None:
        jax = importlib.import_module("jax")
        jnp = jax.numpy

        f = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu}[activation]

        def mean_loss(parameters: Any, X: Any, y: Any) -> Any:
            *hidden, (W, b) = parameters
            for W_hidden, b_hidden in hidden:
                X = f(X @ W_hidden + b_hidden)
            return -jnp.mean(jax.nn.log_softmax(X @ W + b)[jnp.arange(len(y)), y])

        def update(parameters: Any, X: Any, y: Any) -> Any:
            loss, gradients = jax.value_and_grad(mean_loss)(parameters, X, y)
            return jax.tree.map(lambda w, g: w - LEARNING_RATE * g, parameters, gradients), loss

        self.update: Callable[..., Any] = jax.jit(update)
        self.parameters = [(jnp.array(W), jnp.array(b)) for W, b in zip(weights[0::2], weights[1::2])]

    def train(self, X: Array, y: Array, *, epochs: int, shuffle: bool = True) -> None:
        for _ in range(epochs):
            order = np.random.permutation(len(X)) if shuffle else np.arange(len(X))
            running = 0.0
            for start in range(0, len(X), BATCH):
                rows = order[start : start + BATCH]
                self.parameters, loss = self.update(self.parameters, X[rows], y[rows])
                running += float(loss) * len(rows)  # as everybody's does, this waits for the update

    def weights(self) -> list[Array]:
        return [np.asarray(array) for pair in self.parameters for array in pair]


def why_no_jax() -> str:
    """Return why JAX cannot take part; empty if it can."""
    return "" if importlib.util.find_spec("jax") else "JAX is not installed"


def sizes_of(weights: Arrays) -> list[int]:
    """Return layer sizes from weights."""
    return [weights[0].shape[0], *(W.shape[1] for W in weights[0::2])]
