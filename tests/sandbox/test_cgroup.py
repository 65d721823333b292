"""Finding where groups can be made is tried everywhere, on made-up files; what the kernel then holds, where
it lets this process make one.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.liveness import started
from harness.records import Status
from harness.sandbox import cgroup
from harness.sandbox.cgroup import Cause, Group, Place, find_place, own_folders, own_groups
from harness.sandbox.doctor import Outcome, run_probe
from harness.sandbox.policy import Policy
from harness.sandbox.probes import Probe, Targets, probes, targets
from harness.sandbox.usage import Usage
from harness.session import Limits, Session, SubmissionFault
from harness.submission import discover
from tests.sandbox.conftest import working_backends

MIB = 1 << 20
V1 = """\
12:memory:/docker/abc
11:pids:/docker/abc
4:cpu,cpuacct:/docker/abc
1:name=systemd:/docker/abc
"""
V2 = "0::/user.slice/grader.service/main\n"
HYBRID = """\
9:name=systemd:/
8:pids:/
4:memory:/process_api/c2c3
0::/
"""


def mount(point: Path | str, kind: str, options: str, root: str = "/") -> str:
    return f"31 23 0:28 {root} {point} rw,nosuid shared:9 - {kind} {kind} {options}\n"


# ---------------------------------------------------------------------------------------- the two texts


def test_groups_are_read_by_controller() -> None:
    assert own_groups(V1) == {
        "memory": "/docker/abc",
        "pids": "/docker/abc",
        "cpu": "/docker/abc",
        "cpuacct": "/docker/abc",
        "name=systemd": "/docker/abc",
    }
    assert own_groups(V2) == {"": "/user.slice/grader.service/main"}
    assert own_groups(HYBRID)[""] == "/"
    assert own_groups(HYBRID)["memory"] == "/process_api/c2c3"
    # A colon in a group's name is part of it.
    assert own_groups("0::/machine.slice/a:b\n") == {"": "/machine.slice/a:b"}
    assert own_groups("") == {}


def test_v1_folders_are_below_what_the_mount_shows() -> None:
    text = (
        mount("/sys/fs/cgroup", "tmpfs", "rw,mode=755")
        + mount("/sys/fs/cgroup/cpu", "cgroup", "rw,cpu,cpuacct", "/docker/abc")
        + mount("/sys/fs/cgroup/memory", "cgroup", "rw,memory", "/docker/abc")
        + mount("/sys/fs/cgroup/pids", "cgroup", "rw,pids")
        + mount("/sys/fs/cgroup/unified", "cgroup2", "rw")  # of which V1 says nothing
    )
    assert own_folders(V1, text) == (
        {"memory": Path("/sys/fs/cgroup/memory"), "pids": Path("/sys/fs/cgroup/pids/docker/abc")},
        [],
    )


def test_v2_folder_is_found_with_the_mount_above_it() -> None:
    text = mount("/sys/fs/cgroup", "cgroup2", "rw,nsdelegate,memory_recursiveprot")
    top = Path("/sys/fs/cgroup")
    assert own_folders(V2, text) == ({}, [(top / "user.slice/grader.service/main", top)])


def test_hybrid_has_both() -> None:
    text = (
        mount("/sys/fs/cgroup/unified", "cgroup2", "rw")
        + mount("/sys/fs/cgroup/memory", "cgroup", "rw,memory")
        + mount("/mnt/with\\040space", "cgroup", "rw,pids")
    )
    old, unified = own_folders(HYBRID, text)
    assert old == {
        "memory": Path("/sys/fs/cgroup/memory/process_api/c2c3"),
        "pids": Path("/mnt/with space"),
    }
    assert unified == [(Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup/unified"))]


@pytest.mark.parametrize(
    ("group", "root"),
    [
        ("/docker/abc", "/docker/other"),
        ("/docker/abcdef", "/docker/abc"),  # a name that begins alike is not below
        ("/../other", "/"),  # outside this cgroup namespace
        ("/", "/../.."),
    ],
)
def test_a_group_that_no_mount_shows_has_no_folder(group: str, root: str) -> None:
    text = mount("/memory", "cgroup", "rw,memory", root) + mount("/unified", "cgroup2", "rw", root)
    assert own_folders(f"3:memory:{group}\n0::{group}\n", text) == ({}, [])


# -------------------------------------------------------------------------------- a kernel made of files


class Kernel:
    """Folders that behave as cgroup folders do where ``find_place`` looks."""

    files = (
        "cgroup.procs",
        "memory.limit_in_bytes",
        "memory.memsw.limit_in_bytes",
        "memory.max",
        "memory.swap.max",
        "pids.max",
    )

    def __init__(self) -> None:
        self.written: list[tuple[str, str]] = []
        self.made: list[Path] = []

    def folder(self, path: Path, controllers: str = "", enabled: str = "", procs: str = "") -> Path:
        path.mkdir(parents=True, exist_ok=True)
        (path / "cgroup.procs").write_text(procs)
        (path / "cgroup.controllers").write_text(controllers)
        (path / "cgroup.subtree_control").write_text(enabled)
        return path

    def write(self, file: Path, value: str) -> None:
        if file.name == "cgroup.subtree_control" and (file.parent / "cgroup.procs").read_text():
            raise OSError(errno.EBUSY, "Device or resource busy", str(file))
        file.stat()
        self.written.append((file.name, value))
        file.write_text(value)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    real = Path.mkdir

    def mkdir(self: Path, *arguments: object, **options: object) -> None:
        real(self, *arguments, **options)  # type: ignore[arg-type]
        if self.name.startswith(cgroup.PREFIX):
            kernel.made.append(self)
            parent = self.parent / "cgroup.subtree_control"
            enabled = parent.read_text() if parent.exists() else "memory pids"
            for name in kernel.files:
                if name.partition(".")[0] in f"cgroup {enabled}":
                    (self / name).write_text("")

    monkeypatch.setattr(cgroup, "_write", kernel.write)
    monkeypatch.setattr(Path, "mkdir", mkdir)
    monkeypatch.setattr(Path, "rmdir", shutil.rmtree)
    return kernel


def unified(top: Path) -> str:
    return mount(top, "cgroup2", "rw")


def test_v2_group_above_is_used_where_it_was_delegated(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = kernel.folder(tmp_path / "user.slice/grader.service", "cpu memory pids")
    kernel.folder(service / "main", "memory pids", procs="1\n")
    marks = {str(service): b"1"}
    monkeypatch.setattr(os, "getxattr", lambda path, name: marks.get(str(path), b""))
    assert find_place(V2, unified(tmp_path)) == Place(version=2, folders={"memory": service, "pids": service})
    assert ("cgroup.subtree_control", "+memory +pids") in kernel.written
    # The trial group had every limit, and is gone.
    default = Policy(readable=(), writable=(), hidden=())
    limits = {name: value for name, value in kernel.written if name.endswith(".max")}
    assert limits == {
        "memory.max": str(cgroup.hard_memory(default)),
        "memory.swap.max": "0",
        "pids.max": str(default.processes + cgroup.SPARE_PROCESSES),
    }
    assert kernel.made
    assert not any(folder.exists() for folder in kernel.made)


def test_v2_group_above_is_left_alone_where_it_is_somebody_elses(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = kernel.folder(tmp_path / "user.slice/grader.service", "memory pids")
    kernel.folder(service / "main", "memory pids", procs="1\n")
    monkeypatch.setattr(os, "getxattr", lambda path, name: b"")
    found = find_place(V2, unified(tmp_path))
    assert isinstance(found, str)
    assert "busy" in found
    assert kernel.made == []
    assert (service / "cgroup.subtree_control").read_text() == ""


def test_v2_top_of_a_containers_namespace_is_its_own(kernel: Kernel, tmp_path: Path) -> None:
    kernel.folder(tmp_path, "memory pids")
    kernel.folder(tmp_path / "init", "memory pids", procs="1\n")
    found = find_place("0::/init\n", unified(tmp_path))
    assert isinstance(found, str), "the top of the machine has no cgroup.type and is not ours"
    (tmp_path / "cgroup.type").write_text("domain\n")
    assert find_place("0::/init\n", unified(tmp_path)) == Place(
        version=2, folders={"memory": tmp_path, "pids": tmp_path}
    )


def test_v2_controllers_that_are_on_need_no_switching(kernel: Kernel, tmp_path: Path) -> None:
    kernel.folder(tmp_path, "memory pids", enabled="memory pids", procs="1\n")
    found = find_place("0::/\n", unified(tmp_path))
    assert found == Place(version=2, folders={"memory": tmp_path, "pids": tmp_path})
    assert "cgroup.subtree_control" not in dict(kernel.written)


def test_v2_without_the_controllers_is_no_place(kernel: Kernel, tmp_path: Path) -> None:
    kernel.folder(tmp_path, "hugetlb pids")
    found = find_place("0::/\n", unified(tmp_path))
    assert isinstance(found, str)
    assert "no controller for memory" in found


def test_v2_group_without_the_files_is_no_place(kernel: Kernel, tmp_path: Path) -> None:
    kernel.files = ("cgroup.procs", "pids.max")
    kernel.folder(tmp_path, "memory pids", enabled="memory pids")
    found = find_place("0::/\n", unified(tmp_path))
    assert isinstance(found, str)
    assert "memory.max" in found
    assert kernel.made
    assert not any(folder.exists() for folder in kernel.made)


def old_hierarchies(kernel: Kernel, tmp_path: Path) -> str:
    for name in ("memory/process_api/c2c3", "pids"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "cgroup.procs").write_text("1\n")
    kernel.folder(tmp_path / "unified", "hugetlb")
    return (
        unified(tmp_path / "unified")
        + mount(tmp_path / "memory", "cgroup", "rw,memory")
        + mount(tmp_path / "pids", "cgroup", "rw,pids")
    )


def test_hybrid_falls_back_to_v1(kernel: Kernel, tmp_path: Path) -> None:
    text = old_hierarchies(kernel, tmp_path)
    assert find_place(HYBRID, text) == Place(
        version=1, folders={"memory": tmp_path / "memory/process_api/c2c3", "pids": tmp_path / "pids"}
    )
    limit = str(cgroup.hard_memory(Policy(readable=(), writable=(), hidden=())))
    assert ("memory.limit_in_bytes", limit) in kernel.written
    assert ("memory.memsw.limit_in_bytes", limit) in kernel.written


def test_v1_without_swap_accounting_has_the_other_limit(kernel: Kernel, tmp_path: Path) -> None:
    kernel.files = tuple(name for name in kernel.files if "memsw" not in name)
    found = find_place(HYBRID, old_hierarchies(kernel, tmp_path))
    assert isinstance(found, Place)
    assert set(found.folders) == {"memory", "pids"}


def test_v1_takes_what_there_is(kernel: Kernel, tmp_path: Path) -> None:
    text = old_hierarchies(kernel, tmp_path)
    (tmp_path / "pids" / "cgroup.procs").unlink()  # so it cannot be written to
    found = find_place(HYBRID, text)
    assert isinstance(found, Place)
    assert found.description == "cgroup v1: memory"


def test_no_hierarchy_is_no_place() -> None:
    assert isinstance(find_place("", ""), str)


def test_a_plain_folder_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").write_text("")
    found = find_place("3:memory:/\n", mount(tmp_path, "cgroup", "rw,memory"))
    assert isinstance(found, str)
    assert "memory.limit_in_bytes" in found
    assert [entry.name for entry in tmp_path.iterdir()] == ["cgroup.procs"]


def test_sweeping_removes_what_a_gone_grader_left_and_nothing_else(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-I", "-S", "-c", ""])
    gone.wait()
    mine = f"backcheck-{os.getpid()}-{started(os.getpid())}-aa"
    reused = f"backcheck-{os.getpid()}-1-aa"  # my number, but of a process that started at another time
    left, full = f"backcheck-{gone.pid}-77-aa", f"backcheck-{gone.pid}-77-bb"
    for name in (mine, reused, left, f"{full}/group", "backcheck-", "other", f"x{left}"):
        (tmp_path / name).mkdir(parents=True)
    cgroup.sweep(tmp_path)
    kept = {mine, full, "backcheck-", "other", f"x{left}"}
    assert {entry.name for entry in tmp_path.iterdir()} == kept


def old(control: str, *, failcnt: int, most: int, kind: str = "memory.") -> dict[str, str]:
    """The files of a v1 group with a limit of 1000 MiB, in MiB."""
    return {
        "memory.oom_control": f"oom_kill_disable 0\n{control}\n",
        f"{kind}failcnt": f"{failcnt}\n",
        f"{kind}max_usage_in_bytes": f"{most * MIB}\n",
        f"{kind}limit_in_bytes": f"{1000 * MIB}\n",
    }


def swap(*, failcnt: int, most: int) -> dict[str, str]:
    return old("oom_kill 1", failcnt=failcnt, most=most, kind="memory.memsw.")


@pytest.mark.parametrize(
    ("version", "files", "expected"),
    [
        (2, {"memory.events": "low 0\nmax 9\noom 1\noom_kill 3\n"}, Cause.LIMIT),
        (2, {"memory.events": "low 0\nmax 0\noom 0\noom_kill 1\n"}, Cause.MACHINE),
        (2, {"memory.events": "low 0\nmax 9\noom 0\noom_kill 0\n"}, Cause.OTHER),
        (1, old("oom_kill 1", failcnt=4, most=900), Cause.LIMIT),
        (1, old("oom_kill 1", failcnt=0, most=900), Cause.MACHINE),
        (1, old("oom_kill 1", failcnt=0, most=1000), Cause.LIMIT),  # Linux 6.18 does not count refusals
        (1, old("oom_kill 0", failcnt=7, most=1000), Cause.OTHER),
        (1, old("under_oom 0", failcnt=7, most=1000), Cause.UNKNOWN),
        (1, old("oom_kill 1", failcnt=0, most=900) | swap(failcnt=1, most=900), Cause.LIMIT),
        (1, {}, Cause.UNKNOWN),
    ],
)
def test_the_kernels_counts_say_why(
    version: int, files: dict[str, str], expected: Cause, kernel: Kernel, tmp_path: Path
) -> None:
    place = Place(version=version, folders={"memory": tmp_path})
    group = Group(place, Policy(readable=(), writable=(), hidden=()))
    for name, text in files.items():
        (kernel.made[0] / name).write_text(text)
    assert group.cause() is expected


# ------------------------------------------------------------------------------------- the real kernel

PLACE = cgroup.available()
REASON = PLACE if isinstance(PLACE, str) else ""
CONTROLLERS = () if isinstance(PLACE, str) else tuple(PLACE.folders)
real = pytest.mark.skipif(not CONTROLLERS, reason=f"no control group can be made here: {REASON}")
counts_memory = pytest.mark.skipif("memory" not in CONTROLLERS, reason=f"no memory controller: {REASON}")
counts_pids = pytest.mark.skipif("pids" not in CONTROLLERS, reason=f"no pids controller: {REASON}")
walls = pytest.mark.skipif(not working_backends(), reason="no backend with walls on this machine")


def policy(**limits: int) -> Policy:
    return Policy(readable=(), writable=(), hidden=(), **limits)  # type: ignore[arg-type]


@pytest.fixture
def group() -> Iterator[Group]:
    found = cgroup.open_group(policy(memory_bytes=64 * MIB, file_bytes=MIB, processes=16))
    assert found is not None
    yield found
    found.close()


@pytest.fixture
def child() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that a test starts, ended after it."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        with process:
            process.kill()


def start(code: str, started: list[subprocess.Popen[str]]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    started.append(process)
    return process


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def running(pid: int) -> bool:
    return started(pid) is not None


def folders(group: Group) -> list[Path]:
    return list(group._folders.values())


TREE = """
import os, sys, time
pids = [os.getpid()]
for _ in range(3):
    reading, writing = os.pipe()
    if (pid := os.fork()) == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writing, str(os.getpid()).encode())
        time.sleep(60)
        os._exit(0)
    pids += [pid, int(os.read(reading, 20))]
