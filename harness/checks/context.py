"""What a check is given: the session, the networks that the submission can build, and draws that the seed
fixes.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from harness import diagnosis, oracle
from harness.checks import tolerances
from harness.diagnosis import Diagnosis
from harness.oracle import Float, Int
from harness.records import Status
from harness.session import Model, Session, SubmissionFault

T = TypeVar("T")

MAIN = (784, 500, 250, 100, 10)
SMALL = (23, 17, 13, 11, 10)  # ten classes, as the report: code may have that number written down
# For 8 rows: arrays take a few milliseconds, the report's network in plain Python a second.
SLOW_SECONDS = 0.3
HELD_UP_SECONDS = 1.0
DEPTHS = ((9, 10), (9, 12, 10), (9, 12, 7, 10), (9, 12, 7, 8, 10), (9, 12, 7, 8, 6, 10))
# More than ten layers: their numbers are then ordered otherwise as text.
DEEP = (9, 12, 7, 11, 8, 12, 9, 11, 7, 12, 8, 10)
MOST_SQUARE = 64  # inputs: as many rows as the report's network has inputs would cost too much
ONE_UNIT = (9, 1, 10)  # its second matrix has one row, like a bias that is kept as a matrix
TWO_CLASSES = (9, 8, 2)  # softmax of two logits is a sigmoid of their difference, not of either
SQUARE = (9, 8, 8, 8, 10)  # a matrix that is as high as it is wide can be transposed unnoticed
# Between two seeds: with it they have the remainders of many divisors and their last digits, decimal and
# binary, in common. Below 2^31, as NumPy's seeds must be below 2^32.
ALIKE = 2**8 * 3**2 * 5**3 * 7 * 11 * 13


class Failed(Exception):
    """A check measured something wrong: one line for the author, numbers as evidence, the known mistake
    that fits.
    """

    def __init__(
        self,
        message: str,
        *,
        diagnosis: str | None = None,
        detail: str = "",
        evidence: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.diagnosis = diagnosis
        self.detail = detail
        self.evidence = dict(evidence or {})


def failed(
    message: str, known: Diagnosis | None, *, detail: str = "", evidence: Mapping[str, Any] | None = None
) -> Failed:
    """Return the failure: what the known mistake is, where one fits, and the measurement behind it."""
    if known is None:
        return Failed(message, detail=detail, evidence=evidence)
    whole = f"{message}\n{detail}" if detail else message
    return Failed(known.sentence, diagnosis=known.id, detail=whole, evidence=evidence)


def seed_cut(seed: int, what: str) -> Failed:
    """Return the failure where ``seed`` and the one ``ALIKE`` above it give the same."""
    return Failed(
        f"seeds {seed} and {seed + ALIKE:,} give {what}: only a remainder of the seed is used, or some "
        "of its digits",
        diagnosis="seed_cut",
    )


class RestsOn(Exception):
    """A check would only repeat what another found: the id of that other."""

    def __init__(self, check_id: str) -> None:
        super().__init__(check_id)
        self.check_id = check_id


class NotApplicable(Exception):
    """A check has nothing to measure on this submission (an optional verb that its part does not need)."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A network with weights and a batch, all float64, that both sides compute on."""

    layer_sizes: tuple[int, ...]
    activation: str
    weights: list[Float]
    X: Float  # (n, features), dense uniform(0, 1): with digits half of W1's gradient would be exactly 0
    y: Int  # (n,)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What building and evaluating a network once showed."""

    seconds: float  # for the probabilities of 8 rows
    own_sizes: tuple[int, ...] | None  # see ``Model.own_sizes``


