"""One worker process: started behind the walls, spoken to over a private socket, ended with all its
children.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from harness import wire
from harness.records import Status
from harness.sandbox import cgroup
from harness.sandbox.backend import Backend
from harness.sandbox.policy import Policy, python_readable_paths
from harness.sandbox.remains import private_folder, remove_tree
from harness.sandbox.usage import folder_bytes, group_usage, kill_tree
from harness.session.faults import SubmissionFault, clean
from harness.threads import THREAD_VARIABLES

POLL_SECONDS = 0.1
NOTES_LIMIT = 50
WALL_FACTOR = 4.0  # a call may wait this many times its processor time: other work shares the cores
OUTPUT_KEPT = 8000  # bytes of the end of stdout and stderr, as evidence


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one process may use; seconds are of processor time, bytes are of all its children together."""

    load_seconds: float = 30.0
    call_seconds: float = 20.0
    memory_bytes: int = 4 << 30
    processes: int = 64
    open_files: int = 256
    file_bytes: int = 256 << 20
    output_bytes: int = 16 << 20


class Process:
    """A worker that has loaded one submission; ``call`` asks it one thing at a time."""

    def __init__(
        self,
        *,
        entry: Path,
        folder: Path | None,
        manifest: Mapping[str, Any],
        packages: Sequence[str],
        backend: Backend,
        limits: Limits,
    ) -> None:
        self.limits = limits
        self._cpu_seconds = 0.0
        self.output = b""
        self.output_count = 0
        self.notes: tuple[str, ...] = ()
        self._next_id = 0
        self._workdir = private_folder("work")
        self._workdir.mkdir(mode=0o700)
        policy = backend.prepare(
            Policy(
                readable=(*python_readable_paths(packages), folder if folder is not None else entry),
                writable=(self._workdir,),
                memory_bytes=limits.memory_bytes,
                cpu_seconds=24 * 3600,
                processes=limits.processes,
                open_files=limits.open_files,
                file_bytes=limits.file_bytes,
            )
        )
        ours, theirs = socket.socketpair()
        argv = [sys.executable, "-I", "-u", "-m", "harness.worker", str(theirs.fileno())]
        # Until it has a session of its own, the child is in the terminal's group: a Ctrl-C meant for the
        # grader must not end it, and be taken for a crash of the submission. It never needs SIGINT.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        self._group = cgroup.open_group(policy)
        try:
            self._popen = subprocess.Popen(
                backend.wrap(argv, policy),
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self._workdir,
                env=_environment(self._workdir),
                start_new_session=True,
            )
        except BaseException:
            if self._group is not None:
                self._group.close()
            ours.close()
            theirs.close()
            remove_tree(self._workdir)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()
        self._channel = ours
        assert self._popen.stdout is not None
        self._drain = threading.Thread(target=self._read_output, args=(self._popen.stdout,), daemon=True)
        self._drain.start()
        try:
            if self._group is not None:
                # A machine that refuses it here has what one without groups has; the doctor calls it a fault.
                with contextlib.suppress(OSError):
                    self._group.add(self._popen.pid)
            header = {"policy": policy.to_json(), "entry": str(entry), "manifest": dict(manifest)}
            answer, _ = self._exchange(header, (), limits.load_seconds, 0, "loading")
            self.notes = _notes(answer.get("notes"))
        except BaseException:
            self.close()
            raise

    def call(
        self,
        op: str,
        header: Mapping[str, Any],
        arrays: Sequence[wire.Array],
        *,
        bytes_limit: int,
        seconds: float | None = None,
    ) -> tuple[dict[str, Any], list[wire.Array]]:
        """Ask the worker for one verb; raise SubmissionFault for anything but an answer."""
        limit = self.limits.call_seconds if seconds is None else seconds
        # Of a process that dies or does not answer, it is not known which of the two it was doing.
        what = op if "first" not in header else "set_weights" if op == "settle" else f"set_weights or {op}"
        try:
            return self._exchange({**header, "op": op}, arrays, limit, bytes_limit, what)
        except SubmissionFault as fault:
            if fault.fatal:
                self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether the process can still be asked."""
        return self._channel.fileno() >= 0

    def cpu_seconds(self) -> float:
        """The processor time of the process and its children so far; once closed, what it was then."""
        if self.alive:  # else the number may be another process's
            self._cpu_seconds = group_usage(self._popen.pid).cpu_seconds
        return self._cpu_seconds

    def close(self) -> None:
        """End the process and all its children, and remove its working folder; once."""
        if not self.alive:
            return  # its number may be another process's by now
        self.cpu_seconds()
        self._channel.close()
        kill_tree(self._popen.pid)
        self._popen.wait()
        if self._group is not None:
            self._group.close()
        self._drain.join(timeout=2.0)
        if self._popen.stdout is not None and not self._drain.is_alive():
            self._popen.stdout.close()
        remove_tree(self._workdir)

    def _exchange(
        self,
        header: Mapping[str, Any],
        arrays: Sequence[wire.Array],
        seconds: float,
        bytes_limit: int,
        what: str,
    ) -> tuple[dict[str, Any], list[wire.Array]]:
        self._next_id += 1
        watch = _Watch(self, seconds, what)
        try:
            self._channel.settimeout(max(60.0, seconds))
            wire.send(self._channel, {**header, "id": self._next_id}, arrays)
            answer, values = wire.receive(self._channel, bytes_limit=bytes_limit, wait=watch)
        except (wire.ChannelClosed, ConnectionError):
            raise self._ended(what) from None
        except TimeoutError:
            message = f"{what} did not read its input within {max(60.0, seconds):.0f} s"
            raise SubmissionFault(Status.TIMEOUT, message, fatal=True) from None
        except wire.FrameError as error:
            message = f"{what} wrote to the harness's channel what is not an answer ({clean(error, 200)})"
            raise SubmissionFault(Status.ERROR, message, fatal=True) from None
        if (fault := self._over_memory(what)) is not None:
            # The kernel may end a child of the worker and leave the worker, which answers something.
            raise fault
        if (fault := self._over_output(what)) is not None:
            raise fault
        if answer.get("id") != self._next_id:
            raise SubmissionFault(Status.ERROR, f"{what} answered out of turn", fatal=True)
        if "error" in answer:
            setting = "first" in header and answer.get("in") == "set_weights"
            raise _raised(answer["error"], "set_weights" if setting else header.get("op", what))
        return answer, values

    def _ended(self, what: str) -> SubmissionFault:
        """The process ended in the middle of a call: say how, from its exit status and its last usage."""
        try:
            code = self._popen.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            return SubmissionFault(
                Status.CRASHED, f"{what} closed the harness's channel", self._tail(), fatal=True
            )
        self._drain.join(timeout=1.0)
        # Behind bubblewrap a signal arrives as 128 + its number.
        number = -code if code < 0 else code - 128 if code > 128 else 0
        if (fault := self._over_memory(what)) is not None:
            return fault
        # With a group the kernel would have said that memory was why.
        if number == signal.SIGKILL and self._cause() is cgroup.Cause.UNKNOWN:
            limit = _mib(self.limits.memory_bytes)
            message = f"{what} was killed by the system, most likely for using more than {limit}"
            return SubmissionFault(Status.OUT_OF_MEMORY, message, self._tail(), fatal=True)
        if number == signal.SIGXCPU:
            return SubmissionFault(
                Status.TIMEOUT, f"{what} used up its processor time", self._tail(), fatal=True
            )
        if number:
            try:
                name = signal.Signals(number).name
            except ValueError:
                name = f"signal {number}"
            return SubmissionFault(
                Status.CRASHED, f"the process died of {name} during {what}", self._tail(), fatal=True
            )
        message = f"the process ended itself with exit status {code} during {what}"
        return SubmissionFault(Status.CRASHED, message, self._tail(), fatal=True)

    def _cause(self) -> cgroup.Cause:
        return cgroup.Cause.UNKNOWN if self._group is None else self._group.cause()

    def _over_memory(self, what: str) -> SubmissionFault | None:
        """The fault if the kernel ended a process of the group for memory, and says so."""
        cause, limit = self._cause(), _mib(self.limits.memory_bytes)
        if cause is cgroup.Cause.LIMIT:
            message = f"{what} used more than {limit} of memory, and the kernel ended it"
        elif cause is cgroup.Cause.MACHINE:
            message = f"the kernel ended {what} for want of memory on the machine, below the limit of {limit}"
        else:
            return None
        return SubmissionFault(Status.OUT_OF_MEMORY, message, self._tail(), fatal=True)

    def _over_output(self, what: str) -> SubmissionFault | None:
        """The fault if it has printed too much, since it was started."""
        if self.output_count <= self.limits.output_bytes:
            return None
        message = f"{what} printed more than {_mib(self.limits.output_bytes)}"
        return SubmissionFault(Status.ERROR, message, self._tail(), fatal=True)

    def _tail(self) -> str:
        return clean(self.output.decode("utf-8", "replace")[-1500:], 1500)

    def _read_output(self, pipe: IO[bytes]) -> None:
        while chunk := os.read(pipe.fileno(), 1 << 16):
            self.output = (self.output + chunk)[-OUTPUT_KEPT:]
            self.output_count += len(chunk)


class _Watch:
    """Called while there is nothing to read: waits for bytes, and stops what takes too much of anything."""

    def __init__(self, process: Process, seconds: float, what: str) -> None:
        self.process = process
        self.seconds = seconds
        self.what = what
        self.start = time.monotonic()
        self.due = self.start + POLL_SECONDS  # when to look again at what the process uses
        self.cpu_start: float | None = None
        self.looks = self.asleep = 0

    def __call__(self) -> None:
        # By the clock, whether or not there is something to read: an answer may come byte by byte.
        readable = False
        while not readable:
            readable = bool(select.select([self.process._channel], [], [], POLL_SECONDS)[0])
            if not readable or time.monotonic() >= self.due:
                self._check()
                self.due = time.monotonic() + POLL_SECONDS

    def _check(self) -> None:
        process, limits = self.process, self.process.limits
        usage = group_usage(process._popen.pid)
        if self.cpu_start is None:
            self.cpu_start = usage.cpu_seconds
        if usage.rss_bytes > limits.memory_bytes:
            message = f"{self.what} used more than {_mib(limits.memory_bytes)} of memory"
            raise SubmissionFault(Status.OUT_OF_MEMORY, message, process._tail(), fatal=True)
        if (fault := process._over_memory(self.what)) is not None:
            raise fault
        # Bubblewrap's working folder is in memory and limited by itself: this one stays empty.
        if folder_bytes(process._workdir) > limits.file_bytes:
            message = f"{self.what} wrote more than {_mib(limits.file_bytes)} of files, or too many of them"
            raise SubmissionFault(Status.ERROR, message, process._tail(), fatal=True)
        if (fault := process._over_output(self.what)) is not None:
            raise fault
        waited = time.monotonic() - self.start
        # Processor time, not the clock: on a busy machine a right submission must not fail for waiting
        # its turn.
        used = usage.cpu_seconds - self.cpu_start
        self.looks += 1
        self.asleep += not usage.runnable
        sleeps = self.asleep > self.looks / 2
        if waited > self.seconds * WALL_FACTOR or (
            waited > self.seconds and (sleeps or used > 0.9 * self.seconds)
        ):
            message = f"{self.what} did not finish within {self.seconds:.0f} s"
            raise SubmissionFault(Status.TIMEOUT, message, process._tail(), fatal=True)


def _notes(answered: object) -> tuple[str, ...]:
    """What the worker has to say of loading: the submission's word, so that nothing of it is relied on."""
    listed = answered if isinstance(answered, list) else []
    return tuple(clean(note, 500) for note in listed[:NOTES_LIMIT] if isinstance(note, str))


