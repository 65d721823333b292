"""Legal inputs that few people try: arrays in the other memory order, more classes than a byte counts, more
rows than sixteen bits do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from harness import oracle
from harness.checks import tolerances
from harness.checks.context import (
    Context,
    Failed,
    NotApplicable,
    Problem,
    as_float64,
    failed,
    least_seconds,
    relative_error,
    worst_error,
)
from harness.checks.steps import Case, fitted, require_right_gradient
from harness.diagnosis import Diagnosis
from harness.oracle import Float, Int
from harness.records import Status
from harness.session import SubmissionFault

Evidence = dict[str, Any]

RATE = 0.5
MANY_CLASSES = (5, 4, 300)  # a signed byte counts to 127, an unsigned one to 255
NARROW = (5, 4, 10)
LONG = 10_007  # a prime: no block of rows divides it
LONGEST = 70_001  # sixteen bits count to 65,535
PATIENCE = 1.0  # seconds that the longest data may take, as the time for fewer rows has it
# A single ReLU unit that float32 puts on the other side of its kink changes the mean by a ten-thousandth;
# the last rows, which are like no others, by a tenth.
LONG_FLOAT32 = 1e-3

MEMORY_ORDER = Diagnosis(
    id="memory_order",
    sentence="arrays that are stored column by column, as a transposed view is, are read in the wrong order: "
    "flatten and reshape with order='C', whatever lies in memory",
)
LABELS_WRAP = Diagnosis(
    id="labels_wrap",
    sentence="labels are kept in a byte, which wraps around: keep them as integers of 32 or 64 bits",
)
ROW_NUMBERS_WRAP = Diagnosis(
    id="row_numbers_wrap",
    sentence="the numbers of the rows are kept in sixteen bits, which wrap around at 65,536: the rows behind "
    "are never trained on, the first ones twice",
)
BLOCK_MEANS = Diagnosis(
    id="block_means_averaged",
    sentence="the mean over many rows is a mean of the means of blocks, in which the short last block weighs "
    "as much as a whole one: weigh each by its rows",
)


def memory_order_changes_nothing(ctx: Context) -> Evidence:
    """Weights and rows stored column by column, as a transposed view is, give the answers and the step that
    they give stored row by row.
    """
    activation = ctx.one_activation
    require_right_gradient(ctx, activation)
    asked = ctx.problem(ctx.work_network(activation), activation, 16, "updates")
    ctx.session.memory_order = "F"
    try:
        model, problem = ctx.posed(asked)
        P = model.predict_proba(problem.X)
        gradients = model.loss_and_gradients(problem.X, problem.y)[1]
        step = _step(ctx, asked)
    finally:
        ctx.session.memory_order = "C"
    right = _gradients(problem, problem.X, problem.y)
    errors = {
        "predict_proba": relative_error(P, oracle.probabilities(problem.weights, problem.X, activation)),
        "loss_and_gradients": worst_error(as_float64(gradients, right, "gradients"), right),
        "fit": worst_error(step, right),
    }
    for verb, error in errors.items():
        in_float32 = ctx.float32 and verb == "fit"
        if not error <= (10.0 * tolerances.UPDATE_FLOAT32 if in_float32 else ctx.tolerance):
            raise failed(
                f"given weights and rows in column-major memory order {verb} is off by {error:.2g}, "
                "in row-major order it is right",
                MEMORY_ORDER,
            )
    return {"errors": errors}


def many_classes(ctx: Context) -> Evidence:
    """With 300 classes each label stands for its own: loss and gradients agree with float64."""
    activation = ctx.one_activation
    if not ctx.can_pose(MANY_CLASSES, activation):
        raise NotApplicable("a network of 300 classes cannot be built")
    base = ctx.problem(MANY_CLASSES, activation, 60, "many classes")
    y = np.arange(60) * 5 + 4
    model, problem = ctx.posed(base)
    # Code may have ten classes written down, which is let pass: it is asked about labels below ten first.
    try:
        few = as_float64(model.loss_and_gradients(problem.X, y % 10)[1], problem.weights, "gradients")
    except (Failed, SubmissionFault) as fault:
        if isinstance(fault, SubmissionFault) and fault.spent:
            raise
        raise NotApplicable("its number of classes is written down") from None
    if not worst_error(few, _gradients(problem, problem.X, y % 10)) <= ctx.tolerance:
        raise NotApplicable("with 300 classes its gradients are others for labels below ten, too")
    try:
        loss, answer = model.loss_and_gradients(problem.X, y)
    except SubmissionFault as fault:
        if fault.status is not Status.ERROR:
            raise
        raise failed(fault.message, LABELS_WRAP, detail=fault.detail) from None
    found = as_float64(answer, problem.weights, "gradients")
    expected = oracle.loss_and_gradients(problem.weights, problem.X, y, activation)
    error = worst_error(found, expected[1])
    if error <= ctx.tolerance and abs(loss - expected[0]) <= ctx.tolerance * expected[0]:
        return {"error": error}
    known = None
    for kind in (np.int8, np.uint8):
        wrapped = y.astype(kind).astype(np.int64) % MANY_CLASSES[-1]
        if worst_error(found, _gradients(problem, problem.X, wrapped)) <= 10.0 * ctx.tolerance:
            known = LABELS_WRAP
    raise failed(f"with {MANY_CLASSES[-1]} classes the gradients are off by {error:.2g} from float64", known)


def many_rows_are_used_whole(ctx: Context) -> Evidence:
    """Loss and gradients of 10,007 rows are means over them, and a full-batch step on 70,001 rows uses each
    once.
    """
    activation = ctx.one_activation
    require_right_gradient(ctx, activation)
    if not ctx.can_pose(NARROW, activation):
        raise NotApplicable(f"a network of the sizes {'-'.join(map(str, NARROW))} cannot be built")
    base = ctx.problem(NARROW, activation, 8, "many rows")
    X, y = _drifting(ctx, LONGEST)
    model, problem = ctx.posed(base)
    each = least_seconds(lambda: model.loss_and_gradients(X[:130], y[:130]), PATIENCE * 130 / LONGEST) / 130
    if each * LONG > PATIENCE:
        raise NotApplicable(f"{LONG} rows would take this submission too long")
    tolerance = LONG_FLOAT32 if ctx.float32 else tolerances.FLOAT64
    few = (X[-LONG:], y[-LONG:])  # to the end of the drift, so that the last rows are like no others
    loss, answer = model.loss_and_gradients(*few)
    expected = oracle.loss_and_gradients(problem.weights, *few, activation)
    found = as_float64(answer, problem.weights, "gradients")
    error = max(worst_error(found, expected[1]), abs(loss - expected[0]) / expected[0])
    if not error <= tolerance:
        known = BLOCK_MEANS if _of_blocks(problem, *few, loss, tolerance) else None
        raise failed(f"the loss or the gradients of {LONG} rows are off by {error:.2g} from float64", known)
    if each * LONGEST > PATIENCE:
        return {"rows": LONG, "error": error}
    step = _step(ctx, replace(base, X=X, y=y))
    step_tolerance = 1e-2 if ctx.float32 else tolerances.UPDATE_FLOAT64
    off = worst_error(step, _gradients(problem, X, y))
    if not off <= step_tolerance:
        wrapped = np.arange(LONGEST) % (1 << 16)
        again = worst_error(step, _gradients(problem, X[wrapped], y[wrapped])) <= step_tolerance
        raise failed(
            f"a full-batch step on {LONGEST} rows is off by {off:.2g} from float64, gradients of "
            f"{LONG} rows are right",
            ROW_NUMBERS_WRAP if again else None,
        )
    return {"rows": LONGEST, "error": max(error, off)}


def _step(ctx: Context, problem: Problem) -> list[Float]:
    """What one full-batch step takes off the weights, over the learning rate: the gradient that it used."""
    case = Case(activation=problem.activation, learning_rate=RATE, rows=len(problem.X), start=problem)
    start, after = fitted(ctx, case)
    return [(w - a) / RATE for w, a in zip(start.weights, after)]


def _drifting(ctx: Context, rows: int) -> tuple[Float, Int]:
    """Rows whose inputs grow and whose labels change on the way: no part of them stands for another."""
    rng = ctx.rng("drifting", rows)
    along = np.linspace(0.0, 1.0, rows) ** 8
    X = rng.uniform(0.0, 0.3, (rows, NARROW[0])) + 0.7 * along[:, None]
    y = np.where(rng.uniform(size=rows) < along, NARROW[-1] - 1, rng.integers(0, NARROW[-1], rows))
    return X, y


def _of_blocks(problem: Problem, X: Float, y: Int, loss: float, tolerance: float) -> bool:
    """Whether a loss is the mean of the means of blocks of some power of two, or round number, of rows."""
    P = oracle.probabilities(problem.weights, X, problem.activation)
    losses = -np.log(P[np.arange(len(y)), y])
    for size in (*(2**k for k in range(4, 14)), 100, 500, 1000, 2000, 5000):
        means = [losses[i : i + size].mean() for i in range(0, len(y), size)]
        if abs(float(np.mean(means)) - loss) <= tolerance * loss:
            return True
    return False


def _gradients(problem: Problem, X: Float, y: Int) -> list[Float]:
    return oracle.loss_and_gradients(problem.weights, X, y, problem.activation)[1]
