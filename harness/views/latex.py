"""The record as LaTeX tables with booktabs, for a paper; pdfLaTeX compiles them with no other package."""

from __future__ import annotations

from collections.abc import Sequence

from harness.records import Record, Verdict
from harness.views import facts, text


def render_latex(record: Record) -> str:
    """Return two tables: scores by group, and experiments with reported figure, range and accuracies."""
    parts = [
        "% \\usepackage{booktabs} in the preamble; \\usepackage[T1]{fontenc} for accented names.",
        _scores(record.submissions),
    ]
    rows = [
        [
            text.latex(text.name(verdict.name)),
            text.latex(each.id),
            facts.reported(each.reported),
            facts.expected_range(each.low, each.high),
            facts.accuracies(each.accuracies),
            text.latex(facts.LABELS[each.status]),
        ]
        for verdict in record.submissions
        for each in verdict.experiments
    ]
    if rows:
        header = ["submission", "experiment", "reported", "expected range", "measured", "status"]
        parts.append(_table("llrrrl", header, rows, "Test accuracy in per cent beside the expected range."))
    return "\n\n".join(parts) + "\n"


def _scores(submissions: Sequence[Verdict]) -> str:
    groups = facts.columns(submissions)
    rows = [
        [
            text.latex(text.name(verdict.name)),
            text.latex(verdict.part),
            facts.points(verdict.score, verdict.max_score),
            *(facts.group_cell(facts.group_score(verdict, group)) for group in groups),
        ]
        for verdict in submissions
    ]
    header = ["submission", "part", "score", *(text.latex(group) for group in groups)]
    return _table("ll" + "r" * (len(header) - 2), header, rows, "Points by group of checks.")


def _table(columns: str, header: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    body = [f"    {' & '.join(row)} \\\\" for row in rows]
    return "\n".join(
        [
            "\\begin{table}",
            "  \\centering",
            f"  \\caption{{{caption}}}",
            f"  \\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
            "    \\toprule",
            f"    {' & '.join(header)} \\\\",
            "    \\midrule",
            *body,
            "    \\bottomrule",
            "  \\end{tabular}",
            "\\end{table}",
        ]
    )
