"""A roster in, grades out: every student of the roster gets a row, whether or not something was handed in."""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.errors import UsageError
from harness.records import Record, Status, Verdict
from harness.views import facts, text
from harness.views.audience import for_audience
from harness.views.csv_view import write_csv

# The column that names the submission: the first of these that the roster has, whatever its case.
KEY_COLUMNS = ("submission", "username", "login", "student", "student id", "id", "name")
ADDED = ("score", "max score", "per cent", "status", "comment")
NOT_HANDED_IN = "not handed in"
STATUS_LIMIT, COMMENT_LIMIT = 200, 500  # characters: a learning platform's fields are short
# What it says of a verb of the contract, as in "build raised", is said of a submission that was loaded.
_OF_A_VERB = re.compile(r"[^:]*\b(build|[gs]et_weights|predict_proba|loss_and_gradients|fit)\b")
MAX_ROSTER_BYTES = 20_000_000


@dataclass(frozen=True, kw_only=True)
class Roster:
    """The instructor's list: its columns, its rows, and which column names the submission."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    key: int


@dataclass(frozen=True, kw_only=True)
class Gradebook:
    """The roster's rows with grades added, and the names of submissions that nobody on the roster has.

    ``ambiguous`` holds the names on the roster that several submissions answer to, each with those.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    ambiguous: tuple[tuple[str, tuple[str, ...]], ...] = ()


