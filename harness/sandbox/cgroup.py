"""A control group for each worker: what all its processes together may use, held by the kernel.

Resource limits bind one process, and the grader's watch looks ten times a second at what is mapped; a group
binds the whole tree at once, and what no process has mapped (pipes, memory files) with it. Where no group can
be made there is none: the limits and the watch remain.

The files are the kernel's own interface: Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst and
cgroup-v1/pids.rst.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from harness.liveness import started
from harness.sandbox.policy import Policy
from harness.sandbox.usage import descendants

PREFIX = "backcheck-"
# The wall that each controller is.
WALL_OF = {"memory": "cgroup_memory", "pids": "cgroup_processes"}
# Bubblewrap's two processes and the guardian are in the group, and no part of what a submission may have.
SPARE_PROCESSES = 4
ROUNDS = 100  # of killing, or of waiting for the group to empty, before giving up: about a second
LAST_CHARGE = 4 << 20  # bytes: what is refused at the limit is at most a huge page and some kept in advance
DELEGATED = ("user.delegate", "trusted.delegate")  # systemd's mark on a folder that is its owner's to divide
OWNER = re.compile(re.escape(PREFIX) + r"(\d+)-(\d+)-[0-9a-f]+")


class Cause(StrEnum):
    """What a group knows of a process of it that was killed."""

    LIMIT = "limit"  # by the kernel, at the group's own limit of memory
    MACHINE = "machine"  # by the kernel, for want of memory elsewhere: a group above, or the machine
    OTHER = "other"  # not by the kernel for memory
    UNKNOWN = "unknown"  # no memory controller, or a kernel before 4.13, which does not count


@dataclass(frozen=True, kw_only=True)
class Mount:
    """One cgroup hierarchy as it is mounted; ``root`` is the group that ``point`` shows."""

    version: int
    controllers: frozenset[str]  # v1 only; a v2 mount says in a file which it has
    root: str
    point: Path


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where groups can be made: for each controller (memory, pids) the folder of its groups."""

    version: int
    folders: Mapping[str, Path]

    @property
    def description(self) -> str:
        """For people: version and controllers."""
        return f"cgroup v{self.version}: {', '.join(self.folders)}"


def hard_memory(policy: Policy) -> int:
    """The group's limit in bytes: ``memory_bytes``, and what a submission may have beside it.

    The kernel charges a group with files in memory (bubblewrap's two folders, each of ``file_bytes``) and
    with its own page tables and stacks. Without them a submission within its limits could meet this wall, and
    one that exceeds them by itself would no longer be told by a MemoryError of its own.
    """
    return policy.memory_bytes + 2 * policy.file_bytes + policy.memory_bytes // 64 + (8 << 20)


def own_groups(text: str) -> dict[str, str]:
    """The group of each v1 controller, and of "" for v2, from the text of /proc/PID/cgroup."""
    found = {}
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if not path.startswith("/"):
            continue
        for name in names.split(","):
            if name or number == "0":
                found[name] = path
    return found


def mounts(text: str) -> list[Mount]:
    """The cgroup hierarchies in the text of /proc/PID/mountinfo (Documentation/filesystems/proc.rst, 3.5)."""
    found = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 6 or len(kind) < 3 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        version = 2 if kind[0] == "cgroup2" else 1
        options = frozenset(kind[2].split(",")) if version == 1 else frozenset()
        root, point = _unescape(fields[3]), Path(_unescape(fields[4]))
        found.append(Mount(version=version, controllers=options, root=root, point=point))
    return found


def own_folders(cgroup: str, mountinfo: str) -> tuple[dict[str, Path], list[tuple[Path, Path]]]:
    """This process's folder of each v1 controller, and its v2 folders with the mount that each is below.

    A group that no mount shows has no folder: another cgroup namespace, or a part that is not mounted.
    """
    groups = own_groups(cgroup)
    old: dict[str, Path] = {}
    unified: list[tuple[Path, Path]] = []
    for mount in mounts(mountinfo):
        if mount.version == 2:
            if "" in groups and (folder := _below(mount, groups[""])) is not None:
                unified.append((folder, mount.point))
            continue
        for name in mount.controllers & set(groups) & set(WALL_OF):
            if name not in old and (folder := _below(mount, groups[name])) is not None:
                old[name] = folder
    return old, unified


def find_place(cgroup: str, mountinfo: str) -> Place | str:
    """Where a group can be made by a process with these two files, or why nowhere. A trial group is made.

    The process itself is never moved. On v2 its own group can then hold groups with controllers only if it is
    the root; the group above is tried too, where it was given to this process to divide.
    """
    old, unified = own_folders(cgroup, mountinfo)
    reasons = []
    for folder, top in unified:
        for candidate in (folder, folder.parent):
            if candidate != folder and not _ours_to_divide(candidate, top):
                continue
            place = Place(version=2, folders=dict.fromkeys(WALL_OF, candidate))
            if (reason := _enable(candidate) or _try(place)) is None:
                return place
            reasons.append(f"{candidate}: {reason}")
    usable = {}
    for name in WALL_OF:
        if name in old:
            reason = _try(Place(version=1, folders={name: old[name]}))
            if reason is None:
                usable[name] = old[name]
            else:
                reasons.append(f"{old[name]}: {reason}")
    if usable:
        return Place(version=1, folders=usable)
    return "; ".join(reasons) or "no hierarchy with this process's group is mounted"


