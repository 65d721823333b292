"""The reproduction as Markdown: the page without its figures, for a job summary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from harness.reproduce import prose
from harness.reproduce.model import Reproduction, Search
from harness.reproduce.words import (
    claim_counts,
    claim_digits,
    comparison,
    counted,
    duration,
    interval,
    number,
    other_protocols,
    p_or_dash,
    panel_note,
    protocol_items,
    qualification,
    short_digest,
    untried,
)


def to_markdown(found: Reproduction) -> str:
    """The whole reproduction without its figures."""
    spec = found.spec
    parts = [
        f"# Does the report hold? {_cell(spec.title)}",
        f"{', '.join(_cell(text) for text in (spec.author, spec.date, spec.course) if text)}. "
        f"Accuracies: {counted(row.verdict for row in found.rows)}. "
        f"Claims: {claim_counts(found) or 'none'}.",
        "## Accuracies",
        prose.accuracies(found),
        _accuracies(found),
    ]
    if found.claims:
        parts += ["## Claims", prose.claims(found), _claims(found)]
    if found.findings:
        parts += ["## Findings", *_findings(found)]
    if found.panels:
        lines = [
            f"- {_cell(p.panel.id)}: {_cell(p.panel.caption)}. {_cell(panel_note(found, p))}"
            for p in found.panels
        ]
        parts += ["## Figures", prose.figures(found), "\n".join(lines)]
    parts += ["## Protocol", prose.PROTOCOL, _conventions(found), _protocol(found)]
    if found.ranges:
        parts += ["## Ranges for grading", prose.RANGES, _ranges(found)]
    parts += ["## Provenance", prose.provenance(found), _provenance(found)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _accuracies(found: Reproduction) -> str:
    heads = ["experiment", "reported", "seeds", "mean", "sd", "interval", "p", "section", "verdict"]
    rows = [
        [
            row.experiment.id,
            row.experiment.reported_text or "–",
            str(len(row.accuracies)),
            number(row.mean),
            number(row.sd),
            interval(row.low, row.high),
            p_or_dash(row.p),
            row.experiment.section,
            f"{row.verdict}: {row.note}" if row.note else row.verdict,
        ]
        for row in found.rows
    ]
    return _table(heads, rows, right=range(1, 7))


def _claims(found: Reproduction) -> str:
    rows = []
    for judged in found.claims:
        digits = claim_digits(judged)
        evidence = "; ".join(comparison(part, digits) for part in judged.comparisons)
        if judged.details:
            behind = "; ".join(comparison(part, digits) for part in judged.details)
            evidence += f". The differences behind the average: {behind}"
        verdict = f"**{judged.verdict}**"
        caveat = found.caveats.get(judged.claim.id)
        if caveat is not None:
            verdict = f"**{judged.verdict} {qualification(caveat)}**"
            evidence = f"{evidence}. {other_protocols(judged, caveat)}"
        terms = f"Section {judged.claim.section}; {prose.claim_terms(judged)}"
        rows.append([f"{judged.claim.id}. {judged.claim.text}", terms, verdict, evidence])
    return _table(["claim", "about", "verdict", "evidence"], rows)


def _findings(found: Reproduction) -> list[str]:
    parts = []
    for finding in found.findings:
        quirk = finding.quirk
        texts = (quirk.text, prose.where(finding), finding.summary, prose.missing(finding))
        parts.append(" ".join([f"**{_cell(quirk.title)}.**", *(_cell(text) for text in texts if text)]))
        if finding.search is not None and finding.search.experiments:
            parts += _search(finding.search)
    return parts


def _search(search: Search) -> list[str]:
    """How to read a protocol search, and its table; what is not excluded is in bold."""
    caption = (
        "Mean test accuracy under each protocol; the reported figure stands above. Bold is what is not "
        f"excluded (p of at least {search.level:.4f}; three seeds are needed). A protocol is the same for "
        f"its whole line.{untried(search)}"
    )
    heads = ["protocol", "seeds", *(f"{e.id} ({e.reported_text})" for e in search.experiments)]
    rows = []
    for line in search.lines:
        cells = [line.cells[experiment.id] for experiment in search.experiments]
        seeds = sorted({cell.n for cell in cells})
        texts = [number(cell.mean, 1) if cell.n else "–" for cell in cells]
        marked = [f"**{text}**" if cell.fits else text for text, cell in zip(texts, cells, strict=True)]
        rows.append([line.label, "–".join(map(str, dict.fromkeys((seeds[0], seeds[-1])))), *marked])
    return [_cell(caption), _table(heads, rows, right=range(1, len(heads)))]


def _conventions(found: Reproduction) -> str:
    """The parts of the protocol that are no numbers, with who says so and for which experiments."""
    lines = []
    for convention in found.spec.conventions:
        about = prose.concerned(found, convention.experiments)
        where = "" if about == "all" else f"; {about}"
        lines.append(f"- {_cell(convention.text)} ({', '.join(convention.sources)}{_cell(where)})")
    return "\n".join(lines)


def _protocol(found: Reproduction) -> str:
    rows = [
        [item.name, item.value, ", ".join(item.sources), prose.concerned(found, item.experiments)]
        for item in protocol_items(found.spec)
    ]
    return _table(["item", "value", "source", "experiments"], rows)


def _provenance(found: Reproduction) -> str:
    """What the runs were made with, and which specification was answered for."""
    rows = []
    if found.provenance is not None:
        rows.append(["time", f"{duration(found.provenance.seconds)} of one core"])
        rows += [[name, ", ".join(values)] for name, values in found.provenance.made_with.items()]
    rows.append(["specification", f"{found.spec.path.name} {short_digest(found.spec.digest)}"])
    return _table(["made with", ""], rows)


def _ranges(found: Reproduction) -> str:
    heads = [
        "experiment",
        "budget",
        "protocol",
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
            entry.protocol,
            str(entry.family),
            str(entry.n),
            number(entry.mean),
            number(entry.sd),
            interval(entry.low, entry.high),
            number(entry.shift),
            "–" if entry.left_out is None else f"{entry.left_out} of {entry.n}",
        ]
        for entry in found.ranges
    ]
    return _table(heads, rows, right=range(3, 10))


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
