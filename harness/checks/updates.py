"""Updates: what ``fit`` does to the weights, seen from outside, against float64 steps of the optimizer."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from harness import diagnosis, oracle
from harness.checks import tolerances
from harness.checks.context import (
    Context,
    Failed,
    NotApplicable,
    Problem,
    RestsOn,
    as_float64,
    failed,
    relative_error,
    tensor_names,
)
from harness.diagnosis import Diagnosis
from harness.oracle import Float
from harness.records import Status
from harness.session import Model, SubmissionFault

Evidence = dict[str, Any]
BATCH = 16
FLOAT32_EPS = 2.0**-23


def full_batch_update(ctx: Context, activation: str) -> Evidence:
    """One epoch on one full batch moves the weights by -learning_rate x gradient, at two learning rates."""
    return {"error": max(_compare(ctx, _Case(activation=activation, learning_rate=r)) for r in (0.1, 0.4))}


def ten_steps(ctx: Context, activation: str) -> Evidence:
    """Ten epochs on one full batch follow the float64 trajectory of gradient descent."""
    return {"error": _compare(ctx, _Case(activation=activation, learning_rate=0.1, steps=10))}


def learning_rate_zero(ctx: Context) -> Evidence:
    """Training with learning rate 0 leaves every weight as it was."""
    activation = ctx.activations[-1]
    case = _Case(activation=activation, learning_rate=0.0, steps=2)
    start, found = _fit(ctx, case, batch_size=5)
    for name, before, after in zip(tensor_names(len(found)), start.weights, found):
        moved = float(np.abs(after - before).max())
        if not moved <= FLOAT32_EPS * max(1.0, float(np.abs(before).max())):
            raise failed(
                f"{name} moved by {moved:.2g} although the learning rate is 0",
                diagnosis.update(start, found, learning_rate=0.0),
            )
    return {}


def batches_in_turn(ctx: Context) -> Evidence:
    """Two epochs of four batches follow float64: every batch makes an update, from where the last one ended.

    All batches hold the same example, so that no order of the rows matters.
    """
    activation = "tanh" if "tanh" in ctx.activations else ctx.activations[0]
    require_right_gradient(ctx, activation)
    return {"error": _compare(ctx, _Case(activation=activation, learning_rate=0.1, steps=8, batches=4))}


def weight_decay(ctx: Context, activation: str) -> Evidence:
    """Weight decay adds weight_decay x w to the gradient: of every tensor (PyTorch) or of the weights
    alone.
    """
    one = _Case(activation=activation, learning_rate=0.1, weight_decay=0.05)
    try:
        cases = [one, replace(one, steps=10)]
        batches = replace(one, steps=8, batches=4)
        with suppress(Failed, RestsOn):
            # A loop that goes wrong without decay is not decay's fault.
            _compare(ctx, replace(batches, weight_decay=0.0))
            cases.append(batches)
        return {"error": max(_compare(ctx, case) for case in cases)}
    except SubmissionFault as fault:
        raise _refused(fault, "weight_decay") from None


def adam(ctx: Context) -> Evidence:
    """Ten full-batch steps of Adam follow float64: bias corrections, step count, epsilon outside the root."""
    return _adam(ctx, 0.0)


def adam_weight_decay(ctx: Context) -> Evidence:
    """With Adam, weight decay is added to the gradient before the moments (L2), as in PyTorch."""
    return _adam(ctx, 0.05)


def small_step_lowers_the_loss(ctx: Context, activation: str) -> Evidence:
    """A small full-batch step lowers the loss of that batch, as the harness computes it from the weights."""
    require_right_gradient(ctx, activation)
    start, found = _fit(ctx, _Case(activation=activation, learning_rate=0.01))
    before = oracle.loss(start.weights, start.X, start.y, activation)
    after = oracle.loss(found, start.X, start.y, activation)
    if not after < before:
        raise Failed(f"the batch's loss goes from {before:.8g} to {after:.8g} after a step of rate 0.01")
    return {"before": before, "after": after}


def own_gradient(ctx: Context, activation: str) -> oracle.Gradient | None:
    """The submission's own gradient as a function of weights, where it is not the right one.

    A wrong gradient is charged to the gradients; an update that applies it faithfully is a right update.
    """

    def make() -> oracle.Gradient | None:
        model, start = _posed(ctx, activation)
        right = oracle.loss_and_gradients(start.weights, start.X, start.y, activation)[1]
        try:
            own = as_float64(model.loss_and_gradients(start.X, start.y)[1], start.weights, "gradients")
        except Failed:
            raise RestsOn(f"gradients_shape[{activation}]") from None
        except SubmissionFault as fault:
            if fault.status is Status.NOT_PROVIDED:
                return None  # training that shows no gradients is held against the right ones
            raise RestsOn(f"gradients_shape[{activation}]") from None
        if max(relative_error(g, r) for g, r in zip(own, right)) <= ctx.tolerance:
            return None
        if min(float(np.abs(g).max()) for g in own[::2]) == 0.0:
            return None  # an update by nothing shows nothing

        def gradient(weights: list[Float]) -> list[Float]:
            # Built anew: another check may have used the slot since.
            asked = ctx.model(replace(start, weights=weights))
            answer = asked.loss_and_gradients(start.X, start.y)[1]
            return as_float64(answer, start.weights, "gradients")

        return gradient

    return ctx.once(("own gradient", activation), make)


def require_right_gradient(ctx: Context, activation: str) -> None:
    """Skip what would only repeat that the gradient is wrong."""
    if own_gradient(ctx, activation) is not None:
        raise RestsOn(f"gradients[{activation}]")


@dataclass(frozen=True, kw_only=True)
class _Case:
    """Training by ``fit``, and what it should do.

    With more than one batch an epoch every row is the same example, so that no order of rows matters.
    """

    activation: str
    learning_rate: float
    steps: int = 1
    weight_decay: float = 0.0
    optimizer: str = "sgd"
    batches: int = 1  # updates an epoch; ``steps`` counts them all
    identical: bool = False  # one batch of rows that are all the same

    @property
    def text(self) -> str:
        plural = "s" if self.steps > 1 else ""
        kind = "full-batch" if self.batches == 1 else f"{self.batches}-batches-an-epoch"
        options = f"{self.activation}, learning rate {self.learning_rate:g}"
        options += f", weight decay {self.weight_decay:g}" if self.weight_decay else ""
        return f"{self.steps} {kind} step{plural} of {self.optimizer} ({options})"


def _fit(ctx: Context, case: _Case, *, batch_size: int = BATCH, seed: int = 0) -> tuple[Problem, list[Float]]:
    """Train the submission; return the start and the weights afterwards."""
    options: dict[str, Any] = {}
    # What is left at its default is not passed, so that a submission need not offer it.
    if case.weight_decay:
        options["weight_decay"] = case.weight_decay
    if case.optimizer != "sgd":
        options["optimizer"] = case.optimizer
    model, start = _posed(ctx, case.activation, seed=seed)
    if case.batches > 1 or case.identical:
        start = replace(start, X=np.repeat(start.X[:1], BATCH, axis=0), y=np.repeat(start.y[:1], BATCH))
    model.fit(
        start.X,
        start.y,
        epochs=case.steps // case.batches,
        batch_size=batch_size // case.batches,
        learning_rate=case.learning_rate,
        **options,
    )
    return start, as_float64(model.get_weights(), start.weights, "get_weights() after fit")


def _posed(ctx: Context, activation: str, *, seed: int = 0) -> tuple[Model, Problem]:
    return ctx.posed(ctx.problem(ctx.work_network(activation), activation, BATCH, "updates"), seed=seed)


def _adam(ctx: Context, decay: float) -> Evidence:
    """Adam belongs to the package part; from-scratch code that does not offer it loses nothing."""
    activation = "tanh" if "tanh" in ctx.activations else ctx.activations[0]
    case = _Case(activation=activation, learning_rate=1e-3, steps=10, weight_decay=decay, optimizer="adam")
    try:
        return {"error": _compare(ctx, case)}
    except SubmissionFault as fault:
        fault = _refused(fault, "optimizer='adam'")
        if ctx.part == "scratch" and fault.status is Status.NOT_PROVIDED:
            raise NotApplicable(
                "Adam is not offered, and the from-scratch part does not ask for it"
            ) from None
        raise fault from None


def _refused(fault: SubmissionFault, option: str) -> SubmissionFault:
    """Training that works without an option and raises with it does not offer it."""
    if fault.status is Status.ERROR:
        return SubmissionFault(
            Status.NOT_PROVIDED, f"fit does not offer {option} ({fault.message})", fault.detail
        )
    return fault


def _expected(case: _Case, start: Problem, gradient: oracle.Gradient | None) -> list[list[Float]]:
    """The weights after the case's steps, by every convention that is right.

    Biases decayed, and not; with Adam, epsilon added after the bias correction, and before.
    """
    asked = (start.weights, start.X, start.y, start.activation)
    found = []
    for decay_biases in (True, False) if case.weight_decay else (True,):
        options: dict[str, Any] = {
            "learning_rate": case.learning_rate,
            "weight_decay": case.weight_decay,
            "decay_biases": decay_biases,
            "gradient": gradient,
        }
        if case.optimizer == "adam":
            paths = [oracle.adam(*asked, **options, corrected_epsilon=form) for form in (True, False)]
        else:
            paths = [oracle.sgd(*asked, **options)]
        found += [next(islice(path, case.steps - 1, None)) for path in paths]
    return found


def _distance(start: Problem, found: list[Float], expected: list[Float]) -> float:
    """The worst relative error of a tensor's displacement."""
    return max(
        float(np.linalg.norm(f - e)) / max(float(np.linalg.norm(e - s)), 1e-300)
        for s, f, e in zip(start.weights, found, expected)
    )


