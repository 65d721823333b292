"""``python -m tests.mutants``: do the tests fail when a check is broken? A sample of small changes to the
checks, the score and the statistics, made by cosmic-ray, each run against the tests that reach its line.

A mutant that no test kills is printed with its change, for a person to look at: it is a hole in the tests, or
changes nothing that can be seen. Works on copies of the tree; needs ``pip install -e '.[mutants]'``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from difflib import unified_diff
from pathlib import Path
from queue import SimpleQueue

from harness.threads import THREAD_VARIABLES
from tests.validate.rates import rate

ROOT = Path(__file__).resolve().parents[1]
CHANGED = ("harness/checks", "harness/grading/checking.py", "harness/grading/score.py", "harness/statistics")
TESTS = (
    "tests/checks",
    "tests/diagnosis",
    "tests/grading",
    "tests/reproduce",
    "tests/test_corpus.py",
    "tests/test_statistics.py",
    "tests/test_statistics_claims.py",
)
# On floats and on annotations these raise at once, or are never evaluated: they would only flatter the score.
LEFT_OUT = ("Shift", "Bit", "_FloorDiv", "_Pow", "_Mod")
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow")
SECONDS_AT_MOST = 900.0  # of the tests of one mutant, which may loop for ever


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change: ``operator`` applied at its ``occurrence`` in a file."""

    file: str
    line: int
    column: int
    function: str
    operator: str
    occurrence: int


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What became of a mutant; ``killer`` is the first test that failed."""

    mutant: Mutant
    killed: bool
    killer: str
    tests: int
    seconds: float
    diff: str


def mutants(root: Path) -> Iterator[Mutant]:
    """Every change that is made to the files under test."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.ast.ast_query import ASTQuery
    from cosmic_ray.plugins import get_operator, operator_names

    operators = {
        name: get_operator(name)()
        for name in sorted(operator_names())
        if not get_operator(name).arguments() and not any(part in name for part in LEFT_OUT)
    }
    for place in CHANGED:
        paths = sorted((root / place).glob("*.py")) if (root / place).is_dir() else [root / place]
        for path in paths:
            nodes = list(ast_nodes(get_ast(path.read_text())))
            for name, operator in operators.items():
                positions = ((n, p) for n in nodes for p, _ in operator.mutation_positions(n))
                for occurrence, (node, (line, column)) in enumerate(positions):
                    yield Mutant(
                        file=str(path.relative_to(root)),
                        line=line,
                        column=column,
                        function=ASTQuery(node).get_definition_name() or "",
                        operator=name,
                        occurrence=occurrence,
                    )


def sample(found: Iterator[Mutant], seed: int) -> list[Mutant]:
    """One change of each place, in an order drawn from ``seed``; which one is drawn too."""
    places: dict[tuple[str, int, int], list[Mutant]] = defaultdict(list)
    for mutant in found:
        places[mutant.file, mutant.line, mutant.column].append(mutant)
    rng = random.Random(seed)
    order = sorted(places)
    rng.shuffle(order)
    return [rng.choice(places[place]) for place in order]


class Reach:
    """Which tests run a line, the fastest first."""

    def __init__(self, data: Path, times: Path) -> None:
        from coverage import CoverageData

        self._seconds = _seconds(times)
        self._coverage = CoverageData(str(data))
        self._coverage.read()
        self._files = self._coverage.measured_files()
        self._lines: dict[str, dict[int, set[str]]] = {}

    def tests(self, file: str, line: int) -> list[str]:
        """Return the tests that reach the line; of what runs at import, those that reach the file."""
        lines = self._of(file)
        # A statement over several lines is counted at its first.
        first = next((n for n in range(line, 0, -1) if n in lines), 0)
        reached = lines.get(first, set()) or set().union(*lines.values())
        return sorted(reached, key=lambda test: (self._seconds.get(test, 0.0), test))

    def _of(self, file: str) -> dict[int, set[str]]:
        if file not in self._lines:
            name = next((known for known in self._files if Path(known).as_posix().endswith(f"/{file}")), None)
            contexts = self._coverage.contexts_by_lineno(name) if name else {}
            self._lines[file] = {
                line: {context.rpartition("|")[0] for context in of_line if context}
                for line, of_line in contexts.items()
            }
        return self._lines[file]


def _seconds(times: Path) -> dict[str, float]:
    found = {}
    for case in ET.parse(times).getroot().iter("testcase"):
        test = f"{case.attrib['classname'].replace('.', '/')}.py::{case.attrib['name']}"
        found[test] = float(case.attrib["time"])
    return found


def learn(copy: Path, folder: Path, jobs: int) -> None:
    """Run the tests once, unchanged, and keep which lines each one reaches; ends the program if one fails."""
    packages = ("harness.checks", "harness.grading", "harness.statistics")
    command = [
        *PYTEST,
        *("-n", str(jobs), f"--junitxml={folder / 'times.xml'}", "--cov-report=", "--cov-context=test"),
        *(f"--cov={package}" for package in packages),
        *TESTS,
    ]
    done = subprocess.run(
        command,
        cwd=copy,
        env=_environment(COVERAGE_FILE=str(folder / "coverage")),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"the tests fail before anything is changed:\n{done.stdout[-3000:]}{done.stderr}")


