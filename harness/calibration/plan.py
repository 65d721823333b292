"""Which runs a calibration needs: experiments times seeds, without those that are stored already."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from harness.calibration.runs import REPORT, Run, describe_key
from harness.calibration.train import Job, protocol_digest
from harness.errors import StoreError, UsageError
from harness.spec import Experiment, Protocol, Spec

_REFERENCES = Path(__file__).resolve().parents[2] / "reference"


def plan_jobs(
    spec: Spec,
    *,
    experiments: str,
    variant: str,
    budget: str,
    seeds: Sequence[int],
    reference: Path | None = None,
) -> tuple[Job, ...]:
    """Every run that is asked for, the first seed of all experiments first: what stops early is balanced."""
    chosen = spec.select(experiments)
    if not chosen:
        raise UsageError(f"--experiments {experiments!r} matches none of: {', '.join(spec.experiments)}")
    return tuple(
        _job(spec, experiment, name, budget, seed, reference)
        for seed in seeds
        for name in _variants(spec, variant)
        for experiment in chosen
    )


def missing_jobs(jobs: Iterable[Job], runs: Iterable[Run]) -> tuple[Job, ...]:
    """The jobs that no stored run answers; StoreError if one was stored under another protocol."""
    stored = {run.key: run for run in runs}
    missing = []
    for job in jobs:
        run = stored.get(job.key)
        if run is None:
            missing.append(job)
        elif run.provenance.protocol != protocol_digest(job.dataset, job.protocol):
            raise StoreError(
                f"the stored run {describe_key(job.key)} followed another protocol than the specification's: "
                f"delete the experiment's lines from the runs file and calibrate again, or restore the protocol"
            )
    return tuple(missing)
