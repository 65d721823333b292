"""The table for a terminal or a log: a summary, then each submission's experiments and findings."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from harness.records import Record, Status, Verdict
from harness.views import facts, text

DEFAULT_WIDTH = 100
DETAILS_UP_TO = 20  # more submissions than this: the summary alone, unless details are asked for
MANY = 6  # more checks than this that were not measured for one reason are counted, not named
_MIN_NAME, _MIN_HEADING = 12, 5
_PLACE_LIMIT = 160  # characters of a traceback's frame or line

_BOLD, _GREEN, _RED, _YELLOW, _RESET = "\x1b[1m", "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[0m"


def wants_color(stream: TextIO) -> bool:
    """Return whether to colour what goes to ``stream``: a capable terminal, and NO_COLOR is not set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def render_table(
    record: Record, *, width: int | None = None, details: bool | None = None, color: bool = False
) -> str:
    """Return the summary table and, for up to ``DETAILS_UP_TO`` submissions or on demand, the details.

    ``width`` in columns: given for a terminal, where messages are wrapped to it; None for a file, where each
    finding stays on one line.
    """
    submissions = record.submissions
    show_details = len(submissions) <= DETAILS_UP_TO if details is None else details
    parts = []
    if submissions:
        parts.append(summary_table(submissions, width=width or DEFAULT_WIDTH, color=color))
    if show_details:
        for verdict in submissions:
            parts.append(_details(verdict, width=width, color=color))
    parts.append(facts.class_line(record))
    if not show_details and submissions:
        parts.append("Experiments and findings of each submission: --details")
    for error in record.harness_errors:
        parts.append(_paint(f"HARNESS ERROR  {text.line(error)}", _YELLOW, color))
    return "\n\n".join(parts) + "\n"


def summary_table(submissions: Sequence[Verdict], *, width: int = DEFAULT_WIDTH, color: bool = False) -> str:
    """Return one row for each submission: name, part, score, one column for each rubric group, accuracy."""
    groups = facts.columns(submissions)
    scores = [[facts.group_score(verdict, group) for group in groups] for verdict in submissions]
    names = [text.name(verdict.name) for verdict in submissions]
    totals = [facts.points(verdict.score, verdict.max_score) for verdict in submissions]
    layout = _layout(scores, [text.name(group) for group in groups], names, totals, width)
    rows = [
        [label, verdict.part, total, *row]
        for label, verdict, total, row in zip(layout.names, submissions, totals, layout.cells)
    ]
    headings = ["submission", "part", "score", *layout.headings]
    lines = _tabulate(headings, rows, right_from=2).splitlines()
    if color:
        lines[0] = _paint(lines[0], _BOLD, color)
        lines[2:] = [_paint_row(line, verdict) for line, verdict in zip(lines[2:], submissions)]
    if layout.legend:
        lines += ["", *textwrap.wrap(layout.legend, width, break_on_hyphens=False)]
    return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """The summary's columns as they fit: headings and names, shortened, cells, and a legend that explains."""

    headings: list[str]
    names: list[str]
    cells: list[list[str]]
    legend: str


def _layout(
    scores: Sequence[Sequence[facts.GroupScore]],
    groups: Sequence[str],
    names: Sequence[str],
    totals: Sequence[str],
    width: int,
) -> _Layout:
    """Fit a row into ``width``: first headings give way, then names, then points become per cent."""
    cells = [[facts.group_cell(score) for score in row] for row in scores]
    fixed = 2 + len("package") + 2 + max(len("score"), *map(len, totals))
    legend = ""
    if fixed + _MIN_NAME + _columns(groups, cells, _MIN_HEADING) > width:
        cells = [[facts.share_cell(score) for score in row] for row in scores]
        legend = "Groups in per cent of their points. "
    longest = max(len("submission"), *map(len, names))
    limit = max([_MIN_HEADING, *map(len, groups)])
    while limit > _MIN_HEADING and fixed + longest + _columns(groups, cells, limit) > width:
        limit -= 1
    headings = [_abbreviated(group, max(limit, wide)) for group, wide in zip(groups, _widest(cells))]
    short = ", ".join(f"{short} {group}" for short, group in zip(headings, groups) if short != group)
    return _Layout(
        headings=headings,
        names=_distinct(names, max(_MIN_NAME, width - fixed - _columns(groups, cells, limit))),
        cells=cells,
        legend=legend + (f"Columns: {short}" if short else ""),
    )


def _widest(cells: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*cells)]


def _columns(groups: Sequence[str], cells: Sequence[Sequence[str]], limit: int) -> int:
    """Return the width that the group columns need when headings are cut to ``limit``."""
    return sum(2 + max(wide, min(len(group), limit)) for wide, group in zip(_widest(cells), groups))


def _abbreviated(heading: str, limit: int) -> str:
    return heading if len(heading) <= limit else heading[: limit - 1] + "."


