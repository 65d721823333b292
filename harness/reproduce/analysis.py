"""From a specification and stored runs to everything that the page shows. Nothing is drawn here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields

from harness.calibration.runs import Provenance as RunProvenance
from harness.calibration.runs import Run, describe_key
from harness.calibration.train import protocol_digest
from harness.errors import StoreError, UsageError
from harness.grading.grade import graded_variant
from harness.reproduce.caveats import find_caveats
from harness.reproduce.findings import find
from harness.reproduce.model import AS_STATED, NO_FIGURE, GradingRange, Provenance, Reproduction, Row
from harness.reproduce.panels import redraw
from harness.spec import FULL, REPORT, Experiment, Spec
from harness.statistics import (
    MIN_RUNS,
    UNDECIDED,
    VERDICT_ALPHA,
    consistent,
    judge_claims,
    leave_one_out,
    reference_distribution,
    screening_range,
    smallest_shift,
)


def analyse(spec: Spec, runs: Iterable[Run]) -> Reproduction:
    """Answer for the report from these runs; those of experiments that it does not have are left aside.

    StoreError if a run followed another protocol than the specification's.
    """
    runs = tuple(runs)
    ours = _checked(spec, runs)
    figures = sum(experiment.reported is not None for experiment in spec.experiments.values())
    level = VERDICT_ALPHA / max(1, figures)
    own = [run for run in ours if run.budget == FULL and run.variant == REPORT]
    rows = tuple(_row(experiment, own, level) for experiment in spec.experiments.values())
    return Reproduction(
        spec=spec,
        level=level,
        rows=rows,
        claims=judge_claims(spec.claims, spec.experiments, ours) if spec.claims else (),
        caveats=find_caveats(spec, rows, ours),
        findings=tuple(find(spec, quirk, ours) for quirk in spec.quirks),
        panels=tuple(redraw(spec, panel, own) for panel in spec.panels.values()),
        ranges=_grading_ranges(spec, ours),
        provenance=_provenance(ours, len(runs) - len(ours)),
    )


def _checked(spec: Spec, runs: Sequence[Run]) -> tuple[Run, ...]:
    """The runs of this specification, each made by the very protocol that the specification has now."""
    ours = []
    for run in runs:
        try:
            protocol = spec.protocol(run.experiment, variant=run.variant, budget=run.budget)
        except UsageError:  # of another report, or of a candidate that is no more
            continue
        if run.provenance.protocol != protocol_digest(spec.dataset, protocol):
            raise StoreError(
                f"the stored run {describe_key(run.key)} followed another protocol than {spec.path.name} "
                f"has: calibrate again, or restore the protocol"
            )
        ours.append(run)
    return tuple(ours)


def _row(experiment: Experiment, runs: Sequence[Run], level: float) -> Row:
    chosen = sorted((run for run in runs if run.experiment == experiment.id), key=lambda run: run.seed)
    seeds, accuracies = tuple(run.seed for run in chosen), tuple(run.test_accuracy for run in chosen)
    if len(chosen) < MIN_RUNS:
        note = f"{_count(len(chosen))}, at least {MIN_RUNS} needed"
        verdict = NO_FIGURE if experiment.reported is None else UNDECIDED
        return Row(experiment=experiment, seeds=seeds, accuracies=accuracies, verdict=verdict, note=note)
    found = consistent(
        experiment.reported if experiment.reported is not None else accuracies[0],
        accuracies,
        alpha=level,
        digit_unit=experiment.digit_unit or 0.0,
    )
    named = experiment.reported is not None
    return Row(
        experiment=experiment,
        seeds=seeds,
        accuracies=accuracies,
        verdict=found.verdict if named else NO_FIGURE,
        mean=found.interval.mean,
        sd=found.interval.sd,
        low=found.interval.low,
        high=found.interval.high,
        p=found.p if named else None,
    )


def _count(runs: int) -> str:
    return "no runs" if runs == 0 else f"{runs} run{'s' if runs > 1 else ''}"


def _grading_ranges(spec: Spec, runs: Sequence[Run]) -> tuple[GradingRange, ...]:
    """The ranges of the baseline experiments graded together, and of all of them, in every budget with
    runs; the full budget by the protocol that is graded, which need not be the report's.
    """
    counts = Counter((run.experiment, run.budget, run.variant) for run in runs)
    baseline = [experiment.id for experiment in spec.experiments.values() if experiment.baseline]
    ranges = []
    for budget in dict.fromkeys([FULL, *spec.budgets]):
        for experiment in spec.experiments:
            variant = graded_variant(spec, experiment) if budget == FULL else REPORT
            n = counts[experiment, budget, variant]
            if n < MIN_RUNS:
                continue
            family = len(baseline) if experiment in baseline else len(spec.experiments)
            distribution = reference_distribution(runs, experiment, budget, variant)
            screen = screening_range(distribution, family=family)
            ranges.append(
                GradingRange(
                    experiment=experiment,
                    budget=budget,
                    protocol=AS_STATED if variant == REPORT else spec.candidates[variant].text,
                    family=family,
                    n=n,
                    mean=screen.mean,
                    sd=screen.sd,
                    low=screen.low,
                    high=screen.high,
                    shift=smallest_shift(distribution, family=family),
                    left_out=leave_one_out(distribution, family=family) if n > MIN_RUNS else None,
                )
            )
    return tuple(ranges)


def _provenance(runs: Sequence[Run], left_aside: int) -> Provenance | None:
    if not runs:
        return None
    finished = sorted(run.provenance.finished for run in runs)
    names = [item.name for item in fields(RunProvenance) if item.name not in ("finished", "protocol")]
    return Provenance(
        runs=len(runs),
        left_aside=left_aside,
        seconds=sum(run.seconds for run in runs),
        first=finished[0],
        last=finished[-1],
        made_with={
            name: tuple(sorted({str(getattr(run.provenance, name)) for run in runs})) for name in names
        },
    )
