"""A class of 200, right, wrong and hostile, graded with the quick profile: ``make bench-class``.

Prints how many submissions a minute were graded, what the grader itself costs beside them, the memory that it
and all its processes held at most, how long an unchanged class takes to grade again from the store, and, with
``--speed-up``, how much faster two workers are than one.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import psutil

from tests.corpus import loader

SHARES = {"right": 0.4, "wrong": 0.4, "hostile": 0.2}
SAMPLE_SECONDS = 0.2
HOSTILE = {
    "exits_at_once": "import os\nos._exit(0)\n",
    "says_it_passed": "print('===== 74 passed in 0.01s =====')\nimport sys\nsys.exit(0)\n",
    "no_python": "def build(layer_sizes, activation, seed)\n    return\n",
    "python_two": "print 'hello'\n",
    "missing_package": "import not_there\n",
    "dies_in_native_code": "import ctypes\nctypes.string_at(0)\n",
    "kills_the_group": "import os, signal\nos.killpg(0, signal.SIGKILL)\n",
    "kills_its_parent": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n",
    "takes_all_memory": "import numpy as np\nheld = [np.ones((1 << 27,)) for _ in range(1 << 20)]\n",
    "forks": "import os\nwhile True:\n    os.fork()\n",
    "fills_the_disk": (
        "with open('full', 'wb') as file:\n    while True:\n        file.write(bytes(1 << 20))\n"
    ),
    "prints_for_ever": "while True:\n    print('x' * 10_000)\n",
    "recurses": "import sys\nsys.setrecursionlimit(1 << 30)\nf = lambda: f()\nf()\n",
    "reads_the_labels": (
        "import glob\nopen(glob.glob('/**/mnist/test_labels.npy', recursive=True)[0]).read()\n"
    ),
    "answers_none": "def build(layer_sizes, activation, seed):\n    return None\n",
    "answers_nan": (
        "import numpy as np\n\n\nclass N:\n"
        "    def get_weights(self): return [np.nan]\n"
        "    def predict_proba(self, X): return np.full((len(X), 10), np.nan)\n\n\n"
        "def build(layer_sizes, activation, seed): return N()\n"
    ),
}
# Each of these costs its whole time limit: a class has one or two.
ENDLESS = {
    "loops_at_import": "while True:\n    pass\n",
    "loops_in_build": "def build(layer_sizes, activation, seed):\n    while True:\n        pass\n",
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One grading: seconds by the clock, bytes at most, and the record."""

    seconds: float
    grader_bytes: int
    tree_bytes: int
    record: dict


def make_class(folder: Path, count: int) -> Counter:
    """Write ``count`` submissions, no two alike, and return how many there are of each kind."""
    folder.mkdir(parents=True)
    usable = [case for case in loader.known_right() if not (case.slow or case.small or case.absent)]
    right = {case.id: loader.text(case) for case in usable if case.part == "scratch"}
    wrong = {
        case.id: loader.text(case)
        for case in loader.known_wrong()
        if case.part == "scratch" and not case.manifest and case.profile == "quick"
    }
    made: Counter = Counter()
    for kind, sources in (("right", right), ("wrong", wrong), ("hostile", HOSTILE)):
        wanted = round(count * SHARES[kind])
        chosen = list(islice(cycle(sources.items()), wanted))
        if kind == "hostile":
            chosen[: len(ENDLESS)] = list(ENDLESS.items())[:wanted]
        for number, (name, source) in enumerate(chosen):
            (folder / f"{kind}_{number:03}_{name}.py").write_text(f"{source}\n# submission {number}\n")
            made[kind] += 1
    return made


