"""What a worker and all its children use together, and the end of all of them."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.sandbox.linux import GUARDIAN_NAME

if TYPE_CHECKING:
    import psutil

ROUNDS = 200  # of killing before giving up: a fork bomb takes a few


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Memory in bytes, processor time in seconds and the number of processes of a worker with its children.

    Processor time is that of live processes and of those they waited for.
    """

    rss_bytes: int = 0
    processes: int = 0
    cpu_seconds: float = 0.0
    runnable: bool = True  # whether any thread computes, waits for a processor or for a disk, or nobody knows


@dataclass(frozen=True, kw_only=True)
class _Process:
    pid: int
    name: str
    session: int
    state: str
    cpu_seconds: float
    rss_bytes: int


def group_usage(pid: int) -> Usage:
    """What a process and its descendants use now; all zero once it is gone."""
    if not Path("/proc/self/stat").exists():
        return _portable_usage(pid)
    first = _read(pid)
    if first is None or first.state == "Z":
        return Usage()
    found = [first, *(process for child in descendants(pid) if (process := _read(child)))]
    counted = [process for process in found if not _is_guardian(process, first.session)]
    return Usage(
        rss_bytes=sum(process.rss_bytes for process in counted),
        processes=len(counted),
        cpu_seconds=sum(process.cpu_seconds for process in counted),
        runnable=any(_is_runnable(process) for process in counted),
    )


def kill_tree(pid: int) -> None:
    """End a process, its group, its session and its descendants, and return when none of them runs.

    Call it before waiting for the process: until then its number cannot be another's.
    """
    if not Path("/proc/self/stat").exists():
        return _portable_kill(pid)
    below = descendants(pid)
    for attempt in range(ROUNDS):
        if os.getpgrp() != pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        alive = [child for child in {pid, *below, *_session_members(pid)} if _alive(child)]
        if not alive:
            return None
        for child in alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
            # Orphans become this process's to wait for where it is a container's first process.
            if child != pid:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child, os.WNOHANG)
        time.sleep(0.001 * min(attempt, 20))
    return None


def folder_bytes(folder: Path, *, entries: int = 10_000) -> int:
    """Bytes on disk of all files below a folder, for backends that cannot limit them.

    A folder of more entries than that, or too deep to walk, counts as ``sys.maxsize``: whoever
    fills it must not slow down whoever watches it.
    """
    total = seen = 0
    pending = [os.fspath(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as listing:
                for entry in listing:
                    seen += 1
                    if seen > entries:
                        return sys.maxsize
                    with contextlib.suppress(FileNotFoundError):
                        # Blocks, not the length: a file with a hole in it takes no room.
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(entry.path)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        except OSError:
            return sys.maxsize
    return total


def _read(pid: int) -> _Process | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The name is the one field that may hold spaces and brackets: the last bracket ends it.
    name, _, rest = text.partition("(")[2].rpartition(")")
    values = rest.split()
    ticks = sum(int(value) for value in values[11:15])
    return _Process(
        pid=pid,
        name=name,
        session=int(values[3]),
        state=values[0],
        cpu_seconds=ticks / os.sysconf("SC_CLK_TCK"),
        rss_bytes=int(values[21]) * os.sysconf("SC_PAGE_SIZE"),
    )


def _is_runnable(process: _Process) -> bool:
    """Whether a thread of it is in a queue for a processor, or on one; a busy machine is no sleep."""
    if process.state in "RD":
        return True
    try:
        for thread in os.listdir(f"/proc/{process.pid}/task"):
            text = Path(f"/proc/{process.pid}/task/{thread}/stat").read_text(errors="replace")
            if text.rpartition(")")[2].split()[0] in "RD":
                return True
    except (OSError, IndexError):  # it ended meanwhile
        return True
    return False


def _is_guardian(process: _Process, session: int) -> bool:
    # Confined code can rename itself but cannot leave its session.
    return process.name == GUARDIAN_NAME and process.session != session


def _alive(pid: int) -> bool:
    process = _read(pid)
    return process is not None and process.state not in "ZX"


def descendants(pid: int) -> list[int]:
    """The children of a process and theirs, parents before children."""
    found: list[int] = []
    pending = [pid]
    while pending:
        for task in _entries(f"/proc/{pending.pop()}/task"):
            try:
                children = Path(f"{task}/children").read_text().split()
            except OSError:
                continue
            pending.extend(map(int, children))
            found.extend(map(int, children))
    return found


def _session_members(session: int) -> list[int]:
    pids = [int(Path(entry).name) for entry in _entries("/proc") if Path(entry).name.isdigit()]
    return [
        pid for pid in pids if (process := _read(pid)) and process.session == session and pid != os.getpid()
    ]


def _entries(folder: str) -> list[str]:
    try:
        return [f"{folder}/{name}" for name in os.listdir(folder)]
    except OSError:
        return []


def _portable_usage(pid: int) -> Usage:
    import psutil

    try:
        first = psutil.Process(pid)
        processes = [first, *first.children(recursive=True)]
    except psutil.Error:
        return Usage()
    rss, cpu = 0, 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            rss += process.memory_info().rss
            times = process.cpu_times()
            cpu += times.user + times.system
    return Usage(rss_bytes=rss, processes=len(processes), cpu_seconds=cpu)


def _portable_kill(pid: int) -> None:
    import psutil

    try:
        first = psutil.Process(pid)
        processes = [first, *first.children(recursive=True)]
    except psutil.Error:
        processes = []
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
    for _ in range(ROUNDS):
        # Not psutil's wait, which would take the exit status from whoever started the first one.
        if not any(_portable_alive(process) for process in processes):
            break
        time.sleep(0.01)


def _portable_alive(process: psutil.Process) -> bool:
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
