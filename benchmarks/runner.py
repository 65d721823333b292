"""Time contenders in turn, round by round, so that what slows the machine slows all of them alike."""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import psutil

WALL, PROCESSOR = "wall", "processor"


@dataclass(frozen=True, kw_only=True)
class Contender:
    """Something to time: ``run`` is timed, ``prepare`` (before each run) is not.

    ``scale`` multiplies the seconds of a contender that runs only a part of the work. ``skipped`` says why a
    contender cannot run here.
    """

    name: str
    run: Callable[[], object]
    prepare: Callable[[], object] | None = None
    scale: float = 1.0
    skipped: str = ""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds of a contender, one figure a round, by the wall's clock and by the processor's.

    The processor's clock counts this process and its descendants, and stands still while others compute.
    """

    name: str
    wall: tuple[float, ...] = ()
    processor: tuple[float, ...] = ()
    skipped: str = ""

    def seconds(self, clock: str) -> tuple[float, ...]:
        """The figures of one clock, round by round."""
        return {WALL: self.wall, PROCESSOR: self.processor}[clock]

    def median(self, clock: str) -> float:
        """The middle figure of one clock; NaN if the contender was skipped."""
        return median(self.seconds(clock)) if self.seconds(clock) else float("nan")


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """A ratio of two contenders: the median over rounds of the ratio within a round, and its extremes."""

    median: float
    low: float
    high: float


def ratio(numerator: Timing, denominator: Timing, clock: str) -> Ratio | None:
    """How many times the denominator's time the numerator takes; None if either was skipped.

    Figures of one round were taken within seconds of each other: their ratio is steadier than that of
    medians.
    """
    pairs = list(zip(numerator.seconds(clock), denominator.seconds(clock), strict=False))
    if not pairs:
        return None
    ratios = [a / b for a, b in pairs]
    return Ratio(median=median(ratios), low=min(ratios), high=max(ratios))


def measure(
    contenders: Sequence[Contender], *, rounds: int, warm_up: int = 1, processor: bool = True
) -> list[Timing]:
    """Run every contender once a round and return the timings in the contenders' order.

    The order within a round moves on by one each time, so that nobody always follows the same neighbour. The
    first ``warm_up`` rounds are not kept. ``processor=False`` leaves that clock out, for contenders that
    start and end processes in namespaces of their own, whose time is not handed on to ours.
    """
    runners = [number for number, contender in enumerate(contenders) if not contender.skipped]
    wall: list[list[float]] = [[] for _ in contenders]
    busy: list[list[float]] = [[] for _ in contenders]
    for turn in range(-warm_up, rounds):
        for place in range(len(runners)):
            number = runners[(place + turn) % len(runners)]
            contender = contenders[number]
            _progress(f"round {turn + 1} of {rounds}: {contender.name}")
            if contender.prepare is not None:
                contender.prepare()
            seconds, used = _timed(contender.run)
            if turn >= 0:
                wall[number].append(seconds * contender.scale)
                if processor:
                    busy[number].append(used * contender.scale)
    _progress("")
    return [
        Timing(name=c.name, wall=tuple(wall[i]), processor=tuple(busy[i]), skipped=c.skipped)
        for i, c in enumerate(contenders)
    ]


def processor_seconds() -> float:
    """Processor time of this process, of descendants that have ended, and of those that still run."""
    used = 0.0
    for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(whose)
        used += usage.ru_utime + usage.ru_stime
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.Error:
            continue  # it has just ended
        used += times.user + times.system
    return used


def _timed(run: Callable[[], object]) -> tuple[float, float]:
    with _no_collection():
        busy, start = processor_seconds(), time.perf_counter()
        run()
        seconds = time.perf_counter() - start
        return seconds, processor_seconds() - busy


@contextmanager
def _no_collection() -> Iterator[None]:
    """Garbage is collected between contenders, not inside one of them."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _progress(text: str) -> None:
    """Show where a measurement is, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
