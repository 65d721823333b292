"""Do the stored figures hold on this machine? A few of the stored runs, trained again and compared."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.calibration.pool import run_jobs
from harness.calibration.runs import Run, describe_key
from harness.calibration.train import Job
from harness.errors import UsageError

FALSE_ALARM = 0.01  # the chance that any of the runs of one verification is called out of range by bad luck
LEAST_SD = 0.1  # points: ranges are never narrower than this standard deviation gives


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One stored run beside the same run made here."""

    stored: Run
    here: Run
    identical: bool  # every figure, to the last stored digit
    low: float  # per cent, the prediction interval that the other seeds give; nan with fewer than three
    high: float

    @property
    def holds(self) -> bool:
        """Whether the run made here is what the stored runs promise."""
        return self.identical or self.low <= self.here.test_accuracy <= self.high

    @property
    def message(self) -> str:
        """One line for the terminal."""
        figures = f"{self.stored.test_accuracy:.2f} % stored, {self.here.test_accuracy:.2f} % here"
        if self.identical:
            found = "identical in every stored figure"
        elif math.isnan(self.low):
            found = "differs, and too few other seeds are stored to say by how much it may"
        else:
            where = "within" if self.holds else "OUTSIDE"
            found = (
                f"not identical, {where} the interval of the other seeds, {self.low:.2f} to {self.high:.2f}"
            )
        return f"{describe_key(self.stored.key)}: {figures}: {found}"


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a sample of the stored runs says about this machine."""

    comparisons: tuple[Comparison, ...]

    @property
    def holds(self) -> bool:
        """Whether every run of the sample holds."""
        return all(comparison.holds for comparison in self.comparisons)

    @property
    def messages(self) -> tuple[str, ...]:
        """One line for each run, and the verdict."""
        return *(comparison.message for comparison in self.comparisons), self._verdict()

    def _verdict(self) -> str:
        count = len(self.comparisons)
        if all(comparison.identical for comparison in self.comparisons):
            return f"the stored figures hold here: {count} of {count} runs are identical"
        if self.holds:
            return f"the stored figures hold here: {count} of {count} runs are identical or within range"
        wrong = sum(not comparison.holds for comparison in self.comparisons)
        return (
            f"the stored figures do NOT hold here: {wrong} of {count} runs are out of range: "
            "calibrate into a file of your own with --runs FILE"
        )


def verify_runs(
    jobs: Iterable[Job], stored: Iterable[Run], *, sample: int, processes: int, seed: int
) -> Verification:
    """Train ``sample`` of the stored runs again, drawn by ``seed`` from those among ``jobs``, and compare.

    UsageError if none of the jobs is stored.
    """
    runs = {run.key: run for run in stored}
    known = [job for job in jobs if job.key in runs]
    if not known:
        raise UsageError("--verify: none of the runs asked for is stored: choose others, or calibrate first")
    chosen = random.Random(seed).sample(known, min(sample, len(known)))
    here: list[Run] = []
    run_jobs(chosen, processes=processes, keep=here.append)
    return Verification(
        comparisons=tuple(
            compare(runs[run.key], run, [*runs.values()], false_alarm=FALSE_ALARM / len(chosen))
            for run in here
        )
    )


def compare(stored: Run, here: Run, runs: Sequence[Run], *, false_alarm: float) -> Comparison:
    """Compare a run made here with the stored one, and with the interval that the other seeds' runs give."""
    others = [
        run.test_accuracy for run in runs if run.key[:-1] == stored.key[:-1] and run.seed != stored.seed
    ]
    low, high = prediction_interval(others, false_alarm=false_alarm)
    return Comparison(
        stored=stored, here=here, identical=_figures(stored) == _figures(here), low=low, high=high
    )


def prediction_interval(accuracies: Sequence[float], *, false_alarm: float) -> tuple[float, float]:
    """Per cent between which one more run falls, but for ``false_alarm``; (nan, nan) for fewer than three.

    m -+ t(1 - false_alarm / 2, N - 1) s sqrt(1 + 1/N), with s at least 0.1 point.
    """
    from scipy.stats import t

    count = len(accuracies)
    if count < 3:
        return math.nan, math.nan
    spread = max(statistics.stdev(accuracies), LEAST_SD) * math.sqrt(1 + 1 / count)
    half = float(t.ppf(1 - false_alarm / 2, count - 1)) * spread
    mean = statistics.fmean(accuracies)
    return mean - half, mean + half


def _figures(run: Run) -> tuple[object, ...]:
    """Everything measured, without the time it took and what it was made with."""
    return (
        run.test_accuracy,
        run.train_accuracy,
        run.epoch_loss,
        run.epoch_accuracy,
        run.batch_loss,
        run.confusion,
    )
