"""Waiting for the first answer: help, a cold verdict, and pytest's collection of a class."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.copies import backcheck, copies
from benchmarks.results import AT_MOST, Section, Target, TimingTable
from benchmarks.runner import Contender, measure
from harness.checks.context import MAIN
from harness.sandbox.backend import choose
from harness.session import Limits, Session
from harness.submission import discover

CLASS = 200
START = "a sandboxed submission has built a network"
BASE = "python -c pass"
NUMPY = "python -c 'import numpy'"
HELP = "backcheck --help"
CHECK = "backcheck check FILE"
COLLECT = f"pytest submissions --collect-only, {CLASS} submissions"
EMPTY = "pytest --collect-only, an empty folder"
PLAIN = f"pytest --collect-only, {CLASS} plain test files, without backcheck"


def command(words: Sequence[str], folder: Path, *, allowed: Sequence[int] = (0,)) -> None:
    """Run a command there, its output thrown away; another exit status than allowed ends the benchmark."""
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in allowed:
        said = (done.stderr or done.stdout)[-2000:]
        raise RuntimeError(f"{' '.join(words)}: exit status {done.returncode}, expected {allowed}\n{said}")


def build_once(folder: Path) -> None:
    """Start a sandboxed process, load the submission there and build a network: the least a verdict needs."""
    (found,) = discover([copies(folder, 1)])
    with Session(found, backend=choose(), limits=Limits()) as session:
        session.build(MAIN, "relu", 0)


def contenders(folder: Path) -> list[Contender]:
    """Every command, each beside the least that it could cost."""
    python = [sys.executable, "-c"]
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    school, one, empty, plain = (folder / name for name in ("class", "one", "empty", "plain"))
    copies(school / "submissions", CLASS)
    empty.mkdir()
    _plain_tests(plain)

    def running(name: str, words: Sequence[str], where: Path, allowed: Sequence[int] = (0,)) -> Contender:
        return Contender(name=name, run=lambda: command(words, where, allowed=allowed))

    return [
        running(BASE, [*python, "pass"], folder),
        running(NUMPY, [*python, "import numpy"], folder),
        running(HELP, [*backcheck(), "--help"], folder),
        Contender(name=START, run=lambda: build_once(one)),
        Contender(
            name=CHECK,
            # A file that no store knows, every time.
            prepare=lambda: copies(one, 1),
            run=lambda: command([*backcheck(), "check", "student_000.py", "--quiet"], one),
        ),
        running(EMPTY, collect, empty, (5,)),  # pytest's status for "no tests"
        running(PLAIN, [*collect, "-p", "no:backcheck"], plain),
        running(COLLECT, [*collect, "submissions"], school),
    ]


def run(*, rounds: int) -> Section:
    """Time every command from a new process."""
    with tempfile.TemporaryDirectory() as name:
        timings = tuple(measure(contenders(Path(name)), rounds=rounds, processor=False))
    table = TimingTable(title="New processes", timings=timings, base=BASE)
    seconds = {timing.name: timing.median(table.clock) for timing in timings}

    def at_most(text: str, limit: float, which: str) -> Target:
        return Target(text=text, sense=AT_MOST, limit=limit, measured=seconds[which], unit="s")

    return Section(
        title="Starting",
        text=(
            "Every figure is a process from nothing; files are in the system's cache after the first round, "
            "which is not kept. `check` grades the NumPy reference with the quick profile: all checks, three "
            "activations, no training on MNIST."
        ),
        tables=(table,),
        targets=(
            at_most("`backcheck check` of the NumPy reference, cold", 3.0, CHECK),
            at_most("`backcheck --help`", 0.3, HELP),
            at_most(f"`pytest submissions --collect-only`, {CLASS} submissions", 2.0, COLLECT),
        ),
    )


def _plain_tests(folder: Path) -> None:
    """As many files as the class has submissions, each with one test that does nothing."""
    folder.mkdir()
    for number in range(CLASS):
        (folder / f"test_{number:03d}.py").write_text("def test_nothing():\n    pass\n", encoding="utf-8")
