"""What goes into a diagnosis and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.oracle import Float, Int


class Posed(Protocol):
    """What a diagnosis needs to know of a problem: a network with its weights, and a batch."""

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Numbers of units, inputs and classes included."""

    @property
    def activation(self) -> str:
        """The hidden activation: sigmoid, tanh or relu."""

    @property
    def weights(self) -> list[Float]:
        """``[W1, b1, ...]``, float64."""

    @property
    def X(self) -> Float:  # noqa: N802
        """The batch (n, features), float64."""

    @property
    def y(self) -> Int:
        """The batch's classes (n,)."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One known mistake: its id, and a sentence for the author with the numbers that were seen."""

    id: str
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """A mistake and the numbers that it would give, computed only where they are asked for.

    ``predict`` returns None where the mistake cannot have been made here (a fitted constant makes no sense).
    """

    id: str
    sentence: str
    predict: Callable[[], Sequence[Float] | None]
