"""Units on the workers of a Dask cluster: the pool of ``--dask ADDRESS``.

Grader, scheduler and workers are one party that trusts itself (Dask's messages are pickles); submissions run
in the sandbox on whichever worker their unit comes to. Dask gives a unit whose worker is lost to another one.
"""

from __future__ import annotations

import importlib
import time
import warnings
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from harness.errors import BackcheckError, UsageError
from harness.grading.outcomes import decode
from harness.grading.parcel import disagreement, facts_here, pack, run_parcel
from harness.grading.pool import LostWorkerError
from harness.grading.units import Outcome, Settings, Unit

CONNECT_SECONDS = 20.0
COUNT_SECONDS = 2.0  # between two counts of the workers, which may come and go


class DaskPool:
    """Runs as many units at a time as the cluster has workers; all of them must have what this machine has.

    UsageError if no scheduler answers at the address, it has no workers, or a worker has other versions.
    """

    def __init__(self, address: str, settings: Settings) -> None:
        try:
            distributed: Any = importlib.import_module("distributed")
        except ImportError:
            raise UsageError("--dask needs Dask: install it with `pip install 'backcheck[dask]'`") from None
        self._address = address
        try:
            self._client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(
                f"--dask {address}: no Dask scheduler answers there ({error}): start one with "
                f"`dask scheduler`, and name the address that it prints"
            ) from None
        self._running: dict[Future[Outcome], Any] = {}
        self._counted = (0, float("-inf"))
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
            self._compare(settings)
        except TimeoutError:
            self._client.close()
            raise UsageError(
                f"--dask {address}: the scheduler has no workers: start some with "
                f"`dask worker {address} --nthreads 1`"
            ) from None
        except BaseException:
            self._client.close()
            raise

    def free(self) -> int:
        """Return how many workers have nothing to do. Raises BackcheckError once the scheduler is gone."""
        self._running = {outer: inner for outer, inner in self._running.items() if not outer.done()}
        if self._client.status != "running":
            raise BackcheckError(
                f"--dask {self._address}: the scheduler does not answer any more; what was finished is kept: "
                f"start it again, and run the same command to go on"
            )
        count, at = self._counted
        if time.monotonic() - at > COUNT_SECONDS:
            count = len(self._client.nthreads())
            self._counted = (count, time.monotonic())
        return max(0, count - len(self._running))

    def submit(self, unit: Unit) -> Future[Outcome]:
        """Send a unit. Its future raises LostWorkerError if the workers that had it were lost, one by one."""
        outer: Future[Outcome] = Future()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sending large graph")  # a notebook with pictures
            inner = self._client.submit(run_parcel, pack(unit), pure=False)
        self._running[outer] = inner  # a Dask future that nobody holds is cancelled
        inner.add_done_callback(lambda done: _hand_over(done, outer))
        return outer

    def stop(self, *, at_once: bool) -> None:
        """Take back what is not finished, and leave the cluster as it was."""
        with suppress(Exception):  # it may be the cluster that failed
            if at_once and self._running:
                self._client.cancel(list(self._running.values()), force=True)
            self._client.close(timeout=CONNECT_SECONDS)

    def _compare(self, settings: Settings) -> None:
        ours = facts_here(settings)
        for worker, theirs in self._client.run(facts_here, settings).items():
            differs = disagreement(ours, theirs)
            if differs is not None:
                raise UsageError(f"--dask {self._address}: worker {worker}: {differs}")


def _hand_over(done: Any, outer: Future[Outcome]) -> None:
    """Called in a thread of Dask's when a unit ends, or cannot."""
    from distributed import KilledWorker

    try:
        if done.status == "finished":
            outer.set_result(decode(done.result()))
            return
        error = done.exception() if done.status == "error" else None
        if error is None or isinstance(error, KilledWorker):
            error = LostWorkerError("the Dask worker that ran it was lost")
        outer.set_exception(error)
    # Whatever went wrong, the grading must hear of it: it waits for this future.
    except Exception as error:
        if not outer.done():
            outer.set_exception(error)
