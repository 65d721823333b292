"""A multi-layer perceptron for classification, from scratch in NumPy.

Suffixes name the axes: ``N`` images, ``B`` images of a batch, ``I`` inputs and ``O`` outputs of a layer,
``C`` classes. A layer is ``z_BO = a_BI @ W_IO + b_O``; hidden layers apply the activation to z, and the last
one gives the logits of a softmax.

The network computes in the precision of its weights: float32 as it is built, float64 after ``set_weights``
with float64 arrays (then finite differences can check its gradients). Subnormal numbers are not flushed to
zero: NumPy has no switch for it, and plain gradient descent with these protocols does not produce them in
numbers that slow it down.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]  # float32 or float64

BATCH_LOSS_EVERY = 200  # history["batch_loss"] keeps the loss of batches 200, 400, ... of each epoch


# --- Activations: each in place, the derivative written in terms of the activation's own value a = f(z). ---


def sigmoid(z: Array) -> None:
    """Replace z by 1 / (1 + exp(-z))."""
    np.negative(z, out=z)
    with np.errstate(
        over="ignore"
    ):  # exp overflows to inf for z below -88 (float32): 1 / inf = 0 is the limit
        np.exp(z, out=z)
    z += 1
    np.reciprocal(z, out=z)


def sigmoid_backward(delta: Array, a: Array) -> None:
    """Multiply delta by f'(z) = a (1 - a)."""
    slope = 1 - a
    slope *= a
    delta *= slope


def tanh(z: Array) -> None:
    """Replace z by tanh(z)."""
    np.tanh(z, out=z)


def tanh_backward(delta: Array, a: Array) -> None:
    """Multiply delta by f'(z) = 1 - a^2."""
    slope = np.square(a)
    np.subtract(1, slope, out=slope)
    delta *= slope


def relu(z: Array) -> None:
    """Replace z by max(0, z)."""
    np.maximum(z, 0, out=z)


def relu_backward(delta: Array, a: Array) -> None:
    """Multiply delta by f'(z): 1 where z > 0, which is where a > 0, else 0 (0 at z = 0, as in PyTorch)."""
    delta *= a > 0


@dataclass(frozen=True, kw_only=True)
class Activation:
    """A hidden layer's non-linearity and its derivative."""

    forward: Callable[[Array], None]
    backward: Callable[[Array, Array], None]


ACTIVATIONS = {
    "sigmoid": Activation(forward=sigmoid, backward=sigmoid_backward),
    "tanh": Activation(forward=tanh, backward=tanh_backward),
    "relu": Activation(forward=relu, backward=relu_backward),
}


# --- Softmax and cross entropy ---


def softmax(logits_BC: Array) -> Array:
    """Probabilities (B, C); subtracting each row's maximum changes nothing and keeps exp from overflowing."""
    probabilities_BC: Array = logits_BC - logits_BC.max(axis=1, keepdims=True)
    np.exp(probabilities_BC, out=probabilities_BC)
    probabilities_BC /= probabilities_BC.sum(axis=1, keepdims=True)
    return probabilities_BC


def cross_entropy(logits_BC: Array, y_B: Array, delta_BC: Array) -> float:
    """The mean of -log softmax(logits)[y]; its gradient, (softmax - onehot) / B, goes to ``delta_BC``.

    The loss is log(sum(exp(z - max))) - (z_y - max): no logarithm of a probability that was rounded to 0.
    """
    rows = np.arange(len(y_B))
    shifted_BC = logits_BC - logits_BC.max(axis=1, keepdims=True)
    np.exp(shifted_BC, out=delta_BC)
    total_B1 = delta_BC.sum(axis=1, keepdims=True)
    loss = float(np.mean(np.log(total_B1[:, 0]) - shifted_BC[rows, y_B]))
    delta_BC /= total_B1
    delta_BC[rows, y_B] -= 1
    delta_BC /= len(y_B)
    return loss


# --- Optimizers: step(w, g) changes the vector of all weights in place, and may overwrite the gradient. ---


def slices(size: int, length: int = 65536) -> Iterator[slice]:
    """Consecutive slices of a vector, each small enough that it stays in the cache for a whole update."""
    for start in range(0, size, length):
        yield slice(start, start + length)


class SGD:
    """w <- w - lr (g + weight_decay w): plain gradient descent, as in ``torch.optim.SGD``."""

    def __init__(self, *, learning_rate: float, weight_decay: float) -> None:
        self.learning_rate, self.weight_decay = learning_rate, weight_decay

    def step(self, w_all: Array, g_all: Array) -> None:
        """Change the weights in place by one step."""
        for part in slices(w_all.size):
            w, g = w_all[part], g_all[part]
            if self.weight_decay:
                g += self.weight_decay * w
            g *= self.learning_rate
            w -= g