@lru_cache
def available() -> Place | str:
    """Where this process can make groups for its workers, or why it can make none; found once."""
    if sys.platform != "linux":
        return f"needs Linux, this is {sys.platform}"
    try:
        if not Path(f"/proc/self/task/{os.getpid()}/children").exists():
            return "this kernel does not list the children of a process"
        return find_place(Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text())
    except OSError as error:
        return f"{error.strerror}: {error.filename}"


def open_group(policy: Policy) -> Group | None:
    """A new group with a policy's limits, for ``Group.add``; None where there can be none."""
    place = available()
    if isinstance(place, str):
        return None
    folders = {name: folder for name, folder in place.folders.items() if policy.has(WALL_OF[name])}
    if not folders:
        return None
    try:
        return Group(Place(version=place.version, folders=folders), policy)
    except OSError:
        return None


class Group:
    """The group of one worker and of all that it starts; OSError if it cannot be made."""

    def __init__(self, place: Place, policy: Policy) -> None:
        name = f"{PREFIX}{os.getpid()}-{started(os.getpid())}-{secrets.token_hex(4)}"
        self._version = place.version
        self._folders = {controller: folder / name for controller, folder in place.folders.items()}
        self.walls = tuple(WALL_OF[controller] for controller in place.folders)
        events = "memory.events" if place.version == 2 else "memory.oom_control"
        self._events = str(self._folders["memory"] / events) if "memory" in self._folders else None
        self._events_open = -1
        try:
            for folder in self._each():
                folder.mkdir(mode=0o755)
            for controller, folder in self._folders.items():
                for file, value, needed in _limits(place.version, controller, policy):
                    # Without swap, or before 4.19 for the last, a kernel does not have all of them.
                    if needed or (folder / file).exists():
                        _write(folder / file, value)
        except OSError:
            self._remove()
            raise

    def add(self, pid: int) -> None:
        """Put a process and all that it has started in the group; OSError if the kernel refuses.

        Call it right after starting the process, before anything of the submission can run. It is free of
        races without the child's help: a process is moved first and asked for its children afterwards, so
        that what it forked before the move is found, and what it forks later is born in the group (the
        kernel lets no fork overlap the move). The one gap, an orphan that its parent leaves between the two,
        needs a process that does so: bubblewrap and the worker, before its first frame, do not. The kernel
        takes some 15 ms for the first move, while the worker starts, which takes longer: nobody waits for it.
        """
        moved: set[int] = set()
        while new := [one for one in (pid, *descendants(pid)) if one not in moved]:
            for one in new:
                for folder in self._each():
                    # Gone already: then it has no children that are not listed as another's.
                    with contextlib.suppress(ProcessLookupError):
                        _write(folder / "cgroup.procs", str(one))
                moved.add(one)

    def cause(self) -> Cause:
        """Why a process of the group was killed, as the kernel counts it."""
        if self._events is None:
            return Cause.UNKNOWN
        folder = self._folders["memory"]
        try:
            # Asked after every answer of a worker: almost always this one open file is all that is read.
            if self._events_open < 0:
                self._events_open = os.open(self._events, os.O_RDONLY)
            counts = _counts(self._events_open)
            if (killed := counts.get("oom_kill")) is None:
                return Cause.UNKNOWN
            if not killed:
                return Cause.OTHER
            # A kill is counted in the group that it hits, whoever's limit was reached.
            if self._version == 2:
                reached = counts.get("oom", 0) > 0
            else:
                reached = any(_reached(folder, kind) for kind in ("memory.", "memory.memsw."))
        except OSError:
            return Cause.UNKNOWN
        return Cause.LIMIT if reached else Cause.MACHINE

    def close(self) -> None:
        """End what is left in the group, and remove it. Safe to call twice."""
        if self._events_open >= 0:
            os.close(self._events_open)
            self._events_open = -1
        for attempt in range(ROUNDS):
            self._kill()
            if self._remove():
                return
            time.sleep(0.001 * min(attempt, 10))

    def pids(self) -> set[int]:
        """The processes in the group, as this process's namespace numbers them."""
        found: set[int] = set()
        for folder in self._each():
            with contextlib.suppress(OSError):
                found |= {int(word) for word in (folder / "cgroup.procs").read_text().split()}
        return found - {0}  # somebody of another namespace, and to kill(2) the caller's own group

    def _kill(self) -> None:
        if self._version == 2:
            # Since 5.14; it takes forks that are under way with it.
            with contextlib.suppress(OSError):
                _write(next(self._each()) / "cgroup.kill", "1")
                return
        handles: dict[int, int] = {}
        try:
            for pid in self.pids():
                with contextlib.suppress(OSError):
                    handles[pid] = os.pidfd_open(pid)
            # Listed again once it is held: a number that became another's in between is no longer listed.
            for pid in self.pids() & set(handles):
                with contextlib.suppress(OSError):
                    signal.pidfd_send_signal(handles[pid], signal.SIGKILL)
                # Orphans become this process's to wait for where it is a container's first process.
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
        finally:
            for handle in handles.values():
                os.close(handle)

    def _remove(self) -> bool:
        gone = True
        for folder in self._each():
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                gone = False
        return gone

    def _each(self) -> Iterator[Path]:
        # On v2, and where v1 controllers share a hierarchy, one folder has them all.
        return iter(dict.fromkeys(self._folders.values()))


