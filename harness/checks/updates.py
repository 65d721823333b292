"""Updates: what ``fit`` does to the weights, seen from outside, against float64 steps of the optimizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain, islice, product
from typing import Any

import numpy as np

from harness import diagnosis, oracle
from harness.checks import tolerances
from harness.checks.context import (
    ONE_UNIT,
    SQUARE,
    Context,
    Failed,
    NotApplicable,
    Problem,
    RestsOn,
    as_float64,
    clear_of_kinks,
    failed,
    relative_error,
    tensor_names,
)
from harness.checks.ends import best_restored
from harness.checks.naming import (
    RATES,
    adam_afresh,
    adam_at_rates,
    by_epochs,
    by_rates,
    clipped,
    collapse,
    step_by_step,
    unnamed,
)
from harness.checks.steps import (
    BATCH,
    Case,
    compare,
    distance,
    expected,
    fitted,
    named,
    own_gradient,
    problem_of,
    require_right_gradient,
)
from harness.oracle import FLOAT32_EPS, Float
from harness.records import Status
from harness.session import SubmissionFault

Evidence = dict[str, Any]

LONG_WAY, LONG_RATE = 300, 1e-4  # steps of Adam, short enough that rounding does not lead elsewhere
QUICK_ANSWER = 2e-3  # seconds for 8 rows: code that takes longer is spared so many steps
EPOCHS = 30  # more than the patience of any usual early stopping
# A step lowers the loss by about 1e-5, which counts as standing still; float64 takes the same steps.
SLOW_RATE = 3e-5
# The typical errors of a step in bfloat16 were measured as 1.6e-3 to 8e-3, in float16 as 3e-4 to 7e-4.
HALVES = (("float16", 1e-4, 8e-4), ("bfloat16", 1.2e-3, 3e-2))
# Right float64 code is off by 2e-14 on gradients so large, right float32 code by 5e-5 (tolerance 2e-3).
STEEP = 200.0  # how many times the usual gradient the first layer's is in ``large_gradient``


def full_batch_update(ctx: Context, activation: str) -> Evidence:
    """One epoch on one full batch moves the weights by -learning_rate x gradient, at two learning rates."""
    cases = [Case(activation=activation, learning_rate=rate) for rate in RATES]
    return {"error": max(compare(ctx, case, by_rates) for case in cases)}


def other_networks_are_trained(ctx: Context) -> Evidence:
    """A full-batch step moves every tensor as float64 does in networks of one to five layers, too."""
    activation = ctx.one_activation
    require_right_gradient(ctx, activation)
    problems = ctx.deep_problems(activation)
    if not problems:
        raise NotApplicable("no network of another depth can be built")
    cases = [
        Case(activation=activation, learning_rate=0.1, rows=len(start.X), start=start) for start in problems
    ]
    return {"error": max(compare(ctx, case, named) for case in cases)}


def large_gradient(ctx: Context) -> Evidence:
    """A step is as long as a large gradient says: neither gradients nor weights are cut down to a limit."""
    activation = ctx.one_activation
    require_right_gradient(ctx, activation)
    start = _steep(ctx, activation)
    return {"error": compare(ctx, Case(activation=activation, learning_rate=0.1, start=start), clipped)}


def ten_steps(ctx: Context, activation: str) -> Evidence:
    """Ten epochs on one full batch follow the float64 trajectory of gradient descent."""
    return {"error": compare(ctx, Case(activation=activation, learning_rate=0.1, steps=10), step_by_step)}


def learning_rate_zero(ctx: Context) -> Evidence:
    """Training with learning rate 0 leaves every weight as it was."""
    activation = ctx.activations[-1]
    case = Case(activation=activation, learning_rate=0.0, steps=2)
    try:
        start, found = fitted(ctx, case, batch_size=5)
    except SubmissionFault as fault:
        if fault.status is not Status.ERROR:
            raise
        fitted(ctx, replace(case, learning_rate=0.01), batch_size=5)  # what fails here, too, is its fault
        raise NotApplicable(f"fit refuses a learning rate of 0 ({fault.message})") from None
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
    activation = ctx.one_activation
    require_right_gradient(ctx, activation)
    case = Case(activation=activation, learning_rate=0.1, steps=8, batches=4)
    return {"error": compare(ctx, case, by_epochs)}


def trains_to_the_last_epoch(ctx: Context) -> Evidence:
    """Thirty epochs make thirty updates also where the loss hardly falls: nothing stops or slows down."""
    activation = ctx.one_activation
    require_right_gradient(ctx, activation)
    done = _epochs_done(ctx, activation, EPOCHS)
    if abs(done - EPOCHS) < 0.5:
        return {"epochs": done}
    last = done - _epochs_done(ctx, activation, EPOCHS - 1)
    whole = abs(done - round(done)) < 0.1
    if whole and abs(last) < 0.01 and done < EPOCHS:
        if (restored := best_restored(ctx)) is not None:
            raise failed(f"{EPOCHS} epochs end with the weights after {done:.0f}", restored)
        raise Failed(
            f"where the loss hardly falls training stops after {done:.0f} of {EPOCHS} epochs: "
            "it should make all that are asked for",
            diagnosis="stops_early",
        )
    raise Failed(
        f"where the loss hardly falls {EPOCHS} epochs move the weights as far as {done:.2f} should, "
        f"the last one {abs(last):.2g} x as far as one should",
        diagnosis="learning_rate_decays" if not whole and -0.01 < last < 0.9 and done < EPOCHS else None,
    )


def single_precision(ctx: Context) -> Evidence:
    """Given float32 weights and inputs, gradients and a step are as right as float32 can make them."""
    activation = ctx.one_activation
    require_right_gradient(ctx, activation)
    usual = problem_of(ctx, activation)
    given = [w.astype(np.float32) for w in usual.weights]
    X = usual.X.astype(np.float32)
    exact = replace(usual, weights=[w.astype(np.float64) for w in given], X=X.astype(np.float64))
    right = oracle.loss_and_gradients(exact.weights, exact.X, exact.y, activation)[1]
    model = ctx.session.build(usual.layer_sizes, activation, 0)
    if "set_weights" not in model.verbs:
        raise NotApplicable("the weights cannot be set, so that they cannot be given in float32")
    model.set_weights(given)
    P = model.predict_proba(X).astype(np.float64)
    off = relative_error(P, oracle.probabilities(exact.weights, exact.X, activation))
    if not off <= tolerances.FLOAT32:
        known = next((name for name, least, most in HALVES if least / 3.0 < off < most), None)
        raise Failed(
            f"with float32 weights predict_proba is off by {off:.2g} (tolerance {tolerances.FLOAT32:g}), "
            "with float64 weights it is right" + (f": the size of {known}'s rounding" if known else ""),
            diagnosis=known,
        )
    worst = 0.0
    if "loss_and_gradients" in model.verbs:
        asked = as_float64(model.loss_and_gradients(X, usual.y)[1], right, "gradients")
        errors = [relative_error(g, r) for g, r in zip(asked, right)]
        worst = max(errors)
        if not worst <= tolerances.FLOAT32:
            raise _less_than_single("the gradients", errors, asked, right)
        # Asking may have left something behind, which is another mistake.
        model = ctx.session.build(usual.layer_sizes, activation, 0)
        model.set_weights(given)
    model.fit(X, usual.y, epochs=1, batch_size=BATCH, learning_rate=1.0)
    after = as_float64(model.get_weights(), right, "get_weights() after fit")
    moved = [w - f for w, f in zip(exact.weights, after)]
    errors = [relative_error(m, r) for m, r in zip(moved, right)]
    rounding = [
        FLOAT32_EPS * float(np.linalg.norm(w)) / (float(np.linalg.norm(r)) or 1.0)
        for w, r in zip(given, right)
    ]
    if not all(error <= tolerances.STEP_FLOAT32 + more for error, more in zip(errors, rounding)):
        raise _less_than_single("a full-batch step", errors, moved, right)
    return {"gradient_error": worst, "error": max(errors)}


def weight_decay(ctx: Context, activation: str) -> Evidence:
    """Weight decay adds weight_decay x w to the gradient: of every tensor (PyTorch) or of the weights
    alone.
    """
    one = Case(activation=activation, learning_rate=0.1, weight_decay=0.05)
    try:
        cases = [one, replace(one, steps=10)]
        batches = replace(one, steps=8, batches=4)
        with suppress(Failed, RestsOn):
            # A loop that goes wrong without decay is not decay's fault.
            compare(ctx, replace(batches, weight_decay=0.0))
            cases.append(batches)
        if own_gradient(ctx, activation) is None and ctx.can_pose(ONE_UNIT, activation):
            # A matrix of one row must not be taken for a bias. The unit is on for all rows.
            narrow = ctx.problem(ONE_UNIT, activation, BATCH, "updates")
            raised = [*map(np.abs, narrow.weights[:2]), *narrow.weights[2:]]
            cases.append(replace(one, start=replace(narrow, weights=raised)))
        return {"error": max(compare(ctx, case) for case in cases)}
    except SubmissionFault as fault:
        raise _refused(fault, "weight_decay") from None


def adam(ctx: Context) -> Evidence:
    """Steps of Adam follow float64, also over batches, small gradients, square layers and a second fit."""
    return _adam(ctx, 0.0)


def adam_weight_decay(ctx: Context) -> Evidence:
    """With Adam, weight decay is added to the gradient before the moments (L2), as in PyTorch."""
    return _adam(ctx, 0.05)


def small_step_lowers_the_loss(ctx: Context, activation: str) -> Evidence:
    """A small full-batch step lowers the loss of that batch, as the harness computes it from the weights."""
    require_right_gradient(ctx, activation)
    start, found = fitted(ctx, Case(activation=activation, learning_rate=0.01))
    before = oracle.loss(start.weights, start.X, start.y, activation)
    after = oracle.loss(found, start.X, start.y, activation)
    if not after < before:
        raise Failed(f"the batch's loss goes from {before:.8g} to {after:.8g} after a step of rate 0.01")
    return {"before": before, "after": after}


def _steep(ctx: Context, activation: str) -> Problem:
    """A problem with the usual values in every layer and a gradient ``STEEP`` times the usual in the first.

    The first layer's weights are as much smaller as those above it together are larger.
    """

    def make() -> Problem:
        usual = problem_of(ctx, activation)
        layers = len(usual.weights) // 2
        if layers < 2:
            return usual
        each = STEEP ** (1.0 / (layers - 1))
        scale = 1.0 / STEEP
        weights = []
        for i in range(0, len(usual.weights), 2):
            weights += [usual.weights[i] * (each if i else scale), usual.weights[i + 1] * scale]
            scale *= each
        X = usual.X.copy()
        if activation == "relu":
            clear_of_kinks(weights, X, ctx.rng("steep"))
        # One label for all rows, so that they pull in one direction.
        return replace(usual, weights=weights, X=X, y=np.full_like(usual.y, usual.y[0]))

    return ctx.once(("steep", activation), make)


def _epochs_done(ctx: Context, activation: str, epochs: int) -> float:
    """How many steps the last bias, which moves most, has made on the way that float64 takes at this rate.

    Beyond the end of that way it is taken to go on as in its last step.
    """
    start, found = fitted(ctx, Case(activation=activation, learning_rate=SLOW_RATE, steps=epochs))
    way = ctx.once(("slow way", activation), lambda: _slow_way(start, activation))
    onwards = way[-1] - way[0]
    done = [float(np.vdot(b - way[0], onwards)) for b in (*way, found[-1])]
    reached = done.pop()
    if reached > done[-1]:
        return EPOCHS + (reached - done[-1]) / (done[-1] - done[-2])
    if reached < 0:
        return reached / done[1]
    return float(np.interp(reached, done, range(len(done))))


def _slow_way(start: Problem, activation: str) -> list[Float]:
    """The last bias before and after each of ``EPOCHS`` steps."""
    steps = oracle.sgd(start.weights, start.X, start.y, activation, learning_rate=SLOW_RATE)
    return [start.weights[-1], *(weights[-1] for weights in islice(steps, EPOCHS))]


def _less_than_single(
    what: str, errors: Sequence[float], found: Sequence[Float], right: Sequence[Float]
) -> Failed:
    """What is wrong in float32 alone: named where it is of the size of a shorter format's rounding."""
    names = tensor_names(len(errors))
    worst = int(np.argmax(errors))
    typical = float(np.exp(np.mean(np.log(np.maximum(errors, 1e-12)))))
    alike = all(
        float(np.vdot(f, r)) > 0.99 * float(np.linalg.norm(f) * np.linalg.norm(r))
        for f, r in zip(found, right)
    )
    known = None
    for name, least, most in HALVES:
        if alike and least < typical < most:
            known = name
    reason = f", the size of {known}'s rounding: compute in float32" if known else ""
    return Failed(
        f"with float32 weights {what} is off by {errors[worst]:.2g} in {names[worst]} "
        f"(tolerance {tolerances.STEP_FLOAT32:g}), with float64 weights it is right{reason}",
        diagnosis=known,
    )


