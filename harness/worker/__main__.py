"""The worker's server loop: ``python -I -m harness.worker FD`` answers frames on an inherited socket until
it closes.

The first frame says which walls to raise and what to load. Walls stand before any line of the submission
runs. Whatever the submission raises is answered as a frame; the grader decides what it means.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from harness import wire
from harness.denormals import flush_denormals
from harness.worker.faults import describe
from harness.worker.loading import Loaded, load_submission, offered

REQUEST_LIMIT = 4 << 30  # bytes: the grader is trusted, this only bounds a broken channel
KEPT_BYTES = 1 << 20  # of rows that may be asked about again: a test set is neither kept nor compared
ABSENT = object()


class Server:
    """One submission, its models by slot number, and the verbs of the contract."""

    def __init__(self, entry: str, manifest: Mapping[str, Any]) -> None:
        self.entry = entry
        self.loaded: Loaded = load_submission(entry, dict(manifest))
        self.models: dict[int, Any] = {}
        self.kept: dict[int, list[wire.Array]] = {}
        self.last_X: wire.Array | None = None

    def answer(
        self, header: dict[str, Any], arrays: list[wire.Array]
    ) -> tuple[dict[str, Any], list[wire.Array]]:
        """Run one verb and return the answer's header and arrays."""
        verb: Callable[..., tuple[dict[str, Any], list[wire.Array]]] | None = getattr(
            self, f"do_{header.get('op')}", None
        )
        if verb is None:
            raise wire.FrameError(f"no verb {header.get('op')!r}")
        if first := header.get("first"):
            count = len(first["indices"])
            answer, values = self._set_weights(first, arrays[:count], header.get("order", "C"))
            if "error" in answer:
                return {**answer, "in": "set_weights"}, values
            arrays = arrays[count:]
        if header.get("order") == "F":
            arrays = [np.asfortranarray(array) for array in arrays]
        before = []
        if header.get("watch_inputs"):
            self.last_X = None  # it is these arrays that the submission is to be given
            before = [array.tobytes() for array in arrays]
        answer, values = verb(header, arrays)
        if before:
            answer["mutated"] = [i for i, old in enumerate(before) if arrays[i].tobytes() != old]
        return answer, values

    def do_build(
        self, header: dict[str, Any], _: list[wire.Array]
    ) -> tuple[dict[str, Any], list[wire.Array]]:
        """Build a model in a slot and say which verbs it has."""
        if self.loaded.build is None:
            return _not_provided("build")
        model = self.loaded.build(list(header["layer_sizes"]), header["activation"], header["seed"])
        self.models[header["slot"]] = model
        answer: dict[str, Any] = {"verbs": offered(model)}
        if isinstance(model, types.SimpleNamespace) and getattr(model, "own_sizes", None):
            answer["own_sizes"] = model.own_sizes
        return answer, []

    def do_get_weights(
        self, header: dict[str, Any], _: list[wire.Array]
    ) -> tuple[dict[str, Any], list[wire.Array]]:
        """Return the model's weights."""
        verb = self._verb(header, "get_weights")
        return _not_provided("get_weights") if verb is ABSENT else _values("get_weights()", verb())

    def do_settle(self, _: dict[str, Any], __: list[wire.Array]) -> tuple[dict[str, Any], list[wire.Array]]:
        """Nothing more than what every frame may bring: weights to set first."""
        return {}, []

    def _set_weights(
        self, first: dict[str, Any], arrays: list[wire.Array], order: Literal["C", "F"]
    ) -> tuple[dict[str, Any], list[wire.Array]]:
        """Give the model weights; tensors of a list that is kept here need not travel again."""
        base = self.kept.get(first["base"], [])
        weights: list[wire.Array] = base[:] if len(base) == first["count"] else [np.empty(0)] * first["count"]
        for index, array in zip(first["indices"], arrays, strict=True):
            weights[index] = array
        self.kept[first["into"]] = weights
        try:
            verb = self._verb(first, "set_weights")
            if verb is ABSENT:
                return _not_provided("set_weights")
            # Copies: a submission may keep what it is given and train it in place.
            verb([array.copy(order=order) for array in weights])
        except BaseException as error:
            return {"error": describe(error, self.entry)}, []
        return {}, []

    def do_predict_proba(
        self, header: dict[str, Any], arrays: list[wire.Array]
    ) -> tuple[dict[str, Any], list[wire.Array]]:
        """Return class probabilities for the rows of X."""
        verb = self._verb(header, "predict_proba")
        return (
            _not_provided("predict_proba")
            if verb is ABSENT
            else _values("predict_proba(X)", [verb(self._rows(header, arrays[0]))])
        )

    def do_loss_and_gradients(
        self, header: dict[str, Any], arrays: list[wire.Array]
    ) -> tuple[dict[str, Any], list[wire.Array]]:
        """Return the loss (0-d, first) and the gradients."""
        verb = self._verb(header, "loss_and_gradients")
        if verb is ABSENT:
            return _not_provided("loss_and_gradients")
        answer = verb(self._rows(header, arrays[0]), arrays[1])
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            return _foreign("loss_and_gradients(X, y)", "a pair (loss, gradients)", answer)
        loss, gradients = answer
        header_loss, loss_values = _values("the loss of loss_and_gradients(X, y)", [loss])
        if "error" in header_loss:
            return header_loss, []
        header_gradients, values = _values("the gradients of loss_and_gradients(X, y)", gradients)
        return header_gradients, [*loss_values, *values] if values else []

    def do_fit(
        self, header: dict[str, Any], arrays: list[wire.Array]
    ) -> tuple[dict[str, Any], list[wire.Array]]:
        """Train in place and return what history the submission returns, as named arrays."""
        verb = self._verb(header, "fit")
        if verb is ABSENT:
            return _not_provided("fit")
        history = verb(arrays[0], arrays[1], **header["options"])
        names: list[str] = []
        values: list[wire.Array] = []
        if isinstance(history, Mapping):
            for name, series in list(history.items())[:20]:
                with contextlib.suppress(Exception):
                    array = np.array(series, dtype=np.float64).reshape(-1)[:100_000]
                    names.append(str(name)[:40])
                    values.append(array)
        return {"history": names, "history_type": type(history).__name__[:40]}, values

    def _rows(self, header: dict[str, Any], X: wire.Array) -> wire.Array:
        if X.nbytes > KEPT_BYTES:
            return X
        self.last_X = same_array(self.last_X, X, refill="refill" in header)
        return self.last_X

    def _verb(self, header: dict[str, Any], name: str) -> Any:
        return getattr(self.models[header["slot"]], name, ABSENT)


