"""What a submission may read, write and use: plain data that travels to the worker as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from harness.errors import SandboxError

# Everything that holds a submission. Each can be switched off alone, in tests, to see that a probe notices.
WALLS = (
    "mounts",  # bubblewrap: a file system made of what the policy names, read-only
    "network_namespace",  # bubblewrap: an empty network, abstract sockets included
    "process_namespace",  # bubblewrap: no other process exists, and all die with the first
    "user_namespace",  # bubblewrap, unless root runs it: nobody outside can be traced or read about
    "landlock",  # the kernel's path, signal and abstract-socket rules, for the process and its children
    "seccomp",  # system calls that no submission needs are refused
    "user",  # root only: a user of its own, without capabilities
    "limits",  # setrlimit: memory, processes, files, file size, processor time
    "guardian",  # Landlock only: ends what is left when the worker ends
    "cgroup_memory",  # where a group can be made: memory of all processes together (see cgroup.py)
    "cgroup_processes",  # likewise: how many processes and threads there are
)

# From-scratch submissions may use these where they are installed: arrays, plots, tables and progress bars.
# SciPy is there for scipy.special (expit, softmax); it has neither networks nor automatic differentiation.
SCRATCH_PACKAGES = ("numpy", "scipy", "matplotlib", "pandas", "tqdm")
MIB = 1 << 20


def python_readable_paths(allow_packages: Iterable[str]) -> tuple[Path, ...]:
    """What this Python needs to read: itself, its libraries, the worker, and the named distributions.

    The distributions' dependencies come with them; names that are not installed are left out.
    Each symbolic link on the way is listed beside what it leads to.
    """
    from harness.sandbox.interpreter import readable_paths

    return readable_paths(tuple(allow_packages))


def python_hidden_paths() -> tuple[Path, ...]:
    """Folders of which only the readable entries are seen: every package folder, and the harness."""
    from harness.sandbox.interpreter import hidden_paths

    return hidden_paths()


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What one worker process and its children may do. Sizes are bytes, times seconds of processor time.

    ``readable`` paths are read and executed, ``writable`` folders are also written to; under bubblewrap each
    writable folder is an empty one in memory of at most ``file_bytes``. In a ``hidden`` folder only readable
    entries exist. ``disabled_walls`` is for the tests of the walls and is refused without
    ``allow_disabled_walls``.
    """

    readable: tuple[Path, ...]
    writable: tuple[Path, ...]
    memory_bytes: int = 4096 * MIB
    cpu_seconds: int = 24 * 3600  # each process; the grader's own clock is what ends a slow submission
    processes: int = 64  # threads count, as they do for the kernel
    open_files: int = 256
    file_bytes: int = 256 * MIB  # of the largest file, and of all files in a writable folder under bubblewrap
    hidden: tuple[Path, ...] = field(default_factory=python_hidden_paths)
    backend: str = (
        "landlock"  # filled in by Backend.prepare; the default demands Landlock, so it cannot be weaker
    )
    disabled_walls: frozenset[str] = frozenset()
    allow_disabled_walls: bool = False

    def __post_init__(self) -> None:
        unknown = self.disabled_walls - set(WALLS)
        if unknown:
            raise SandboxError(
                f"policy: no wall is called {', '.join(sorted(unknown))}; the walls are {', '.join(WALLS)}"
            )
        if self.disabled_walls and not self.allow_disabled_walls:
            raise SandboxError(
                f"policy: {', '.join(sorted(self.disabled_walls))} would be switched off; "
                "only the tests of the sandbox may do that, with allow_disabled_walls=True"
            )
        for name in ("memory_bytes", "cpu_seconds", "processes", "open_files", "file_bytes"):
            if getattr(self, name) <= 0:
                raise SandboxError(f"policy: {name} must be positive, it is {getattr(self, name)}")
        for path in (*self.readable, *self.writable, *self.hidden):
            if not path.is_absolute():
                raise SandboxError(f"policy: paths must be absolute, {str(path)!r} is not")

    def has(self, wall: str) -> bool:
        """Whether a wall is to be raised."""
        return wall not in self.disabled_walls

    def without(self, *walls: str, allow_disabled_walls: bool = False) -> Policy:
        """The same policy with walls switched off, for tests of the sandbox."""
        return replace(self, disabled_walls=frozenset(walls), allow_disabled_walls=allow_disabled_walls)

    def to_json(self) -> str:
        """The policy as JSON, but for ``allow_disabled_walls``: each side must say so itself."""
        plain: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, tuple):
                value = [str(path) for path in value]
            plain[item.name] = sorted(value) if isinstance(value, frozenset) else value
        del plain["allow_disabled_walls"]
        return json.dumps(plain)

    @classmethod
    def from_json(cls, text: str, *, allow_disabled_walls: bool = False) -> Policy:
        """The policy that ``to_json`` wrote; SandboxError for anything else."""
        try:
            plain: dict[str, Any] = json.loads(text)
            for name in ("readable", "writable", "hidden"):
                plain[name] = tuple(map(Path, plain[name]))
            plain["disabled_walls"] = frozenset(plain["disabled_walls"])
            return cls(**plain, allow_disabled_walls=allow_disabled_walls)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SandboxError(
                f"policy: expected the JSON of Policy.to_json, found {text[:80]!r} ({error})"
            ) from None
