"""Where units run: worker processes of this machine, one BLAS thread each, one unit at a time.

Each worker is a pool of one, so that a worker that dies takes its own unit with it and no other.
Importing this module loads nothing heavy, so that a worker can be started before all else.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from harness.sandbox.remains import private_folder
from harness.sandbox.usage import kill_tree
from harness.threads import THREAD_VARIABLES

if TYPE_CHECKING:
    from harness.grading.units import Outcome, Unit

LAST_ROUNDS = 500  # of ending and removing, once the grader is gone
WATCH_SECONDS = 0.2  # between two looks of a worker at whether its grader still lives


class LostWorkerError(Exception):
    """A worker process ended while it ran a unit."""


class Pool(Protocol):
    """Runs units elsewhere; as many at a time as ``free`` says."""

    def free(self) -> int:
        """Return how many more units can be started now."""

    def submit(self, unit: Unit) -> Future[Outcome]:
        """Start a unit. The future raises LostWorkerError if what ran it ended."""

    def stop(self, *, at_once: bool) -> None:
        """End the workers; ``at_once`` does not wait for what they run."""


class LocalPool:
    """Worker processes of this machine, started when they are first needed."""

    def __init__(self, jobs: int | None = None) -> None:
        self._slots: list[ProcessPoolExecutor | None] = [None] * (jobs or os.cpu_count() or 1)
        self._running: dict[Future[Outcome], int] = {}
        self._folder: Path | None = None

    def warm_up(self, count: int) -> None:
        """Start so many workers at most; they import what units need while this process does other things."""
        for slot, executor in enumerate(self._slots[:count]):
            if executor is None:
                self._slots[slot] = started = self._start()
                with _sigint_held():
                    started.submit(_warm_up)

    def free(self) -> int:
        """Return how many workers have nothing to do."""
        return len(self._slots) - len(self._busy())

    def submit(self, unit: Unit) -> Future[Outcome]:
        """Give a unit to a worker that has nothing to do; there must be one."""
        busy = self._busy()
        slot = next(index for index in range(len(self._slots)) if index not in busy)
        executor = self._slots[slot] or self._start()
        self._slots[slot] = executor
        with _sigint_held():
            try:
                inner = executor.submit(run_unit, unit)
            except BrokenExecutor:  # its process died, with the last unit or since
                executor.shutdown(wait=False)
                executor = self._slots[slot] = self._start()
                inner = executor.submit(run_unit, unit)
        outer: Future[Outcome] = Future()
        self._running[outer] = slot
        inner.add_done_callback(lambda done: _hand_over(done, outer))
        return outer

    def stop(self, *, at_once: bool) -> None:
        """End the workers and remove their folder; with ``at_once`` also what they run."""
        executors = [executor for executor in self._slots if executor is not None]
        self._slots = [None] * len(self._slots)
        if not at_once:
            # While the workers live: should this process be killed now, they remove what is left.
            self._remove_folder()
        for executor in executors:
            # The processes' numbers are not public, and a worker that is at work hears nothing else.
            for pid in list(executor._processes or ()) if at_once else ():
                kill_tree(pid)
            executor.shutdown(wait=not at_once, cancel_futures=True)
        self._remove_folder()

    def _remove_folder(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _busy(self) -> set[int]:
        self._running = {future: slot for future, slot in self._running.items() if not future.done()}
        return set(self._running.values())

    def _start(self) -> ProcessPoolExecutor:
        if self._folder is None:
            # Made by its workers: a grader that is killed before it has one leaves nothing behind.
            self._folder = private_folder("grading")
        # Set before NumPy is imported there. Spawned, not forked: the grader may hold threads.
        for name in THREAD_VARIABLES:
            os.environ.setdefault(name, "1")
        # Else a spawned Python looks for modules in the current folder, where somebody's socket.py may be.
        os.environ["PYTHONSAFEPATH"] = "1"
        context = multiprocessing.get_context("spawn")
        arguments = (os.getpid(), str(self._folder))
        return ProcessPoolExecutor(1, mp_context=context, initializer=_settle_in, initargs=arguments)


def run_unit(unit: Unit) -> Outcome:
    """Run a unit in the worker."""
    from harness.grading import units

    return units.run_unit(unit)


def _warm_up() -> None:
    from harness.sandbox.backend import choose

    choose(trust=True)  # asks the machine for its walls, and remembers
    importlib.import_module("harness.grading.units")
    # What only some checks need arrives while the unit waits for its submission's process to start.
    threading.Thread(target=_import_the_rest, daemon=True).start()


def _import_the_rest() -> None:
    for name in ("hypothesis", "scipy.special"):
        importlib.import_module(name)


def _hand_over(done: Future[Outcome], outer: Future[Outcome]) -> None:
    """Called in the executor's own thread when a unit ends, or its worker does."""
    error: BaseException | None = LostWorkerError("stopped") if done.cancelled() else done.exception()
    if error is None:
        outer.set_result(done.result())
    elif isinstance(error, BrokenExecutor):
        outer.set_exception(LostWorkerError("its worker process ended"))
    else:
        outer.set_exception(error)


@contextmanager
def _sigint_held() -> Iterator[None]:
    """A worker that starts within is born deaf to Ctrl-C; this process hears of one afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _settle_in(grader: int, folder: str) -> None:
    """Prepare a worker: deaf to Ctrl-C, which is the grader's to answer, and never outliving the grader."""
    signal.signal(signal.SIGINT, lambda number, frame: None)  # not SIG_IGN, which submissions would inherit
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    Path(folder).mkdir(exist_ok=True)
    Path(folder).chmod(0o711)  # a submission that runs as a user of its own passes through it
    tempfile.tempdir = folder
    threading.Thread(target=_watch, args=(grader, folder), daemon=True).start()


def _watch(grader: int, folder: str) -> None:
    while os.getppid() == grader:
        time.sleep(WATCH_SECONDS)
    _clear_up(folder)
    os._exit(1)


def _clear_up(folder: str) -> None:
    """The grader was killed: end the submission under way, and remove what it wrote.

    Until the folder is gone the main thread, whose submission just ended, may start another in it;
    afterwards it cannot.
    """
    for _ in range(LAST_ROUNDS):
        _end_children()
        shutil.rmtree(folder, ignore_errors=True)
        if not Path(folder).exists():
            break
        time.sleep(0.01)
    _end_children()


def _end_children() -> None:
    with suppress(OSError):
        for task in os.listdir("/proc/self/task"):
            for child in Path(f"/proc/self/task/{task}/children").read_text().split():
                kill_tree(int(child))
