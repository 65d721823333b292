"""Training anew for a reproduction: the experiments, and the candidate protocols that claims or searches
compare.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from harness.calibration.plan import missing_jobs, plan_jobs
from harness.calibration.pool import Progress, run_jobs
from harness.calibration.runs import Run, append_run, load_runs
from harness.calibration.train import Job
from harness.spec import Spec

CANDIDATE_SEEDS = 3
"""A search wants many protocols rather than many seeds of one; three is the least that gives an interval."""


def train_afresh(
    spec: Spec,
    file: Path,
    *,
    experiments: str,
    seeds: int,
    candidates: bool,
    processes: int,
    say: Callable[[str], None] | None = None,
) -> tuple[Run, ...]:
    """Train what the file does not hold yet, append each finished run to it, and return all of its runs.

    A second call continues where a first one was interrupted. UsageError if ``experiments`` matches nothing.
    """
    jobs = list(plan_jobs(spec, experiments=experiments, seeds=range(seeds)))
    if candidates:
        jobs += _candidate_jobs(spec, experiments, min(seeds, CANDIDATE_SEEDS))
    missing = missing_jobs(jobs, load_runs(file))
    say = say or _to_stderr
    say(f"{len(jobs)} runs: {len(jobs) - len(missing)} in {file}, {len(missing)} to train")
    progress = Progress(missing, say=say)

    def keep(finished: Run) -> None:
        append_run(finished, file)
        progress.finished(finished)

    run_jobs(missing, processes=processes, keep=keep)
    return load_runs(file)


def _candidate_jobs(spec: Spec, experiments: str, seeds: int) -> tuple[Job, ...]:
    """The candidates of the chosen experiments, if they have any."""
    chosen = {experiment.id for experiment in spec.select(experiments)}
    concerned = {id for candidate in spec.candidates.values() for id in candidate.experiments} & chosen
    if not concerned:
        return ()
    return plan_jobs(spec, experiments=",".join(sorted(concerned)), variant="*", seeds=range(seeds))


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
