"""Ways through the walls, tried from inside: ``python -I -m harness.sandbox.attempts FD`` makes one attempt.

It reads a request as JSON from standard input, raises the walls exactly as a worker does, tries, and
writes what came of it to the inherited descriptor. An attempt returns if it got through, raises if stopped.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.sandbox.confine import confine

PTRACE_SEIZE = 0x4206
PAGE = 4096
CHUNK = 1 << 20
STAY_SECONDS = 2.5  # how long what is left behind stays, if nothing ends it


def read_file(path: str) -> str:
    """Open a file and read from it."""
    with open(path, "rb") as file:
        return f"read {len(file.read(64))} bytes of {path}"


def write_files(folders: list[str]) -> str:
    """Create a file in any of the folders."""
    stopped: OSError | None = None
    written = []
    for folder in folders:
        try:
            handle, name = tempfile.mkstemp(prefix=".backcheck-doctor-", dir=folder)
        except OSError as error:
            stopped = error
            continue
        os.close(handle)
        os.unlink(name)
        written.append(folder)
    if not written and stopped is not None:
        raise stopped
    return f"wrote to {', '.join(written)}"


def connect(family: str, address: Any) -> str:
    """Connect a stream socket; a leading @ means the abstract name space."""
    with socket.socket(getattr(socket, family)) as sock:
        sock.settimeout(3.0)
        sock.connect(_address(address))
    return f"connected to {address}"


def send_datagram(family: str, address: Any) -> str:
    """Send one datagram; the grader sees whether it arrived."""
    with socket.socket(getattr(socket, family), socket.SOCK_DGRAM) as sock:
        sock.sendto(b"through", _address(address))
    return f"sent a datagram to {address}"


def send_from_pair(address: str) -> str:
    """Send to a named socket from one end of a socket pair, which is made without ``socket``."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.sendto(b"through", _address(address))
    return f"sent a datagram to {address}"


def _end(children: list[int]) -> None:
    """End child processes, where signals to them are allowed; else they end with this one."""
    with contextlib.suppress(PermissionError):
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def start_processes(count: int) -> str:
    """Have more processes at once than the limit allows."""
    started: list[int] = []
    try:
        for _ in range(count):
            pid = os.fork()
            if pid == 0:
                time.sleep(30.0)
                os._exit(0)
            started.append(pid)
    finally:
        _end(started)
    return f"had {count} processes at once"


def start_threads(count: int) -> str:
    """Have more threads at once than the limit allows."""
    done = threading.Event()
    threads = [threading.Thread(target=done.wait, daemon=True) for _ in range(count)]
    try:
        for thread in threads:
            thread.start()
    finally:
        done.set()
    return f"had {count} threads at once"


def use_memory(size: int) -> str:
    """Fill more memory than the limit allows."""
    return f"filled {len(_filled(size)) * CHUNK >> 20} MiB"


def use_memory_in_children(size: int, count: int) -> str:
    """Fill more memory than the limit allows in children that stay below it each."""
    started: list[tuple[int, int]] = []
    wait, held = os.pipe()
    try:
        for _ in range(count):
            reading, writing = os.pipe()
            pid = os.fork()
            if pid == 0:
                with contextlib.suppress(BaseException):
                    os.close(held)
                    blocks = _filled(size)
                    os.write(writing, b".")
                    os.read(wait, 1)
                    os.write(writing, b"." if blocks else b"")
                os._exit(0)
            os.close(writing)
            started.append((pid, reading))
        # A child that the kernel ends closes its pipe without a word. Asked twice, for the one that is ended
        # to make room may have had its own memory before.
        got = [os.read(reading, 1) for _, reading in started]
        os.close(held)
        kept = [os.read(reading, 1) for _, reading in started]
    finally:
        _end([pid for pid, _ in started])
    if not all((*got, *kept)):
        raise MemoryError(f"{kept.count(b'')} of {count} children were ended")
    return f"filled {count} x {size >> 20} MiB in {count} processes"


def fork_bomb(count: int) -> str:
    """Have more processes at once than the limit allows, in a tree of which each starts two more."""
    seen, tell = os.pipe()
    wait, held = os.pipe()
    owner = os.getpid()
    started: list[int] = []

    def grow(index: int) -> None:
        for child in (2 * index + 1, 2 * index + 2):
            if child >= count:
                continue
            if (pid := os.fork()) != 0:
                started.append(pid)
                continue
            word = b"."
            if index == 0:
                os.close(held)
            try:
                grow(child)
            except OSError:
                word = b"x"
            os.write(tell, word)
            os.read(wait, 1)  # until the first process, which alone holds the other end, closes it
            os._exit(0)

    words = b""
    try:
        grow(0)
        while len(words) < count - 1 and b"x" not in words:
            words += os.read(seen, count)
    finally:
        if os.getpid() == owner:
            os.close(held)
            for pid in started:
                os.waitpid(pid, 0)
    if b"x" in words:
        raise BlockingIOError("a process of the tree could not start another")
    return f"had a tree of {count} processes"


