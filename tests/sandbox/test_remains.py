from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.sandbox.remains import remove_tree

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
