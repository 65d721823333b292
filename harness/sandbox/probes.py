"""The table of probes: which attempt is made on which target, and which walls stop it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.sandbox import landlock

MIB = 1 << 20
# Small, so that an attempt to exceed a limit is over in milliseconds, with and without the limit.
LIMITS: dict[str, Any] = {
    "memory_bytes": 192 * MIB,
    "cpu_seconds": 1,
    "processes": 24,
    "open_files": 64,
    "file_bytes": 4 * MIB,
}
BUBBLEWRAP, LANDLOCK = "bubblewrap", "landlock"


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One attempt to get through. Each wall in ``walls`` stops it alone, on the backends that have that wall.

    ``ending`` is for attempts that succeed by outliving: "worker" ends by itself, "grader" is killed.
    """

    name: str
    attempt: str
    walls: tuple[str, ...]
    description: str
    arguments: Mapping[str, Any] = field(default_factory=dict)  # values starting with $ name a target
    ending: str = ""
    arrives: str = ""  # the target that must have noticed, for an attempt that cannot tell
    killed_is_held: bool = False  # ending the process is how the kernel enforces this limit
    backends: tuple[str, ...] = (BUBBLEWRAP, LANDLOCK)
    controller: str = ""  # the cgroup controller without which there is no such wall
    landlock_since: int = 1  # the version of Landlock's interface from which it is one of the walls
    without: tuple[str, ...] = ()  # walls that would stop the attempt as well, switched off to prove these


_FILES = ("mounts", "landlock")
_LOOKING = ("process_namespace", "user_namespace", "landlock", "user")


