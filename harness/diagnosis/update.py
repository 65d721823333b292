"""Diagnosis of updates: where full-batch training went, held against where each known mistake would go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from harness.diagnosis import gradients, storage
from harness.diagnosis.adaptive import adaptive
from harness.diagnosis.batches import of_batches
from harness.diagnosis.decay import adam_decay, decay
from harness.diagnosis.descent import descent, spurious_decay, still
from harness.diagnosis.fitting import name
from harness.diagnosis.forward import changed_inputs
from harness.diagnosis.laws import Observed, law
from harness.diagnosis.passes import Pass
from harness.diagnosis.restart import reinitialised
from harness.diagnosis.targets import targets
from harness.diagnosis.trajectory import Trajectory, Weights, hypothesis
from harness.diagnosis.types import Diagnosis, Hypothesis, Posed
from harness.diagnosis.usage import usage
from harness.oracle import FLOAT32_EPS, Float

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


def diagnose(path: Trajectory, found: Sequence[Float]) -> Diagnosis | None:
    """Name the mistake that gives these weights after what was asked of ``fit``."""
    moved = _moved(path, found)
    if moved is None:
        return None
    return name(moved, _nearest(path, moved), hypotheses(path, moved), rounding=_rounding(path))


def diagnose_steps(steps: Sequence[Observed], second: Observed | None) -> Diagnosis | None:
    """Name the mistake that gives each of these steps, and the one after the first of them."""
    if all(step.factor for step in steps):
        return law(steps, second)
    known = [found for step in steps if (found := _alone(step)) is not None]
    later = _alone(second) if second else None
    # One step alone may fit a mistake by accident of its rate; some steps may be too short to tell.
    if len({found.id for found in known}) != 1 or len(known) < 2:
        return None
    # Training that stands still after its first step, as with a fixed number of epochs, contradicts nothing.
    if later is not None and later.id not in (known[0].id, "no_update"):
        return None
    if known[0].id == "gradient_sign_only" and second is not None and later is None:
        return None  # Adagrad's first step is one too
    return known[0]


def _alone(step: Observed) -> Diagnosis | None:
    return diagnose(Trajectory(step.problem, learning_rate=step.learning_rate), step.found)


def diagnose_later(steps: Sequence[Observed]) -> Diagnosis | None:
    """Name the mistake in a run of steps, each from the weights before it, of which the first is right."""
    number = next((i for i, step in enumerate(steps) if not step.factor or not step.factor.is_like(1.0)), 0)
    first = steps[number]
    path = Trajectory(first.problem, learning_rate=first.learning_rate)
    moved = _moved(path, first.found)
    if moved is None or number == 0:
        return None
    if first.factor is not None:
        values = [step.factor.value for step in steps[number:] if step.factor is not None]
        falls = len(values) == len(steps) - number and all(0.0 < value < 0.995 for value in values)
        if not falls:
            return None
        return Diagnosis(
            id="learning_rate_decays",
            sentence=f"step {number + 1} is {values[0]:.4g} x as long as the learning rate says, "
            f"those before are right, step {len(steps)} is {values[-1]:.4g} x: it should stay as asked for",
        )
    net = Pass.of(first.problem)
    listed = [*usage(path, net, moved), *targets(path, net, moved)]
    known = name(moved, path.after(1), listed, rounding=_rounding(path))
    when = "from the second epoch on" if number == 1 else f"in epoch {number + 1}"
    return replace(known, sentence=f"{when}, {known.sentence}") if known else None


def diagnose_second_fit(
    first: Posed, second: Posed, found: Sequence[Float], *, learning_rate: float, steps: int
) -> Diagnosis | None:
    """Name what a second fit with Adam, of as many steps, keeps of the first one."""
    on = Trajectory(second, learning_rate=learning_rate, steps=steps, optimizer="adam")
    whole = Trajectory(first, learning_rate=learning_rate, steps=2 * steps, optimizer="adam")
    moved = _moved(on, found)
    if moved is None:
        return None
    listed = [
        hypothesis(
            "adam_t_kept",
            "in a second fit the step count of the bias correction goes on from the first, while the running "
            "means start at zero: start all of them afresh, or none",
            lambda: on.adam(count=lambda number, tensor: number + 1 + steps),
        ),
        hypothesis(
            "adam_means_kept",
            "a second fit begins with the running means of the first, while the step count starts again: "
            "start all of them afresh, or none",
            lambda: [
                s + d - m
                for s, d, m in zip(
                    whole.start, whole.adam(count=lambda number, tensor: number % steps + 1), on.start
                )
            ],
        ),
    ]
    return name(moved, on.adam(), listed, rounding=_rounding(on))


def _moved(path: Trajectory, found: Sequence[Float]) -> Weights | None:
    """The displacements, or None where there is nothing to compare."""
    if [f.shape for f in found] != [s.shape for s in path.start]:
        return None
    moved = [f - s for f, s in zip(found, path.start)]
    return moved if all(np.isfinite(d).all() for d in moved) else None


def _rounding(path: Trajectory) -> list[float]:
    """What float32 weights carry of their own rounding into each displacement, once a step."""
    return [4.0 * np.sqrt(path.steps) * FLOAT32_EPS * float(np.linalg.norm(s)) for s in path.start]


def hypotheses(path: Trajectory, found: Weights) -> Iterator[Hypothesis]:
    """Yield every known mistake of an update; ``found`` are displacements, to which constants are fitted."""
    if path.learning_rate == 0.0:
        yield from _without_rate(path, found)
    elif path.optimizer == "adam":
        yield from adam_decay(path) if path.weight_decay else adaptive(path)
        yield from still(path, found)
    elif path.weight_decay:
        yield from decay(path, found)
    elif path.batches > 1:
        yield from of_batches(path, found)
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
            yield from targets(path, net, found)


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
