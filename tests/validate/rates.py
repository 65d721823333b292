"""Error rates from gradings, with exact binomial intervals (Clopper and Pearson, 1934)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import beta

from harness.records import Status
from tests.corpus.loader import RightCase, WrongCase
from tests.validate.gradings import CheckOutcome, Grading

CONFIDENCE = 0.95
ALARMS = (
    Status.FAIL,
    Status.ERROR,
    Status.TIMEOUT,
    Status.OUT_OF_MEMORY,
    Status.CRASHED,
    Status.HARNESS_ERROR,
)


@dataclass(frozen=True, kw_only=True)
class Rate:
    """``count`` of ``total``, as a share with its exact confidence interval."""

    count: int
    total: int

    @property
    def share(self) -> float:
        """The observed share; 0 of 0 is 0."""
        return self.count / self.total if self.total else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The Clopper-Pearson interval of the share, at 95 %."""
        tail = (1 - CONFIDENCE) / 2
        k, n = self.count, self.total
        low = float(beta.ppf(tail, k, n - k + 1)) if k else 0.0
        high = float(beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0
        return low, high

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.count}/{self.total} = {self.share:.1%} [{low:.1%}, {high:.1%}]"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that a grading got wrong, in one line."""

    case: str
    seed: int
    what: str


def rate(outcomes: Iterable[bool]) -> Rate:
    """Count how many are true."""
    values = list(outcomes)
    return Rate(count=sum(values), total=len(values))


def alarms(grading: Grading) -> tuple[CheckOutcome, ...]:
    """The checks that blame the submission. On a right one each of them is a false alarm.

    A verb that is not provided is no blame: which are missing is the case's declared difference.
    """
    return tuple(check for check in grading.checks if check.status in ALARMS)


def caught(grading: Grading, base: Grading | None) -> bool:
    """Whether the author is told: an alarm, a claim that does not hold, or less than the base provides.

    ``base`` is the grading of the right base that the case is an edit of.
    """
    if alarms(grading) or any("does not hold" in note for note in grading.notes):
        return True
    had = {check.id for check in base.checks if check.status == Status.PASS} if base else set()
    return any(check.status == Status.NOT_PROVIDED and check.id in had for check in grading.checks)


def by_key(
    cases: Mapping[str, WrongCase], outcomes: Mapping[str, bool], key: Callable[[WrongCase], str]
) -> dict[str, Rate]:
    """The share that is caught, by a property of the case."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for name, found in outcomes.items():
        groups[key(cases[name])].append(found)
    return {name: rate(values) for name, values in sorted(groups.items())}


def false_alarms(gradings: Sequence[Grading]) -> tuple[Rate, list[Problem]]:
    """The gradings of right submissions with an alarm, and what each said."""
    problems = [
        Problem(case=g.case, seed=g.seed, what=f"{check.id}: {check.status}: {check.message}")
        for g in gradings
        for check in alarms(g)
    ]
    return rate(bool(alarms(g)) for g in gradings), problems


@dataclass(frozen=True, kw_only=True)
class Diagnoses:
    """How the diagnoses of caught defects compare with the corpus's."""

    right: Rate  # of the caught cases that have a known name, how many were called by it
    wrong: Rate  # of all caught cases, how many were called by a name that is not theirs
    silent: tuple[str, ...]  # cases with a known name that were caught and not named
    problems: tuple[Problem, ...]


def diagnoses(cases: Mapping[str, WrongCase], gradings: Sequence[Grading]) -> Diagnoses:
    """Compare the mistakes that were named with those that were made."""
    right, wrong, silent, problems = [], [], [], []
    for grading in gradings:
        case = cases[grading.case]
        named = grading.diagnoses
        if case.diagnosis:
            right.append(case.diagnosis in named)
            if not named:
                silent.append(case.id)
        strangers = [name for name in named if name not in (case.diagnosis, *case.also)]
        wrong.append(bool(strangers))
        if strangers:
            what = f"called {', '.join(strangers)}; it is {case.diagnosis or 'without a name'}: {case.defect}"
            problems.append(Problem(case=case.id, seed=grading.seed, what=what))
    return Diagnoses(right=rate(right), wrong=rate(wrong), silent=tuple(silent), problems=tuple(problems))


def broken_promises(cases: Mapping[str, WrongCase], gradings: Sequence[Grading]) -> list[Problem]:
    """Where an entry's ``fails`` and ``passes`` disagree with what the checks found."""
    problems = []
    for grading in gradings:
        case = cases[grading.case]
        if grading.profile != "quick" or case.profile != "quick":
            continue
        hit = {check.group for check in alarms(grading)}
        missing = {check.group for check in grading.checks if check.status == Status.NOT_PROVIDED}
        if not (hit | missing) & set(case.fails):
            what = f"none of {case.fails} failed, but {sorted(hit) or 'nothing'} did"
            problems.append(Problem(case=case.id, seed=grading.seed, what=what))
        for group in sorted(hit & set(case.passes)):
            ids = ", ".join(check.id for check in alarms(grading) if check.group == group)
            problems.append(
                Problem(case=case.id, seed=grading.seed, what=f"{group} should pass: {ids} did not")
            )
    return problems


def killers(gradings: Sequence[Grading]) -> dict[str, Counter[str]]:
    """For each case, how often each check (without its activation) blamed it."""
    matrix: dict[str, Counter[str]] = {}
    for grading in gradings:
        names = {check.id.partition("[")[0] for check in alarms(grading)}
        matrix.setdefault(grading.case, Counter()).update(names)
    return matrix


def declared_missing(cases: Mapping[str, RightCase], gradings: Sequence[Grading]) -> dict[str, set[str]]:
    """For each right case, the checks that it does not provide what they need for."""
    missing: dict[str, set[str]] = {}
    for grading in gradings:
        found = {c.id for c in grading.checks if c.status == Status.NOT_PROVIDED}
        if found and grading.case in cases:
            missing.setdefault(grading.case, set()).update(found)
    return missing