def probes() -> tuple[Probe, ...]:
    """Every probe, in the order of the table."""
    return (
        _read("read_home", "home_file", "read a file in the home folder"),
        _read("read_mnist_cache", "cache_file", "read a file in the MNIST cache, where the test labels are"),
        _read("read_specs", "spec_file", "read the specifications: what is expected of a submission"),
        _read("read_other_submission", "other_file", "read a file of another submission"),
        _read("read_system", "system_file", "read /etc/passwd"),
        Probe(
            name="read_in_subprocess", attempt="read_in_subprocess", walls=_FILES,
            arguments={"path": "$other_file"}, description="read another submission from a subprocess",
        ),
        Probe(
            name="write_outside", attempt="write_files", walls=("mounts", "landlock"),
            arguments={"folders": "$folders"},
            description="write to the harness, its packages, the home folder or another submission",
        ),
        Probe(
            name="import_torch", attempt="import_module", walls=_FILES,
            arguments={"name": "torch", "path": "$package_folders"},
            without=("limits",),  # on a busy machine it takes longer than the second of processor time
            description="import PyTorch into a from-scratch submission",
        ),
        Probe(
            name="connect_tcp", attempt="connect", walls=("network_namespace", "landlock", "seccomp"),
            landlock_since=landlock.NET_SINCE,
            arguments={"family": "AF_INET", "address": "$tcp"}, description="connect to a loopback service",
        ),
        Probe(
            name="send_udp", attempt="send_datagram", walls=("network_namespace", "seccomp"), arrives="udp",
            arguments={"family": "AF_INET", "address": "$udp"}, description="send a UDP datagram",
        ),
        Probe(
            name="connect_unix", attempt="connect", walls=("mounts", "seccomp"),
            arguments={"family": "AF_UNIX", "address": "$unix"}, description="connect to a Unix socket",
        ),
        Probe(
            name="connect_abstract", attempt="connect", walls=("network_namespace", "landlock", "seccomp"),
            landlock_since=landlock.SCOPE_SINCE, arguments={"family": "AF_UNIX", "address": "$abstract"},
            description="connect to an abstract Unix socket",
        ),
        Probe(
            name="send_from_pair", attempt="send_from_pair", walls=("mounts", "seccomp"),
            arrives="unix_datagram", arguments={"address": "$unix_datagram"},
            description="send to a Unix socket from a socket pair",
        ),
        Probe(
            name="trace", attempt="trace", walls=(*_LOOKING, "seccomp"), arguments={"pid": "$victim"},
            description="take control of a process of the grader's user",
        ),
        Probe(
            name="signal", attempt="send_signal", walls=("process_namespace", "landlock", "user", "seccomp"),
            landlock_since=landlock.SCOPE_SINCE,
            arguments={"pid": "$victim"}, description="signal a process of the grader's user",
        ),
        Probe(
            name="read_environment", attempt="read_file", walls=_LOOKING,
            arguments={"path": "$victim_environment"}, description="read another process's environment",
        ),
        Probe(
            name="read_memory", attempt="read_file", walls=_LOOKING,
            arguments={"path": "$victim_maps"}, description="read another process's memory map",
        ),
        Probe(
            name="share_memory", attempt="share_memory", walls=("seccomp",), arguments={"size": MIB},
            description="create shared memory that stays behind",
        ),
        _limit(
            "processes", "start_processes", {"count": 48}, "start more processes than allowed",
            "cgroup_processes",
        ),
        _limit(
            "threads", "start_threads", {"count": 48}, "start more threads than allowed", "cgroup_processes"
        ),
        _limit(
            "memory", "use_memory", {"size": 256 * MIB}, "use more memory than allowed", "cgroup_memory"
        ),
        _limit("cpu", "burn", {"seconds": 1.4}, "use more processor time than allowed"),
        _limit("open_files", "open_many", {"count": 128}, "hold more files open than allowed"),
        Probe(
            name="file_size", attempt="write_large", walls=("limits", "mounts"),
            arguments={"folder": "$workdir", "size": 6 * MIB, "files": 1},
            description="write a larger file than allowed",
        ),
        Probe(
            name="disk", attempt="write_large", walls=("mounts",), backends=(BUBBLEWRAP,),
            arguments={"folder": "$workdir", "size": 6 * MIB, "files": 3},
            description="fill the disk with many files",
        ),
        Probe(
            name="memory_of_tree", attempt="use_memory_in_children", walls=("cgroup_memory",),
            arguments={"size": 72 * MIB, "count": 4}, killed_is_held=True, controller="memory",
            description="use more memory than allowed in all, no process more than its share",
        ),
        Probe(
            name="fork_bomb", attempt="fork_bomb", walls=("cgroup_processes",), without=("limits",),
            arguments={"count": 48}, killed_is_held=True, controller="pids",
            description="let a tree of processes grow past the limit, without the resource limits",
        ),
        Probe(
            name="leave_behind", attempt="leave_behind", walls=("process_namespace", "guardian"),
            arguments={"wait": False}, ending="worker", description="leave a daemon behind",
        ),
        Probe(
            name="outlive_grader", attempt="leave_behind", walls=("process_namespace", "guardian"),
            arguments={"wait": True}, ending="grader", description="outlive a grader that is killed",
        ),
    )  # fmt: skip


def _read(name: str, target: str, description: str) -> Probe:
    return Probe(
        name=name,
        attempt="read_file",
        walls=_FILES,
        arguments={"path": f"${target}"},
        description=description,
    )


def _limit(name: str, attempt: str, arguments: Mapping[str, Any], description: str, *others: str) -> Probe:
    return Probe(
        name=name, attempt=attempt, walls=("limits", *others), arguments=arguments, description=description,
        killed_is_held=True,
    )  # fmt: skip


