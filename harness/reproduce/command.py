"""``backcheck reproduce``: answer for a report, from stored runs or from runs made now."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.reproduce.model import Reproduction

FORMATS = ("html", "markdown", "json")
_FILES = {"html": "reproduction.html", "markdown": "reproduction.md", "json": "reproduction.json"}
DEFAULT_OUTPUT = Path("build/reproduction")
DEFAULT_SEEDS = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``backcheck reproduce``."""
    add = parser.add_argument
    add("--spec", metavar="FILE", type=Path, help="the report's specification (the bundled report)")
    add(
        "--runs",
        metavar="FILE",
        type=Path,
        help="the training runs (the bundled ones; with --fresh, a new file)",
    )
    add(
        "--output",
        metavar="DIR",
        type=Path,
        default=DEFAULT_OUTPUT,
        help="where the page is written, made if it does not exist (%(default)s)",
    )
    add(
        "--format",
        dest="formats",
        choices=FORMATS,
        action="append",
        help="html, markdown or json; may be given more than once (all three)",
    )
    add(
        "--fresh",
        action="store_true",
        help="train anew instead of using stored runs; continues if interrupted",
    )
    # No default here: what was given and what was not must be told apart, since without --fresh these are
    # refused.
    add(
        "--seeds",
        metavar="N",
        type=_positive,
        help=f"with --fresh: seeds 0 to N - 1 ({DEFAULT_SEEDS})",
    )
    add("--jobs", metavar="N", type=_positive, help="with --fresh: processes (1)")
    add("--experiments", metavar="GLOB", help="with --fresh: train only these, as in 'scratch/*' (all)")
    add(
        "--no-candidates",
        action="store_const",
        const=True,
        help="with --fresh: leave out the candidate protocols, which some claims and the search need",
    )


def run(args: argparse.Namespace) -> int:
    """Write the reproduction and print its tables; return 0 whatever the verdicts are."""
    # Imported here: the options are listed without waiting for NumPy.
    from harness.calibration.runs import load_runs
    from harness.reproduce.analysis import analyse
    from harness.reproduce.fresh import train_afresh
    from harness.reproduce.terminal import summary
    from harness.spec import load_spec

    _refuse_idle_options(args)
    spec = load_spec(args.spec)
    folder = _folder(args.output)
    if args.fresh:
        runs = train_afresh(
            spec,
            args.runs or folder / "runs.jsonl",
            experiments=args.experiments if args.experiments is not None else "*",
            seeds=args.seeds or DEFAULT_SEEDS,
            candidates=not args.no_candidates,
            processes=args.jobs or 1,
        )
    else:
        if args.runs is not None and not args.runs.is_file():
            raise UsageError(f"--runs {args.runs}: there is no such file; make it with --fresh")
        runs = load_runs(args.runs)
    found = analyse(spec, runs)
    written = write_reproduction(found, folder, args.formats or FORMATS)
    print(summary(found))
    print(f"\nWritten: {', '.join(map(str, written))}")
    return 0


def write_reproduction(
    found: Reproduction, folder: Path, formats: tuple[str, ...] | list[str]
) -> tuple[Path, ...]:
    """Write the reproduction in each format; return the files."""
    from harness.reproduce.as_json import to_json
    from harness.reproduce.markdown import to_markdown
    from harness.reproduce.page import to_html
    from harness.views.output import write_output

    renderers = {"html": to_html, "markdown": to_markdown, "json": to_json}
    written = []
    for name in dict.fromkeys(formats):
        write_output(renderers[name](found), folder / _FILES[name])
        written.append(folder / _FILES[name])
    return tuple(written)


def _refuse_idle_options(args: argparse.Namespace) -> None:
    """Refuse, without --fresh, the options that only say how to train: they would change nothing."""
    names = ("--seeds", "--jobs", "--experiments", "--no-candidates")
    idle = [name for name in names if getattr(args, name[2:].replace("-", "_")) is not None]
    if idle and not args.fresh:
        acts = "act" if len(idle) > 1 else "acts"
        raise UsageError(
            f"{', '.join(idle)}: {acts} only where something is trained: add --fresh, or go "
            "without to see everything from the stored runs"
        )


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output {path}: cannot make this folder: {error.strerror}") from error
    return path


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {number}")
    return number
