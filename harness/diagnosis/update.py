"""Diagnosis of updates: where full-batch training went, held against where each known mistake would go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from harness.diagnosis import gradients, storage
from harness.diagnosis.adaptive import adaptive
from harness.diagnosis.decay import adam_decay, decay
from harness.diagnosis.descent import descent, spurious_decay, still
from harness.diagnosis.fitting import name
from harness.diagnosis.forward import changed_inputs
from harness.diagnosis.passes import Pass
from harness.diagnosis.restart import reinitialised
from harness.diagnosis.trajectory import Step, Trajectory, Weights, hypothesis
from harness.diagnosis.types import Diagnosis, Hypothesis, Posed
from harness.diagnosis.usage import usage
from harness.oracle import Float

# Of a gradient these have names of their own when they are seen in an update.
_RENAMED = frozenset(
    [
        "scale_2",
        "scale_minus_1",
        "gradient_zero",
        "layer_zero",
        "bias_zero",
        "weights_zero",
        "one_tensor_zero",
    ]
) | {"weight_decay_spurious"}
_FLOAT32_EPS = 2.0**-23


def diagnose(
    problem: Posed,
    found: Sequence[Float],
    *,
    learning_rate: float,
    steps: int,
    weight_decay: float,
    optimizer: str,
) -> Diagnosis | None:
    """Name the mistake that gives these weights after full-batch steps from the problem's weights."""
    path = Trajectory(
        problem,
        learning_rate=learning_rate,
        steps=steps,
        weight_decay=weight_decay,
        optimizer=optimizer,
    )
    moved = _moved(path, found)
    if moved is None:
        return None
    return name(moved, _nearest(path, moved), hypotheses(path, moved), rounding=_rounding(path))


def diagnose_batches(
    problem: Posed, found: Sequence[Float], *, learning_rate: float, epochs: int, batches: int
) -> Diagnosis | None:
    """Name the mistake that gives these weights after epochs of batches that all hold the problem's rows."""
    path = Trajectory(
        problem, learning_rate=learning_rate, steps=epochs * batches, weight_decay=0.0, optimizer="sgd"
    )
    moved = _moved(path, found)
    if moved is None:
        return None
    right = path.after(path.steps)
    return name(moved, right, _of_batches(path, epochs, batches), rounding=_rounding(path))


def _moved(path: Trajectory, found: Sequence[Float]) -> Weights | None:
    """The displacements, or None where there is nothing to compare."""
    if [f.shape for f in found] != [s.shape for s in path.start]:
        return None
    moved = [f - s for f, s in zip(found, path.start)]
    return moved if all(np.isfinite(d).all() for d in moved) else None


def _rounding(path: Trajectory) -> list[float]:
    """What float32 weights carry of their own rounding into each displacement, once a step."""
    return [4.0 * np.sqrt(path.steps) * _FLOAT32_EPS * float(np.linalg.norm(s)) for s in path.start]


def _of_batches(path: Trajectory, epochs: int, batches: int) -> Iterator[Hypothesis]:
    """Mistakes of the loop over batches, which one batch an epoch does not show."""
    for factor, how in ((batches, "by all its batches' gradients summed"), (1, "as long as one batch's")):
        yield hypothesis(
            "one_update_an_epoch",
            f"an epoch of {batches} batches makes one update, {how}: update after every batch",
            lambda factor=factor: path.descend(factor=factor, steps=epochs),  # type: ignore[misc]
        )
    for length, when in ((batches, "within an epoch"), (epochs * batches, "from the first update on")):
        yield hypothesis(
            "gradient_accumulated",
            f"gradients add up over the batches {when}: set them to zero before each backward pass",
            lambda length=length: path.run(_accumulating(path, length)),  # type: ignore[misc]
        )


def _accumulating(path: Trajectory, length: int) -> Step:
    """A step by the sum of the gradients since the last multiple of ``length``."""
    held: list[Weights] = []

    def step(number: int, weights: Weights, gradients: Weights) -> Weights:
        if number % length == 0:
            held.clear()
        held.append(gradients)
        return [w - path.learning_rate * sum(each) for w, each in zip(weights, zip(*held))]

    return step


def hypotheses(path: Trajectory, found: Weights) -> Iterator[Hypothesis]:
    """Yield every known mistake of an update; ``found`` are displacements, to which constants are fitted."""
    if path.learning_rate == 0.0:
        yield from _without_rate(path, found)
    elif path.optimizer == "adam":
        yield from adam_decay(path) if path.weight_decay else adaptive(path)
        yield from still(path, found)
    elif path.weight_decay:
        yield from decay(path, found)
    else:
        yield from descent(path, found)
        yield from still(path, found)
        yield from spurious_decay(path, found)
        yield from reinitialised(path, found)
        if path.steps == 1:
            net = Pass.of(path.problem)
            yield from _of_gradients(path, net, found)
            yield from _of_inputs(path, net)
            yield from usage(path, net, found)


def _nearest(path: Trajectory, moved: Weights) -> Weights:
    """What right code gives; where both conventions of decay are right, the nearer one."""
    conventions = [path.decays(1.0, biases) for biases in (1.0, 0.0)]
    if path.optimizer == "adam":
        choices = [path.adam(decays=d) for d in conventions]
    else:
        choices = [path.descend(decays=d) for d in conventions]
    return min(choices, key=lambda c: sum(float(np.linalg.norm(f - e)) for f, e in zip(moved, c)))


def _of_inputs(path: Trajectory, net: Pass) -> Iterator[Hypothesis]:
    """The step is that of other inputs than those that were given."""
    for mistake, sentence, changed in changed_inputs(net):

        def predict(changed: Float = changed) -> Weights:
            used = Pass(net.weights, changed, net.y, net.activation)
            return [-path.learning_rate * g for g in used.gradients]

        yield hypothesis(mistake, f"in fit, {sentence}", predict)


def _of_gradients(path: Trajectory, net: Pass, found: Weights) -> Iterator[Hypothesis]:
    """One step of gradient descent shows the gradient that it used: every mistake of the backward pass."""
    used = [-d / path.learning_rate for d in found]
    for mistake in gradients.hypotheses(net, used):
        if mistake.id not in _RENAMED:

            def predict(mistake: Hypothesis = mistake) -> Weights | None:
                predicted = mistake.predict()
                return None if predicted is None else [-path.learning_rate * g for g in predicted]

            yield replace(mistake, sentence=f"in fit, {mistake.sentence}", predict=predict)


def _without_rate(path: Trajectory, found: Weights) -> Iterator[Hypothesis]:
    """At learning rate 0 only what is not multiplied by it moves the weights."""
    factor = sum(float(np.vdot(d, w)) for d, w in zip(found, path.start))
    factor /= sum(float(np.vdot(w, w)) for w in path.start) or 1.0
    if -0.9 < factor < 0.0:
        yield hypothesis(
            "weight_decay_not_times_lr",
            (
                f"the weights shrink by {-factor:.4g} in all: a decay that "
                "is not multiplied by the learning rate"
            ),
            lambda: [factor * w for w in path.start],
        )
    yield hypothesis(
        "weights_overwritten", "the weights are replaced by the step", lambda: [-w for w in path.start]
    )
    for mistake in storage.hypotheses(path.start):

        def predict(mistake: Hypothesis = mistake) -> Weights:
            return [w - s for w, s in zip(mistake.predict() or path.start, path.start)]

        yield replace(mistake, predict=predict)
    yield from reinitialised(path, found)
