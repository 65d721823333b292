"""Accuracy runs, blinded: the submission trains on permuted pixels and classes and is scored on the
trusted side.

Glorot-uniform weights are independent and identically distributed within a layer, so a correct network's
accuracy has exactly the same distribution whatever the order of pixels and the names of classes. Each run
permutes both by a secret draw. A table of labels, a pretrained model or a memorised test set scores chance;
an honest network notices nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.data import Dataset
from harness.records import Status
from harness.sandbox.backend import Backend
from harness.session import Limits, Session, SubmissionFault
from harness.spec import Experiment
from harness.submission import Submission

RUN_SECONDS = 900.0  # of processor time for one fit: some forty times what the reference needs
PREDICT_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class AccuracyRun:
    """One training of a submission: test accuracy in per cent, or the status and message of what went
    wrong.
    """

    experiment: str
    seed: int  # build's seed, all of the run's randomness that the submission is told
    blind: int  # what the permutations were drawn from; the submission never sees it
    status: Status  # PASS means measured
    accuracy: float | None = None
    message: str = ""
    detail: str = ""
    seconds: float = 0.0
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Blinding:
    """A secret permutation of pixels and one of classes."""

    pixels: np.ndarray[Any, np.dtype[np.int64]]
    classes: np.ndarray[Any, np.dtype[np.int64]]

    @classmethod
    def draw(cls, blind: int, features: int, classes: int) -> Blinding:
        """Draw both permutations from one secret number."""
        rng = np.random.default_rng([blind, 0xB11D])
        return cls(pixels=rng.permutation(features), classes=rng.permutation(classes))

    def inputs(self, images: Any, pixel_max: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return float32 inputs in [0, 1] with permuted columns."""
        # Indexing would leave the columns apart in memory, a tenth of a second more for every training.
        permuted: np.ndarray[Any, np.dtype[np.uint8]] = np.take(images, self.pixels, axis=1)
        inputs: np.ndarray[Any, np.dtype[np.float32]] = np.divide(permuted, pixel_max, dtype=np.float32)
        return inputs

    def labels(self, labels: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return renamed classes."""
        return self.classes[np.asarray(labels, dtype=np.int64)]


def run_experiment(
    submission: Submission,
    experiment: Experiment,
    *,
    data: Dataset,
    seed: int,
    blind: int,
    backend: Backend,
    limits: Limits | None = None,
) -> AccuracyRun:
    """Train the submission once by the experiment's protocol and score its predictions."""
    start = time.monotonic()
    facts: dict[str, Any] = {"experiment": experiment.id, "seed": seed, "blind": blind}
    try:
        with Session(submission, backend=backend, limits=limits or Limits()) as session:
            accuracy, evidence = _train_and_score(session, experiment, data, seed, blind)
    except SubmissionFault as fault:
        seconds = time.monotonic() - start
        return AccuracyRun(
            **facts, status=fault.status, message=fault.message, detail=fault.detail, seconds=seconds
        )
    seconds = time.monotonic() - start
    return AccuracyRun(**facts, status=Status.PASS, accuracy=accuracy, seconds=seconds, evidence=evidence)


def _train_and_score(
    session: Session, experiment: Experiment, data: Dataset, seed: int, blind: int
) -> tuple[float, dict[str, Any]]:
    protocol = experiment.protocol
    blinding = Blinding.draw(blind, data.train_images.shape[1], data.classes)
    model = session.build(protocol.layer_sizes, protocol.activation, seed)
    X = blinding.inputs(data.train_images[: protocol.train_images], data.pixel_max)
    y = blinding.labels(data.train_labels[: protocol.train_images])
    options: dict[str, Any] = {}
    # What the protocol leaves at its default is not passed, so that a submission need not offer it.
    if protocol.optimizer != "sgd":
        options["optimizer"] = protocol.optimizer
    if protocol.weight_decay:
        options["weight_decay"] = protocol.weight_decay
    history = model.fit(
        X,
        y,
        epochs=protocol.epochs,
        batch_size=protocol.batch_size,
        learning_rate=protocol.learning_rate,
        seconds=RUN_SECONDS,
        **options,
    )
    del X, y
    test = data.test_images[: protocol.test_images]
    P = model.predict_proba(blinding.inputs(test, data.pixel_max), seconds=PREDICT_SECONDS)
    truth = blinding.labels(data.test_labels[: protocol.test_images])
    if P.shape != (len(truth), data.classes):
        expected = (len(truth), data.classes)
        message = f"predict_proba of {len(truth)} rows should have shape {expected}, found {P.shape}"
        raise SubmissionFault(Status.ERROR, message)
    if not np.isfinite(P).all():
        bad = int((~np.isfinite(P)).any(axis=1).sum())
        raise SubmissionFault(
            Status.FAIL,
            f"predictions for {bad} of {len(truth)} test images are NaN or infinite after training",
        )
    answer = P.argmax(axis=1)
    # Counted in the true classes' own names, so that the matrix reads as the report's.
    named = np.argsort(blinding.classes)
    confusion = np.zeros((data.classes, data.classes), dtype=np.int64)
    np.add.at(confusion, (named[truth], named[answer]), 1)
    evidence = {
        "confusion": confusion.tolist(),
        "history": {name: [float(v) for v in values[:200]] for name, values in history.series.items()},
    }
    return 100.0 * float(np.mean(answer == truth)), evidence
