"""What every view says about a record: group scores, findings, and figures as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness import progress
from harness.records import CheckResult, ExperimentResult, Record, Status, Verdict
from harness.views import evidence

ACCURACY = "accuracy"  # the group of the experiments
MAX_RUNS_SHOWN = 6  # accuracies of one experiment in one cell

LABELS = {
    Status.PASS: "pass",
    Status.FAIL: "FAIL",
    Status.ERROR: "ERROR",
    Status.TIMEOUT: "TIMEOUT",
    Status.OUT_OF_MEMORY: "OUT OF MEMORY",
    Status.CRASHED: "CRASHED",
    Status.NOT_PROVIDED: "not provided",
    Status.SKIPPED: "skipped",
    Status.HARNESS_ERROR: "HARNESS ERROR",
}

# What was not measured, because of something else or because the submission does not offer it.
UNMEASURED = frozenset({Status.SKIPPED, Status.NOT_PROVIDED})

# What ends in one of these has raised, hung or died, or is not there: nothing of it was measured.
BROKEN = frozenset({Status.ERROR, Status.TIMEOUT, Status.OUT_OF_MEMORY, Status.CRASHED, Status.NOT_PROVIDED})

# A frame as the worker writes it: the author's files by their names, others by their absolute paths.
_FRAME = re.compile(r"^  (?P<place>\S[^\n]*:\d+ in [^\n]+)$(?:\n    (?P<source>[^\n]+)$)?", re.MULTILINE)
_INSTALLED = re.compile(r"^[/<]|(?:^|/)(?:(?:site|dist)-packages|python3[.\d]*)/")


@dataclass(frozen=True, kw_only=True)
class GroupScore:
    """Points of one rubric group of one submission, and how many of its planned checks passed."""

    name: str
    points: float
    max_points: float
    passed: int
    planned: int

    @property
    def complete(self) -> bool:
        """Whether every planned check of the group passed."""
        return self.planned > 0 and self.passed == self.planned


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is not a pass; ``ids`` holds several checks when they say the same.

    ``tried`` is false for what was skipped, most often because it rests on something that did not pass.
    """

    ids: tuple[str, ...]
    status: Status
    message: str
    detail: str = ""
    diagnosis: str | None = None
    tried: bool = True


def group_names(submissions: Iterable[Verdict]) -> tuple[str, ...]:
    """Return the rubric groups of all submissions in order of first appearance, without accuracy."""
    seen: dict[str, None] = {}
    for verdict in submissions:
        for check in verdict.checks:
            seen.setdefault(check.group)
    return tuple(group for group in seen if group != ACCURACY)


def columns(submissions: Sequence[Verdict]) -> list[str]:
    """Return the groups that a table has columns for: the rubric's, then accuracy if anything was trained."""
    trained = any(group_score(verdict, ACCURACY).planned for verdict in submissions)
    return [*group_names(submissions), *([ACCURACY] if trained else [])]


def parts_of(verdict: Verdict) -> tuple[CheckResult | ExperimentResult, ...]:
    """Return everything of a verdict that has a status: its checks, then its experiments."""
    return (*verdict.checks, *verdict.experiments)


def applies(part: CheckResult | ExperimentResult) -> bool:
    """Return whether a part counts: a check without an object (no history returned) is not a finding."""
    return not (part.status is Status.SKIPPED and part.evidence.get("not_applicable"))


def tried(part: CheckResult | ExperimentResult) -> bool:
    """Return whether a part was tried: not skipped, nor given up for resting on one that did not pass."""
    return part.status is not Status.SKIPPED and not evidence.rests_on(part.evidence)


def group_score(verdict: Verdict, group: str) -> GroupScore:
    """Return the score of one group; accuracy is the experiments and any check filed under that name."""
    parts: list[CheckResult | ExperimentResult] = [check for check in verdict.checks if check.group == group]
    if group == ACCURACY:
        parts += verdict.experiments
    parts = [part for part in parts if applies(part)]
    return GroupScore(
        name=group,
        points=sum(part.points for part in parts),
        max_points=sum(part.max_points for part in parts),
        passed=sum(part.status is Status.PASS for part in parts),
        planned=len(parts),
    )


def findings(verdict: Verdict) -> tuple[Finding, ...]:
    """Return everything that is not a pass, what was measured first; checks that say the same are one."""
    grouped: dict[tuple[Status, str], list[CheckResult | ExperimentResult]] = {}
    for part in parts_of(verdict):
        if part.status is not Status.PASS and applies(part):
            grouped.setdefault((part.status, _said(part)), []).append(part)
    found = [
        _finding(status, _resting(parts) or message, parts) for (status, message), parts in grouped.items()
    ]
    return tuple(sorted(found, key=lambda finding: finding.status in UNMEASURED))


def _said(part: CheckResult | ExperimentResult) -> str:
    """Return what a part is grouped by: its message, or nothing for a check that rests on a broken one."""
    return "" if evidence.rests_on(part.evidence) else part.message


def _resting(parts: Sequence[CheckResult | ExperimentResult]) -> str:
    """Return one message for all checks that were not tried because of broken ones."""
    broken = list(dict.fromkeys(each for part in parts for each in evidence.rests_on(part.evidence)))
    if not broken:
        return ""
    resting = {part.id for part in parts}
    roots = [each for each in broken if each not in resting]  # not what was itself only skipped
    return f"not tried: rests on {id_list(roots or broken)}, which did not pass"


