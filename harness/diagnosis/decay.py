"""Mistakes of weight decay: its strength, what it applies to, and where in the update it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations

import numpy as np

from harness.diagnosis.fitting import ratio
from harness.diagnosis.trajectory import Step, Trajectory, Weights, hypothesis
from harness.diagnosis.types import Hypothesis


def decay(path: Trajectory, found: Weights) -> Iterator[Hypothesis]:
    """Yield the mistakes of weight decay in gradient descent; both conventions for biases are right."""
    yield from _wrong_strengths(path, path.descend)
    for name, sentence, step in _forms(path):
        yield hypothesis(name, sentence, lambda step=step: path.run(step))  # type: ignore[misc]
    yield from _some(path, found)
    if path.batches > 1:
        yield from _once_an_epoch(path)


def _once_an_epoch(path: Trajectory) -> Iterator[Hypothesis]:
    """The decay is that of epochs, where every update should have it."""
    asked, rate, batches = path.weight_decay, path.learning_rate, path.batches
    for decayed in (path.every, path.matrices):
        for when, place in (("first", 0), ("last", batches - 1)):

            def in_gradient(
                number: int,
                weights: Weights,
                gradients: Weights,
                d: frozenset[int] = decayed,
                place: int = place,
            ) -> Weights:
                strength = asked if number % batches == place else 0.0
                return _step(weights, gradients, rate, strength, d)

            yield hypothesis(
                "weight_decay_once_an_epoch",
                f"only the {when} of an epoch's {batches} updates decays: every update should",
                lambda step=in_gradient: path.run(step),  # type: ignore[misc]
            )
        for factor, how in ((rate, ""), (1.0, ", and not multiplied by the learning rate")):

            def afterwards(
                number: int,
                weights: Weights,
                gradients: Weights,
                d: frozenset[int] = decayed,
                factor: float = factor,
            ) -> Weights:
                kept = 1.0 - factor * asked if (number + 1) % batches == 0 else 1.0
                moved = [w - rate * g for w, g in zip(weights, gradients)]
                return [w * kept if i in d else w for i, w in enumerate(moved)]

            yield hypothesis(
                "weight_decay_once_an_epoch",
                f"weights decay once, at the end of the epoch{how}: every update should",
                lambda step=afterwards: path.run(step),  # type: ignore[misc]
            )


def _step(
    weights: Weights, gradients: Weights, rate: float, strength: float, decayed: frozenset[int]
) -> Weights:
    """One step of gradient descent in which ``decayed`` tensors decay."""
    return [
        w - rate * (g + (strength * w if i in decayed else 0.0))
        for i, (w, g) in enumerate(zip(weights, gradients))
    ]


def _wrong_strengths(path: Trajectory, run: Callable[..., Weights]) -> Iterator[Hypothesis]:
    for name, factor, sentence in strengths(path):
        # The mistake is made for biases too, or for weights alone, beside biases that do not decay or do.
        for of_biases in dict.fromkeys((factor, 0.0, 1.0)):
            decays = path.decays(factor, of_biases)
            if (factor, of_biases) != (0.0, 1.0):
                yield hypothesis(name, sentence, lambda d=decays: run(decays=d))  # type: ignore[misc]
    sentence = "the biases decay, the weights do not"
    yield hypothesis("weight_decay_on_biases_only", sentence, lambda: run(decays=path.decays(0.0, 1.0)))


def strengths(path: Trajectory) -> Iterator[tuple[str, float, str]]:
    """(id, factor, sentence) of the wrong strengths."""
    asked, n, rate = path.weight_decay, path.n, path.learning_rate
    yield "weight_decay_missing", 0.0, f"nothing decays although weight decay {asked:g} was asked for"
    yield (
        "weight_decay_doubled",
        2.0,
        "weights decay twice as fast: the step is g + decay w, not g + 2 decay w",
    )
    yield (
        "weight_decay_halved",
        0.5,
        "weights decay half as fast: the step is g + decay w, not g + decay w / 2",
    )
    yield "weight_decay_sign", -1.0, "weights grow where they should decay: the sign of the decay is wrong"
    yield (
        "weight_decay_divided_by_n",
        1 / n,
        f"the decay is divided by the batch size {n}: it is not averaged over rows",
    )
    yield "weight_decay_times_n", float(n), f"the decay is multiplied by the batch size {n}"
    yield "weight_decay_not_times_lr", 1 / rate, "the decay is not multiplied by the learning rate"
    yield "weight_decay_times_lr_twice", rate, "the decay is multiplied by the learning rate twice"
    yield "weight_decay_squared", asked, "the decay is squared"


def _forms(path: Trajectory) -> Iterator[tuple[str, str, Step]]:
    asked, rate = path.weight_decay, path.learning_rate
    for decayed in (path.every, path.matrices):

        def l1(number: int, weights: Weights, gradients: Weights, d: frozenset[int] = decayed) -> Weights:
            return [
                w - rate * (g + (asked * np.sign(w) if i in d else 0.0))
                for i, (w, g) in enumerate(zip(weights, gradients))
            ]

        yield "weight_decay_l1", "the decay is that of L1, the sign of the weights: use the weights", l1

        def after(number: int, weights: Weights, gradients: Weights, d: frozenset[int] = decayed) -> Weights:
            moved = [w - rate * g for w, g in zip(weights, gradients)]
            return [w * (1.0 - rate * asked) if i in d else w for i, w in enumerate(moved)]

        def again(number: int, weights: Weights, gradients: Weights, d: frozenset[int] = decayed) -> Weights:
            moved = _step(weights, gradients, rate, asked, d)
            return [w * (1.0 - rate * asked) if i in d else w for i, w in enumerate(moved)]

        yield (
            "weight_decay_again",
            "the weights decay once more after the update: by decay that is there too, or an update for "
            "an empty batch (range(n // batch_size + 1))",
            again,
        )

        yield "weight_decay_after_update", "the updated weights decay: decay those before the update", after

        def norm(number: int, weights: Weights, gradients: Weights, d: frozenset[int] = decayed) -> Weights:
            return [
                w - rate * (g + (asked * w / (np.linalg.norm(w) or 1.0) if i in d else 0.0))
                for i, (w, g) in enumerate(zip(weights, gradients))
            ]

        yield "weight_decay_of_norm", "the decay is the gradient of the norm, not of half its square", norm
        if path.steps > 1:

            def once(
                number: int, weights: Weights, gradients: Weights, d: frozenset[int] = decayed
            ) -> Weights:
                strength = asked if number == 0 else 0.0
                return _step(weights, gradients, rate, strength, d)

            yield "weight_decay_once", "weights decay in the first step alone", once


def _some(path: Trajectory, found: Weights) -> Iterator[Hypothesis]:
    """The decay reaches some tensors and not others, as neither convention has it; read off one step."""
    if path.steps != 1:
        return
    asked, rate = path.weight_decay, path.learning_rate
    strength = [ratio(-d / rate - g, w) / asked for d, g, w in zip(found, path.first_gradient, path.start)]
    reached = frozenset(i for i, s in enumerate(strength) if abs(s - 1.0) < 0.01)
    missed = frozenset(i for i, s in enumerate(strength) if abs(s) < 0.01)
    if reached | missed != path.every or reached in (path.every, path.matrices, path.biases, frozenset()):
        return
    names = ", ".join(f"{'Wb'[i % 2]}{i // 2 + 1}" for i in sorted(missed))
    yield Hypothesis(
        id="weight_decay_some_tensors",
        sentence=f"{names} do not decay, the others do",
        predict=lambda: path.descend(decays=[asked if i in reached else 0.0 for i in range(len(found))]),
    )


def adam_decay(path: Trajectory) -> Iterator[Hypothesis]:
    """Yield the mistakes of weight decay in Adam, where it belongs into the gradient."""
    rate = path.learning_rate
    yield from _wrong_strengths(path, path.adam)
    for of_biases in (1.0, 0.0):
        for factor, how in ((rate, ""), (1.0, " and not multiplied by the learning rate")):
            yield hypothesis(
                "adam_decoupled_decay",
                f"weight decay is taken off the weights, as in AdamW{how}: add it to the gradient (L2)",
                lambda f=factor, b=of_biases: path.adam(decoupled=f, decays=path.decays(1.0, b)),  # type: ignore[misc]
            )
    if not path.costly:
        yield from _some_in_adam(path)


def _some_in_adam(path: Trajectory) -> Iterator[Hypothesis]:
    """The decay reaches some layers' weights and not others'; the biases of all, of those, or none."""
    layers = range(path.depth)
    for count in range(1, path.depth):
        for chosen in combinations(layers, count):
            weights = frozenset(2 * layer for layer in chosen)
            own = frozenset(2 * layer + 1 for layer in chosen)
            for biases in (frozenset[int](), own, path.biases):
                reached = weights | biases
                missed = ", ".join(f"{'Wb'[i % 2]}{i // 2 + 1}" for i in sorted(path.every - reached))
                strengths = [path.weight_decay if i in reached else 0.0 for i in sorted(path.every)]
                yield hypothesis(
                    "weight_decay_some_tensors",
                    f"{missed} do not decay, the others do",
                    lambda s=strengths: path.adam(decays=s),  # type: ignore[misc]
                )