@dataclass
class Context:
    """One submission under check; ``seed`` fixes every draw, each check has a stream of its own."""

    session: Session
    seed: int
    part: str
    activations: tuple[str, ...] = oracle.ACTIVATIONS
    main: tuple[int, ...] = MAIN  # the network of the report that is graded against
    described: bool = False  # its manifest says what the network is made of: it has no ``build`` of its own
    memo: dict[object, Any] = field(default_factory=dict)

    def rng(self, *key: object) -> np.random.Generator:
        """Return the generator of the stream named ``key``."""
        return np.random.default_rng([self.seed, zlib.crc32(repr(key).encode())])

    def once(self, key: object, make: Callable[[], T]) -> T:
        """Return ``make()``, computed once; a fault is remembered too."""
        if key not in self.memo:
            try:
                self.memo[key] = (True, make())
            except (Failed, RestsOn, NotApplicable, SubmissionFault) as error:
                self.memo[key] = (False, error)
        good, value = self.memo[key]
        if good:
            result: T = value
            return result
        raise value

    def can_build(self, layer_sizes: Sequence[int], activation: str = "tanh") -> bool:
        """Whether the submission builds and evaluates a network of these sizes within the limits."""
        return self._trial(layer_sizes, activation) is not None

    def answers_within(self, layer_sizes: Sequence[int], activation: str, seconds: float) -> bool:
        """Whether the submission answers 8 rows on a network of these sizes in so many seconds."""
        trial = self._trial(layer_sizes, activation)
        return trial is not None and trial.seconds <= seconds

    def can_pose(self, layer_sizes: Sequence[int], activation: str) -> bool:
        """Whether the submission builds these sizes, and its tensors are told apart.

        A manifest's places may be found by their shapes, of which no two tensors may then have the same.
        """
        shapes = [w.shape for w in weights_like(layer_sizes)]
        if self.described and len(set(shapes)) < len(shapes):
            return False
        return self.can_build(layer_sizes, activation)

    def _trial(self, layer_sizes: Sequence[int], activation: str) -> Trial | None:
        def attempt() -> Trial | None:
            try:
                model = self.session.build(layer_sizes, activation, 0)
                X = np.full((8, layer_sizes[0]), 0.5)
                answers: list[Float] = []
                seconds = least_seconds(lambda: answers.append(model.predict_proba(X)), SLOW_SECONDS)
            except SubmissionFault as fault:
                if fault.spent:
                    raise  # nothing was tried: that is no finding about the network
                if fault.status is Status.TIMEOUT:
                    self.memo["endless", tuple(layer_sizes), activation] = fault
                return None
            if answers[-1].shape != (8, layer_sizes[-1]):
                return None
            return Trial(seconds=seconds, own_sizes=model.own_sizes)

        return self.once(("trial", tuple(layer_sizes), activation), attempt)

    def networks(self, activation: str) -> list[tuple[int, ...]]:
        """Return the networks to check on: the report's, and a small one of unequal widths, where they can
        be built.
        """
        choices = (self.main, SMALL)
        found: list[tuple[int, ...]] = [sizes for sizes in choices if self.can_build(sizes, activation)]
        # What does not end on the small one is not tried on others: a class waits for each.
        if not found and (endless := self.memo.get(("endless", SMALL, activation))) is not None:
            raise endless
        # Code that is made for one depth is checked on that depth.
        if not found:
            found += [sizes for sizes in DEPTHS if self.can_build(sizes, activation)][:1]
        if not found:
            # Ask again for the report's network, so that its own fault is what the check reports.
            model = self.session.build(self.main, activation, 0)
            found_shape = model.predict_proba(np.full((8, self.main[0]), 0.5)).shape
            expected = (8, self.main[-1])
            raise Failed(
                f"predict_proba of 8 rows should have shape {expected}, found {found_shape}",
                diagnosis="answers_transposed" if found_shape == expected[::-1] else None,
            )
        return found

    def work_network(self, activation: str) -> tuple[int, ...]:
        """Return the cheaper of the networks that the submission can build."""
        return self.networks(activation)[-1]

    def initial_network(self, activation: str) -> tuple[int, ...]:
        """Return the network whose first weights are the submission's own.

        Where its sizes are written down, an adapter draws the weights of any others.
        """
        sizes = self.networks(activation)[0]
        trial = self._trial(sizes, activation)
        return (trial.own_sizes if trial else None) or sizes

    def problems(self, activation: str) -> list[Problem]:
        """Return the problems to compare with float64 on: each of ``networks``, in several batches.

        Where a row takes plain Python's time the report's network gets no long batch; the small one always
        does.
        """
        found = []
        for sizes in self.networks(activation):
            trial = self._trial(sizes, activation)
            slow = trial is not None and trial.seconds > SLOW_SECONDS and sizes != SMALL
            short = slow and self.can_build(SMALL, activation)
            found += [
                self.problem(sizes, activation, batch) for batch in ((7, 1) if short else (7, 64, 1, 8))
            ]
        return found

    def deep_problems(self, activation: str) -> list[Problem]:
        """Return one problem for each depth that the submission builds."""
        return [
            self.problem(sizes, activation, 8)
            for sizes in (*DEPTHS, SQUARE)
            if self.can_pose(sizes, activation)
        ]

    def square_problems(self, activation: str) -> list[Problem]:
        """Return a problem with as many rows as inputs, where those are few."""
        sizes = self.work_network(activation)
        return [self.problem(sizes, activation, sizes[0])] if sizes[0] <= MOST_SQUARE else []

    def two_class_problems(self, activation: str) -> list[Problem]:
        """Return a problem of two classes, where code has a logit for each: some has one, or knows ten."""
        if not self.can_pose(TWO_CLASSES, activation):
            return []
        model = self.session.build(TWO_CLASSES, activation, 0)
        if not {"get_weights", "set_weights"} <= model.verbs:
            return []
        expected, found = weights_like(TWO_CLASSES), model.get_weights()
        alike = [w.shape for w in found] == [w.shape for w in expected]
        return [self.problem(TWO_CLASSES, activation, 5)] if alike else []

    def problem(self, layer_sizes: tuple[int, ...], activation: str, batch: int, *key: object) -> Problem:
        """Return a problem of ``batch`` examples; the same arguments give the same problem."""

        def make() -> Problem:
            # One set of weights for all batches: what the worker still holds need not travel again.
            weights = self.once(
                ("weights", layer_sizes, key),
                lambda: oracle.glorot(layer_sizes, self.rng("weights", layer_sizes, key), bias_sd=0.1),
            )
            rng = self.rng("batch", layer_sizes, batch, key)
            X = rng.uniform(0.0, 1.0, (batch, layer_sizes[0]))
            y = rng.integers(0, layer_sizes[-1], batch)
            if activation == "relu":
                clear_of_kinks(weights, X, rng)
            return Problem(layer_sizes=layer_sizes, activation=activation, weights=weights, X=X, y=y)

        return self.once(("problem", layer_sizes, activation, batch, key), make)

    def model(self, problem: Problem, *, seed: int = 0) -> Model:
        """Build the problem's network in the submission and give it the problem's weights."""
        model = self.session.build(problem.layer_sizes, problem.activation, seed)
        model.set_weights(problem.weights)
        return model

    def posed(self, problem: Problem, *, seed: int = 0) -> tuple[Model, Problem]:
        """Build the problem's network; where weights cannot be set, the problem takes over the
        submission's own.
        """
        model = self.session.build(problem.layer_sizes, problem.activation, seed)
        if "set_weights" in model.verbs:
            model.set_weights(problem.weights)
            return model, problem
        own = as_float64(model.get_weights(), problem.weights, "get_weights()")
        return model, replace(problem, weights=own)

    @property
    def one_activation(self) -> str:
        """The activation of what is measured on one alone: without kinks and with large gradients."""
        return "tanh" if "tanh" in self.activations else self.activations[0]

    @property
    def float32(self) -> bool:
        """Whether the submission answers float64 weights and inputs with float32 numbers."""

        def look() -> bool:
            problem = self.problem(
                self.work_network(self.activations[0]), self.activations[0], 4, "precision"
            )
            model = self.model(problem)
            dtypes = [model.predict_proba(problem.X).dtype, *(w.dtype for w in model.get_weights())]
            with suppress(SubmissionFault):
                dtypes += [g.dtype for g in model.loss_and_gradients(problem.X, problem.y)[1]]
            return any(dtype == np.float32 for dtype in dtypes)

        return self.once(("float32", self.activations[0]), look)

    @property
    def tolerance(self) -> float:
        """The relative tolerance for what the submission computes once."""
        return tolerances.FLOAT32 if self.float32 else tolerances.FLOAT64


