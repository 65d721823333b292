"""``backcheck check FILE``: one submission, quickly, for its author; ``--watch`` checks again on every
save.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from harness.errors import UsageError
from harness.grading.command import add_common_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "path", type=Path, metavar="FILE", help="the submission: a file, a notebook or a folder"
    )
    parser.add_argument(
        "--watch", action="store_true", help="check again whenever the file is saved, and say what changed"
    )
    parser.add_argument(
        "--format", choices=("table", "json", "markdown", "html"), default="table", help="default: table"
    )
    add_common_arguments(parser, profile="quick")
    # An author wants the same answer for the same file; nothing is blinded in the quick profile.
    parser.set_defaults(seed=0, experiments=None)


def run(args: argparse.Namespace) -> int:
    """Check; the exit status is 0 if everything passed, 1 if not."""
    from harness.grading.session import GradingOptions, grade_paths
    from harness.records import Status, Verdict
    from harness.views import render, wants_color

    if not args.path.exists():
        raise UsageError(f"{args.path}: no such file or folder")
    args.paths = [args.path]

    def graded() -> Verdict:
        return grade_paths(GradingOptions.from_args(args)).submissions[0]

    if args.watch:
        from harness.authoring.watch import watch

        status: int = watch(args.path, graded)
        return status
    record = grade_paths(GradingOptions.from_args(args))
    width = os.get_terminal_size().columns if sys.stdout.isatty() else None
    print(
        render(
            record, args.format, audience="student", width=width, details=True, color=wants_color(sys.stdout)
        ),
        end="",
    )
    if record.harness_errors:
        return 3
    good = (Status.PASS, Status.SKIPPED)
    return 0 if all(item.status in good for v in record.submissions for item in v.items) else 1
