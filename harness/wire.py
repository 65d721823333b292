"""The frames that pass between the grader and a worker: a JSON header and raw array bytes, never a pickle.

A frame is ``b"BKC1"``, the header's length (4 bytes, big-endian), the header (UTF-8 JSON), then the bytes
of each array that the header lists, in C order. Whoever receives a frame decides how many bytes it will
accept before reading them, and builds plain ``ndarray`` objects of plain numeric dtypes; nothing in a frame
is ever executed.
"""

from __future__ import annotations

import json
import math
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = b"BKC1"
HEADER_LIMIT = 1 << 20  # bytes of JSON: messages and tracebacks are trimmed long before this
ARRAYS_LIMIT = 256  # arrays in one frame: a network of 100 layers has 200
JOINED = 1 << 16  # bytes of a frame that is sent at once
DTYPES = frozenset(
    ["<f2", "<f4", "<f8", "<i1", "<i2", "<i4", "<i8", "<u1", "<u2", "<u4", "<u8", "|b1", "|i1", "|u1"]
)

Array = NDArray[Any]


class FrameError(Exception):
    """What arrived is not a frame, or is a larger one than was allowed."""


class ChannelClosed(FrameError):
    """The other side closed the channel (its process has ended)."""


def send(channel: socket.socket, header: Mapping[str, Any], arrays: Sequence[Array] = ()) -> None:
    """Send one frame; arrays must be numeric, any layout."""
    plain = [
        np.ascontiguousarray(array).astype(np.asarray(array).dtype.newbyteorder("<"), copy=False)
        for array in arrays
    ]
    # ascontiguousarray makes 0-d arrays 1-d, so the shape is taken from what the caller gave.
    described = [
        {"dtype": _name(p.dtype), "shape": list(np.shape(a))} for p, a in zip(plain, arrays, strict=True)
    ]
    text = json.dumps({**header, "arrays": described}).encode()
    if len(text) > HEADER_LIMIT:
        raise FrameError(f"a frame's header holds at most {HEADER_LIMIT} bytes, this one {len(text)}")
    parts: list[bytes | memoryview] = [MAGIC, struct.pack(">I", len(text)), text]
    parts += [array.reshape(-1).view(np.uint8).data for array in plain if array.size]
    # A grading sends thousands of small frames: one call for each, and no copy of a large one.
    if sum(map(len, parts)) <= JOINED:
        parts = [b"".join(parts)]
    for part in parts:
        channel.sendall(part)


def receive(
    channel: socket.socket, *, bytes_limit: int, wait: Callable[[], None] | None = None
) -> tuple[dict[str, Any], list[Array]]:
    """Receive one frame: its header and its arrays.

    ``wait`` is called whenever there is nothing to read yet. It returns when there may be, or raises to
    stop the waiting (a deadline, a memory limit); the channel is left non-blocking.
    Raises FrameError for anything that is not a frame of at most ``bytes_limit`` bytes of arrays.
    """
    if wait is not None:
        channel.setblocking(False)
    start = _read(channel, 8, wait)
    if start[:4] != MAGIC:
        raise FrameError(f"expected a frame, found {bytes(start[:4])!r}")
    (length,) = struct.unpack(">I", start[4:])
    if length > HEADER_LIMIT:
        raise FrameError(f"a header of {length} bytes, at most {HEADER_LIMIT} are accepted")
    try:
        header = _DECODER.decode(_read(channel, length, wait).decode())
    except (ValueError, RecursionError) as error:
        raise FrameError(f"a header that is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise FrameError("a header that is not a JSON object")
    described = header.pop("arrays", [])
    if not isinstance(described, list) or len(described) > ARRAYS_LIMIT:
        raise FrameError(f"a frame lists at most {ARRAYS_LIMIT} arrays")
    shapes = [_described(entry) for entry in described]
    total = sum(dtype.itemsize * math.prod(shape) for dtype, shape in shapes)
    if total > bytes_limit:
        raise FrameError(f"{total} bytes of arrays, at most {bytes_limit} are accepted here")
    return header, [_array(channel, dtype, shape, wait) for dtype, shape in shapes]


def _name(dtype: np.dtype[Any]) -> str:
    if dtype.str not in DTYPES:
        raise FrameError(f"arrays of dtype {dtype} cannot be sent, only numbers of at most 8 bytes")
    return dtype.str


def _described(entry: object) -> tuple[np.dtype[Any], tuple[int, ...]]:
    if not isinstance(entry, dict) or entry.get("dtype") not in DTYPES:
        raise FrameError("an array of an unknown dtype")
    shape = entry.get("shape")
    if (
        not isinstance(shape, list)
        or len(shape) > 8
        or not all(type(n) is int and 0 <= n < 1 << 40 for n in shape)
    ):
        raise FrameError("an array of an impossible shape")
    return np.dtype(entry["dtype"]), tuple(shape)


def _array(
    channel: socket.socket, dtype: np.dtype[Any], shape: tuple[int, ...], wait: Callable[[], None] | None
) -> Array:
    try:
        array = np.empty(shape, dtype)
    except ValueError:  # no bytes beside a length of 0, and yet lengths that NumPy refuses
        raise FrameError("an array of an impossible shape") from None
    if array.size:
        _read_into(channel, array.reshape(-1).view(np.uint8).data, wait)
    return array


def _read(channel: socket.socket, count: int, wait: Callable[[], None] | None) -> bytearray:
    buffer = bytearray(count)
    _read_into(channel, memoryview(buffer), wait)
    return buffer


def _read_into(channel: socket.socket, view: memoryview, wait: Callable[[], None] | None) -> None:
    while len(view):
        try:
            count = channel.recv_into(view)
        except BlockingIOError:
            assert wait is not None
            wait()
            continue
        except ConnectionError:
            count = 0
        if not count:
            raise ChannelClosed("the channel was closed in the middle of an answer")
        view = view[count:]


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
