"""What a mistaken update is called: further trainings that tell one mistake from another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness import diagnosis
from harness.checks.context import Context
from harness.checks.ends import best_restored
from harness.checks.steps import Case, Outcome, fitted, named, tried
from harness.diagnosis import Diagnosis, Observed
from harness.oracle import Float

# Steps that are too long or too short are measured at other rates, and on a batch of another size, too:
# a square, a warm-up and a rate that is written down then differ.
RATES = (0.1, 0.4)
OTHER_RATE = 0.05
OTHER_ROWS = 11


def by_rates(ctx: Context, outcome: Outcome) -> Diagnosis | None:
    """Name what a step of the wrong length or direction shows at several rates and numbers of rows."""
    case = replace(outcome.case, learning_rate=RATES[0])
    cases = [
        case,
        *(replace(case, learning_rate=rate) for rate in (*RATES[1:], OTHER_RATE)),
        replace(case, rows=OTHER_ROWS),
    ]
    steps = [_observed(ctx, each) for each in cases]
    return diagnosis.steps(steps, _following(ctx, case, steps[0].found, 2))


def step_by_step(ctx: Context, outcome: Outcome) -> Diagnosis | None:
    """Name the mistake in ten steps, or else in the first wrong one, from the weights before it."""
    case = outcome.case
    known = by_epochs(ctx, outcome)
    if known is not None:
        return known
    steps = [_observed(ctx, replace(case, steps=1))]
    for number in range(2, case.steps + 1):
        steps.append(_following(ctx, case, steps[-1].found, number))
    return diagnosis.later_steps(steps)


def by_epochs(ctx: Context, outcome: Outcome) -> Diagnosis | None:
    """Name the mistake in several epochs: too few may have been made, or the best one's weights restored."""
    known = named(ctx, outcome)
    if known is None:
        return None
    return best_restored(ctx) or known


def _observed(ctx: Context, case: Case) -> Observed:
    start, found = fitted(ctx, case)
    return Observed(problem=start, learning_rate=case.learning_rate, found=found)


def _following(ctx: Context, case: Case, before: Sequence[Float], number: int) -> Observed:
    """The step of this number, seen from the weights that the steps before it lead to."""
    start, found = fitted(ctx, replace(case, steps=number))
    return Observed(
        problem=replace(start, weights=list(before)), learning_rate=case.learning_rate, found=found
    )


def clipped(ctx: Context, outcome: Outcome) -> Diagnosis | None:
    """Name what is done to a large gradient."""
    return diagnosis.large_step(outcome.start, outcome.found, learning_rate=outcome.case.learning_rate)


def adam_at_rates(ctx: Context, outcome: Outcome) -> Diagnosis | None:
    """Name what goes wrong with Adam, unless training at another rate contradicts it."""
    known = named(ctx, outcome)
    if known is None or outcome.case.weight_decay:
        return known
    other = named(ctx, tried(ctx, collapse(outcome.case)))
    if known.id == "learning_rate_ignored":
        return known if other is not None and other.id == known.id else None
    return known if other is None or other.id == known.id else None


def adam_afresh(ctx: Context, outcome: Outcome) -> Diagnosis | None:
    """Name what goes wrong with Adam, or say that only an earlier training makes it go wrong."""
    known = adam_at_rates(ctx, outcome)
    if known is not None:
        return known
    ctx.session.restart()
    if tried(ctx, outcome.case).wrong:
        return None
    return Diagnosis(
        id="adam_state_shared",
        sentence="the same steps are right in a process that trained nothing before: what Adam keeps is "
        "shared with other networks and trainings (a default argument, an attribute of the class)",
    )


def collapse(case: Case) -> Case:
    """Training on one example until next to nothing is left of the gradient, in epochs of four batches.

    The second running mean then falls, which AMSGrad's maximum does not: by its other form that moves the
    weights 2.8e-3 less in float64 and float32, and right code is off by 1e-15 and 6e-7.
    """
    return replace(case, learning_rate=0.03, steps=40, batches=4, rows=8)


def unnamed(_: Context, __: Outcome) -> None:
    """No name: where trying every mistake over hundreds of steps would take too long."""
    return None
