"""``backcheck check FILE``: one submission, quickly, for its author; ``--watch`` checks again on every
save.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from harness.errors import UsageError
from harness.grading.command import add_common_arguments
from harness.grading.pool import LocalPool

if TYPE_CHECKING:
    from harness.records import Verdict

SHARES = 2  # workers that share the checks of one submission


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
    parser.set_defaults(seed=0, experiments=None, share_checks=True)


def run(args: argparse.Namespace) -> int:
    """Check; the exit status is 0 if everything passed, 1 if not."""
    if not args.path.exists():
        raise UsageError(f"{args.path}: no such file or folder")
    args.paths = [args.path]
    with _Ahead(args.jobs) as ahead:
        return _watch(args, ahead) if args.watch else _check(args, ahead)


class _Ahead:
    """Pools whose workers start before they are wanted: while the grader imports, or waits for a save."""

    def __init__(self, jobs: int | None) -> None:
        self._jobs = jobs
        self._pool = self._started()

    @contextmanager
    def pool(self, *, another: bool) -> Iterator[LocalPool]:
        """Lend the pool that is ready, and afterwards start ``another``."""
        pool = self._pool
        try:
            yield pool
        finally:
            pool.stop(at_once=True)
            if another:
                self._pool = self._started()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.stop(at_once=True)

    def _started(self) -> LocalPool:
        pool = LocalPool(self._jobs)
        pool.warm_up(SHARES)
        return pool


def _check(args: argparse.Namespace, ahead: _Ahead) -> int:
    from harness.grading.session import GradingOptions, grade_paths
    from harness.records import Status
    from harness.views import render, wants_color

    with ahead.pool(another=False) as pool:
        record = grade_paths(GradingOptions.from_args(args), pool=pool)
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


def _watch(args: argparse.Namespace, ahead: _Ahead) -> int:
    from harness.authoring.watch import watch
    from harness.grading.session import GradingOptions, grade_paths

    def graded() -> Verdict:
        with ahead.pool(another=True) as pool:
            return grade_paths(GradingOptions.from_args(args), pool=pool).submissions[0]

    status: int = watch(args.path, graded)
    return status