class Adam:
    """Adam (Kingma and Ba, 2015), with weight decay added to the gradient, as in ``torch.optim.Adam``."""

    def __init__(
        self,
        *,
        learning_rate: float,
        weight_decay: float,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.steps = 0
        self.m: Array = np.empty(0)  # running mean of g
        self.v: Array = np.empty(0)  # running mean of g^2

    def step(self, w_all: Array, g_all: Array) -> None:
        """Change the weights in place by one step."""
        if self.steps == 0:
            self.m, self.v = np.zeros_like(w_all), np.zeros_like(w_all)
        self.steps += 1
        # The running means start at 0; dividing them by these makes them unbiased.
        m_share, v_share = 1 - self.beta1**self.steps, 1 - self.beta2**self.steps
        for part in slices(w_all.size):
            w, g, m, v = w_all[part], g_all[part], self.m[part], self.v[part]
            if self.weight_decay:
                g += self.weight_decay * w
            m *= self.beta1
            m += (1 - self.beta1) * g
            v *= self.beta2
            np.square(g, out=g)
            g *= 1 - self.beta2
            v += g
            denominator = np.sqrt(v, out=g)  # g is not needed any more: its memory is
            denominator /= v_share**0.5
            denominator += self.epsilon
            update = np.divide(m, denominator, out=denominator)
            update *= self.learning_rate / m_share
            w -= update


OPTIMIZERS: dict[str, Callable[..., SGD | Adam]] = {"sgd": SGD, "adam": Adam}


# --- The network ---


def tensors(vector: Array, layer_sizes: Sequence[int]) -> list[Array]:
    """[W1, b1, W2, b2, ...] as views into one long vector: what changes one changes the other."""
    views, start = [], 0
    for fan_in, fan_out in pairwise(layer_sizes):
        for shape in ((fan_in, fan_out), (fan_out,)):
            end = start + math.prod(shape)
            views.append(vector[start:end].reshape(shape))
            start = end
    return views


class Buffers:
    """Memory for one pass over at most ``size`` images: training allocates nothing large in its loop."""

    def __init__(self, layer_sizes: Sequence[int], vector: Array, size: int) -> None:
        widths = layer_sizes[1:]
        self.images = np.empty((size, layer_sizes[0]), vector.dtype)  # a shuffled batch
        self.outputs = [np.empty((size, width), vector.dtype) for width in widths]  # z, then a, of each layer
        self.deltas = [np.empty((size, width), vector.dtype) for width in widths]  # dL/dz of each layer
        self.gradient = np.empty_like(vector)
        self.gradients = tensors(self.gradient, layer_sizes)


class MLP:
    """A fully connected network: layer_sizes [784, 500, 10] has 784 inputs, 500 hidden units, 10 classes."""

    def __init__(
        self, layer_sizes: Sequence[int], activation: str, seed: int, initialisation: str = "glorot_uniform"
    ) -> None:
        self.layer_sizes = tuple(layer_sizes)
        self.activation = ACTIVATIONS[activation]
        # Two streams: the order of the images does not depend on how many weights were drawn.
        weight_seed, order_seed = np.random.SeedSequence(seed).spawn(2)
        self._order = np.random.default_rng(order_seed)
        self._adopt(initial_weights(self.layer_sizes, initialisation, np.random.default_rng(weight_seed)))

    def _adopt(self, vector: Array) -> None:
        """Take a vector of all weights as the network's own."""
        self.vector = vector
        self.weights = tensors(vector, self.layer_sizes)

    def get_weights(self) -> list[Array]:
        """Copies of [W1, b1, W2, b2, ...], W (fan_in, fan_out), b (fan_out,)."""
        return [w.copy() for w in self.weights]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Replace all weights; the network computes in their precision from now on (float32 or float64)."""
        arrays = [np.asarray(w) for w in weights]
        expected, found = [w.shape for w in self.weights], [a.shape for a in arrays]
        if found != expected:
            raise ValueError(f"set_weights: expected the shapes {expected}, found {found}")
        dtype = np.float32 if all(a.dtype == np.float32 for a in arrays) else np.float64
        self._adopt(np.concatenate([a.ravel() for a in arrays]).astype(dtype))

    def predict_proba(self, X: ArrayLike) -> Array:
        """Class probabilities (n, classes) of images X (n, features) with pixels in [0, 1]."""
        X_BI = np.asarray(X, self.vector.dtype)
        return softmax(self._forward(X_BI, [None] * len(self.layer_sizes[1:]))[-1])

    def loss_and_gradients(self, X: ArrayLike, y: ArrayLike) -> tuple[float, list[Array]]:
        """Mean cross entropy of X (n, features) with classes y (n,), and its gradients as in get_weights."""
        X_BI, y_B = np.asarray(X, self.vector.dtype), np.asarray(y)
        buffers = Buffers(self.layer_sizes, self.vector, len(X_BI))
        activations = self._forward(X_BI, buffers.outputs)
        loss = self._backward(activations, y_B, buffers)
        return loss, buffers.gradients

    def _forward(self, X_BI: Array, out: Sequence[Array | None]) -> list[Array]:
        """[X, hidden activations ..., logits], each (B, units); ``out`` is memory for all but X, or Nones."""
        activations = [X_BI]
        last = len(out) - 1
        for layer, (W_IO, b_O) in enumerate(zip(self.weights[::2], self.weights[1::2], strict=True)):
            z_BO: Array = np.matmul(activations[-1], W_IO, out=out[layer])
            z_BO += b_O
            if layer < last:
                self.activation.forward(z_BO)  # z becomes a
            activations.append(z_BO)
        return activations

    def _backward(self, activations: Sequence[Array], y_B: Array, buffers: Buffers) -> float:
        """The loss; its gradients go to ``buffers.gradients``. No weight changes until all are known."""
        size = len(y_B)
        delta_BO = buffers.deltas[-1][:size]
        loss = cross_entropy(activations[-1], y_B, delta_BO)
        for layer in reversed(range(len(buffers.deltas))):
            a_BI, W_IO = activations[layer], self.weights[2 * layer]
            dW_IO, db_O = buffers.gradients[2 * layer : 2 * layer + 2]
            np.matmul(a_BI.T, delta_BO, out=dW_IO)
            np.sum(delta_BO, axis=0, out=db_O)
            if layer > 0:  # nobody needs the gradient by the image
                delta_BI = np.matmul(delta_BO, W_IO.T, out=buffers.deltas[layer - 1][:size])  # dL/da
                self.activation.backward(delta_BI, a_BI)  # dL/dz = dL/da f'(z)
                delta_BO = delta_BI
        return loss

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        epochs: int,
        batch_size: int,
        learning_rate: float,
        optimizer: str = "sgd",
        weight_decay: float = 0.0,
        shuffle: bool = True,
    ) -> dict[str, list[float]]:
        """Train on X (n, features), y (n,): one update a batch, the short last one included.

        Returns, for each epoch, the mean "loss" and the "accuracy" in [0, 1] of the images as they were met,
        before the update that they took part in; and "batch_loss", the loss of every 200th batch of an epoch.
        """
        X_NI, y_N = np.asarray(X, self.vector.dtype), np.asarray(y)
        buffers = Buffers(self.layer_sizes, self.vector, min(batch_size, len(X_NI)))
        update = OPTIMIZERS[optimizer](learning_rate=learning_rate, weight_decay=weight_decay)
        history: dict[str, list[float]] = {"loss": [], "accuracy": [], "batch_loss": []}
        for _ in range(epochs):
            order = self._order.permutation(len(X_NI)) if shuffle else None
            loss_sum, right = 0.0, 0
            epoch = batches(X_NI, y_N, order, batch_size, buffers.images)
            for number, (X_BI, y_B) in enumerate(epoch, start=1):
                activations = self._forward(X_BI, [z[: len(y_B)] for z in buffers.outputs])
                loss = self._backward(activations, y_B, buffers)
                update.step(self.vector, buffers.gradient)
                loss_sum += loss * len(y_B)
                right += int(np.count_nonzero(activations[-1].argmax(axis=1) == y_B))
                if number % BATCH_LOSS_EVERY == 0:
                    history["batch_loss"].append(loss)
            history["loss"].append(loss_sum / len(X_NI))
            history["accuracy"].append(right / len(X_NI))
        return history


def initial_weights(layer_sizes: Sequence[int], initialisation: str, generator: np.random.Generator) -> Array:
    """The vector of all weights, float32: by Glorot and Bengio (2010), or as PyTorch's ``nn.Linear``."""
    vector = np.zeros(sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(layer_sizes)), np.float32)
    views = tensors(vector, layer_sizes)
    for W_IO, b_O in zip(views[::2], views[1::2], strict=True):
        fan_in, fan_out = W_IO.shape
        if initialisation == "glorot_uniform":
            limit = math.sqrt(6 / (fan_in + fan_out))  # biases stay 0
        elif initialisation == "framework_default":
            limit = 1 / math.sqrt(fan_in)
            b_O[:] = generator.uniform(-limit, limit, b_O.shape)
        else:
            raise ValueError(
                f"initialisation: expected 'glorot_uniform' or 'framework_default', found {initialisation!r}"
            )
        W_IO[:] = generator.uniform(-limit, limit, W_IO.shape)
    return vector


def batches(
    X_NI: Array, y_N: Array, order: Array | None, batch_size: int, memory: Array
) -> Iterator[tuple[Array, Array]]:
    """(X, y) of each batch, the short last one too; shuffled images are gathered into ``memory``."""
    for start in range(0, len(X_NI), batch_size):
        if order is None:
            yield X_NI[start : start + batch_size], y_N[start : start + batch_size]
        else:
            chosen = order[start : start + batch_size]
            # mode="clip" lets take write straight into its output; the indices are in range anyway
            yield np.take(X_NI, chosen, axis=0, out=memory[: len(chosen)], mode="clip"), y_N[chosen]


def build(
    layer_sizes: Sequence[int], activation: str, seed: int, initialisation: str = "glorot_uniform"
) -> MLP:
    """A new network; activation "sigmoid", "tanh" or "relu"; the seed fixes the weights and fit's order."""
    return MLP(layer_sizes, activation, seed, initialisation)
