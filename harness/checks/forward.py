"""Forward: ``predict_proba`` is softmax of the network's logits, against float64."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from harness import diagnosis, oracle
from harness.checks.context import Context, Failed, Problem, failed
from harness.oracle import Float

Evidence = dict[str, Any]

AT_ZERO = diagnosis.Diagnosis(
    id="activation_at_zero",
    sentence="an activation of exactly 0 is wrong: no branch of the case distinction holds it (x > 0, x < 0)",
)
ROWS_GUESSED = diagnosis.Diagnosis(
    id="rows_guessed_by_shape",
    sentence="a batch of as many rows as inputs is taken as transposed: the orientation of X is guessed from "
    "its shape, which does not tell it where X is square",
)
WEIGHTS_GUESSED = diagnosis.Diagnosis(
    id="weights_guessed_by_shape",
    sentence="the matrices of layers as wide as their input are used transposed: the orientation of a weight "
    "matrix is guessed from its shape, which does not tell it where the matrix is square",
)


def forward(ctx: Context, activation: str) -> Evidence:
    """Probabilities agree with float64 on every network and batch size."""
    worst = 0.0
    for asked in _problems(ctx, activation):
        problem, found = _probabilities(ctx, asked)
        expected = oracle.probabilities(problem.weights, problem.X, activation)
        error = float(np.abs(found - expected).max())
        worst = max(worst, error)
        if not error <= ctx.tolerance:
            if (apart := _apart(ctx, problem)) > ctx.tolerance:
                raise Failed(
                    "predict_proba of the same rows on the same weights answers differently each time, by up "
                    f"to {apart:.2g}: dropout or noise is left on",
                    diagnosis="answers_random",
                )
            if not problem.X.any():
                raise failed(
                    f"predict_proba of rows of zeros, with biases of zero ({activation}), is off by "
                    f"{error:.2g} from float64, of other rows it is right",
                    AT_ZERO,
                )
            name = "-".join(map(str, problem.layer_sizes))
            row = int(np.abs(found - expected).max(axis=1).argmax())
            raise failed(
                f"predict_proba on {name} ({activation}, {len(problem.X)} rows) is off by {error:.2g}"
                " from float64"
                f" (tolerance {ctx.tolerance:.0e})",
                _by_shape(problem, found, ctx.tolerance) or diagnosis.forward(problem, found),
                detail=f"row {row}\n  expected {_show(expected[row])}\n  found    {_show(found[row])}",
                evidence={"error": error, "network": list(problem.layer_sizes), "batch": len(problem.X)},
            )
    return {"error": worst, "tolerance": ctx.tolerance}


def _problems(ctx: Context, activation: str) -> list[Problem]:
    problems = ctx.problems(activation)
    # Code that works through its rows in blocks of a fixed size must not lose the last ones.
    work = ctx.problem(ctx.work_network(activation), activation, 130)
    problems.append(work)
    problems += ctx.square_problems(activation)
    problems += ctx.deep_problems(activation)
    problems += ctx.two_class_problems(activation)
    # Every pre-activation of the hidden layers is exactly 0, where a case distinction may have no branch.
    no_biases = [w if w.ndim == 2 else np.zeros_like(w) for w in work.weights]
    no_biases[-1] = work.weights[-1]
    return [*problems, replace(work, weights=no_biases, X=np.zeros_like(work.X[:3]), y=work.y[:3])]


def _by_shape(problem: Problem, found: Float, tolerance: float) -> diagnosis.Diagnosis | None:
    """Name a mistake that shows only where a matrix is square, whose orientation its shape does not tell."""

    def explains(weights: list[Float], X: Float) -> bool:
        right = oracle.probabilities(weights, X, problem.activation)
        return float(np.abs(found - right).max()) <= tolerance

    weights, X = problem.weights, problem.X
    if X.shape[0] == X.shape[1] and explains(weights, X.T):
        return ROWS_GUESSED
    square = [w.T if w.ndim == 2 and w.shape[0] == w.shape[1] else w for w in weights]
    if any(s is not w for s, w in zip(square, weights)) and explains(square, X):
        return WEIGHTS_GUESSED
    return None


def _probabilities(ctx: Context, asked: Problem) -> tuple[Problem, Float]:
    model, problem = ctx.posed(asked)
    found = model.predict_proba(problem.X)
    shape = (len(problem.X), problem.layer_sizes[-1])
    if found.shape != shape:
        raise Failed(f"predict_proba of {shape[0]} rows should have shape {shape}, found {found.shape}")
    if not np.isfinite(found).all():
        raise Failed("predict_proba answers NaN or infinite values on an ordinary batch")
    return problem, found.astype(np.float64)


def _apart(ctx: Context, problem: Problem) -> float:
    """How far two answers to one question are apart; 0 where the weights do not stay as they are."""
    model, _ = ctx.posed(problem)
    before = model.get_weights()
    once, again = model.predict_proba(problem.X), model.predict_proba(problem.X)
    kept = all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))
    return float(np.abs(again - once).max()) if kept and once.shape == again.shape else 0.0


def _show(row: Float) -> str:
    return "[" + ", ".join(f"{v:.6f}" for v in row[:10]) + "]"
