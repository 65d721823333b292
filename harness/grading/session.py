"""One grading from paths to record: what the command line and the tests call."""

from __future__ import annotations

import argparse
import compileall
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.grading.command import fresh_seed
from harness.grading.environment import environment
from harness.grading.grade import first_units, grade, reference_distributions
from harness.grading.interrupts import Interrupts
from harness.grading.keys import fingerprint, harness_digest
from harness.grading.plan import Plan, plan
from harness.grading.pool import LocalPool, Pool
from harness.grading.schedule import Control
from harness.grading.score import CALIBRATE
from harness.grading.units import Outcome, Settings, Unit
from harness.progress import Progress
from harness.records import Record, Status, Verdict
from harness.sandbox.backend import choose
from harness.sandbox.interpreter import HARNESS, HARNESS_PARTS
from harness.spec import Spec, load_rubric, load_spec
from harness.store import Store
from harness.submission import discover
from harness.views.facts import applies

BEHIND_THE_WALLS = tuple(part for part in HARNESS_PARTS if not part.endswith(".py"))


@dataclass(frozen=True, kw_only=True)
class GradingOptions:
    """Everything that decides a grading."""

    paths: Sequence[Path]
    profile: str = "standard"
    experiments: str | None = None
    jobs: int | None = None
    seed: int | None = None
    rubric: Path | None = None
    spec: Path | None = None
    sandbox: str | None = None
    trust_submissions: bool = False
    runs: Path | None = None  # calibration runs; None: the bundled ones
    store: Path | None = None  # None: nothing is kept
    time_budget: float | None = None  # seconds after which nothing new is started
    dask: str | None = None  # a Dask scheduler's address
    share_checks: bool = False  # between two workers, where there is one submission
    quiet: bool = True

    @classmethod
    def from_args(cls, args: argparse.Namespace) -> GradingOptions:
        """Take the options from a parsed command line."""
        return cls(
            paths=[Path(path) for path in args.paths],
            profile=args.profile,
            experiments=getattr(args, "experiments", None),
            jobs=args.jobs,
            seed=args.seed,
            rubric=args.rubric,
            spec=args.spec,
            sandbox=args.sandbox,
            trust_submissions=args.trust_submissions,
            runs=args.runs,
            store=None if getattr(args, "no_store", True) else args.store,
            time_budget=getattr(args, "time_budget", None),
            dask=getattr(args, "dask", None),
            share_checks=getattr(args, "share_checks", False),
            quiet=args.quiet,
        )


def plans_for(options: GradingOptions) -> tuple[Spec, list[Plan]]:
    """Find the submissions and plan each."""
    spec, rubric = load_spec(options.spec), load_rubric(options.rubric)
    notes: list[str] = []
    submissions = discover(options.paths, notes=notes)
    for note in notes:
        _say(note)
    if not submissions:
        where = ", ".join(str(path) for path in options.paths)
        raise UsageError(f"no submission in {where}: NAME.py, NAME.ipynb or NAME/submission.py are expected")
    plans = [
        plan(submission, spec=spec, rubric=rubric, profile=options.profile, experiments=options.experiments)
        for submission in submissions
    ]
    return spec, plans


