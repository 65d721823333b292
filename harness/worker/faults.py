"""What a submission raised, as plain text: the kind of fault, its message, and the traceback of the
author's own frames.
"""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import Any

TEXT_LIMIT = 6000
NOBODY_TYPES = "there is nobody to type while it is graded: take input() out"
HARNESS = str(Path(__file__).resolve().parents[1]) + os.sep


def describe(error: BaseException, entry: str) -> dict[str, Any]:
    """Return the ``error`` part of an answer for what the submission at ``entry`` raised."""
    from harness.worker.loading import NotProvided

    kind = "exception"
    if isinstance(error, (NotProvided, NotImplementedError)):
        kind = "not_provided"
    elif isinstance(error, MemoryError):
        kind = "memory"
    elif isinstance(error, SystemExit):
        kind = "exit"
    try:
        message = str(error)[:TEXT_LIMIT]
    except Exception:
        message = "(its message cannot be printed)"
    if asks_for_typing(error):
        message += f" ({NOBODY_TYPES})"
    return {
        "kind": kind,
        "type": type(error).__name__[:80],
        "message": message,
        "traceback": _trimmed(error, entry)[-TEXT_LIMIT:],
    }


def asks_for_typing(error: BaseException) -> bool:
    """Whether an error is what ``input()`` raises where there is no keyboard."""
    return isinstance(error, EOFError) and error.args == ("EOF when reading a line",)


def _trimmed(error: BaseException, entry: str) -> str:
    """Format the traceback without the harness's frames, with file names relative to the submission."""
    folder = os.path.dirname(os.path.abspath(entry)) + os.sep
    try:
        whole = traceback.TracebackException.from_exception(error, limit=-40, compact=True)
        parts: list[str] = []
        for frame in whole.stack:
            if frame.filename.startswith((HARNESS, "<frozen")):
                continue
            name = frame.filename.removeprefix(folder)
            parts.append(
                f"  {name}:{frame.lineno} in {frame.name}\n" + (f"    {frame.line}\n" if frame.line else "")
            )
        last = "".join(whole.format_exception_only())
        if isinstance(error, SyntaxError):
            last = last.replace(folder, "")
        return "".join(parts[-12:]) + last
    # A traceback that cannot be formatted must not hide the fault itself.
    except Exception:
        return type(error).__name__
