"""Gradients: against the float64 oracle, and against differences of the loss that the harness itself
computes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from harness import diagnosis, oracle
from harness.checks import tolerances
from harness.checks.context import (
    Context,
    Failed,
    Problem,
    as_float64,
    clear_of_kinks,
    failed,
    relative_error,
    tensor_names,
)
from harness.oracle import Float
from harness.session import Model

Evidence = dict[str, Any]
# One on the report's network, whose gradient is also held against float64 entry by entry: a direction of W1
# is 392,000 numbers that travel for every loss. An error of 1 % then passes once in a thousand times there,
# and once in a billion on the small network.
DIRECTIONS = {"initialisation": 1, "burn-in": 3}
REDRAWS = 20


def gradients(ctx: Context, activation: str) -> Evidence:
    """Every gradient agrees with float64: each network, batches of 1, 7, 8 and 64, one to five layers."""
    first: list[dict[str, Any]] = []
    shapes = ctx.square_problems(activation) + ctx.deep_problems(activation)
    for asked in ctx.problems(activation) + shapes:
        model, problem = ctx.posed(asked)
        found = as_float64(model.loss_and_gradients(problem.X, problem.y)[1], problem.weights, "gradients")
        expected = oracle.loss_and_gradients(problem.weights, problem.X, problem.y, activation)[1]
        table = per_tensor(found, expected)
        first = first or table
        if not all(row["error"] <= ctx.tolerance for row in table):
            raise _wrong(ctx, problem, found, table)
    return {"per_tensor": first, "tolerance": ctx.tolerance}


def finite_differences(ctx: Context, activation: str) -> Evidence:
    """Every tensor's gradient agrees with central differences along random directions, at two points."""
    networks = ctx.networks(activation)
    # The second point on the small network: each network is differenced once, at half the cost.
    start, later = (ctx.problem(sizes, activation, 8) for sizes in (networks[0], networks[-1]))
    evidence: Evidence = {"statistic": {}, "threshold": tolerances.DIFFERENCES}
    for name, problem in (("initialisation", start), ("burn-in", _after_burn_in(ctx, later))):
        rng = ctx.rng("directions", activation, name)
        evidence["statistic"][name] = _difference(ctx, problem, rng, DIRECTIONS[name])
    return evidence


def per_tensor(found: list[Float], expected: list[Float]) -> list[dict[str, Any]]:
    """Return, for each tensor, the relative error, the scale ratio and the cosine with the expected
    gradient.
    """
    rows = []
    for name, g, right in zip(tensor_names(len(expected)), found, expected):
        norms = float(np.linalg.norm(g)), float(np.linalg.norm(right))
        cosine = float(np.vdot(g, right)) / (norms[0] * norms[1]) if min(norms) > 0 else 0.0
        scale = norms[0] / norms[1] if norms[1] > 0 else float(norms[0] == 0)
        rows.append({"tensor": name, "error": relative_error(g, right), "scale": scale, "cosine": cosine})
    return rows


def _wrong(ctx: Context, problem: Problem, found: list[Float], table: list[dict[str, Any]]) -> Failed:
    wrong = [row["tensor"] for row in table if row["error"] > ctx.tolerance]
    worst = max(table, key=lambda row: row["error"])
    sizes = "-".join(map(str, problem.layer_sizes))
    names = "every tensor" if len(wrong) == len(table) else ", ".join(wrong)
    message = (
        f"the gradient of {names} is wrong ({problem.activation}, {sizes}, batch {len(problem.X)}); "
        f"worst {worst['tensor']}: {worst['scale']:.4g} x the expected length, cosine {worst['cosine']:.4f}"
    )
    detail = "\n".join(
        f"{row['tensor']:>3}  error {row['error']:.2e}  scale {row['scale']:.6g}  cosine {row['cosine']:+.6f}"
        for row in table
    )
    return failed(
        message,
        diagnosis.gradients(problem, found),
        detail=detail,
        evidence={"per_tensor": table, "tolerance": ctx.tolerance, "network": list(problem.layer_sizes)},
    )


