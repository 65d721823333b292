"""Properties of the loss and its gradients: what averaging over a batch and softmax's shape make certain."""

from __future__ import annotations

import numpy as np

from harness import oracle
from harness.checks.context import Context, as_float64
from harness.checks.properties_case import Broken, Case, Evidence, same, same_gradients
from harness.checks.properties_drive import for_all
from harness.oracle import FLOAT32_EPS, Float

FINITE = 80.0  # -log of the smallest float32 is 87
# exp of a logit shifted so far overflows, and underflows: in float64 beyond 709, in float32 beyond 88.
SHIFT = 1000.0


def loss_is_not_negative(ctx: Context) -> Evidence:
    """The loss is not negative, finite where -log(p) can be, and nearly 0 where every answer is right and
    sure.
    """
    return for_all(ctx, _not_negative, sharpness=(0, 4))


def loss_is_the_mean_of_its_parts(ctx: Context) -> Evidence:
    """A batch's loss is the mean of its parts' losses, weighted by their sizes."""
    return for_all(ctx, _loss_of_parts, rows=(2, 9), cut=(0, 7))


def loss_ignores_the_order_of_rows(ctx: Context) -> Evidence:
    """Permuting the rows of a batch with their labels leaves its loss as it was."""
    return for_all(ctx, _loss_order, rows=(2, 9))


def loss_of_a_doubled_batch_is_the_same(ctx: Context) -> Evidence:
    """A batch in which every row stands twice has the same loss."""
    return for_all(ctx, _loss_doubled)


def shifting_the_logits_changes_no_loss(ctx: Context) -> Evidence:
    """Adding 1,000 to every bias of the last layer, or -1,000, leaves loss and gradients as they were."""
    return for_all(ctx, _shifted_loss, rows=(1, 9), up=(0, 1), most=4)


def gradients_are_the_mean_of_their_parts(ctx: Context) -> Evidence:
    """A batch's gradients are the mean of its parts' gradients, weighted by their sizes."""
    return for_all(ctx, _gradients_of_parts, rows=(2, 9), cut=(0, 7))


def gradients_ignore_the_order_of_rows(ctx: Context) -> Evidence:
    """Permuting the rows of a batch with their labels leaves its gradients as they were."""
    return for_all(ctx, _gradients_order, rows=(2, 9))


def gradients_of_a_doubled_batch_are_the_same(ctx: Context) -> Evidence:
    """A batch in which every row stands twice has the same gradients."""
    return for_all(ctx, _gradients_doubled)


def last_gradients_sum_to_zero_over_classes(ctx: Context) -> Evidence:
    """Softmax ignores a shift of the logits: the last layer's gradients sum to 0 over the classes."""
    return for_all(ctx, _sum_over_classes)


def an_input_of_zeros_has_no_gradient(ctx: Context) -> Evidence:
    """A pixel that is 0 in every row of the batch has a W1 gradient of exactly 0."""
    return for_all(ctx, _dead_pixel, rows=(1, 9), pixel=(0, 22))


def answers_ignore_earlier_calls(ctx: Context) -> Evidence:
    """Loss and gradients of a batch are the same after another batch, of another size, has been evaluated."""
    return for_all(ctx, _earlier_calls, rows=(2, 9), cut=(0, 7))


def _not_negative(case: Case) -> None:
    loss = case.loss()
    problem = case.problem
    logits = oracle.forward(problem.weights, problem.X, problem.activation)[1][-1]
    # Where a probability in float32 is rounded to 0, -log(p) is infinite, and NaN where a label multiplies
    # it by 0: that is let pass.
    held = -float(oracle.log_softmax(logits).min()) < FINITE
    if loss < -1e-6 or (held and not np.isfinite(loss)):
        raise Broken(f"the loss should be finite and at least 0, found {loss:.9g}")
    weights = list(case.problem.weights)
    weights[-2] = np.zeros_like(weights[-2])
    weights[-1] = 50.0 * (np.arange(len(weights[-1])) == case.problem.y[0])
    y = np.full_like(case.problem.y, case.problem.y[0])
    loss = case.loss(weights=weights, y=y)
    if not abs(loss) <= 1e-6:
        raise Broken(f"right answers with a margin of 50 should lose nearly 0, found {loss:.9g}")


def _parts(case: Case) -> tuple[list[Float], list[list[Float]], list[float]]:
    """Losses and gradients of the whole batch, its head and its tail, and the shares of the last two."""
    X, y = case.problem.X, case.problem.y
    cut = 1 + case["cut"] % (len(X) - 1)
    answers = [case.evaluate(X=X[part], y=y[part]) for part in (slice(None), slice(cut), slice(cut, None))]
    losses = [np.array(loss) for loss, _ in answers]
    return losses, [gradients for _, gradients in answers], [cut / len(X), 1 - cut / len(X)]


