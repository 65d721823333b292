"""Grading a class: units are run in order, their outcomes gathered into verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.grading.accuracy import AccuracyRun
from harness.grading.keys import unit_key
from harness.grading.plan import Plan, activations
from harness.grading.pool import LocalPool, Pool
from harness.grading.schedule import Control, Schedule
from harness.grading.score import judge_experiment, needs_another_run, verdict
from harness.grading.units import Outcome, Settings, Unit, check_units, run_unit
from harness.records import CheckResult, ExperimentResult, Verdict
from harness.spec import FULL, REPORT, Experiment, Spec
from harness.statistics import Distribution, reference_distribution
from harness.statistics.ranges import MIN_RUNS

if TYPE_CHECKING:
    from harness.calibration.runs import Run

Report = Callable[[Unit, Outcome, bool], None]


@dataclass
class _Gathered:
    """What is known so far about one submission."""

    plan: Plan
    checks: dict[str, CheckResult] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    runs: dict[str, list[AccuracyRun]] = field(default_factory=dict)
    open_units: int = 0
    seconds: float = 0.0


def grade(
    plans: Sequence[Plan],
    *,
    spec: Spec,
    settings: Settings,
    shared: bool = False,
    pool: Pool | None = None,
    control: Control | None = None,
    runs: Path | None = None,
    report: Report | None = None,
    finished: Callable[[Verdict], None] | None = None,
) -> list[Verdict]:
    """Grade every plan and return the verdicts in the plans' order.

    ``shared``: two workers share the checks of each submission. ``pool`` runs the units (default: one worker
    process a core), ``control`` stores them and may end the grading early, ``runs`` is the file of
    calibration runs (default: the bundled one). ``report`` hears of each unit that ends, with its outcome
    and whether it came from the store.
    """
    distributions = reference_distributions(spec, plans, runs)
    gathered = {plan.submission.name: _Gathered(plan) for plan in plans}
    verdicts: dict[str, Verdict] = {}
    units = first_units(plans, spec, settings, shared=shared)
    for unit in units:
        gathered[unit.submission.name].open_units += 1

    def take(unit: Unit, outcome: Outcome, cached: bool) -> Iterable[Unit]:
        name = unit.submission.name
        state = gathered[name]
        more = _take(state, unit, outcome, distributions)
        state.open_units += len(more) - 1
        if report is not None:
            report(unit, outcome, cached)
        if state.open_units == 0:
            verdicts[name] = _verdict(state, distributions)
            gathered[name] = _Gathered(state.plan)  # a class is large: nothing is held twice
            if finished is not None:
                finished(verdicts[name])
        return more

    control = control or Control()
    workers = LocalPool() if pool is None else pool
    at_once = True
    try:
        key = partial(unit_key, fingerprint=control.fingerprint)
        Schedule(workers, control, key, take).run(units)
        at_once = False
    finally:
        workers.stop(at_once=at_once)
    return [verdicts[plan.submission.name] for plan in plans]


def run_until_decided(
    plan: Plan, experiment: Experiment, *, spec: Spec, settings: Settings, runs: Path | None = None
) -> ExperimentResult:
    """Run one experiment here, on fresh seeds as long as the verdict asks for them."""
    distribution = reference_distributions(spec, [plan], runs)[experiment.id]
    family = len(plan.experiments)
    made: list[AccuracyRun] = []
    while needs_another_run(made, distribution, family):
        unit = Unit(
            submission=plan.submission,
            settings=settings,
            experiment=experiment,
            dataset=spec.dataset,
            attempt=len(made),
        )
        outcome = run_unit(unit)
        if outcome.run is not None:
            made.append(outcome.run)
    return judge_experiment(
        experiment,
        made,
        distribution=distribution,
        family=family,
        points=plan.points[experiment.id],
    )


def first_units(plans: Sequence[Plan], spec: Spec, settings: Settings, *, shared: bool = False) -> list[Unit]:
    """Return the units that are known before anything has run."""
    units = [unit for plan in plans for unit in check_units(plan, settings, activations(spec), shared=shared)]
    units += [
        Unit(submission=plan.submission, settings=settings, experiment=experiment, dataset=spec.dataset)
        for plan in plans
        for experiment in plan.experiments
    ]
    return units


def reference_distributions(
    spec: Spec, plans: Sequence[Plan], runs: Path | None = None
) -> dict[str, Distribution | None]:
    """The reference distribution of every experiment that is planned; None where there are too few runs.

    Runs that were made under another protocol than the graded one are no calibration of it.
    """
    names = {experiment.id for plan in plans for experiment in plan.experiments}
    if not names:
        return {}
    from harness.calibration.runs import load_runs
    from harness.calibration.train import protocol_digest

    variants = {name: graded_variant(spec, name) for name in names}
    digests = {
        name: protocol_digest(spec.dataset, spec.protocol(name, variant=variant))
        for name, variant in variants.items()
    }
    known = [
        run
        for run in load_runs(runs)
        if run.experiment in names
        and (run.budget, run.variant) == (FULL, variants[run.experiment])
        and run.provenance.protocol == digests[run.experiment]
    ]
    counts = Counter(run.experiment for run in known)
    found: dict[str, Distribution | None] = dict.fromkeys(names)
    for name in names:
        if counts[name] >= MIN_RUNS:
            distribution = reference_distribution(known, name, FULL, variants[name])
            found[name] = replace(distribution, band=_band([r for r in known if r.experiment == name]))
    return found


def graded_variant(spec: Spec, experiment: str) -> str:
    """The variant of an experiment that trains as the contract says: Glorot-uniform weights, reshuffled.

    The report's part 2 neither shuffled nor set the weights; what is graded is the same protocol with both.
    """
    protocol = spec.experiments[experiment].protocol
    wanted = protocol.override({"shuffle": True, "initialisation": "glorot_uniform"})
    if protocol == wanted:
        return REPORT
    for candidate in spec.candidates.values():
        if experiment in candidate.experiments and spec.protocol(experiment, variant=candidate.id) == wanted:
            return candidate.id
    return REPORT


def _band(runs: Sequence[Run]) -> dict[str, dict[str, list[float]]]:
    """What the reference's runs spanned, epoch by epoch: accuracy in per cent, loss in nats."""
    series = {"accuracy": [r.epoch_accuracy for r in runs], "loss": [r.epoch_loss for r in runs]}
    return {
        name: {"low": [min(values) for values in zip(*each)], "high": [max(values) for values in zip(*each)]}
        for name, each in series.items()
    }


