"""Where training ends: with the last epoch's weights, also where an earlier epoch was better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from harness import oracle
from harness.checks.context import Context, Failed, NotApplicable, Problem, failed
from harness.checks.steps import BATCH, Case, fitted, require_right_gradient
from harness.diagnosis import Diagnosis
from harness.oracle import FLOAT32_EPS, Float
from harness.session import SubmissionFault

RATES = (1.0, 0.7)  # at which a small tanh network on a few rows gets better and worse by turns
LONGEST = 16  # epochs
NEAR = 0.02  # of the way to the next nearest epoch's weights
# Such courses multiply rounding, and some take float32 code anywhere. So three more start with each, whose
# weights are shaken at every step by eight times float32's rounding. Over 200 draws right float32 code
# drifted at most 0.8 times as far as the farthest of these, which may drift so much of the same way.
SHADOWS, SHAKEN, STEADY = 3, 8 * FLOAT32_EPS, 5e-3
DRAWS = 40  # of problems; two in three have what is looked for
RESTORED = Diagnosis(
    id="best_epoch_restored",
    sentence="fit ends with the weights of the epoch that was best on the training data: keep the last one's",
)
STOPPED = Diagnosis(
    id="stops_early",
    sentence="where the loss rises, training stops at one epoch however many are asked for: make them all",
)


def ends_with_the_last_epoch(ctx: Context) -> dict[str, Any]:
    """Training whose epochs get better and worse by turns ends with the weights of the last one."""
    activation = ctx.one_activation
    require_right_gradient(ctx, activation)
    ended = _ended(ctx)
    if all(epoch == asked for asked, epoch in ended.items()):
        return {"epochs": list(ended)}
    shown = " and ".join(
        f"those of {'no epoch' if epoch is None else f'epoch {epoch}'} where {asked} are asked for"
        for asked, epoch in ended.items()
    )
    known = best_restored(ctx)
    stops = set(ended.values())
    if known is None and len(stops) == 1 and None not in stops:
        known = STOPPED
    raise failed(f"the weights that fit leaves are {shown}", known)


def best_restored(ctx: Context) -> Diagnosis | None:
    """Say so if fit ends with its best epoch's weights: training then seems to have made fewer epochs."""
    try:
        ended = _ended(ctx)
    # What goes wrong in these trainings is no name for what went wrong in others.
    except (Failed, NotApplicable, SubmissionFault):
        return None
    course = _course(ctx)
    if all(epoch in course.best(asked) for asked, epoch in ended.items()):
        return RESTORED
    return None


@dataclass(frozen=True, kw_only=True)
class _Course:
    """A full-batch training in float64: its weights, losses and accuracies before each epoch and at the end.

    The best epoch of the first ``lengths[0]`` comes before their end, and that of ``lengths[1]`` after it:
    who stops early is in the same place for both.
    """

    problem: Problem
    rate: float
    path: Sequence[Sequence[Float]]
    losses: Float
    hits: Float
    lengths: tuple[int, int] = (0, 0)

    def best(self, epochs: int) -> set[int]:
        """The epochs that may be taken for the best, by loss or accuracy, measured before or after each."""
        found = set()
        for late in (0, 1):
            of_epoch = slice(1 - late, epochs + 1 - late)
            losses, hits = self.losses[of_epoch], self.hits[of_epoch]
            most = np.flatnonzero(hits == hits.max())
            found |= {int(losses.argmin()) + 1, int(most[0]) + 1, int(most[-1]) + 1}
        return found

    def turns(self) -> Iterator[tuple[int, int]]:
        """Yield the two lengths that tell the best epoch from any other count."""
        for first in range(5, LONGEST - 3):
            if min(self.best(first)) < 2 or max(self.best(first)) > first - 2:
                continue
            for second in range(first + 4, LONGEST + 1):
                if min(self.best(second)) > first and max(self.best(second)) <= second - 2:
                    yield first, second


def _ended(ctx: Context) -> dict[int, int | None]:
    """The epoch whose weights are those that fit leaves, by the number of epochs asked for; None for none."""

    def make() -> dict[int, int | None]:
        course = _course(ctx)
        found: dict[int, int | None] = {}
        for epochs in course.lengths:
            case = Case(
                activation=course.problem.activation,
                learning_rate=course.rate,
                steps=epochs,
                start=course.problem,
            )
            start, weights = fitted(ctx, case)
            if start is not course.problem:
                raise NotApplicable("the weights cannot be set, so that the course of training is not known")
            away = _distances(weights, course.path)
            nearest, other = np.argsort(away)[:2]
            found[epochs] = int(nearest) if away[nearest] < NEAR * away[other] else None
        return found

    return ctx.once("ended", make)


def _course(ctx: Context) -> _Course:
    """A training that gets better and worse by turns."""

    def make() -> _Course:
        activation = ctx.one_activation
        sizes = ctx.work_network(activation)
        if activation != "tanh" or sizes[0] > 100:
            raise NotApplicable("asked of a small tanh network, which cannot be built")
        for draw in range(DRAWS):
            problem = ctx.problem(sizes, activation, BATCH, "ends", draw)
            for rate in RATES:
                course = _trained(problem, rate)
                lengths = _steady(course, ctx.rng("shadows", draw, rate))
                if lengths is not None:
                    return replace(course, lengths=lengths)
        raise NotApplicable("no training was found in which epochs get better and worse by turns")

    return ctx.once("course", make)


def _trained(problem: Problem, rate: float) -> _Course:
    asked = (problem.X, problem.y, problem.activation)
    steps = oracle.sgd(problem.weights, *asked, learning_rate=rate)
    path = [problem.weights, *islice(steps, LONGEST)]
    answers = [oracle.probabilities(weights, problem.X, problem.activation) for weights in path]
    return _Course(
        problem=problem,
        rate=rate,
        path=path,
        losses=np.array([oracle.loss(weights, *asked) for weights in path]),
        hits=np.array([(P.argmax(axis=1) == problem.y).sum() for P in answers]),
    )


def _steady(course: _Course, rng: np.random.Generator) -> tuple[int, int] | None:
    """The first two lengths that tell, after which float32 code is still near; None if there are none."""
    if not any(course.turns()):
        return None
    problem, drifts = course.problem, np.zeros(LONGEST + 1)
    asked = (problem.X, problem.y, problem.activation)
    for _ in range(SHADOWS):
        weights = list(problem.weights)
        for epoch in range(1, LONGEST + 1):
            weights = [w * (1.0 + SHAKEN * rng.standard_normal(w.shape)) for w in weights]
            weights = next(oracle.sgd(weights, *asked, learning_rate=course.rate))
            away = _distances(weights, course.path)
            drifts[epoch] = max(drifts[epoch], away[epoch] / np.delete(away, epoch).min())
    return next((pair for pair in course.turns() if max(drifts[list(pair)]) <= STEADY), None)


def _distances(weights: Sequence[Float], path: Sequence[Sequence[Float]]) -> Float:
    """How far weights are from those of each epoch."""
    return np.array([sum(float(np.linalg.norm(w - p)) for w, p in zip(weights, at)) for at in path])