def _compare(ctx: Context, case: _Case) -> float:
    """Train, and compare displacements tensor by tensor; return the worst relative error, or raise Failed."""
    own = own_gradient(ctx, case.activation)
    if case.batches > 1 and own is not None:
        raise RestsOn(f"gradients[{case.activation}]")
    start, found = _fit(ctx, case)
    if case.optimizer == "adam" and ctx.part == "scratch":
        plain = _expected(replace(case, optimizer="sgd"), start, None)
        if min(_distance(start, found, weights) for weights in plain) < 1e-3:
            raise SubmissionFault(Status.NOT_PROVIDED, "fit(optimizer='adam') takes plain gradient steps")
    choices = _expected(case, start, None)
    if own is not None:
        choices += _expected(case, start, own)
    expected = min(choices, key=lambda weights: _distance(start, found, weights))
    worst, wrong = 0.0, []
    for name, s, f, e in zip(tensor_names(len(found)), start.weights, found, expected):
        moved, error = float(np.linalg.norm(e - s)), float(np.linalg.norm(f - e))
        worst = max(worst, error / moved if moved else error)
        if not error <= _allowed(ctx, case, s, moved):
            ratio = float(np.linalg.norm(f - s)) / moved if moved else float("inf")
            relative = error / max(moved, 1e-300)
            wrong.append(f"{name} moved {ratio:.4g} x as far as it should, error {relative:.2g}")
    if wrong:
        raise _wrong(ctx, case, start, found, wrong, diagnosed=own is None)
    return worst