def grade_paths(options: GradingOptions, *, pool: Pool | None = None) -> Record:
    """Grade what the options name and return the record.

    ``pool`` runs the units, and is ended with the grading (default: the one that the options ask for).
    """
    spec, plans = plans_for(options)
    compile_worker()
    # Asked once here, so that a machine without walls is refused before anything runs.
    backend = choose(trust=options.trust_submissions, prefer=options.sandbox)
    facts = environment(backend.description)
    if any(p.experiments for p in plans):
        references = reference_distributions(spec, plans, options.runs)
        if missing := [name for name, reference in references.items() if reference is None]:
            _say(f"no calibration of {', '.join(sorted(missing))}, which will not be counted: {CALIBRATE}")
        from harness.data import load_dataset

        # Fetched once, before the pool: no two workers wait for one download.
        load_dataset(spec.dataset, report=None if options.quiet else _say)
    with _store(options.store) as store:
        settings = Settings(
            seed=_seed(options.seed, store),
            trust_submissions=options.trust_submissions,
            sandbox=options.sandbox,
        )
        with Interrupts(kept=None if store is None else store.path) as interrupts:
            control = Control(
                store=store,
                fingerprint=fingerprint(facts),
                time_budget=options.time_budget,
                stopping=interrupts.requested,
            )
            verdicts = _grade(plans, spec, settings, control, options, pool)
    errors = [
        f"{v.name}: {item.id}: {item.message}"
        for v in verdicts
        for item in v.items
        if item.status is Status.HARNESS_ERROR
    ]
    return Record(
        submissions=tuple(verdicts),
        profile=options.profile,
        seed=settings.seed,
        environment={
            **facts,
            "harness": harness_digest()[:16],
            "specification": f"{spec.id} {spec.digest[:16]}",
        },
        harness_errors=tuple(errors),
    )


def compile_worker(folder: Path = HARNESS) -> None:
    """Keep the bytecode of what runs behind the walls: there nothing can be kept, and every start compiles.

    Does nothing where bytecode is not wanted, is there already, or cannot be written.
    """
    if not sys.dont_write_bytecode:
        for part in BEHIND_THE_WALLS:
            compileall.compile_dir(folder / part, quiet=2)


def _grade(
    plans: Sequence[Plan],
    spec: Spec,
    settings: Settings,
    control: Control,
    options: GradingOptions,
    pool: Pool | None,
) -> list[Verdict]:
    shared = options.share_checks and len(plans) == 1 and (pool is None or pool.free() > 1)
    units = first_units(plans, spec, settings, shared=shared)
    with Progress(sum(unit.weight for unit in units), "grading", quiet=options.quiet) as progress:

        def report(unit: Unit, outcome: Outcome, cached: bool) -> None:
            if unit.attempt:
                progress.add(unit.weight)
            status, text = _summary(outcome)
            progress.done(unit.weight, f"{unit.label}: {text}", status, cached=cached)

        def finished(verdict: Verdict) -> None:
            # A run says an accuracy; whether an experiment's runs pass is known when all are there.
            progress.judged_bad(sum(each.status is not Status.PASS for each in verdict.experiments))

        return grade(
            plans,
            spec=spec,
            settings=settings,
            shared=shared,
            pool=pool or _pool(options, settings),
            control=control,
            runs=options.runs,
            report=report,
            finished=finished,
        )


@contextmanager
def _store(path: Path | None) -> Iterator[Store | None]:
    if path is None:
        yield None
        return
    with Store(path) as store:
        yield store


def _pool(options: GradingOptions, settings: Settings) -> Pool:
    """The pool that the options ask for; ``grade`` ends it."""
    if options.dask is None:
        return LocalPool(options.jobs)
    from harness.grading.dask_pool import DaskPool

    return DaskPool(options.dask, settings)


def _seed(given: int | None, store: Store | None) -> int:
    """The seed asked for, else the store's own, so that an unchanged class is not run again."""
    if given is not None:
        return given
    return fresh_seed() if store is None else store.seed(fresh_seed)


def _say(line: str) -> None:
    print(f"backcheck: {line}", file=sys.stderr, flush=True)


def _summary(outcome: Outcome) -> tuple[str, str]:
    """A status, none for a run that is judged later, and the few words before it on the progress line."""
    if outcome.run is not None:
        run = outcome.run
        return "", f"{run.accuracy:.2f} %" if run.accuracy is not None else f"no accuracy, {run.status}"
    bad = [result.status for result in outcome.checks if result.status is not Status.PASS and applies(result)]
    if not bad:
        return Status.PASS, f"all {len(outcome.checks)}"
    told = [status for status in bad if status is not Status.SKIPPED] or bad
    return told[0], f"{len(told)} of {len(outcome.checks)}"
