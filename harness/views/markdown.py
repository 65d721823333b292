"""The record as GitHub-flavoured Markdown: a report, and a job summary that fits GitHub's limit."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from harness.records import CheckResult, Record, Status, Verdict
from harness.views import evidence, facts, text

# A job summary of more than 1 MiB is dropped whole; what no longer fits is left out, and said to be.
SUMMARY_LIMIT = 1_000_000
MAX_CURVE_ROWS = 30


def render_markdown(record: Record) -> str:
    """Return the summary table, then a section for each submission."""
    parts = ["# backcheck", text.markdown(facts.class_line(record)), *_errors(record)]
    if record.submissions:
        parts.append(_summary(record.submissions))
    parts += [section(verdict) for verdict in record.submissions]
    return "\n\n".join(parts) + "\n"


def render_summary(record: Record, *, limit: int = SUMMARY_LIMIT) -> str:
    """Return Markdown for ``$GITHUB_STEP_SUMMARY``: at most ``limit`` bytes, what does not fit is counted.

    The table comes first, then a folded section for each submission with findings, while there is room.
    """
    parts = ["## backcheck", text.markdown(facts.class_line(record)), *_errors(record)]
    rows = list(record.submissions)
    if rows:
        parts.append(_summary(rows))
    size = _bytes(parts)
    while size > limit and rows:  # thousands of submissions: even the table has to stop somewhere
        rows = rows[: len(rows) // 2]
        parts[-1] = f"{_summary(rows)}\n\nand {len(record.submissions) - len(rows)} more submissions."
        size = _bytes(parts)
    omitted = 0
    for verdict in record.submissions:
        folded = _folded(verdict)
        if not facts.findings(verdict):
            continue
        if size + _bytes([folded]) > limit - 200:  # room for the sentence below
            omitted += 1
            continue
        parts.append(folded)
        size += _bytes([folded])
    if omitted:
        parts.append(
            f"The findings of {omitted} submissions are left out here: a job summary has a size limit."
        )
    return "\n\n".join(parts) + "\n"


def _bytes(parts: Sequence[str]) -> int:
    return sum(len(part.encode()) + 2 for part in parts)


def _errors(record: Record) -> list[str]:
    return [f"**HARNESS ERROR** {text.markdown(error)}" for error in record.harness_errors]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], right_from: int = 99) -> str:
    """Return a table of cells that are Markdown already."""
    rule = ["---:" if column >= right_from else "---" for column in range(len(header))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))


def _summary(submissions: Sequence[Verdict]) -> str:
    groups = facts.columns(submissions)
    rows = [
        [
            text.markdown(text.name(verdict.name)),
            verdict.part,
            facts.points(verdict.score, verdict.max_score),
            *(facts.group_cell(facts.group_score(verdict, group)) for group in groups),
        ]
        for verdict in submissions
    ]
    header = ["submission", "part", "score", *(text.markdown(group) for group in groups)]
    return _table(header, rows, right_from=2)


def section(verdict: Verdict, *, level: int = 2) -> str:
    """Return the report of one submission under a heading of ``level``."""
    score = facts.points(verdict.score, verdict.max_score)
    heading = f"{'#' * level} {text.markdown(text.name(verdict.name))}: {score}"
    return "\n\n".join([heading, *_body(verdict)])


def _folded(verdict: Verdict) -> str:
    # <summary> is HTML, where the backslashes that Markdown needs would show
    owner = html.escape(text.name(verdict.name)).replace("@", "@\u200b").replace("://", "&#58;//")
    score = facts.points(verdict.score, verdict.max_score)
    body = "\n\n".join(_body(verdict))
    return f"<details><summary>{owner}: {score}</summary>\n\n{body}\n\n</details>"


def _body(verdict: Verdict) -> list[str]:
    parts = []
    if verdict.experiments:
        rows = [
            [
                text.markdown(each.id),
                facts.reported(each.reported),
                facts.expected_range(each.low, each.high),
                facts.accuracies(each.accuracies),
                _label(each.status),
            ]
            for each in verdict.experiments
        ]
        parts.append(_table(["experiment", "reported", "expected range", "measured", "status"], rows))
    parts += [_finding(finding) for finding in facts.findings(verdict)]
    for check in verdict.checks:
        if check.status is not Status.PASS:
            parts += _gradient(check)
    for experiment in verdict.experiments:
        parts += _training(experiment.id, experiment.evidence)
    parts += [f"Note: {text.markdown(note)}" for note in verdict.notes]
    return parts or ["Every check passes."]


def _label(status: Status) -> str:
    return facts.LABELS[status] if status is Status.PASS else f"**{facts.LABELS[status]}**"


def _finding(finding: facts.Finding) -> str:
    ids = text.markdown(facts.id_list(finding.ids))
    first = f"- {ids} {_label(finding.status)} {text.markdown(finding.message)}"
    return f"{first}\n\n{text.markdown_block(finding.detail)}" if finding.detail.strip() else first


def _gradient(check: CheckResult) -> list[str]:
    fits = evidence.tensor_fits(check.evidence)
    if not fits:
        return []
    rows = [
        [text.markdown(text.name(fit.tensor)), f"{fit.scale:.4g}", f"{fit.cosine:.4f}", _error(fit.error)]
        for fit in fits
    ]
    caption = f"Gradient of each layer, {text.markdown(check.id)}: scale 1 and cosine 1 are right."
    return [caption, _table(["tensor", "scale", "cosine", "relative error"], rows, right_from=1)]


def _error(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}"


def _training(identifier: str, found: Mapping[str, Any]) -> list[str]:
    parts = []
    for curve in evidence.curves(found):
        header = ["epoch", curve.quantity, *(["reference band"] if curve.low else [])]
        parts.append(f"{text.markdown(identifier)}: {curve.quantity} by epoch")
        parts.append(_table(header, _curve_rows(curve), right_from=0))
    table = evidence.confusion(found)
    if table:
        header = ["true \\ predicted", *map(str, range(len(table)))]
        rows = [[f"**{label}**", *map(str, row)] for label, row in enumerate(table)]
        parts += [f"{text.markdown(identifier)}: confusion matrix", _table(header, rows, right_from=1)]
    return parts


def _curve_rows(curve: evidence.Curve) -> list[list[str]]:
    step = -(-len(curve.values) // MAX_CURVE_ROWS)  # every epoch, or evenly spaced ones of a long run
    chosen = sorted({*range(0, len(curve.values), step), len(curve.values) - 1})
    rows = []
    for epoch in chosen:
        row = [str(epoch + 1), f"{curve.values[epoch]:.4g}"]
        if curve.low:
            inside = epoch < min(len(curve.low), len(curve.high))
            row.append(f"{curve.low[epoch]:.4g} to {curve.high[epoch]:.4g}" if inside else "-")
        rows.append(row)
    return rows