def same_array(last: wire.Array | None, X: wire.Array, *, refill: bool) -> wire.Array:
    """The array of the question before where it holds the same rows, as people ask again with theirs; to
    ``refill``, also where it holds others, which these replace.

    A submission that knows its input by identity would otherwise meet a new one each time.
    """
    if last is None or (last.dtype, last.shape, last.strides) != (X.dtype, X.shape, X.strides):
        return X
    if refill and last.flags.writeable:  # a submission may lock what it keeps
        last[...] = X
    return last if np.array_equal(last, X) else X


def _not_provided(verb: str, reason: str = "") -> tuple[dict[str, Any], list[wire.Array]]:
    return {"error": {"kind": "not_provided", "type": verb, "message": reason}}, []


def _foreign(where: str, expected: str, found: object) -> tuple[dict[str, Any], list[wire.Array]]:
    message = f"{where} should return {expected}, it returned {_kind(found)}"
    return {"error": {"kind": "foreign", "type": "", "message": message}}, []


def _kind(value: object) -> str:
    shape = getattr(value, "shape", None)
    dtype = getattr(value, "dtype", None)
    name = type(value).__name__
    if shape is not None and dtype is not None:
        return f"{name} of dtype {dtype} and shape {tuple(shape)}"
    if isinstance(value, (list, tuple, dict, str)):
        return f"{name} of length {len(value)}"
    return "None" if value is None else name


def _values(where: str, values: object) -> tuple[dict[str, Any], list[wire.Array]]:
    """Turn what a verb returned into plain arrays, or say what it was instead."""
    if isinstance(values, np.ndarray) and values.dtype != object:
        return _foreign(where, "a list of arrays", values)
    if not isinstance(values, Sequence) and not isinstance(values, np.ndarray):
        return _foreign(where, "a list of arrays", values)
    plain: list[wire.Array] = []
    for index, value in enumerate(values):
        detached = value.detach().cpu() if hasattr(value, "detach") else value
        try:
            array = np.array(detached)
        except Exception:
            return _foreign(f"{where}, item {index},", "an array of numbers", value)
        if array.dtype.newbyteorder("<").str not in wire.DTYPES:
            return _foreign(f"{where}, item {index},", "an array of real numbers", value)
        plain.append(array)
    return {}, plain


def serve(channel: socket.socket) -> int:
    """Answer frames until the grader closes the channel."""
    first, _ = wire.receive(channel, bytes_limit=0)
    # Imported here: the walls' own module must be read before they stand.
    from harness.sandbox.backend import confine

    confine(first["policy"])
    # The prompt of a submission's input() must fail, not wait.
    sys.argv = [first["entry"]]
    server: Server | None = None
    header: dict[str, Any] = first
    arrays: list[wire.Array] = []
    while True:
        try:
            if server is None:
                server = Server(first["entry"], first["manifest"])
                answer: dict[str, Any] = {"notes": [str(note)[:500] for note in server.loaded.notes][:50]}
                values: list[wire.Array] = []
            else:
                answer, values = server.answer(header, arrays)
        # SystemExit, KeyboardInterrupt and anything else that a submission raises is an answer, not an end.
        except BaseException as error:
            answer, values = {"error": describe(error, first["entry"])}, []
        wire.send(channel, {**answer, "id": header["id"]}, values)
        del arrays, values
        header, arrays = wire.receive(channel, bytes_limit=REQUEST_LIMIT)


def main() -> None:
    """Serve on the inherited socket and leave without running what the submission registered at exit."""
    flush_denormals()
    channel = socket.socket(fileno=int(sys.argv[1]))
    with contextlib.suppress(wire.ChannelClosed):
        serve(channel)
    os._exit(0)


if __name__ == "__main__":
    main()
