"""Updates: what ``fit`` does to the weights, seen from outside, against float64 steps of the stated
optimizer.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from harness import diagnosis, oracle
from harness.checks import tolerances
from harness.checks.context import Context, Failed, NotApplicable, Problem, as_float64, tensor_names
from harness.oracle import Float
from harness.records import Status
from harness.session import SubmissionFault

Evidence = dict[str, Any]
FLOAT32_EPS = 2.0**-23


def full_batch_update(ctx: Context, activation: str) -> Evidence:
    """One epoch on one full batch moves the weights by -learning_rate x gradient, at two learning rates."""
    worst = 0.0
    for learning_rate in (0.1, 0.4):
        start, found = _fit(ctx, activation, batch=16, learning_rate=learning_rate, epochs=1)
        expected = next(_sgd(start, learning_rate))
        worst = max(worst, _compare(ctx, start, found, expected, learning_rate=learning_rate, steps=1))
    return {"error": worst}


def ten_steps(ctx: Context, activation: str) -> Evidence:
    """Ten epochs on one full batch follow the float64 trajectory of gradient descent."""
    start, found = _fit(ctx, activation, batch=16, learning_rate=0.1, epochs=10)
    expected = next(islice(_sgd(start, 0.1), 9, None))
    return {"error": _compare(ctx, start, found, expected, learning_rate=0.1, steps=10)}


def learning_rate_zero(ctx: Context) -> Evidence:
    """Training with learning rate 0 leaves every weight as it was."""
    activation = ctx.activations[-1]
    start, found = _fit(ctx, activation, batch=16, learning_rate=0.0, epochs=2, batch_size=5)
    for name, before, after in zip(tensor_names(len(found)), start.weights, found):
        if np.abs(after - before).max() > FLOAT32_EPS * max(1.0, float(np.abs(before).max())):
            known = diagnosis.update(start, found, learning_rate=0.0)
            raise Failed(
                f"{name} moved by {np.abs(after - before).max():.2g} although the learning rate is 0"
                + (f": {known.sentence}" if known else ""),
                diagnosis=known.id if known else None,
            )
    return {}


def weight_decay(ctx: Context, activation: str) -> Evidence:
    """Weight decay adds weight_decay x w to the gradient: of every tensor (PyTorch) or of the weights
    alone, both are right.
    """
    return _decay(ctx, activation, "sgd", learning_rate=0.1)


def adam(ctx: Context) -> Evidence:
    """Ten full-batch steps of Adam follow float64: both bias corrections, the running step count, epsilon
    outside the root.
    """
    activation = "tanh" if "tanh" in ctx.activations else ctx.activations[0]
    return _optional(ctx, activation, lambda: _adam(ctx, activation, weight_decay=0.0))


def adam_weight_decay(ctx: Context) -> Evidence:
    """With Adam, weight decay is added to the gradient before the moments (L2), as in
    ``torch.optim.Adam``.
    """
    activation = "tanh" if "tanh" in ctx.activations else ctx.activations[0]
    return _optional(ctx, activation, lambda: _adam(ctx, activation, weight_decay=0.05))


def small_step_lowers_the_loss(ctx: Context, activation: str) -> Evidence:
    """A small full-batch step lowers the loss of that batch, as the harness computes it from the weights."""
    start, found = _fit(ctx, activation, batch=16, learning_rate=0.01, epochs=1)
    before = oracle.loss(start.weights, start.X, start.y, activation)
    after = oracle.loss(found, start.X, start.y, activation)
    if not after < before:
        raise Failed(
            f"the batch's loss goes from {before:.8g} to {after:.8g} after a step of learning rate 0.01"
        )
    return {"before": before, "after": after}


def _fit(
    ctx: Context,
    activation: str,
    *,
    batch: int,
    learning_rate: float,
    epochs: int,
    batch_size: int | None = None,
    **more: Any,
) -> tuple[Problem, list[Float]]:
    model, start = ctx.posed(ctx.problem(ctx.work_network(activation), activation, batch, "updates"))
    model.fit(
        start.X, start.y, epochs=epochs, batch_size=batch_size or batch, learning_rate=learning_rate, **more
    )
    return start, as_float64(model.get_weights(), start.weights, "get_weights() after fit")


def _sgd(start: Problem, learning_rate: float, **decay: Any) -> Iterator[list[Float]]:
    return oracle.sgd(start.weights, start.X, start.y, start.activation, learning_rate=learning_rate, **decay)


def _decay(ctx: Context, activation: str, optimizer: str, *, learning_rate: float) -> Evidence:
    decay = 0.05
    for steps in (1, 10):
        try:
            start, found = _fit(
                ctx, activation, batch=16, learning_rate=learning_rate, epochs=steps, weight_decay=decay
            )
        except SubmissionFault as fault:
            raise _refused(fault, "weight_decay") from None
        choices = [
            next(islice(_sgd(start, learning_rate, weight_decay=decay, decay_biases=b), steps - 1, None))
            for b in (True, False)
        ]
        right = min(choices, key=lambda weights: _distance(start, found, weights))
        error = _compare(
            ctx, start, found, right, learning_rate=learning_rate, steps=steps, weight_decay=decay
        )
    return {"error": error, "biases_decayed": right is choices[0]}


def _adam(ctx: Context, activation: str, *, weight_decay: float) -> Evidence:
    learning_rate, steps = 1e-3, 10
    more: dict[str, Any] = {"weight_decay": weight_decay} if weight_decay else {}
    start, found = _fit(
        ctx, activation, batch=16, learning_rate=learning_rate, epochs=steps, optimizer="adam", **more
    )
    plain = next(islice(_sgd(start, learning_rate), steps - 1, None))
    if _distance(start, found, plain) < 1e-3 and ctx.part == "scratch":
        raise SubmissionFault(Status.NOT_PROVIDED, "fit(optimizer='adam') takes plain gradient steps")
    choices = [
        next(
            islice(
                oracle.adam(
                    start.weights,
                    start.X,
                    start.y,
                    activation,
                    learning_rate=learning_rate,
                    weight_decay=weight_decay,
                    decay_biases=b,
                ),
                steps - 1,
                None,
            )
        )
        for b in (True, False)
    ]
    right = min(choices, key=lambda weights: _distance(start, found, weights))
    error = _compare(
        ctx,
        start,
        found,
        right,
        learning_rate=learning_rate,
        steps=steps,
        weight_decay=weight_decay,
        optimizer="adam",
    )
    return {"error": error}


def _optional(ctx: Context, activation: str, measure: Any) -> Evidence:
    """Adam belongs to the package part; from-scratch code that does not offer it loses nothing."""
    try:
        result: Evidence = measure()
    except SubmissionFault as fault:
        fault = _refused(fault, "optimizer='adam'")
        if ctx.part == "scratch" and fault.status is Status.NOT_PROVIDED:
            raise NotApplicable(
                "Adam is not offered, and the from-scratch part does not ask for it"
            ) from None
        raise fault from None
    return result


def _refused(fault: SubmissionFault, option: str) -> SubmissionFault:
    """An exception that names the option it does not take is an honest refusal: not provided."""
    words = ("optimizer", "adam", "weight_decay", "unexpected keyword", "not supported", "unsupported")
    if fault.status is Status.ERROR and any(word in fault.message.lower() for word in words):
        return SubmissionFault(Status.NOT_PROVIDED, f"fit does not offer {option} ({fault.message})")
    return fault


def _distance(start: Problem, found: list[Float], expected: list[Float]) -> float:
    """The worst relative error of a tensor's displacement."""
    return max(
        float(np.linalg.norm(f - e)) / max(float(np.linalg.norm(e - s)), 1e-300)
        for s, f, e in zip(start.weights, found, expected)
    )


