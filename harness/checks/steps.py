"""Steps of training: ``fit`` on a problem, beside float64 steps of the optimizer from the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

import numpy as np

from harness import diagnosis, oracle
from harness.checks import tolerances
from harness.checks.context import (
    Context,
    Failed,
    Problem,
    RestsOn,
    alike,
    as_float64,
    failed,
    tensor_names,
    worst_error,
)
from harness.diagnosis import Diagnosis
from harness.oracle import FLOAT32_EPS, Float
from harness.records import Status
from harness.session import SubmissionFault

BATCH = 16


def own_gradient(ctx: Context, activation: str) -> oracle.Gradient | None:
    """The submission's own gradient as a function of weights, where it is not the right one.

    A wrong gradient is charged to the gradients; an update that applies it faithfully is a right update.
    """

    def make() -> oracle.Gradient | None:
        model, start = ctx.posed(problem_of(ctx, activation))
        right = oracle.loss_and_gradients(start.weights, start.X, start.y, activation)[1]
        try:
            own = as_float64(model.loss_and_gradients(start.X, start.y)[1], start.weights, "gradients")
        except Failed:
            raise RestsOn(f"gradients_shape[{activation}]") from None
        except SubmissionFault as fault:
            if fault.status is Status.NOT_PROVIDED:
                return None  # training that shows no gradients is held against the right ones
            raise RestsOn(f"gradients_shape[{activation}]") from None
        if worst_error(own, right) <= ctx.tolerance:
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
class Case:
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
    rows: int = BATCH
    start: Problem | None = None  # the problem to start from, where it is not the usual one

    @property
    def text(self) -> str:
        """What is trained, in words."""
        plural = "s" if self.steps > 1 else ""
        kind = "full-batch" if self.batches == 1 else f"{self.batches}-batches-an-epoch"
        options = f"{self.activation}, learning rate {self.learning_rate:g}"
        options += f", weight decay {self.weight_decay:g}" if self.weight_decay else ""
        options += f", network {'-'.join(map(str, self.start.layer_sizes))}" if self.start else ""
        return f"{self.steps} {kind} step{plural} of {self.optimizer} ({options})"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Where training went: ``wrong`` says for each tensor that went astray how far."""

    case: Case
    start: Problem
    found: list[Float]
    error: float  # the worst relative error of a tensor's displacement
    wrong: tuple[str, ...]
    of_own_gradient: bool  # the submission's gradient is wrong: what an update shows need not be the update's


Namer = Callable[[Context, Outcome], Diagnosis | None]


def fitted(
    ctx: Context, case: Case, *, batch_size: int | None = None, seed: int = 0
) -> tuple[Problem, list[Float]]:
    """Train the submission; return the start and the weights afterwards."""
    options: dict[str, Any] = {}
    # What is left at its default is not passed, so that a submission need not offer it.
    if case.weight_decay:
        options["weight_decay"] = case.weight_decay
    if case.optimizer != "sgd":
        options["optimizer"] = case.optimizer
    problem = case.start or problem_of(ctx, case.activation, case.rows)
    model, start = ctx.posed(problem, seed=seed)
    if case.batches > 1 or case.identical:
        start = alike(start, case.rows)
    model.fit(
        start.X,
        start.y,
        epochs=case.steps // case.batches,
        batch_size=(batch_size or case.rows) // case.batches,
        learning_rate=case.learning_rate,
        **options,
    )
    return start, as_float64(model.get_weights(), start.weights, "get_weights() after fit")


def problem_of(ctx: Context, activation: str, rows: int = BATCH) -> Problem:
    """Return the problem that updates are measured on."""
    return ctx.problem(ctx.work_network(activation), activation, rows, "updates")


def tried(ctx: Context, case: Case) -> Outcome:
    """Train, and compare displacements tensor by tensor with float64."""
    own = own_gradient(ctx, case.activation)
    if own is not None and (case.batches > 1 or case.start is not None or case.rows != BATCH):
        raise RestsOn(f"gradients[{case.activation}]")  # the own gradient is known on the usual rows alone
    start, found = fitted(ctx, case)
    if case.optimizer == "adam" and ctx.part == "scratch":
        plain = expected(replace(case, optimizer="sgd"), start, None)
        if distance(start, found, _nearest(start, found, plain)) < 1e-3:
            raise SubmissionFault(Status.NOT_PROVIDED, "fit(optimizer='adam') takes plain gradient steps")
    choices = expected(case, start, None)
    if own is not None:
        choices = chain(choices, expected(case, start, own))
    right = _nearest(start, found, choices)
    worst, wrong = 0.0, []
    for name, s, f, e in zip(tensor_names(len(found)), start.weights, found, right):
        moved, error = float(np.linalg.norm(e - s)), float(np.linalg.norm(f - e))
        worst = max(worst, error / moved if moved else error)
        if not error <= _allowed(ctx, case, s, moved):
            ratio = float(np.linalg.norm(f - s)) / moved if moved else float("inf")
            relative = error / max(moved, 1e-300)
            wrong.append(f"{name} moved {ratio:.4g} x as far as it should, error {relative:.2g}")
    return Outcome(
        case=case,
        start=start,
        found=found,
        error=worst,
        wrong=tuple(wrong),
        of_own_gradient=own is not None,
    )


