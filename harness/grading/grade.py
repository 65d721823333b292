"""Grading a class: units sent to a pool as they become known, outcomes gathered into verdicts."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field

from harness.calibration.runs import load_runs
from harness.grading.accuracy import AccuracyRun
from harness.grading.plan import Plan, activations
from harness.grading.score import judge_experiment, needs_another_run, verdict
from harness.grading.units import Outcome, Settings, Unit, check_unit, run_unit
from harness.records import CheckResult, ExperimentResult, Status, Verdict
from harness.session.process import THREAD_VARIABLES
from harness.spec import Experiment, Spec
from harness.statistics import Distribution, reference_distribution

Report = Callable[[Unit, Outcome], None]


@dataclass
class _Gathered:
    """What is known so far about one submission."""

    plan: Plan
    checks: tuple[CheckResult, ...] | None = None
    notes: tuple[str, ...] = ()
    runs: dict[str, list[AccuracyRun]] = field(default_factory=dict)
    open_units: int = 0
    seconds: float = 0.0


def grade(
    plans: Sequence[Plan],
    *,
    spec: Spec,
    settings: Settings,
    jobs: int | None = None,
    report: Report | None = None,
    finished: Callable[[Verdict], None] | None = None,
    executor: Executor | None = None,
) -> list[Verdict]:
    """Grade every plan and return the verdicts in the plans' order; ``report`` hears of each unit that
    ends.
    """
    distributions = _distributions(spec, plans)
    gathered = {plan.submission.name: _Gathered(plan) for plan in plans}
    verdicts: dict[str, Verdict] = {}

    def settle(name: str) -> None:
        state = gathered[name]
        if state.open_units == 0:
            verdicts[name] = _verdict(state, distributions)
            if finished is not None:
                finished(verdicts[name])

    with _pool(jobs, executor) as pool:
        waiting: dict[Future[Outcome], Unit] = {}

        def submit(unit: Unit) -> None:
            gathered[unit.submission.name].open_units += 1
            waiting[pool.submit(run_unit, unit)] = unit

        for unit in _first_units(plans, spec, settings):
            submit(unit)
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                unit = waiting.pop(future)
                outcome = _outcome(future, unit)
                state = gathered[unit.submission.name]
                state.open_units -= 1
                for more in _take(state, unit, outcome, distributions):
                    submit(more)
                if report is not None:
                    report(unit, outcome)
                settle(unit.submission.name)
    return [verdicts[plan.submission.name] for plan in plans]


def run_until_decided(
    plan: Plan, experiment: Experiment, *, spec: Spec, settings: Settings
) -> ExperimentResult:
    """Run one experiment here, on fresh seeds as long as the verdict asks for them."""
    distribution = _distributions(spec, [plan])[experiment.id]
    family = len(plan.experiments)
    runs: list[AccuracyRun] = []
    while needs_another_run(runs, distribution, family):
        unit = Unit(
            submission=plan.submission,
            settings=settings,
            experiment=experiment,
            dataset=spec.dataset,
            attempt=len(runs),
        )
        outcome = run_unit(unit)
        if outcome.run is not None:
            runs.append(outcome.run)
    return judge_experiment(
        experiment,
        runs,
        distribution=distribution,
        family=family,
        points=plan.points[experiment.id],
    )


def first_units(plans: Sequence[Plan], spec: Spec, settings: Settings) -> list[Unit]:
    """Return the units that are known before anything has run."""
    return list(_first_units(plans, spec, settings))


def _first_units(plans: Sequence[Plan], spec: Spec, settings: Settings) -> Iterator[Unit]:
    # Checks first, for everybody: they are quick, and tell what is worth waiting for.
    for plan in plans:
        yield check_unit(plan, settings, activations(spec))
    for plan in plans:
        for experiment in plan.experiments:
            yield Unit(
                submission=plan.submission, settings=settings, experiment=experiment, dataset=spec.dataset
            )


def _take(
    state: _Gathered, unit: Unit, outcome: Outcome, distributions: Mapping[str, Distribution | None]
) -> list[Unit]:
    """Note an outcome; return the runs on fresh seeds that it calls for."""
    state.seconds += outcome.seconds
    if unit.experiment is None or outcome.run is None:
        state.checks, state.notes = outcome.checks, outcome.notes
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


def _outcome(future: Future[Outcome], unit: Unit) -> Outcome:
    """The outcome of a unit; what the harness itself could not do is recorded as its own fault."""
    try:
        return future.result()
    except Exception as error:
        message = f"backcheck itself failed here ({type(error).__name__}: {error}); this costs no points"
        if unit.experiment is not None:
            run = AccuracyRun(
                experiment=unit.experiment.id, seed=0, blind=0, status=Status.HARNESS_ERROR, message=message
            )
            return Outcome(run=run)
        from harness.checks.registry import checks

        wanted = set(unit.checks)
        listed = [check for check in checks(unit.activations) if check.id in wanted]
        return Outcome(
            checks=tuple(
                CheckResult(id=c.id, group=c.group, status=Status.HARNESS_ERROR, message=message)
                for c in listed
            )
        )


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
    return verdict(plan, state.checks or (), experiments, notes=state.notes, seconds=state.seconds)


def _distributions(spec: Spec, plans: Sequence[Plan]) -> dict[str, Distribution | None]:
    """The reference distribution of every experiment that is planned; None where there is no calibration."""
    names = {experiment.id for plan in plans for experiment in plan.experiments}
    runs = load_runs() if names else ()
    known = {run.experiment for run in runs if run.budget == "full" and run.variant == "report"}
    return {name: reference_distribution(runs, name) if name in known else None for name in names}


@contextmanager
def _pool(jobs: int | None, executor: Executor | None) -> Iterator[Executor]:
    if executor is not None:
        yield executor
        return
    workers = jobs or os.cpu_count() or 1
    # Spawned, not forked: the grader may hold threads. One BLAS thread in each, set before NumPy is
    # imported there.
    for name in THREAD_VARIABLES:
        os.environ.setdefault(name, "1")
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
