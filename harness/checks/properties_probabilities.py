"""Properties of ``predict_proba``: what softmax outputs are, whatever the weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from harness import oracle
from harness.checks.context import Context, Failed, Problem, as_float64, least_seconds
from harness.checks.properties_case import Broken, Case, Evidence, same
from harness.checks.properties_drive import for_all
from harness.oracle import FLOAT32_EPS, Float
from harness.session import Model, SubmissionFault

ROWS = 9  # of a new question; no check that comes before asks about so many
MANY_ROWS = (1_031, 10_007)  # primes: no block of rows divides them, and a test set has 10,000
PATIENCE = 1.0  # seconds that so many rows may take
EXTREME = 1e4  # exact in float16, float32 and float64; its exponential overflows in all of them


def a_new_question_gets_a_new_answer(ctx: Context) -> Evidence:
    """After other rows, even in the same array, after new weights and after a fit, the answers are those of a
    network that was asked nothing before.
    """
    activation = ctx.activations[0]
    sizes = ctx.work_network(activation)
    first, second = (ctx.problem(sizes, activation, ROWS, "new question", k) for k in (0, 1))
    old_rows = replace(second, X=first.X, y=first.y)
    other_labels = replace(second, y=(second.y + 1) % sizes[-1])
    # What is kept for all networks is in a new one's answers, too.
    # Where the first question of so many rows is answered rightly, so must be those that follow.
    clean = np.allclose(_evaluated(ctx.model(first), first), _right(first), rtol=1e-3, atol=1e-5)
    right = _right(second) if clean else None
    # Which verb comes first matters: it may find what another left, or replace it.
    for verbs in ((_probabilities, _evaluated), (_evaluated, _probabilities)):
        for before, asked, what, refills in (
            (old_rows, second, "other rows of the same number", False),
            (old_rows, second, "other rows in the same array", True),
            (first, old_rows, "new weights", False),
            (other_labels, second, "other labels for the same rows", False),
        ):
            model = ctx.model(before)
            for verb in verbs:
                verb(model, before)
            if asked.weights is not before.weights:
                model.set_weights(asked.weights)
            ctx.session.refills = refills  # as who fills one array again and again
            try:
                found = [verb(model, asked) for verb in verbs]
            finally:
                ctx.session.refills = False
            fresh = ctx.model(asked)
            for verb, answer in zip(verbs, found):
                kept = not np.allclose(answer, verb(fresh, asked), rtol=1e-5, atol=1e-9)
                if verb is _evaluated and asked is second and right is not None:
                    kept |= not np.allclose(answer, right, rtol=1e-3, atol=1e-5)
                if kept:
                    raise Failed(
                        f"what {_called(verb)} answers for {what} differs from what a new network answers: "
                        "something of the question before is kept",
                        diagnosis="answer_kept",
                    )
    _after_a_fit(ctx, second)
    return {"examples": 9}


def _after_a_fit(ctx: Context, asked: Problem) -> None:
    """Raise Failed where the answers for one batch are the same before and after a fit."""
    model, verbs = ctx.model(asked), (_probabilities, _evaluated)
    before = [verb(model, asked) for verb in verbs]
    try:
        model.fit(asked.X, asked.y, epochs=3, batch_size=4, learning_rate=0.5)
    except SubmissionFault:
        return  # said elsewhere
    for verb, old in zip(verbs, before):
        if not np.array_equal(verb(model, asked), old):
            continue
        trained = as_float64(model.get_weights(), asked.weights, "get_weights()")
        right = verb(ctx.model(replace(asked, weights=trained)), asked)
        if not np.allclose(old, right, rtol=1e-3, atol=1e-3):
            raise Failed(
                f"what {_called(verb)} answers after a fit is what it answered before: something of the "
                "question before is kept",
                diagnosis="answer_kept",
            )


def rows_are_distributions(ctx: Context) -> Evidence:
    """Each row of probabilities lies in [0, 1] and sums to 1, for mild and for confident networks."""
    return for_all(ctx, _distribution, sharpness=(0, 4))


def extreme_logits_give_finite_probabilities(ctx: Context) -> Evidence:
    """Logits of 10,000 and -10,000 give the limits of softmax, not NaN: exp must not overflow."""
    return for_all(ctx, _extreme_logits, rows=(1, 4), pattern=(1, 3**5 - 1))


def saturated_units_stay_finite(ctx: Context) -> Evidence:
    """Hidden pre-activations of 1,000 and -1,000 saturate: probabilities stay finite and sum to 1."""
    return for_all(ctx, _saturated, rows=(1, 4), each=True)


def an_extreme_row_changes_no_other(ctx: Context) -> Evidence:
    """A row that drives the network to extremes leaves the answers for the other rows as they were."""
    return for_all(ctx, _extreme_row, rows=(2, 9), place=(0, 8))


def a_row_alone_is_the_row_in_a_batch(ctx: Context) -> Evidence:
    """A row's probabilities are the same alone, in a batch and at another place of the batch."""
    return for_all(ctx, _alone, rows=(1, 9), place=(0, 8))


