"""One calibration run: load a reference by its path, train it by a protocol, measure it on the test set.

It runs in a worker process with one BLAS thread. References are trusted code: they need no sandbox.

Grading permutes pixels and class names by a secret draw; calibration does not. The weights of a layer are
drawn independently from one distribution, so to permute inputs or outputs is to permute equally likely
weights: the accuracy has the same distribution with and without it, and a run without it is easier to repeat.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.calibration.provenance import file_digest, provenance
from harness.calibration.runs import Key, Run, round_digits
from harness.data import Dataset, load_dataset
from harness.errors import UsageError
from harness.spec import Protocol

# What a run depends on, in the order of its digest. Where the items come from does not change a run.
TRAINING_FIELDS = (
    "layer_sizes",
    "activation",
    "optimizer",
    "learning_rate",
    "batch_size",
    "epochs",
    "weight_decay",
    "train_images",
    "test_images",
    "shuffle",
    "initialisation",
)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run to be made: everything a worker process needs to know, and picklable."""

    experiment: str
    variant: str
    budget: str
    reference: str  # the label in the stored run, such as "numpy"
    reference_file: Path
    seed: int
    dataset: str
    protocol: Protocol

    @property
    def key(self) -> Key:
        """The key of the run that the job will make."""
        return self.experiment, self.variant, self.budget, self.reference, self.seed

    @property
    def work(self) -> int:
        """Images that training will see: what a run's time is roughly proportional to."""
        return self.protocol.train_images * self.protocol.epochs


def protocol_digest(dataset: str, protocol: Protocol) -> str:
    """16 hexadecimal digits that change when anything that a run depends on changes."""
    items = {name: getattr(protocol, name) for name in TRAINING_FIELDS}
    for name in ("learning_rate", "weight_decay"):
        items[name] = float(items[name])  # 0 and 0.0 are one protocol
    text = json.dumps({"dataset": dataset, **items}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def run_job(job: Job) -> Run:
    """Train one network as the job says and return what was measured."""
    protocol = job.protocol
    data, X, y, X_test, y_test = _arrays(job.dataset, protocol.train_images, protocol.test_images)
    network = _build(job)
    start = time.perf_counter()
    history = network.fit(
        X,
        y,
        epochs=protocol.epochs,
        batch_size=protocol.batch_size,
        learning_rate=protocol.learning_rate,
        optimizer=protocol.optimizer,
        weight_decay=protocol.weight_decay,
        **({} if protocol.shuffle else {"shuffle": False}),
    )
    seconds = time.perf_counter() - start
    confusion = _confusion(y_test, network.predict_proba(X_test).argmax(axis=1), data.classes)
    right = int(np.count_nonzero(network.predict_proba(X).argmax(axis=1) == y))
    return Run(
        experiment=job.experiment,
        variant=job.variant,
        budget=job.budget,
        reference=job.reference,
        seed=job.seed,
        test_accuracy=round_digits(100 * int(np.trace(confusion)) / len(y_test)),
        train_accuracy=round_digits(100 * right / len(y)),
        epoch_loss=_rounded(history["loss"]),
        epoch_accuracy=_rounded([100 * share for share in history["accuracy"]]),
        batch_loss=_rounded(history.get("batch_loss", [])),
        # the references say which batches their history keeps; others are taken to follow the protocol
        batch_loss_every=getattr(load_reference(job.reference_file), "BATCH_LOSS_EVERY", protocol.loss_every),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        seconds=round_digits(seconds, 3),
        provenance=provenance(job.reference_file, protocol_digest(job.dataset, protocol)),
    )


def _build(job: Job) -> Any:
    """The reference's network; only what the contract lacks and the protocol needs is asked for by name."""
    protocol = job.protocol
    extras = (
        {} if protocol.initialisation == "glorot_uniform" else {"initialisation": protocol.initialisation}
    )
    module = load_reference(job.reference_file)
    return module.build(list(protocol.layer_sizes), protocol.activation, job.seed, **extras)


@cache
def load_reference(file: Path) -> ModuleType:
    """Import a reference from its file, once a process; UsageError if it is missing or has no ``build``."""
    name = f"_reference_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise UsageError(
            f"{file}: expected a reference, a Python file with `build`: give it with --reference"
        )
    file_digest(file)  # remembered for the provenance, should the file change while runs go on
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    if not hasattr(module, "build"):
        raise UsageError(f"{file}: has no `build(layer_sizes, activation, seed)`: is it a reference?")
    return module


@lru_cache(maxsize=2)
def _arrays(
    dataset: str, train_images: int, test_images: int
) -> tuple[Dataset, NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """(data set, X, y, X_test, y_test), kept for the worker's next run."""
    data = load_dataset(dataset)
    y = np.asarray(data.train_labels[:train_images], np.int64)
    y_test = np.asarray(data.test_labels[:test_images], np.int64)
    return data, data.train_inputs(train_images), y, data.test_inputs(test_images), y_test


def _confusion(true: NDArray[Any], predicted: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """Counts (classes, classes): a row for each true class, a column for each predicted one."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (true, predicted), 1)
    return counts


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(round_digits(float(value)) for value in values)
