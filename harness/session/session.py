"""A submission as the checks see it: models with the contract's verbs, answered by a process that may die
and be replaced.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.errors import SubmissionChangedError
from harness.records import Status
from harness.sandbox.backend import Backend
from harness.sandbox.remains import private_folder, remove_tree
from harness.session.faults import SubmissionFault, clean
from harness.session.process import Limits, Process
from harness.submission import Submission

Array = NDArray[Any]
CALL_SECONDS_AT_MOST = 120.0
LEAST_WEIGHTS, MOST_WEIGHTS = 2_000, 10_000_000  # of a network whose initialisation tells anything
BUSY_FACTOR = 2.0  # times its budget that a submission may last: other work shares the cores
KEPT_SETS = 4  # lists of weights that the worker keeps, since checks come back to the same networks
ANSWER_SLACK = 1 << 20  # bytes beyond what a right answer needs, so that a wrong shape is seen and named


@dataclass(frozen=True, kw_only=True)
class History:
    """What ``fit`` returned: named series, one value an epoch (or as the submission pleases)."""

    series: Mapping[str, NDArray[np.float64]]
    mutated: tuple[int, ...] = ()


class Session:
    """Runs one submission; starts a process when one is needed and remembers a fault in loading for good."""

    def __init__(
        self,
        submission: Submission,
        *,
        backend: Backend,
        limits: Limits,
        budget_seconds: float = float("inf"),
    ) -> None:
        self.submission = submission
        self.backend = backend
        own = submission.manifest.time_limit
        # Slow code may ask for more time a call; the submission's whole time is bounded all the same.
        self.limits = limits if own is None else replace(limits, call_seconds=min(own, CALL_SECONDS_AT_MOST))
        self.notes: tuple[str, ...] = ()
        self.starts = 0
        self.seconds_in_submission = 0.0
        self._start = time.monotonic()
        self._budget = budget_seconds
        self._ended_cpu_seconds = 0.0  # processor time of the processes before the present one
        self._process: Process | None = None
        self._folder: Path | None = None
        self._copy: Submission | None = None
        self._load_fault: SubmissionFault | SubmissionChangedError | None = None
        self.memory_order: Literal["C", "F"] = "C"  # of the arrays that the submission is given
        self.refills = False  # whether new rows come in the array of the rows before, where they fit in it
        self.shapes: dict[tuple[int, ...], list[tuple[int, ...]]] = {}  # get_weights' first answer, by sizes
        self._kept: dict[int, list[Array]] = {}  # what the worker still has, the latest used last
        self._due: tuple[int, list[Array]] | None = None
        self._slots = 0

    def build(
        self, layer_sizes: Sequence[int], activation: str, seed: int, *, seconds: float | None = None
    ) -> Model:
        """Build a model in the worker; raises SubmissionFault."""
        self._slots = (self._slots + 1) % 4  # old slots are overwritten, so that memory stays bounded
        header = {"layer_sizes": list(layer_sizes), "activation": activation, "seed": seed}
        answer, _ = self.call("build", {**header, "slot": self._slots}, (), bytes_limit=0, seconds=seconds)
        verbs = answer.get("verbs")
        known = frozenset(str(verb) for verb in verbs) if isinstance(verbs, list) else frozenset()
        said = self.submission.manifest
        # Only where a manifest says how to build: a bare file has no sizes but those that it is asked for.
        described = said.constructor or said.weights or said.functions
        own = _own_sizes(answer.get("own_sizes")) if described else None
        return Model(self, self._slots, tuple(layer_sizes), activation, known, self.starts, own)

    def call(
        self,
        op: str,
        header: Mapping[str, Any],
        arrays: Sequence[Array],
        *,
        bytes_limit: int,
        seconds: float | None = None,
    ) -> tuple[dict[str, Any], list[Array]]:
        """Ask the worker for one verb, within what is left of the submission's time.

        Weights that were set and not used yet travel in the same frame, and are set first.
        """
        limit = self.limits.call_seconds if seconds is None else seconds
        left = self._left(limit)
        if left <= 0:
            message = f"the submission used up its {self._budget:.0f} s; this was not tried"
            raise SubmissionFault(Status.TIMEOUT, message, spent=True)
        process = self._ready()
        due, self._due = self._due, None
        first, sent = ({}, []) if due is None else self._packed(*due)
        more: dict[str, Any] = {"first": first} if first else {}
        if self.memory_order == "F":
            more["order"] = "F"
        if self.refills:
            more["refill"] = True
        start = time.monotonic()
        try:
            return process.call(
                op,
                {**header, **more},
                [*sent, *arrays],
                bytes_limit=bytes_limit,
                seconds=min(limit, left),
            )
        except SubmissionFault as fault:
            self._kept = {}  # what the worker has now is unknown
            if fault.status is Status.TIMEOUT and left < limit:
                message = f"the submission used up its {self._budget:.0f} s in {op}"
                raise SubmissionFault(fault.status, message, fault.detail, fatal=fault.fatal) from None
            raise
        finally:
            self.seconds_in_submission += time.monotonic() - start

    def _left(self, wanted: float) -> float:
        """The seconds that are left of the submission's time; exact where they are fewer than ``wanted``.

        Where other work shares the cores, the processor's time counts instead of the clock's: a right
        submission must not fail for waiting its turn. One that sleeps gets no more than twice its time.
        """
        waited = time.monotonic() - self._start
        if self._budget - waited >= wanted:
            return self._budget - waited
        used = self._ended_cpu_seconds + (0.0 if self._process is None else self._process.cpu_seconds())
        return self._budget - max(used, waited / BUSY_FACTOR)

    def set_weights(self, slot: int, weights: Sequence[Array]) -> None:
        """Give a model new weights, with the next question: a fault in taking them is raised there."""
        self.settle()
        self._ready()
        self._due = slot, list(weights)

    def settle(self) -> None:
        """Set the weights that wait for a question; raises SubmissionFault."""
        if self._due is not None:
            self.call("settle", {}, (), bytes_limit=0)

    def _packed(self, slot: int, weights: list[Array]) -> tuple[dict[str, Any], list[Array]]:
        """The frame's part that sets weights, and the tensors that the worker does not have."""

        alike = {
            index: [w is b for w, b in zip(weights, base)]
            for index, base in self._kept.items()
            if len(base) == len(weights)
        }
        base = max(alike, key=lambda index: sum(alike[index]), default=None)
        changed = [i for i in range(len(weights)) if base is None or not alike[base][i]]
        # Where they are kept: in their own place, in a new one, or in that of those not used for longest.
        into = base if not changed else len(self._kept)
        if into is None or into == KEPT_SETS:
            into = next(iter(self._kept))
        self._kept.pop(into, None)
        self._kept[into] = weights
        first = {"slot": slot, "count": len(weights), "indices": changed, "base": base, "into": into}
        return first, [weights[i] for i in changed]

    def restart(self) -> None:
        """End the process; the next call starts a new one."""
        if self._process is not None:
            self._process.close()
            self._ended_cpu_seconds += self._process.cpu_seconds()
        self._process = None
        self._kept, self._due = {}, None

    def holds(self, start: int) -> bool:
        """Whether the process that was started as the ``start``-th still runs, with the models in it."""
        return start == self.starts and self._process is not None and self._process.alive

    def close(self) -> None:
        """End the process for good."""
        self.restart()
        self._copy = None
        if self._folder is not None:
            remove_tree(self._folder)
            self._folder = None

    def output(self) -> str:
        """The end of what the submission printed."""
        return clean(self._process.output.decode("utf-8", "replace"), 4000) if self._process else ""

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ready(self) -> Process:
        if self._load_fault is not None:
            raise self._load_fault
        if self._process is not None and self._process.alive:
            return self._process
        self.restart()
        submission = self.submission
        if submission.problem is not None:
            self._load_fault = SubmissionFault(Status.ERROR, submission.problem)
            raise self._load_fault
        self.starts += 1
        try:
            files = self._files()
            self._process = Process(
                entry=files.entry,
                folder=files.folder,
                manifest=submission.manifest.to_json(),
                packages=submission.packages,
                backend=self.backend,
                limits=self.limits,
            )
        except (SubmissionFault, SubmissionChangedError) as fault:
            self._load_fault = fault
            raise
        self.notes = self._process.notes
        return self._process

    def _files(self) -> Submission:
        """The submission in a private copy: all of its processes load the same, whatever its author saves
        meanwhile, and none sees a file that its digest does not name, such as bytecode of another source.
        """
        if self._copy is None:
            self._folder = private_folder("copy")
            self._folder.mkdir()
            self._folder.chmod(0o711)  # a submission that runs as a user of its own passes through it
            self._copy = self.submission.copied(self._folder)
        return self._copy


