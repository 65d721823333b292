"""``backcheck grade``: grade submissions and print, or write, their table."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path

from harness.errors import UsageError

DEFAULT_STORE = Path(".backcheck") / "store.sqlite"
FORMATS = ("table", "json", "markdown", "html", "csv", "csv-long", "latex", "junit", "gradescope", "summary")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "paths",
        nargs="*",
        default=["submissions"],
        metavar="PATH",
        help="files or folders to grade (default: submissions)",
    )
    parser.add_argument(
        "--experiments",
        metavar="GLOB",
        help="run the accuracy experiments that match, instead of the profile's",
    )
    parser.add_argument(
        "--format", choices=FORMATS, default="table", help="how to show the record (default: table)"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there instead of printing")
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write the record as JSON too: `explain` reads it, and other formats can be made of it",
    )
    parser.add_argument(
        "--audience", choices=("instructor", "student"), default="instructor", help="student: nothing secret"
    )
    parser.add_argument(
        "--details",
        action=argparse.BooleanOptionalAction,
        help="a table for each submission (default: up to 20 submissions)",
    )
    parser.add_argument(
        "--fail-under", type=float, metavar="PERCENT", help="exit with status 1 if any submission scores less"
    )
    parser.add_argument(
        "--store",
        type=Path,
        metavar="FILE",
        default=DEFAULT_STORE,
        help="where finished work is kept, so that a stopped grading goes on and an unchanged class is not "
        f"run again (default: {DEFAULT_STORE})",
    )
    parser.add_argument("--no-store", action="store_true", help="keep nothing")
    parser.add_argument(
        "--time-budget",
        type=_seconds,
        metavar="SECONDS",
        help="start nothing new after that; the rest is recorded as skipped, and grading again goes on there",
    )
    parser.add_argument(
        "--dask", metavar="ADDRESS", help="run on the workers of this Dask scheduler, not on this machine"
    )
    add_common_arguments(parser, profile="standard")


def add_common_arguments(parser: argparse.ArgumentParser, *, profile: str) -> None:
    """Add the arguments that ``grade`` and ``check`` share."""
    parser.add_argument(
        "--profile",
        choices=("quick", "standard", "full"),
        default=profile,
        help="quick: correctness only; standard: and the baseline experiments; "
        f"full: every experiment (default: {profile})",
    )
    parser.add_argument(
        "--jobs", type=_positive, metavar="N", help="worker processes (default: one for each core)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="fixes every draw (default: the store's, drawn when it was made, else a fresh one; recorded)",
    )
    parser.add_argument("--rubric", type=Path, metavar="FILE", help="points by a rubric of your own")
    parser.add_argument("--spec", type=Path, metavar="FILE", help="another report's specification")
    parser.add_argument(
        "--runs", type=Path, metavar="FILE", help="the calibration runs of that specification"
    )
    parser.add_argument(
        "--sandbox",
        choices=("bubblewrap", "landlock", "none"),
        help="which walls (default: the best there is)",
    )
    parser.add_argument(
        "--trust-submissions",
        action="store_true",
        help="run without walls where none can be had; the record says so",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> int:
    """Grade, show, and return the exit status."""
    from harness.grading.session import GradingOptions, grade_paths
    from harness.views import render, wants_color, write_output

    if args.fail_under is not None and not 0 <= args.fail_under <= 100:
        raise UsageError(f"--fail-under {args.fail_under:g}: a percentage from 0 to 100 is expected")
    record = grade_paths(GradingOptions.from_args(args))
    if args.json is not None:
        write_output(render(record, "json"), args.json)
    terminal = args.output is None and sys.stdout.isatty()
    text = render(
        record,
        args.format,
        audience=args.audience,
        width=os.get_terminal_size().columns if terminal else None,
        details=args.details,
        color=args.output is None and wants_color(sys.stdout),
    )
    if args.output is None:
        print(text, end="" if text.endswith("\n") else "\n")
    else:
        write_output(text, args.output)
    if record.harness_errors:
        for error in record.harness_errors:
            print(f"backcheck: {error}", file=sys.stderr)
        return 3
    if args.fail_under is not None:
        low = [
            v for v in record.submissions if 100 * v.score < args.fail_under * v.max_score or not v.max_score
        ]
        if low:
            names = ", ".join(v.name for v in low[:10]) + (" ..." if len(low) > 10 else "")
            print(f"backcheck: under {args.fail_under:g} %: {names}", file=sys.stderr)
            return 1
    return 0


def fresh_seed() -> int:
    """Draw a seed that nobody can foresee: permutations drawn from a known one could be trained for."""
    return secrets.randbits(63)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"a whole number of at least 1 is expected, found {text}")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"a number of seconds above 0 is expected, found {text}")
    return value
