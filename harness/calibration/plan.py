"""Which runs a calibration needs: experiments times protocols times seeds, without those that are stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from harness.calibration.runs import Run, describe_key
from harness.calibration.train import Job, protocol_digest
from harness.errors import StoreError, UsageError
from harness.spec import FULL, REPORT, Experiment, Spec
from harness.spec.dataset import check_dataset

_REFERENCES = Path(__file__).resolve().parents[2] / "reference"
_REFERENCE_OF_PART = {"scratch": "numpy_mlp.py", "package": "torch_mlp.py"}


def plan_jobs(
    spec: Spec,
    *,
    experiments: str = "*",
    variant: str = REPORT,
    budget: str = FULL,
    seeds: Sequence[int],
    reference: Path | None = None,
) -> tuple[Job, ...]:
    """Every run that is asked for, the first seed of all experiments first: what stops early is balanced.

    ``variant`` is "report", or a shell pattern over the candidates' ids; ``reference`` None is the project's
    own, NumPy for what was written from scratch, PyTorch for what a package did. UsageError if nothing fits,
    SpecError if the data set has not what the specification asks for.
    """
    check_dataset(spec)
    chosen = spec.select(experiments)
    variants = _variants(spec, variant)
    cells = [
        (experiment, name)
        for name in variants
        for experiment in chosen
        if name == REPORT or experiment.id in spec.candidates[name].experiments
        if budget not in spec.budgets or experiment.id in spec.budgets[budget].experiments
    ]
    if not cells:
        raise UsageError(
            f"--experiments {experiments!r}: none has both the variant {variant!r} and the budget {budget!r}"
        )
    return tuple(
        _job(spec, experiment, name, budget, seed, reference) for seed in seeds for experiment, name in cells
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
                f"delete the runs of that experiment from the file, or restore the protocol"
            )
    return tuple(missing)


def _variants(spec: Spec, pattern: str) -> list[str]:
    if pattern == REPORT:
        return [REPORT]
    names = [name for name in spec.candidates if fnmatchcase(name, pattern)]
    if not names:
        known = ", ".join([REPORT, *spec.candidates])
        raise UsageError(f"--variant {pattern!r}: not in {spec.id}: expected one of {known}")
    return names


def _job(
    spec: Spec, experiment: Experiment, variant: str, budget: str, seed: int, reference: Path | None
) -> Job:
    file = (reference or _REFERENCES / _REFERENCE_OF_PART[experiment.part]).resolve()
    if not file.is_file():
        raise UsageError(f"{file}: there is no such reference: give a Python file with --reference")
    return Job(
        experiment=experiment.id,
        variant=variant,
        budget=budget,
        reference=file.stem.removesuffix("_mlp"),
        reference_file=file,
        seed=seed,
        dataset=spec.dataset,
        protocol=spec.protocol(experiment.id, variant=variant, budget=budget),
    )
