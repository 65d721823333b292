"""Made-up runs of small specifications: what a test needs, in the form in which real runs are stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.calibration.runs import Provenance, Run
from harness.calibration.train import protocol_digest
from harness.spec import Spec, load_spec

DIGITS = Path(__file__).with_name("digits.toml")


def make_run(spec: Spec, experiment: str, seed: int, right: int, **more) -> Run:
    """A run that classifies ``right`` of 1,000 test images rightly, all mistakes of class 0 for class 1."""
    variant, budget = more.pop("variant", "report"), more.pop("budget", "full")
    classes = spec.experiments[experiment].protocol.layer_sizes[-1]
    confusion = [[0] * classes for _ in range(classes)]
    confusion[0][1] = 1000 - right
    for true in range(classes):
        confusion[true][true] = right // classes + (right % classes if true == 0 else 0)
    given = {
        "experiment": experiment,
        "variant": variant,
        "budget": budget,
        "reference": "numpy",
        "seed": seed,
        "test_accuracy": right / 10,
        "train_accuracy": 99.0,
        "epoch_loss": (2.0, 1.0),
        "epoch_accuracy": (50.0, 98.0),
        "batch_loss": (2.0, 1.8, 1.5, 1.0),
        "batch_loss_every": 10,
        "confusion": tuple(map(tuple, confusion)),
        "seconds": 2.0,
    }
    protocol = spec.protocol(experiment, variant=variant, budget=budget)
    made = Provenance(
        backcheck="0",
        python="3",
        numpy="2",
        torch="2",
        blas="b",
        processor="p",
        machine="m",
        commit="c",
        reference="r",
        protocol=protocol_digest(spec.dataset, protocol),
        finished=f"2026-01-01T00:00:{seed:02}+00:00",
    )
    return Run(**{**given, "provenance": made, **more})


@pytest.fixture(scope="session")
def digits() -> Spec:
    return load_spec(DIGITS)


@pytest.fixture(scope="session")
def report() -> Spec:
    return load_spec()