class Model:
    """One built network in the worker. Every array that comes back is a plain ndarray of real numbers."""

    def __init__(
        self,
        session: Session,
        slot: int,
        layer_sizes: tuple[int, ...],
        activation: str,
        verbs: frozenset[str],
        start: int,
        own_sizes: tuple[int, ...] | None = None,
    ) -> None:
        self.session = session
        self.slot = slot
        self.layer_sizes = layer_sizes
        self.activation = activation
        self.verbs = verbs
        self._start = start
        self.own_sizes = own_sizes  # what is written down, where the weights of other sizes are not its own
        self._parameters = sum(i * o + o for i, o in pairwise(layer_sizes))

    def get_weights(self) -> list[Array]:
        """Return ``[W1, b1, ...]`` as the submission gives them, in the same shapes each time."""
        weights = self._call("get_weights", (), self._parameters)[1]
        shapes = [w.shape for w in weights]
        first = self.session.shapes.setdefault(self.layer_sizes, shapes)
        if shapes != first:
            message = f"get_weights answered with the shapes {first}, and later with {shapes}"
            raise SubmissionFault(Status.ERROR, message)
        return weights

    def set_weights(self, weights: Sequence[Array]) -> None:
        """Give the model new weights."""
        self._require("set_weights")
        self.session.set_weights(self.slot, weights)

    def predict_proba(self, X: Array, *, seconds: float | None = None) -> Array:
        """Return what ``predict_proba`` answers for ``X`` (n, features)."""
        count = len(X) * self.layer_sizes[-1]
        values = self._call("predict_proba", (X,), count, seconds=seconds)[1]
        return self._one(values, "predict_proba")

    def loss_and_gradients(self, X: Array, y: Array) -> tuple[float, list[Array]]:
        """Return the loss and the gradients that the submission computes for ``X`` (n, features), ``y``
        (n,).
        """
        values = self._call("loss_and_gradients", (X, y), self._parameters + 1)[1]
        if not values or values[0].size != 1:
            shape = values[0].shape if values else ()
            message = f"the loss should be one number, found an array of shape {shape}"
            raise SubmissionFault(Status.ERROR, message)
        return float(values[0].reshape(())), values[1:]

    def mutated(self, verb: str, *arrays: Array) -> tuple[int, ...]:
        """Ask ``verb`` about arrays; return which of them it changed in place, counted from 0."""
        count = len(arrays[0]) * self.layer_sizes[-1] + self._parameters + 1
        return _changed(self._call(verb, arrays, count, {"watch_inputs": True})[0])

    def fit(
        self, X: Array, y: Array, *, seconds: float | None = None, watch: bool = False, **options: Any
    ) -> History:
        """Train in place; ``options`` are those of the contract's ``fit``."""
        header = {"options": options, "watch_inputs": watch}
        answer, values = self._call("fit", (X, y), 2_000_000, header, seconds=seconds)
        names = answer.get("history")
        names = [str(n) for n in names] if isinstance(names, list) else []
        series = {n: v.astype(np.float64).reshape(-1) for n, v in zip(names, values)}
        return History(series=series, mutated=_changed(answer))

    def _one(self, values: list[Array], verb: str) -> Array:
        if len(values) != 1:
            raise SubmissionFault(Status.ERROR, f"{verb} should answer with one array, found {len(values)}")
        return values[0]

    def _require(self, verb: str) -> None:
        if not self.session.holds(self._start):
            raise SubmissionFault(Status.CRASHED, "the process that held this model has ended")
        if verb not in self.verbs:
            raise SubmissionFault(Status.NOT_PROVIDED, f"{verb} is not provided")

    def _call(
        self,
        verb: str,
        arrays: Sequence[Array],
        numbers: int,
        header: Mapping[str, Any] | None = None,
        *,
        seconds: float | None = None,
    ) -> tuple[dict[str, Any], list[Array]]:
        self._require(verb)
        limit = 2 * 8 * numbers + ANSWER_SLACK
        return self.session.call(
            verb,
            {**(header or {}), "slot": self.slot},
            [np.asarray(a) for a in arrays],
            bytes_limit=limit,
            seconds=seconds,
        )


def _changed(answer: Mapping[str, Any]) -> tuple[int, ...]:
    """Which arrays the worker says were changed, by their places."""
    mutated = answer.get("mutated")
    return tuple(i for i in mutated if isinstance(i, int)) if isinstance(mutated, list) else ()


def _own_sizes(claimed: Any) -> tuple[int, ...] | None:
    """Sizes that the worker names, where they can be those of a network large enough to be judged by."""
    if not isinstance(claimed, list) or not 2 <= len(claimed) <= 12:
        return None
    if not all(type(size) is int and 1 <= size <= 10_000 for size in claimed):
        return None
    weights = [i * o for i, o in pairwise(claimed)]
    return tuple(claimed) if LEAST_WEIGHTS <= sum(weights) <= MOST_WEIGHTS else None