@dataclass(kw_only=True)
class Targets:
    """What the attempts aim at: folders with a file of the doctor's own, sockets, a process."""

    values: dict[str, Any]
    listeners: dict[str, socket.socket]
    victim: subprocess.Popen[bytes]

    def fill(self, arguments: Mapping[str, Any], workdir: Path) -> dict[str, Any]:
        """The arguments with each target's name replaced by what it stands for."""
        known = {**self.values, "workdir": str(workdir)}
        return {k: known[v[1:]] if isinstance(v, str) and v[:1] == "$" else v for k, v in arguments.items()}

    def arrived(self, name: str) -> bool:
        """Whether a datagram came to a listener since the last call."""
        time.sleep(0.02)
        seen = False
        with contextlib.suppress(BlockingIOError):
            while self.listeners[name].recv(64):
                seen = True
        return seen

    def victim_ended(self) -> bool:
        """Whether somebody ended the victim process."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.victim.wait(timeout=0.05)
        return self.victim.poll() is not None

    def renew_victim(self) -> None:
        """Start another victim process in place of one that ended."""
        self.victim = _victim()
        self.values.update(_victim_values(self.victim))


@contextlib.contextmanager
def targets(cache: Path) -> Iterator[Targets]:
    """Prepare every target; remove all of it afterwards."""
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="backcheck-doctor-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o777)  # permissions must not be what stops an attempt
        harness = Path(__file__).resolve().parents[1]
        packages = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
        torch = importlib.util.find_spec("torch")
        if torch is not None and torch.origin is not None:
            packages.append(str(Path(torch.origin).parents[1]))
        values: dict[str, Any] = {
            "home_file": stack.enter_context(_canary(Path.home())),
            "cache_file": stack.enter_context(_canary(cache)),
            "other_file": stack.enter_context(_canary(folder / "submissions" / "other")),
            "spec_file": str(next((harness / "specs").glob("*.toml"), harness / "specs")),
            "system_file": "/etc/passwd",
            "folders": [str(folder), str(harness), *packages, str(Path.home())],
            "package_folders": list(dict.fromkeys(packages)),
        }
        listeners = {
            name: stack.enter_context(listener) for name, listener in _listeners(folder, values).items()
        }
        found = Targets(values=values, listeners=listeners, victim=_victim())
        found.values.update(_victim_values(found.victim))
        try:
            yield found
        finally:
            found.victim.kill()
            found.victim.wait()


@contextlib.contextmanager
def _canary(folder: Path) -> Iterator[str]:
    """A file of the doctor's own in a folder, made with the folders above it and removed with them."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    path = folder / f".backcheck-doctor-{secrets.token_hex(8)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"the doctor's own file\n")
    except OSError:
        # The probe will find nothing to read without walls either, and say that it proves nothing.
        yield str(path)
        return
    try:
        yield str(path)
    finally:
        path.unlink(missing_ok=True)
        for made in missing:
            with contextlib.suppress(OSError):
                made.rmdir()


def _listeners(folder: Path, values: dict[str, Any]) -> dict[str, socket.socket]:
    abstract = f"@backcheck-doctor-{secrets.token_hex(8)}"
    kinds: dict[str, tuple[int, int, Any]] = {
        "tcp": (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
        "udp": (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        "unix": (socket.AF_UNIX, socket.SOCK_STREAM, str(folder / "stream")),
        "unix_datagram": (socket.AF_UNIX, socket.SOCK_DGRAM, str(folder / "datagram")),
        "abstract": (socket.AF_UNIX, socket.SOCK_STREAM, "\0" + abstract[1:]),
    }
    found = {}
    for name, (family, kind, address) in kinds.items():
        listener = socket.socket(family, kind)
        listener.bind(address)
        listener.setblocking(False)
        if kind == socket.SOCK_STREAM:
            listener.listen(8)
        if family == socket.AF_UNIX and name != "abstract":
            os.chmod(address, 0o777)
        values[name] = list(listener.getsockname()) if family == socket.AF_INET else address
        found[name] = listener
    values["abstract"] = abstract
    return found


def _victim() -> subprocess.Popen[bytes]:
    code = "import time; print(flush=True); time.sleep(600)"
    victim = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert victim.stdout is not None
    victim.stdout.readline()
    victim.stdout.close()
    return victim


def _victim_values(victim: subprocess.Popen[bytes]) -> dict[str, Any]:
    process = Path("/proc") / str(victim.pid)
    return {
        "victim": victim.pid,
        "victim_environment": str(process / "environ"),
        "victim_maps": str(process / "maps"),
    }