print(*pids, flush=True)
sys.stdin.readline()
if (pid := os.fork()) == 0:
    time.sleep(60)
print(pid, flush=True)
time.sleep(60)
"""


@real
def test_what_was_forked_before_is_moved_and_what_is_forked_later_is_born_there(
    group: Group, child: list[subprocess.Popen[str]]
) -> None:
    process = start(TREE, child)
    before = {int(word) for word in line(process).split()}
    assert len(before) == 7
    group.add(process.pid)
    for folder in folders(group):
        assert set(map(int, (folder / "cgroup.procs").read_text().split())) == before
    go(process)
    later = int(line(process))
    assert group.pids() == before | {later}


@real
def test_closing_ends_all_and_leaves_nothing(group: Group, child: list[subprocess.Popen[str]]) -> None:
    process = start(TREE, child)
    pids = [int(word) for word in line(process).split()]
    group.add(process.pid)
    # The first process is gone, and with it the way from it to the others.
    process.kill()
    process.wait()
    assert sum(map(running, pids)) == 6
    group.close()
    assert not any(map(running, pids))
    assert not any(folder.exists() for folder in folders(group))
    assert all(folder.parent.exists() for folder in folders(group))
    group.close()
    assert running(os.getpid())


@real
def test_a_worker_that_is_gone_is_no_fault_of_the_group(
    group: Group, child: list[subprocess.Popen[str]]
) -> None:
    process = start("", child)
    process.wait()
    group.add(process.pid)
    assert group.pids() == set()


def v2_folder() -> Path | None:
    """This process's folder of a v2 hierarchy that it may write to, with or without controllers."""
    if sys.platform != "linux":
        return None
    texts = (Path(f"/proc/self/{name}").read_text() for name in ("cgroup", "mountinfo"))
    found = [folder for folder, _ in own_folders(*texts)[1]]
    return next((folder for folder in found if os.access(folder / "cgroup.procs", os.W_OK)), None)


