from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from harness.sandbox.backend import Backend
from tests.sandbox.conftest import Run, confined


def test_confine_names_the_walls_it_raised(run: Run, backend: Backend) -> None:
    walls = set(run("print(*walls)").stdout.split())
    root = os.geteuid() == 0
    expected = {"limits", "landlock", "seccomp"} | ({"user"} if root else set())
    expected |= {
        "bubblewrap": {"mounts", "network_namespace", "process_namespace"}
        | (set() if root else {"user_namespace"}),
        "landlock": {"guardian"},
    }[backend.name]
    assert walls == expected


def test_more_than_one_thread_is_refused(run: Run) -> None:
    # Landlock would confine the thread that asks, and leave the other one outside.
    thread = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
    answer = run("print('imported')", before=thread)
    assert "SandboxError: sandbox: the worker has 2 threads" in answer.stderr
    assert "imported" not in answer.stdout


def test_inherited_descriptors_still_speak(backend: Backend, tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        code = f"import socket; socket.socket(fileno={theirs.fileno()}).sendall(b'hello')"
        answer = confined(code, backend, tmp_path, pass_fds=(theirs.fileno(),))
        assert answer.returncode == 0, answer.stderr
        assert ours.recv(10) == b"hello"


def test_the_channel_closes_when_the_worker_ends(backend: Backend, tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        confined("", backend, tmp_path, pass_fds=(theirs.fileno(),))
        theirs.close()
        ours.settimeout(5)
        assert ours.recv(1) == b""


def test_limits_cannot_be_raised_again_and_are_inherited(run: Run) -> None:
    answer = run(
        """
import resource, subprocess
for name in ("NPROC", "NOFILE", "FSIZE", "CPU", "DATA", "AS", "CORE"):
    number = getattr(resource, "RLIMIT_" + name)
    soft, hard = resource.getrlimit(number)
    try: resource.setrlimit(number, (soft, hard + 1)); print(name, "raised")
    except (ValueError, OSError): pass
code = "from resource import *; print(getrlimit(RLIMIT_NOFILE)[1], getrlimit(RLIMIT_FSIZE)[1])"
print(subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True).stdout)
""",
        open_files=77,
        file_bytes=123456,
    )
    assert answer.stdout.split() == ["77", "123456"], answer.stderr


def test_too_large_an_array_is_a_memory_error(run: Run) -> None:
    answer = run(
        """
try: numpy.ones(200 << 20, dtype=numpy.uint8); print("had it")
except MemoryError: print("MemoryError")
print(numpy.ones(10 << 20, dtype=numpy.uint8).sum())
""",
        memory_bytes=160 << 20,
    )
    assert answer.stdout.split() == ["MemoryError", str(10 << 20)], answer.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has power to give away")
def test_root_is_given_up_for_good(run: Run) -> None:
    answer = run(
        """
import os
print(os.getuid() > 0, os.getgid() > 0, os.getgroups())
device = os.makedev(1, 3)
for call in (lambda: os.setuid(0), lambda: os.chown(".", 0, 0), lambda: os.mknod("d", 0o20666, device)):
    try: call(); print("could")
    except PermissionError: print("refused")
"""
    )
    assert answer.stdout.split() == ["True", "True", "[]", "refused", "refused", "refused"], answer.stderr


def test_two_workers_are_different_users(run: Run) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a worker a user of its own")
    assert run("import os; print(os.getuid())").stdout != run("import os; print(os.getuid())").stdout


def test_files_that_only_their_owner_may_read_can_be_graded(run: Run, tmp_path: Path) -> None:
    submission = tmp_path / "mine.py"
    submission.write_text("x = 42")
    submission.chmod(stat.S_IRUSR)
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    (folder / "own.py").write_text("y = 43")
    code = f"""
import subprocess
print(open({str(submission)!r}).read(), open({str(folder / "own.py")!r}).read())
read = "import sys; print(open(sys.argv[1]).read())"
child = [sys.executable, "-I", "-S", "-c", read, {str(submission)!r}]
print(subprocess.run(child, capture_output=True, text=True).stdout)
"""
    answer = run(code, readable=(submission, folder))
    assert answer.stdout.split() == ["x", "=", "42", "y", "=", "43", "x", "=", "42"], answer.stderr


def test_hidden_packages_are_not_there(run: Run) -> None:
    answer = run(
        """
for name in ("torch", "torch.nn", "sklearn", "psutil"):
    try: __import__(name); print("imported", name)
    except ModuleNotFoundError as error: print(error.name.split(".")[0])
import importlib.util; print(importlib.util.find_spec("torch"), importlib.util.find_spec("scipy").name)
"""
    )
    assert answer.stdout.split() == ["torch", "torch", "sklearn", "psutil", "None", "scipy"], answer.stderr


@pytest.mark.slow
def test_a_package_submission_can_train_with_torch(run: Run) -> None:
    answer = run(
        """
import torch
torch.set_num_threads(1)
model = torch.nn.Sequential(torch.nn.Linear(784, 500), torch.nn.ReLU(), torch.nn.Linear(500, 10))
optimizer = torch.optim.Adam(model.parameters())
loss = torch.nn.functional.cross_entropy(model(torch.rand(64, 784)), torch.randint(10, (64,)))
loss.backward(); optimizer.step(); print(loss.item() > 0)
""",
        packages=("numpy", "torch"),
        memory_bytes=1 << 30,
    )
    assert answer.stdout == "True\n", answer.stderr


def test_scipy_and_pandas_work(run: Run) -> None:
    answer = run("import pandas, scipy.special; print(scipy.special.expit(0.0), len(pandas.Series([1, 2])))")
    assert answer.stdout.split() == ["0.5", "2"], answer.stderr
