"""The reproduction as Markdown: the tables and sentences of the page, for a job summary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from harness.reproduce.model import Reproduction
from harness.reproduce.words import (
    claim_counts,
    claim_digits,
    counted,
    duration,
    number,
    other_protocols,
    p_or_dash,
    panel_note,
    qualification,
)
from harness.statistics import Comparison


def to_markdown(found: Reproduction) -> str:
    """The whole reproduction without its figures."""
    spec = found.spec
    parts = [
        f"# Does the report hold? {_cell(spec.title)}",
        f"{_cell(spec.author)}, {_cell(spec.date)}. "
        f"Accuracies: {counted(row.verdict for row in found.rows)}. "
        f"Claims: {claim_counts(found) or 'none'}.",
        "## Accuracies",
        _accuracies(found),
    ]
    if found.claims:
        parts += ["## Claims", _claims(found)]
    if found.findings:
        parts.append("## Findings")
        parts += [
            f"**{_cell(f.quirk.title)}.** {_cell(f.quirk.text)} {_cell(f.summary)}" for f in found.findings
        ]
        parts += [_search(found)]
    if found.panels:
        lines = [
            f"- {_cell(p.panel.id)}: {_cell(p.panel.caption)}. {_cell(panel_note(p))}" for p in found.panels
        ]
        parts += ["## Figures", "\n".join(lines)]
    if found.ranges:
        parts += ["## Ranges for grading", _ranges(found)]
    if found.provenance is not None:
        parts.append(
            f"{found.provenance.runs:,} runs, {duration(found.provenance.seconds)} of one core, finished "
            f"between {found.provenance.first} and {found.provenance.last}."
        )
    return "\n\n".join(part for part in parts if part) + "\n"


def _accuracies(found: Reproduction) -> str:
    heads = ["experiment", "reported", "seeds", "mean", "sd", "interval", "p", "verdict"]
    rows = [
        [
            row.experiment.id,
            row.experiment.reported_text or "–",
            str(len(row.accuracies)),
            number(row.mean),
            number(row.sd),
            _interval(row.low, row.high),
            p_or_dash(row.p),
            row.verdict,
        ]
        for row in found.rows
    ]
    return _table(heads, rows, right=range(1, 7))


def _claims(found: Reproduction) -> str:
    rows = []
    for judged in found.claims:
        digits = claim_digits(judged)
        evidence = "; ".join(_comparison(part, digits) for part in (*judged.comparisons, *judged.details))
        verdict = f"**{judged.verdict}**"
        caveat = found.caveats.get(judged.claim.id)
        if caveat is not None:
            verdict = f"**{judged.verdict} {qualification(caveat)}**"
            evidence = f"{evidence}. {other_protocols(judged, caveat)}"
        rows.append([f"{judged.claim.id}. {judged.claim.text}", verdict, evidence])
    return _table(["claim", "verdict", "evidence"], rows)


def _comparison(part: Comparison, digits: int) -> str:
    text = part.label
    if part.estimate is not None:
        text += f": {number(part.estimate, digits)} ({_interval(part.low, part.high, digits)})"
    if part.note:
        text += f", {part.note}"
    return text + (f", {part.seeds} seeds would decide" if part.seeds else "")


def _search(found: Reproduction) -> str:
    """The protocol searches as tables; what is not excluded is in bold."""
    tables = []
    for search in (finding.search for finding in found.findings):
        if search is None:
            continue
        heads = ["protocol", *(f"{e.id} ({e.reported_text})" for e in search.experiments)]
        rows = []
        for line in search.lines:
            cells = [line.cells[experiment.id] for experiment in search.experiments]
            texts = [number(cell.mean, 1) if cell.n else "–" for cell in cells]
            marked = [f"**{text}**" if cell.fits else text for text, cell in zip(texts, cells, strict=True)]
            rows.append([line.label, *marked])
        tables.append(_table(heads, rows, right=range(1, len(heads))))
    return "\n\n".join(tables)


def _ranges(found: Reproduction) -> str:
    heads = [
        "experiment",
        "budget",
        "checks",
        "seeds",
        "mean",
        "sd",
        "range of a first run",
        "caught",
        "left out",
    ]
    rows = [
        [
            entry.experiment,
            entry.budget,
            str(entry.family),
            str(entry.n),
            number(entry.mean),
            number(entry.sd),
            _interval(entry.low, entry.high),
            number(entry.shift),
            f"{entry.left_out} of {entry.n}",
        ]
        for entry in found.ranges
    ]
    return _table(heads, rows, right=range(2, 9))


def _interval(low: float | None, high: float | None, digits: int = 2) -> str:
    return "–" if low is None or high is None else f"{number(low, digits)} to {number(high, digits)}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    numeric = set(right)
    lines = [heads, ["--:" if index in numeric else "---" for index in range(len(heads))], *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    """One line in which nothing but our own bold is markup: a specification's text stays text."""
    bold = re.fullmatch(r"\*\*(.*)\*\*", text)
    inner = bold.group(1) if bold else text
    inner = re.sub(r"([\\`*_\[\]<>|])", r"\\\1", " ".join(inner.split()))
    return f"**{inner}**" if bold else inner
