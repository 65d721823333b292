"""``backcheck calibrate``: train the references and keep the runs that expected ranges are computed from."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.calibration.plan import BASELINE, missing_jobs, plan_jobs
from harness.calibration.pool import run_jobs
from harness.calibration.runs import BUDGETS, REPORT, RUNS_FILE, Run, append_run, load_runs
from harness.calibration.train import Job
from harness.calibration.verify import verify_runs
from harness.errors import UsageError
from harness.spec import load_spec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``backcheck calibrate``."""
    add = parser.add_argument
    add("--experiments", metavar="GLOB", default="*", help="experiments to train, as in 'scratch/*' (all)")
    add("--seeds", metavar="N", type=_count, default=12, help="train seeds 0 to N - 1 (%(default)s)")
    add("--jobs", metavar="N", type=_count, default=1, help="processes, one thread each (%(default)s)")
    add("--budget", choices=BUDGETS, default="full", help="the protocol as it is, or its short form (full)")
    add(
        "--variant",
        metavar="NAME",
        default=REPORT,
        help=f"'{REPORT}' for the specification's own protocol (default), a candidate's id, or a pattern of ids",
    )
    add("--reference", metavar="FILE", type=Path, help="the reference to train (the project's own)")
    add("--spec", metavar="FILE", type=Path, help="specification (the bundled report)")
    add("--runs", metavar="FILE", type=Path, default=RUNS_FILE, help="where runs are kept (the bundled file)")
    add(
        "--verify",
        metavar="N",
        type=_count,
        nargs="?",
        const=3,
        help="train N stored runs again (3) and say whether the stored figures hold on this machine",
    )


def run(args: argparse.Namespace) -> int:
    """Calibrate, or verify; returns 0, or 1 if a stored figure does not hold here."""
    spec = load_spec(args.spec)
    stored = load_runs(args.runs)
    jobs = plan_jobs(
        spec,
        experiments=args.experiments,
        variant=args.variant,
        budget=args.budget,
        seeds=range(args.seeds),
        reference=args.reference,
    )
    if args.verify is not None:
        return _verify(jobs, stored, args)
    missing = missing_jobs(jobs, stored)
    print(
        f"{len(jobs)} runs asked for, {len(jobs) - len(missing)} stored, {len(missing)} to train", flush=True
    )

    def keep(finished: Run) -> None:
        append_run(finished, args.runs)

    run_jobs(missing, jobs=args.jobs, finished=with_progress(missing, keep))
    return 0


def _verify(jobs: tuple[Job, ...], stored: tuple[Run, ...], args: argparse.Namespace) -> int:
    """Train a sample of the stored runs again and print what was found."""
    verification = verify_runs(jobs, stored, sample=args.verify, processes=args.jobs)
    for comparison in verification.comparisons:
        print(comparison.message, flush=True)
    print(verification.message, flush=True)
    return 0 if verification.holds else 1
