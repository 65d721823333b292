"""Properties of the network: changes of weights that leave its function as it was, and its units' outputs."""

from __future__ import annotations

import numpy as np

from harness import oracle
from harness.checks.context import Context, Failed, NotApplicable
from harness.checks.properties_case import Broken, Case, Evidence, same, same_gradients
from harness.checks.properties_drive import for_all
from harness.checks.tolerances import REPEATED
from harness.oracle import Float
from harness.session import SubmissionFault


def networks_are_independent(ctx: Context) -> Evidence:
    """A network answers as before, and keeps its weights, while another is built, set and trained."""
    if ctx.described:
        raise NotApplicable("an adapter makes the networks, one at a time")
    first, last = ctx.activations[0], ctx.activations[-1]
    mine = ctx.problem(ctx.work_network(first), first, 8)
    other = ctx.problem(ctx.work_network(last), last, 8, "another network")
    model = ctx.model(mine)
    before, weights = model.predict_proba(mine.X), model.get_weights()
    beside = ctx.model(other)
    try:
        beside.fit(other.X, other.y, epochs=1, batch_size=4, learning_rate=0.1)
    except SubmissionFault as fault:  # said elsewhere
        if fault.fatal:
            raise NotApplicable(f"no network is left to ask: {fault.message}") from None
    kept = all(map(np.array_equal, weights, model.get_weights()))
    if not kept or not np.allclose(model.predict_proba(mine.X), before, rtol=0.0, atol=REPEATED):
        raise Failed(
            f"a {first} network answers differently once a {last} network stands beside it: they share "
            "what each should hold for itself (a global, a class attribute, a default argument)",
            diagnosis="state_shared",
        )
    return {"examples": 2}  # networks


def permuting_hidden_units_permutes_gradients(ctx: Context) -> Evidence:
    """Permuting a hidden layer's units changes no probability, and permutes the gradients in the same way."""
    _needs_hidden(ctx)
    return for_all(ctx, _permuted_units, layer=(0, 3))


def rescaling_relu_units_changes_nothing(ctx: Context) -> Evidence:
    """A ReLU unit with inputs scaled by c, outputs by 1/c answers the same; gradients scale inversely."""
    _needs_hidden(ctx)
    return for_all(ctx, _rescaled_units, activations=("relu",), layer=(0, 3))


def flipping_tanh_units_changes_nothing(ctx: Context) -> Evidence:
    """tanh(-z) = -tanh(z): flipping the signs around a unit changes nothing, and flips its gradients."""
    _needs_hidden(ctx)
    return for_all(ctx, _flipped_tanh, activations=("tanh",), layer=(0, 3))


def sigmoid_of_minus_z_is_one_minus_sigmoid(ctx: Context) -> Evidence:
    """sigma(-z) = 1 - sigma(z): turning a unit round, its share moved to the next bias, changes nothing."""
    _needs_hidden(ctx)
    return for_all(ctx, _turned_sigmoid, activations=("sigmoid",), layer=(0, 3))


def hidden_units_are_monotone_and_in_range(ctx: Context) -> Evidence:
    """A unit's output, read from the probabilities, grows with its input and keeps to its range."""
    _needs_hidden(ctx)
    return for_all(ctx, _monotone, rows=(1, 3), each=True)


def _needs_hidden(ctx: Context) -> None:
    if len(ctx.work_network(ctx.activations[0])) < 4:
        raise NotApplicable("no network with two hidden layers can be built")


def _layer(case: Case) -> int:
    """The index of the weight matrix into the chosen hidden layer."""
    return 2 * (case["layer"] % (len(case.problem.layer_sizes) - 2))


def _permuted_units(case: Case) -> None:
    weights, i = list(case.problem.weights), _layer(case)
    order = case.rng.permutation(len(weights[i + 1]))
    P, (_, gradients) = case.probabilities(), case.evaluate()
    for tensors in (weights, gradients):
        tensors[i], tensors[i + 1] = tensors[i][:, order], tensors[i + 1][order]
        tensors[i + 2] = tensors[i + 2][order]
    _same_network(case, weights, P, gradients, f"units of hidden layer {i // 2 + 1} permuted")


def _rescaled_units(case: Case) -> None:
    i = _layer(case)
    # Powers of two: the arithmetic stays exact, and no unit crosses its kink.
    c = np.exp2(case.rng.integers(-3, 4, len(case.problem.weights[i + 1])).astype(np.float64))
    _scaled(case, i, c, 1.0 / c, f"units of hidden layer {i // 2 + 1} scaled by powers of 2")


def _flipped_tanh(case: Case) -> None:
    i = _layer(case)
    signs = np.where(case.rng.integers(0, 2, len(case.problem.weights[i + 1])) == 0, 1.0, -1.0)
    _scaled(case, i, signs, signs, f"signs of units of hidden layer {i // 2 + 1} flipped")


