"""``python -m benchmarks``: measure, print the targets, write the report; ``--full`` takes an hour or so."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shlex
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

# Set before NumPy is imported, here and in every process started from here.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
# As on a machine where people work: there Python keeps what it has compiled.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

from benchmarks.results import Occasion, Results, Section  # noqa: E402

FOLDER = Path(__file__).resolve().parent
NAMES = ("training", "gradients", "grading", "starting", "growth")


def main() -> int:
    """Run what was asked for; the exit status is 1 if a target was missed and ``--strict`` was given."""
    args = _arguments()
    import torch

    from benchmarks import machine, report

    torch.set_num_threads(1)
    folder = args.output or (None if args.tiny else FOLDER)
    results = Results(machine=machine.describe(), sections=report.kept(folder) if folder else ())
    for name in args.only or NAMES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        section = measured(benchmarks(args)[name])
        results = results.updated([section])
        # After each section: one that fails, or is interrupted, costs no other.
        if folder is not None:
            report.write(results, folder)
    print("\n".join(report.target_lines(results.targets)))
    if folder is not None:
        print(f"wrote {os.path.relpath(folder / report.PAGE)} and what belongs to it", file=sys.stderr)
    missed = [target for target in results.targets if target.met is False]
    return 1 if missed and args.strict else 0


def measured(benchmark: Callable[[], Section]) -> Section:
    """Run one benchmark, and note when, how, and how busy the machine was."""
    from benchmarks import machine

    started, date, load = time.perf_counter(), datetime.now(UTC), machine.load()
    section = benchmark()
    occasion = Occasion(
        command=shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        date=f"{date:%Y-%m-%d %H:%M} UTC",
        seconds=time.perf_counter() - started,
        load=(load, machine.load()),
    )
    return dataclasses.replace(section, occasion=occasion)


def benchmarks(args: argparse.Namespace) -> dict[str, Callable[[], Section]]:
    """Every benchmark with its extent: the default takes some ten minutes, ``--tiny`` one or two."""
    from benchmarks import gradient_check, grading, growth, startup, training

    tiny, full = args.tiny, args.full
    rounds = args.rounds or (1 if tiny else 11 if full else 5)
    all_activations = ("sigmoid", "tanh", "relu")
    return {
        "training": lambda: training.run(rounds=rounds, images=1_000 if tiny else 30_000 if full else 4_000),
        "gradients": lambda: gradient_check.run(
            rounds=rounds,
            seeds=1 if tiny else 10 if full else 3,
            activations=("sigmoid",) if tiny else all_activations if full else ("sigmoid", "relu"),
            whole=full,
        ),
        "grading": lambda: grading.run(
            rounds=rounds if full else min(rounds, 3),
            images=1_000 if tiny else 30_000,
            epochs=1 if tiny else 15,
        ),
        "starting": lambda: startup.run(rounds=rounds),
        "growth": lambda: growth.run(plan=growth_plan(tiny=tiny, full=full)),
    }


def growth_plan(*, tiny: bool, full: bool) -> list[tuple[int, int]]:
    """(submissions, workers) of each grading."""
    if tiny:
        return [(1, 1), (2, 2)]
    if full:
        return [(count, workers) for count in (1, 10, 100, 200) for workers in (1, 2)]
    return [(1, 1), (10, 1), (1, 2), (10, 2), (30, 2)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=NAMES, help="measure these only, and keep the others' last results"
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="kept rounds (default: 5, of long runs 3)")
    parser.add_argument(
        "--full", action="store_true", help="classes of 200, all activations, nothing extrapolated"
    )
    parser.add_argument(
        "--tiny", action="store_true", help="as little as possible: to see that everything runs"
    )
    parser.add_argument("--strict", action="store_true", help="exit with status 1 if a target was missed")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="where to write, and where sections that are not measured come from (default: benchmarks)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
