"""``backcheck new NAME``: a submission that runs and fails kindly, with the contract in its comments."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from harness.authoring.templates import notebook_file, python_file
from harness.errors import UsageError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", metavar="NAME", help="letters, digits, - and _; becomes the file's name")
    parser.add_argument("--notebook", action="store_true", help="write a notebook instead of a .py file")
    parser.add_argument(
        "--folder", type=Path, default=Path("submissions"), help="where to write it (default: submissions)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the file and say what to do next; never overwrites."""
    if not NAME.fullmatch(args.name):
        raise UsageError(f"the name {args.name!r} should be letters, digits, - and _, at most 61 of them")
    path: Path = args.folder / f"{args.name}{'.ipynb' if args.notebook else '.py'}"
    text = (notebook_file if args.notebook else python_file)(args.name, str(path))
    try:
        args.folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already: choose another name, or remove it first") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from None
    print(f"{path} is written: fill in its methods from the top.")
    print(f"Next: backcheck check {path} --watch")
    return 0