def _adam(ctx: Context, decay: float) -> Evidence:
    """Adam belongs to the package part; from-scratch code that does not offer it loses nothing."""
    activation = ctx.one_activation
    case = Case(activation=activation, learning_rate=1e-3, steps=10, weight_decay=decay, optimizer="adam")
    try:
        error = compare(ctx, case, adam_at_rates)
        if not decay and own_gradient(ctx, activation) is None:
            error = max(error, compare(ctx, collapse(case), adam_afresh), *_adam_on_square_layers(ctx, case))
            error = max(error, _adam_again(ctx, replace(case, steps=5)))
        # A ReLU unit at its kink, which float32 may put on either side, leads Adam elsewhere.
        if not decay and activation != "relu" and own_gradient(ctx, activation) is None:
            error = max(error, _adam_of_sparse_rows(ctx, case))
            if ctx.answers_within(ctx.work_network(activation), activation, QUICK_ANSWER):
                long = replace(case, learning_rate=LONG_RATE, steps=LONG_WAY)
                error = max(error, compare(ctx, long, unnamed))
        return {"error": error}
    except SubmissionFault as fault:
        fault = _refused(fault, "optimizer='adam'")
        if ctx.part == "scratch" and fault.status is Status.NOT_PROVIDED:
            raise NotApplicable(
                "Adam is not offered, and the from-scratch part does not ask for it"
            ) from None
        raise fault from None


