"""The store: what is put is there for the next process, faults are explained, and nothing is run twice."""

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.store import Lease, Store, database

KEY = "0123456789abcdef" * 4


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store.sqlite"


class Clock:
    """A monotonic clock that moves when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(database, "time", clock)
    return clock


def raw(path, statement, *values):
    with sqlite3.connect(path) as connection:
        rows = connection.execute(statement, values).fetchall()
    connection.close()
    return rows


def test_what_is_put_is_there_after_reopening(path):
    with Store(path) as store:
        assert store.get(KEY) is None
        store.put(KEY, '{"a": "\\u00e9"}', label="alice checks")
        assert store.kept == 1
    with Store(path) as store:
        assert store.get(KEY) == '{"a": "\\u00e9"}'
        assert store.get(KEY[::-1]) is None
    assert raw(path, "SELECT label, repeats FROM outcomes") == [("alice checks", 0)]


def test_what_is_put_outlives_a_killed_process(path):
    code = (
        "import os, signal, sys; from harness.store import Store; s = Store(sys.argv[1]); "
        "s.put('k', 'kept'); s.claim('other'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    with Store(path) as store:
        assert store.get("k") == "kept"
        assert store.claim("other") is Lease.OURS  # at once: its grader is known to be dead


def test_the_seed_is_drawn_once(path):
    with Store(path) as store:
        assert store.seed(lambda: 11) == 11
        assert store.seed(lambda: 12) == 11
    with Store(path) as store:
        assert store.seed(lambda: 13) == 11


def test_a_store_that_somebody_else_made_is_refused_untouched(path, tmp_path, monkeypatch):
    monkeypatch.setenv("BACKCHECK_CACHE", str(tmp_path / "eve"))
    with Store(path) as store:
        store.put(KEY, "everything passes", label="eve checks")
    before = path.read_bytes()
    monkeypatch.setenv("BACKCHECK_CACHE", str(tmp_path / "instructor"))
    with pytest.raises(StoreError, match="made by another user, or on another machine"):
        Store(path)
    assert path.read_bytes() == before
    monkeypatch.setenv("BACKCHECK_CACHE", str(tmp_path / "eve"))
    with Store(path) as store:
        assert store.get(KEY) == "everything passes"
    assert (tmp_path / "eve" / "secret").stat().st_mode & 0o077 == 0
    assert [p.name for p in (tmp_path / "eve").iterdir()] == ["secret"]


def test_a_store_that_says_of_nobody_who_made_it_is_refused_if_it_holds_outcomes(path):
    with Store(path) as store:
        store.put(KEY, "everything passes", label="eve checks")
    raw(path, "DELETE FROM meta WHERE name = 'maker'")
    with pytest.raises(StoreError, match="made by another user"):
        Store(path)
    raw(path, "DELETE FROM outcomes")
    with Store(path) as store:
        assert store.get(KEY) is None


def test_the_file_is_its_owners_alone(tmp_path):
    path = tmp_path / ".backcheck" / "store.sqlite"
    with Store(path):
        for file in (path, path.with_name("store.sqlite-wal")):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert (path.parent / ".gitignore").read_text() == "*\n"


def test_a_folder_of_the_users_own_gets_no_gitignore(tmp_path):
    with Store(tmp_path / "results" / "store.sqlite"):
        assert not (tmp_path / "results" / ".gitignore").exists()


def test_one_unit_is_run_by_one_of_two_graders(path):
    with Store(path) as one, Store(path) as two:
        assert one.claim(KEY) is Lease.OURS
        assert one.claim(KEY) is Lease.OURS
        assert two.claim(KEY) is Lease.THEIRS
        one.put(KEY, "done")
        assert two.claim(KEY) is Lease.FINISHED
        assert two.get(KEY) == "done"


def test_a_claim_is_given_up(path):
    with Store(path) as one:
        with Store(path) as two:
            assert two.claim("released") is Lease.OURS
            assert two.claim("closed") is Lease.OURS
            two.release("released")
            assert one.claim("released") is Lease.OURS
            assert one.claim("closed") is Lease.THEIRS
        assert one.claim("closed") is Lease.OURS


def test_nobody_releases_anothers_claim(path):
    with Store(path) as one, Store(path) as two:
        one.claim(KEY)
        two.release(KEY)
        assert two.claim(KEY) is Lease.THEIRS


def test_a_standing_heart_loses_its_claim_and_a_beating_one_does_not(path, clock):
    with Store(path) as one, Store(path) as two:
        one.claim(KEY)
        assert two.claim(KEY) is Lease.THEIRS
        clock.now += database.LEASE_SECONDS - 1
        assert two.claim(KEY) is Lease.THEIRS
        raw(path, "UPDATE graders SET beat = beat + 1")
        clock.now += database.LEASE_SECONDS - 1
        assert two.claim(KEY) is Lease.THEIRS
        clock.now += 2
        assert two.claim(KEY) is Lease.THEIRS  # since it was last seen to beat, not since the first look
        clock.now += database.LEASE_SECONDS
        assert two.claim(KEY) is Lease.OURS
        assert one.claim(KEY) is Lease.THEIRS


def test_the_heart_beats(path, monkeypatch):
    monkeypatch.setattr(database, "BEAT_SECONDS", 0.01)
    with Store(path):
        assert any(raw(path, "SELECT beat FROM graders WHERE beat > 1") for _ in range(20_000))


def test_the_first_outcome_stays_and_a_repetition_is_counted(path):
    with Store(path) as store:
        store.put(KEY, "first")
        store.put(KEY, "second")
        assert store.get(KEY) == "first"
    assert raw(path, "SELECT repeats FROM outcomes") == [(1,)]


def test_a_time_of_day_is_never_compared(path):
    with Store(path) as store:
        store.put(KEY, "kept")
        store.claim("other")
    raw(path, "UPDATE outcomes SET finished = '2999-01-01T00:00:00+00:00'")
    with Store(path) as store:
        assert store.get(KEY) == "kept"
        assert store.claim("other") is Lease.OURS


def assert_untouched(path, words, **options):
    before = path.read_bytes()
    with pytest.raises(StoreError, match=words) as caught:
        Store(path, **options)
    assert str(path) in str(caught.value)
    assert "--store" in str(caught.value)
    assert path.read_bytes() == before


def test_a_later_version_is_refused_untouched(path):
    with Store(path) as store:
        store.put(KEY, "kept")
    raw(path, "PRAGMA user_version = 2")
    assert_untouched(path, r"later backcheck \(schema 2, this one knows 1\)")


def test_another_programs_database_is_refused_untouched(path):
    raw(path, "CREATE TABLE songs (title TEXT)")
    assert_untouched(path, "another program's database")


@pytest.mark.parametrize("content", [b"not a database at all, but long enough" * 40, b"x"])
def test_a_file_that_is_no_database_is_refused_untouched(path, content):
    path.write_bytes(content)
    assert_untouched(path, "damaged")


def read_all(path):
    with Store(path) as store:
        for number in range(200):
            store.get(f"{number:064}")


def test_a_damaged_page_is_told_and_nothing_deleted(path):
    with Store(path) as store:
        for number in range(200):
            store.put(f"{number:064}", "x" * 400)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 8192))
    with pytest.raises(StoreError, match="damaged") as caught:
        read_all(path)
    assert "recover" in str(caught.value)
    assert path.stat().st_size == size


def test_a_changed_outcome_is_told(path):
    with Store(path) as store:
        store.put(KEY, '{"score": 10}')
    raw(path, "UPDATE outcomes SET outcome = '{\"score\": 99}'")
    with Store(path) as store, pytest.raises(StoreError, match="not what was written"):
        store.get(KEY)


def test_a_locked_store_is_waited_for_then_told(path):
    with Store(path) as store:
        store.put(KEY, "kept")
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="locked by another program"):
            Store(path, busy_seconds=0.05)
    finally:
        other.close()
    with Store(path, busy_seconds=0.05) as store:
        assert store.get(KEY) == "kept"


def test_a_full_disk_is_told_and_what_was_finished_is_kept(path):
    with Store(path) as store:
        store.put(KEY, "kept")
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="the disk is full; what was finished is kept"):
            store.put("other", "x" * 100_000)
        assert store.get(KEY) == "kept"
        assert store.get("other") is None
        store._db.execute("PRAGMA max_page_count = 100000")
        store.put("other", "x" * 100_000)
    with Store(path) as store:
        assert store.get("other") == "x" * 100_000


def small_disk(folder):
    """Mount a disk of 256 KiB; None where that is not allowed."""
    folder.mkdir()
    if shutil.which("mount") is None or os.geteuid() != 0:
        return None
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    return folder if done.returncode == 0 else None


def fill(path, kept):
    with Store(path) as store:
        for number in range(100):
            store.put(str(number), "x" * 20_000)
            kept.append(str(number))


def test_a_disk_that_is_really_full(tmp_path):
    disk = small_disk(tmp_path / "disk")
    if disk is None:
        pytest.skip("no small disk can be mounted here")
    try:
        kept = []
        with pytest.raises(StoreError, match="what was finished is kept"):
            fill(disk / "store.sqlite", kept)
        assert kept
        with sqlite3.connect(f"file:{disk}/store.sqlite?mode=ro", uri=True) as connection:
            found = [row[0] for row in connection.execute("SELECT key FROM outcomes")]
        connection.close()
        assert sorted(found) == sorted(kept)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc refuses every new file")
def test_a_place_where_nothing_can_be_made_is_told():
    with pytest.raises(StoreError, match="--no-store"):
        Store(Path("/proc/backcheck/store.sqlite"))
