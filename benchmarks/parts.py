"""Where an update of the NumPy reference goes, and what other ways of its steps would cost."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.floor import Products
from benchmarks.results import TimingTable
from benchmarks.runner import PROCESSOR, Contender, measure
from benchmarks.training import LAYER_SIZES, Data
from benchmarks.usual import BATCH, LEARNING_RATE

REPEATS = 200  # updates a round
FLOOR = "matrix products alone"


class Update:
    """One update of ``reference/numpy_mlp.py``, taken apart; each part can be run on its own."""

    def __init__(self, data: Data, activation: str) -> None:
        module = importlib.import_module("reference.numpy_mlp")
        self.images, self.y = data.X, data.y[:BATCH]
        self.net = module.build(LAYER_SIZES, activation, 0)
        self.buffers = module.Buffers(self.net.layer_sizes, self.net.vector, BATCH)
        self.rows = np.random.default_rng(0).permutation(len(data.X))[:BATCH]
        # A rate so small that weights stay as they are, however often the update is repeated.
        self.optimizer = module.SGD(learning_rate=LEARNING_RATE * 1e-6, weight_decay=0.0)
        self.slices = module.slices
        self.gather()
        self.activations = self.forward()
        self.backward()

    def gather(self) -> None:
        """Copy a batch of shuffled images."""
        np.take(self.images, self.rows, axis=0, out=self.buffers.images, mode="clip")

    def forward(self) -> list[Any]:
        """Products, biases and activations."""
        found: list[Any] = self.net._forward(self.buffers.images, self.buffers.outputs)
        return found

    def backward(self) -> None:
        """Loss and gradients."""
        self.net._backward(self.activations, self.y, self.buffers)

    def step(self) -> None:
        """Change the weights."""
        self.optimizer.step(self.net.vector, self.buffers.gradient)

    def step_at_once(self) -> None:
        """The same step on the whole vector instead of slices that stay in the cache."""
        w, g = self.net.vector, self.buffers.gradient
        g *= self.optimizer.learning_rate
        w -= g

    def step_by_tensor(self) -> None:
        """The same step tensor by tensor, in new memory, as one first writes it."""
        for w, g in zip(self.net.weights, self.buffers.gradients):
            w -= self.optimizer.learning_rate * g

    def step_without_rate(self) -> None:
        """Half of the step: what is left of it if the loss were scaled by the learning rate."""
        w, g = self.net.vector, self.buffers.gradient
        for part in self.slices(w.size):
            w[part] -= g[part]


def contenders(update: Update) -> list[Contender]:
    """The floor, the parts in their order, and other ways of the last."""
    products = Products(LAYER_SIZES, BATCH)

    def part(name: str, run: Callable[[], object]) -> Contender:
        def repeat() -> None:
            for _ in range(REPEATS):
                run()

        return Contender(name=name, run=repeat, scale=1 / REPEATS)

    return [
        part(FLOOR, lambda: products.train(BATCH, 1)),
        part("gathering the batch", update.gather),
        part("forward", update.forward),
        part("loss and backward", update.backward),
        part("update", update.step),
        part("tried: update on the whole vector at once", update.step_at_once),
        part("tried: update tensor by tensor, new memory", update.step_by_tensor),
        part("tried: update with the rate folded into the loss", update.step_without_rate),
    ]


def run(data: Data, *, rounds: int) -> TimingTable:
    """Time every part on one batch after another."""
    return TimingTable(
        title=f"One update of the NumPy reference by its parts, relu, batch {BATCH}",
        timings=tuple(measure(contenders(Update(data, "relu")), rounds=rounds)),
        base=FLOOR,
        clock=PROCESSOR,
    )
