"""Whether ``seed`` decides the weights and the training, and the line of a manifest that lets it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.authoring.anatomy import Anatomy
from harness.authoring.trial import Trial, session_for
from harness.errors import ManifestError
from harness.sandbox.backend import Backend
from harness.session import Session, SubmissionFault
from harness.submission import Submission

SEEDS = (1, 1, 2)


@dataclass(frozen=True, kw_only=True)
class Draws:
    """What three builds show, two of them with one seed."""

    weights_repeat: bool
    training_repeats: bool
    seeds_differ: bool

    @property
    def right(self) -> bool:
        """Whether the seed decides everything."""
        return self.weights_repeat and self.training_repeats and self.seeds_differ

    def words(self, manifest: dict[str, Any], lines: Sequence[str] = ()) -> Iterator[str]:
        """Yield what is wrong, each with what to do; ``lines`` would seed the module's generators."""
        line = lines[0] if lines else "module.rng = np.random.default_rng(seed)"
        hint = f'seed what it draws from, first thing in the constructor ("{line}; ...")'
        if "constructor" not in manifest:
            hint = (
                "let the seed that build is given decide every draw"
                if not manifest.get("functions")
                else "write a constructor that seeds"
            )
        if not self.weights_repeat:
            yield f"seed: two builds with the same seed give different weights: {hint}"
        elif not self.training_repeats:
            yield f"seed: two trainings with the same seed end differently: {hint}"
        if not self.seeds_differ:
            yield "seed: builds with two seeds give the same weights: hand `seed` to the constructor"


def with_seed(submission: Submission, anatomy: Anatomy, trial: Trial, backend: Backend) -> Trial:
    """The trial with its module's generators seeded where that helps, and with what the seed still misses."""
    if trial.stage == "build":
        return trial
    draws = draws_of(submission, trial, backend)
    if draws is None or draws.right:
        return trial
    lines = seeding_lines(anatomy, trial.manifest)
    if lines and "constructor" in trial.manifest and not (draws.weights_repeat and draws.training_repeats):
        manifest = _seeded(trial.manifest, lines)
        other = draws_of(submission, replace(trial, manifest=manifest), backend)
        if other is not None and other.right:
            return replace(trial, manifest=manifest)
    return replace(trial, said=(*trial.said, *draws.words(trial.manifest, lines)))


def draws_of(submission: Submission, trial: Trial, backend: Backend) -> Draws | None:
    """Build with one seed twice and with another, and train if it can; None where that fails."""
    try:
        with session_for(submission, trial.manifest, backend) as session:
            activation = next(iter(session.submission.manifest.activations), "tanh")
            own = session.build(trial.sizes, activation, 1).own_sizes
            # Weights of other sizes than its own are drawn by the harness, and say nothing.
            runs = [_run(session, own or trial.sizes, activation, seed) for seed in SEEDS]
    except (ManifestError, SubmissionFault):
        return None
    (first, trained), (again, trained_again), (other, _) = runs
    return Draws(
        weights_repeat=_equal(first, again),
        training_repeats=_equal(trained, trained_again),
        seeds_differ=not _equal(first, other),
    )


def _run(session: Session, sizes: Sequence[int], activation: str, seed: int) -> tuple[list[Any], list[Any]]:
    """The weights as drawn, and after two epochs of small batches, if there is a training."""
    rng = np.random.default_rng(0)
    X, y = rng.random((8, sizes[0])), rng.integers(0, sizes[-1], 8)
    model = session.build(sizes, activation, seed)
    drawn = model.get_weights()
    if "fit" not in model.verbs:
        return drawn, drawn
    try:
        model.fit(X, y, epochs=2, batch_size=2, learning_rate=0.1)
    except SubmissionFault:
        return drawn, drawn  # the trial tells of a training that fails
    return drawn, model.get_weights()


def _equal(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return len(one) == len(other) and all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other))


def seeding_lines(anatomy: Anatomy, manifest: dict[str, Any]) -> list[str]:
    """Statements that make the module's generators anew from ``seed``, of those that the manifest reaches."""
    return [f"module.{name} = {made}" for name, made in _drawn_from(anatomy, manifest)]


def _drawn_from(anatomy: Anatomy, manifest: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The generators that are read by what the snippets call, or by what that calls."""
    snippets = [manifest.get("constructor", ""), *manifest.get("functions", {}).values()]
    names = set(re.findall(r"\w+", " ".join(snippets)))
    reads = {cls.name: {cls.name, *cls.bases} for cls in anatomy.classes}
    for cls in anatomy.classes:
        reads[cls.name].update(*(_free(method.reads, method.parameters) for method in cls.methods))
    reads |= {function.name: _free(function.reads, function.parameters) for function in anatomy.functions}
    reached: set[str] = set()
    while names:
        reached |= names
        names = {name for used in names & reads.keys() for name in reads[used]} - reached
    yield from ((name, made) for name, made in anatomy.generators.items() if name in reached)


def _free(reads: frozenset[str], parameters: Sequence[str]) -> set[str]:
    """What a function reads from outside: a parameter of the same name hides the module's."""
    return set(reads) - set(parameters)


def _seeded(manifest: dict[str, Any], lines: Sequence[str]) -> dict[str, Any]:
    constructor = str(manifest["constructor"])
    if not re.match(r"\w[\w, ]* = ", constructor):
        constructor = f"model = {constructor}"  # only a call that stands alone is taken for the model
    return {**manifest, "constructor": "; ".join([*lines, constructor])}
