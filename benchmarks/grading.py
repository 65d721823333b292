"""What the harness adds to training: a graded, blinded, sandboxed run beside the same training on its own."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.copies import ROOT, copies
from benchmarks.results import AT_MOST, Section, Target, TimingTable
from benchmarks.runner import WALL, Contender, Timing, measure, ratio
from harness.data import load_dataset
from harness.grading.accuracy import run_experiment
from harness.records import Status
from harness.sandbox.backend import choose
from harness.spec import Experiment, load_spec
from harness.submission import Submission, discover

EXPERIMENT = "scratch/relu/lr=0.01"
FIT, BARE, HARNESS = "bare: fit alone", "bare: the whole process", "harness: the whole run"
REPORT_EPOCHS = 15  # epochs of the report's protocol


@dataclass(kw_only=True)
class Bare:
    """Runs the bare process and keeps what it says of its ``fit``."""

    path: Path
    images: int
    epochs: int
    fits: list[float] = field(default_factory=list)

    def run(self) -> None:
        """Train once in a new process."""
        command = [
            sys.executable,
            "-m",
            "benchmarks.bare",
            str(self.path),
            str(self.images),
            str(self.epochs),
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        self.fits.append(float(json.loads(done.stdout)["fit"]))

    def fit(self, rounds: int) -> Timing:
        """Its last ``rounds`` fits as a contender."""
        kept = self.fits[-rounds:]
        return Timing(name=FIT, wall=tuple(kept))


def shortened(*, images: int, epochs: int) -> Experiment:
    """The report's ReLU experiment with fewer images or epochs."""
    experiment = load_spec().experiments[EXPERIMENT]
    protocol = experiment.protocol.override({"train_images": images, "epochs": epochs})
    return dataclasses.replace(experiment, protocol=protocol)


def graded(submission: Submission, experiment: Experiment, data: Any) -> None:
    """One accuracy run as a grading makes it; an outcome that is no accuracy ends the benchmark."""
    found = run_experiment(submission, experiment, data=data, seed=0, blind=1, backend=choose())
    if found.status is not Status.PASS:
        raise RuntimeError(f"benchmarks/grading.py: the run ended with {found.status}: {found.message}")


def run(*, rounds: int, images: int, epochs: int) -> Section:
    """Time both on the same submission, in turn."""
    data, experiment = load_dataset("mnist"), shortened(images=images, epochs=epochs)
    with tempfile.TemporaryDirectory() as folder:
        (submission,) = discover([copies(Path(folder) / "submissions", 1)])
        bare = Bare(path=submission.path, images=images, epochs=epochs)
        timings = measure(
            [
                Contender(name=BARE, run=bare.run),
                Contender(name=HARNESS, run=lambda: graded(submission, experiment, data)),
            ],
            rounds=rounds,
            processor=False,
        )
    table = TimingTable(
        title=f"One accuracy run, ReLU, {images:,} images, {epochs} epochs",
        timings=(bare.fit(rounds), *timings),
        base=FIT,
        clock=WALL,
    )
    return Section(
        title="Grading",
        text=(
            "The same submission (the NumPy reference) trained and tested once: in a bare process that "
            "loads MNIST, trains and predicts, and by the harness, which also starts a sandbox, permutes "
            "pixels and classes, sends the images over a pipe and scores the answers. What the harness "
            f"adds does not grow with the epochs; the report's protocol has {REPORT_EPOCHS}."
        ),
        tables=(table,),
        targets=targets(table, epochs),
    )


def targets(table: TimingTable, epochs: int) -> tuple[Target, ...]:
    """The harness over all that the bare process does, and over its ``fit`` alone: the strictest reading."""
    whole = ratio(table[HARNESS], table[BARE], table.clock)
    fit = ratio(table[HARNESS], table[FIT], table.clock)

    def share(text: str, measured: float | None) -> Target:
        return Target(text=text, sense=AT_MOST, limit=3.0, measured=measured, unit="%")

    return (
        share(
            f"Harness: time over a bare process, {epochs} epochs", 100 * (whole.median - 1) if whole else None
        ),
        share(
            f"Harness: time over `fit` alone, {epochs} epochs (all else counts as overhead)",
            100 * (fit.median - 1) if fit else None,
        ),
    )
