"""Units of work: the smallest things that are run, stored and sent to other machines. A unit and its
outcome are plain data.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from harness.checks.registry import Check
from harness.data import Dataset, load_dataset
from harness.grading.accuracy import AccuracyRun, run_experiment
from harness.grading.checking import run_checks
from harness.grading.plan import Plan
from harness.records import CheckResult
from harness.sandbox.backend import choose
from harness.session import Limits
from harness.spec import Experiment
from harness.submission import Submission


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What every unit of one grading shares."""

    seed: int
    trust_submissions: bool = False
    sandbox: str | None = None  # a backend by name, or None for the best there is
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, kw_only=True)
class Unit:
    """Checks of a submission, or one accuracy run of it (``experiment`` and ``attempt``, 0 for the first).

    ``elsewhere`` are the submission's checks that another unit reports: here they are run only where one of
    ``checks`` rests on them. Each check draws its own numbers, so that it finds the same in either unit.
    """

    submission: Submission
    settings: Settings
    checks: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    activations: tuple[str, ...] = ()
    experiment: Experiment | None = None
    dataset: str = "mnist"
    attempt: int = 0

    @property
    def label(self) -> str:
        """What progress calls it."""
        what = "checks" if self.experiment is None else self.experiment.id
        return f"{self.submission.name} {what}" + (f" (seed {self.attempt + 1})" if self.attempt else "")

    @property
    def weight(self) -> float:
        """A rough cost for progress, in seconds on an ordinary machine."""
        if self.experiment is None:
            return 3.0 if not self.elsewhere else 1.8
        protocol = self.experiment.protocol
        return 1.0 + protocol.epochs * protocol.train_images * 4e-5


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What running a unit gave."""

    checks: tuple[CheckResult, ...] = ()
    notes: tuple[str, ...] = ()
    run: AccuracyRun | None = None
    seconds: float = 0.0


def draw(seed: int, *key: object) -> int:
    """Derive a number from the grading's seed; without that seed it tells nothing about any other."""
    text = "\0".join(map(str, (seed, *key)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def check_units(
    plan: Plan, settings: Settings, activations: tuple[str, ...], *, shared: bool = False
) -> list[Unit]:
    """Return the unit that runs a plan's checks, or two units if they are ``shared`` between two workers.

    The properties are one share: with what they rest on they take as long as all others, about 0.6 of the
    whole each. It saves an author's time and costs processor time, so that a class is graded without.
    """
    ids = tuple(check.id for check in plan.checks)
    properties = tuple(check.id for check in plan.checks if check.group == "properties")
    others = tuple(i for i in ids if i not in properties)
    shares = [(others, properties), (properties, others)] if shared and properties and others else [(ids, ())]
    return [
        Unit(
            submission=plan.submission,
            settings=settings,
            checks=mine,
            elsewhere=rest,
            activations=activations,
        )
        for mine, rest in shares
    ]


def seeds(unit: Unit) -> dict[str, int]:
    """Return every number that a unit's draws come from, by what it is for."""
    seed, name = unit.settings.seed, unit.submission.name
    if unit.experiment is None:
        return {"checks": draw(seed, "checks", name)}
    # With the digest: a submission that gave its permutation away in an error message, to be trained for,
    # meets another one as soon as it is changed.
    key = (name, unit.experiment.id, unit.attempt, unit.submission.digest)
    return {"build": draw(seed, "build", *key), "blind": draw(seed, "blind", *key)}


def run_unit(unit: Unit) -> Outcome:
    """Run one unit here. Needs nothing but the unit, so that any process of any machine can."""
    start = time.monotonic()
    settings, drawn = unit.settings, seeds(unit)
    backend = choose(trust=settings.trust_submissions, prefer=settings.sandbox)
    if unit.experiment is None:
        results, notes = run_checks(
            unit.submission,
            _in_order((*unit.checks, *unit.elsewhere), unit.activations),
            only=unit.checks,
            seed=drawn["checks"],
            backend=backend,
            limits=settings.limits,
        )
        return Outcome(checks=tuple(results), notes=notes, seconds=time.monotonic() - start)
    run = run_experiment(
        unit.submission,
        unit.experiment,
        data=_dataset(unit.dataset),
        seed=drawn["build"],
        blind=drawn["blind"],
        backend=backend,
        limits=settings.limits,
    )
    return Outcome(run=run, seconds=time.monotonic() - start)


def listed_checks(unit: Unit) -> tuple[Check, ...]:
    """Return the checks that a unit reports, in order."""
    return _in_order(unit.checks, unit.activations)


def _in_order(ids: Iterable[str], activations: tuple[str, ...]) -> tuple[Check, ...]:
    from harness.checks.registry import checks

    wanted = set(ids)
    return tuple(check for check in checks(activations) if check.id in wanted)


@lru_cache(maxsize=2)
def _dataset(name: str) -> Dataset:
    return load_dataset(name)