def _distinct(names: Sequence[str], room: int) -> list[str]:
    """Shorten names to ``room`` columns; two that would look alike keep their ends, which tell them apart."""
    short = [text.shorten(each, room) for each in names]
    for index, each in enumerate(short):
        if short.count(each) > 1 and len(names[index]) > room:
            half = (room - 1) // 2
            short[index] = f"{names[index][: room - 1 - half]}\u2026{names[index][-half:]}"
    return short


def _details(verdict: Verdict, *, width: int | None, color: bool) -> str:
    """Return one submission's experiments, findings and notes under its name."""
    title = f"{text.name(verdict.name)}  {facts.points(verdict.score, verdict.max_score)}"
    lines = [_paint(title, _BOLD, color)]
    if verdict.experiments:
        table = _experiments(verdict)
        if width and max(map(len, table.splitlines())) > width - 2:
            table = _experiments(verdict, narrow=True)
        lines.append(textwrap.indent(table, "  "))
    found = _finding_lines(verdict, width=width, color=color)
    quiet = "every check passes" if facts.parts_of(verdict) else "nothing was checked"
    lines += found or [f"  {quiet}"]
    lines += [_wrapped(f"  note  {text.line(note)}", width, 8) for note in verdict.notes]
    return "\n".join(lines)


def _experiments(verdict: Verdict, *, narrow: bool = False) -> str:
    rows = [
        [
            text.name(experiment.id),
            facts.reported(experiment.reported),
            facts.expected_range(experiment.low, experiment.high),
            facts.accuracies(experiment.accuracies[:2] if narrow else experiment.accuracies),
            facts.LABELS[experiment.status],
        ]
        for experiment in verdict.experiments
    ]
    return _tabulate(["experiment", "reported", "expected range", "measured", "status"], rows)


def _finding_lines(verdict: Verdict, *, width: int | None, color: bool) -> list[str]:
    """Return ``alice  gradients[sigmoid]  FAIL  what is wrong``, aligned, one for each finding."""
    found = facts.findings(verdict)
    owner = text.name(verdict.name, 32)
    ids = [_ids(finding) for finding in found]
    id_width = min(max(map(len, ids), default=0), 32)
    lines = []
    for finding, each in zip(found, ids):
        label = facts.LABELS[finding.status]
        head = f"  {owner}  {each:<{id_width}}  "
        line = _wrapped(f"{head}{label}  {text.line(finding.message)}", width, 6)
        if line.startswith(head + label):  # else the line broke inside the head, on a narrow terminal
            line = head + _paint(label, _status_color(finding.status), color) + line[len(head + label) :]
        lines.append(line)
        lines += _place_lines(finding, width)
    return lines


def _place_lines(finding: facts.Finding, width: int | None) -> list[str]:
    """Return where in the author's file it was raised, and the line there, each cut to one line."""
    rows = [
        f"{' ' * indent}{text.line(said, _PLACE_LIMIT)}" for indent, said in zip((6, 8), facts.place(finding))
    ]
    return [text.shorten(row, width or len(row)) for row in rows]


def _ids(finding: facts.Finding) -> str:
    if finding.status in facts.UNMEASURED and len(finding.ids) > MANY:
        return f"{len(finding.ids)} checks"
    return text.name(facts.id_list(finding.ids), 80)


def _wrapped(line: str, width: int | None, indent: int) -> str:
    if width is None or len(line) <= width:
        return line
    lines = textwrap.wrap(line, width, subsequent_indent=" " * indent, break_on_hyphens=False)
    return "\n".join(lines)


def _tabulate(headers: Sequence[str], rows: Sequence[Sequence[str]], right_from: int | None = None) -> str:
    """Return rows as plain text under a ruled heading; columns from ``right_from`` on go to the right."""
    from tabulate import tabulate

    # Headings go in as a row: tabulate pads real ones by two columns each, which eight groups cannot afford.
    rule = ["-" * max(map(len, column)) for column in zip(headers, *rows)]
    body = [list(headers), rule, *map(list, rows)]
    first = len(headers) if right_from is None else right_from
    alignment = ["left"] * first + ["right"] * (len(headers) - first)
    text_table = tabulate(body, tablefmt="plain", disable_numparse=True, colalign=alignment)
    return "\n".join(line.rstrip() for line in str(text_table).splitlines())


def _paint(line: str, code: str, color: bool) -> str:
    return f"{code}{line}{_RESET}" if color else line


def _paint_row(line: str, verdict: Verdict) -> str:
    if any(part.status is Status.HARNESS_ERROR for part in facts.parts_of(verdict)):
        return _paint(line, _YELLOW, True)
    if verdict.score <= 0:
        return _paint(line, _RED, True)
    return _paint(line, _GREEN, verdict.score >= verdict.max_score)


def _status_color(status: Status) -> str:
    return _YELLOW if status in facts.UNMEASURED or status is Status.HARNESS_ERROR else _RED
