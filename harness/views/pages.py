"""A folder of reports: one file for each submission and, for the instructor, an index that links them."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from harness.errors import BackcheckError, UsageError
from harness.records import Record
from harness.views import FORMATS, render, text
from harness.views.audience import for_audience
from harness.views.html import render_html
from harness.views.output import write_output

_NAME_LIMIT, _BYTES_LIMIT = 80, 200  # file systems take 255 bytes, endings and numbers included


def write_pages(
    record: Record, folder: str | os.PathLike[str], *, format: str = "html", audience: str = "instructor"
) -> tuple[Path, ...]:
    """Write one file for each submission into ``folder``, made if need be, and return the paths written.

    For the instructor an HTML folder gets ``index.html``; a student's page links to nobody else's.
    Raises UsageError for an unknown format or a folder that cannot be made.
    """
    if format not in FORMATS:
        raise UsageError(f"format: expected one of {', '.join(FORMATS)}, found {format!r}")
    root = Path(folder)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{root}: the folder cannot be made ({error.strerror}); choose another path"
        ) from error
    suffix = FORMATS[format].suffix
    stems = file_stems([verdict.name for verdict in record.submissions])
    written = []
    for verdict, stem in zip(record.submissions, stems):
        path = root / f"{stem}{suffix}"
        write_output(render(replace(record, submissions=(verdict,)), format, audience=audience), path)
        written.append(path)
    if format == "html" and audience == "instructor":
        links = {index: quote(f"{stem}{suffix}") for index, stem in enumerate(stems)}
        path = root / "index.html"
        write_output(render_html(for_audience(record, audience), links=links), path)
        written.append(path)
    return tuple(written)


def file_stems(names: Sequence[str]) -> tuple[str, ...]:
    """Return a file name without ending for each name: letters and digits of any script, ``.``, ``_``, ``-``,
    all different.

    Differences of case, or of how an accent is written, count as none, for file systems that think so;
    ``index`` is kept free.
    """
    taken = {"index"}
    stems = []
    for name in names:
        stem = _plain(name)[:_NAME_LIMIT].encode()[:_BYTES_LIMIT].decode(errors="ignore")
        stem = stem.strip(".") or "submission"
        candidate, number = stem, 1
        while text.folded(candidate) in taken:
            number += 1
            candidate = f"{stem}-{number}"
            if number > len(names) + 1:
                raise BackcheckError(f"no free file name for {stem}")
        taken.add(text.folded(candidate))
        stems.append(candidate)
    return tuple(stems)


def _plain(name: str) -> str:
    """Return a name with each run of what is no letter, mark, digit, ``.``, ``_`` or ``-`` as one ``_``."""
    kept = (
        char if char in "._-" or char.isalnum() or unicodedata.category(char).startswith("M") else " "
        for char in text.composed(name)
    )
    return re.sub(" +", "_", "".join(kept))
