"""Diagnosis: the numbers that a failing check observed, fitted to known mistakes; named only where exactly one fits.

Each function takes the problem (network, weights, batch) and what the submission answered, and returns the one
mistake that reproduces the answer, or None where no mistake or more than one does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.oracle import Float, Int


class Posed(Protocol):
    """What a diagnosis needs to know of a problem."""

    @property
    def layer_sizes(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def activation(self) -> str: ...  # noqa: D102
    @property
    def weights(self) -> list[Float]: ...  # noqa: D102
    @property
    def X(self) -> Float: ...  # noqa: D102, N802
    @property
    def y(self) -> Int: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One known mistake: its id, and a sentence for the author with the numbers that were seen."""

    id: str
    sentence: str


def forward(problem: Posed, found: Float) -> Diagnosis | None:
    """Name the mistake that gives these probabilities (n, classes)."""
    return None


def loss(problem: Posed, found: float) -> Diagnosis | None:
    """Name the mistake that gives this loss."""
    return None


def gradients(problem: Posed, found: Sequence[Float]) -> Diagnosis | None:
    """Name the mistake that gives these gradients."""
    return None


def update(
    problem: Posed,
    found: Sequence[Float],
    *,
    learning_rate: float,
    steps: int = 1,
    weight_decay: float = 0.0,
    optimizer: str = "sgd",
) -> Diagnosis | None:
    """Name the mistake that gives these weights after full-batch steps from the problem's weights."""
    return None


def initialisation(layer_sizes: Sequence[int], found: Sequence[Float]) -> Diagnosis | None:
    """Name the mistake that gives weights distributed like these at build."""
    return None
