"""Progress of a long job: a bar with the time left on a terminal, plain lines at sensible intervals in a log.

Work is counted in weights, because an accuracy run takes a hundred times as long as a check::

    with Progress(total_weight, "grading") as progress:
        progress.done(weight, "alice gradients[tanh]", "pass")
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from harness.errors import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

LOG_FIRST = 5.0  # seconds before the first line in a log; each later wait is longer, up to LOG_LONGEST
LOG_LONGEST = 60.0
_GROWTH = 1.5

# The time left is an extrapolation: not shown before this share of the work is done, nor earlier than this.
_HONEST_SHARE = 0.02
_HONEST_SECONDS = 2.0


class Progress:
    """Counts finished work and shows it; safe to call from several threads.

    ``total`` is the sum of all weights, in any unit. ``stream`` is where it is shown (standard error),
    ``clock`` a monotonic clock in seconds. ``quiet`` shows nothing. Raises UsageError for a negative total.
    """

    def __init__(
        self,
        total: float,
        label: str = "working",
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        quiet: bool = False,
    ) -> None:
        if not total >= 0:
            raise UsageError(f"progress of {label}: expected a total of 0 or more, found {total}")
        self.total = total
        self.label = label
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._quiet = quiet
        self._lock = threading.Lock()
        self._finished = 0.0
        self._measured = 0.0  # what was worked for since the start, without what came from the store
        self._count = 0
        self._bad = 0
        self._started = self._said = clock()
        self._wait = LOG_FIRST
        self._bar: Bar | None = None
        self._task: Any = None

    def __enter__(self) -> Self:
        self._started = self._said = self._clock()
        if not self._quiet and is_terminal(self._stream):
            self._open_bar()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            if self._bar is not None:
                self._bar.stop()
                self._bar = None
            if not self._quiet and (self._count or kind is not None):
                self._say(self._summary(stopped=kind is not None))

    def done(self, weight: float, label: str = "", status: str = "", *, cached: bool = False) -> None:
        """Count one finished unit; ``cached`` work came from the store and says nothing about the speed."""
        with self._lock:
            self._finished += weight
            self._measured += 0.0 if cached else weight
            self._count += 1
            self._bad += status not in ("", "pass")
            last = _shown(f"{label} {status}" if status else label)
            if self._quiet:
                return
            if self._bar is not None:
                self._bar.update(self._task, completed=self._finished, last=last, left=self._left_text())
            elif self._clock() - self._said >= self._wait:
                self._say(f"{self._figures()}  {last}".rstrip())
                self._wait = min(self._wait * _GROWTH, LOG_LONGEST)

    def judged_bad(self, count: int) -> None:
        """Count so many that did not pass after all: of work that is judged when all of it is done."""
        with self._lock:
            self._bad += count

    def add(self, weight: float) -> None:
        """Add work that turned up on the way, such as a second accuracy run."""
        with self._lock:
            self.total += weight
            if self._bar is not None:
                self._bar.update(self._task, total=self.total)

    def seconds_left(self) -> float | None:
        """Return an estimate of the seconds left, or None while there is too little to go by."""
        elapsed = self._clock() - self._started
        remaining = max(self.total - self._finished, 0.0)
        if remaining == 0:
            return 0.0
        worked_on = self.total - (self._finished - self._measured)  # all that has to be worked for
        if elapsed < _HONEST_SECONDS or self._measured < _HONEST_SHARE * worked_on:
            return None
        return elapsed * remaining / self._measured

    def _left_text(self) -> str:
        left = self.seconds_left()
        return "time left unknown" if left is None else f"about {duration(left)} left"

    def _figures(self) -> str:
        share = 100.0 * min(self._finished / self.total, 1.0) if self.total else 100.0
        bad = f", {self._bad} not passed" if self._bad else ""
        return f"{self.label}: {share:.0f} %, {self._count} done{bad}, {self._left_text()}"

    def _summary(self, *, stopped: bool) -> str:
        elapsed = duration(self._clock() - self._started)
        if stopped:
            return f"{self.label}: stopped after {elapsed}, {self._count} done"
        bad = f", {self._bad} not passed" if self._bad else ""
        return f"{self.label}: {self._count} done{bad} in {elapsed}"

    def _say(self, line: str) -> None:
        self._said = self._clock()
        try:
            print(line, file=self._stream, flush=True)
        except (BrokenPipeError, ValueError):  # nobody listens any more: grading goes on
            self._quiet = True

    def _open_bar(self) -> None:
        # rich is imported only where there is a terminal, so that a log and --help do not wait for it
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn
        from rich.progress import Progress as Bar
        from rich.table import Column

        console = Console(file=self._stream, markup=False, highlight=False, emoji=False)
        fields = ("{task.description}", "{task.fields[left]}", "{task.fields[last]}")
        first, left, last = (
            TextColumn(field, markup=False, table_column=Column(no_wrap=True)) for field in fields
        )
        bar = BarColumn(bar_width=24)
        self._bar = Bar(first, bar, TaskProgressColumn(), left, last, console=console, transient=True)
        self._task = self._bar.add_task(self.label, total=self.total, left=self._left_text(), last="")
        self._bar.start()


def is_terminal(stream: TextIO) -> bool:
    """Return whether a bar can be drawn on ``stream``: a terminal that moves its cursor."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def duration(seconds: float) -> str:
    """Return a duration as people say it: 4 s, 3 min 05 s, 2 h 10 min."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _shown(label: str, limit: int = 48) -> str:
    """Return a label on one printable line: it holds a submission's name, which may hold anything."""
    plain = "".join(char if char.isprintable() else "?" for char in label[: 4 * limit])
    return plain if len(plain) <= limit else plain[: limit - 1] + "\u2026"