def _adam_on_square_layers(ctx: Context, case: Case) -> list[float]:
    """The error where tensors have the same shape, by which their running means may be mixed up."""
    if not ctx.can_pose(SQUARE, case.activation):
        return []
    square = ctx.problem(SQUARE, case.activation, BATCH, "updates")
    return [compare(ctx, replace(case, start=square), adam_afresh)]


def _adam_again(ctx: Context, case: Case) -> float:
    """Return the error of a second fit: one that starts afresh, or goes on with all that the first one knew.

    Both are right. A step count that goes on while the running means start again, or the other way, is not.
    """
    model, start = ctx.posed(problem_of(ctx, case.activation))
    options: dict[str, Any] = {
        "epochs": case.steps,
        "batch_size": case.rows,
        "learning_rate": case.learning_rate,
        "optimizer": "adam",
    }
    asked = (start.X, start.y)
    model.fit(*asked, **options)
    middle = as_float64(model.get_weights(), start.weights, "get_weights() after fit")
    model.fit(*asked, **options)
    found = as_float64(model.get_weights(), start.weights, "get_weights() after a second fit")
    from_middle = replace(start, weights=middle)
    afresh = expected(case, from_middle, None)
    # The whole way from the start, since what the running means hold is not to be seen from outside.
    onwards = expected(replace(case, steps=2 * case.steps), start, None)
    error = min(distance(from_middle, found, weights) for weights in (*afresh, *onwards))
    # In float32 the second half of the way begins from rounded weights.
    limit = 1e-2 if ctx.float32 else 10.0 * tolerances.ADAM
    if error <= limit:
        return error
    raise failed(
        f"a second fit of {case.steps} steps of adam ({case.activation}) neither starts afresh nor goes on "
        f"where the first one ended: error {error:.2g}",
        diagnosis.second_fit(start, from_middle, found, learning_rate=case.learning_rate, steps=case.steps),
    )


