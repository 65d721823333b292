"""Checking again on every save, and showing what changed since the last time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from harness.digest import files_of
from harness.errors import BackcheckError
from harness.records import CheckResult, ExperimentResult, Status, Verdict
from harness.views import facts
from harness.views.text import line, name

POLL_SECONDS = 0.3
LINES_SHOWN = 40


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
    return 0 if last is not None and not any(map(_fails, _items(last).values())) else 1


def changes(before: Verdict | None, now: Verdict) -> str:
    """Describe a verdict: in full the first time, afterwards what is mended, broken or fails otherwise."""
    items, old = _items(now), _items(before) if before else {}
    lines: list[str] = []
    for key, item in items.items():
        was = old.get(key)
        if before is None:
            lines += [_line("", key, item)] if _fails(item) else []
        elif _fails(item):
            if was is None or not facts.tried(was):
                lines.append(_line("found", key, item))
            elif not _fails(was):
                lines.append(_line("broken", key, item))
            elif (was.status, was.message) != (item.status, item.message):
                lines.append(_line("changed", key, item))
        elif was is not None and _fails(was) and facts.tried(item):
            lines.append(_line("mended", key, item))
    if before is not None and not lines and _states(old) == _states(items):
        still = sum(map(_fails, items.values()))
        whole = all(item.status is Status.PASS for item in items.values() if facts.applies(item))
        rest = f"{still} still fail" if still else "all pass" if whole else "none fails"
        lines.append(f"  no check changed; {rest}")
    if len(lines) > LINES_SHOWN:
        lines = [*lines[:LINES_SHOWN], f"  ... and {len(lines) - LINES_SHOWN} more"]
    return "\n".join([_head(before, now), *lines])


def _head(before: Verdict | None, now: Verdict) -> str:
    parts = [item for item in _items(now).values() if facts.applies(item)]
    passed = sum(item.status is Status.PASS for item in parts)
    untried = sum(not facts.tried(item) for item in parts)
    points = f"{time.strftime('%H:%M:%S')}  {now.score:.1f} of {now.max_score:.1f} points"
    counts = f"{passed} of {len(parts)} checks pass" + (f", {untried} not tried" if untried else "")
    return f"{points}, {counts}" + ("" if before is None else f"  ({now.score - before.score:+.1f})")


def _fails(item: CheckResult | ExperimentResult) -> bool:
    """Whether it was tried and is no pass; what rests on it was not tried, and is counted in the head."""
    return facts.tried(item) and item.status is not Status.PASS


def _states(items: Mapping[str, CheckResult | ExperimentResult]) -> dict[str, tuple[bool, bool]]:
    return {key: (facts.tried(item), _fails(item)) for key, item in items.items()}


def _line(change: str, key: str, item: CheckResult | ExperimentResult) -> str:
    label = f"{change:8}" if change else ""
    message = f"  {line(item.message)}" if item.message and _fails(item) else ""
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
