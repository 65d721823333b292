"""``backcheck calibrate``: train the references and keep the runs that expected ranges are computed from."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.errors import UsageError
from harness.spec import FULL, REPORT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``backcheck calibrate``."""
    add = parser.add_argument
    add("--experiments", metavar="GLOB", default="*", help="experiments to train, as in 'scratch/*' (all)")
    add("--seeds", metavar="N", type=_positive, default=12, help="train seeds 0 to N - 1 (%(default)s)")
    add("--jobs", metavar="N", type=_positive, default=1, help="processes, one thread each (%(default)s)")
    add(
        "--budget", metavar="NAME", default=FULL, help="how much of the protocol to run: full or quick (full)"
    )
    add(
        "--variant",
        metavar="NAME",
        default=REPORT,
        help="a candidate protocol, or a pattern of them (report)",
    )
    add("--reference", metavar="FILE", type=Path, help="the reference to train (the project's own)")
    add("--spec", metavar="FILE", type=Path, help="the specification (the bundled report)")
    add("--runs", metavar="FILE", type=Path, help="where runs are kept (the bundled file)")
    add(
        "--verify",
        metavar="N",
        type=_positive,
        nargs="?",
        const=3,
        help="store nothing: train N stored runs again (3), and say whether their figures hold here",
    )
    add("--sample-seed", metavar="N", type=int, default=0, help="draws the runs of --verify (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Calibrate, or verify; return 0, or 1 if a stored figure does not hold here."""
    # Imported here: the options are listed without waiting for NumPy.
    from harness.calibration.plan import missing_jobs, plan_jobs
    from harness.calibration.pool import Progress, run_jobs
    from harness.calibration.runs import Run, append_run, load_runs
    from harness.calibration.verify import verify_runs
    from harness.spec import load_spec

    if args.runs is not None and args.runs.is_dir():
        raise UsageError(f"--runs {args.runs}: expected a file, found a folder")
    stored = load_runs(args.runs)
    jobs = plan_jobs(
        load_spec(args.spec),
        experiments=args.experiments,
        variant=args.variant,
        budget=args.budget,
        seeds=range(args.seeds),
        reference=args.reference,
    )
    if args.verify is not None:
        verification = verify_runs(
            jobs, stored, sample=args.verify, processes=args.jobs, seed=args.sample_seed
        )
        print(*verification.messages, sep="\n")
        return 0 if verification.holds else 1

    missing = missing_jobs(jobs, stored)
    progress = Progress(missing, say=_say)
    _say(f"{len(jobs)} runs asked for, {len(jobs) - len(missing)} stored, {len(missing)} to train")

    def keep(finished: Run) -> None:
        append_run(finished, args.runs)
        progress.finished(finished)

    run_jobs(missing, processes=args.jobs, keep=keep)
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of 1 or more, found {text!r}")
    return int(text)
