"""The matrix products of training, and nothing else: no program that trains these shapes can be faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def shapes(layer_sizes: Sequence[int], batch: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The factors' shapes of every product that one update needs, in order.

    Forward ``a @ W``; backward ``a.T @ delta`` for W's gradient, and ``delta @ W.T`` for all layers but the
    first.
    """
    layers = list(pairwise(layer_sizes))
    found = [((batch, fan_in), (fan_in, fan_out)) for fan_in, fan_out in layers]
    for number, (fan_in, fan_out) in reversed(list(enumerate(layers))):
        found.append(((fan_in, batch), (batch, fan_out)))
        if number > 0:
            found.append(((batch, fan_out), (fan_out, fan_in)))
    return found


def multiplications(layer_sizes: Sequence[int], batch: int) -> int:
    """Multiplications (each with its addition) of one update."""
    return sum(n * k * m for (n, k), (_, m) in shapes(layer_sizes, batch))


class Products:
    """The products of training on memory that is there already, by NumPy's BLAS or by PyTorch's."""

    def __init__(self, layer_sizes: Sequence[int], batch: int, *, torch: bool = False) -> None:
        self.layer_sizes, self.batch, self.torch = tuple(layer_sizes), batch, torch
        self._known: dict[int, list[Callable[[], object]]] = {}

    def train(self, images: int, epochs: int) -> None:
        """Do what epochs over so many images multiply, the short last batch included."""
        for _ in range(epochs):
            for start in range(0, images, self.batch):
                for product in self._update(min(self.batch, images - start)):
                    product()

    def _update(self, size: int) -> list[Callable[[], object]]:
        if size not in self._known:
            make = _torch_products if self.torch else _numpy_products
            self._known[size] = make(self.layer_sizes, size)
        return self._known[size]


def _factors(layer_sizes: Sequence[int], batch: int) -> list[tuple[Array, Array, Array]]:
    """Both factors and memory for the result; factors that are transposed in training are transposed here."""
    rng = np.random.default_rng(0)
    layers = list(pairwise(layer_sizes))
    weights = [rng.uniform(-0.1, 0.1, shape).astype(np.float32) for shape in layers]
    inputs = [rng.uniform(0, 1, (batch, width)).astype(np.float32) for width in layer_sizes[:-1]]
    deltas = [rng.uniform(-0.1, 0.1, (batch, width)).astype(np.float32) for width in layer_sizes[1:]]
    found = [(a, W, np.empty_like(d)) for a, W, d in zip(inputs, weights, deltas)]
    for number in reversed(range(len(layers))):
        a, W, d = inputs[number], weights[number], deltas[number]
        found.append((a.T, d, np.empty_like(W)))
        if number > 0:
            found.append((d, W.T, np.empty_like(a)))
    return found


def _numpy_products(layer_sizes: Sequence[int], batch: int) -> list[Callable[[], object]]:
    def product(a: Array, b: Array, out: Array) -> Callable[[], object]:
        return lambda: np.matmul(a, b, out=out)

    return [product(*each) for each in _factors(layer_sizes, batch)]


def _torch_products(layer_sizes: Sequence[int], batch: int) -> list[Callable[[], object]]:
    import torch

    def product(*arrays: Array) -> Callable[[], object]:
        a, b, out = (torch.from_numpy(array) for array in arrays)
        return lambda: torch.mm(a, b, out=out)

    return [product(*each) for each in _factors(layer_sizes, batch)]