def _draws_at_random(ctx: Context, case: _Case, start: Problem) -> bool:
    """Whether training on rows that are all alike ends differently by the seed alone."""
    alike = replace(case, identical=True)
    (_, first), (_, second) = (_fit(ctx, alike, seed=seed) for seed in (0, 1))
    for i, s in enumerate(start.weights):
        moved = float(np.linalg.norm(first[i] - s))
        # Weights drawn anew move as far as they are long: that is another mistake.
        if i % 2 == 0 and moved > 0.5 * float(np.linalg.norm(s)):
            return False
    return any(
        float(np.linalg.norm(a - b)) > 1e-2 * float(np.linalg.norm(a - s))
        for s, a, b in zip(start.weights, first, second)
    )


def _allowed(ctx: Context, case: _Case, start: Float, moved: float) -> float:
    """Float32 weights carry their own rounding into a displacement, once a step."""
    base = tolerances.UPDATE_FLOAT32 if ctx.float32 else tolerances.UPDATE_FLOAT64
    if case.optimizer == "adam":
        base = max(base, tolerances.ADAM)
    rounding = 4.0 * np.sqrt(case.steps) * FLOAT32_EPS * float(np.linalg.norm(start)) if ctx.float32 else 0.0
    return float(base * moved + rounding)


def _wrong(
    ctx: Context, case: _Case, start: Problem, found: list[Float], wrong: list[str], *, diagnosed: bool
) -> Failed:
    known = _known(case, start, found) if diagnosed else None
    if diagnosed and known is None and case.optimizer == "sgd" and _draws_at_random(ctx, case, start):
        return Failed(
            f"{case.text} went wrong, and on rows that are all alike its end depends on the seed: "
            "something is drawn at random (dropout, noise)",
            diagnosis="training_random",
            detail="\n".join(wrong),
        )
    more = f", and {len(wrong) - 1} more tensors" if len(wrong) > 1 else ""
    message = f"{case.text}: {wrong[0]}{more}"
    return failed(message, known, detail="\n".join(wrong))


def _known(case: _Case, start: Problem, found: list[Float]) -> Diagnosis | None:
    if case.batches > 1 and not case.weight_decay:
        return diagnosis.batches(
            start,
            found,
            learning_rate=case.learning_rate,
            epochs=case.steps // case.batches,
            batches=case.batches,
        )
    return diagnosis.update(
        start,
        found,
        learning_rate=case.learning_rate,
        steps=case.steps,
        weight_decay=case.weight_decay,
        optimizer=case.optimizer,
    )