def sweep(folder: Path) -> None:
    """Remove the empty groups in a folder whose grader is gone: one that was killed could not."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            found = OWNER.fullmatch(name)
            if found is not None and started(int(found[1])) != found[2]:
                # Only an empty one can be removed this way, so nobody's worker is at risk.
                with contextlib.suppress(OSError):
                    (folder / name).rmdir()


def _limits(version: int, controller: str, policy: Policy) -> list[tuple[str, str, bool]]:
    """The files to write, with their values, and whether there is no limit without them."""
    if controller == "pids":
        return [("pids.max", str(policy.processes + SPARE_PROCESSES), True)]
    limit = str(hard_memory(policy))
    if version == 2:
        # All or none: a worker whose child alone was killed may wait for it for ever.
        return [
            ("memory.max", limit, True),
            ("memory.swap.max", "0", False),
            ("memory.oom.group", "1", False),
        ]
    return [("memory.limit_in_bytes", limit, True), ("memory.memsw.limit_in_bytes", limit, False)]


def _try(place: Place) -> str | None:
    """Why no group can be made in a place; None if one could be, with every limit. It is removed again."""
    for folder in dict.fromkeys(place.folders.values()):
        # A process is moved by whoever may write here, too: it is the lowest folder above both of its groups.
        if not os.access(folder / "cgroup.procs", os.W_OK):
            return "no process may be moved from here"
        sweep(folder)
    try:
        Group(place, Policy(readable=(), writable=(), hidden=())).close()
    except OSError as error:
        return f"no group can be made ({error.strerror}: {Path(error.filename or '').name})"
    return None


def _enable(folder: Path) -> str | None:
    """Switch the controllers on for the groups in a v2 folder; why not, or None."""
    try:
        has = set((folder / "cgroup.controllers").read_text().split())
        if missing := sorted(set(WALL_OF) - has):
            return f"has no controller for {', '.join(missing)}"
        absent = sorted(set(WALL_OF) - set((folder / "cgroup.subtree_control").read_text().split()))
        if absent:
            # EBUSY where the folder has processes of its own, this one among them, unless it is the root.
            _write(folder / "cgroup.subtree_control", " ".join(f"+{name}" for name in absent))
    except OSError as error:
        return f"its controllers cannot be switched on for groups in it ({error.strerror})"
    return None


def _ours_to_divide(folder: Path, top: Path) -> bool:
    """Whether a v2 folder was handed to this process with its groups: to divide any other is not ours."""
    if not folder.is_relative_to(top):
        return False
    # The top of a cgroup namespace: a container's own. The machine's top has no such file.
    if folder == top and (folder / "cgroup.type").exists():
        return True
    for name in DELEGATED:
        with contextlib.suppress(OSError):
            if os.getxattr(folder, name) == b"1":
                return True
    return False


def _below(mount: Mount, group: str) -> Path | None:
    """The folder of a group under a mount; None if the mount does not show it."""
    if ".." in (*group.split("/"), *mount.root.split("/")):
        return None  # outside this cgroup namespace
    root = mount.root.rstrip("/")
    if group != root and not group.startswith(f"{root}/"):
        return None
    return mount.point / group[len(root) :].strip("/")


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _counts(handle: int) -> dict[str, int]:
    words = os.pread(handle, 4096, 0).split()
    return {name.decode(): int(value) for name, value in zip(words[::2], words[1::2])}


def _reached(folder: Path, kind: str) -> bool:
    """Whether a v1 group came up to its limit: the count of refusals stays at 0 in some kernels of late."""
    try:
        most, limit, refused = (
            int((folder / f"{kind}{name}").read_text())
            for name in ("max_usage_in_bytes", "limit_in_bytes", "failcnt")
        )
    except FileNotFoundError:
        return False
    return refused > 0 or most > limit - LAST_CHARGE


def _write(file: Path, value: str) -> None:
    """Write to a file that is there; never make one, as ``open`` would."""
    handle = os.open(file, os.O_WRONLY)
    try:
        os.write(handle, value.encode())
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(file)) from None
    finally:
        os.close(handle)
