"""What the harness adds to training: a graded, blinded, sandboxed run beside the same training on its own."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.copies import ROOT, SOURCE
from benchmarks.results import AT_MOST, Section, Target, TimingTable
from benchmarks.runner import PROCESSOR, WALL, Contender, Timing, measure, ratio
from harness.data import load_dataset
from harness.grading.accuracy import run_experiment
from harness.records import Status
from harness.sandbox.backend import choose
from harness.spec import Experiment, load_spec
from harness.submission import Submission, discover

EXPERIMENT = "scratch/relu/lr=0.01"
BARE_FIT, BARE = "bare: `fit` alone", "bare: the whole process"
HARNESS_FIT, HARNESS = "harness: `fit` alone, in the sandbox", "harness: the whole run"

# The submission's own clock, read inside the process that trains: whatever else keeps the machine busy, what
# is not in fit is then told from what is.
CLOCKED = """

import time


class Clocked(MLP):
    def fit(self, X, y, **options):
        wall, processor = time.perf_counter(), time.process_time()
        history = super().fit(X, y, **options)
        history["clock"] = [time.perf_counter() - wall, time.process_time() - processor]
        return history


def build(layer_sizes, activation, seed):
    return Clocked(layer_sizes, activation, seed)
"""


@dataclass(kw_only=True)
class Fits:
    """Seconds in ``fit``, run by run, by both clocks."""

    name: str
    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def add(self, clock: list[float]) -> None:
        """Note what one run's ``fit`` said of itself."""
        self.wall.append(clock[0])
        self.processor.append(clock[1])

    def timing(self, rounds: int) -> Timing:
        """The last ``rounds`` runs as a contender."""
        return Timing(
            name=self.name, wall=tuple(self.wall[-rounds:]), processor=tuple(self.processor[-rounds:])
        )


def clocked(folder: Path) -> Path:
    """Write the NumPy reference as a submission that says how long its ``fit`` took."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "clocked.py"
    path.write_text(f"{SOURCE.read_text(encoding='utf-8')}{CLOCKED}# {uuid.uuid4()}\n", encoding="utf-8")
    return path


def train_bare(path: Path, images: int, epochs: int) -> list[float]:
    """Train once in a new process without the harness; return ``fit``'s seconds by both clocks."""
    command = [sys.executable, "-m", "benchmarks.bare", str(path), str(images), str(epochs)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    clock: list[float] = json.loads(done.stdout)["clock"]
    return clock


def train_graded(submission: Submission, experiment: Experiment, data: Any) -> list[float]:
    """One accuracy run as a grading makes it; return ``fit``'s seconds by both clocks.

    RuntimeError if the run does not end with an accuracy.
    """
    found = run_experiment(submission, experiment, data=data, seed=0, blind=1, backend=choose())
    if found.status is not Status.PASS:
        raise RuntimeError(f"benchmarks/grading.py: the run ended with {found.status}: {found.message}")
    clock: list[float] = found.evidence["history"]["clock"]
    return clock


def shortened(*, images: int, epochs: int) -> Experiment:
    """The report's ReLU experiment with so many images and epochs."""
    experiment = load_spec().experiments[EXPERIMENT]
    protocol = experiment.protocol.override({"train_images": images, "epochs": epochs})
    return dataclasses.replace(experiment, protocol=protocol)


def run(*, rounds: int, images: int, epochs: int) -> Section:
    """Time both on the same submission, in turn."""
    data, experiment = load_dataset("mnist"), shortened(images=images, epochs=epochs)
    bare, graded = Fits(name=BARE_FIT), Fits(name=HARNESS_FIT)
    with tempfile.TemporaryDirectory() as folder:
        (submission,) = discover([clocked(Path(folder))])
        whole = measure(
            [
                Contender(name=BARE, run=lambda: bare.add(train_bare(submission.path, images, epochs))),
                Contender(name=HARNESS, run=lambda: graded.add(train_graded(submission, experiment, data))),
            ],
            rounds=rounds,
            warm_up=0,  # these are long: a first run is like any other
            processor=False,
        )
    table = TimingTable(
        title=f"One accuracy run, ReLU, {images:,} images, {epochs} epochs",
        timings=(bare.timing(rounds), whole[0], graded.timing(rounds), whole[1]),
        base=BARE_FIT,
        clock=WALL,
    )
    return Section(
        title="Grading",
        text=(
            "The same submission (the NumPy reference) trained and tested once: in a bare process that loads "
            "MNIST, trains and predicts, and by the harness, which also starts a sandbox, permutes pixels "
            "and classes, sends the images over a pipe and scores the answers. `fit` reads the clock itself, "
            "so that what the harness adds is told from how fast the machine happens to train at that moment."
        ),
        tables=(table,),
        targets=targets(table, epochs),
    )


def targets(table: TimingTable, epochs: int) -> tuple[Target, ...]:
    """What the harness does besides ``fit``, as a share of it; and whether the sandbox slows ``fit``.

    A bare process loads the images and predicts, too: what the harness adds is what it does beyond that.
    """
    whole = ratio(table[HARNESS], table[HARNESS_FIT], WALL)
    bare = ratio(table[BARE], table[BARE_FIT], WALL)
    inside = ratio(table[HARNESS_FIT], table[BARE_FIT], PROCESSOR)

    def share(text: str, measured: float | None) -> Target:
        return Target(text=text, sense=AT_MOST, limit=3.0, measured=measured, unit="%")

    return (
        share(
            f"Harness: all that is not `fit` over `fit`, {epochs} epochs",
            100 * (whole.median - 1) if whole else None,
        ),
        share(
            f"Harness: that, less what a bare process does besides `fit`, {epochs} epochs",
            100 * (whole.median - bare.median) if whole and bare else None,
        ),
        share(
            "Harness: `fit` in the sandbox over `fit` on its own, by the processor's clock",
            100 * (inside.median - 1) if inside else None,
        ),
    )
