"""Contract: the verbs are there, take what they should and return what they should."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness import diagnosis, oracle
from harness.checks.context import (
    DEEP,
    DEPTHS,
    SMALL,
    SQUARE,
    Context,
    Failed,
    NotApplicable,
    Problem,
    as_float64,
    failed,
    weights_like,
)
from harness.records import Status
from harness.session import Model, SubmissionFault

Evidence = dict[str, Any]


def builds(ctx: Context, activation: str) -> Evidence:
    """``build`` makes the report's network, and ``predict_proba`` answers (n, classes) real numbers."""
    sizes = ctx.networks(activation)[0]
    model = ctx.session.build(sizes, activation, 1)
    for count in (1, 7):
        P = model.predict_proba(np.full((count, sizes[0]), 0.25))
        if P.shape != (count, sizes[-1]):
            raise Failed(
                f"predict_proba of {count} row{'s' * (count > 1)} should have shape {(count, sizes[-1])}, "
                f"found {P.shape}",
                diagnosis=_shape_mistake(P.shape, count, sizes[-1]),
            )
        if P.dtype.kind != "f":
            raise Failed(f"predict_proba should answer floats, found dtype {P.dtype}")
        if not np.isfinite(P).all():
            raise Failed("predict_proba answers NaN or infinite values on a plain grey image")
    missing = [v for v in ("get_weights", "set_weights", "loss_and_gradients", "fit") if v not in model.verbs]
    return {"network": list(sizes), "missing": missing}


def _shape_mistake(found: tuple[int, ...], rows: int, classes: int) -> str | None:
    if found == (classes, rows):
        return "answers_transposed"
    return "answer_squeezed" if rows == 1 and found == (classes,) else None


def weights_round_trip(ctx: Context) -> Evidence:
    """``get_weights`` returns what ``set_weights`` was given, in Keras order and shapes."""
    activation = ctx.activations[0]
    problem = ctx.problem(ctx.work_network(activation), activation, 4, "round trip")
    model = ctx.session.build(problem.layer_sizes, activation, 3)
    fresh = as_float64(model.get_weights(), problem.weights, "get_weights()")
    model.set_weights(problem.weights)
    back = as_float64(model.get_weights(), problem.weights, "get_weights() after set_weights(w)")
    for index, (found, given) in enumerate(zip(back, problem.weights)):
        # float32 is the coarsest arithmetic that a submission may hold its weights in.
        if not np.allclose(found, given, rtol=2.0**-23, atol=1e-30):
            name = f"{'Wb'[index % 2]}{index // 2 + 1}"
            kept = " (it still holds the old weights)" if np.array_equal(found, fresh[index]) else ""
            message = f"get_weights() after set_weights(w) differs from w in {name}{kept}"
            raise failed(message, diagnosis.stored(problem.weights, back, before=fresh))
    return {}


def other_networks(ctx: Context) -> Evidence:
    """Networks of one to five layers and unequal widths can be built; eleven layers keep their order."""
    activation = ctx.activations[0]
    refused = [sizes for sizes in (SMALL, *DEPTHS) if not ctx.can_build(sizes, activation)]
    if refused:
        # A submission that is made for one architecture is graded on it: this is missing, not wrong.
        named = ", ".join("-".join(map(str, sizes)) for sizes in refused)
        raise SubmissionFault(Status.NOT_PROVIDED, f"these networks cannot be built and evaluated: {named}")
    # Eleven layers are more than anybody asked for: only their order is.
    if not ctx.can_pose(DEEP, activation):
        return {}
    model = ctx.session.build(DEEP, activation, 0)
    if not {"get_weights", "set_weights"} <= model.verbs:
        return {}
    _in_order(ctx, model)
    return {"layers": len(DEEP) - 1}


def _in_order(ctx: Context, model: Model) -> None:
    """Raise Failed where a network of more than ten layers mixes them up."""
    activation = model.activation
    shapes = [w.shape for w in weights_like(DEEP)]
    found = [w.shape for w in model.get_weights()]
    as_text = sorted(range(1, len(DEEP)), key=str)
    if found == [shapes[2 * (layer - 1) + which] for layer in as_text for which in (0, 1)]:
        raise Failed(
            f"the weights of {len(DEEP) - 1} layers come in the order {', '.join(map(str, as_text))}: "
            "the numbers of the layers are sorted as text",
            diagnosis="layers_sorted_as_text",
        )
    # Where fewer layers answer wrongly too, the forward pass is what is wrong, and has a check of its own.
    if not _error(ctx, DEPTHS[-1], activation) <= ctx.tolerance:
        return
    off = _error(ctx, DEEP, activation)
    if not off <= ctx.tolerance:
        raise Failed(
            f"a network of {len(DEEP) - 1} layers, given weights, answers with other probabilities than "
            f"float64 (off by up to {off:.2g}), one of {len(DEPTHS[-1]) - 1} layers with the right ones"
        )


