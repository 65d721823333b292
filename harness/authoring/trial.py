"""Trying a manifest on a small network in the sandbox: which verbs work, and are their numbers right."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from harness import oracle
from harness.authoring.anatomy import Anatomy
from harness.authoring.hints import Form, forms
from harness.authoring.proposal import Guess, guesses
from harness.errors import ManifestError
from harness.manifest import Manifest
from harness.records import Status
from harness.sandbox.backend import Backend
from harness.session import Limits, Model, Session, SubmissionFault
from harness.submission import Submission

NETWORKS = ((6, 5, 4, 3), (6, 5, 3), (6, 5, 4, 5, 3))
TRIALS_LIMIT = 80
SECONDS_LIMIT = 60.0
PERFECT = 15  # weights 2, forward 5, loss and gradients 6, fit 2
TOLERANCE = 1e-4  # relative; float32 code is under 1e-6, a wrong reading is far over it
LIMITS = Limits(load_seconds=30.0, call_seconds=10.0)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of a manifest: points to compare by, what worked, where it ended, in words."""

    manifest: dict[str, Any]
    kind: str
    score: int = 0
    perfect: bool = False
    stage: str = "build"  # the first stage that failed: build, predict, gradients, fit, or done
    said: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    sizes: tuple[int, ...] = NETWORKS[0]


@dataclass
class _Tried:
    """Which combinations need not be tried again."""

    constructors: set[str] = field(default_factory=set)
    forwards: set[tuple[Any, ...]] = field(default_factory=set)


def best_manifest(submission: Submission, anatomy: Anatomy, backend: Backend) -> Trial | None:
    """Try guesses until one is right in everything; return the best, or None when there was no guess."""
    best: Trial | None = None
    tried = _Tried()
    deadline = time.monotonic() + SECONDS_LIMIT
    for guess, form in itertools.islice(_order(anatomy, tried), TRIALS_LIMIT):
        manifest = {**guess.keys, **form.keys()} if guess.free else dict(guess.keys)
        if guess.functions:
            manifest["functions"] = guess.functions
        trial = try_manifest(submission, manifest, backend, kind=guess.kind)
        _remember(tried, trial, guess, form)
        if best is None or trial.score > best.score:
            best = trial
        if trial.perfect or time.monotonic() > deadline:
            break
    return _with_activations(submission, best, backend) if best is not None and best.perfect else best


def _with_activations(submission: Submission, trial: Trial, backend: Backend) -> Trial:
    """Say in the manifest which of the activations the submission has, where it has not all of them."""
    declared = trial.manifest.get("activations", {})
    table = declared if isinstance(declared, dict) else {name: name for name in declared}
    table = {name: table.get(name, name) for name in oracle.ACTIVATIONS}
    able = {}
    with _session(submission, {**trial.manifest, "activations": table}, backend) as session:
        for activation, own in table.items():
            if _run(session, trial, activation).score >= trial.score:
                able[activation] = own
    manifest = {key: value for key, value in trial.manifest.items() if key != "activations"}
    if any(key != own for key, own in able.items()):
        manifest = {"activations": able, **manifest}
    elif len(able) < len(oracle.ACTIVATIONS):
        manifest = {"activations": list(able), **manifest}
    return replace(trial, manifest=manifest)


def _order(anatomy: Anatomy, tried: _Tried) -> Iterator[tuple[Guess, Form]]:
    """Every guess in its likeliest form first, then in the others; what is known to fail is left out."""
    every = list(guesses(anatomy))
    free, seen = forms(anatomy), list[Any]()
    for rank, form in enumerate(free):
        for guess in every:
            if (rank and not guess.free) or _hopeless(tried, guess, form):
                continue
            if (guess, form) not in seen:
                seen.append((guess, form))
                yield guess, form


def _hopeless(tried: _Tried, guess: Guess, form: Form) -> bool:
    return _construction(guess) in tried.constructors or _forward_key(guess, form) in tried.forwards


def _construction(guess: Guess) -> str:
    return f"{guess.keys.get('constructor', '')} {guess.keys.get('bias', '')}"


def _forward_key(guess: Guess, form: Form) -> tuple[Any, ...]:
    return (
        repr(guess.keys),
        guess.functions.get("forward"),
        form.batch_axis,
        form.one_example,
        form.output,
        form.input_scale,
    )


def _remember(tried: _Tried, trial: Trial, guess: Guess, form: Form) -> None:
    constructor = guess.keys.get("constructor", "")
    if trial.stage == "build" and "X" not in constructor and constructor:
        tried.constructors.add(_construction(guess))
    if trial.stage == "predict" and guess.free:
        tried.forwards.add(_forward_key(guess, form))


