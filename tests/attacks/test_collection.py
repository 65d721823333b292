"""``pytest submissions/`` executes nothing that a submission brings: no conftest, test or configuration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.attacks.arena import MARK

FOREIGN = (
    "conftest.py",
    "test_x.py",
    "x_test.py",
    "tests/conftest.py",
    "tests/test_y.py",
    "evil.py",
    "setup.py",
)
SETTINGS = {
    "pytest.ini": "[pytest]\naddopts = --quiet\npython_files = *.py\n",
    "tox.ini": "[pytest]\npython_files = *.py\n",
    "setup.cfg": "[tool:pytest]\npython_files = *.py\n",
    "pyproject.toml": "[tool.pytest.ini_options]\npython_files = '*.py'\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a folder of submissions, two of which bring what pytest would load."""
    mark = f"open({str(tmp_path)!r} + '/{MARK}', 'w').close()\n"
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    for name in ("alice", "bob", "tests"):
        for file in FOREIGN:
            path = tmp_path / "submissions" / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(mark)
        (tmp_path / "submissions" / name / "submission.py").write_text(mark)
    (tmp_path / "submissions" / "conftest.py").write_text(mark)
    (tmp_path / "submissions" / "test_all.py").write_text(mark)
    return tmp_path


def collect(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *words],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("target", ["submissions", "submissions/alice"])
def test_collection_runs_nothing_of_a_submission(project: Path, target: str) -> None:
    answer = collect(project, target, "--profile", "quick")
    assert not (project / MARK).exists(), answer.stdout
    assert "alice" in answer.stdout, answer.stdout + answer.stderr
    assert "test_x" not in answer.stdout


@pytest.mark.parametrize("name", SETTINGS)
def test_configuration_of_a_submission_is_refused_or_ignored(project: Path, name: str) -> None:
    (project / "submissions" / "alice" / name).write_text(SETTINGS[name])
    answer = collect(project, "submissions/alice", "--profile", "quick")
    assert not (project / MARK).exists()
    if answer.returncode != 0:
        assert "belongs to a submission" in answer.stderr, answer.stdout + answer.stderr
    else:
        assert "test_x" not in answer.stdout


@pytest.mark.parametrize("name", SETTINGS)
def test_configuration_beside_others_is_ignored(project: Path, name: str) -> None:
    (project / "submissions" / "alice" / name).write_text(SETTINGS[name])
    answer = collect(project, "submissions", "--profile", "quick")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert not (project / MARK).exists()
    assert "bob" in answer.stdout


def test_the_mark_is_made_where_nothing_stops_it(project: Path) -> None:
    # Without the plugin pytest loads all of it: the tests above can fail.
    subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:backcheck", "submissions/alice"],
        cwd=project,
        capture_output=True,
        check=False,
    )
    assert (project / MARK).exists()


@pytest.mark.parametrize("words", [("submissions",), ("-c", "pyproject.toml", "submissions/alice")])
def test_a_plugin_named_by_a_submission_is_not_loaded(project: Path, words: tuple[str, ...]) -> None:
    # pytest takes the settings nearest to what it is given and imports the plugins that they name before it
    # asks anybody: only the project's own settings, or a folder above the submission's, keep them out.
    for options in ("addopts = -p submissions.alice.evil", "pythonpath = .\naddopts = -p evil"):
        (project / "submissions" / "alice" / "pytest.ini").write_text(f"[pytest]\n{options}\n")
        answer = collect(project, *words, "--profile", "quick")
        assert not (project / MARK).exists()
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert "alice" in answer.stdout


@pytest.mark.parametrize("name", ["socket.py", "signal.py", "select/__init__.py", "multiprocessing.py"])
@pytest.mark.parametrize(
    "command",
    [
        ("backcheck", "grade", ".", "--profile", "quick", "--no-store", "--quiet", "--jobs", "1"),
        ("pytest", ".", "-n", "1", "-k", "builds", "--profile", "quick", "-p", "no:cacheprovider"),
    ],
    ids=["grade", "pytest"],
)
def test_no_module_of_the_class_s_folder_is_imported_by_the_grader(
    tmp_path: Path, command: tuple[str, ...], name: str
) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    folder = tmp_path / "submissions"
    evil = folder / name
    evil.parent.mkdir(parents=True)
    evil.write_text(f"open({str(tmp_path)!r} + '/{MARK}', 'w').close()\n")
    program = Path(sys.executable).parent / command[0]
    answer = subprocess.run(
        [program, *command[1:]], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    assert not (tmp_path / MARK).exists(), answer.stdout
    assert name.split(".")[0].split("/")[0] in answer.stdout, answer.stdout + answer.stderr
