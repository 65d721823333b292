"""The command line: finds the command's own module, and alone turns errors into exit codes.

A command's module offers ``add_arguments(parser)`` and ``run(args) -> int``. It is imported only when its
command is asked for, so that ``backcheck --help`` waits for nothing.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from harness import __version__
from harness.errors import BackcheckError
from harness.threads import THREAD_VARIABLES

INTERRUPTED = 130
HARNESS_FAULT = 3


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command: where its code is, and one line of help."""

    module: str
    help: str


COMMANDS = {
    "grade": Command(module="harness.grading.command", help="grade submissions and print the table"),
    "check": Command(
        module="harness.grading.check_command", help="check one submission quickly, for its author"
    ),
    "show": Command(
        module="harness.views.command", help="show a kept record in another format, as pages or as grades"
    ),
    "explain": Command(
        module="harness.grading.explain_command", help="re-run one check of a record and show its numbers"
    ),
    "new": Command(
        module="harness.authoring.new_command", help="start a submission that runs and fails kindly"
    ),
    "inspect": Command(
        module="harness.authoring.inspect_command", help="say what a file seems to be, and propose a manifest"
    ),
    "doctor": Command(module="harness.sandbox.command", help="prove that each wall of the sandbox stands"),
    "calibrate": Command(
        module="harness.calibration.command", help="train the references, for the expected ranges"
    ),
    "reproduce": Command(
        module="harness.reproduce.command",
        help="answer for the report: every accuracy and claim, and its figures redrawn",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status (see ``harness.errors`` for what each number means)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="backcheck",
        description="Checks neural networks written from scratch, and the report that they come from.",
        epilog="`backcheck COMMAND --help` says more about a command.",
    )
    parser.add_argument("--version", action="version", version=f"backcheck {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    name = next((a for a in arguments if not a.startswith("-")), None)
    for known, command in COMMANDS.items():
        sub = commands.add_parser(known, help=command.help, description=command.help)
        if known == name:
            _one_blas_thread()
            importlib.import_module(command.module).add_arguments(sub)
    try:
        args = parser.parse_args(arguments)
    # argparse leaves with 2 for wrong usage and 0 for --help: both are this function's to return.
    except SystemExit as leaving:
        return int(leaving.code or 0)
    try:
        status: int = importlib.import_module(COMMANDS[args.command].module).run(args)
        return status
    except BackcheckError as error:
        print(f"backcheck: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt as stop:
        print(f"backcheck: {str(stop) or 'interrupted'}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): nothing is left to say, to nobody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("BACKCHECK_DEBUG"):
            raise
        print(
            f"backcheck: a fault of its own ({type(error).__name__}: {error}); "
            "run again with BACKCHECK_DEBUG=1 and report what it prints",
            file=sys.stderr,
        )
        return HARNESS_FAULT


def _one_blas_thread() -> None:
    """Set before NumPy is imported: the pool has as many processes as there are cores."""
    for variable in THREAD_VARIABLES:
        os.environ.setdefault(variable, "1")