def write_large(folder: str, size: int, files: int) -> str:
    """Write files of a total size beyond the limit."""
    for index in range(files):
        with open(Path(folder, f"large-{index}"), "wb", buffering=0) as file:
            for _ in range(size // files // CHUNK):
                if file.write(bytes(CHUNK)) != CHUNK:
                    raise OSError("the write was cut short")
    return f"wrote {size >> 20} MiB in {files} file(s)"


def open_many(count: int) -> str:
    """Hold more files open than the limit allows."""
    opened: list[int] = []
    try:
        opened.extend(os.open("/dev/null", os.O_RDONLY) for _ in range(count))
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return f"held {count} files open"


def burn(seconds: float) -> str:
    """Use more processor time than the limit allows."""
    while time.process_time() < seconds:
        pass
    return f"used {seconds} s of processor time"


def trace(pid: int) -> str:
    """Take control of another process as a debugger does."""
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = (ctypes.c_long(PTRACE_SEIZE), ctypes.c_long(pid), ctypes.c_long(0), ctypes.c_long(0))
    if libc.ptrace(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return f"traced process {pid}"


def send_signal(pid: int) -> str:
    """End another process."""
    os.kill(pid, signal.SIGTERM)
    return f"signalled process {pid}"


def import_module(name: str, path: list[str]) -> str:
    """Import a package that the policy hides, its folder put on the path again."""
    sys.path[:] = list(dict.fromkeys([*sys.path, *path]))
    importlib.import_module(name)
    return f"imported {name}"


def read_in_subprocess(path: str) -> str:
    """Let another program read the file."""
    code = "import sys; open(sys.argv[1], 'rb').read(1)"
    answer = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, path], capture_output=True, text=True, check=False
    )
    if answer.returncode != 0:
        raise PermissionError(answer.stderr.strip().splitlines()[-1] if answer.stderr else answer.returncode)
    return f"a subprocess read {path}"


def leave_behind(wait: bool) -> str:
    """Leave a process that holds the inherited descriptors open; ``wait`` stays with it."""
    if os.fork() == 0:
        with contextlib.suppress(OSError):
            os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            time.sleep(STAY_SECONDS)
        os._exit(0)
    if wait:
        time.sleep(STAY_SECONDS)
    return "left a process behind"


def share_memory(size: int) -> str:
    """Create a System V memory segment, which stays when all processes have ended."""
    libc = ctypes.CDLL(None, use_errno=True)
    segment = libc.shmget(0, ctypes.c_size_t(size), 0o1600)
    if segment < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    libc.shmctl(segment, 0, None)
    return "created a shared memory segment"


ATTEMPTS: dict[str, Callable[..., str]] = {
    attempt.__name__: attempt
    for attempt in (
        read_file, write_files, connect, send_datagram, send_from_pair, start_processes, start_threads,
        use_memory, use_memory_in_children, fork_bomb, write_large, open_many, burn, trace, send_signal,
        import_module, read_in_subprocess, leave_behind, share_memory,
    )
}  # fmt: skip


def main() -> int:
    """Make the requested attempt; the answer's ``stage`` says how far this process came."""
    outcome = int(sys.argv[1])
    request = json.load(sys.stdin)

    def answer(**fields: object) -> None:
        os.write(outcome, json.dumps(fields).encode() + b"\n")

    walls: tuple[str, ...] = ()
    if request["policy"] is not None:
        walls = confine(request["policy"], allow_disabled_walls=request["allow_disabled_walls"])
    answer(stage="confined", walls=walls)
    try:
        detail = ATTEMPTS[request["attempt"]](**request["arguments"])
    except BaseException as error:
        answer(stage="stopped", detail=f"{type(error).__name__}: {error}")
        return 0
    answer(stage="through", detail=detail)
    return 0


def _filled(size: int) -> list[mmap.mmap]:
    blocks = []
    for _ in range(size // CHUNK):
        block = mmap.mmap(-1, CHUNK, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        block[::PAGE] = b"x" * (CHUNK // PAGE)
        blocks.append(block)
    return blocks


def _address(address: Any) -> Any:
    if isinstance(address, list):
        return tuple(address)
    return "\0" + address[1:] if address.startswith("@") else address


if __name__ == "__main__":
    sys.exit(main())