def attempt(copy: Path, mutant: Mutant, reach: Reach) -> Trial | None:
    """Change the copy, run the tests that reach the change until one fails, and change it back."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    path = copy / mutant.file
    text = path.read_text()
    changed = mutate_code(text, get_operator(mutant.operator)(), mutant.occurrence)
    if changed is None or changed == text:
        return None
    tests = reach.tests(mutant.file, mutant.line)
    start = time.monotonic()
    killed, killer = False, ""
    if tests:
        listed = copy / ".mutant-tests"
        listed.write_text("\n".join(tests))
        path.write_text(changed)
        try:
            done = subprocess.run(
                [*PYTEST, "-x", f"@{listed}"],
                cwd=copy,
                env=_environment(),
                capture_output=True,
                text=True,
                timeout=SECONDS_AT_MOST,
            )
        except subprocess.TimeoutExpired:
            killed, killer = True, f"took longer than {SECONDS_AT_MOST:.0f} s"
        else:
            killed = done.returncode != 0
            failures = (line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR")))
            killer = next(failures, done.stdout[-200:]) if killed else ""
        finally:
            path.write_text(text)
    diff = "\n".join(
        line
        for line in unified_diff(text.splitlines(), changed.splitlines(), n=0, lineterm="")
        if line[:1] in "+-" and line[:3] not in ("+++", "---")
    )
    seconds = round(time.monotonic() - start, 1)
    return Trial(mutant=mutant, killed=killed, killer=killer, tests=len(tests), seconds=seconds, diff=diff)


def _environment(**more: str) -> dict[str, str]:
    # No bytecode: a file that is changed twice within a second would be taken for the one before.
    return {**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1"), "PYTHONDONTWRITEBYTECODE": "1", **more}


def copy_of_the_tree(folder: Path) -> Path:
    """Copy what git knows of, as it stands in the work tree."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def report(trials: list[Trial], drawn: int) -> str:
    """Score by file, then every survivor with its change."""
    killed, counted = Counter[str](), Counter[str]()
    for trial in trials:
        counted[trial.mutant.file] += 1
        killed[trial.mutant.file] += trial.killed
    lines = [f"{killed[file]:4d} of {counted[file]:4d}  {file}" for file in sorted(counted)]
    lines.append(
        f"killed {rate(trial.killed for trial in trials)}, one change of each of {drawn} places drawn"
    )
    for trial in trials:
        if not trial.killed:
            where = f"{trial.mutant.file}:{trial.mutant.line} in {trial.mutant.function or 'the module'}"
            lines += ["", f"survived {trial.tests} tests: {where}", trial.diff]
    return "\n".join(lines)


def run(
    chosen: list[Mutant],
    *,
    jobs: int,
    minutes: float,
    output: Path,
    again: bool,
    done: Callable[[Trial], None],
) -> None:
    """Try the mutants, ``jobs`` at a time, until all are tried or the time is up."""
    with tempfile.TemporaryDirectory(prefix="backcheck-mutants-") as name:
        free: SimpleQueue[Path] = SimpleQueue()
        for job in range(jobs):
            free.put(copy_of_the_tree(Path(name) / str(job)))
        if not again:
            first = free.get()
            learn(first, output, jobs)
            free.put(first)
        reach = Reach(output / "coverage", output / "times.xml")
        deadline = time.monotonic() + 60 * minutes

        def one(mutant: Mutant) -> Trial | None:
            if time.monotonic() > deadline:
                return None
            copy = free.get()
            try:
                return attempt(copy, mutant, reach)
            finally:
                free.put(copy)

        with ThreadPoolExecutor(jobs) as pool:
            for trial in pool.map(one, chosen):
                if trial is not None:
                    done(trial)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=100, help="how many places to change (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="what the sample is drawn from")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants at a time")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no mutant after so long")
    parser.add_argument(
        "--output", type=Path, default=Path(".backcheck/mutants"), help="folder of the results"
    )
    parser.add_argument(
        "--again", action="store_true", help="trust the last run for which test reaches which line"
    )
    args = parser.parse_args()
    args.output = args.output.resolve()
    args.output.mkdir(parents=True, exist_ok=True)
    try:
        chosen = sample(mutants(ROOT), args.seed)[: args.sample]
    except ModuleNotFoundError as error:
        parser.error(f"{error.name} is not installed; run: pip install -e '.[mutants]'")
    trials: list[Trial] = []
    with (args.output / f"seed-{args.seed}.jsonl").open("w") as kept:

        def done(trial: Trial) -> None:
            trials.append(trial)
            kept.write(json.dumps(asdict(trial)) + "\n")
            kept.flush()
            word = "killed" if trial.killed else "SURVIVED"
            where = f"{trial.mutant.file}:{trial.mutant.line}"
            print(f"{len(trials)}/{len(chosen)} {word} {trial.seconds:.0f} s {where}", file=sys.stderr)

        run(chosen, jobs=args.jobs, minutes=args.minutes, output=args.output, again=args.again, done=done)
    print(report(trials, len(chosen)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
