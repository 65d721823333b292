"""Jobs on a pool of worker processes, one BLAS thread each, with the time left."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from harness.calibration.runs import Run, describe_key
from harness.calibration.train import Job, run_job
from harness.denormals import flush_denormals
from harness.errors import BackcheckError
from harness.threads import THREAD_VARIABLES


def run_jobs(jobs: Sequence[Job], *, processes: int, keep: Callable[[Run], None]) -> None:
    """Train every job and hand each run to ``keep``, in this process, as soon as it ends.

    The first error ends it: runs that wait are not started, and BackcheckError names the job that failed.
    """
    if not jobs:
        return
    # spawn, not fork: a BLAS reads its settings once, and its threads do not survive a fork
    context = multiprocessing.get_context("spawn")
    with (
        _children_on_one_thread(),
        ProcessPoolExecutor(min(processes, len(jobs)), context, initializer=_prepare) as pool,
    ):
        waiting = {pool.submit(run_job, job): job for job in jobs}
        try:
            for future in as_completed(waiting):
                job = waiting[future]
                try:
                    run = future.result()
                except BrokenProcessPool as error:
                    raise BackcheckError(
                        "a worker process was killed, perhaps for want of memory: what was finished is kept; "
                        "run the same command again, with fewer --jobs"
                    ) from error
                except Exception as error:
                    raise BackcheckError(
                        f"{describe_key(job.key)}: training {job.reference_file} failed: "
                        f"{type(error).__name__}: {error}; what was finished is kept"
                    ) from error
                keep(run)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _prepare() -> None:
    """In a worker: end on Ctrl-C without a traceback, since the parent speaks for all; flush denormals."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    flush_denormals()


@contextmanager
def _children_on_one_thread() -> Iterator[None]:
    """Set the variables from which a child's BLAS takes its number of threads; put them back afterwards."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class Progress:
    """One line for each finished run, with the time that the rest will take at the pace so far."""

    def __init__(
        self, jobs: Sequence[Job], say: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._work = {job.key: job.work for job in jobs}
        self._done = 0
        self._runs = 0
        self._clock, self._start = clock, clock()
        self._say = say

    def finished(self, run: Run) -> None:
        """Say that a run ended."""
        self._runs += 1
        self._done += self._work[run.key]
        left = (self._clock() - self._start) * (sum(self._work.values()) / self._done - 1)
        self._say(
            f"[{self._runs}/{len(self._work)}] {describe_key(run.key)}: {run.test_accuracy:.2f} % "
            f"in {run.seconds:.1f} s; {duration(left)} left"
        )


def duration(seconds: float) -> str:
    """Seconds in the unit that fits: 40 s, 12 min, 2 h 05 min."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"
