from __future__ import annotations

from pathlib import Path

import pytest

from harness.sandbox import landlock
from tests.sandbox.conftest import Run


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("lib/os.py", "lib/site-packages/good/a.py", "lib/site-packages/bad/b.py", "lib/json/c.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return tmp_path


def test_expand_grants_around_a_hidden_folder(tree: Path) -> None:
    hidden = tree / "lib" / "site-packages"
    rules = dict(landlock.expand([tree / "lib", hidden / "good"], [hidden]))
    assert rules == {
        tree / "lib": landlock.READ_DIR,
        tree / "lib" / "os.py": landlock.READ,
        tree / "lib" / "json": landlock.READ,
        hidden: landlock.READ_DIR,
        hidden / "good": landlock.READ,
    }


def test_expand_leaves_a_hidden_folder_without_anything_readable_alone(tree: Path) -> None:
    hidden = tree / "lib" / "site-packages"
    assert hidden not in dict(landlock.expand([tree / "lib"], [hidden]))


def test_expand_grants_a_folder_that_hides_nothing_at_once(tree: Path) -> None:
    assert dict(landlock.expand([tree / "lib"], [])) == {tree / "lib": landlock.READ}


def test_expand_resolves_links_in_readable_paths_and_follows_none_within(tree: Path) -> None:
    (tree / "alias").symlink_to("lib")
    (tree / "lib" / "way_out").symlink_to("/")
    rules = dict(landlock.expand([tree / "alias"], [tree / "lib" / "site-packages"]))
    assert tree / "lib" / "json" in rules
    assert Path("/") not in rules
    assert tree / "lib" / "way_out" not in rules


# From the kernel's documentation: the first interface has 13 rights, 2 adds REFER, 3 TRUNCATE, 5 IOCTL_DEV.
@pytest.mark.parametrize(
    ("version", "rights"), [(1, 0x1FFF), (2, 0x3FFF), (3, 0x7FFF), (4, 0x7FFF), (5, 0xFFFF), (9, 0xFFFF)]
)
def test_only_rights_that_the_kernel_knows_are_handled(version: int, rights: int) -> None:
    assert landlock.handled(version) == rights


def test_work_folder_serves_as_one(run: Run) -> None:
    answer = run(
        """
import os, tempfile
os.makedirs("a/b"); open("a/x", "w").write("1"); os.rename("a/x", "a/b/y"); os.truncate("a/b/y", 0)
os.symlink("y", "a/b/z"); os.unlink("a/b/z"); os.link("a/b/y", "a/w")
with tempfile.TemporaryFile() as file: file.write(b"x")
import shutil; shutil.rmtree("a"); print(os.listdir("."))
"""
    )
    assert answer.stdout == "[]\n", answer.stderr


def test_symlinks_do_not_lead_out(run: Run, tmp_path: Path) -> None:
    submission = tmp_path / "submission"
    submission.mkdir()
    (tmp_path / "secret").write_text("secret")
    (submission / "link").symlink_to("../secret")
    (submission / "own").write_text("own")
    code = f"""
print(open({str(submission / "own")!r}).read())
around = "/proc/self/root" + {str(tmp_path)!r} + "/secret"
for path in ({str(submission / "link")!r}, {str(submission / ".." / "secret")!r}, around):
    try: print(open(path).read())
    except OSError as error: print(type(error).__name__)
"""
    answer = run(code, readable=(submission,))
    lines = answer.stdout.split()
    assert lines[0] == "own", answer.stderr
    assert set(lines[1:]) <= {"FileNotFoundError", "PermissionError"}
    assert len(lines) == 4
