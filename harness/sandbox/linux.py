"""The few Linux calls that Python has no function for, by ctypes: raw system calls, prctl, capabilities."""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_NAME = 15
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_MM = 35
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
GUARDIAN_NAME = "backcheck-guard"  # at most 15 characters, the kernel keeps no more


@lru_cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _long(value: object) -> object:
    # A variadic function reads 64 bits of each argument: a plain Python int would be passed as 32.
    return ctypes.c_long(value) if isinstance(value, int) else value


def syscall(number: int, *arguments: object) -> int:
    """Make a system call; OSError with the kernel's reason if it fails."""
    result = int(_libc().syscall(ctypes.c_long(number), *map(_long, arguments)))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def prctl(option: int, *arguments: object) -> int:
    """Make a prctl call; OSError with the kernel's reason if it fails."""
    padded = [*arguments, *[0] * (4 - len(arguments))]
    result = int(_libc().prctl(option, *map(_long, padded)))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def set_capabilities(mask: int) -> None:
    """Make the given capabilities (a bit mask) this process's permitted, effective and inheritable ones."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    data = (ctypes.c_uint32 * 6)(low, low, low, high, high, high)
    if _libc().capset(header, data) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def status_fields(pid: str = "self") -> dict[str, str]:
    """The fields of /proc/PID/status, as text; empty where there is no such file."""
    try:
        with open(f"/proc/{pid}/status") as lines:
            return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
    except OSError:
        return {}