def _after_burn_in(ctx: Context, problem: Problem) -> Problem:
    """The same problem after five steps of the oracle's gradient descent, on which the loss about halves.

    A rate ten times larger makes ReLU networks diverge on these dense inputs, and then p underflows to 0.
    The steps may take a unit to its kink: there every direction crosses it, and no difference is a slope.
    """
    steps = oracle.sgd(problem.weights, problem.X, problem.y, problem.activation, learning_rate=0.05)
    for _ in range(5):
        weights = next(steps)
    X = problem.X.copy()
    if problem.activation == "relu":
        clear_of_kinks(weights, X, ctx.rng("burn-in"))
    return replace(problem, weights=weights, X=X)


def _difference(ctx: Context, problem: Problem, rng: np.random.Generator, directions: int) -> float:
    """Difference the loss along random directions, tensor by tensor; return the worst statistic, or raise
    Failed.
    """
    model = ctx.model(problem)
    _, answer = model.loss_and_gradients(problem.X, problem.y)
    found = as_float64(answer, problem.weights, "gradients")
    expected = oracle.probabilities(problem.weights, problem.X, problem.activation)
    precise = float(np.abs(model.predict_proba(problem.X) - expected).max()) < tolerances.PRECISE
    worst = 0.0
    for index, name in enumerate(tensor_names(len(found))):
        # Float32 code cannot be differenced (noise up to 7e-2): its gradient is held against the oracle's
        # loss.
        draws = [_direction(model if precise else None, problem, index, rng) for _ in range(directions)]
        scale = max(
            float(np.linalg.norm(found[index])) / np.sqrt(found[index].size),
            float(np.sqrt(np.mean([slope * slope for _, slope in draws]))),
        )
        if scale == 0.0:
            continue  # both sides say exactly zero: a dead layer, which the other point does not have
        statistic = max(abs(slope - float(np.vdot(u, found[index]))) / scale for u, slope in draws)
        worst = max(worst, statistic)
        limit = tolerances.DIFFERENCES
        if not statistic <= limit:
            slopes = ", ".join(f"{d:.6g} against {float(np.vdot(u, found[index])):.6g}" for u, d in draws)
            raise Failed(
                f"the gradient of {name} disagrees with differences of the loss ({problem.activation}): "
                f"statistic {statistic:.2g}, at most {limit:.0e} for right code",
                detail=f"slope of the loss along random directions, measured against claimed: {slopes}",
                evidence={"tensor": name, "statistic": statistic},
            )
    return worst


def _direction(
    model: Model | None, problem: Problem, index: int, rng: np.random.Generator
) -> tuple[Float, float]:
    """Draw a unit Gaussian direction for one tensor and return it with the measured slope; redraw at a
    ReLU kink.

    The kink test looks at the loss alone: two step lengths that disagree mean a kink between them.
    """
    for _ in range(REDRAWS):
        u = rng.standard_normal(problem.weights[index].shape)
        u /= np.linalg.norm(u)
        slope = _slope(model, problem, index, u, tolerances.STEP)
        if problem.activation != "relu":
            return u, slope
        finer = _slope(model, problem, index, u, tolerances.STEP / 4)
        if abs(slope - finer) <= 1e-5 * max(abs(slope), abs(finer)) + 1e-9:
            return u, slope
    return u, slope


def _slope(model: Model | None, problem: Problem, index: int, u: Float, h: float) -> float:
    values = []
    for sign in (1.0, -1.0):
        weights = list(problem.weights)
        weights[index] = weights[index] + sign * h * u
        if model is None:
            values.append(oracle.loss(weights, problem.X, problem.y, problem.activation))
        else:
            model.set_weights(weights)
            P = model.predict_proba(problem.X).astype(np.float64)
            with np.errstate(divide="ignore", invalid="ignore"):
                values.append(oracle.cross_entropy(np.log(P), problem.y))
    return (values[0] - values[1]) / (2.0 * h)
