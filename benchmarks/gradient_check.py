"""The gradient check: what each way costs, and what it detects."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import gradient_ways
from benchmarks.faults import FAULTS, RIGHT
from benchmarks.gradient_ways import Subject, Way, running, total, ways
from benchmarks.results import Grid, Section, TimingTable
from benchmarks.runner import PROCESSOR, Contender, measure

OURS = "backcheck, differences"
WHOLE = Way(name="gradcheck, default, not extrapolated", rejects=gradient_ways.gradcheck_whole)


def contenders(subject: Subject, listed: Sequence[Way]) -> list[Contender]:
    """Every way on a right gradient; those that would take minutes do a part, and are extrapolated."""

    def checking(way: Way) -> Contender:
        name = way.name if way.share == 1 else f"{way.name} (extrapolated)"
        return Contender(
            name=name,
            prepare=subject.slopes.clear,
            run=lambda: way.rejects(subject),
            scale=1 / way.share,
        )

    return [checking(way) for way in listed]


def run(*, rounds: int, seeds: int, activations: Sequence[str], whole: bool = False) -> Section:
    """Time every way on right code, then let each judge every fault, once for each seed."""
    with tempfile.TemporaryDirectory() as folder:
        cost = _cost(Path(folder), rounds, whole)
        grids = [_detection(Path(folder), activation, seeds) for activation in activations]
    return Section(
        title="Gradient check",
        text=(
            "Each way checks the gradient of the NumPy reference on 784-500-250-100-10 "
            f"({total():,} coordinates), batch 8, float64. Ours asks a sandboxed process that runs already, "
            "the others call the code in their own process. What would take minutes is done on "
            f"{gradient_ways.SAMPLE} coordinates and its cost extrapolated; to find out what it says, those "
            "coordinates hold the ones that decide it: of a wrong gradient the furthest from right, of a "
            "right one the smallest, which are the closest to rounding. Once `gradcheck`'s fast mode finds "
            "something wrong it runs the slow mode to say what; that is cut short here and not in its cost."
        ),
        tables=(cost, *grids),
    )


def _cost(folder: Path, rounds: int, whole: bool) -> TimingTable:
    right = FAULTS[0]
    with running(right, folder) as session:
        subject = Subject.pose(session, right, "sigmoid", 0)
        timings = measure(contenders(subject, ways()), rounds=rounds)
        if whole:
            long = [Contender(name=WHOLE.name, run=lambda: WHOLE.rejects(subject))]
            timings += measure(long, rounds=1, warm_up=0)
    return TimingTable(
        title="Cost of one check, sigmoid network", timings=tuple(timings), base=OURS, clock=PROCESSOR
    )


def _detection(folder: Path, activation: str, seeds: int) -> Grid:
    rows: list[tuple[str, ...]] = []
    for fault in FAULTS:
        with running(fault, folder / activation / str(len(rows))) as session:
            subjects = [Subject.pose(session, fault, activation, seed) for seed in range(seeds)]
            counts = [sum(way.rejects(subject) for subject in subjects) for way in ways()]
        rows.append((fault.name, *(_cell(count, seeds, fault.name == RIGHT) for count in counts)))
    return Grid(
        title=f"What each way detects, {activation} network: gradients called wrong, of {seeds}",
        columns=("fault", *(way.name for way in ways())),
        rows=tuple(rows),
        note="Each of the draws has weights, images and directions of its own. **Bold** is a wrong answer.",
    )


def _cell(count: int, seeds: int, right: bool) -> str:
    good = count == 0 if right else count == seeds
    text = f"{count}/{seeds}"
    return text if good else f"**{text}**"