def a_long_batch_is_its_parts(ctx: Context) -> Evidence:
    """Hundreds of rows, and as many as a test set has, are answered like few: none is left out or made up."""
    found = for_all(ctx, _long, rows=(1, 1), most=3, length=(65, 320), cut=(1, 64))
    return {**found, "rows": _answered(ctx)}


def shifting_the_logits_changes_nothing(ctx: Context) -> Evidence:
    """Adding one number to every bias of the last layer leaves the probabilities as they were."""
    return for_all(ctx, _shift, shift=(0, 16))


def permuting_classes_permutes_probabilities(ctx: Context) -> Evidence:
    """Permuting the last layer's columns permutes the probabilities in the same way."""
    return for_all(ctx, _permuted_classes)


def _probabilities(model: Model, problem: Problem) -> Float:
    return model.predict_proba(problem.X).astype(np.float64)


def _called(verb: Callable[[Model, Problem], Float]) -> str:
    return "predict_proba" if verb is _probabilities else "loss_and_gradients"


def _evaluated(model: Model, problem: Problem) -> Float:
    """The loss and every gradient in one vector."""
    loss, gradients = model.loss_and_gradients(problem.X, problem.y)
    flat = [g.ravel() for g in as_float64(gradients, problem.weights, "gradients")]
    return np.concatenate([np.array([loss]), *flat])


def _right(problem: Problem) -> Float:
    loss, gradients = oracle.loss_and_gradients(problem.weights, problem.X, problem.y, problem.activation)
    return np.concatenate([np.array([loss]), *(g.ravel() for g in gradients)])


def _answered(ctx: Context) -> int:
    """Ask for many rows, as far as the submission is fast enough; return how many, or raise Failed."""
    activation = ctx.activations[0]
    model, problem = ctx.posed(ctx.problem(ctx.work_network(activation), activation, 8))
    few = problem.X[np.arange(130) % 8]
    seconds = least_seconds(lambda: model.predict_proba(few), PATIENCE * 130 / max(MANY_ROWS)) / 130
    asked = 0
    for rows in MANY_ROWS:
        if rows * seconds > PATIENCE:
            break
        X = ctx.rng("many rows", rows).uniform(0.0, 1.0, (rows, problem.layer_sizes[0]))
        P = model.predict_proba(X)
        if P.shape != (rows, problem.layer_sizes[-1]):
            lost = P.ndim == 2 and len(P) < rows and P.shape[1] == problem.layer_sizes[-1]
            raise Failed(
                f"predict_proba of {rows} rows should have as many, found the shape {P.shape}",
                diagnosis="rows_not_answered" if lost else None,
            )
        off = np.abs(P - oracle.probabilities(problem.weights, X, activation)).max(axis=1)
        wrong = np.flatnonzero(~(off <= ctx.tolerance))
        if len(wrong):
            silent = bool((P[wrong] == 0.0).all())
            raise Failed(
                f"of {rows} rows {len(wrong)} are answered "
                f"{'with zeros alone' if silent else 'wrongly'}, from row {wrong[0]} on",
                diagnosis="rows_not_answered" if silent else None,
            )
        asked = rows
    return asked


def _is_distribution(P: Float, tolerance: float, what: str, *, overflow: str | None = None) -> None:
    if not np.isfinite(P).all():
        count = int((~np.isfinite(P)).sum())
        raise Broken(f"{what}: {count} of {P.size} probabilities are NaN or infinite", diagnosis=overflow)
    if overflow is not None and (P.sum(axis=1) == 0.0).any():
        raise Broken(f"{what}: a row of probabilities is 0 throughout", diagnosis=overflow)
    if P.min() < 0.0 or P.max() > 1.0 + tolerance:
        raise Broken(f"{what}: probabilities should lie in [0, 1], found {P.min():.9g} to {P.max():.9g}")
    same(P.sum(axis=1), np.ones(len(P)), tolerance, f"{what}: the sum of a row")