def _adam_of_sparse_rows(ctx: Context, case: Case) -> float:
    """Return the error where an input is 0 in every other step: its means go on falling, and move it.

    Batches of one of two rows: of the orders that three epochs can have the nearest is taken.
    """
    usual = problem_of(ctx, case.activation)
    X = usual.X[:2].copy()
    half = X.shape[1] // 2
    X[0, :half] = 0.0
    X[1, half:] = 0.0
    model, start = ctx.posed(replace(usual, X=X, y=usual.y[:2]))
    epochs = 3
    options: dict[str, Any] = {"epochs": epochs, "batch_size": 1, "learning_rate": case.learning_rate}
    model.fit(start.X, start.y, optimizer="adam", **options)
    found = as_float64(model.get_weights(), start.weights, "get_weights() after fit")
    limit = 1e-2 if ctx.float32 else 10.0 * tolerances.ADAM
    nearest = np.inf
    for orders in product(((0, 1), (1, 0)), repeat=epochs):
        for corrected in (True, False):
            rows = chain.from_iterable(orders)

            def of_next_row(weights: list[Float], rows: Iterator[int] = rows) -> list[Float]:
                row = next(rows)
                asked = (start.X[row : row + 1], start.y[row : row + 1], start.activation)
                return oracle.loss_and_gradients(weights, *asked)[1]

            path = oracle.adam(
                start.weights,
                start.X,
                start.y,
                start.activation,
                learning_rate=case.learning_rate,
                gradient=of_next_row,
                corrected_epsilon=corrected,
            )
            end = next(islice(path, 2 * epochs - 1, None))
            nearest = min(nearest, distance(start, found, end))
            if nearest <= limit:
                return nearest
    raise Failed(
        f"{2 * epochs} steps of adam on one row each ({case.activation}), in which half of the inputs are 0, "
        f"end elsewhere than float64 in any order of the rows (error {nearest:.2g}): where a gradient is 0 "
        "the running means still fall, and still move the weight"
    )


def _refused(fault: SubmissionFault, option: str) -> SubmissionFault:
    """Training that works without an option and raises with it does not offer it."""
    if fault.status is Status.ERROR:
        return SubmissionFault(
            Status.NOT_PROVIDED, f"fit does not offer {option} ({fault.message})", fault.detail
        )
    return fault