def _compare(
    ctx: Context,
    start: Problem,
    found: list[Float],
    expected: list[Float],
    *,
    learning_rate: float,
    steps: int,
    weight_decay: float = 0.0,
    optimizer: str = "sgd",
) -> float:
    """Compare displacements tensor by tensor; float32 weights carry their own rounding into a
    displacement.
    """
    worst, wrong = 0.0, []
    base = tolerances.UPDATE_FLOAT32 if ctx.float32 else tolerances.UPDATE_FLOAT64
    if optimizer == "adam":
        base = max(base, tolerances.ADAM)
    for name, s, f, e in zip(tensor_names(len(found)), start.weights, found, expected):
        moved = float(np.linalg.norm(e - s))
        rounding = 4.0 * np.sqrt(steps) * FLOAT32_EPS * float(np.linalg.norm(s)) if ctx.float32 else 0.0
        error = float(np.linalg.norm(f - e))
        worst = max(worst, error / moved if moved else error)
        if not error <= base * moved + rounding:
            ratio = float(np.linalg.norm(f - s)) / moved if moved else float("inf")
            wrong.append(
                f"{name} moved {ratio:.4g} x as far as it should, error {error / max(moved, 1e-300):.2g}"
            )
    if wrong:
        known = diagnosis.update(
            start,
            found,
            learning_rate=learning_rate,
            steps=steps,
            weight_decay=weight_decay,
            optimizer=optimizer,
        )
        plural = "s" if steps > 1 else ""
        options = f"{start.activation}, learning rate {learning_rate:g}"
        options += f", weight decay {weight_decay:g}" if weight_decay else ""
        what = f"{steps} full-batch step{plural} of {optimizer} ({options})"
        message = f"{what}: {wrong[0]}" + (f", and {len(wrong) - 1} more tensors" if len(wrong) > 1 else "")
        raise Failed(
            f"{known.sentence} [{message}]" if known else message,
            diagnosis=known.id if known else None,
            detail="\n".join(wrong),
            evidence={"error": worst},
        )
    return worst