def _finding(status: Status, message: str, parts: Sequence[CheckResult | ExperimentResult]) -> Finding:
    checks = [part for part in parts if isinstance(part, CheckResult)]
    texts = [
        part.detail if isinstance(part, CheckResult) else evidence.details(part.evidence) for part in parts
    ]
    return Finding(
        ids=tuple(part.id for part in parts),
        status=status,
        message=message or "no message",
        detail=next((each for each in texts if each), ""),
        diagnosis=next((check.diagnosis for check in checks if check.diagnosis), None),
        tried=any(tried(part) for part in parts),
    )


def place(finding: Finding) -> tuple[str, ...]:
    """Return the author's last frame of a traceback, ``net.py:7 in forward``, and its line if there is one.

    Frames of installed packages and of Python's library are no help to the author.
    """
    if finding.status not in BROKEN:
        return ()
    frames = [frame for frame in _FRAME.finditer(finding.detail) if not _INSTALLED.search(frame["place"])]
    if not frames:
        return ()
    source = frames[-1]["source"]
    return (frames[-1]["place"], source.strip()) if source else (frames[-1]["place"],)


def unmeasured(verdict: Verdict) -> str:
    """Return why nothing of a submission could be measured: it does not load, or none of it runs."""
    parts = [part for part in parts_of(verdict) if tried(part)]
    if not parts or any(part.status not in BROKEN for part in parts):
        return ""
    return parts[0].message or LABELS[parts[0].status]


def id_list(ids: Sequence[str], limit: int = 3) -> str:
    """Return check ids as one text; ``gradients[tanh]`` and ``gradients[relu]`` fold into one bracket."""
    folded: dict[str, list[str]] = {}
    for each in ids:
        stem, bracket, rest = each.partition("[")
        folded.setdefault(stem, []).extend([rest.removesuffix("]")] if bracket else [])
    texts = [f"{stem}[{', '.join(cases)}]" if cases else stem for stem, cases in folded.items()]
    more = len(texts) - limit
    return ", ".join(texts) if more <= 0 else f"{', '.join(texts[:limit])} and {more} more"


def number(value: float) -> str:
    """Return points with at most two decimals and no trailing zeros: 12, 12.5, 0.33."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def rounded(score: float) -> float:
    """Return a score for a file that programs read: sums of thirds end in 85.00000000000016."""
    return round(score, 6)


def points(value: float, maximum: float) -> str:
    """Return points over maximum, as in 12.5/15."""
    return f"{number(value)}/{number(maximum)}"


def percentage(score: float, maximum: float) -> float:
    """Return the score in per cent, 0 when nothing could be scored."""
    return 100.0 * score / maximum if maximum > 0 else 0.0


def group_cell(score: GroupScore) -> str:
    """Return a group as points when it is worth any, else as a mark: ``ok``, or ``2 of 3`` checks passed."""
    if score.planned == 0:
        return "-"
    if score.max_points > 0:
        return points(score.points, score.max_points)
    return "ok" if score.complete else f"{score.passed} of {score.planned}"


def share_cell(score: GroupScore) -> str:
    """Return a group in per cent of its points, for a table that has no room for both; else its mark."""
    if score.planned == 0 or score.max_points <= 0:
        return group_cell(score)
    return f"{int(percentage(score.points, score.max_points) + 1e-9)}%"  # down: 100% is full marks only


def figure(value: float | None, digits: int = 2) -> str:
    """Return a percentage with fixed decimals, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def reported(value: float | None) -> str:
    """Return the report's figure with the digits it was given in: 62, 94.3."""
    return "-" if value is None else number(value)


def expected_range(low: float | None, high: float | None) -> str:
    """Return the expected range in per cent, as in ``95.25 to 96.05``."""
    if low is None and high is None:
        return "-"
    if low is None or high is None:
        return f"at least {figure(low)}" if high is None else f"at most {figure(high)}"
    return f"{low:.2f} to {high:.2f}"


def accuracies(values: Sequence[float]) -> str:
    """Return the measured accuracies in per cent, the first few of many."""
    shown = " ".join(figure(value) for value in values[:MAX_RUNS_SHOWN])
    more = len(values) - MAX_RUNS_SHOWN
    return (shown if more <= 0 else f"{shown} (+{more})") or "-"


def duration(seconds: float) -> str:
    """Return a duration for people: 0.4 s, 12 s, 3 min 05 s, 2 h 10 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    return progress.duration(seconds)


def class_line(record: Record) -> str:
    """Return one sentence about the whole class: how many, how many at full marks, mean and median score."""
    count = len(record.submissions)
    if count == 0:
        return "No submissions."
    shares = sorted(percentage(verdict.score, verdict.max_score) for verdict in record.submissions)
    full = sum(verdict.max_score > 0 and verdict.score >= verdict.max_score for verdict in record.submissions)
    middle = (shares[(count - 1) // 2] + shares[count // 2]) / 2
    if count == 1:
        return f"1 submission, {shares[0]:.1f} % of the points, profile {record.profile}."
    return (
        f"{count} submissions, {full} at full marks, mean {sum(shares) / count:.1f} %, "
        f"median {middle:.1f} %, profile {record.profile}."
    )
