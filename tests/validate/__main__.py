"""``python -m tests.validate``: grade both corpora, print the error rates, exit 1 when a target is missed."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from tests.corpus.loader import known_right, known_wrong
from tests.validate import picture, report
from tests.validate.gradings import BASELINES, Grading, Task, run

RIGHT_SEEDS = 30
FIRST_SEED = 1000


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.validate", description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="gradings at a time")
    parser.add_argument(
        "--seeds",
        type=int,
        default=RIGHT_SEEDS,
        help=f"gradings of each right submission, each on its own seed (default {RIGHT_SEEDS});"
        " slow ones are graded once",
    )
    parser.add_argument("--wrong-seeds", type=int, default=1, help="gradings of each wrong submission")
    parser.add_argument("--only", default="*", metavar="GLOB", help="the cases to grade, by id")
    parser.add_argument("--no-baselines", action="store_true", help="leave out what is used today")
    parser.add_argument("--no-standard", action="store_true", help="leave out trainings on MNIST")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(".backcheck/validate"),
        help="folder of the gradings (kept and reused), report.txt, rates.json and killers.svg",
    )
    return parser


def main() -> int:
    """Grade, report, and say by the exit status whether every target that was measured is reached."""
    args = arguments().parse_args()
    right = {case.id: case for case in known_right()}
    wrong = {case.id: case for case in known_wrong()}
    chosen = set(report.matching([*right, *wrong], args.only))
    if not chosen:
        print(f"validate: no case is called {args.only!r}", file=sys.stderr)
        return 2
    rights = [case for name, case in right.items() if name in chosen and not case.absent]
    wrongs = [case for name, case in wrong.items() if name in chosen]
    tasks = [
        Task(case=case, profile="quick", seed=FIRST_SEED + seed)
        for case in wrongs
        for seed in range(args.wrong_seeds)
    ]
    tasks += [
        Task(case=case, profile="quick", seed=FIRST_SEED + seed)
        for seed in range(args.seeds)
        for case in rights
        if seed == 0 or not (case.small or case.slow)
    ]
    if not args.no_baselines:
        # They take thousands of passes of the report's network: hours of a scalar engine.
        tasks += [
            Task(case=case, profile=BASELINES, seed=0)
            for case in (*wrongs, *rights)
            if not getattr(case, "small", False)
        ]
    progress = _Progress()
    gradings = run(tasks, jobs=args.jobs, folder=args.output, report=progress)
    measured = report.Measured(right=right, wrong=wrong, gradings=gradings)
    if not args.no_standard:
        again = [Task(case=c, profile="standard", seed=FIRST_SEED) for c in measured.missed_by_quick()]
        gradings += run(again, jobs=args.jobs, folder=args.output, report=progress)
        measured = report.Measured(right=right, wrong=wrong, gradings=gradings)
    for case in right.values():
        if case.absent:
            print(f"left out: {case.id} ({case.requires} is not installed)")
    print(report.text(measured), end="")
    (args.output / "report.txt").write_text(report.text(measured), encoding="utf-8")
    (args.output / "rates.json").write_text(json.dumps(report.data(measured), indent=1), encoding="utf-8")
    picture.draw(wrong, measured.of(wrong, "quick"), args.output / "killers.svg")
    return 1 if any(target.reached is False for target in report.targets(measured)) else 0


class _Progress:
    """A line every few seconds, with the time that is left if the rest goes as fast."""

    def __init__(self) -> None:
        self._start = self._said = time.monotonic()
        self._first: int | None = None

    def __call__(self, grading: Grading, done: int, total: int) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = done - 1
        if now - self._said < 10 and done < total:
            return
        self._said = now
        left = (now - self._start) / (done - self._first) * (total - done)
        print(f"validate: {done} of {total} gradings, about {left / 60:.0f} min left", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
