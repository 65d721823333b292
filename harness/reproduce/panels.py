"""The data of each figure panel: curves with the seeds as a band, and mean confusion matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.calibration.runs import Run
from harness.reproduce.model import Curve, RedrawnPanel
from harness.spec import Panel, Protocol, Spec


def redraw(spec: Spec, panel: Panel, runs: Sequence[Run]) -> RedrawnPanel:
    """The panel from the runs of its experiment; where there are none it says so."""
    experiment = spec.experiments[panel.experiment]
    chosen = [run for run in runs if run.experiment == panel.experiment]
    if not chosen:
        return RedrawnPanel(panel=panel, experiment=experiment, n=0, note="no runs of this experiment yet")
    accuracy = math.fsum(run.test_accuracy for run in chosen) / len(chosen)
    if panel.kind == "confusion":
        counts = np.mean([run.confusion for run in chosen], axis=0)
        confusion = tuple(tuple(float(count) for count in row) for row in counts)
        return RedrawnPanel(
            panel=panel, experiment=experiment, n=len(chosen), confusion=confusion, accuracy=accuracy
        )
    curve = _curve(panel.kind, experiment.protocol, chosen)
    return RedrawnPanel(
        panel=panel,
        experiment=experiment,
        n=len(chosen),
        curve=curve,
        accuracy=accuracy,
        note="" if curve else "an epoch is too short for the recorded batch losses",
    )


def _curve(kind: str, protocol: Protocol, runs: Sequence[Run]) -> Curve | None:
    """The curve of a kind over all runs; None if the runs recorded no such thing."""
    if kind == "batch_loss":
        rows = [run.batch_loss for run in runs]
        x = batch_positions(runs[0], protocol)
    else:
        rows = [run.epoch_loss if kind == "train_loss" else run.epoch_accuracy for run in runs]
        x = tuple(float(epoch) for epoch in range(1, len(rows[0]) + 1))
    if not x:
        return None
    values: NDArray[np.float64] = np.array(rows)  # (runs, points)
    return Curve(
        x=x,
        low=_floats(values.min(axis=0)),
        middle=_floats(np.median(values, axis=0)),
        high=_floats(values.max(axis=0)),
    )


def batch_positions(run: Run, protocol: Protocol) -> tuple[float, ...]:
    """Where in training, in epochs, each recorded batch loss lies; counting starts anew in each epoch."""
    batches = math.ceil(protocol.train_images / protocol.batch_size)
    points = points_per_epoch(run)
    return tuple(
        epoch + (point + 1) * run.batch_loss_every / batches
        for epoch in range(len(run.epoch_loss))
        for point in range(points)
    )


def points_per_epoch(run: Run) -> int:
    """How many batch losses were recorded in each epoch."""
    return len(run.batch_loss) // len(run.epoch_loss) if run.epoch_loss else 0


def _floats(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
