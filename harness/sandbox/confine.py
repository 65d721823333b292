"""The worker's side: raise the walls around this process, before the submission is imported.

Everything here happens in a process that has run only the harness's code, and is inherited by all it starts.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import ClassVar

from harness.errors import SandboxError
from harness.sandbox import landlock, linux, seccomp, user
from harness.sandbox.policy import Policy

# In bubblewrap's own /dev this is a private folder in memory; elsewhere it is everybody's and stays closed.
SHARED_MEMORY = Path("/dev/shm")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
# What NumPy, PyTorch and OpenMP ask about the machine. /proc/self is this process alone.
ABOUT_MACHINE = (
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/version",
    "/proc/filesystems",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/kernel/osrelease",
)
SPARE_ADDRESSES = (
    16 << 30
)  # of address space beyond memory_bytes: libraries and thread stacks map much, use little


def confine(policy_json: str, *, allow_disabled_walls: bool = False) -> tuple[str, ...]:
    """Raise every wall that the policy's backend has, around this process, for good; return their names.

    Call it once, with one thread, after Python and NumPy have started and before the submission is imported.
    SandboxError if a wall that must stand cannot be raised: the caller must then leave without importing it.
    """
    policy = Policy.from_json(policy_json, allow_disabled_walls=allow_disabled_walls)
    if sys.platform != "linux":
        return _limit_only(policy)
    threads = linux.status_fields().get("Threads", "1")
    if threads != "1" and policy.backend != "none":
        raise SandboxError(
            f"sandbox: the worker has {threads} threads, and the walls would stand around one of them only; "
            "start it with OPENBLAS_NUM_THREADS=1 and OMP_NUM_THREADS=1"
        )
    try:
        raised = _raise_walls(policy)
    except OSError as error:
        raise SandboxError(
            f"sandbox: a wall of {policy.backend} could not be raised ({error}); run `backcheck doctor`"
        ) from error
    _verify(raised)
    return raised


def _raise_walls(policy: Policy) -> tuple[str, ...]:
    raised: list[str] = []
    trusted = policy.backend == "none"
    parent = os.getppid()
    if policy.backend == "bubblewrap":
        raised += [name for name in ("mounts", "network_namespace", "process_namespace") if policy.has(name)]
        # Bubblewrap makes one where it is not root, and cannot do without: it is never switched off.
        raised += [] if os.geteuid() == 0 else ["user_namespace"]
    if policy.backend == "landlock" and policy.has("guardian"):
        _start_guardian()
        raised.append("guardian")
    with suppress(OSError):
        # If memory runs out all the same, the kernel should end this process before any other.
        Path("/proc/self/oom_score_adj").write_text("1000")
    drop = os.geteuid() == 0 and policy.has("user") and not trusted
    identity = user.pick_user() if drop else None
    if identity is not None:
        user.give(policy.writable, identity)
    ruleset = None if trusted else _ruleset(policy)
    if policy.has("limits"):
        set_limits(policy, identity)
        raised.append("limits")
    if not trusted:
        _hide_packages(policy)
    if drop:
        user.become(identity)
        raised.append("user")
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    # After the change of user, which would have cleared it.
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    if ruleset is not None:
        ruleset.enforce()
        raised.append("landlock")
    if not trusted and policy.has("seccomp") and (policy.backend == "landlock" or seccomp.supported()):
        scoped = ruleset is not None and ruleset.version >= landlock.SCOPE_SINCE
        alone = not scoped and not {"process_namespace", "user"} & set(raised)
        seccomp.install(signals_to=os.getpid() if alone else None)
        raised.append("seccomp")
    return tuple(raised)


def set_limits(policy: Policy, identity: int | None) -> None:
    """Set this process's resource limits; they can be lowered afterwards, never raised."""
    import resource

    limits = {
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": policy.cpu_seconds,
        "RLIMIT_FSIZE": policy.file_bytes,
        "RLIMIT_NOFILE": policy.open_files,
        "RLIMIT_NPROC": policy.processes + (0 if identity is not None else _tasks_of(os.getuid())),
        # DATA is what a process can fill, AS what it can map: PyTorch maps gigabytes that it never touches.
        "RLIMIT_DATA": policy.memory_bytes,
        "RLIMIT_AS": policy.memory_bytes + SPARE_ADDRESSES,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_STACK": 64 << 20,
    }
    for name, value in limits.items():
        number = getattr(resource, name, None)
        if number is None:
            continue
        _, hard = resource.getrlimit(number)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        soft = min(8 << 20, bound) if name == "RLIMIT_STACK" else bound
        try:
            resource.setrlimit(number, (soft, bound))
        except (OSError, ValueError):
            if sys.platform == "linux":
                raise


