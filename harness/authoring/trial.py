"""Trying a manifest on a small network in the sandbox: which verbs work, and are their numbers right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness import oracle
from harness.errors import ManifestError
from harness.manifest import Manifest
from harness.records import Status
from harness.sandbox.backend import Backend
from harness.session import Limits, Model, Session, SubmissionFault
from harness.submission import Submission

NETWORKS = ((6, 5, 4, 3), (6, 5, 3), (6, 5, 4, 5, 3))
PERFECT = 15  # weights 2, forward 5, loss and gradients 6, fit 2
FORWARD_RIGHT = "the forward pass is right"
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
    steps: bool = False  # loss_and_gradients leaves other weights than it found


def try_manifest(
    submission: Submission,
    manifest: dict[str, Any],
    backend: Backend,
    *,
    kind: str = "",
    own_sizes: tuple[int, ...] = (),
) -> Trial:
    """Build, set weights, predict, differentiate and fit on a small network under one manifest.

    A network that can be had in no small size is tried in ``own_sizes``, those that stand in its code.
    """
    trial = Trial(manifest=manifest, kind=kind)
    try:
        session = session_for(submission, manifest, backend)
    except ManifestError as error:
        return replace(trial, said=(str(error),))
    with session:
        activation = next(iter(session.submission.manifest.activations), "tanh")
        for network in (*NETWORKS, *([own_sizes] if own_sizes else [])):
            trial = run_network(session, replace(trial, sizes=network), activation)
            if trial.stage != "build":
                break
        if trial.stage == "gradients" and own_sizes and trial.sizes != own_sizes:
            # The number of classes may stand in the code although the sizes of the weights do not count.
            other = run_network(session, replace(trial, sizes=own_sizes), activation)
            trial = other if other.score > trial.score else trial
        return replace(trial, notes=session.notes)


def session_for(submission: Submission, manifest: dict[str, Any], backend: Backend) -> Session:
    """A session that reads a submission by a manifest (plain JSON); raises ManifestError for a wrong one."""
    read = Manifest.from_json(manifest)
    read = replace(read, part=read.part or submission.part)
    return Session(replace(submission, manifest=read), backend=backend, limits=LIMITS)


def run_network(session: Session, trial: Trial, activation: str) -> Trial:
    """Put a network of the trial's sizes through every verb; the trial with what came of it."""
    rng, perfect = np.random.default_rng(7), PERFECT
    sizes = trial.sizes
    weights: list[Any] = list(oracle.glorot(sizes, rng, bias_sd=0.3))
    X, y = rng.random((7, sizes[0])), rng.integers(0, sizes[-1], 7)
    stage, score, said, steps = "build", 0, list[str](), False
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
        steps = not _same(model.get_weights(), weights)
        if steps:
            # Right numbers read off a pass that also steps: the next question finds another network.
            score -= 1
            said.append(_stepping(trial.manifest))
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
    return replace(trial, score=score, stage=stage, said=tuple(said), perfect=score >= perfect, steps=steps)


def _stepping(manifest: dict[str, Any]) -> str:
    words = "gradients: asking for the loss and the gradients changes the weights"
    if not manifest.get("functions"):
        return f"{words}: loss_and_gradients should leave them as they are"
    if "learning_rate" in manifest["functions"].get("backward", ""):
        return f"{words}: backward_updates = true says so"
    return (
        f"{words}: say so with backward_updates = true and hand `learning_rate` to what steps "
        '(backward = "model.lr = learning_rate; ..."), or give its rate (backward_updates = 0.01)'
    )


class _OddError(Exception):
    """An answer of a kind that shows that the manifest reads the submission wrongly."""


def _predict(model: Model, X: Any, right: Any, said: list[str], score: int) -> tuple[int, list[str]]:
    found = model.predict_proba(X)
    if found.shape != right.shape or not np.allclose(found.sum(axis=1), 1.0, atol=1e-4):
        raise _OddError(f"predict_proba gives shape {found.shape} or rows that do not sum to 1")
    good = _near([found], [right])
    words = FORWARD_RIGHT if good else "the forward pass runs, its numbers are not those expected"
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


def _same(found: Sequence[Any], given: Sequence[Any]) -> bool:
    """Whether weights are those that were given, but for a conversion to float32 and back."""
    return all(np.allclose(f, g, rtol=1e-6, atol=1e-7) for f, g in zip(found, given, strict=True))


def _near(found: Sequence[Any], right: Sequence[Any]) -> bool:
    return len(found) == len(right) and all(
        np.shape(f) == np.shape(r) and np.abs(f - r).max() <= TOLERANCE * max(float(np.abs(r).max()), 1e-3)
        for f, r in zip(found, right)
    )