def _scaled(case: Case, i: int, into: Float, out: Float, what: str) -> None:
    """Scale the weights into the units of a layer and out of them; gradients scale the other way round."""
    weights = list(case.problem.weights)
    P, (_, gradients) = case.probabilities(), case.evaluate()
    for tensors, a, b in ((weights, into, out), (gradients, 1.0 / into, 1.0 / out)):
        tensors[i], tensors[i + 1] = tensors[i] * a, tensors[i + 1] * a
        tensors[i + 2] = tensors[i + 2] * b[:, None]
    _same_network(case, weights, P, gradients, what)


def _turned_sigmoid(case: Case) -> None:
    weights, i = list(case.problem.weights), _layer(case)
    turned = case.rng.integers(0, 2, len(weights[i + 1])) == 0
    signs = np.where(turned, -1.0, 1.0)
    P = case.probabilities()
    out = weights[i + 2]
    weights[i], weights[i + 1], weights[i + 2] = (
        weights[i] * signs,
        weights[i + 1] * signs,
        out * signs[:, None],
    )
    weights[i + 3] = weights[i + 3] + out[turned].sum(axis=0)
    what = f"units of hidden layer {i // 2 + 1} turned round"
    same(case.probabilities(weights=weights), P, case.tolerance, f"{what}, a probability")


def _same_network(case: Case, weights: list[Float], P: Float, gradients: list[Float], what: str) -> None:
    same(case.probabilities(weights=weights), P, case.tolerance, f"{what}, a probability")
    # Twice the tolerance: both sides are the submission's, each with its own rounding.
    same_gradients(case.evaluate(weights=weights)[1], gradients, 2 * case.tolerance, what)


def _monotone(case: Case) -> None:
    """Make class c's logit the output of the last hidden layer's unit c, whose input is a bias."""
    weights = list(case.problem.weights)
    units, classes = weights[-2].shape
    count = min(units, classes - 1)
    # Spread over the whole range, so that no case leaves out its ends.
    z = np.linspace(-11.0, 11.0, count) + case.rng.uniform(-1.0, 1.0, count)
    weights[-4] = np.zeros_like(weights[-4])
    weights[-3] = np.zeros(units)
    weights[-3][:count] = z
    weights[-1] = np.zeros(classes)
    outputs = _read_units(case, weights, count, 1.0)
    slack = 10 * case.tolerance
    low, high = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, np.inf)}[case.problem.activation]
    if outputs.min() < low - slack or outputs.max() > high + slack:
        raise Broken(
            f"a hidden unit's output should lie in [{low:g}, {high:g}], "
            f"found {outputs.min():.6g} to {outputs.max():.6g}"
        )
    falls = np.diff(outputs, axis=1)
    if falls.size and falls.min() < -slack:
        k = int(falls.min(axis=0).argmin())
        raise Broken(
            f"a hidden unit's output should not fall from z = {z[k]:.4g} to {z[k + 1]:.4g}, "
            f"it falls by {-falls.min():.6g}"
        )
    expected = np.tile(oracle.activate(z, case.problem.activation), (len(outputs), 1))
    what = f"the output of a hidden unit at z = {', '.join(f'{v:.4g}' for v in z)}"
    try:
        same(outputs, expected, slack, what)
    except Broken as broken:
        known = _clipped(case.problem.activation, z, outputs[0], slack)
        if known and np.allclose(_read_units(case, weights, count, 0.25), expected, atol=4 * slack, rtol=0.0):
            known = "logits_clipped"  # the units are right where the logits that show them are small
        raise Broken(str(broken), diagnosis=known) from None


def _read_units(case: Case, weights: list[Float], count: int, scale: float) -> Float:
    """The outputs (n, count) of the last hidden layer, where class c's logit is unit c's times ``scale``."""
    out = np.zeros(weights[-2].shape)
    out[:count, :count] = scale * np.eye(count)
    P = case.probabilities(weights=[*weights[:-2], out, weights[-1]])
    if P.min() <= 0.0:
        raise Broken(f"logits between -12 and 12 should give positive probabilities, found {P.min():.6g}")
    outputs: Float = np.log(P[:, :count] / P[:, -1:]) / scale
    return outputs


def _clipped(activation: str, z: Float, outputs: Float, slack: float) -> str | None:
    """The id of the mistake if the outputs are those of pre-activations clipped to some +-c."""
    if activation == "relu":
        cap = outputs.max()
        return "relu_capped" if np.allclose(outputs, np.clip(z, 0.0, cap), atol=slack, rtol=0.0) else None
    for c in np.arange(1.0, 12.0, 0.5):
        clipped = np.clip(z, -c, c)
        if (clipped != z).any() and np.allclose(
            outputs, oracle.activate(clipped, activation), atol=slack, rtol=0.0
        ):
            return "preactivation_clipped"
    return None
