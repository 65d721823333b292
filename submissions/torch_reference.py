"""The same multi-layer perceptron in PyTorch: autograd, ``nn.Linear``, ``F.cross_entropy``, ``torch.optim``.

Suffixes name the axes: ``N`` images, ``B`` images of a batch, ``I`` inputs and ``O`` outputs of a layer,
``C`` classes. ``nn.Linear`` keeps its weight as (O, I); outside, weights are (I, O): they are transposed on
their way in and out.

The network computes in the precision of its weights: float32 as it is built, float64 after ``set_weights``
with float64 arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

Array = NDArray[Any]  # float32 or float64

BATCH_LOSS_EVERY = 200  # history["batch_loss"] keeps the loss of batches 200, 400, ... of each epoch
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
}
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {  # each in its fastest form on a CPU
    "sgd": partial(torch.optim.SGD, foreach=True),
    "adam": partial(torch.optim.Adam, fused=True),
}


class MLP(nn.Module):
    """A fully connected network: layer_sizes [784, 500, 10] has 784 inputs, 500 hidden units, 10 classes."""

    def __init__(
        self, layer_sizes: Sequence[int], activation: str, seed: int, initialisation: str = "glorot_uniform"
    ) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self._generator = torch.Generator()  # draws fit's order
        with torch.random.fork_rng(devices=()):  # PyTorch's global stream is left as it was
            torch.manual_seed(seed)
            linears = [nn.Linear(fan_in, fan_out) for fan_in, fan_out in pairwise(layer_sizes)]
            if initialisation == "glorot_uniform":
                for linear in linears:
                    nn.init.xavier_uniform_(linear.weight)
                    nn.init.zeros_(linear.bias)
            elif initialisation != "framework_default":
                expected = "'glorot_uniform' or 'framework_default'"
                raise ValueError(f"initialisation: expected {expected}, found {initialisation!r}")
            self._generator.set_state(torch.get_rng_state())  # goes on where the weights ended
        self.layers = nn.ModuleList(linears)

    def forward(self, X_BI: Tensor) -> Tensor:
        """Logits (B, C) of images (B, I)."""
        *hidden, last = self.layers
        for layer in hidden:
            X_BI = self.activation(layer(X_BI))
        logits_BC: Tensor = last(X_BI)
        return logits_BC

    def get_weights(self) -> list[Array]:
        """Copies of [W1, b1, W2, b2, ...], W (fan_in, fan_out), b (fan_out,)."""
        return [outside(p) for p in self.parameters()]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Replace all weights; the network computes in their precision from now on (float32 or float64)."""
        arrays = [np.asarray(w) for w in weights]
        expected = [tuple(reversed(p.shape)) for p in self.parameters()]  # (O, I) inside, (I, O) outside
        found = [a.shape for a in arrays]
        if found != expected:
            raise ValueError(f"set_weights: expected the shapes {expected}, found {found}")
        self.to(torch.float32 if all(a.dtype == np.float32 for a in arrays) else torch.float64)
        with torch.no_grad():
            for parameter, array in zip(self.parameters(), arrays, strict=True):
                parameter.copy_(torch.from_numpy(np.array(array.T)))

    def predict_proba(self, X: ArrayLike) -> Array:
        """Class probabilities (n, classes) of images X (n, features) with pixels in [0, 1]."""
        with one_thread(), torch.no_grad():
            probabilities_BC: Array = F.softmax(self(self._images(X)), dim=1).numpy()
        return probabilities_BC

    def loss_and_gradients(self, X: ArrayLike, y: ArrayLike) -> tuple[float, list[Array]]:
        """Mean cross entropy of X (n, features) with classes y (n,), and its gradients as in get_weights."""
        self.zero_grad()
        with one_thread():
            loss = F.cross_entropy(self(self._images(X)), torch.from_numpy(np.array(y, np.int64)))
            loss.backward()  # type: ignore[no-untyped-call]
        return loss.item(), [outside(p.grad) for p in self.parameters() if p.grad is not None]

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
        X_NI, y_N = self._images(X), torch.from_numpy(np.array(y, np.int64))
        update = OPTIMIZERS[optimizer](self.parameters(), lr=learning_rate, weight_decay=weight_decay)
        history: dict[str, list[float]] = {"loss": [], "accuracy": [], "batch_loss": []}
        with one_thread():
            for _ in range(epochs):
                loss_sum, right = 0.0, 0
                for number, (X_BI, y_B) in enumerate(self._batches(X_NI, y_N, batch_size, shuffle), start=1):
                    update.zero_grad()
                    logits_BC = self(X_BI)
                    loss = F.cross_entropy(logits_BC, y_B)
                    loss.backward()  # type: ignore[no-untyped-call]
                    update.step()
                    loss_sum += loss.item() * len(y_B)
                    right += int((logits_BC.argmax(dim=1) == y_B).sum())
                    if number % BATCH_LOSS_EVERY == 0:
                        history["batch_loss"].append(loss.item())
                history["loss"].append(loss_sum / len(X_NI))
                history["accuracy"].append(right / len(X_NI))
        return history

    def _images(self, X: ArrayLike) -> Tensor:
        """X as a tensor in the precision of the weights."""
        return torch.from_numpy(np.array(X)).to(next(self.parameters()).dtype)

    def _batches(
        self, X_NI: Tensor, y_N: Tensor, batch_size: int, shuffle: bool
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """(X, y) of each batch, the short last one too."""
        if shuffle:
            order = torch.randperm(len(X_NI), generator=self._generator)
            for chosen in torch.split(order, batch_size):
                yield X_NI.index_select(0, chosen), y_N[chosen]  # a third of the time of X_NI[chosen]
        else:
            yield from zip(torch.split(X_NI, batch_size), torch.split(y_N, batch_size), strict=True)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run on one thread, which is fastest for networks this small, with subnormal numbers taken as zero.

    The weights of dead ReLU units decay into subnormal numbers, with which processors compute several times
    slower. Both switches belong to the process, so both are put back.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


def outside(tensor: Tensor) -> Array:
    """A copy of a weight or gradient as the contract has it: (O, I) becomes (I, O), contiguous."""
    array: Array = tensor.detach().numpy()
    return array.T.copy()


def build(
    layer_sizes: Sequence[int], activation: str, seed: int, initialisation: str = "glorot_uniform"
) -> MLP:
    """A new network; activation "sigmoid", "tanh" or "relu"; the seed fixes the weights and fit's order."""
    return MLP(layer_sizes, activation, seed, initialisation)
