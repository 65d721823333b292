"""Jobs on a pool of worker processes, one BLAS thread each, with the time left."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager

from harness.calibration.runs import Run, describe_key
from harness.calibration.train import Job, run_job

_THREAD_SETTINGS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def run_jobs(jobs: Sequence[Job], *, processes: int, keep: Callable[[Run], None]) -> None:
    """Train every job and hand each run to ``keep``, in this process, as soon as it ends.

    The first error ends it: runs that wait are not started, and the error is raised here.
    """
    if not jobs:
        return
    # spawn, not fork: a BLAS reads its settings once, and its threads do not survive a fork
    context = multiprocessing.get_context("spawn")
    with (
        _children_on_one_thread(),
        ProcessPoolExecutor(min(processes, len(jobs)), mp_context=context) as pool,
    ):
        futures = [pool.submit(run_job, job) for job in jobs]
        try:
            for future in as_completed(futures):
                keep(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _children_on_one_thread() -> Iterator[None]:
    """Set the variables from which a child's BLAS takes its number of threads; put them back afterwards."""
    before = {name: os.environ.get(name) for name in _THREAD_SETTINGS}
    os.environ.update(dict.fromkeys(_THREAD_SETTINGS, "1"))
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

    def __init__(self, jobs: Sequence[Job], say: Callable[[str], None]) -> None:
        self._work = {job.key: job.work for job in jobs}
        self._total = sum(self._work.values())
        self._done = 0
        self._runs = 0
        self._start = time.monotonic()
        self._say = say

    def finished(self, run: Run) -> None:
        """Say that a run ended."""
        self._runs += 1
        self._done += self._work[run.key]
        left = (time.monotonic() - self._start) * (self._total - self._done) / self._done
        self._say(
            f"[{self._runs}/{len(self._work)}] {describe_key(run.key)}: {run.test_accuracy:.2f} % "
            f"in {run.seconds:.1f} s; {duration(left)} left"
        )


def duration(seconds: float) -> str:
    """Seconds in the unit that fits: 40 s, 12 min, 1 h 05 min."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"