@pytest.mark.parametrize("kill", ["at once", "one by one"])
def test_v2_group_is_ended_and_removed(
    kill: str, child: list[subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = v2_folder()
    if folder is None:
        pytest.skip("no v2 folder that this process may write to")
    monkeypatch.setattr(cgroup, "_limits", lambda *_: [])  # no controllers are needed to end and remove one
    write, killed = cgroup._write, []

    def recorded(file: Path, value: str) -> None:
        if file.name == "cgroup.kill":
            killed.append(value)
            if kill == "one by one":
                raise FileNotFoundError(errno.ENOENT, "as before Linux 5.14", str(file))
        write(file, value)

    monkeypatch.setattr(cgroup, "_write", recorded)
    try:
        group = Group(Place(version=2, folders=dict.fromkeys(cgroup.WALL_OF, folder)), policy())
    except OSError as error:
        pytest.skip(f"no v2 group can be made: {error}")
    process = start(TREE, child)
    pids = [int(word) for word in line(process).split()]
    group.add(process.pid)
    assert group.pids() == set(pids)
    group.close()
    assert killed
    assert not any(map(running, pids))
    assert not any(path.exists() for path in folders(group))


@counts_memory
def test_memory_of_all_together_is_limited(group: Group, child: list[subprocess.Popen[str]]) -> None:
    code = """
    import os, select, sys, time
    sys.stdin.readline()
    pipes = []
    for _ in range(4):
        reading, writing = os.pipe()
        if os.fork() == 0:
            block = b"x" * (24 << 20)
            os.write(writing, b".")
            time.sleep(60)
        os.close(writing)
        pipes.append(reading)
        os.read(reading, 1)
    # One that was ended to make room for another has closed its pipe after its word.
    select.select(pipes, [], [], 30)
    print(sum(os.read(pipe, 1) == b"" for pipe in select.select(pipes, [], [], 0)[0]), flush=True)
    """
    process = start(code, child)
    group.add(process.pid)
    assert group.cause() is Cause.OTHER
    go(process)
    # Three of 24 MiB fit in 75 MiB with the interpreters hardly touched, four do not; v2 ends all of them.
    assert line(process) != "0\n"
    assert group.cause() is Cause.LIMIT


@counts_pids
def test_processes_of_all_together_are_limited(group: Group, child: list[subprocess.Popen[str]]) -> None:
    code = """
    import os, sys, time
    sys.stdin.readline()
    count = 1
    try:
        while count < 60:
            if os.fork() == 0:
                time.sleep(60)
            count += 1
    except OSError as error:
        print(count, error.errno, flush=True)
    print(count, flush=True)
    time.sleep(60)
    """
    process = start(code, child)
    group.add(process.pid)
    go(process)
    assert line(process) == f"{16 + cgroup.SPARE_PROCESSES} {errno.EAGAIN}\n"


@real
def test_a_group_left_by_a_killed_grader_is_swept() -> None:
    assert isinstance(PLACE, Place)
    root = Path(cgroup.__file__).resolve().parents[2]
    code = f"""
    import os, sys
    sys.path.insert(0, {str(root)!r})
    from harness.sandbox import cgroup
    from harness.sandbox.policy import Policy
    group = cgroup.open_group(Policy(readable=(), writable=(), hidden=()))
    print(*group._folders.values(), sep=chr(10), flush=True)
    sys.stdin.readline()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as grader:
        left = {Path(line(grader).strip()) for _ in PLACE.folders}
        for folder in PLACE.folders.values():
            cgroup.sweep(folder)
        assert all(folder.is_dir() for folder in left), "its owner lives"
        grader.send_signal(signal.SIGKILL)
    assert all(folder.is_dir() for folder in left)
    cgroup.available.cache_clear()
    assert isinstance(cgroup.available(), Place)
    assert not any(folder.exists() for folder in left)


@real
def test_a_wall_that_is_off_is_not_raised() -> None:
    off = policy().without("cgroup_memory", "cgroup_processes", allow_disabled_walls=True)
    assert cgroup.open_group(off) is None
    one = cgroup.open_group(policy().without("cgroup_memory", allow_disabled_walls=True))
    try:
        assert () if one is None else one.walls == ("cgroup_processes",)
    finally:
        if one is not None:
            one.close()


# --------------------------------------------------------------------------------------- a submission

HEAD = """
import os, signal, time
import numpy as np

def build(layer_sizes, activation, seed):
    return Net()

class Net:
    def predict_proba(self, X):
"""


Open = Callable[[str], Session]


@pytest.fixture(params=working_backends(), ids=lambda backend: backend.name)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Open a session on a submission with this body of predict_proba."""
    sessions = []

    def open_session(body: str) -> Session:
        path = tmp_path / "student.py"
        path.write_text(HEAD + textwrap.indent(textwrap.dedent(body), " " * 8))
        limits = Limits(memory_bytes=256 * MIB, file_bytes=4 * MIB)
        submission = discover([path])[0]
        sessions.append(
            Session(submission, backend=request.param, limits=limits, budget_seconds=float("inf"))
        )
        return sessions[-1]

    yield open_session
    for session in sessions:
        session.close()


@pytest.fixture
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The grader's own watch, which may see it first, sees nothing."""
    monkeypatch.setattr("harness.session.process.group_usage", lambda pid: Usage())


def fault_of(session: Session) -> SubmissionFault:
    with pytest.raises(SubmissionFault) as caught:
        session.build([3, 2], "tanh", 0).predict_proba(np.zeros((4, 3)))
    return caught.value


TREE_BEYOND_THE_LIMIT = """
for _ in range(8):
    if os.fork() == 0:
        block = np.ones(80 << 17)
        time.sleep(60)
os.wait()
{then}
"""


@walls
@counts_memory
@pytest.mark.usefixtures("unwatched")
@pytest.mark.parametrize("then", ["return X[:, :2]", "raise ValueError", "time.sleep(60)"])
def test_a_tree_beyond_the_limit_is_out_of_memory_on_the_kernels_word(opened: Open, then: str) -> None:
    fault = fault_of(opened(TREE_BEYOND_THE_LIMIT.format(then=then)))
    assert fault.status is Status.OUT_OF_MEMORY
    assert fault.message == "predict_proba used more than 256 MiB of memory, and the kernel ended it"
    assert fault.fatal


@walls
def test_one_process_beyond_the_limit_is_still_told_by_its_own_error(opened: Open) -> None:
    fault = fault_of(opened("kept = []\nwhile True: kept.append(np.ones(1 << 17))"))
    assert fault.status is Status.OUT_OF_MEMORY
    assert "ran out of memory" in fault.message


@walls
@counts_memory
def test_what_killed_itself_is_not_taken_for_out_of_memory(opened: Open) -> None:
    fault = fault_of(opened("os.kill(os.getpid(), signal.SIGKILL)"))
    assert fault.status is Status.CRASHED
    assert "died of SIGKILL during predict_proba" in fault.message


@walls
def test_without_a_group_there_is_a_guess(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "available", lambda: "not here")
    session = opened("os.kill(os.getpid(), signal.SIGKILL)")
    fault = fault_of(session)
    assert fault.status is Status.OUT_OF_MEMORY
    assert "most likely" in fault.message


@walls
@real
def test_a_session_leaves_no_group(opened: Open) -> None:
    session = opened("return X[:, :2]")
    model = session.build([3, 2], "tanh", 0)
    assert isinstance(PLACE, Place)
    mine = f"{cgroup.PREFIX}{os.getpid()}-*"
    places = set(PLACE.folders.values())
    assert all(len(list(place.glob(mine))) == 1 for place in places)
    assert model.predict_proba(np.zeros((4, 3))).shape == (4, 2)
    session.close()
    assert not any(list(place.glob(mine)) for place in places)


@walls
@real
def test_a_worker_that_does_not_start_leaves_no_group(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError("no process today")

    session = opened("return X[:, :2]")
    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(PermissionError):
        session.build([3, 2], "tanh", 0)
    assert isinstance(PLACE, Place)
    mine = f"{cgroup.PREFIX}{os.getpid()}-*"
    assert not any(list(place.glob(mine)) for place in set(PLACE.folders.values()))


# ---------------------------------------------------------------------------------------- the doctor


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Targets]:
    with targets(tmp_path_factory.mktemp("cache")) as found:
        yield found


OWN = [probe for probe in probes() if probe.controller]


def test_each_controller_has_a_probe_of_its_own() -> None:
    assert {probe.controller: probe.walls for probe in OWN} == {
        "memory": ("cgroup_memory",),
        "pids": ("cgroup_processes",),
    }


@walls
@pytest.mark.parametrize("probe", OWN, ids=lambda probe: probe.name)
def test_no_group_is_no_fault(probe: Probe, found: Targets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "available", lambda: "nothing is mounted")
    finding = run_probe(probe, working_backends()[0], found)
    assert finding.outcome is Outcome.ABSENT
    assert "not available here (nothing is mounted)" in finding.detail


@walls
@real
@pytest.mark.parametrize("probe", OWN, ids=lambda probe: probe.name)
def test_a_group_that_does_not_hold_is_a_fault(
    probe: Probe, found: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    if probe.controller not in CONTROLLERS:
        pytest.skip(f"no {probe.controller} controller here")

    def refuse(self: Group, pid: int) -> None:
        raise PermissionError("not today")

    monkeypatch.setattr(Group, "add", refuse)
    finding = run_probe(probe, working_backends()[0], found)
    assert finding.outcome is Outcome.DOWN, finding.detail
