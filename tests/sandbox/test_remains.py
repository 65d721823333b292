from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.liveness import this_process
from harness.sandbox import remains
from harness.sandbox.remains import private_folder, remove_tree, sweep

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs descriptors of folders")
AS_NOBODY = """
import sys; sys.path.insert(0, {root!r})
import os
from pathlib import Path
from harness.sandbox.remains import remove_tree
remove_tree(Path({folder!r}))
"""


def nest(folder: Path, depth: int, name: str) -> None:
    before = os.getcwd()
    os.chdir(folder)
    try:
        for _ in range(depth):
            Path("file").write_text("x")
            os.mkdir(name)
            os.chdir(name)
    finally:
        os.chdir(before)


def test_ordinary_folder_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "c").write_text("x")
    (folder / "d").write_text("x")
    remove_tree(folder)
    assert not folder.exists()


def test_folder_that_is_not_there_is_fine(tmp_path: Path) -> None:
    remove_tree(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["d", "d" * 200, "lifted-1"])
def test_bottomless_folder_is_removed(tmp_path: Path, name: str) -> None:
    # Deeper than Python's recursion limit, and with long names deeper than any path can say.
    folder = tmp_path / "work"
    folder.mkdir()
    nest(folder, 1500, name)
    remove_tree(folder)
    assert not folder.exists()


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir(mode=0o500)
    (tmp_path / "kept.txt").write_text("x")
    folder = tmp_path / "work"
    (folder / "a").mkdir(parents=True)
    for place in (folder, folder / "a"):
        (place / "out").symlink_to(kept)
        (place / "file").symlink_to(tmp_path / "kept.txt")
        (place / "broken").symlink_to("nowhere")
    remove_tree(folder)
    assert not folder.exists()
    assert (tmp_path / "kept.txt").exists()
    assert kept.stat().st_mode & 0o777 == 0o500


def test_permissions_that_were_taken_away_do_not_stop_it(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    (folder / "a" / "b" / "c").mkdir(parents=True)
    (folder / "a" / "b" / "file").write_text("x")
    os.mkfifo(folder / "a" / "pipe")
    for path in (
        folder / "a" / "b" / "file",
        folder / "a" / "b" / "c",
        folder / "a" / "b",
        folder / "a",
        folder,
    ):
        path.chmod(0)
    if os.geteuid() == 0:
        # Root may do anything anyway: let somebody else try.
        for path in tmp_path.parents[:-2]:
            path.chmod(path.stat().st_mode | 0o711)
        for path in (tmp_path, folder, *folder.rglob("*")):
            os.chown(path, 54321, 54321)
        root = Path(remove_tree.__code__.co_filename).parents[2]
        code = AS_NOBODY.format(root=str(root), folder=str(folder))
        if not os.path.exists("/usr/bin/python3"):
            pytest.skip("no Python that another user can read")
        subprocess.run(["/usr/bin/python3", "-I", "-c", code], user=54321, group=54321, check=True)
    else:
        remove_tree(folder)
    assert not folder.exists()


def identity(pid: int, ticks: int) -> str:
    return f"{this_process().split('-')[0]}-{pid}-{ticks}"


def test_sweeping_removes_the_folders_of_the_dead_and_nothing_else(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-I", "-S", "-c", ""])
    gone.wait()
    dead, mine = identity(gone.pid, 77), this_process()
    reused = identity(os.getpid(), 1)  # my number, but of a process that started at another time
    elsewhere = f"{'0' * 12}-{gone.pid}-77"  # another container, whose processes cannot be seen from here
    removed = [f"backcheck-work-{dead}-aa", f"backcheck-grading-{reused}-bb"]
    kept = [
        f"backcheck-work-{mine}-cc",
        f"backcheck-work-{elsewhere}-dd",
        f"backcheck-work-unknown-{gone.pid}-77-ee",
        f"x-backcheck-work-{dead}-ff",
        "backcheck-",
        "other",
    ]
    for name in (*removed, *kept):
        (tmp_path / name / "inner").mkdir(parents=True)
    link, file = tmp_path / f"backcheck-work-{dead}-11", tmp_path / f"backcheck-work-{dead}-22"
    link.symlink_to(tmp_path / "other")
    file.write_text("x")
    sweep(tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == {*kept, link.name, file.name}
    assert all((tmp_path / name / "inner").is_dir() for name in kept)


def test_a_name_for_a_folder_is_new_and_its_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gone = tmp_path / f"backcheck-work-{identity(os.getpid(), 1)}-aa"
    gone.mkdir()
    first, second = private_folder("work"), private_folder("work")
    assert first != second
    assert first.parent == tmp_path
    found = remains.OWNED.fullmatch(first.name)
    assert found is not None
    assert found["owner"] == this_process()
    assert list(tmp_path.iterdir()) == []
