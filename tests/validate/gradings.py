"""Grading the corpora on a few processes; each grading is kept as it ends, so that a killed run goes on."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from harness.checks.registry import checks
from harness.grading.checking import Checker
from harness.grading.grade import run_until_decided
from harness.grading.keys import harness_digest
from harness.grading.plan import plan
from harness.grading.score import claims
from harness.grading.units import Settings
from harness.records import ExperimentResult, Status
from harness.sandbox.backend import choose
from harness.spec import load_rubric, load_spec
from harness.submission import Submission, discover
from harness.threads import THREAD_VARIABLES
from tests.corpus.loader import Case, materialise, text
from tests.validate import baselines

BASELINES = "baselines"


@dataclass(frozen=True, kw_only=True)
class CheckOutcome:
    """How one check ended in one grading."""

    id: str
    group: str
    status: str
    diagnosis: str | None = None
    message: str = ""
    not_applicable: bool = False


@dataclass(frozen=True, kw_only=True)
class Grading:
    """One grading of one case."""

    case: str
    profile: str
    seed: int
    checks: tuple[CheckOutcome, ...]
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    seconds_in_submission: float = 0.0
    key: str = field(default="", compare=False)

    @property
    def failed(self) -> tuple[CheckOutcome, ...]:
        """The checks that found something: all that neither passed nor were skipped or not applicable."""
        quiet = (Status.PASS, Status.SKIPPED, Status.NOT_PROVIDED)
        return tuple(c for c in self.checks if c.status not in quiet)

    @property
    def diagnoses(self) -> tuple[str, ...]:
        """The mistakes named, each once, in the order of the checks."""
        return tuple(dict.fromkeys(c.diagnosis for c in self.failed if c.diagnosis))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Grading:
        """Rebuild a grading from a line of the file."""
        found = tuple(CheckOutcome(**check) for check in data["checks"])
        return cls(**{**data, "checks": found, "notes": tuple(data["notes"])})


@dataclass(frozen=True, kw_only=True)
class Task:
    """One grading to be made; the profile ``baselines`` asks what is used today instead of the harness."""

    case: Case
    profile: str
    seed: int

    @property
    def key(self) -> str:
        """What the outcome depends on, as one word."""
        parts = (self.case.id, text(self.case), getattr(self.case, "manifest", ""), self.profile, self.seed)
        judge = baselines.DIGEST if self.profile == BASELINES else harness_digest()
        return sha256(repr((*parts, judge)).encode()).hexdigest()[:24]


def run(
    tasks: Sequence[Task], *, jobs: int, folder: Path, report: Callable[[Grading, int, int], None]
) -> list[Grading]:
    """Make every grading that the folder does not hold yet, ``jobs`` at a time; return all, in no order."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "gradings.jsonl"
    known = {grading.key: grading for grading in _stored(path)}
    wanted = {task.key: task for task in tasks}
    done = [known[key] for key in wanted if key in known]
    open_tasks = [task for key, task in wanted.items() if key not in known]
    if not open_tasks:
        return done
    for name in THREAD_VARIABLES:
        os.environ[name] = "1"
    context = get_context("spawn")  # fork and BLAS threads do not go together
    with ProcessPoolExecutor(jobs, mp_context=context) as pool, path.open("a", encoding="utf-8") as file:
        for future in as_completed([pool.submit(grade, task) for task in open_tasks]):
            grading = future.result()
            file.write(json.dumps(asdict(grading)) + "\n")
            file.flush()
            done.append(grading)
            report(grading, len(done), len(wanted))
    return done


def grade(task: Task) -> Grading:
    """Grade one case as a class would be graded, sandbox and all."""
    start = time.monotonic()
    if task.profile == BASELINES:
        return _asked_of_baselines(task)
    with tempfile.TemporaryDirectory(prefix="validate-") as folder:
        submission = discover([materialise(task.case, Path(folder))])[0]
        checker = Checker(submission, checks(), seed=task.seed, backend=choose())
        try:
            found = [checker.result(check) for check in checks()]
        finally:
            checker.close()
        outcomes = [
            CheckOutcome(
                id=r.id,
                group=r.group,
                status=str(r.status),
                diagnosis=r.diagnosis,
                message=r.message if r.status is not Status.PASS else "",
                not_applicable=bool(r.evidence.get("not_applicable")),
            )
            for r in found
        ]
        notes: tuple[str, ...] = ()
        if task.profile != "quick":
            experiments = list(_experiments(submission, task))
            notes = tuple(claims(submission.manifest.claimed, experiments))
            outcomes += [
                CheckOutcome(id=e.id, group="accuracy", status=str(e.status), message=e.message)
                for e in experiments
            ]
    return Grading(
        case=task.case.id,
        profile=task.profile,
        seed=task.seed,
        checks=tuple(outcomes),
        notes=notes,
        seconds=time.monotonic() - start,
        seconds_in_submission=checker.session.seconds_in_submission,
        key=task.key,
    )


def _asked_of_baselines(task: Task) -> Grading:
    found = baselines.passes(task.case)
    outcomes = tuple(
        CheckOutcome(id=name, group=BASELINES, status=str(Status.PASS if good else Status.FAIL))
        for name, good in found.items()
    )
    return Grading(case=task.case.id, profile=BASELINES, seed=task.seed, checks=outcomes, key=task.key)


def _experiments(submission: Submission, task: Task) -> Iterator[ExperimentResult]:
    spec = load_spec()
    planned = plan(submission, spec=spec, rubric=load_rubric(), profile=task.profile)
    for experiment in planned.experiments:
        settings = Settings(seed=task.seed)
        yield run_until_decided(planned, experiment, spec=spec, settings=settings)


def _stored(path: Path) -> Iterable[Grading]:
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield Grading.from_json(json.loads(line))
        except (json.JSONDecodeError, KeyError, TypeError):
            continue  # a line cut off by a kill: that grading is made again
