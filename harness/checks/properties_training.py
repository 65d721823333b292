"""Properties of training: what full-batch gradient descent does, however its steps are divided."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from harness import oracle
from harness.checks import tolerances
from harness.checks.context import Context, NotApplicable, as_float64, least_seconds, tensor_names
from harness.checks.properties_case import Broken, Case, Evidence, same, same_gradients, with_rows
from harness.checks.properties_drive import for_all
from harness.checks.steps import own_gradient
from harness.oracle import Float
from harness.records import Status
from harness.session import SubmissionFault

ROWS = (8, 15)
LONG = 1200  # rows: slices left in from debugging stop at 1,000 or sooner
OTHER_FACTOR = 3.0  # a second fit's learning rate over the first's
OTHER_RATE, DECAY = 0.03, 0.05  # of a training in between
SLOW = 0.2  # seconds for 60 rows: a scalar engine would need minutes for a long batch


def a_step_is_linear_in_the_learning_rate(ctx: Context) -> Evidence:
    """From the same weights, a full-batch step with twice the learning rate moves them twice as far."""
    return for_all(ctx, _linear, rows=ROWS, rate=(1, 8))


def training_goes_on_from_where_it_stands(ctx: Context) -> Evidence:
    """Two fits of one full-batch epoch end where one fit of two epochs does, and a fit at another learning
    rate and on other labels goes by those.
    """
    # Not ReLU: a unit that float32 puts on either side of its kink in the second step would be no mistake.
    return for_all(ctx, _continued, activations=("tanh", "sigmoid"), rows=ROWS, rate=(1, 8))


def a_step_uses_every_row_of_a_long_batch(ctx: Context) -> Evidence:
    """A full-batch step on 1,200 rows goes where steps on its two parts go on average: no row is left out."""
    return for_all(ctx, _long_batch, rows=(LONG, LONG), most=1)


def weight_decay_zero_is_none(ctx: Context) -> Evidence:
    """Asking for a weight decay of 0 is the same as not asking for one."""
    return for_all(ctx, _no_decay, rows=ROWS, rate=(1, 8))


def a_fit_leaves_nothing_behind(ctx: Context) -> Evidence:
    """After a training with weight decay and another learning rate, given the old weights again, loss,
    gradients and a step are what they were; a step is also the same after gradients were asked for.
    """
    return for_all(ctx, _left_behind, rows=ROWS, rate=(1, 8), most=4)


def _linear(case: Case) -> None:
    rate = 0.05 * case["rate"]
    once, twice = (_moved(case, learning_rate=factor * rate) for factor in (1.0, 2.0))
    what = f"moved at learning rate {2 * rate:g}, twice its way at {rate:g}"
    try:
        _same_steps(case, twice, [2.0 * step for step in once], what)
    except Broken as broken:
        raise (_kept(case, twice, once) or broken) from None


def _left_behind(case: Case) -> None:
    problem, rate = case.problem, 0.05 * case["rate"]
    loss, gradients = case.evaluate()
    step = _moved(case, learning_rate=rate)
    asked = _moved(case, learning_rate=rate, asking=True)
    for found in (step, asked):
        _no_gradient_left(case, found, [-rate * g for g in gradients])
    _same_steps(case, asked, step, "moved after loss_and_gradients of the same rows, without that question")
    try:
        _moved(case, learning_rate=OTHER_RATE, weight_decay=DECAY)
    except SubmissionFault as fault:
        if fault.status is not Status.ERROR:
            raise
        _moved(case, learning_rate=OTHER_RATE)  # it does not offer weight decay, which costs it elsewhere
    after = case.evaluate()
    what = f"after a fit with weight decay {DECAY:g}"
    try:
        same(np.array(after[0]), np.array(loss), case.tolerance, f"the loss, {what}")
        same_gradients(after[1], gradients, case.tolerance, what)
    except Broken as broken:
        grown = [a - g for a, g in zip(after[1][::2], gradients[::2])]
        added = [DECAY * w for w in problem.weights[::2]]
        decays = all(np.allclose(g, a, rtol=1e-3, atol=1e-7) for g, a in zip(grown, added))
        if all(np.allclose(a, 2.0 * g, rtol=1e-3, atol=1e-9) for a, g in zip(after[1], gradients)):
            raise Broken(
                f"{what} the gradients are twice what they were: those of its last batch are still there",
                diagnosis="gradient_accumulated",
            ) from broken
        if not decays:
            raise
        raise Broken(
            f"{what} the gradient of every W holds {DECAY:g} W: the decay of that fit is left behind",
            diagnosis="decay_left_behind",
        ) from broken
    what = f"moved at learning rate {rate:g} after a fit at {OTHER_RATE:g} with weight decay {DECAY:g}"
    again = _moved(case, learning_rate=rate)
    try:
        _same_steps(case, again, step, what)
    except Broken as broken:
        decayed = [s - rate * DECAY * w for s, w in zip(step, problem.weights)]
        weights_alone = [d if w.ndim == 2 else s for d, s, w in zip(decayed, step, problem.weights)]
        if not any(_goes(case, again, choice) for choice in (decayed, weights_alone)):
            raise
        raise Broken(f"{what}: the decay is still in force", diagnosis="settings_kept") from broken


def _no_gradient_left(case: Case, step: list[Float], expected: list[Float]) -> None:
    """Raise Broken where a fit adds the gradients of the question before it to its first update."""
    if not _goes(case, step, [2.0 * e for e in expected]):
        return
    raise Broken(
        "a full-batch step after loss_and_gradients of the same rows goes twice as far as their gradients "
        "say: those of the question are still there",
        diagnosis="gradient_accumulated",
    )


def _kept(case: Case, found: list[Float], before: list[Float]) -> Broken | None:
    """The mistake if a fit at another learning rate goes as far as the one before, or one goes nowhere."""
    lengths = [sum(float(np.linalg.norm(step)) for step in steps) for steps in (found, before)]
    if min(lengths) == 0.0 < max(lengths):
        if _stops_by_itself(case):
            return Broken(
                "a second fit leaves the weights where they are, also without set_weights between: what the "
                "first one counted (its epochs, its steps) ends the second at once",
                diagnosis="later_fits_do_nothing",
            )
        return Broken(
            "of two fits, each after set_weights, one leaves the weights where they are: it updates the "
            "arrays that set_weights has replaced",
            diagnosis="stale_parameters",
        )
    if _goes(case, found, before):
        return Broken(
            "a second fit with twice the learning rate goes as far as the first: it keeps the optimizer, "
            "or the settings, that the first one made",
            diagnosis="settings_kept",
        )
    return None


def _stops_by_itself(case: Case) -> bool:
    """Whether of two fits of a new network, whose weights nobody sets, the second moves nothing."""
    problem = case.problem
    model = case.ctx.session.build(problem.layer_sizes, problem.activation, 0)
    trained = []
    for _ in range(2):
        model.fit(problem.X, problem.y, epochs=1, batch_size=len(problem.X), learning_rate=case["rate"])
        trained.append(as_float64(model.get_weights(), problem.weights, "get_weights() after fit"))
    return all(np.array_equal(a, b) for a, b in zip(*trained))


def _continued(case: Case) -> None:
    rate = 0.05 * case["rate"]
    whole = _moved(case, learning_rate=rate, epochs=2)
    parts = _moved(case, learning_rate=rate, fits=2)
    _same_steps(
        case, parts, whole, f"moved by two fits of one epoch at learning rate {rate:g}, by one of two"
    )
    # A wrong gradient is charged to the gradients: here the steps are held against the right one.
    if own_gradient(case.ctx, case.problem.activation) is None:
        _obeys_the_second(case, rate)


def _obeys_the_second(case: Case, rate: float) -> None:
    """Raise Broken where a fit that follows another keeps its learning rate or its data."""
    problem, model = case.problem, case.model
    model.set_weights(problem.weights)
    path = [problem.weights]
    other = (problem.y + 1) % problem.layer_sizes[-1]  # data of the same shape, and not the same
    for factor, y in ((1.0, problem.y), (OTHER_FACTOR, other)):
        model.fit(problem.X, y, epochs=1, batch_size=len(problem.X), learning_rate=factor * rate)
        path.append(as_float64(model.get_weights(), problem.weights, "get_weights() after fit"))
    found = [b - a for a, b in zip(path[1], path[2])]
    ways = {
        (factor, label): [
            -factor * rate * g
            for g in oracle.loss_and_gradients(path[1], problem.X, y, problem.activation)[1]
        ]
        for factor in (1.0, OTHER_FACTOR)
        for label, y in (("first", problem.y), ("second", other))
    }
    what = f"moved by a fit at learning rate {OTHER_FACTOR * rate:g} after one at {rate:g} with other labels"
    try:
        _same_steps(case, found, ways[OTHER_FACTOR, "second"], what)
    except Broken as broken:
        if _goes(case, found, ways[1.0, "second"]):
            raise Broken(
                f"a fit at learning rate {OTHER_FACTOR * rate:g} after one at {rate:g} goes by the first: it "
                "keeps the optimizer, or the settings, that the first one made",
                diagnosis="settings_kept",
            ) from None
        if _goes(case, found, ways[OTHER_FACTOR, "first"]):
            raise Broken(
                "a second fit, on other labels, goes where those of the first lead: what the first made of "
                "its data is kept",
                diagnosis="data_kept",
            ) from None
        raise broken


def _goes(case: Case, found: list[Float], expected: list[Float]) -> bool:
    """Whether a displacement is the one expected."""
    try:
        _same_steps(case, found, expected, "")
    except Broken:
        return False
    return True


def _long_batch(case: Case) -> None:
    rows = len(case.problem.X)
    few = replace(case, problem=with_rows(case.problem, slice(0, 60)))
    if least_seconds(lambda: _moved(few, learning_rate=0.1), SLOW) > SLOW:
        raise NotApplicable(f"a fit of {rows} rows would take this submission too long")
    cut = rows // 3
    head, tail = (
        _moved(replace(case, problem=with_rows(case.problem, part)), learning_rate=0.1)
        for part in (slice(0, cut), slice(cut, rows))
    )
    expected = [(cut * h + (rows - cut) * t) / rows for h, t in zip(head, tail)]
    found = _moved(case, learning_rate=0.1)
    try:
        _same_steps(case, found, expected, f"moved on {rows} rows, on {cut} and {rows - cut}")
    except Broken as broken:
        raise Broken(str(broken), diagnosis=_cut_short(case, found)) from None


def _cut_short(case: Case, found: list[Float]) -> str | None:
    """The id of the mistake if the step is that of the first rows alone."""
    problem = case.problem
    for rows in (10, 50, 100, 128, 200, 256, 500, 512, 600, 1000, 1024):
        first = with_rows(problem, slice(0, rows))
        right = oracle.loss_and_gradients(problem.weights, first.X, first.y, problem.activation)[1]
        if _goes(case, found, [-0.1 * g for g in right]):
            return "rows_left_out"
    return None


def _no_decay(case: Case) -> None:
    rate = 0.05 * case["rate"]
    plain = _moved(case, learning_rate=rate)
    try:
        decayed = _moved(case, learning_rate=rate, weight_decay=0.0)
    except SubmissionFault as fault:
        if fault.status is Status.ERROR and "unexpected keyword" in fault.message:
            message = f"fit does not take weight_decay ({fault.message})"
            raise SubmissionFault(Status.NOT_PROVIDED, message) from None
        raise
    _same_steps(case, decayed, plain, "moved with weight_decay=0, without it")


def _moved(
    case: Case, *, learning_rate: float, epochs: int = 1, fits: int = 1, asking: bool = False, **more: Any
) -> list[Float]:
    """The displacement of every tensor, by full-batch epochs from the case's weights; ``asking`` for the
    gradients first.
    """
    problem, model = case.problem, case.model
    model.set_weights(problem.weights)
    before = as_float64(model.get_weights(), problem.weights, "get_weights()")
    if asking:
        model.loss_and_gradients(problem.X, problem.y)
    for _ in range(fits):
        model.fit(
            problem.X,
            problem.y,
            epochs=epochs,
            batch_size=len(problem.X),
            learning_rate=learning_rate,
            **more,
        )
    after = as_float64(model.get_weights(), problem.weights, "get_weights() after fit")
    return [a - b for a, b in zip(after, before)]


def _same_steps(case: Case, found: list[Float], expected: list[Float], what: str) -> None:
    base = tolerances.UPDATE_FLOAT32 if case.ctx.float32 else tolerances.UPDATE_FLOAT64
    for name, f, e, w in zip(tensor_names(len(found)), found, expected, case.problem.weights):
        # In float32 each of a few steps rounds the weights themselves.
        rounding = 8.0 * 2.0**-23 * float(np.linalg.norm(w)) if case.ctx.float32 else 0.0
        same(f, e, 1.0, f"how far {name} {what}", scale=base * float(np.linalg.norm(e)) + rounding)
