"""The same class on a real Dask cluster: the same record, though a worker is killed in the middle."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import psutil
import pytest

pytest.importorskip("distributed")
GIVE_UP = 300.0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cluster:
    """A scheduler and workers on loopback, each a process of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self.processes = []
        port = self.address.rpartition(":")[2]
        self.scheduler = self.start("dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
        self.workers = [self.add_worker(), self.add_worker()]

    def start(self, module, *arguments):
        log = (self.folder / f"{module}-{len(self.processes)}.log").open("w")
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", *arguments],
            cwd=self.folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        log.close()
        self.processes.append(process)
        return process

    def add_worker(self):
        options = ("--nthreads", "1", "--no-dashboard", "--no-nanny", "--death-timeout", "120")
        return self.start("dask_worker", self.address, *options)

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()


@contextmanager
def cluster(folder):
    folder.mkdir()
    made = Cluster(folder)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def dask(tmp_path):
    with cluster(tmp_path / "cluster") as made:
        yield made


def wait_for(condition):
    deadline = time.monotonic() + GIVE_UP
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def works(process):
    """Whether a Dask worker runs a submission at this moment."""
    try:
        return any(
            "harness.worker" in word
            for child in psutil.Process(process.pid).children(recursive=True)
            for word in child.cmdline()
        )
    except psutil.Error:
        return False


def test_results_equal_the_local_ones_though_a_worker_is_killed(small_class, backcheck, dask):
    folder = small_class / "max"  # a submission of several files, with a link between them
    (folder / "parts").mkdir(parents=True)
    (small_class / "ada.py").rename(folder / "parts" / "net.py")
    (folder / "parts" / "__init__.py").touch()
    (folder / "again.py").symlink_to("parts/net.py")
    os.mkfifo(folder / "pipe")  # never read, but part of what was handed in
    (folder / "submission.py").write_text("from parts.net import build\nimport again\n")
    backcheck.run("--seed", 5, "--no-store", json="local.json")
    grader = backcheck.start("--seed", 5, "--dask", dask.address)
    wait_for(lambda: grader.poll() is not None or works(dask.workers[0]))
    dask.workers[0].send_signal(signal.SIGKILL)
    _, err = grader.communicate(timeout=GIVE_UP)
    assert grader.returncode == 0, err
    local, remote = backcheck.record("local.json"), backcheck.record()
    assert remote == local
    assert {item["status"] for verdict in local["submissions"] for item in verdict["experiments"]} >= {"pass"}
    assert not list(backcheck.temporary.glob("backcheck-parcel-*"))


def test_a_scheduler_that_goes_away_is_named_and_the_grading_resumes(small_class, backcheck, dask):
    (small_class / "ada.py").write_text("import time\ntime.sleep(1e9)\n")
    grader = backcheck.start("--seed", 5, "--dask", dask.address)
    wait_for(lambda: grader.poll() is not None or any(map(works, dask.workers)))
    dask.scheduler.kill()
    _, err = grader.communicate(timeout=GIVE_UP)
    assert grader.returncode == 3
    assert "the scheduler does not answer any more; what was finished is kept" in err


def test_no_scheduler_is_told(small_class, backcheck, monkeypatch):
    from harness.errors import UsageError
    from harness.grading import dask_pool
    from harness.grading.units import Settings

    monkeypatch.setattr(dask_pool, "CONNECT_SECONDS", 0.5)
    with pytest.raises(UsageError, match="no Dask scheduler answers there"):
        dask_pool.DaskPool(f"tcp://127.0.0.1:{free_port()}", Settings(seed=1))


def test_a_machine_with_other_versions_is_named():
    from harness.grading.parcel import disagreement, facts_here
    from harness.grading.units import Settings

    ours = facts_here(Settings(seed=1))
    assert disagreement(ours, json.loads(json.dumps(ours))) is None
    theirs = {**ours, "packages": {**ours["packages"], "numpy": "1.0"}}
    assert "expected numpy" in disagreement(ours, theirs)
    assert "found 1.0" in disagreement(ours, theirs)
    assert "expected harness" in disagreement(ours, {**ours, "harness": "0" * 64})
