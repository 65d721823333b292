"""Which walls this machine has, and how a command is put behind them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from harness.errors import SandboxError
from harness.sandbox import landlock, seccomp
from harness.sandbox.confine import confine
from harness.sandbox.policy import Policy

__all__ = ["BACKENDS", "Backend", "available", "choose", "confine"]

BACKENDS = ("bubblewrap", "landlock", "none")
NAMESPACES = {
    "network_namespace": ("--unshare-net",),
    "process_namespace": ("--unshare-pid",),
}
ALWAYS = (
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--die-with-parent",
    "--hostname",
    "backcheck",
)
# Enough of root's power for the worker to give itself away (see user.become).
CAPABILITIES = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_CHOWN", "CAP_DAC_READ_SEARCH")


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A way to put walls around a worker; ``description`` says which, for the record."""

    name: str
    description: str
    program: str = ""  # bubblewrap's path
    flags: tuple[str, ...] = ()

    def prepare(self, policy: Policy) -> Policy:
        """The policy for this backend: send its ``to_json`` to the worker, and give it to ``wrap``.

        What a readable path is a symbolic link to becomes readable as well.
        """
        from harness.sandbox.interpreter import hops

        readable = dict.fromkeys(hop for path in policy.readable for hop in hops(path))
        return replace(policy, backend=self.name, readable=tuple(readable))

    def wrap(self, argv: Sequence[str], policy: Policy) -> list[str]:
        """The command that runs ``argv`` behind the outer walls.

        Inherited descriptors and the working folder stay. It ends when the thread that starts it ends.
        """
        if self.name != "bubblewrap":
            return list(argv)
        # Dropping capabilities is the first half of the worker's change of user.
        flags = (
            self.flags if policy.has("user") else [flag for flag in self.flags if flag == "--unshare-user"]
        )
        return [self.program, *flags, *_bubblewrap(policy), "--", *argv]


def choose(trust: bool = False, prefer: str | None = None) -> Backend:
    """The strongest backend that works here; ``prefer`` asks for one by name.

    SandboxError if there is none, or not the one asked for, unless ``trust`` says that none is needed.
    """
    if prefer is not None and prefer not in BACKENDS:
        raise SandboxError(f"sandbox: no backend is called {prefer!r}; there are {', '.join(BACKENDS)}")
    if prefer == "none" and not trust:
        raise SandboxError("sandbox: running without walls needs --trust-submissions as well")
    reasons: list[str] = []
    for name in BACKENDS[:2] if prefer is None else (prefer,):
        found = _find(name)
        if isinstance(found, Backend):
            return found
        reasons.append(f"{name}: {found}")
    if trust:
        return Backend(name="none", description="none: submissions are trusted, with resource limits only")
    raise SandboxError(
        "sandbox: no wall can be put around a submission here (" + "; ".join(reasons) + "). "
        "Install bubblewrap 0.5 or later, or use a Linux kernel with Landlock (5.13 or later); "
        "--trust-submissions runs them without walls"
    )


def available() -> dict[str, str]:
    """For each backend with walls, its description, or why it does not work here (in brackets)."""
    found = {name: _find(name) for name in BACKENDS[:2]}
    return {n: f.description if isinstance(f, Backend) else f"({f})" for n, f in found.items()}


def _find(name: str) -> Backend | str:
    if name == "none":
        return "has no walls"
    if sys.platform != "linux":
        return f"needs Linux, this is {sys.platform}"
    return _find_bubblewrap() if name == "bubblewrap" else _find_landlock()


@lru_cache
def _find_landlock() -> Backend | str:
    version = landlock.interface_version()
    if version == 0:
        return "this kernel has no Landlock, or it is switched off (lsm= on the kernel's command line)"
    if not seccomp.supported():
        return f"no seccomp filter for {os.uname().machine}"
    return Backend(name="landlock", description=f"Landlock {version} and seccomp")


@lru_cache
def _find_bubblewrap() -> Backend | str:
    # The worker imports this module for confine, and should not pay for these.
    import shutil
    import subprocess

    program = shutil.which("bwrap")
    if program is None:
        return "bwrap is not installed"
    variants: list[tuple[str, ...]] = [("--unshare-user",)]
    if os.geteuid() == 0:
        # Root without a user namespace can give the worker a user of its own; with one it has none to give.
        granted = [word for capability in CAPABILITIES for word in ("--cap-add", capability)]
        variants.insert(0, ("--cap-drop", "ALL", *granted))
    reason = ""
    for flags in variants:
        try:
            answer = subprocess.run(
                [program, *flags, *ALWAYS, *NAMESPACES["network_namespace"], *NAMESPACES["process_namespace"],
                 "--ro-bind", "/", "/", "--proc", "/proc",
                 "--dev", "/dev", "--perms", "1777", "--size", "65536", "--tmpfs", "/dev/shm",
                 "--", sys.executable, "-I", "-S", "-c", "pass"],
                capture_output=True, timeout=20, check=False, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"bwrap does not run: {error}"
        if answer.returncode == 0:
            second = " with Landlock and seccomp behind it" if landlock.interface_version() else ""
            return Backend(
                name="bubblewrap", description=f"{_version(program)}{second}", program=program, flags=flags
            )
        reason = answer.stderr.decode(errors="replace").strip()[:300]
    return f"bwrap does not work: {reason}"


def _version(program: str) -> str:
    import subprocess

    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "bubblewrap"


def _bubblewrap(policy: Policy) -> Iterator[str]:
    yield from ALWAYS
    for wall, flags in NAMESPACES.items():
        if policy.has(wall):
            yield from flags
    if not policy.has("mounts"):
        yield from ("--bind", "/", "/", "--dev-bind", "/dev", "/dev")
    else:
        yield from _mounts(policy)
    yield from ("--proc", "/proc")
    if policy.has("mounts"):
        # Last: what bubblewrap itself built would otherwise stay writable.
        yield from ("--remount-ro", "/dev", "--remount-ro", "/")


def _mounts(policy: Policy) -> Iterator[str]:
    yield from ("--dev", "/dev", "--perms", "1777", "--size", str(policy.file_bytes), "--tmpfs", "/dev/shm")
    hidden = {Path(os.path.realpath(folder)) for folder in policy.hidden} - set(policy.readable)
    for folder in hidden:
        # A mount on a read-only one needs its folder to be there: hide only what a readable folder shows.
        if not any(parent in policy.readable for parent in folder.parents):
            hidden = hidden - {folder}
    writable = {Path(os.path.realpath(folder)) for folder in policy.writable}
    # Parents first, so that what is within comes on top.
    for path in sorted({*policy.readable, *hidden, *writable}, key=lambda path: len(path.parts)):
        if path in writable:
            yield from ("--perms", "1777", "--size", str(policy.file_bytes), "--tmpfs", str(path))
        elif path in hidden:
            yield from ("--tmpfs", str(path))
        elif path.is_symlink():
            yield from ("--symlink", os.readlink(path), str(path))
        elif path.exists():
            yield from ("--ro-bind", str(path), str(path))
    for folder in hidden:
        yield from ("--remount-ro", str(folder))
