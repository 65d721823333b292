"""Accuracy runs, blinded: the submission trains on permuted pixels and classes and is scored on the
trusted side.

Glorot-uniform weights are independent and identically distributed within a layer, so a correct network's
accuracy has exactly the same distribution whatever the order of pixels and the names of classes. Each run
permutes both by a secret draw, and the order of the images, which ``fit`` shuffles anyway. A table of labels,
a pretrained model or a memorised test set scores chance; an honest network notices nothing.

Who knows MNIST can find the permutations: by the sums of a pixel, by the counts of a class, by the sum of an
image. So predictions must be those of the weights that ``fit`` left, by the mathematics of the oracle, and
these weights must come from those that ``build`` drew before it saw an image: plain gradient descent moves
them little, and the weights of another training have nothing in common with them.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import oracle
from harness.checks.context import weights_like
from harness.data import Dataset
from harness.records import Status
from harness.sandbox.backend import Backend
from harness.session import Limits, Model, Session, SubmissionFault
from harness.spec import Experiment
from harness.submission import Submission

Array = NDArray[Any]
COMPARED = 500  # test images, secret ones, whose predictions are compared with those of the weights
DIFFERENT = 0.02  # of them may have another class: rounding decides between two that are close
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
    """Secret permutations of pixels, of classes, and of the training and the test images."""

    pixels: NDArray[np.int64]
    classes: NDArray[np.int64]
    train: NDArray[np.int64]
    test: NDArray[np.int64]

    @classmethod
    def draw(cls, blind: int, *, features: int, classes: int, train: int, test: int) -> Blinding:
        """Draw the permutations of so many of each from one secret number."""
        rng = np.random.default_rng([blind, 0xB11D])
        pixels, names = rng.permutation(features), rng.permutation(classes)
        return cls(pixels=pixels, classes=names, train=rng.permutation(train), test=rng.permutation(test))

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
    blinding = Blinding.draw(
        blind,
        features=data.train_images.shape[1],
        classes=data.classes,
        train=len(data.train_images[: protocol.train_images]),
        test=len(data.test_images[: protocol.test_images]),
    )
    with ThreadPoolExecutor(1) as beside:  # a tenth of a second, while the submission's process starts
        inputs = beside.submit(blinding.inputs, data.train_images[blinding.train], data.pixel_max)
        model = session.build(protocol.layer_sizes, protocol.activation, seed)
        start = _weights(model)  # before the submission has seen an image
        X = inputs.result()
    y = blinding.labels(data.train_labels[blinding.train])
    seen = (data.train_images[: protocol.train_images].max(axis=0) > 0)[blinding.pixels]
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
    del X, y, inputs
    X = blinding.inputs(data.test_images[blinding.test], data.pixel_max)
    truth = blinding.labels(data.test_labels[blinding.test])
    P = model.predict_proba(X, seconds=PREDICT_SECONDS)
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
    end = _weights(model)
    some = np.random.default_rng([blind, 0x5A3E]).permutation(len(X))[:COMPARED]
    _refuse_other_predictions(end, X[some], answer[some], protocol.activation)
    kept = _start_correlation(start, end, seen)
    _refuse_other_start(kept, protocol.start_correlation)
    # Counted in the true classes' own names, so that the matrix reads as the report's.
    named = np.argsort(blinding.classes)
    confusion = np.zeros((data.classes, data.classes), dtype=np.int64)
    np.add.at(confusion, (named[truth], named[answer]), 1)
    evidence: dict[str, Any] = {
        "confusion": confusion.tolist(),
        "history": {name: [float(v) for v in values[:200]] for name, values in history.series.items()},
    }
    if kept is not None:
        evidence["start_correlation"] = kept
    return 100.0 * float(np.mean(answer == truth)), evidence


def _weights(model: Model) -> list[Array] | None:
    """The model's weights, if it shows any, in the shapes of the contract: the contract's checks say so."""
    if "get_weights" not in model.verbs:
        return None
    weights = model.get_weights()
    expected = [w.shape for w in weights_like(model.layer_sizes)]
    return weights if [w.shape for w in weights] == expected else None


def _refuse_other_predictions(weights: list[Array] | None, X: Array, answer: Array, activation: str) -> None:
    """Raise SubmissionFault if predictions are not those of the weights."""
    if weights is None:
        return
    with np.errstate(all="ignore"):  # whatever numbers they are
        expected = oracle.probabilities(weights, X, activation).argmax(axis=1)
    different = int((expected != answer).sum())
    if different > DIFFERENT * len(X):
        message = (
            f"predict_proba does not answer by the weights that fit left: {different} of {len(X)} test "
            "images get another class than by them"
        )
        raise SubmissionFault(Status.FAIL, message)


def _start_correlation(start: list[Array] | None, end: list[Array] | None, seen: Array) -> float | None:
    """The correlation of W1 before and after training, over the pixels that are not 0 in all images.

    None for a model that does not show its weights.
    """
    if start is None or end is None:
        return None
    before, after = (np.asarray(w[0][seen], dtype=np.float64).ravel() for w in (start, end))
    with np.errstate(all="ignore"):
        correlation = np.corrcoef(before, after)[0, 1]
    return float(correlation) if np.isfinite(correlation) else 0.0  # weights that are all alike have none


def _refuse_other_start(kept: float | None, least: float | None) -> None:
    """Raise SubmissionFault if the weights do not come from those that ``build`` drew."""
    if kept is not None and least is not None and kept < least:
        message = (
            "fit does not train the network that build made: W1 after it has the correlation "
            f"{kept:.2f} with W1 before, and by this protocol right trainings keep more than {least:g}"
        )
        raise SubmissionFault(Status.FAIL, message)
