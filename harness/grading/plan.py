"""The plan: which checks and experiments a submission is graded with, and what each is worth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from harness.checks.registry import Check, checks, rests_on
from harness.errors import UsageError
from harness.spec import Experiment, Rubric, Spec
from harness.submission import Submission

PROFILES = ("quick", "standard", "full")
ACCURACY = "accuracy"  # the rubric's group for experiments


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one submission is graded with, in order; the command line and pytest walk the same plan."""

    submission: Submission
    profile: str
    checks: tuple[Check, ...]
    experiments: tuple[Experiment, ...]
    points: dict[str, float]  # of each check and experiment, by id, before any turns out not to apply

    @property
    def weight(self) -> float:
        """A rough cost for progress: seconds on an ordinary machine."""
        return 3.0 + 20.0 * len(self.experiments)


def plan(
    submission: Submission,
    *,
    spec: Spec,
    rubric: Rubric,
    profile: str = "standard",
    experiments: str | None = None,
    only: Iterable[str] | None = None,
) -> Plan:
    """Plan the grading of one submission; ``experiments`` is a glob that replaces the profile's own choice.

    ``only`` keeps the checks with these ids and what they rest on.
    """
    if profile not in PROFILES:
        raise UsageError(f"profile {profile!r}: expected one of {', '.join(PROFILES)}")
    chosen = _experiments(submission, spec, profile, experiments)
    listed = checks(spec.activations)
    if only is not None:
        listed = _with_needs(listed, set(only))
    worth = {group.name: group.points for group in rubric.groups}
    return Plan(
        submission=submission,
        profile=profile,
        checks=listed,
        experiments=chosen,
        points=_points(listed, chosen, worth),
    )


def _experiments(
    submission: Submission, spec: Spec, profile: str, glob: str | None
) -> tuple[Experiment, ...]:
    mine = [
        e for e in spec.experiments.values() if submission.part in ("both", "package") or e.part == "scratch"
    ]
    if glob is not None:
        found = tuple(e for e in mine if fnmatchcase(e.id, glob))
        if not any(fnmatchcase(e.id, glob) for e in spec.experiments.values()):
            known = ", ".join(spec.experiments)
            raise UsageError(f"--experiments {glob!r} matches none of: {known}")
        return found
    if profile == "quick":
        return ()
    return tuple(e for e in mine if profile == "full" or e.baseline)


def _with_needs(listed: Sequence[Check], wanted: set[str]) -> tuple[Check, ...]:
    for check in reversed(listed):
        if check.id in wanted:
            wanted |= {other.id for other in listed if rests_on(check, other)}
    return tuple(check for check in listed if check.id in wanted)


def _points(
    listed: Sequence[Check], experiments: Sequence[Experiment], worth: dict[str, float]
) -> dict[str, float]:
    points: dict[str, float] = {}
    for group, total in worth.items():
        members = {check.id: check.weight for check in listed if check.group == group}
        if group == ACCURACY:
            members = {experiment.id: 1.0 for experiment in experiments}
        whole = sum(members.values())
        points |= {name: total * weight / whole for name, weight in members.items()}
    return points
