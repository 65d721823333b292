"""Full-batch training in float64 whose every step can be replaced by a mistaken one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from harness import oracle
from harness.diagnosis.types import Hypothesis, Posed
from harness.oracle import Float

Weights = list[Float]
Step = Callable[[int, Weights, Weights], Weights]  # number from 0, weights, their gradients -> new weights


def hypothesis(name: str, sentence: str, predict: Callable[[], Weights | None]) -> Hypothesis:
    """Return the hypothesis of a mistake whose prediction is a list of displacements."""
    return Hypothesis(id=name, sentence=sentence, predict=predict)


class Trajectory:
    """What was asked of ``fit``: steps on batches that all hold a problem's rows, and what they give."""

    def __init__(
        self,
        problem: Posed,
        *,
        learning_rate: float,
        steps: int = 1,
        weight_decay: float = 0.0,
        optimizer: str = "sgd",
        batches: int = 1,
    ) -> None:
        self.problem = problem
        self.learning_rate = learning_rate
        self.steps = steps
        self.batches = batches  # updates an epoch; ``steps`` counts them all
        self.epochs = steps // batches
        self.weight_decay = weight_decay
        self.optimizer = optimizer
        self.start: Weights = [w.astype(np.float64) for w in problem.weights]
        self.n = len(problem.X)
        self.depth = len(self.start) // 2
        self.every = frozenset(range(len(self.start)))
        self.matrices = frozenset(range(0, len(self.start), 2))
        self.biases = self.every - self.matrices
        self._path: list[Weights] = [[np.zeros_like(w) for w in self.start]]
        # Several steps of the report's network take a tenth of a second: there only the likeliest are tried.
        self.costly = steps > 1 and sum(w.size for w in self.start) > 100_000

    def decays(self, of_matrices: float, of_biases: float) -> list[float]:
        """Return each tensor's decay: the one asked for, times a factor."""
        return [self.weight_decay * (of_biases if i % 2 else of_matrices) for i in range(len(self.start))]

    def gradient(self, weights: Sequence[Float]) -> Weights:
        """Return the right gradients at some weights."""
        problem = self.problem
        return oracle.loss_and_gradients(weights, problem.X, problem.y, problem.activation)[1]

    @cached_property
    def first_gradient(self) -> Weights:
        """The right gradients at the start."""
        return self.gradient(self.start)

    def run(self, step: Step, *, steps: int | None = None) -> Weights:
        """Return the displacement of every tensor after the steps."""
        weights = [w.copy() for w in self.start]
        with np.errstate(all="ignore"):
            for number in range(self.steps if steps is None else steps):
                gradients = self.first_gradient if number == 0 else self.gradient(weights)
                weights = step(number, weights, gradients)
            return [w - s for w, s in zip(weights, self.start)]

    def after(self, steps: int) -> Weights:
        """Return the displacements after any number of right steps; each is computed once."""
        while len(self._path) <= steps:
            weights = [w + d for w, d in zip(self.start, self._path[-1])]
            gradients = self.gradient(weights)
            self._path.append([d - self.learning_rate * g for d, g in zip(self._path[-1], gradients)])
        return self._path[steps]

    def descend(
        self,
        *,
        factor: float = 1.0,
        decays: Sequence[float] | None = None,
        moving: frozenset[int] | None = None,
        steps: int | None = None,
    ) -> Weights:
        """Run gradient descent: its rate times ``factor``, each tensor's ``decays``, ``moving`` ones only."""
        strengths = self.decays(1.0, 1.0) if decays is None else decays
        rate = factor * self.learning_rate

        def step(number: int, weights: Weights, gradients: Weights) -> Weights:
            return [
                w - rate * (g + strengths[i] * w) if moving is None or i in moving else w
                for i, (w, g) in enumerate(zip(weights, gradients))
            ]

        return self.run(step, steps=steps)

    def adam(
        self,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        correct: tuple[bool, bool] = (True, True),
        stored: tuple[bool, bool] = (False, False),
        powers: tuple[float, float] | None = None,
        slot: Callable[[int], int] = lambda tensor: tensor,
        count: Callable[[int, int], int] = lambda number, tensor: number + 1,
        forget: bool = False,
        inside: bool = False,
        root: bool = True,
        square: Callable[[Float], Float] = np.square,
        decays: Sequence[float] | None = None,
        decoupled: float = 0.0,
        moving: frozenset[int] | None = None,
        rate: float | None = None,
        steps: int | None = None,
    ) -> Weights:
        """Run Adam (Kingma and Ba 2015) with some of its details replaced.

        ``count`` gives the step count of a tensor, ``slot`` says whose running means it uses, ``forget``
        starts them anew at each step; ``stored`` keeps the corrected means in their place, ``powers`` are
        what the corrections raise to the step count; ``inside`` puts epsilon under the root; ``decoupled``
        times its decay is taken off a weight directly.
        """
        strengths = self.decays(1.0, 1.0) if decays is None else decays
        rate = self.learning_rate if rate is None else rate
        first_power, second_power = powers or (beta1, beta2)
        m, v = ([np.zeros_like(w) for w in self.start] for _ in range(2))

        def step(number: int, weights: Weights, gradients: Weights) -> Weights:
            after = []
            for i, (w, g) in enumerate(zip(weights, gradients)):
                at = slot(i)
                if forget:
                    m[at], v[at] = np.zeros_like(w), np.zeros_like(w)
                if decoupled:
                    w = w - decoupled * strengths[i] * w
                else:
                    g = g + strengths[i] * w
                t = count(number, i)
                m[at] = beta1 * m[at] + (1 - beta1) * g
                v[at] = beta2 * v[at] + (1 - beta2) * square(g)
                mean = m[at] / (1 - first_power**t) if correct[0] else m[at]
                second = v[at] / (1 - second_power**t) if correct[1] else v[at]
                if stored[0]:
                    m[at] = mean
                if stored[1]:
                    v[at] = second
                size = (
                    np.sqrt(second + epsilon) if inside else (np.sqrt(second) if root else second) + epsilon
                )
                after.append(w - rate * mean / size if moving is None or i in moving else w)
            return after

        return self.run(step, steps=steps)
