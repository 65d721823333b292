"""Ctrl-C while grading: once finishes what is running, twice stops at once; either way, what is kept is said.

Only the program's main thread can answer signals; elsewhere this does nothing.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

FIRST = b"\nbackcheck: finishing what is running; press Ctrl-C again to stop at once\n"


class Interrupts:
    """Within it, the first SIGINT makes ``requested()`` true and the second raises KeyboardInterrupt."""

    def __init__(self, *, kept: Path | None) -> None:
        self._kept = kept
        self._count = 0
        self._before: Callable[[int, FrameType | None], Any] | int | None = None

    def requested(self) -> bool:
        """Return whether somebody asked to stop."""
        return self._count > 0

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(self._words()) from None

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count > 1:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a third would disturb the ending
            raise KeyboardInterrupt
        os.write(2, FIRST)  # print may be what was interrupted

    def _words(self) -> str:
        if self._kept is None:
            return "interrupted; nothing was kept, for want of a store"
        return f"interrupted; what was finished is kept in {self._kept}: run the same command again to go on"