def _limit_only(policy: Policy) -> tuple[str, ...]:
    if policy.backend != "none":
        raise SandboxError(f"sandbox: {policy.backend} needs Linux, this is {sys.platform}")
    if sys.platform == "win32" or not policy.has("limits"):
        return ()
    set_limits(policy, None)
    return ("limits",)


def _tasks_of(identity: int) -> int:
    """How many threads the user has already: RLIMIT_NPROC counts them all."""
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = linux.status_fields(name)
            if fields.get("Uid", "").split()[:1] == [str(identity)]:
                count += int(fields.get("Threads", "0"))
    return count


def _ruleset(policy: Policy) -> landlock.Ruleset | None:
    if not policy.has("landlock"):
        return None
    if landlock.interface_version() == 0:
        if policy.backend == "landlock":
            raise SandboxError("sandbox: this kernel has no Landlock; run `backcheck doctor`")
        return None
    rules = landlock.Ruleset()
    for path, rights in landlock.expand(policy.readable, policy.hidden):
        rules.allow(path, rights)
    for folder in policy.writable:
        rules.allow(folder, landlock.WRITE)
    for name in DEVICES:
        rules.allow(Path(name), landlock.READ_FILE | landlock.WRITE_FILE)
    for name in ABOUT_MACHINE:
        rules.allow(Path(name), landlock.READ_FILE | landlock.READ_DIR)
    if policy.backend == "bubblewrap" and policy.has("mounts"):
        rules.allow(SHARED_MEMORY, landlock.WRITE)
    return rules


class _Veil(PathFinder):
    """Finds modules as Python does, but not hidden ones: what cannot be read is not there.

    A courtesy to code that asks whether a package is installed, not a wall.
    """

    hidden: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return None for what a hidden package would be found by."""
        if fullname.partition(".")[0] in cls.hidden:
            return None
        return super().find_spec(fullname, path, target)


def _hide_packages(policy: Policy) -> None:
    if not policy.has("landlock"):
        return
    names: set[str] = set()
    for folder in policy.hidden:
        if folder.name in ("site-packages", "dist-packages") and folder.is_dir() and str(folder) in sys.path:
            seen = {path.name.partition(".")[0] for path in policy.readable if path.parent == folder}
            names |= {entry.partition(".")[0] for entry in os.listdir(folder)} - seen
    _Veil.hidden = frozenset(names) - set(sys.modules)
    sys.meta_path[:] = [_Veil if finder is PathFinder else finder for finder in sys.meta_path]


def _start_guardian() -> None:
    """Fork a process outside the walls that ends this one's group once this one has ended.

    Without a process namespace, children would outlive a worker that dies, or that is killed with the grader.
    """
    worker = os.getpid()
    if os.getpgrp() != worker:
        os.setpgid(0, 0)
    ready, signalled = os.pipe()
    if os.fork() == 0:
        try:
            linux.prctl(linux.PR_SET_NAME, linux.GUARDIAN_NAME.encode())
            os.setsid()
            # Not a parent-death signal: the dying worker would have to be allowed to send it.
            watched = os.pidfd_open(worker)
            os.write(signalled, b"1")
            # The grader's channel among them, which must close when the worker ends.
            os.closerange(0, watched)
            os.closerange(watched + 1, 1 << 16)
            select.select([watched], [], [])
            os.killpg(worker, signal.SIGKILL)
        finally:
            os._exit(0)
    os.close(signalled)
    started = os.read(ready, 1)
    os.close(ready)
    if not started:
        raise OSError("the guardian process did not start")


def _verify(raised: tuple[str, ...]) -> None:
    """Ask the kernel whether the walls stand; a wall that is only believed to stand is none."""
    fields = linux.status_fields()
    expected = {"NoNewPrivs": "1"}
    if "seccomp" in raised:
        expected["Seccomp"] = "2"
    for name, value in expected.items():
        if fields and fields.get(name) != value:
            raise SandboxError(f"sandbox: the kernel reports {name} {fields.get(name)}, expected {value}")
    if "user" in raised and int(fields.get("CapEff", "0"), 16) & ~user.KEPT:
        raise SandboxError(
            f"sandbox: capabilities {fields.get('CapEff')} are left, expected none but reading"
        )
    if "landlock" in raised:
        try:
            os.close(os.open("/", os.O_RDONLY))
        except PermissionError:
            return
        raise SandboxError("sandbox: the folder / can be opened though Landlock should refuse it")