def _loss_of_parts(case: Case) -> None:
    (whole, head, tail), _, (first, second) = _parts(case)
    what = f"the loss of {len(case.problem.X)} rows, from its parts {float(head):.6g} and {float(tail):.6g}"
    same(whole, first * head + second * tail, case.tolerance, what)


def _shifted_loss(case: Case) -> None:
    problem, shift = case.problem, SHIFT if case["up"] else -SHIFT
    before, expected = case.evaluate()
    weights = [*problem.weights[:-1], problem.weights[-1] + shift]
    case.model.set_weights(weights)
    loss, gradients = case.model.loss_and_gradients(problem.X, problem.y)
    what = f"the last bias shifted by {shift:g}"
    if not np.isfinite(loss) or not all(np.isfinite(g).all() for g in gradients):
        raise Broken(
            f"{what}: the loss is {loss:g}, {before:g} expected: take each row's largest logit off first",
            diagnosis="loss_overflow",
        )
    # A float32 logit of 1,000 has lost up to 3e-5.
    tolerance = case.tolerance + (4.0 * FLOAT32_EPS * SHIFT if case.ctx.float32 else 0.0)
    same(np.array(loss), np.array(before), tolerance, f"the loss, {what}", scale=max(1.0, before))
    found = as_float64(gradients, problem.weights, "gradients")
    scales = [max(float(np.linalg.norm(g)), 1e-2) for g in expected]
    same_gradients(found, expected, tolerance, what, scales=scales)


def _gradients_of_parts(case: Case) -> None:
    _, (whole, head, tail), (first, second) = _parts(case)
    expected = [first * h + second * t for h, t in zip(head, tail)]
    # Parts may cancel: what counts is the size of what was added.
    scales = [
        first * float(np.linalg.norm(h)) + second * float(np.linalg.norm(t)) for h, t in zip(head, tail)
    ]
    same_gradients(whole, expected, case.tolerance, "from its two parts", scales=scales)


def _reordered(case: Case) -> tuple[tuple[float, list[Float]], tuple[float, list[Float]]]:
    order = case.rng.permutation(len(case.problem.X))
    return case.evaluate(X=case.problem.X[order], y=case.problem.y[order]), case.evaluate()


def _loss_order(case: Case) -> None:
    found, expected = _reordered(case)
    same(np.array(found[0]), np.array(expected[0]), case.tolerance, "the loss, rows in another order")


def _gradients_order(case: Case) -> None:
    found, expected = _reordered(case)
    same_gradients(found[1], expected[1], 2 * case.tolerance, "rows in another order")


def _doubled(case: Case) -> tuple[tuple[float, list[Float]], tuple[float, list[Float]]]:
    X, y = np.repeat(case.problem.X, 2, axis=0), np.repeat(case.problem.y, 2)
    return case.evaluate(X=X, y=y), case.evaluate()


def _loss_doubled(case: Case) -> None:
    found, expected = _doubled(case)
    same(np.array(found[0]), np.array(expected[0]), case.tolerance, "the loss, every row twice")


def _gradients_doubled(case: Case) -> None:
    found, expected = _doubled(case)
    same_gradients(found[1], expected[1], 2 * case.tolerance, "every row twice")


def _sum_over_classes(case: Case) -> None:
    W, b = case.evaluate()[1][-2:]
    same(
        W.sum(axis=1),
        np.zeros(len(W)),
        case.tolerance,
        "the last W's gradient, summed over classes",
        scale=_size(W),
    )
    same(
        b.sum(keepdims=True),
        np.zeros(1),
        case.tolerance,
        "the last b's gradient, summed over classes",
        scale=_size(b),
    )


def _size(array: Float) -> float:
    return float(np.linalg.norm(array)) * float(np.sqrt(array.shape[-1]))


def _dead_pixel(case: Case) -> None:
    pixel = case["pixel"] % case.problem.layer_sizes[0]
    X = case.problem.X.copy()
    X[:, pixel] = 0.0
    row = case.evaluate(X=X)[1][0][pixel]
    if np.abs(row).max() > 0.0:
        raise Broken(
            f"input {pixel} is 0 in every row: row {pixel} of W1's gradient should be 0, "
            f"found {np.abs(row).max():.6g}"
        )


def _earlier_calls(case: Case) -> None:
    X, y = case.problem.X, case.problem.y
    cut = 1 + case["cut"] % (len(X) - 1)
    first = case.evaluate(X=X[:cut], y=y[:cut])
    case.evaluate()
    case.probabilities(X=X[cut:])
    again = case.evaluate(X=X[:cut], y=y[:cut])
    same(np.array(again[0]), np.array(first[0]), case.tolerance, "the loss, asked again after other batches")
    same_gradients(again[1], first[1], case.tolerance, "asked again after other batches")
