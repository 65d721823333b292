"""Training throughput of both references, beside the floor and beside what people would use instead."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import usual
from benchmarks.floor import Products, multiplications
from benchmarks.results import AT_LEAST, Section, Target, TimingTable
from benchmarks.runner import PROCESSOR, Contender, measure, ratio

Array = NDArray[Any]
LAYER_SIZES = (784, 500, 250, 100, 10)
EPOCHS = 3  # in each call, so that what a call does once weighs little, as in a run of 15
ACTIVATIONS = ("relu", "tanh", "sigmoid")

FLOOR = "matrix products alone, NumPy's BLAS"
TORCH_FLOOR = "matrix products alone, PyTorch's BLAS"
NUMPY = "reference/numpy_mlp.py"
TORCH = "reference/torch_mlp.py"
EAGER = "PyTorch eager, indexed tensors"
LOADER = "PyTorch eager, DataLoader"
SKLEARN = "scikit-learn MLPClassifier"
PLAIN = "plain NumPy, float64"
JAX = "JAX, one jitted update"


@dataclass(frozen=True, kw_only=True)
class Data:
    """Images ``X`` (n, 784) float32 in [0, 1] and classes ``y`` (n,) int64."""

    X: Array
    y: Array

    @classmethod
    def load(cls, images: int) -> Data:
        """The first so many training images of MNIST."""
        from harness.data import load_dataset

        mnist = load_dataset("mnist")
        return cls(X=mnist.train_inputs(images), y=mnist.train_labels[:images].astype(np.int64))


def starting_weights(seed: int = 0) -> list[Array]:
    """Glorot-uniform weights and zero biases, float32, for every contender."""
    numpy_mlp = importlib.import_module("reference.numpy_mlp")
    weights: list[Array] = numpy_mlp.build(LAYER_SIZES, "relu", seed).get_weights()
    return weights


def trainers(weights: Sequence[Array], activation: str) -> dict[str, usual.Trainer]:
    """Every contender that trains, from the same weights; those that are not installed are left out."""
    numpy_mlp = importlib.import_module("reference.numpy_mlp")
    torch_mlp = importlib.import_module("reference.torch_mlp")
    found: dict[str, usual.Trainer] = {
        NUMPY: usual.Reference(numpy_mlp, weights, activation),
        TORCH: usual.Reference(torch_mlp, weights, activation),
        EAGER: usual.TorchEager(weights, activation, loader=False),
        LOADER: usual.TorchEager(weights, activation, loader=True),
        SKLEARN: usual.ScikitLearn(weights, activation),
        PLAIN: usual.PlainNumPy(weights, activation),
    }
    if not usual.why_no_jax():
        found[JAX] = usual.Jax(weights, activation)
    return found


def contenders(data: Data, activation: str) -> list[Contender]:
    """Everybody, for the same epochs over the same images."""

    def floor(name: str, products: Products) -> Contender:
        return Contender(name=name, run=lambda: products.train(len(data.X), EPOCHS))

    def training(name: str, trainer: usual.Trainer) -> Contender:
        return Contender(name=name, run=lambda: trainer.train(data.X, data.y, epochs=EPOCHS))

    listed = [
        floor(FLOOR, Products(LAYER_SIZES, usual.BATCH)),
        floor(TORCH_FLOOR, Products(LAYER_SIZES, usual.BATCH, torch=True)),
        *(training(name, trainer) for name, trainer in trainers(starting_weights(), activation).items()),
    ]
    if usual.why_no_jax():
        listed.append(Contender(name=JAX, run=lambda: None, skipped=usual.why_no_jax()))
    return listed


def decayed(data: Data) -> list[Contender]:
    """Training with subnormal numbers: the input weights of half of the first layer's units have decayed.

    That is what becomes of dead ReLU units under weight decay; processors are slow at such numbers.
    """
    weights = starting_weights()
    dead = np.arange(0, LAYER_SIZES[1], 2)
    weights[0][:, dead] = np.float32(1e-39)  # below 1.2e-38, the smallest normal float32
    weights[2][dead, :] = 0
    listed = trainers(weights, "relu")

    def training(name: str) -> Contender:
        return Contender(name=name, run=lambda: listed[name].train(data.X, data.y, epochs=1))

    return [training(name) for name in (NUMPY, TORCH, EAGER)]


@contextmanager
def on_one_core() -> Iterator[None]:
    """Keep this process on one core: XLA takes as many threads as it sees cores, whatever it is told."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def run(*, rounds: int, images: int) -> Section:
    """Time ``EPOCHS`` epochs over ``images`` images for each activation."""
    with on_one_core():
        return _measured(rounds=rounds, images=images)


