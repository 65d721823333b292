"""The order of units, what a lost worker costs, and what is kept: with a pool that does as it is told."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

from harness.errors import SubmissionChangedError
from harness.grading import schedule
from harness.grading.accuracy import AccuracyRun
from harness.grading.keys import unit_key
from harness.grading.outcomes import encode
from harness.grading.pool import LocalPool, LostWorkerError
from harness.grading.schedule import Control, Interrupted, Schedule
from harness.grading.units import Outcome, Settings, Unit
from harness.records import CheckResult, Status
from harness.spec import load_spec
from harness.store import Lease, Store
from harness.submission import discover
from tests.grading.conftest import SPEC, write_class

KEY = partial(unit_key, fingerprint="here")
PASSED = Outcome(checks=(CheckResult(id="builds[tanh]", group="contract", status=Status.PASS),))


@pytest.fixture
def units(tmp_path):
    found = discover([write_class(tmp_path / "class")])
    spec = load_spec(SPEC)
    experiment = spec.experiments["digits/tanh"]
    settings = Settings(seed=1)
    checks = [
        Unit(submission=each, settings=settings, checks=("builds[tanh]",), activations=("tanh",))
        for each in found
    ]
    runs = [
        Unit(submission=each, settings=settings, experiment=experiment, dataset="digits") for each in found
    ]
    return [*runs, *checks]


class Pool:
    """Answers each unit by ``answer(unit)``, which may raise: one after the other, ``slots`` on their way."""

    def __init__(self, answer, slots=2):
        self.answer, self.slots, self.started, self.futures = answer, slots, [], []
        self.thread = ThreadPoolExecutor(1)

    def free(self):
        return self.slots - sum(not future.done() for future in self.futures)

    def submit(self, unit):
        assert self.free() > 0
        self.started.append(unit)
        self.futures.append(self.thread.submit(self.answer, unit))
        return self.futures[-1]

    def stop(self, *, at_once):
        self.thread.shutdown()


class Time:
    """Stands in for the module."""

    def __init__(self, sleep=None):
        self.now, self.sleep = 0.0, sleep

    def monotonic(self):
        return self.now


def passed(unit):
    if unit.experiment is None:
        return PASSED
    return Outcome(run=AccuracyRun(experiment="e", seed=1, blind=2, status=Status.PASS, accuracy=90.0))


def run(pool, units, take=lambda unit, outcome, cached: (), **control):
    taken = []

    def note(unit, outcome, cached):
        taken.append((unit, outcome, cached))
        return take(unit, outcome, cached)

    try:
        Schedule(pool, Control(**control), KEY, note).run(units)
    finally:
        pool.stop(at_once=False)
    return taken


def test_everybodys_checks_come_before_anybodys_training_and_fresh_seeds_last(units):
    def again(unit, outcome, cached):
        return [replace(unit, attempt=1)] if unit.experiment is not None and not unit.attempt else []

    pool = Pool(passed)
    run(pool, units, again)
    kinds = ["run" if unit.experiment else "checks" for unit in pool.started]
    assert kinds == ["checks"] * 5 + ["run"] * 10
    assert [unit.attempt for unit in pool.started] == [0] * 10 + [1] * 5


def test_a_unit_whose_worker_was_lost_is_run_once_more(units, tmp_path):
    lost = []

    def answer(unit):
        if unit.submission.name == "eve" and len(lost) < 1:
            lost.append(unit)
            raise LostWorkerError("gone")
        return passed(unit)

    pool = Pool(answer)
    with Store(tmp_path / "s.sqlite") as store:
        taken = run(pool, units, store=store)
        assert store.kept == 10
    assert len(pool.started) == 11
    assert {unit.submission.name for unit in pool.started[-6:]} >= {"eve"}
    statuses = {outcome.checks[0].status for unit, outcome, _ in taken if unit.experiment is None}
    assert statuses == {Status.PASS}


def test_a_unit_that_takes_two_workers_along_is_the_harnesss_error_and_is_not_kept(units, tmp_path):
    def answer(unit):
        if unit.submission.name == "eve" and unit.experiment is None:
            raise LostWorkerError("its worker process ended")
        return passed(unit)

    pool = Pool(answer)
    with Store(tmp_path / "s.sqlite") as store:
        taken = run(pool, units, store=store)
        assert store.kept == 9
    bad = [(unit, outcome) for unit, outcome, _ in taken if unit.submission.name == "eve"]
    assert len(pool.started) == 11
    outcome = next(outcome for unit, outcome in bad if unit.experiment is None)
    assert [(r.id, r.status) for r in outcome.checks] == [("builds[tanh]", Status.HARNESS_ERROR)]
    assert "its points stay open" in outcome.checks[0].message


def test_a_fault_of_the_harnesss_own_is_not_kept_and_another_grader_may_try(units, tmp_path):
    fault = CheckResult(id="builds[tanh]", group="contract", status=Status.HARNESS_ERROR)

    def answer(unit):
        if unit.experiment is not None:
            raise ValueError("a mistake of ours")
        return Outcome(checks=(fault,))

    with Store(tmp_path / "s.sqlite") as store, Store(tmp_path / "s.sqlite") as other:
        taken = run(Pool(answer), units, store=store)
        assert store.kept == 0
        assert {other.claim(KEY(unit)) for unit in units} == {Lease.OURS}
    statuses = {(outcome.run or outcome.checks[0]).status for _, outcome, _ in taken}
    assert statuses == {Status.HARNESS_ERROR}


def test_a_submission_that_is_saved_meanwhile_is_not_kept_and_told_in_its_own_words(units, tmp_path):
    def answer(unit):
        raise SubmissionChangedError("eve.py was changed")

    with Store(tmp_path / "s.sqlite") as store:
        taken = run(Pool(answer), units, store=store)
        assert store.kept == 0
    messages = {(outcome.run or outcome.checks[0]).message for _, outcome, _ in taken}
    assert messages == {"eve.py was changed"}


def test_the_second_grading_takes_everything_from_the_store(units, tmp_path):
    with Store(tmp_path / "s.sqlite") as store:
        first = run(Pool(passed), units, store=store)
    pool = Pool(passed)
    with Store(tmp_path / "s.sqlite") as store:
        second = run(pool, units, store=store)
    assert pool.started == []
    assert all(cached for _, _, cached in second)
    assert {KEY(u): o for u, o, _ in second} == {KEY(u): o for u, o, _ in first}


def test_what_another_grader_runs_is_waited_for_and_what_it_leaves_is_run(units, tmp_path, monkeypatch):
    theirs, left = units[0], units[1]
    with Store(tmp_path / "s.sqlite") as other, Store(tmp_path / "s.sqlite") as store:
        other.claim(KEY(theirs))
        other.claim(KEY(left))

        def sleep(seconds):  # while this grader has nothing to do, the other one comes to an end
            other.put(KEY(theirs), encode(passed(theirs)))
            other.release(KEY(left))

        monkeypatch.setattr(schedule, "time", Time(sleep))
        pool = Pool(passed)
        taken = run(pool, units, store=store)
    assert theirs not in pool.started
    assert left in pool.started
    assert [cached for unit, _, cached in taken if unit == theirs] == [True]


def test_after_the_time_budget_nothing_is_started_and_the_store_is_still_read(units, tmp_path, monkeypatch):
    clock = Time()
    monkeypatch.setattr(schedule, "time", clock)
    with Store(tmp_path / "s.sqlite") as store:
        store.put(KEY(units[3]), encode(passed(units[3])))

        def answer(unit):
            clock.now += 60
            return passed(unit)

        pool = Pool(answer, slots=1)
        taken = run(pool, units, store=store, time_budget=150.0)
    assert len(pool.started) == 3
    statuses = {KEY(u): (o.run or o.checks[0]).status for u, o, _ in taken}
    assert statuses[KEY(units[3])] is Status.PASS
    assert sorted(statuses.values()) == ["pass"] * 4 + ["skipped"] * 6


def test_asked_to_stop_it_starts_nothing_and_keeps_what_was_running(units, tmp_path):
    pool = Pool(passed)
    with Store(tmp_path / "s.sqlite") as store:
        with pytest.raises(Interrupted):
            run(pool, units, store=store, stopping=lambda: len(pool.started) >= 2)
        assert store.kept == len(pool.started) < 10


# What the real pool is given in place of a submission: functions of this module, found again by name.


@pytest.fixture
def local_pool(monkeypatch):
    pool = LocalPool(2)
    yield pool
    pool.stop(at_once=True)


def test_a_worker_process_that_dies_takes_its_own_unit_only(units, local_pool, monkeypatch):
    from harness.grading import pool as module
    from tests.grading import units_for_pools

    monkeypatch.setattr(module, "run_unit", units_for_pools.die_or_pass)
    dying, living = units[0], units[1]
    assert (dying.submission.name, living.submission.name) == ("ada", "bob")
    futures = [local_pool.submit(unit) for unit in (dying, living)]
    assert isinstance(futures[0].exception(timeout=300), LostWorkerError)
    assert futures[1].result(timeout=300) == PASSED
    assert local_pool.free() == 2
    assert [local_pool.submit(living).result(timeout=300) for _ in range(2)] == [PASSED, PASSED]


def test_a_pool_that_is_stopped_at_once_ends_what_its_workers_run(units, local_pool, monkeypatch):
    from harness.grading import pool as module
    from tests.grading import units_for_pools

    monkeypatch.setattr(module, "run_unit", units_for_pools.sleep_for_ever)
    future = local_pool.submit(units[0])
    local_pool.stop(at_once=True)
    assert isinstance(future.exception(timeout=300), LostWorkerError)


def test_a_worker_that_was_started_ahead_runs_the_first_unit(units, local_pool, monkeypatch):
    from harness.grading import pool as module
    from tests.grading import units_for_pools

    monkeypatch.setattr(module, "run_unit", units_for_pools.say_who)
    local_pool.warm_up(1)
    (ahead,) = workers(local_pool)
    local_pool.warm_up(1)
    assert local_pool.free() == 2
    assert local_pool.submit(units[0]).result(timeout=300) == str(ahead)
    assert workers(local_pool) == [ahead]


def test_no_more_workers_are_started_ahead_than_there_are_to_be(local_pool):
    local_pool.warm_up(5)
    assert len(workers(local_pool)) == 2


def test_a_worker_that_was_started_ahead_and_died_is_replaced(units, local_pool, monkeypatch):
    from harness.grading import pool as module
    from tests.grading import units_for_pools

    monkeypatch.setattr(module, "run_unit", units_for_pools.say_who)
    local_pool.warm_up(1)
    (ahead,) = workers(local_pool)
    os.kill(ahead, signal.SIGKILL)
    while not local_pool._slots[0]._broken:  # until its executor has heard of it
        time.sleep(0.01)
    assert local_pool.submit(units[0]).result(timeout=300) not in (str(ahead), str(os.getpid()))


def test_a_pool_starts_a_worker_before_anything_heavy_is_imported():
    code = "import sys, harness.grading.check_command; print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "harness.grading.pool" in loaded
    assert not loaded & {"numpy", "harness.checks.registry", "harness.grading.units"}


def test_a_pool_holds_back_the_threads_that_a_submission_may_not_have():
    from harness.grading import pool
    from harness.session import process

    assert pool.THREAD_VARIABLES == process.THREAD_VARIABLES


def test_the_folder_of_a_grading_is_there_as_long_as_somebody_lives_who_will_remove_it(
    units, local_pool, monkeypatch, tmp_path
):
    from harness.grading import pool as module
    from tests.grading import units_for_pools

    monkeypatch.setattr(module, "run_unit", units_for_pools.say_who)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = set(tmp_path.iterdir())
    local_pool._slots[0] = local_pool._start()
    assert set(tmp_path.iterdir()) == before  # no worker yet: if this process were killed now, it would stay
    local_pool.submit(units[0]).result(timeout=300)
    (folder,) = set(tmp_path.iterdir()) - before
    assert stat.S_IMODE(folder.stat().st_mode) == 0o711
    local_pool.stop(at_once=False)
    assert set(tmp_path.iterdir()) == before


def test_the_folder_of_a_grading_goes_before_its_workers(units, local_pool, monkeypatch, tmp_path):
    from harness.grading import pool as module
    from tests.grading import units_for_pools

    monkeypatch.setattr(module, "run_unit", units_for_pools.say_who)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    local_pool.submit(units[0]).result(timeout=300)
    there = []
    executor = next(slot for slot in local_pool._slots if slot is not None)
    shutdown = executor.shutdown
    monkeypatch.setattr(
        executor, "shutdown", lambda **how: (there.append(local_pool._folder.exists()), shutdown(**how))
    )
    assert local_pool._folder.exists()
    local_pool.stop(at_once=False)  # a grader that is killed after it has nobody left to remove the folder
    assert there == [False]


def workers(pool):
    return [pid for slot in pool._slots if slot is not None for pid in slot._processes]
