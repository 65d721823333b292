"""Views of one record: many formats, two readers. ``render`` makes the text, ``write_output`` the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.errors import UsageError
from harness.records import Record
from harness.views.audience import AUDIENCES, Audience, for_audience
from harness.views.json_view import from_json, render_json
from harness.views.output import write_output
from harness.views.table import render_table, wants_color

__all__ = [
    "AUDIENCES",
    "FORMATS",
    "Audience",
    "Options",
    "for_audience",
    "from_json",
    "render",
    "wants_color",
    "write_output",
]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a view may be told; each takes what it has a use for."""

    audience: str = "instructor"
    width: int | None = None  # columns of the terminal; None for a file
    details: bool | None = None  # None: as the number of submissions suggests
    color: bool = False


@dataclass(frozen=True, kw_only=True)
class Format:
    """One output format: its file name ending, what it is for, and the function that writes it."""

    suffix: str
    purpose: str
    write: Callable[[Record, Options], str]


def _table(record: Record, options: Options) -> str:
    return render_table(record, width=options.width, details=options.details, color=options.color)


def _json(record: Record, options: Options) -> str:
    return render_json(record, audience=options.audience)


FORMATS: Mapping[str, Format] = {
    "table": Format(suffix=".txt", purpose="a terminal or a log", write=_table),
    "json": Format(suffix=".json", purpose="programs; the whole record", write=_json),
}


def render(
    record: Record,
    format: str,
    *,
    audience: str = "instructor",
    width: int | None = None,
    details: bool | None = None,
    color: bool = False,
) -> str:
    """Return ``record`` in one of ``FORMATS`` as ``audience`` may see it; UsageError for an unknown name."""
    if format not in FORMATS:
        raise UsageError(f"format: expected one of {', '.join(FORMATS)}, found {format!r}")
    shown = for_audience(record, audience)
    options = Options(audience=audience, width=width, details=details, color=color)
    return FORMATS[format].write(shown, options)