def _measured(*, rounds: int, images: int) -> Section:
    data = Data.load(images)
    tables = [
        TimingTable(
            title=f"{EPOCHS} epochs over {images:,} images, {activation}",
            timings=tuple(measure(contenders(data, activation), rounds=rounds)),
            base=NUMPY,
            clock=PROCESSOR,
            unit="images",
            amount=EPOCHS * images,
        )
        for activation in ACTIVATIONS
    ]
    few = Data(X=data.X[: images // 4], y=data.y[: images // 4])
    subnormal = TimingTable(
        title=f"One epoch over {len(few.X):,} images, relu, half of layer 1's units with subnormal weights",
        timings=tuple(measure(decayed(few), rounds=rounds)),
        base=TORCH,
        clock=PROCESSOR,
        unit="images",
        amount=len(few.X),
    )
    # Imported here: it takes its network and data from this module.
    from benchmarks import parts

    count = 2 * multiplications(LAYER_SIZES, 1)
    return Section(
        title="Training",
        text=(
            f"The network is {'-'.join(map(str, LAYER_SIZES))}, batch {usual.BATCH}, plain gradient descent; "
            f"an image costs {count / 1e6:.2f} million floating-point operations in matrix products alone. "
            "The floor does only those, on memory that is there already. All start from the same weights and "
            "compute the same updates (a test holds them to it), on one thread and one core, in float32 but "
            "for the plain version. Targets are judged by the processor's clock, on the worst of the three "
            "activations. "
            "PyTorch is written in the usual way with a `DataLoader`, and faster by indexing tensors. "
            "Subnormal weights are what is left of dead ReLU units after long weight decay."
        ),
        tables=(*tables, subnormal, parts.run(data, rounds=rounds)),
        targets=targets(tables, subnormal),
    )


def targets(tables: Sequence[TimingTable], subnormal: TimingTable) -> tuple[Target, ...]:
    """The references' targets, each by the worst table."""

    def worst(name: str, other: str) -> float | None:
        """How many times as fast as ``other`` ``name`` is, at least."""
        found = [ratio(table[other], table[name], table.clock) for table in tables]
        return min((r.median for r in found if r is not None), default=None)

    def at_least(text: str, limit: float, measured: float | None) -> Target:
        return Target(text=text, sense=AT_LEAST, limit=limit, measured=measured, unit="x")

    flushed = ratio(subnormal[EAGER], subnormal[TORCH], subnormal.clock)
    return (
        at_least(
            "NumPy reference: throughput over that of the matrix products alone", 0.75, worst(NUMPY, FLOOR)
        ),
        at_least("NumPy reference: throughput over PyTorch eager, DataLoader", 1.5, worst(NUMPY, LOADER)),
        at_least("NumPy reference: throughput over PyTorch eager, indexed", 1.5, worst(NUMPY, EAGER)),
        at_least("NumPy reference: throughput over scikit-learn", 1.5, worst(NUMPY, SKLEARN)),
        at_least("NumPy reference: throughput over plain float64 NumPy", 2.5, worst(NUMPY, PLAIN)),
        at_least("PyTorch reference: throughput over PyTorch eager, DataLoader", 1.0, worst(TORCH, LOADER)),
        at_least("PyTorch reference: throughput over PyTorch eager, indexed", 1.0, worst(TORCH, EAGER)),
        at_least(
            "PyTorch reference: throughput over PyTorch eager, subnormal weights",
            1.0,
            flushed.median if flushed else None,
        ),
    )
