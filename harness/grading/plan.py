"""The plan: which checks and experiments a submission is graded with, and what each is worth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from harness.checks.registry import Check, checks, rests_on
from harness.errors import UsageError
from harness.oracle import ACTIVATIONS
from harness.spec import Experiment, Rubric, Spec
from harness.spec.dataset import check_dataset
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

    ``only`` keeps the checks with these ids and what they rest on. SpecError if experiments are planned that
    the data set cannot be trained for.
    """
    if profile not in PROFILES:
        raise UsageError(f"profile {profile!r}: expected one of {', '.join(PROFILES)}")
    chosen = _experiments(submission, spec, profile, experiments)
    if chosen:
        check_dataset(spec)
    listed = _listed(activations(spec))
    if only is not None:
        listed = _with_needs(listed, set(only))
    return Plan(
        submission=submission,
        profile=profile,
        checks=listed,
        experiments=chosen,
        points=_points(listed, chosen, rubric),
    )


def activations(spec: Spec) -> tuple[str, ...]:
    """Return the activations that a report's experiments use, in the oracle's order."""
    used = {experiment.protocol.activation for experiment in spec.experiments.values()}
    return tuple(name for name in ACTIVATIONS if name in used)


@cache
def _listed(activations: tuple[str, ...]) -> tuple[Check, ...]:
    """The checks, made once for a class: every plan holds the same ones."""
    return checks(activations)


def _experiments(
    submission: Submission, spec: Spec, profile: str, glob: str | None
) -> tuple[Experiment, ...]:
    mine = [
        e for e in spec.experiments.values() if submission.part in ("both", "package") or e.part == "scratch"
    ]
    if glob is not None:
        chosen = {e.id for e in spec.select(glob)}
        return tuple(e for e in mine if e.id in chosen)
    if profile == "quick":
        return ()
    return tuple(e for e in mine if profile == "full" or e.baseline)


def _with_needs(listed: Sequence[Check], wanted: set[str]) -> tuple[Check, ...]:
    for check in reversed(listed):
        if check.id in wanted:
            wanted |= {other.id for other in listed if rests_on(check, other)}
    return tuple(check for check in listed if check.id in wanted)


def _points(listed: Sequence[Check], experiments: Sequence[Experiment], rubric: Rubric) -> dict[str, float]:
    """Share each group's points out by weight; a group that the rubric leaves out is worth nothing."""
    members = [(check.id, check.group, check.weight) for check in listed]
    members += [(experiment.id, ACCURACY, 1.0) for experiment in experiments]
    whole: dict[str, float] = {}
    for _, group, weight in members:
        whole[group] = whole.get(group, 0.0) + weight
    return {name: rubric.points(group) * weight / whole[group] for name, group, weight in members}
