"""Views of one record: many formats, two readers. ``render`` makes the text, ``write_output`` the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.errors import UsageError
from harness.records import Record
from harness.views.audience import AUDIENCES, Audience, for_audience
from harness.views.csv_view import render_csv, render_csv_long
from harness.views.gradescope import render_gradescope
from harness.views.json_view import from_json, render_json
from harness.views.junit import render_junit
from harness.views.latex import render_latex
from harness.views.markdown import render_markdown, render_summary
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


def _gradescope(record: Record, options: Options) -> str:
    return render_gradescope(record, audience=options.audience)


def _html(record: Record, options: Options) -> str:
    from harness.views.html import render_html  # loads jinja2, which no other format waits for

    return render_html(record)


def _json(record: Record, options: Options) -> str:
    return render_json(record, audience=options.audience)


def _plain(write: Callable[[Record], str]) -> Callable[[Record, Options], str]:
    """Adapt a view that has no options."""
    return lambda record, options: write(record)


FORMATS: Mapping[str, Format] = {
    "table": Format(suffix=".txt", purpose="a terminal or a log", write=_table),
    "markdown": Format(suffix=".md", purpose="a report to read or to paste", write=_plain(render_markdown)),
    "html": Format(suffix=".html", purpose="a browser; stands alone", write=_html),
    "csv": Format(suffix=".csv", purpose="a gradebook: a row for each submission", write=_plain(render_csv)),
    "csv-long": Format(suffix=".csv", purpose="analysis: a row a check", write=_plain(render_csv_long)),
    "json": Format(suffix=".json", purpose="programs; the whole record", write=_json),
    "latex": Format(suffix=".tex", purpose="a paper; needs booktabs", write=_plain(render_latex)),
    "junit": Format(suffix=".xml", purpose="CI services", write=_plain(render_junit)),
    "gradescope": Format(suffix=".json", purpose="Gradescope's results.json", write=_gradescope),
    "summary": Format(suffix=".md", purpose="a GitHub job summary", write=_plain(render_summary)),
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
