"""Ways to check a gradient: this project's, PyTorch's ``gradcheck``, and coordinate by coordinate.

All check the same thing: the loss of ``reference/numpy_mlp.py`` on the report's network, batch 8, in float64,
and a gradient that is right or spoiled by a fault.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.faults import Fault, submission
from harness.checks import gradients as ours
from harness.checks.context import MAIN, Context, Failed, Problem
from harness.sandbox.backend import choose
from harness.session import Limits, Session
from harness.submission import discover

Array = NDArray[Any]
BATCH = 8
STEP = 1e-5
RANDOM = 1_000  # coordinates of the sampling check
FAST_EVALUATIONS = (
    200  # of the loss: more than gradcheck's fast mode needs for eight tensors, far under the slow
)
SAMPLE = 200  # coordinates that stand for all 543,860 where a check of all would take minutes


@dataclass(frozen=True)
class Subject:
    """A gradient under check: the problem it belongs to, the fault in it, and the process that answers."""

    session: Session
    problem: Problem
    fault: Fault
    seed: int
    slopes: dict[int, float] = field(default_factory=dict)  # by coordinate: two ways ask for the same ones

    @classmethod
    def pose(cls, session: Session, fault: Fault, activation: str, seed: int) -> Subject:
        """The problem that the project's own checks would pose with this seed."""
        context = Context(session=session, seed=seed, part="scratch", activations=(activation,))
        return cls(session, context.problem(MAIN, activation, BATCH), fault, seed)

    @cached_property
    def model(self) -> Any:
        """The right network in this process, float64, with the problem's weights."""
        module = importlib.import_module("reference.numpy_mlp")
        model = module.build(self.problem.layer_sizes, self.problem.activation, 0)
        model.set_weights(self.problem.weights)
        return model

    def loss(self) -> float:
        """The mean cross entropy at the model's present weights."""
        P = self.model.predict_proba(self.problem.X)
        return float(-np.mean(np.log(P[np.arange(BATCH), self.problem.y])))

    def gradients(self) -> list[Array]:
        """The gradient under check at the model's present weights."""
        return self.fault.spoil(self.right(), BATCH)

    def right(self) -> list[Array]:
        """The right gradient at the model's present weights."""
        found: list[Array] = self.model.loss_and_gradients(self.problem.X, self.problem.y)[1]
        return found

    def telling(self, count: int) -> Array:
        """Coordinates of the vector of all weights that decide what a check of all of them says.

        Half of the ``count`` are those on which a check is likeliest to say "wrong", half are random:
        where the gradient is spoiled, the spoiled coordinates furthest from right; where it is right, the
        ones whose gradient is smallest but not zero, for they are the closest to rounding.
        """
        right = np.abs(flat(self.right()))
        distance = np.abs(flat(self.gradients()) - flat(self.right()))
        spoiled = bool(distance.any())
        choice = np.flatnonzero(distance if spoiled else right)
        order = np.argsort(-distance[choice] if spoiled else right[choice])
        first = choice[order[: count // 2]]
        rest = np.setdiff1d(choice, first)
        rng = np.random.default_rng([self.seed, count])
        drawn = rng.choice(rest, min(count - len(first), len(rest)), replace=False)
        return np.concatenate([first, drawn])


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way to check: ``rejects(subject)`` says whether it calls the gradient wrong.

    ``share`` is the part of its work that one call does: for the others the cost is extrapolated.
    """

    name: str
    rejects: Callable[[Subject], bool]
    share: float = 1.0


def ways() -> tuple[Way, ...]:
    """Every way, ours first."""
    sampled = SAMPLE / total()
    return (
        Way(name="backcheck, differences", rejects=backcheck_differences),
        Way(name="backcheck, float64 oracle", rejects=backcheck_oracle),
        Way(name="gradcheck, fast mode", rejects=gradcheck_fast),
        Way(name="gradcheck, default", rejects=gradcheck_default, share=sampled),
        Way(name=f"{RANDOM:,} random coordinates, relative 1e-4", rejects=random_coordinates),
        Way(name="every coordinate, relative 1e-4", rejects=every_relative, share=sampled),
        Way(name="every coordinate, absolute 1e-2", rejects=every_absolute, share=sampled),
    )


def total() -> int:
    """How many coordinates the network has."""
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(MAIN))


@contextmanager
def running(fault: Fault, folder: Path) -> Iterator[Session]:
    """A session with a submission that has the fault, behind the sandbox's walls."""
    (found,) = discover([submission(fault, folder)])
    with Session(found, backend=choose(), limits=Limits()) as session:
        yield session


# --- Ours ---


def backcheck_differences(subject: Subject) -> bool:
    """Three random directions for each tensor, at initialisation and after a burn-in."""
    return _fails(ours.finite_differences, subject)


def backcheck_oracle(subject: Subject) -> bool:
    """Comparison with an independent computation: two networks, four batch sizes, one to five layers."""
    return _fails(ours.gradients, subject)


def _fails(check: Callable[[Context, str], object], subject: Subject) -> bool:
    activation = subject.problem.activation
    context = Context(session=subject.session, seed=subject.seed, part="scratch", activations=(activation,))
    try:
        check(context, activation)
    except Failed:
        return True
    return False


# --- PyTorch's ---


def gradcheck_fast(subject: Subject) -> bool:
    """``torch.autograd.gradcheck(fast_mode=True)`` on all tensors, its tolerances as they come.

    Once it has found something wrong it runs the slow mode, minutes long, to say what: that is cut short.
    """
    try:
        return not _gradcheck(subject, [array.copy() for array in subject.model.weights], None, fast=True)
    except _SlowMode:
        return True


def gradcheck_default(subject: Subject) -> bool:
    """``torch.autograd.gradcheck`` as it comes, on the coordinates that decide its answer."""
    chosen = subject.telling(SAMPLE)
    return not _gradcheck(subject, [subject.model.vector[chosen]], chosen, fast=False)


def gradcheck_whole(subject: Subject) -> bool:
    """``torch.autograd.gradcheck`` as it comes, on every coordinate: many minutes."""
    return not _gradcheck(subject, [array.copy() for array in subject.model.weights], None, fast=False)


class _SlowMode(Exception):
    """The fast mode has gone over to the slow one."""


def _gradcheck(subject: Subject, start: list[Array], chosen: Array | None, *, fast: bool) -> bool:
    """Wrap loss and gradient as an autograd function of the tensors, or of the chosen coordinates."""
    import torch

    vector = subject.model.vector
    evaluations = 0

    def place(tensors: tuple[Any, ...]) -> None:
        arrays = [tensor.detach().numpy() for tensor in tensors]
        if chosen is not None:
            vector[chosen] = arrays[0]
        else:
            for own, array in zip(subject.model.weights, arrays):
                own[...] = array

    class Loss(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *tensors: Any) -> Any:
            nonlocal evaluations
            evaluations += 1
            if fast and evaluations > FAST_EVALUATIONS:
                raise _SlowMode
            ctx.save_for_backward(*tensors)
            place(tensors)
            return torch.tensor(subject.loss(), dtype=torch.float64)

        @staticmethod
        def backward(ctx: Any, upstream: Any) -> Any:
            place(ctx.saved_tensors)
            found = subject.gradients()
            if chosen is not None:
                found = [flat(found)[chosen]]
            return tuple(upstream * torch.from_numpy(gradient) for gradient in found)

    tensors = [torch.tensor(array, requires_grad=True) for array in start]
    try:
        agrees: bool = torch.autograd.gradcheck(Loss.apply, tensors, fast_mode=fast, raise_exception=False)
    finally:
        subject.model.set_weights(subject.problem.weights)
    return agrees


# --- Coordinate by coordinate, as in many courses ---


def random_coordinates(subject: Subject) -> bool:
    """A thousand random coordinates, relative error at most 1e-4."""
    chosen = np.random.default_rng(subject.seed).choice(total(), RANDOM, replace=False)
    return _coordinates(subject, chosen, relative=1e-4)


def every_relative(subject: Subject) -> bool:
    """Every coordinate, relative error at most 1e-4; only those that decide its answer are computed."""
    return _coordinates(subject, subject.telling(SAMPLE), relative=1e-4)


def every_absolute(subject: Subject) -> bool:
    """Every coordinate, absolute error at most 1e-2; only those that decide its answer are computed."""
    return _coordinates(subject, subject.telling(SAMPLE), absolute=1e-2)


def _coordinates(subject: Subject, chosen: Array, *, relative: float = 0.0, absolute: float = 0.0) -> bool:
    claimed, wrong = flat(subject.gradients()), False
    for i in chosen.tolist():
        if i not in subject.slopes:
            subject.slopes[i] = _slope(subject, i)
        slope = subject.slopes[i]
        allowed = absolute + relative * max(abs(slope), abs(claimed[i]))
        wrong |= bool(abs(slope - claimed[i]) > allowed)
    return wrong


def _slope(subject: Subject, i: int) -> float:
    vector = subject.model.vector
    before = vector[i]
    vector[i] = before + STEP
    above = subject.loss()
    vector[i] = before - STEP
    below = subject.loss()
    vector[i] = before
    return (above - below) / (2 * STEP)


def flat(tensors: list[Array]) -> Array:
    """All tensors as one vector, in the order of the weights."""
    return np.concatenate([tensor.ravel() for tensor in tensors])
