"""Frames: what is sent arrives, and nothing but a frame is accepted."""

import json
import socket
import struct
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from harness import wire


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    ours.settimeout(10)
    with ours, theirs:
        yield ours, theirs


def sent(channel, data):
    """Write from a thread: a socket's buffer is smaller than what some tests send."""
    thread = threading.Thread(target=lambda: (channel.sendall(data), channel.shutdown(socket.SHUT_WR)))
    thread.start()
    return thread


def frame(header, payload=b""):
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return wire.MAGIC + struct.pack(">I", len(text)) + text + payload


@given(
    hnp.arrays(
        dtype=st.sampled_from(["<f4", "<f8", ">f8", "<i8", "u1", "?"]),
        shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
    )
)
def test_an_array_arrives_as_it_was_sent(array):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire.send(ours, {"op": "x"}, [array, np.arange(3.0)])
        header, (found, second) = wire.receive(theirs, bytes_limit=1 << 20)
    assert header == {"op": "x"}
    assert found.shape == array.shape
    assert found.dtype == array.dtype.newbyteorder("<")
    assert np.array_equal(found, array, equal_nan=array.dtype.kind == "f")
    assert second.tolist() == [0.0, 1.0, 2.0]


def test_views_of_any_layout_are_sent_by_value(pair):
    ours, theirs = pair
    array = np.arange(24.0).reshape(4, 6)
    wire.send(ours, {}, [array.T, array[::2, ::-1]])
    _, found = wire.receive(theirs, bytes_limit=1 << 20)
    assert np.array_equal(found[0], array.T)
    assert np.array_equal(found[1], array[::2, ::-1])


def test_what_is_no_number_is_not_sent(pair):
    for array in (np.array([object()]), np.array(["a"]), np.array([1j])):
        with pytest.raises(wire.FrameError, match="cannot be sent"):
            wire.send(pair[0], {}, [array])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"HTTP/1.1 200 OK", "expected a frame"),
        (b"\x80\x04\x95pickle", "expected a frame"),
        (wire.MAGIC + struct.pack(">I", wire.HEADER_LIMIT + 1), "header of"),
        (frame(b"{not json"), "not JSON"),
        (frame(b"[" * 100_000), "not JSON"),
        (frame(b'{"a": NaN}'), "not JSON"),
        (frame([1, 2]), "not a JSON object"),
        (frame({"arrays": 3}), "at most"),
        (frame({"arrays": [{"dtype": "<f8", "shape": [1]}] * 257}), "at most 256"),
        (frame({"arrays": [{"dtype": "|O", "shape": [1]}]}), "unknown dtype"),
        (frame({"arrays": [{"dtype": "<c16", "shape": [1]}]}), "unknown dtype"),
        (frame({"arrays": [{"dtype": "<f8", "shape": [-1]}]}), "impossible shape"),
        (frame({"arrays": [{"dtype": "<f8", "shape": [True]}]}), "impossible shape"),
        (frame({"arrays": [{"dtype": "<f8", "shape": [1] * 9}]}), "impossible shape"),
        (frame({"arrays": [{"dtype": "<f8", "shape": [1 << 30, 1 << 30]}]}), "bytes of arrays"),
        (frame({"arrays": [{"dtype": "<f8", "shape": [200]}]}), "1600 bytes of arrays"),
    ],
)
def test_what_is_not_a_frame_is_refused_before_its_arrays_are_read(pair, data, reason):
    thread = sent(pair[0], data)
    with pytest.raises(wire.FrameError, match=reason):
        wire.receive(pair[1], bytes_limit=1000)
    pair[1].close()
    thread.join()


def test_a_channel_that_closes_in_the_middle_is_named(pair):
    thread = sent(pair[0], frame({"arrays": [{"dtype": "<f8", "shape": [10]}]}, b"\0" * 79))
    with pytest.raises(wire.ChannelClosed):
        wire.receive(pair[1], bytes_limit=1000)
    thread.join()


def test_waiting_can_be_stopped(pair):
    class Stop(Exception):
        pass

    def stop():
        raise Stop

    with pytest.raises(Stop):
        wire.receive(pair[1], bytes_limit=0, wait=stop)
