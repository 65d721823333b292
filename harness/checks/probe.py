"""Probe data: which examples ``fit`` used, how often and in what batches, read off W1 after training.

The inputs are one-hot, so example i touches only row i of W1. With a small learning rate the deltas of the
first layer hardly change while training, and row i moves by ``-learning_rate x sum over its uses of delta_i
/ batch size``. One division gives, for each example, the sum of 1 / (size of its batch) over its uses:
exact algebra, no hooks.

With a larger learning rate, one example a batch and one class, the deltas shrink from step to step, and how
far a row moved tells when its example was used: so an epoch's whole order is read off the weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from harness import oracle
from harness.checks.context import SMALL, Context, Problem, as_float64
from harness.checks.steps import require_right_gradient
from harness.oracle import Float

EXAMPLES = 22
BATCH = 5  # 22 = 4 x 5 + 2: the last batch is short, and wrapping it around to 5 shows (2 into 4 would not)
TAIL = EXAMPLES % BATCH
LEARNING_RATE = 2e-3  # small enough that deltas change by under 2 % in an epoch, large enough for float32
ORDERED = 40  # examples whose order is read: 40! orders, and a row may go far
ORDERED_RATE = 0.1  # a step changes the next deltas by over a thousandth, rounding in float32 by a millionth
ORDERED_OFF = 1e-3  # of the way: how far from the weights found the order read off may lead
ACTIVE = 0.3  # the least pre-activation of a ReLU on probe data: steps of 2e-3 do not take it to 0


@dataclass(frozen=True, kw_only=True)
class Uses:
    """For each example: ``share``, the sum of 1 / batch size over its uses, and how badly that explains
    its row.
    """

    share: Float  # (EXAMPLES,)
    residual: Float  # (EXAMPLES,) relative to the row's movement; 0 for a row that did not move
    moved: Float  # (EXAMPLES,) norms of the rows' movements over those of one use in a batch of 1


def uses_of(
    ctx: Context,
    *,
    epochs: int,
    seed: int = 0,
    examples: int = EXAMPLES,
    batch: int = BATCH,
) -> Uses:
    """Train on probe data, once for the same arguments, and return what the examples were used for."""
    key = ("uses", ctx.activations, epochs, seed, examples, batch)
    return ctx.once(key, lambda: _measure(ctx, epochs, seed, examples, batch))


def orders_of(ctx: Context, *, seed: int) -> list[list[int]] | None:
    """The order of the examples in each of two epochs; None where no order explains the weights."""
    asked = _probe(ctx, ORDERED, ORDERED)
    asked = replace(asked, y=np.full(ORDERED, asked.y[0]))
    orders: list[list[int]] = []
    before: list[Float] = []
    for epochs in (1, 2):
        model, problem = ctx.posed(asked, seed=seed)
        model.fit(problem.X, problem.y, epochs=epochs, batch_size=1, learning_rate=ORDERED_RATE)
        after = as_float64(model.get_weights(), problem.weights, "get_weights() after fit")
        order = _followed(problem, before or problem.weights, after)
        if order is None:
            return None
        orders.append(order)
        before = after
    return orders


def _followed(problem: Problem, before: list[Float], after: list[Float]) -> list[int] | None:
    """The order in which one step for each example leads from the one to the other."""
    moved = (before[0] - after[0])[: len(problem.X)] / ORDERED_RATE
    weights, left, order = before, np.arange(len(problem.X)), []
    while len(left):
        # The mean over rows of the identity: its row i is the step for example i, over their number.
        mean = oracle.loss_and_gradients(weights, problem.X[left], problem.y[left], problem.activation)[1][0]
        apart = np.linalg.norm(moved[left] - len(left) * mean[left], axis=1)
        i = int(left[apart.argmin()])
        weights = [w - ORDERED_RATE * g for w, g in zip(weights, _step(problem, weights, i))]
        left = left[left != i]
        order.append(i)
    way = max(float(np.abs(a - b).max()) for a, b in zip(after, before))
    off = max(float(np.abs(a - w).max()) for a, w in zip(after, weights))
    return order if off < ORDERED_OFF * way else None


def _step(problem: Problem, weights: list[Float], i: int) -> list[Float]:
    """The gradients of example i alone."""
    X, y = problem.X[i : i + 1], problem.y[i : i + 1]
    return oracle.loss_and_gradients(weights, X, y, problem.activation)[1]


def _probe(ctx: Context, rows: int, examples: int) -> Problem:
    """One-hot examples for a network of at least so many ``rows`` in its W1."""
    activation = ctx.one_activation
    require_right_gradient(ctx, activation)
    sizes = ctx.work_network(activation)
    if sizes[0] < rows or sizes == SMALL:
        sizes = (rows, *sizes[1:])
    base = ctx.problem(sizes, activation, rows, "probe")
    X = np.eye(examples, sizes[0])
    weights = _all_active(list(base.weights), X) if activation == "relu" else list(base.weights)
    return Problem(layer_sizes=sizes, activation=activation, weights=weights, X=X, y=base.y[:examples])


def _all_active(weights: list[Float], X: Float) -> list[Float]:
    """Raise hidden biases until every ReLU is on for every example.

    A unit near its kink is switched by a tiny step, and the deltas below it jump.
    """
    raised, A = list(weights), X
    for i in range(0, len(weights) - 2, 2):
        Z = A @ raised[i] + raised[i + 1]
        raised[i + 1] = raised[i + 1] + np.maximum(0.0, ACTIVE - Z.min(axis=0))
        A = A @ raised[i] + raised[i + 1]
    return raised


def _measure(ctx: Context, epochs: int, seed: int, examples: int, batch: int) -> Uses:
    asked = _probe(ctx, max(examples, EXAMPLES), examples)
    model, problem = ctx.posed(asked, seed=seed)
    model.fit(problem.X, problem.y, epochs=epochs, batch_size=batch, learning_rate=LEARNING_RATE)
    after = as_float64(model.get_weights(), problem.weights, "get_weights() after fit")
    # The middle of the way: the deltas' drift over the training cancels to first order.
    middle = [(b + a) / 2 for b, a in zip(problem.weights, after)]
    if max(float(np.abs(a - b).max()) for b, a in zip(problem.weights, after)) > 0.5:
        middle = problem.weights
    deltas = np.stack([_step(problem, middle, i)[1] for i in range(examples)])
    steps = (problem.weights[0] - after[0])[:examples] / LEARNING_RATE
    squares = (deltas * deltas).sum(axis=1)
    share = (steps * deltas).sum(axis=1) / squares
    rest = np.linalg.norm(steps - share[:, None] * deltas, axis=1)
    length = np.linalg.norm(steps, axis=1)
    # In float32 a row that was not used still shows the rounding of nothing: it does not move at all.
    residual = np.where(length > 0, rest / np.maximum(length, 1e-300), 0.0)
    # A row whose delta all but vanishes has no direction to tell.
    residual[squares < 1e-4 * np.median(squares)] = 0.0
    return Uses(share=share, residual=residual, moved=length / np.sqrt(squares))
