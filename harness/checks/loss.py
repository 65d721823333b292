"""Loss: mean cross entropy in nats, against float64, on ordinary and on extreme batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness import diagnosis, oracle
from harness.checks.context import Context, Failed, Problem, failed
from harness.oracle import Float

Evidence = dict[str, Any]


def loss(ctx: Context, activation: str) -> Evidence:
    """The loss agrees with float64 on batches of 1, 7, 8 and 64."""
    worst = 0.0
    for asked in ctx.problems(activation):
        model, problem = ctx.posed(asked)
        found = model.loss_and_gradients(problem.X, problem.y)[0]
        worst = max(worst, _compare(ctx, problem, found, f"{activation}, {len(problem.X)} rows"))
    return {"error": worst, "tolerance": ctx.tolerance}


def loss_of_uniform_output(ctx: Context) -> Evidence:
    """A network whose weights are all zero loses ln(classes)."""
    problem = ctx.problem(ctx.work_network(ctx.activations[0]), ctx.activations[0], 8)
    zero = Problem(
        layer_sizes=problem.layer_sizes,
        activation=problem.activation,
        weights=[np.zeros_like(w) for w in problem.weights],
        X=problem.X,
        y=problem.y,
    )
    found = ctx.model(zero).loss_and_gradients(zero.X, zero.y)[0]
    expected = float(np.log(problem.layer_sizes[-1]))
    if not abs(found - expected) <= ctx.tolerance * expected:
        raise failed(
            f"uniform outputs should lose ln {problem.layer_sizes[-1]} = {expected:.6f}, found {found:.6f}",
            diagnosis.loss(zero, found),
        )
    return {"found": found, "expected": expected}


def loss_when_confidently_wrong(ctx: Context) -> Evidence:
    """A wrong answer given with a margin of 20 loses 20, with 30 about 30, and with 80 it stays finite and
    large.
    """
    activation = ctx.activations[0]
    base = ctx.problem(ctx.work_network(activation), activation, 8)
    losses = {}
    # log(p + 1e-12), which many write for safety, is off by 2.4e-5 of 20 and by a tenth of 30: it is let
    # pass. log(p + 1e-11) is off by ten times as much.
    for margin, allowed in ((20.0, 1e-4), (30.0, 0.1), (80.0, 0.7)):
        # Zero weights and one large bias: every row answers class 0 with this margin.
        weights = [np.zeros_like(w) for w in base.weights]
        weights[-1][0] = margin
        y = np.full(len(base.X), 1)
        problem = Problem(layer_sizes=base.layer_sizes, activation=activation, weights=weights, X=base.X, y=y)
        model = ctx.model(problem)
        found = model.loss_and_gradients(problem.X, y)[0]
        expected = oracle.loss(weights, problem.X, y, activation)
        losses[f"{margin:.0f}"] = found
        if not abs(found - expected) <= max(ctx.tolerance, allowed) * expected:
            softened = bool(np.isfinite(found)) and 2.0 < found < expected
            reason = "use log-softmax with the row maximum taken off"
            known = "log_clipped" if softened else None
            if softened and _of_less_certain(model.predict_proba(problem.X), found):
                reason = "the probabilities themselves are of a smaller margin: the logits are clipped"
                known = "logits_clipped"
            elif softened:
                added = np.exp(-found) - np.exp(-expected)
                reason = (
                    f"the probability is clipped, or about {added:.0e} is added to it, before the logarithm"
                )
            raise Failed(
                f"a wrong answer with a margin of {margin:.0f} should lose {expected:.5f}, "
                f"found {found:.7g}: {reason}",
                diagnosis=known,
            )
    return losses


def _of_less_certain(P: Float, loss: float) -> bool:
    """Whether a loss of class 1 is that of the probabilities, and these are a softmax's: clipped, they would
    no longer sum to 1.
    """
    rows = np.asarray(P, dtype=np.float64)
    whole = np.allclose(rows.sum(axis=1), 1.0, rtol=0.0, atol=0.1 * float(np.exp(-loss)))
    return bool(whole and np.allclose(-np.log(rows[:, 1]), loss, rtol=1e-6))


def _compare(ctx: Context, problem: Problem, found: float, where: str) -> float:
    expected = oracle.loss(problem.weights, problem.X, problem.y, problem.activation)
    error = abs(found - expected) / expected
    if not error <= ctx.tolerance:
        raise failed(
            f"the loss ({where}) is {found:.6g}, float64 gives {expected:.6g}: ratio {found / expected:.6g}",
            diagnosis.loss(problem, found),
            evidence={"found": found, "expected": expected, "batch": len(problem.y)},
        )
    return error