def read_roster(path: str | os.PathLike[str], *, key: str | None = None) -> Roster:
    """Read a CSV file with a heading line; commas, semicolons or tabs, as spreadsheets write them.

    ``key`` is the heading of the column that holds the submission's name. Raises UsageError with the line.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_ROSTER_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: the roster cannot be read ({error.strerror})") from error
    if len(data) > MAX_ROSTER_BYTES:
        raise UsageError(f"{path}: expected a roster of at most {MAX_ROSTER_BYTES} bytes")
    try:
        content = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}, line {place}: expected UTF-8; save the sheet as 'CSV UTF-8'") from None
    return parse_roster(content, where=str(path), key=key)


def parse_roster(content: str, *, where: str = "roster", key: str | None = None) -> Roster:
    """Read a roster from text; ``where`` names it in errors."""
    first = content.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter)
    try:
        lines = [(reader.line_num, row) for row in reader if any(each.strip() for each in row)]
    except csv.Error as error:
        raise UsageError(f"{where}, line {reader.line_num}: not CSV ({error})") from None
    if not lines:
        raise UsageError(f"{where}: expected a heading line, found an empty file")
    header = tuple(each.strip() for each in lines[0][1])
    for number, row in lines[1:]:
        if len(row) != len(header):
            raise UsageError(f"{where}, line {number}: expected {len(header)} cells, found {len(row)}")
    return Roster(
        header=header, rows=tuple(tuple(row) for _, row in lines[1:]), key=_key_column(header, where, key)
    )


def _key_column(header: Sequence[str], where: str, key: str | None) -> int:
    folded = [text.folded(each) for each in header]
    for candidate in (key,) if key is not None else KEY_COLUMNS:
        if text.folded(candidate) in folded:
            return folded.index(text.folded(candidate))
    wanted = repr(key) if key is not None else f"one of {', '.join(KEY_COLUMNS)}"
    raise UsageError(f"{where}: expected a column {wanted}, found {', '.join(header)}")


def gradebook(record: Record, roster: Roster) -> Gradebook:
    """Join the roster with the record by the submission's name; a team's members may share one.

    Names are compared exactly, then without case and a file ending. Who has no submission gets 0 and
    ``not handed in``; who has several gets no score. Raises UsageError for two submissions of one name.
    """
    record = for_audience(record, "student")  # it is uploaded to where students read it
    tables = [(alike, _by_name(record, alike)) for alike in (str, text.composed, _folded)]
    for name, namesakes in tables[0][1].items():
        if len(namesakes) > 1:
            raise UsageError(
                f"gradebook: two submissions are named {text.name(name)}; rename one and grade again"
            )
    maximum = Counter(verdict.max_score for verdict in record.submissions).most_common(1)
    worth = maximum[0][0] if maximum else 0.0
    rows: list[tuple[object, ...]] = []
    missing: list[str] = []
    used: set[str] = set()
    ambiguous: dict[str, tuple[str, ...]] = {}
    for row in roster.rows:
        name = row[roster.key].strip()
        found = next((table[alike(name)] for alike, table in tables if alike(name) in table), ())
        used.update(verdict.name for verdict in found)
        if len(found) == 1:
            rows.append((*row, *_graded(found[0])))
        elif found:
            ambiguous[name] = tuple(verdict.name for verdict in found)
            rows.append((*row, None, worth, None, f"ambiguous: {_names(ambiguous[name])}", ""))
        else:
            missing.append(name)
            rows.append((*row, 0.0, worth, 0.0, NOT_HANDED_IN, ""))
    unknown = tuple(verdict.name for verdict in record.submissions if verdict.name not in used)
    return Gradebook(
        header=(*roster.header, *_free(ADDED, roster.header)),
        rows=tuple(rows),
        missing=tuple(missing),
        unknown=unknown,
        ambiguous=tuple(ambiguous.items()),
    )


def _by_name(record: Record, alike: Callable[[str], str]) -> Mapping[str, Sequence[Verdict]]:
    """Return the submissions by what ``alike`` makes of their names."""
    found: dict[str, list[Verdict]] = {}
    for verdict in record.submissions:
        found.setdefault(alike(verdict.name), []).append(verdict)
    return found


def _folded(name: str) -> str:
    folded = text.folded(name)
    for ending in (".py", ".ipynb"):
        folded = folded.removesuffix(ending)
    return folded


def _names(names: Sequence[str]) -> str:
    return ", ".join(text.name(each) for each in names)


def _graded(verdict: Verdict) -> tuple[object, ...]:
    share = round(facts.percentage(verdict.score, verdict.max_score), 2)
    return (verdict.score, verdict.max_score, share, _status(verdict), _comment(verdict))


def _status(verdict: Verdict) -> str:
    faults = sum(part.status is Status.HARNESS_ERROR for part in facts.parts_of(verdict))
    if faults:
        return f"open: {faults} checks could not be carried out by the harness"
    reason = text.line(facts.unmeasured(verdict), STATUS_LIMIT)
    if not reason:
        return "graded"
    return f"{'does not run' if _OF_A_VERB.match(reason) else 'could not be loaded'}: {reason}"


def _comment(verdict: Verdict) -> str:
    """Return what is wrong, each thing once; what was not tried says nothing beside what was."""
    found = facts.findings(verdict)
    if not found:
        return "every check passes" if facts.parts_of(verdict) else "nothing was checked"
    told = [finding for finding in found if finding.tried] or found
    said = [f"{facts.id_list(finding.ids)}: {text.line(finding.message)}" for finding in told]
    return text.line(" / ".join(said), COMMENT_LIMIT)


def _free(added: Sequence[str], header: Sequence[str]) -> tuple[str, ...]:
    """Return the added headings, marked where the roster has a column of that name already."""
    taken = {each.casefold() for each in header}
    return tuple(f"{each} (backcheck)" if each in taken else each for each in added)


def render_grades(grades: Gradebook) -> str:
    """Return the gradebook as CSV; unknown submissions are not in it, show them with ``leftovers``."""
    return write_csv(grades.header, grades.rows)


def leftovers(grades: Gradebook) -> tuple[str, ...]:
    """Return lines about what did not match: students without a submission, submissions without a student."""
    lines = []
    if grades.missing:
        lines.append(f"not handed in ({len(grades.missing)}): {_names(grades.missing)}")
    for name, found in grades.ambiguous:
        lines.append(f"ambiguous: {text.name(name)} may be {_names(found)}; write on the roster which it is")
    if grades.unknown:
        lines.append(f"not on the roster ({len(grades.unknown)}): {_names(grades.unknown)}")
    return tuple(lines)