def graded(folder: Path, *arguments: str, jobs: int | None = None) -> Measured:
    """Run ``backcheck grade`` on a folder, as people do, and watch it."""
    record = folder.with_suffix(".json")
    command = [sys.executable, "-m", "harness", "grade", str(folder), "--profile", "quick", "--quiet"]
    command += ["--json", str(record), *arguments, *(() if jobs is None else ("--jobs", str(jobs)))]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    watch = _Watch(process.pid)
    watch.start()
    _, errors = process.communicate()
    seconds = time.perf_counter() - start
    watch.stop()
    if process.returncode not in (0, 3):
        sys.exit(f"grading ended with exit status {process.returncode}: {errors}")
    document = json.loads(record.read_text())
    return Measured(seconds=seconds, grader_bytes=watch.own, tree_bytes=watch.tree, record=document)


class _Watch(threading.Thread):
    """Samples the memory of a process, and of it with all its descendants."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.process = psutil.Process(pid)
        self.own = self.tree = 0
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            try:
                own = self.process.memory_info().rss
                children = self.process.children(recursive=True)
            except psutil.Error:
                return
            tree = own
            for child in children:
                try:
                    tree += child.memory_info().rss
                except psutil.Error:
                    continue
            self.own, self.tree = max(self.own, own), max(self.tree, tree)

    def stop(self) -> None:
        self._done.set()
        self.join()


def report(made: Counter, first: Measured, again: Measured, jobs: int) -> list[str]:
    """What was measured, in lines."""
    verdicts = first.record["submissions"]
    count = len(verdicts)
    busy = sum(verdict["seconds"] for verdict in verdicts)
    overhead = 1 - busy / (first.seconds * jobs)
    scores = {kind: [] for kind in SHARES}
    for verdict in verdicts:
        scores[verdict["name"].split("_")[0]].append(100 * verdict["score"] / (verdict["max_score"] or 1))
    slowest = max(verdicts, key=lambda verdict: verdict["seconds"])
    return [
        f"class       {count} submissions: " + ", ".join(f"{n} {kind}" for kind, n in made.items()),
        f"throughput  {60 * count / first.seconds:.1f} a minute with {jobs} workers ({first.seconds:.0f} s)",
        f"each        {busy / count:.2f} s of a worker on average; the slowest {slowest['seconds']:.1f} s "
        f"({slowest['name']})",
        f"overhead    {100 * overhead:.1f} % of the workers' time was not spent on a submission",
        f"memory      {first.grader_bytes / 2**20:.0f} MiB in the grader, {first.tree_bytes / 2**20:.0f} MiB "
        f"with all its processes, at most",
        f"again       {again.seconds:.2f} s for the unchanged class, {again.grader_bytes / 2**20:.0f} MiB",
        f"same        {'yes' if _plain(first.record) == _plain(again.record) else 'NO'}: the second record "
        f"is the first, times included",
        "scores      "
        + ", ".join(
            f"{kind} {min(values):.0f} to {max(values):.0f} %" for kind, values in scores.items() if values
        ),
        f"faults      {len(first.record['harness_errors'])} of the harness's own",
    ]


def speed_up(folder: Path, count: int) -> str:
    """How much faster two workers are than one, on right submissions that only compute."""
    make_class(folder, count)
    for path in folder.glob("*.py"):
        if not path.name.startswith("right_"):
            path.unlink()
    one, two = (graded(folder, "--no-store", jobs=jobs).seconds for jobs in (1, 2))
    return f"speed-up    {one / two:.2f} x with two workers ({one:.0f} s and {two:.0f} s)"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_class", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="submissions (default: 200)")
    parser.add_argument("--jobs", type=int, default=psutil.cpu_count() or 1, help="worker processes")
    parser.add_argument("--speed-up", action="store_true", help="also compare two workers with one")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="backcheck-bench-") as name:
        folder = Path(name) / "class"
        made = make_class(folder, args.count)
        store = ("--store", str(Path(name) / "store.sqlite"))
        first = graded(folder, *store, jobs=args.jobs)
        again = graded(folder, *store, jobs=args.jobs)
        print("\n".join(report(made, first, again, args.jobs)), flush=True)
        if args.speed_up:
            print(speed_up(Path(name) / "right", args.count // 4))
    return 0


def _plain(record: dict) -> str:
    return json.dumps(record, sort_keys=True)


if __name__ == "__main__":
    sys.exit(main())
