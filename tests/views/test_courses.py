"""The recipes of docs/courses.md: scripts parse, commands are accepted, and what can run here runs."""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from harness.cli import COMMANDS
from harness.views import render

from . import sample

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "courses.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMAND = Path(sys.executable).with_name("backcheck")


def blocks(language: str) -> list[str]:
    return [body for found, body in BLOCKS if found == language]


def block(title: str) -> str:
    return next(body for _, body in BLOCKS if f"# {title}" in body)


def commands() -> list[list[str]]:
    """Every call of backcheck on the page, as arguments."""
    found = []
    for body in [*blocks("sh"), *blocks("bash"), *blocks("yaml")]:
        for line in body.replace("\\\n", " ").splitlines():
            words = re.search(r"backcheck[}\"']* (?=(?:grade|check|show|doctor)\b)(.*)", line)
            if words:
                found.append(shlex.split(words[1].split(" ||")[0], comments=True))
    return found


def test_the_page_has_its_commands() -> None:
    names = [words[0] for words in commands()]
    assert names.count("grade") >= 4
    assert names.count("show") >= 6
    assert "doctor" in names


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_is_accepted(words) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    importlib.import_module(COMMANDS[words[0]].module).add_arguments(parser)
    known = [word if not word.startswith("${PROFILE") else "standard" for word in words[1:]]
    parser.parse_args(known)


@pytest.mark.parametrize("script", [*blocks("bash"), *blocks("sh")])
def test_every_script_parses(script) -> None:
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, timeout=20)
    assert done.stderr == ""


@pytest.mark.parametrize("script", blocks("python"))
def test_python_on_the_page_parses(script) -> None:
    ast.parse(script)


def results(folder: Path) -> dict:
    document = json.loads((folder / "results" / "results.json").read_text())
    schema = resources.files("harness.views").joinpath("templates/gradescope.schema.json").read_text()
    jsonschema.validate(document, json.loads(schema))
    return document


def run_autograder(folder: Path, command: Path | str) -> dict:
    (folder / "results").mkdir()
    environment = os.environ | {"AUTOGRADER_ROOT": str(folder), "BACKCHECK": str(command), "PROFILE": "quick"}
    subprocess.run(
        ["bash", "-c", block("run_autograder")], env=environment, capture_output=True, timeout=300, check=True
    )
    return results(folder)


def test_gradescope_gets_a_result_even_when_grading_fails(tmp_path) -> None:
    (tmp_path / "submission").mkdir()
    assert run_autograder(tmp_path, "/bin/false")["score"] == 0


@pytest.mark.slow
def test_gradescope_grades_a_submission(tmp_path) -> None:
    (tmp_path / "submission").mkdir()
    shutil.copy(ROOT / "submissions" / "wrong_batch_sum.py", tmp_path / "submission" / "submission.py")
    document = run_autograder(tmp_path, COMMAND)
    assert 0 < document["score"] < sum(test.get("max_score", 0) for test in document["tests"])
    assert [test for test in document["tests"] if test["status"] == "failed" and "gradients" in test["tags"]]


def test_nbgraders_folders_become_submissions(tmp_path) -> None:
    for student in ("alice", "bob o"):
        folder = tmp_path / "submitted" / student / "mnist"
        folder.mkdir(parents=True)
        (folder / "mnist.ipynb").write_text("{}")
    (tmp_path / "submitted" / "carol" / "other").mkdir(parents=True)
    subprocess.run(["bash", "-c", block("gather.sh")], cwd=tmp_path, check=True, timeout=20)
    found = sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "handed-in").rglob("*.ipynb"))
    assert found == ["handed-in/alice/mnist.ipynb", "handed-in/bob o/mnist.ipynb"]


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_repositories_become_submissions(tmp_path) -> None:
    for command in (["init", "--quiet", "origin"], ["-C", "origin", "add", "."]):
        if command[0] == "-C":
            (tmp_path / "origin" / "submission.py").write_text("")
        subprocess.run(["git", *command], cwd=tmp_path, check=True, timeout=20)
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(
        ["git", "-C", "origin", *identity, "commit", "--quiet", "-m", "x"],
        cwd=tmp_path,
        check=True,
        timeout=20,
    )
    (tmp_path / "repositories.txt").write_text(f"alice file://{tmp_path}/origin\n")
    subprocess.run(["bash", "-c", block("collect.sh")], cwd=tmp_path, check=True, timeout=20)
    assert (tmp_path / "handed-in" / "alice" / "submission.py").is_file()


def test_the_first_recipe_from_a_record_on(tmp_path) -> None:
    (tmp_path / "record.json").write_text(render(sample.record(), "json"))
    (tmp_path / "roster.csv").write_text("login,GitHub user\nalice,alice\ndora,dora\n")
    folder = tmp_path
    for line in "\n".join(blocks("sh")[:2]).splitlines():
        if line.startswith("backcheck show"):
            words = shlex.split(line)
            subprocess.run(
                [sys.executable, "-m", "harness", *words[1:]],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                check=True,
                capture_output=True,
                timeout=60,
            )
    assert "dora,dora,0,68,0,not handed in," in (folder / "grades.csv").read_text()
    assert (folder / "reports" / "index.html").is_file()
    assert sorted(path.name for path in (folder / "feedback").iterdir()) == [
        "alice.html",
        "bob.html",
        "carol.html",
    ]