def _raised(error: object, what: str) -> SubmissionFault:
    """The fault for what the worker says that the submission raised; every word of it is the submission's."""
    if not isinstance(error, dict):
        return SubmissionFault(Status.ERROR, f"{what} answered with a malformed error", fatal=True)
    kind, name = error.get("kind"), clean(error.get("type", ""), 80)
    text, trace = clean(error.get("message", ""), 400), clean(error.get("traceback", ""), 6000)
    if kind == "not_provided":
        return SubmissionFault(Status.NOT_PROVIDED, text or f"{what} is not provided", trace)
    if kind == "memory":
        return SubmissionFault(Status.OUT_OF_MEMORY, f"{what} ran out of memory: {text}", trace)
    if kind == "exit":
        return SubmissionFault(Status.ERROR, f"{what} called sys.exit({text})", trace)
    if kind == "foreign":
        return SubmissionFault(Status.ERROR, text)
    return SubmissionFault(Status.ERROR, f"{what} raised {name}: {text}".rstrip(": "), trace)


def _environment(workdir: Path) -> dict[str, str]:
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(workdir),
        "TMPDIR": str(workdir),
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": str(workdir),
        "CUDA_VISIBLE_DEVICES": "",
        **dict.fromkeys(THREAD_VARIABLES, "1"),
    }
    # Some processors need these for OpenBLAS to compute right results at all.
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        if name in os.environ:
            environment[name] = os.environ[name]
    return environment


def _mib(count: int) -> str:
    return f"{count / (1 << 20):,.0f} MiB"
