"""Forward: ``predict_proba`` is softmax of the network's logits, against float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness import diagnosis, oracle
from harness.checks.context import Context, Failed, Problem, failed
from harness.oracle import Float

Evidence = dict[str, Any]


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
            name = "-".join(map(str, problem.layer_sizes))
            row = int(np.abs(found - expected).max(axis=1).argmax())
            raise failed(
                f"predict_proba on {name} ({activation}, {len(problem.X)} rows) is off by {error:.2g}"
                " from float64"
                f" (tolerance {ctx.tolerance:.0e})",
                diagnosis.forward(problem, found),
                detail=f"row {row}\n  expected {_show(expected[row])}\n  found    {_show(found[row])}",
                evidence={"error": error, "network": list(problem.layer_sizes), "batch": len(problem.X)},
            )
    return {"error": worst, "tolerance": ctx.tolerance}


def _problems(ctx: Context, activation: str) -> list[Problem]:
    problems = ctx.problems(activation)
    # Code that works through its rows in blocks of a fixed size must not lose the last ones.
    problems.append(ctx.problem(ctx.work_network(activation), activation, 130))
    return problems + ctx.deep_problems(activation)


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