def compare(ctx: Context, case: Case, name: Namer | None = None) -> float:
    """Return the worst relative error, or raise Failed with the mistake that ``name`` finds."""
    outcome = tried(ctx, case)
    if outcome.wrong:
        raise _failure(ctx, outcome, name or named)
    return outcome.error


def expected(case: Case, start: Problem, gradient: oracle.Gradient | None) -> Iterator[list[Float]]:
    """Yield the weights after the case's steps, by every convention that is right.

    Biases decayed, and not; with Adam, epsilon added after the bias correction, and before.
    """
    asked = (start.weights, start.X, start.y, start.activation)
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
        yield from (next(islice(path, case.steps - 1, None)) for path in paths)


def _nearest(start: Problem, found: list[Float], choices: Iterable[list[Float]]) -> list[Float]:
    """The weights that those found are nearest to; what fits to float64's tolerance ends the search."""
    ways = iter(choices)
    nearest = next(ways)
    least = distance(start, found, nearest)
    while least > tolerances.FLOAT64 and (weights := next(ways, None)) is not None:
        if (off := distance(start, found, weights)) < least:
            nearest, least = weights, off
    return nearest


def distance(start: Problem, found: list[Float], right: list[Float]) -> float:
    """The worst relative error of a tensor's displacement."""
    return max(
        float(np.linalg.norm(f - e)) / max(float(np.linalg.norm(e - s)), 1e-300)
        for s, f, e in zip(start.weights, found, right)
    )


def _allowed(ctx: Context, case: Case, start: Float, moved: float) -> float:
    """Float32 weights carry their own rounding into a displacement, once a step."""
    base = tolerances.UPDATE_FLOAT32 if ctx.float32 else tolerances.UPDATE_FLOAT64
    if case.optimizer == "adam":
        base = max(base, tolerances.ADAM)
    rounding = 4.0 * np.sqrt(case.steps) * FLOAT32_EPS * float(np.linalg.norm(start)) if ctx.float32 else 0.0
    return float(base * moved + rounding)


def _draws_at_random(ctx: Context, case: Case, start: Problem) -> bool:
    """Whether training on rows that are all alike ends differently by the seed alone."""
    same = replace(case, identical=True)
    (_, first), (_, second) = (fitted(ctx, same, seed=seed) for seed in (0, 1))
    for i, s in enumerate(start.weights):
        moved = float(np.linalg.norm(first[i] - s))
        # Weights drawn anew move as far as they are long: that is another mistake.
        if i % 2 == 0 and moved > 0.5 * float(np.linalg.norm(s)):
            return False
    return any(
        float(np.linalg.norm(a - b)) > 1e-2 * float(np.linalg.norm(a - s))
        for s, a, b in zip(start.weights, first, second)
    )


def _failure(ctx: Context, outcome: Outcome, name: Namer) -> Failed:
    case, wrong = outcome.case, outcome.wrong
    known = None if outcome.of_own_gradient else name(ctx, outcome)
    random = not outcome.of_own_gradient and known is None and case.optimizer == "sgd"
    if random and _draws_at_random(ctx, case, outcome.start):
        return Failed(
            f"{case.text} went wrong, and on rows that are all alike its end depends on the seed: "
            "something is drawn at random (dropout, noise)",
            diagnosis="training_random",
            detail="\n".join(wrong),
        )
    more = f", and {len(wrong) - 1} more tensors" if len(wrong) > 1 else ""
    return failed(f"{case.text}: {wrong[0]}{more}", known, detail="\n".join(wrong))


def named(ctx: Context, outcome: Outcome) -> Diagnosis | None:
    """Return the known mistake that gives the weights after all steps."""
    case = outcome.case
    return diagnosis.update(
        outcome.start,
        outcome.found,
        learning_rate=case.learning_rate,
        steps=case.steps,
        weight_decay=case.weight_decay,
        optimizer=case.optimizer,
        batches=case.batches,
    )
