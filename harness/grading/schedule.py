"""Which unit runs when: checks before training, from the store where they are known, once where several
graders share one, and nothing new after the time budget or an interruption.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass

from harness.errors import SubmissionChangedError
from harness.grading.accuracy import AccuracyRun
from harness.grading.outcomes import decode, encode
from harness.grading.pool import LostWorkerError, Pool
from harness.grading.units import Outcome, Unit, listed_checks, seeds
from harness.records import CheckResult, Status
from harness.store import Lease, Store

POLL_SECONDS = 0.5  # between two looks at what another grader is running
ATTEMPTS = 2  # a unit whose worker died is given to another one, once

Take = Callable[[Unit, Outcome, bool], Iterable[Unit]]


class Interrupted(KeyboardInterrupt):
    """The grading was asked to stop, and has: what was running is finished and stored."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """What may end a grading early, and where outcomes are kept. The defaults are: nothing, and nowhere."""

    store: Store | None = None
    fingerprint: str = ""  # of harness and machine, for the store's keys
    time_budget: float | None = None  # seconds after which nothing new is started
    stopping: Callable[[], bool] = bool  # whether somebody asked to stop


class Schedule:
    """Runs units until none is left; ``take`` hears of each outcome and says what else is to be run."""

    def __init__(self, pool: Pool, control: Control, key: Callable[[Unit], str], take: Take) -> None:
        self._pool = pool
        self._control = control
        self._key = key
        self._take = take
        self._start = time.monotonic()
        self._count = 0
        self._queue: list[tuple[int, int, Unit]] = []
        self._running: dict[Future[Outcome], Unit] = {}
        self._elsewhere: list[Unit] = []  # claimed by another grader
        self._lost: dict[int, int] = {}  # by id of a unit: how many workers it has taken along

    def run(self, units: Sequence[Unit]) -> None:
        """Run the units and what follows from them; raises Interrupted once ``stopping`` says so."""
        for unit in units:
            self._add(unit)
        while self._queue or self._running or self._elsewhere:
            stopping = self._control.stopping()
            if stopping and not self._running:
                raise Interrupted
            if not stopping:
                self._fill()
            self._collect()

    def _add(self, unit: Unit) -> None:
        # Everybody's checks first: they are quick, and tell what is worth waiting for. Then everybody's
        # first runs, so that nobody's fresh seeds hold up the others.
        urgency = 0 if unit.experiment is None else 1 + unit.attempt
        self._count += 1
        heapq.heappush(self._queue, (urgency, self._count, unit))

    def _fill(self) -> None:
        """Start units as long as there is a worker for one; few are on their way at any time."""
        while self._queue and self._pool.free() > 0 and not self._control.stopping():
            unit = heapq.heappop(self._queue)[2]
            if not self._from_store(unit):
                self._begin(unit)

    def _from_store(self, unit: Unit) -> bool:
        store = self._control.store
        text = None if store is None else store.get(self._key(unit))
        if text is not None:
            self._finish(unit, decode(text), cached=True)
        return text is not None

    def _begin(self, unit: Unit) -> None:
        budget, store = self._control.time_budget, self._control.store
        if budget is not None and time.monotonic() - self._start >= budget:
            self._finish(unit, _not_tried(unit, budget), cached=False)
            return
        lease = Lease.OURS if store is None else store.claim(self._key(unit))
        if lease is Lease.THEIRS:
            self._elsewhere.append(unit)
        elif lease is Lease.FINISHED:  # in the moment since it was looked up
            self._add(unit)
        else:
            self._running[self._pool.submit(unit)] = unit

    def _collect(self) -> None:
        """Wait for something to end, and take what did."""
        if not self._running:
            if self._elsewhere and not self._queue:
                time.sleep(POLL_SECONDS)
            done: set[Future[Outcome]] = set()
        else:
            done, _ = wait(self._running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
        for future in done:
            self._settle(future, self._running.pop(future))
        # Looked at again: finished by the other grader, or left by it when it died.
        for unit in self._elsewhere:
            self._add(unit)
        self._elsewhere = []

    def _settle(self, future: Future[Outcome], unit: Unit) -> None:
        store, error = self._control.store, future.exception()
        if isinstance(error, LostWorkerError):
            self._lost[id(unit)] = self._lost.get(id(unit), 0) + 1
            if self._lost[id(unit)] < ATTEMPTS:
                self._add(unit)  # the claim stays ours
                return
        if error is not None:
            if store is not None:
                store.release(self._key(unit))
            self._finish(unit, _harness_error(unit, error), cached=False)
            return
        text = encode(future.result())
        outcome = decode(text)  # what is reported is what a later grading reads from the store, to the bit
        if store is not None:
            if _is_sound(outcome):
                store.put(self._key(unit), text, label=unit.label)
            else:
                store.release(self._key(unit))
        self._finish(unit, outcome, cached=False)

    def _finish(self, unit: Unit, outcome: Outcome, *, cached: bool) -> None:
        for more in self._take(unit, outcome, cached):
            self._add(more)


def _is_sound(outcome: Outcome) -> bool:
    """Whether an outcome is worth keeping: a fault of the harness's own is to be tried again."""
    statuses = [result.status for result in outcome.checks]
    if outcome.run is not None:
        statuses.append(outcome.run.status)
    return Status.HARNESS_ERROR not in statuses


def _not_tried(unit: Unit, budget: float) -> Outcome:
    message = f"not tried: the time budget of {budget:g} s was used up; grade again to go on from here"
    return _uniform(unit, Status.SKIPPED, message, {"time_budget": budget})


def _harness_error(unit: Unit, error: BaseException) -> Outcome:
    message = f"backcheck itself failed here ({type(error).__name__}: {error}); its points stay open"
    if isinstance(error, SubmissionChangedError):
        message = str(error)
    return _uniform(unit, Status.HARNESS_ERROR, message, {})


def _uniform(unit: Unit, status: Status, message: str, evidence: dict[str, object]) -> Outcome:
    """One status for all of a unit."""
    if unit.experiment is not None:
        drawn = seeds(unit)
        run = AccuracyRun(
            experiment=unit.experiment.id,
            seed=drawn["build"],
            blind=drawn["blind"],
            status=status,
            message=message,
            evidence=dict(evidence),
        )
        return Outcome(run=run)
    results = (
        CheckResult(id=check.id, group=check.group, status=status, message=message, evidence=dict(evidence))
        for check in listed_checks(unit)
    )
    return Outcome(checks=tuple(results))