def clear_of_kinks(weights: Sequence[Float], X: Float, rng: np.random.Generator) -> None:
    """Redraw in place the rows of ``X`` with a ReLU unit so near 0 that float32 may put it on the other side.

    One unit of one row on the other side changes a right gradient by a thousandth: measured, that failed
    right float32 code about once in a hundred gradings.
    """
    for _ in range(50):
        near = np.zeros(len(X), dtype=bool)
        for Z in oracle.forward(weights, X, "relu")[1][:-1]:
            near |= (np.abs(Z) < tolerances.KINK * np.abs(Z).max()).any(axis=1)
        if not near.any():
            return
        X[near] = rng.uniform(0.0, 1.0, (int(near.sum()), X.shape[1]))


def alike(problem: Problem, rows: int) -> Problem:
    """Return the problem with its first example ``rows`` times, so that no order of the rows matters."""
    return replace(problem, X=np.repeat(problem.X[:1], rows, axis=0), y=np.repeat(problem.y[:1], rows))


def weights_like(layer_sizes: Sequence[int]) -> list[Float]:
    """Return arrays of the shapes of a network's weights, in contract order, for ``as_float64``."""
    return [np.empty(shape) for i, o in pairwise(layer_sizes) for shape in ((i, o), (o,))]


def least_seconds(ask: Callable[[], object], enough: float) -> float:
    """Return how long a question takes, asked three times where that is more than ``enough``.

    What a submission is asked depends on its speed, and must not on what else the machine was doing. One
    that takes seconds was not merely held up, and is not asked again.
    """
    least, spent = float("inf"), 0.0
    for _ in range(3):
        start = time.monotonic()
        ask()
        took = time.monotonic() - start
        least, spent = min(least, took), spent + took
        if least <= enough or spent > HELD_UP_SECONDS:
            break
    return least


