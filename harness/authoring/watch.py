"""Checking again on every save, and showing what changed since the last time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from harness.digest import files_of
from harness.errors import BackcheckError
from harness.records import CheckResult, ExperimentResult, Status, Verdict
from harness.views.text import line, name

POLL_SECONDS = 0.3
LINES_SHOWN = 40
GOOD = (Status.PASS, Status.SKIPPED)


def watch(
    path: Path,
    regrade: Callable[[], Verdict],
    *,
    stream: TextIO | None = None,
    poll_seconds: float = POLL_SECONDS,
    rounds: int | None = None,
) -> int:
    """Regrade whenever a file of the submission changes, until interrupted (or after ``rounds`` gradings).

    Returns 0 if everything passed the last time, else 1.
    """
    out = stream or sys.stdout
    last: Verdict | None = None
    done = 0
    try:
        while rounds is None or done < rounds:
            seen = _state(path)
            done += 1
            try:
                verdict = regrade()
            except BackcheckError as error:
                # Half-saved files are common here: say it, and wait for the next save.
                print(f"  {line(str(error))}", file=out, flush=True)
            else:
                if _state(path) != seen:
                    continue  # saved meanwhile: this verdict is of no version
                print(changes(last, verdict), file=out, flush=True)
                last = verdict
            if rounds is None or done < rounds:
                print(f"watching {name(str(path))} (Ctrl-C ends)", file=out, flush=True)
                while _state(path) == seen:
                    time.sleep(poll_seconds)
    except KeyboardInterrupt:
        print(file=out)
    return 0 if last is not None and all(item.status in GOOD for item in _items(last).values()) else 1


def changes(before: Verdict | None, now: Verdict) -> str:
    """Describe a verdict: in full the first time, afterwards what is mended, broken or fails otherwise."""
    items, old = _items(now), _items(before) if before else {}
    clock = time.strftime("%H:%M:%S")
    passed = sum(item.status in GOOD for item in items.values())
    head = f"{clock}  {now.score:.1f} of {now.max_score:.1f} points, {passed} of {len(items)} checks pass"
    if before is not None:
        head += f"  ({now.score - before.score:+.1f})"
    lines: list[str] = []
    for key, item in items.items():
        was = old.get(key)
        if before is None:
            lines += [_line("", key, item)] if item.status not in GOOD else []
        elif was is None or (was.status in GOOD) != (item.status in GOOD):
            lines.append(_line("mended" if item.status in GOOD else "broken", key, item))
        elif item.status not in GOOD and (was.status, was.message) != (item.status, item.message):
            lines.append(_line("changed", key, item))
    still = sum(item.status not in GOOD for item in items.values())
    if before is not None and not lines:
        lines.append(f"  no check changed; {still} still fail" if still else "  no check changed; all pass")
    if len(lines) > LINES_SHOWN:
        lines = [*lines[:LINES_SHOWN], f"  ... and {len(lines) - LINES_SHOWN} more"]
    return "\n".join([head, *lines])


def _line(change: str, key: str, item: CheckResult | ExperimentResult) -> str:
    label = f"{change:8}" if change else ""
    message = f"  {line(item.message)}" if item.message and item.status not in GOOD else ""
    return f"  {label}{name(key)}  {item.status.upper()}{message}"


def _items(verdict: Verdict) -> dict[str, CheckResult | ExperimentResult]:
    items: list[CheckResult | ExperimentResult] = [*verdict.checks, *verdict.experiments]
    return {item.id: item for item in items}


def _state(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, sizes and times of the submission's files; one that goes meanwhile is left out."""
    found = []
    for file in files_of(path):
        try:
            status = file.stat()
        except OSError:
            continue
        found.append((str(file), status.st_size, status.st_mtime_ns))
    return tuple(found)
