"""The search for a manifest: guesses tried in order, the best one completed by what the trial shows."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from harness import oracle
from harness.authoring.anatomy import Anatomy
from harness.authoring.hints import Form, forms
from harness.authoring.proposal import Guess, guesses
from harness.authoring.seeding import draws_of, seeding_lines, with_seed
from harness.authoring.trainings import other_trainings
from harness.authoring.trial import FORWARD_RIGHT, Trial, run_network, session_for, try_manifest
from harness.sandbox.backend import Backend
from harness.submission import Submission

TRIALS_LIMIT = 80
SECONDS_LIMIT = 60.0
READ_RIGHT = 13  # points for right weights, forward pass and gradients, and a fit that ran


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
        if best is not None and _trains_itself(best) and "fit" not in guess.functions:
            continue
        trial = try_manifest(submission, manifest, backend, kind=guess.kind, own_sizes=anatomy.written_sizes)
        _remember(tried, trial, guess, form)
        trial = _with_updates(submission, anatomy, trial, backend)
        trial = _with_training(submission, anatomy, trial, backend)
        if best is None or trial.score > best.score:
            best = trial
        if trial.perfect or time.monotonic() > deadline:
            break
    if best is None:
        return None
    best = with_seed(submission, anatomy, best, backend)
    return _with_activations(submission, best, backend) if best.perfect else best


def _trains_itself(trial: Trial) -> bool:
    """Whether all is read rightly and the submission's own training ran, be its step right or wrong.

    The harness's loop would then take the right step, and hide what the submission's does wrong.
    """
    return (
        "fit" in trial.manifest.get("functions", {}) and trial.stage == "done" and trial.score >= READ_RIGHT
    )


def try_existing(submission: Submission, anatomy: Anatomy, backend: Backend) -> Trial:
    """Try the manifest that a submission has, with every activation that it offers; nothing is changed."""
    manifest = submission.manifest.to_json()
    trial = try_manifest(
        submission, manifest, backend, kind="what its manifest says", own_sizes=anatomy.written_sizes
    )
    offered = list(submission.manifest.activations) or ["tanh", "sigmoid", "relu"]
    said = list(trial.said)
    if trial.stage != "build":
        with session_for(submission, manifest, backend) as session:
            for activation in offered[1:]:
                other = run_network(session, trial, activation)
                said += [f"{words} ({activation})" for words in other.said if words not in trial.said]
        draws = draws_of(submission, trial, backend)
        said += draws.words(manifest, seeding_lines(anatomy, manifest)) if draws is not None else ()
    return replace(trial, said=tuple(said))


def _with_updates(submission: Submission, anatomy: Anatomy, trial: Trial, backend: Backend) -> Trial:
    """Say that the backward pass also steps, where it was seen to; the old trial if that reads no better."""
    functions = trial.manifest.get("functions", {})
    if not trial.steps or "learning_rate" not in functions.get("backward", ""):
        return trial
    # An update after a pass that updates would be a second step.
    kept = {name: text for name, text in functions.items() if name != "update"}
    manifest = {**trial.manifest, "backward_updates": True, "functions": kept}
    other = try_manifest(submission, manifest, backend, kind=trial.kind, own_sizes=anatomy.written_sizes)
    return other if other.score >= trial.score else trial


def _with_training(submission: Submission, anatomy: Anatomy, trial: Trial, backend: Backend) -> Trial:
    """Give a manifest that reads all but the training a training loop; the old trial if none runs."""
    functions = trial.manifest.get("functions", {})
    if trial.stage != "done" or not functions or "fit" in functions or "update" in functions:
        return trial
    for fit in other_trainings(anatomy, trial.manifest):
        manifest = {**trial.manifest, "functions": {**functions, "fit": fit}}
        other = try_manifest(submission, manifest, backend, kind=trial.kind, own_sizes=anatomy.written_sizes)
        if other.score > trial.score:
            return other
    return trial


def _with_activations(submission: Submission, trial: Trial, backend: Backend) -> Trial:
    """Say in the manifest which of the activations the submission has, where it has not all of them."""
    declared = trial.manifest.get("activations", {})
    table = declared if isinstance(declared, dict) else {name: name for name in declared}
    table = {name: table.get(name, name) for name in oracle.ACTIVATIONS}
    able = {}
    with session_for(submission, {**trial.manifest, "activations": table}, backend) as session:
        for activation, own in table.items():
            other = run_network(session, trial, activation)
            # One that it has, and differentiates wrongly, is no less its own: the checks are to say so.
            if other.score >= trial.score or FORWARD_RIGHT in other.said:
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