def try_manifest(
    submission: Submission,
    manifest: dict[str, Any],
    backend: Backend,
    *,
    kind: str = "",
) -> Trial:
    """Build, set weights, predict, differentiate and fit on a small network under one manifest."""
    trial = Trial(manifest=manifest, kind=kind)
    try:
        session = _session(submission, manifest, backend)
    except ManifestError as error:
        return replace(trial, said=(str(error),))
    with session:
        activation = next(iter(session.submission.manifest.activations), "tanh")
        for network in NETWORKS:
            trial = _run(session, replace(trial, sizes=network), activation)
            if trial.stage != "build":
                break
        return replace(trial, notes=session.notes)


def _session(submission: Submission, manifest: dict[str, Any], backend: Backend) -> Session:
    read = Manifest.from_json(manifest)
    read = replace(read, part=read.part or submission.part)
    return Session(replace(submission, manifest=read), backend=backend, limits=LIMITS)


def _run(session: Session, trial: Trial, activation: str) -> Trial:
    rng, perfect = np.random.default_rng(7), PERFECT
    sizes = trial.sizes
    weights: list[Any] = list(oracle.glorot(sizes, rng, bias_sd=0.3))
    X, y = rng.random((7, sizes[0])), rng.integers(0, sizes[-1], 7)
    stage, score, said = "build", 0, list[str]()
    right: list[Any] = [oracle.probabilities(weights, X, activation)]
    right += oracle.loss_and_gradients(weights, X, y, activation)
    try:
        model = session.build(sizes, activation, 1)
        model.set_weights(weights)
        if not _near(model.get_weights(), weights):
            raise _OddError("weights that are set do not come back")
        score, stage = 2, "predict"
        score, said = _predict(model, X, right[0], said, score)
        stage = "gradients"
        score, said = _gradients(model, X, y, right, said, score)
        stage = "fit"
        score, said = _fit(model, X, y, weights, right[2], said, score)
        stage = "done"
    except _OddError as fault:
        said.append(f"{stage}: {fault}")
    except SubmissionFault as fault:
        said.append(f"{stage}: {fault}")
        if stage == "fit" and fault.status is Status.NOT_PROVIDED:
            stage = "done"  # there is no training function to be found
            perfect = PERFECT - 2
    return replace(trial, score=score, stage=stage, said=tuple(said), perfect=score >= perfect)


class _OddError(Exception):
    """An answer of a kind that shows that the manifest reads the submission wrongly."""


def _predict(model: Model, X: Any, right: Any, said: list[str], score: int) -> tuple[int, list[str]]:
    found = model.predict_proba(X)
    if found.shape != right.shape or not np.allclose(found.sum(axis=1), 1.0, atol=1e-4):
        raise _OddError(f"predict_proba gives shape {found.shape} or rows that do not sum to 1")
    good = _near([found], [right])
    words = (
        "the forward pass is right" if good else "the forward pass runs, its numbers are not those expected"
    )
    return score + (5 if good else 1), [*said, words]


def _gradients(
    model: Model, X: Any, y: Any, right: list[Any], said: list[str], score: int
) -> tuple[int, list[str]]:
    loss, found = model.loss_and_gradients(X, y)
    if [np.shape(g) for g in found] != [np.shape(g) for g in right[2]]:
        raise _OddError("the gradients have other shapes than the weights")
    good = _near(found, right[2])
    words = [
        "the gradients are right" if good else "gradients come back, their numbers are not those expected"
    ]
    if abs(loss - right[1]) <= TOLERANCE * right[1]:
        score += 1
        words.append("the loss is right")
    return score + (5 if good else 1), [*said, *words]


def _fit(
    model: Model, X: Any, y: Any, weights: list[Any], gradients: Sequence[Any], said: list[str], score: int
) -> Any:
    model.set_weights(weights)
    model.fit(X, y, epochs=1, batch_size=len(X), learning_rate=0.1)
    after = [w - 0.1 * g for w, g in zip(weights, gradients)]
    good = _near(model.get_weights(), after)
    words = "fit takes the right step" if good else "fit runs, its step is not the one expected"
    return score + (2 if good else 1), [*said, words]


def _near(found: Sequence[Any], right: Sequence[Any]) -> bool:
    return len(found) == len(right) and all(
        np.shape(f) == np.shape(r) and np.abs(f - r).max() <= TOLERANCE * max(float(np.abs(r).max()), 1e-3)
        for f, r in zip(found, right)
    )
