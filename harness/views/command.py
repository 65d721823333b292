"""``backcheck show``: a kept record in any format, as pages for each submission, or as a gradebook."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from harness.errors import UsageError
from harness.records import Record
from harness.views import AUDIENCES, FORMATS, from_json, render, wants_color, write_output

MAX_RECORD_BYTES = 500_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("record", metavar="RECORD", help="a record: what `backcheck grade --json FILE` wrote")
    parser.add_argument(
        "--format", choices=tuple(FORMATS), help="how to show it (default: table; with --pages: html)"
    )
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="this submission only; may be repeated"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there instead of printing")
    parser.add_argument(
        "--pages", type=Path, metavar="FOLDER", help="write one file for each submission there"
    )
    parser.add_argument(
        "--roster", type=Path, metavar="FILE", help="a class list (CSV): print its grades as CSV"
    )
    parser.add_argument(
        "--roster-column", metavar="HEADING", help="the roster's column with the submission's name"
    )
    parser.add_argument("--audience", choices=AUDIENCES, default="instructor", help="student: nothing secret")
    parser.add_argument(
        "--details",
        action=argparse.BooleanOptionalAction,
        help="a table for each submission (default: up to 20 submissions)",
    )


def run(args: argparse.Namespace) -> int:
    """Show the record and return the exit status."""
    for source in (args.record, args.roster):
        if None not in (source, args.output) and _same_file(source, args.output):
            raise UsageError(f"--output {args.output}: this would overwrite {source}; choose another path")
    record = chosen(read_record(args.record), args.only or [])
    if args.roster is not None:
        if args.format is not None or args.pages is not None:
            raise UsageError("--roster writes CSV: it does not go with --format or --pages")
        return _grades(record, args)
    if args.roster_column is not None:
        raise UsageError("--roster-column needs --roster FILE")
    if args.pages is not None:
        return _pages(record, args)
    _give(_text(record, args), args.output)
    return 0


def read_record(path: str | os.PathLike[str]) -> Record:
    """Read a record from a JSON file; raises UsageError when it is none."""
    try:
        with open(path, encoding="utf-8") as file:
            content = file.read(MAX_RECORD_BYTES + 1)
    except UnicodeDecodeError:
        raise UsageError(f"{path}: expected a record as JSON, found something that is not text") from None
    except OSError as error:
        raise UsageError(f"{path}: the record cannot be read ({error.strerror})") from error
    if len(content) > MAX_RECORD_BYTES:
        raise UsageError(f"{path}: expected a record of at most {MAX_RECORD_BYTES} bytes")
    try:
        return from_json(content)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def chosen(record: Record, names: list[str]) -> Record:
    """Return the record with the submissions in ``names`` only, or whole; UsageError for a name it lacks."""
    known = [verdict.name for verdict in record.submissions]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise UsageError(
                f"--only {name}: no such submission in the record" + (f"; {near[0]} is" if near else "")
            )
    if not names:
        return record
    return replace(record, submissions=tuple(each for each in record.submissions if each.name in names))


def _text(record: Record, args: argparse.Namespace) -> str:
    terminal = args.output is None and sys.stdout.isatty()
    return render(
        record,
        args.format or "table",
        audience=args.audience,
        width=os.get_terminal_size().columns if terminal else None,
        details=args.details,
        color=args.output is None and wants_color(sys.stdout),
    )


def _pages(record: Record, args: argparse.Namespace) -> int:
    from harness.views.pages import write_pages

    if args.output is not None:
        raise UsageError("--pages writes a folder: it does not go with --output")
    written = write_pages(record, args.pages, format=args.format or "html", audience=args.audience)
    print(f"{len(written)} files in {args.pages}")
    return 0


def _grades(record: Record, args: argparse.Namespace) -> int:
    from harness.views.grades import gradebook, leftovers, read_roster, render_grades

    grades = gradebook(record, read_roster(args.roster, key=args.roster_column))
    _give(render_grades(grades), args.output)
    for line in leftovers(grades):
        print(f"backcheck: {line}", file=sys.stderr)
    return 0


def _same_file(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)


def _give(text: str, output: Path | None) -> None:
    if output is not None:
        write_output(text, output)
        return
    # What a terminal's encoding lacks is spelled out rather than ending the command.
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
