"""Whether the process that made a claim or a folder still runs, told without comparing clocks."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

IDENTITY = r"(?P<machine>[0-9a-f]{12}|unknown)-(?P<pid>\d{1,9})-(?P<ticks>\d+)"


def this_process() -> str:
    """This process as another one of the machine can recognise it, though numbers are used again.

    It has letters, digits and hyphens alone, and may be part of a file's name.
    """
    pid = os.getpid()
    return f"{_machine()}-{pid}-{started(pid) or 0}"


def known_dead(process: str) -> bool:
    """Whether a process is certain to have ended: only those of this machine and container can be asked."""
    found = re.fullmatch(IDENTITY, process)
    if found is None or found["machine"] == "unknown" or found["machine"] != _machine():
        return False
    return started(int(found["pid"])) != found["ticks"]


def started(pid: int) -> str | None:
    """When a process began, in the kernel's ticks since boot; None if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    state, *values = text.rpartition(")")[2].split()
    return None if state in "ZX" else values[18]


def _machine() -> str:
    """This boot of this machine, as this container counts its processes, as a short digest."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return hashlib.sha256(f"{boot} {os.readlink('/proc/self/ns/pid')}".encode()).hexdigest()[:12]
    except OSError:
        return "unknown"
