"""``pytest submissions/``: the plan as test items, and nothing of a submission executed in pytest."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHECKS = "builds or gradients_shape or gradients[tanh]"


@pytest.fixture
def course(tmp_path):
    """A folder with a right and a wrong submission, outside of the project."""
    folder = tmp_path / "submissions"
    folder.mkdir()
    for name in ("numpy_reference", "wrong_bias"):
        (folder / f"{name}.py").write_text((ROOT / "submissions" / f"{name}.py").read_text())
    return tmp_path


def run(course, *arguments):
    """Run pytest as a person does, in the course's folder."""
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=course, capture_output=True, text=True, timeout=300, check=False)


def test_items_have_readable_ids_and_fail_in_the_authors_words(course):
    done = run(course, "submissions", "--profile", "quick", "-k", CHECKS, "--junitxml", "out.xml", "-q")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "submissions/wrong_bias.py::gradients[tanh]" in done.stdout
    assert "averaged over the batch twice" in done.stdout
    assert "harness/checks" not in done.stdout  # no frame of the harness's own
    assert "1 at full marks" in done.stdout  # the table at the end
    cases = ElementTree.parse(course / "out.xml").getroot().iter("testcase")
    found = {(c.get("classname"), c.get("name")): c for c in cases}
    assert found["submissions.numpy_reference", "gradients[tanh]"].find("failure") is None
    assert found["submissions.wrong_bias", "gradients[tanh]"].find("failure") is not None
    assert found["submissions.wrong_bias", "builds[relu]"].find("failure") is None


def test_xdist_and_exit_first_work(course):
    done = run(course, "submissions", "--profile", "quick", "-k", CHECKS, "-n", "2", "-q")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "wrong_bias.py::gradients[tanh]" in done.stdout
    assert "1 at full marks" in done.stdout
    done = run(course, "submissions", "--profile", "quick", "-k", "wrong_bias and gradients", "-x", "-q")
    assert "1 failed" in done.stdout
    assert "stopping after 1 failures" in done.stdout


def test_the_checks_of_a_submission_stay_in_one_xdist_worker(course):
    done = run(course, "submissions", "--profile", "quick", "-k", "wrong_bias", "-n", "2", "-v")
    workers = {
        line.split("]")[0] for line in done.stdout.splitlines() if "wrong_bias.py::" in line and "%]" in line
    }
    assert len(workers) == 1, done.stdout
    assert "rests on" in done.stdout
    assert "does not hold on this batch" not in done.stdout


def test_a_check_asked_for_alone_still_finds_what_it_rests_on(course):
    alone = "submissions/wrong_bias.py::overfits_twenty_examples"
    done = run(course, alone, "--profile", "quick", "-q", "-rs")
    assert "1 skipped" in done.stdout, done.stdout
    assert "rests on gradients[relu]" in done.stdout


def test_garbage_is_collected_again_after_a_class_was_found(course):
    code = "import gc, pytest; pytest.main(['submissions', '--collect-only', '-q']); print(gc.isenabled())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=course, capture_output=True, text=True, timeout=300, check=True
    )
    assert "numpy_reference.py::" in done.stdout
    assert done.stdout.splitlines()[-1] == "True"


def test_one_submission_and_one_check_can_be_named(course):
    done = run(course, "submissions/wrong_bias.py::gradients[tanh]", "--profile", "quick", "-q")
    assert "1 failed" in done.stdout, done.stdout + done.stderr
    done = run(course, "submissions/numpy_reference.py", "--profile", "quick", "--collect-only", "-q")
    assert "submissions/numpy_reference.py::forward[relu]" in done.stdout
    assert "wrong_bias" not in done.stdout


def test_the_standard_profile_has_an_item_for_each_baseline_experiment(course):
    done = run(course, "submissions/wrong_bias.py", "--collect-only", "-q")
    for activation in ("sigmoid", "tanh", "relu"):
        assert f"submissions/wrong_bias.py::accuracy[scratch/{activation}/lr=0.01]" in done.stdout


TRAP = "import pathlib; pathlib.Path({marker!r}).write_text('executed')\n"
TRAPS = ["conftest.py", "tests/conftest.py", "mallory/conftest.py", "mallory/test_x.py", "test_all.py"]


@pytest.mark.parametrize("argument", ["submissions", "submissions/mallory", "."])
def test_nothing_that_a_submission_brings_is_executed(course, argument):
    for number, name in enumerate(TRAPS):
        path = course / "submissions" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(TRAP.format(marker=str(course / f"executed-{number}")))
    (course / "submissions" / "mallory" / "submission.py").write_text("x = 1\n")
    done = run(course, argument, "--profile", "quick", "--collect-only", "-q")
    assert "mallory" in done.stdout
    assert [TRAPS[int(path.name[-1])] for path in course.glob("executed-*")] == []


@pytest.mark.parametrize("name", ["pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml"])
def test_an_ini_file_of_a_submission_is_refused(course, name):
    folder = course / "submissions" / "mallory"
    folder.mkdir()
    (folder / "submission.py").write_text("x = 1\n")
    text = {
        "pytest.ini": "[pytest]\naddopts = -p evil\n",
        "tox.ini": "[pytest]\naddopts = --collect-only\n",
        "setup.cfg": "[tool:pytest]\naddopts = --collect-only\n",
        "pyproject.toml": "[tool.pytest.ini_options]\naddopts = '--collect-only'\n",
    }[name]
    (folder / name).write_text(text)
    done = run(course, "submissions/mallory", "--profile", "quick")
    assert done.returncode != 0
    if name != "pytest.ini":  # there the plugin that it names is not found, before anything else
        assert "belongs to a submission" in done.stderr, done.stderr
    done = run(course, "submissions", "--profile", "quick", "--collect-only", "-q")
    assert "mallory" in done.stdout
    assert "belongs to a submission" not in done.stderr


def test_submissions_and_other_tests_are_not_mixed(course):
    (course / "test_other.py").write_text("def test_x(): pass\n")
    done = run(course, "submissions", "test_other.py")
    assert done.returncode == 4
    assert "separately" in done.stderr


def test_pytest_agrees_with_the_command_item_by_item(course):
    seed = ["--grading-seed", "7"]
    xml = course / "out.xml"
    run(course, "submissions", "--profile", "quick", *seed, "--junitxml", str(xml), "-q", "-n", "2")
    code = textwrap.dedent(
        """
        import sys
        from harness.cli import main
        sys.exit(main(sys.argv[1:]))
        """
    )
    arguments = ["grade", "submissions", "--profile", "quick", "--seed", "7", "--format", "json", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=course, capture_output=True, text=True, check=True
    )
    record = json.loads(done.stdout)
    by_pytest = {}
    for case in ElementTree.parse(xml).getroot().iter("testcase"):
        outcome = next((c.tag for c in case if c.tag in ("failure", "skipped", "error")), "passed")
        by_pytest[case.get("classname").rpartition(".")[2], case.get("name")] = outcome
    expected = {"pass": "passed", "skipped": "skipped", "not_provided": "skipped"}
    by_command = {
        (s["name"], c["id"]): expected.get(c["status"], "failure")
        for s in record["submissions"]
        for c in s["checks"]
    }
    assert by_pytest == by_command
    assert len(by_command) > 100
