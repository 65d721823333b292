"""Diagnosis: the numbers that a failing check observed, fitted to known mistakes.

Each function takes the problem (network, weights, batch) and what the submission answered, and returns the
one mistake that reproduces the answer, or None where no mistake or more than one does: silence is better
than a wrong name.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.diagnosis import clipping as _clipping
from harness.diagnosis import forward as _forward
from harness.diagnosis import gradients as _gradients
from harness.diagnosis import initialisation as _initialisation
from harness.diagnosis import loss as _loss
from harness.diagnosis import shapes as _shapes
from harness.diagnosis import storage as _storage
from harness.diagnosis import update as _update
from harness.diagnosis.laws import Observed
from harness.diagnosis.trajectory import Trajectory
from harness.diagnosis.types import Diagnosis, Posed
from harness.oracle import Float

__all__ = [
    "Diagnosis",
    "Observed",
    "Posed",
    "forward",
    "gradients",
    "initialisation",
    "large_step",
    "later_steps",
    "loss",
    "second_fit",
    "shapes",
    "steps",
    "stored",
    "update",
]


def forward(problem: Posed, found: Float) -> Diagnosis | None:
    """Name the mistake that gives these probabilities (n, classes)."""
    return _forward.diagnose(problem, found)


def loss(problem: Posed, found: float) -> Diagnosis | None:
    """Name the mistake that gives this loss."""
    return _loss.diagnose(problem, found)


def gradients(problem: Posed, found: Sequence[Float]) -> Diagnosis | None:
    """Name the mistake that gives these gradients."""
    return _gradients.diagnose(problem, found)


def shapes(
    found: Sequence[tuple[int, ...]], expected: Sequence[tuple[int, ...]], rows: int | None = None
) -> Diagnosis | None:
    """Name the mistake that gives weights or gradients of these shapes; ``rows`` is the size of the batch."""
    return _shapes.diagnose(found, expected, rows)


def stored(
    given: Sequence[Float], found: Sequence[Float], *, before: Sequence[Float] | None = None
) -> Diagnosis | None:
    """Name what has become of the weights that ``set_weights`` was given; ``before`` stood there first."""
    return _storage.diagnose(given, found, before)


def update(
    problem: Posed,
    found: Sequence[Float],
    *,
    learning_rate: float,
    steps: int = 1,
    weight_decay: float = 0.0,
    optimizer: str = "sgd",
    batches: int = 1,
) -> Diagnosis | None:
    """Name the mistake that gives these weights after steps from the problem's weights.

    ``steps`` counts all updates; with several ``batches`` an epoch all of them hold the problem's rows.
    """
    path = Trajectory(
        problem,
        learning_rate=learning_rate,
        steps=steps,
        weight_decay=weight_decay,
        optimizer=optimizer,
        batches=batches,
    )
    return _update.diagnose(path, found)


def steps(observed: Sequence[Observed], second: Observed | None = None) -> Diagnosis | None:
    """Name the mistake in full-batch steps at several rates and of several batches.

    ``second`` is the step after the first of them.
    """
    return _update.diagnose_steps(observed, second)


def later_steps(observed: Sequence[Observed]) -> Diagnosis | None:
    """Name the mistake in full-batch steps, each from the weights before it, of which the first is right."""
    return _update.diagnose_later(observed)


def second_fit(
    first: Posed, second: Posed, found: Sequence[Float], *, learning_rate: float, steps: int
) -> Diagnosis | None:
    """Name what a second fit with Adam keeps of the first, from the problems that both started with."""
    return _update.diagnose_second_fit(first, second, found, learning_rate=learning_rate, steps=steps)


def large_step(problem: Posed, found: Sequence[Float], *, learning_rate: float) -> Diagnosis | None:
    """Name what is done to a large gradient in a step, where small ones are left as they are."""
    return _clipping.diagnose(Trajectory(problem, learning_rate=learning_rate), found)


def initialisation(layer_sizes: Sequence[int], found: Sequence[Float]) -> Diagnosis | None:
    """Name the mistake that gives weights distributed like these at build."""
    return _initialisation.diagnose(layer_sizes, found)
