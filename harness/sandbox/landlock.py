"""Landlock: which paths, signals and abstract sockets a process and its children may reach (Linux 5.13).

Source: the kernel's ``include/uapi/linux/landlock.h`` and its user-space API documentation.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from harness.sandbox import linux

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
VERSION_FLAG = 1
RULE_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = (1 << bit for bit in range(6, 13))
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
SINCE = {2: REFER, 3: TRUNCATE, 5: IOCTL_DEV}  # rights that came with later versions of the interface
NET_BIND_TCP, NET_CONNECT_TCP = 1, 2
SCOPE_ABSTRACT_UNIX_SOCKET, SCOPE_SIGNAL = 1, 2
NET_SINCE, SCOPE_SINCE = 4, 6

READ = EXECUTE | READ_FILE | READ_DIR
WRITE = (
    READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | REFER
    | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SYM | MAKE_FIFO | MAKE_SOCK
)  # fmt: skip
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV  # what a rule on a file may grant


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


@lru_cache
def interface_version() -> int:
    """The version of the kernel's Landlock interface, 0 where it has none or it is switched off."""
    if sys.platform != "linux":
        return 0
    try:
        return linux.syscall(CREATE_RULESET, None, 0, VERSION_FLAG)
    except OSError:
        return 0


def handled(version: int) -> int:
    """The file-system rights that an interface version knows; each is refused unless a rule grants it."""
    rights = (1 << 13) - 1
    for since, right in SINCE.items():
        rights |= right if version >= since else 0
    return rights


class Ruleset:
    """A set of rules under construction; ``enforce`` puts this process and its future children under it."""

    def __init__(self) -> None:
        self.version = interface_version()
        self.rights = handled(self.version)
        attributes = _RulesetAttributes(self.rights, 0, 0)
        size = 8
        if self.version >= NET_SINCE:
            attributes.handled_access_net = NET_BIND_TCP | NET_CONNECT_TCP
            size = 16
        if self.version >= SCOPE_SINCE:
            attributes.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL
            size = 24
        self._fd = linux.syscall(CREATE_RULESET, ctypes.byref(attributes), size, 0)

    def allow(self, path: Path, rights: int) -> None:
        """Grant rights on a file or beneath a folder; a path that is not there needs no rule."""
        try:
            target = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return
        try:
            if not path.is_dir():
                rights &= FILE_RIGHTS
            rule = _PathBeneath(rights & self.rights, target)
            linux.syscall(ADD_RULE, self._fd, RULE_PATH_BENEATH, ctypes.byref(rule), 0)
        finally:
            os.close(target)

    def enforce(self) -> None:
        """Restrict this thread and what it starts, for good. Needs no_new_privs."""
        linux.syscall(RESTRICT_SELF, self._fd, 0)
        os.close(self._fd)


def expand(readable: Iterable[Path], hidden: Iterable[Path]) -> Iterator[tuple[Path, int]]:
    """Rules that grant reading of all readable paths but not of the hidden folders within them.

    Landlock cannot take away what a rule above grants, so a folder with a hidden one in it is granted entry
    by entry. Such folders may still be listed, as importing from them needs it: names are seen, contents not.
    """
    allowed = {Path(os.path.realpath(path)) for path in readable}
    veiled = {Path(os.path.realpath(path)) for path in hidden} - allowed
    above_veiled = {parent for folder in veiled for parent in folder.parents}
    above_allowed = {parent for path in allowed for parent in path.parents}
    pending = list(allowed)
    for folder in veiled & above_allowed:
        yield folder, READ_DIR
    while pending:
        path = pending.pop()
        if path in veiled:
            continue
        if path not in above_veiled:
            yield path, READ
            continue
        yield path, READ_DIR
        pending.extend(Path(entry.path) for entry in os.scandir(path) if not entry.is_symlink())
