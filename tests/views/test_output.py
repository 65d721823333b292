from __future__ import annotations

import errno
import os
import stat
import threading

import pytest

from harness.errors import BackcheckError, UsageError
from harness.views import write_output


def test_text_is_written_as_utf_8_and_nothing_is_left_beside_it(tmp_path) -> None:
    write_output("Zoë\n\ud800", tmp_path / "report.txt")
    assert (tmp_path / "report.txt").read_bytes() == b"Zo\xc3\xab\n\\ud800"
    assert os.listdir(tmp_path) == ["report.txt"]


def test_a_full_disk_leaves_the_old_file_whole(tmp_path, monkeypatch) -> None:
    target = tmp_path / "report.txt"
    target.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BackcheckError, match="the disk is full, nothing was written"):
        write_output("new", target)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["report.txt"]


def test_an_interrupt_leaves_the_old_file_whole(tmp_path, monkeypatch) -> None:
    target = tmp_path / "report.txt"
    target.write_text("old")

    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_output("new", target)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["report.txt"]


def test_a_missing_folder_or_a_folder_is_refused_in_words(tmp_path) -> None:
    with pytest.raises(UsageError, match=r"there is no folder .*absent; create it"):
        write_output("x", tmp_path / "absent" / "report.txt")
    with pytest.raises(UsageError, match="expected a file to write, found a folder"):
        write_output("x", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(BackcheckError, match="file"):
        write_output("x", tmp_path / "file" / "report.txt")


def test_permissions_follow_the_umask_and_then_the_old_file(tmp_path) -> None:
    target = tmp_path / "report.txt"
    old = os.umask(0o027)
    try:
        write_output("x", target)
    finally:
        os.umask(old)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    target.chmod(0o600)
    write_output("y", target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_symbolic_link_stays_a_link(tmp_path) -> None:
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("real.txt")
    write_output("new", tmp_path / "link.txt")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"


def test_a_pipe_is_written_directly(tmp_path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_output("through", pipe)
    reader.join(timeout=10)
    assert read == ["through"]
