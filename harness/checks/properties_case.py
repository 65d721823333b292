"""What a property is asked about: a case, and the comparison of what was found with what must hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.checks.context import Context, Problem, as_float64, tensor_names
from harness.oracle import Float, Int
from harness.session import Model

Evidence = dict[str, Any]


class Broken(Exception):
    """A case in which a property does not hold: what was expected and found, and the mistake if known."""

    def __init__(self, message: str, *, diagnosis: str | None = None) -> None:
        super().__init__(message)
        self.diagnosis = diagnosis


@dataclass(frozen=True, kw_only=True)
class Case:
    """One proposed case: a problem, the submission's model, and the property's own integers."""

    ctx: Context
    problem: Problem
    model: Model
    rng: np.random.Generator
    numbers: Mapping[str, int]

    def __getitem__(self, name: str) -> int:
        return self.numbers[name]

    @property
    def tolerance(self) -> float:
        """The relative tolerance for the submission's arithmetic."""
        return self.ctx.tolerance

    def probabilities(
        self, *, weights: Sequence[Float] | None = None, X: Float | None = None, what: str = ""
    ) -> Float:
        """Return the submission's probabilities as float64, for other weights or rows where given."""
        self.model.set_weights(self.problem.weights if weights is None else weights)
        X = self.problem.X if X is None else X
        P = self.model.predict_proba(X)
        shape = (len(X), self.problem.layer_sizes[-1])
        if P.shape != shape:
            raise Broken(f"predict_proba{what} should have shape {shape}, found {P.shape}")
        return P.astype(np.float64)

    def loss(self, *, weights: Sequence[Float] | None = None, y: Int | None = None) -> float:
        """Return the submission's loss, for other weights or labels where given."""
        self.model.set_weights(self.problem.weights if weights is None else weights)
        return self.model.loss_and_gradients(self.problem.X, self.problem.y if y is None else y)[0]

    def evaluate(
        self, *, weights: Sequence[Float] | None = None, X: Float | None = None, y: Int | None = None
    ) -> tuple[float, list[Float]]:
        """Return the submission's loss and gradients as float64, for other weights or rows where given."""
        weights = self.problem.weights if weights is None else weights
        self.model.set_weights(weights)
        loss, gradients = self.model.loss_and_gradients(
            self.problem.X if X is None else X, self.problem.y if y is None else y
        )
        return loss, as_float64(gradients, self.problem.weights, "gradients")


def with_rows(problem: Problem, chosen: slice) -> Problem:
    """Return the problem with some of its rows."""
    return replace(problem, X=problem.X[chosen], y=problem.y[chosen])


def same(found: Float, expected: Float, tolerance: float, what: str, *, scale: float | None = None) -> None:
    """Raise Broken unless ``found`` is ``expected`` within ``tolerance`` x ``scale`` (else its norm)."""
    size = float(np.linalg.norm(expected)) if scale is None else scale
    error = float(np.linalg.norm(found - expected))
    if error <= tolerance * size + 1e-12:
        return
    found, expected = np.atleast_1d(found), np.atleast_1d(expected)
    worst = np.unravel_index(int(np.abs(found - expected).argmax()), found.shape)
    place = f" at {[int(i) for i in worst]}" if found.size > 1 else ""
    raise Broken(f"{what}: expected {expected[worst]:.9g}, found {found[worst]:.9g}{place}")


def same_gradients(
    found: Sequence[Float],
    expected: Sequence[Float],
    tolerance: float,
    what: str,
    *,
    scales: Sequence[float] | None = None,
) -> None:
    """Raise Broken unless every tensor of ``found`` is that of ``expected``."""
    for i, (name, f, e) in enumerate(zip(tensor_names(len(expected)), found, expected)):
        same(
            f,
            e,
            tolerance,
            f"the gradient of {name}, {what}",
            scale=scales[i] if scales is not None else None,
        )