def _error(ctx: Context, sizes: tuple[int, ...], activation: str) -> float:
    """How far the probabilities of a network with given weights are from float64; infinite for no answer."""
    problem = ctx.problem(sizes, activation, 4)
    try:
        found = ctx.model(problem).predict_proba(problem.X)
    except SubmissionFault as fault:
        if fault.spent:
            raise
        return float("inf")
    expected = oracle.probabilities(problem.weights, problem.X, activation)
    return float(np.abs(found - expected).max()) if found.shape == expected.shape else float("inf")


def gradients_shape(ctx: Context, activation: str) -> Evidence:
    """``loss_and_gradients`` returns a finite loss and one gradient for each weight, of its shape."""
    problem = ctx.problem(ctx.work_network(activation), activation, 5, "shapes")
    model = ctx.model(problem)
    try:
        value, gradients = model.loss_and_gradients(problem.X, problem.y)
    except SubmissionFault as fault:
        known = None
        if fault.status is Status.ERROR:
            known = _of_all_labels(ctx, problem) or _of_equal_widths(ctx, activation)
        if known is None:
            raise
        raise failed(fault.message, known, detail=fault.detail) from None
    as_float64(gradients, problem.weights, "gradients", rows=len(problem.X))
    if not np.isfinite(value):
        raise Failed(f"the loss is {value} on an ordinary batch")
    return {}


def _of_all_labels(ctx: Context, problem: Problem) -> diagnosis.Diagnosis | None:
    """Name what raises only where the batch does not hold the last class."""
    last = problem.layer_sizes[-1] - 1
    if last in problem.y:
        return None
    y = problem.y.copy()
    y[0] = last
    try:
        ctx.model(problem).loss_and_gradients(problem.X, y)
    except SubmissionFault:
        return None
    return diagnosis.Diagnosis(
        id="one_hot_width",
        sentence=f"labels without the last class {last} raise, with it they do not: the one-hot array must "
        "be as wide as the network has classes, whatever the batch holds",
    )


def _of_equal_widths(ctx: Context, activation: str) -> diagnosis.Diagnosis | None:
    """Name what raises where layers differ in width, from the gradients where they do not."""
    if not ctx.can_pose(SQUARE, activation):
        return None
    problem = ctx.problem(SQUARE, activation, 5, "shapes")
    try:
        gradients = ctx.model(problem).loss_and_gradients(problem.X, problem.y)[1]
        return diagnosis.gradients(problem, as_float64(gradients, problem.weights, "gradients"))
    except (Failed, SubmissionFault):
        return None


def activations_differ(ctx: Context) -> Evidence:
    """The three activations give three different networks."""
    if len(ctx.activations) < 2:
        raise NotApplicable("one activation alone cannot be told from others")
    sizes = ctx.work_network(ctx.activations[0])
    answers = {}
    for activation in ctx.activations:
        problem = ctx.problem(sizes, activation, 6, "activations")
        answers[activation] = ctx.model(problem).predict_proba(problem.X).astype(np.float64)
    for first, second in (("sigmoid", "tanh"), ("sigmoid", "relu"), ("tanh", "relu")):
        if first in answers and second in answers and np.allclose(answers[first], answers[second], atol=1e-9):
            matches = [
                name
                for name in oracle.ACTIVATIONS
                if np.allclose(
                    oracle.probabilities(
                        ctx.problem(sizes, name, 6, "activations").weights,
                        ctx.problem(sizes, name, 6, "activations").X,
                        name,
                    ),
                    answers[first],
                    atol=1e-4,
                )
            ]
            which = f": both behave as {matches[0]}" if len(matches) == 1 else ""
            same = all(np.allclose(answer, answers[first], atol=1e-9) for answer in answers.values())
            known = "activation_ignored" if same else "wrong_activation"
            raise Failed(
                f"build(..., {first!r}) and build(..., {second!r}) give the same network{which}",
                diagnosis=known if len(matches) == 1 else None,
            )
    return {}