def _take(
    state: _Gathered, unit: Unit, outcome: Outcome, distributions: Mapping[str, Distribution | None]
) -> list[Unit]:
    """Note an outcome; return the runs on fresh seeds that it calls for."""
    state.seconds += outcome.seconds
    if unit.experiment is None or outcome.run is None:
        state.checks |= {result.id: result for result in outcome.checks}
        state.notes = tuple(dict.fromkeys((*state.notes, *outcome.notes)))
        return []
    runs = state.runs.setdefault(unit.experiment.id, [])
    runs.append(outcome.run)
    family = len(state.plan.experiments)
    if not needs_another_run(runs, distributions[unit.experiment.id], family):
        return []
    return [
        Unit(
            submission=unit.submission,
            settings=unit.settings,
            experiment=unit.experiment,
            dataset=unit.dataset,
            attempt=unit.attempt + 1,
        )
    ]


def _verdict(state: _Gathered, distributions: Mapping[str, Distribution | None]) -> Verdict:
    plan = state.plan
    experiments: list[ExperimentResult] = [
        judge_experiment(
            experiment,
            state.runs.get(experiment.id, []),
            distribution=distributions[experiment.id],
            family=len(plan.experiments),
            points=plan.points[experiment.id],
        )
        for experiment in plan.experiments
    ]
    return verdict(
        plan,
        [state.checks[check.id] for check in plan.checks],
        experiments,
        notes=(*plan.submission.notes, *state.notes),
        seconds=state.seconds,
    )
