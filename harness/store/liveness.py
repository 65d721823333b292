"""Whether the process that made a claim still runs, told without comparing clocks."""

from __future__ import annotations

import json
import os
from pathlib import Path


def this_process() -> str:
    """This process as another one of the machine can recognise it, though numbers are used again."""
    pid = os.getpid()
    return json.dumps({"machine": _machine(), "pid": pid, "started": _started(pid)})


def known_dead(process: str) -> bool:
    """Whether a process is certain to have ended: only those of this machine and container can be asked."""
    try:
        found = json.loads(process)
        machine, pid, started = found["machine"], found["pid"], found["started"]
    except (ValueError, KeyError, TypeError):
        return False
    return machine is not None and machine == _machine() and _started(pid) != started


def _machine() -> str | None:
    """This boot of this machine, as this container counts its processes; None where that cannot be told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """When a process began, in the kernel's ticks since boot; None if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    state, *values = text.rpartition(")")[2].split()
    return None if state in "ZX" else values[18]
