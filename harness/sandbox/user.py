"""A user of its own for a worker that starts as root.

RLIMIT_NPROC does not bind root, and root reads and signals everything. A user number that nobody else has
makes the limit count exactly one worker's processes, and leaves no other process that it may signal or trace.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from harness.sandbox import linux

CAP_DAC_READ_SEARCH = 2
LAST_CAPABILITY = 63
RESERVED = 65536  # people, services and "nobody" have numbers below this
# What a policy names must stay readable though its owner is root and its mode 0600: the paths are
# the mounts' and Landlock's to limit. Nothing else of root's power is kept.
KEPT = 1 << CAP_DAC_READ_SEARCH


def pick_user() -> int | None:
    """A random user number that this user namespace can hold; None where it holds no second one."""
    try:
        extents = [
            tuple(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()
        ]
        groups = [
            tuple(map(int, line.split())) for line in Path("/proc/self/gid_map").read_text().splitlines()
        ]
    except OSError:
        return None
    ranges = []
    for first, _, count in extents:
        for group_first, _, group_count in groups:
            low, high = max(first, group_first), min(first + count, group_first + group_count, 2**31)
            low = RESERVED if low < RESERVED < high - RESERVED else low + 1
            if low < high:
                ranges.append((low, high))
    if not ranges:
        return None
    low, high = max(ranges, key=lambda pair: pair[1] - pair[0])
    return low + int.from_bytes(os.urandom(8), "little") % (high - low)


def become(user: int | None) -> None:
    """Drop to the user (None: stay, but without capabilities) keeping only the capability to read."""
    for capability in range(LAST_CAPABILITY + 1):
        if not 1 << capability & KEPT:
            with suppress(OSError):  # numbers beyond this kernel's last one
                linux.prctl(linux.PR_CAPBSET_DROP, capability)
    if user is not None:
        linux.prctl(linux.PR_SET_KEEPCAPS, 1)
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    linux.set_capabilities(KEPT if user is not None else 0)
    if user is not None:
        # Ambient, so that a child that executes another program can read it too.
        linux.prctl(linux.PR_CAP_AMBIENT, linux.PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH)
        # The change of user made /proc/self root's; a process must be able to read its own.
        linux.prctl(linux.PR_SET_DUMPABLE, 1)


def give(folders: Iterable[Path], user: int) -> None:
    """Make folders the user's."""
    for folder in folders:
        os.chown(folder, user, user)