def _distribution(case: Case) -> None:
    _is_distribution(case.probabilities(), case.tolerance, "predict_proba")


def _extreme_logits(case: Case) -> None:
    weights = list(case.problem.weights)
    classes = len(weights[-1])
    digits = [case["pattern"] // 3**i % 3 - 1 for i in range(5)]
    # The logits are the last biases alone, each -10,000, 0 or 10,000.
    weights[-2] = np.zeros_like(weights[-2])
    weights[-1] = EXTREME * np.array([digits[i % 5] for i in range(classes)], dtype=np.float64)
    P = case.probabilities(weights=weights)
    what = f"logits {', '.join(f'{v:g}' for v in weights[-1])}"
    # log p = z - log(sum(exp(z))) is right too, and as exact as a logit of 10,000: in float32 to 1e-3.
    tolerance = case.tolerance + (FLOAT32_EPS * EXTREME if case.ctx.float32 else 0.0)
    _is_distribution(P, tolerance, what, overflow="softmax_overflow")
    best = weights[-1] == weights[-1].max()
    same(P, np.tile(best / best.sum(), (len(P), 1)), tolerance, what)


def _saturated(case: Case) -> None:
    weights = list(case.problem.weights)
    if len(weights) > 2:
        signs = np.where(case.rng.integers(0, 2, weights[1].shape) == 0, -1.0, 1.0)
        weights[1] = 1000.0 * signs
    P = case.probabilities(weights=weights)
    what = "hidden pre-activations of +-1000"
    # ReLU hands 1,000 on to the softmax, which may be what overflows; the others hand on 1 at most.
    overflow = None if case.problem.activation == "relu" else "activation_overflow"
    _is_distribution(P, case.tolerance, what, overflow=overflow)


def _extreme_row(case: Case) -> None:
    weights, X = list(case.problem.weights), case.problem.X.copy()
    place = case["place"] % len(X)
    # Only the extreme row has anything in the first input, whose weights are huge.
    weights[0] = weights[0].copy()
    weights[0][0] = 1e4 * np.where(np.arange(weights[0].shape[1]) % 2 == 0, 1.0, -1.0)
    X[:, 0] = 0.0
    calm = case.probabilities(weights=weights, X=X)
    X[place, 0] = 1.0
    extreme = case.probabilities(weights=weights, X=X)
    others = np.arange(len(X)) != place
    if np.isfinite(calm).all() and not np.isfinite(extreme[others]).all():
        raise Broken(
            f"row {place} made extreme, the other rows are NaN: take each row's own maximum off its logits",
            diagnosis="softmax_global_max",
        )
    same(
        extreme[others], calm[others], case.tolerance, f"row {place} made extreme, another row's probability"
    )


def _alone(case: Case) -> None:
    X = case.problem.X
    place = case["place"] % len(X)
    whole = case.probabilities()
    same(case.probabilities(X=X[place : place + 1])[0], whole[place], case.tolerance, f"row {place} alone")
    order = case.rng.permutation(len(X))
    same(case.probabilities(X=X[order]), whole[order], case.tolerance, "rows in another order")


def _long(case: Case) -> None:
    X = case.rng.uniform(0.0, 1.0, (case["length"], case.problem.layer_sizes[0]))
    cut = case["cut"]
    parts = [case.probabilities(X=part) for part in (X[:cut], X[cut:])]
    P = case.probabilities(X=X)
    silent = int((P == 0.0).all(axis=1).sum())
    if silent:
        raise Broken(
            f"{silent} of {len(X)} rows are answered with zeros alone", diagnosis="rows_not_answered"
        )
    what = f"{len(X)} rows at once against {cut} and {len(X) - cut}, a probability"
    same(P, np.concatenate(parts), case.tolerance, what)


def _shift(case: Case) -> None:
    weights, shift = list(case.problem.weights), float(case["shift"] - 8)
    before = case.probabilities()
    weights[-1] = weights[-1] + shift
    what = f"last bias shifted by {shift:g}"
    # A shifted float32 logit has lost up to half a unit in its last place, 4e-7 at 8.
    same(case.probabilities(weights=weights), before, case.tolerance, what)


def _permuted_classes(case: Case) -> None:
    weights = list(case.problem.weights)
    order = case.rng.permutation(len(weights[-1]))
    before = case.probabilities()
    weights[-2], weights[-1] = weights[-2][:, order], weights[-1][order]
    what = f"classes in the order {[int(i) for i in order]}"
    same(case.probabilities(weights=weights), before[:, order], case.tolerance, what)
