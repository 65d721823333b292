"""Growth: what a grading costs, in time and memory, with the number of submissions and of workers."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.copies import backcheck, copies
from benchmarks.results import AT_MOST, Chart, Curve, Grid, Section, Target

POLL_SECONDS = 0.1
MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Point:
    """One grading: seconds by the wall's clock, peak resident memory in bytes."""

    submissions: int
    workers: int
    seconds: float
    grader: int  # the process that the command started
    everything: int  # with its workers and the submissions' processes; shared pages count in each

    @property
    def each(self) -> float:
        """Seconds a submission."""
        return self.seconds / self.submissions


def grade(count: int, workers: int) -> Point:
    """Grade ``count`` new submissions with the quick profile in an empty folder, with a store of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copies(folder / "submissions", count)
        words = [*backcheck(), "grade", "submissions", "--profile", "quick", "--jobs", str(workers)]
        words += ["--seed", "1", "--quiet", "--output", "record.json", "--format", "json"]
        start = time.perf_counter()
        with subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL) as process:
            grader, everything = _watch(process)
        seconds = time.perf_counter() - start
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}: exit status {process.returncode}, expected 0")
    return Point(submissions=count, workers=workers, seconds=seconds, grader=grader, everything=everything)


def _watch(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Peak memory, in bytes, of the process and of its whole tree while it runs."""
    root = psutil.Process(process.pid)
    grader = everything = 0
    while process.poll() is None:
        sizes = []
        for member in (root, *_descendants(root)):
            try:
                sizes.append(member.memory_info().rss)
            except psutil.Error:
                sizes.append(0)  # it has just ended
        grader, everything = max(grader, sizes[0]), max(everything, sum(sizes))
        time.sleep(POLL_SECONDS)
    return grader, everything


def _descendants(root: psutil.Process) -> list[psutil.Process]:
    try:
        return list(root.children(recursive=True))
    except psutil.Error:
        return []


def run(*, plan: Sequence[tuple[int, int]]) -> Section:
    """Grade each (submissions, workers) of the plan once."""
    points = [grade(count, workers) for count, workers in plan]
    return Section(
        title="Growth",
        text=(
            "`backcheck grade --profile quick` of copies of the NumPy reference, each with a digest of its "
            "own, one run each. Memory is the peak of resident memory, looked at ten times a second; for all "
            "processes together, pages that they share are counted in each of them."
        ),
        tables=(table(points),),
        charts=charts(points),
        targets=targets(points),
    )


def table(points: Sequence[Point]) -> Grid:
    """A row for each grading."""
    return Grid(
        title="Gradings",
        columns=(
            "submissions",
            "workers",
            "seconds",
            "seconds a submission",
            "grader, MiB",
            "all processes, MiB",
        ),
        rows=tuple(
            (
                str(p.submissions),
                str(p.workers),
                f"{p.seconds:.1f}",
                f"{p.each:.2f}",
                f"{p.grader / MIB:.0f}",
                f"{p.everything / MIB:.0f}",
            )
            for p in points
        ),
    )


def charts(points: Sequence[Point]) -> tuple[Chart, ...]:
    """Time and memory over the number of submissions, a curve for each number of workers."""
    workers = sorted({p.workers for p in points})
    of = {w: sorted((p for p in points if p.workers == w), key=lambda p: p.submissions) for w in workers}

    def curves(value: str, unit: float) -> tuple[Curve, ...]:
        return tuple(
            Curve(
                name=f"{w} worker{'s' if w > 1 else ''}",
                x=tuple(float(p.submissions) for p in of[w]),
                y=tuple(getattr(p, value) / unit for p in of[w]),
            )
            for w in workers
        )

    return (
        Chart(
            title="Time to grade a class, quick profile",
            file="growth-time.svg",
            x_label="submissions",
            y_label="seconds",
            curves=curves("seconds", 1),
        ),
        Chart(
            title="Peak memory of all processes",
            file="growth-memory.svg",
            x_label="submissions",
            y_label="MiB",
            curves=curves("everything", MIB),
        ),
    )


def targets(points: Sequence[Point]) -> tuple[Target, ...]:
    """Linear: the last submissions cost what the first ten cost. Flat: so does their memory."""
    many = max(points, key=lambda p: (p.submissions, p.workers))
    few = next((p for p in points if p.submissions == 10 and p.workers == many.workers), None)
    comparable = few is not None and many.submissions > few.submissions
    time_ratio = many.each / few.each if few is not None and comparable else None
    memory_ratio = many.everything / few.everything if few is not None and comparable else None
    over = f"{many.submissions} submissions over 10, {many.workers} workers"
    return (
        Target(
            text=f"Seconds a submission, {over} (linear)",
            sense=AT_MOST,
            limit=1.25,
            measured=time_ratio,
            unit="x",
        ),
        Target(
            text=f"Peak memory, {over} (flat)", sense=AT_MOST, limit=1.25, measured=memory_ratio, unit="x"
        ),
    )
