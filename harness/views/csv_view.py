"""The record as CSV: one row a submission for a gradebook, or one row a check and experiment for analysis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.records import CheckResult, ExperimentResult, Record, Verdict
from harness.views import facts, text

LONG_HEADER = (
    "submission", "part", "kind", "id", "group", "status", "points", "max_points",
    "reported", "low", "high", "accuracies", "seconds", "diagnosis", "message",
)  # fmt: skip


def write_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return RFC 4180 CSV with ``\\n`` line ends; strings are defused, numbers written in full precision."""
    import pandas as pd  # takes a sixth of a second to import, which the other views should not wait for

    cells = ([text.cell(each) if isinstance(each, str) else _figure(each) for each in row] for row in rows)
    frame = pd.DataFrame(cells, columns=[text.cell(name) for name in header], dtype=object)
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _figure(value: object) -> object:
    if isinstance(value, float):  # sums of thirds: no reader wants 9.999999999999998
        return f"{value:.10g}"
    return "" if value is None else value


def render_csv(record: Record) -> str:
    """Return one row for each submission: score, per cent, points and maximum of each group, findings."""
    groups = [*facts.group_names(record.submissions), facts.ACCURACY]
    columns = [column for group in groups for column in (group, f"{group} max")]
    header = ["submission", "part", "score", "max score", "per cent", *columns, "findings", "seconds"]
    return write_csv(header, (_wide_row(verdict, groups) for verdict in record.submissions))


def _wide_row(verdict: Verdict, groups: Sequence[str]) -> list[object]:
    scores = [facts.group_score(verdict, group) for group in groups]
    points = [figure for score in scores for figure in (score.points, score.max_points)]
    said = [
        f"{facts.id_list(finding.ids)} {facts.LABELS[finding.status]}: {finding.message}"
        for finding in facts.findings(verdict)
    ]
    share = round(facts.percentage(verdict.score, verdict.max_score), 2)
    row: list[object] = [verdict.name, verdict.part, verdict.score, verdict.max_score, share]
    return [*row, *points, " / ".join(said), round(verdict.seconds, 3)]


def render_csv_long(record: Record) -> str:
    """Return one row for each check and each experiment of each submission (tidy data)."""
    rows = (_long_row(verdict, part) for verdict in record.submissions for part in facts.parts_of(verdict))
    return write_csv(LONG_HEADER, rows)


def _long_row(verdict: Verdict, part: CheckResult | ExperimentResult) -> list[object]:
    row: list[object] = [verdict.name, verdict.part]
    if isinstance(part, CheckResult):
        row += ["check", part.id, part.group, part.status.value, part.points, part.max_points]
        row += [None, None, None, None, part.seconds, part.diagnosis]
    else:
        runs = " ".join(f"{each:.10g}" for each in part.accuracies)
        row += ["experiment", part.id, facts.ACCURACY, part.status.value, part.points, part.max_points]
        row += [part.reported, part.low, part.high, runs, part.seconds, None]
    return [*row, part.message]
