from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.sandbox import usage
from harness.sandbox.usage import folder_bytes, group_usage, kill_tree

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")
# Says its own number, and that of a child which has left the session, when both run.
FAMILY = """
import os, sys, time
block = bytearray(32 << 20)
reading, writing = os.pipe()
if os.fork() == 0:
    if {leave}: os.setsid()
    os.write(writing, str(os.getpid()).encode())
    time.sleep(60)
print(os.getpid(), os.read(reading, 20).decode(), flush=True)
time.sleep(60)
"""


@pytest.fixture(params=[False, True], ids=["same session", "another session"])
def family(request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[str], int]]:
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", FAMILY.format(leave=request.param)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    _, child = map(int, process.stdout.readline().split())
    yield process, child
    process.stdout.close()
    for pid in (child, process.pid):
        if psutil.pid_exists(pid) and process.poll() is None:
            os.kill(pid, 9)
    process.wait()


def running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_usage_counts_children(family: tuple[subprocess.Popen[str], int]) -> None:
    process, child = family
    found = group_usage(process.pid)
    assert found.processes == 2
    # psutil reads the same kernel counters by its own code.
    expected = sum(psutil.Process(pid).memory_info().rss for pid in (process.pid, child))
    assert found.rss_bytes == pytest.approx(expected, rel=0.05)
    assert found.rss_bytes > 32 << 20
    assert 0 <= found.cpu_seconds < 60


def test_processor_time_is_counted() -> None:
    code = "import time\nprint(flush=True)\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", code], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        for _ in range(200):
            if group_usage(process.pid).cpu_seconds >= 0.2:
                break
            time.sleep(0.05)
        times = psutil.Process(process.pid).cpu_times()
        assert group_usage(process.pid).cpu_seconds == pytest.approx(times.user + times.system, abs=0.5)
        assert times.user + times.system >= 0.2
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize(
    ("code", "runnable"),
    [
        ("time.sleep(60)", False),
        ("while True: pass", True),
        ("threading.Thread(target=time.sleep, args=(60,)).start(); time.sleep(60)", False),
        ("threading.Thread(target=spin).start(); time.sleep(60)", True),
        ("os.fork() or spin(); time.sleep(60)", True),
    ],
)
def test_who_sleeps_is_told_from_who_computes(code: str, runnable: bool) -> None:
    code = f"import os, threading, time\ndef spin():\n    while True: pass\nprint(flush=True)\n{code}"
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.3)
        looks = [group_usage(process.pid).runnable for _ in range(9) if time.sleep(0.02) is None]
        assert sorted(looks)[4] is runnable  # most of them
    finally:
        kill_tree(process.pid)
        process.wait()
        process.stdout.close()


def test_usage_of_what_is_gone_is_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", ""])
    process.wait()
    assert group_usage(process.pid) == usage.Usage()


def test_kill_tree_ends_children_that_left_the_session(family: tuple[subprocess.Popen[str], int]) -> None:
    process, child = family
    kill_tree(process.pid)
    assert process.wait(timeout=5) == -9
    assert not running(child)
    assert running(os.getpid())


def test_kill_tree_of_what_is_gone_does_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", ""])
    while usage._alive(process.pid):
        time.sleep(0.01)
    kill_tree(process.pid)
    assert process.wait() == 0


@pytest.mark.parametrize("name", ["_portable_usage", "_portable_kill"])
def test_the_way_without_proc_does_the_same(name: str, family: tuple[subprocess.Popen[str], int]) -> None:
    process, child = family
    if name == "_portable_usage":
        assert usage._portable_usage(process.pid).processes == 2
        assert usage._portable_usage(process.pid).rss_bytes > 32 << 20
    usage._portable_kill(process.pid)
    assert process.wait(timeout=5) == -9
    assert not running(child)


def test_a_fork_bomb_is_ended() -> None:
    # Bounded, in case it is not: 200 processes that start one another.
    code = """
import os, time
print(flush=True)
for _ in range(200):
    if os.fork() == 0: time.sleep(0.01)
    else: time.sleep(0.05); os._exit(0)
"""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code], stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    kill_tree(process.pid)
    process.wait(timeout=5)
    # Nobody holds the other end of the pipe any more.
    assert process.stdout.read() == b""
    process.stdout.close()


def test_folder_bytes_counts_what_is_on_disk(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(b"x" * 100_000)
    with open(tmp_path / "hole", "wb") as file:
        file.truncate(1 << 30)
    (tmp_path / "link").symlink_to("/")
    assert 100_000 <= folder_bytes(tmp_path) < 200_000


def test_folder_bytes_gives_up_on_too_many_files(tmp_path: Path) -> None:
    for index in range(20):
        (tmp_path / str(index)).touch()
    assert folder_bytes(tmp_path, entries=20) < sys.maxsize
    assert folder_bytes(tmp_path, entries=19) == sys.maxsize


def test_folder_bytes_gives_up_on_a_bottomless_folder(tmp_path: Path) -> None:
    before = os.getcwd()
    try:
        os.chdir(tmp_path)
        for _ in range(60):
            os.mkdir("d" * 100)
            os.chdir("d" * 100)
    finally:
        os.chdir(before)
    assert folder_bytes(tmp_path) == sys.maxsize


def test_folder_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    assert folder_bytes(tmp_path / "nothing") == 0