def as_float64(
    arrays: Sequence[Any], expected: Sequence[Float], what: str, *, rows: int | None = None
) -> list[Float]:
    """Return arrays as float64 after checking number, shapes and finiteness against ``expected``.

    ``rows`` is the size of the batch that they were computed from, where there was one.
    """
    names = tensor_names(len(expected))
    shapes = [tuple(array.shape) for array in arrays]
    known = diagnosis.shapes(shapes, [right.shape for right in expected], rows)
    if known is not None:
        listed = ", ".join(map(str, shapes))
        raise failed(f"{what}: found the shapes {listed}", known)
    if len(arrays) != len(expected):
        raise Failed(f"{what}: expected {len(expected)} arrays ({', '.join(names)}), found {len(arrays)}")
    for name, array, right in zip(names, arrays, expected):
        if array.shape != right.shape:
            raise Failed(
                f"{what}: {name} should have shape {right.shape}, "
                f"found {array.shape}{_shape_hint(array, right)}"
            )
        if array.dtype.kind not in "fiu":
            raise Failed(f"{what}: {name} should hold real numbers, found dtype {array.dtype}")
        if not np.isfinite(array).all():
            bad = int(array.size - np.isfinite(array).sum())
            raise Failed(f"{what}: {name} holds {bad} values of {array.size} that are NaN or infinite")
    return [np.asarray(array, dtype=np.float64) for array in arrays]


def tensor_names(count: int) -> list[str]:
    """Return ``W1, b1, W2, b2, ...``."""
    return [f"{'Wb'[i % 2]}{i // 2 + 1}" for i in range(count)]


def relative_error(found: Float, expected: Float) -> float:
    """Return ``||found - expected|| / ||expected||`` (the plain norm where ``expected`` is zero)."""
    scale = float(np.linalg.norm(expected))
    error = float(np.linalg.norm(np.asarray(found, dtype=np.float64) - expected))
    return error / scale if scale > 0 else error


def worst_error(found: Sequence[Float], expected: Sequence[Float]) -> float:
    """Return the largest relative error of a list of tensors."""
    return max(relative_error(f, e) for f, e in zip(found, expected))


def _shape_hint(array: Any, right: Float) -> str:
    if array.ndim == 2 and right.ndim == 2 and array.shape == right.shape[::-1]:
        return ": it is transposed, (fan_in, fan_out) is expected"
    if right.ndim == 1 and array.size == right.size:
        return ": biases are one-dimensional, (fan_out,)"
    return ""
