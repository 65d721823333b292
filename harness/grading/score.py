"""From results to a verdict: points by the rubric, experiments judged against what a correct
implementation reaches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.grading.accuracy import AccuracyRun
from harness.grading.plan import Plan
from harness.records import CheckResult, ExperimentResult, Status, Verdict
from harness.spec import Experiment
from harness.statistics import Distribution, judge
from harness.statistics.judging import screening_range

CALIBRATE = (
    "train the reference once, `backcheck calibrate --spec FILE --runs RUNS` (RUNS is a new file of yours), "
    "then grade with `--spec FILE --runs RUNS`"
)
"""What to do where the runs that expected ranges are computed from are missing."""


def score_check(result: CheckResult, points: float) -> CheckResult:
    """Give a result its points: only a measured pass scores; what did not apply is not counted.

    What failed in the harness stays open and in the full marks: a submission that brings it about, by an
    answer that nobody foresaw, must not get rid of a check that it fails.
    """
    worth = points if _counts(result) else 0.0
    return replace(result, max_points=worth, points=worth if result.status is Status.PASS else 0.0)


def _counts(result: CheckResult) -> bool:
    return not result.evidence.get("not_applicable")


def needs_another_run(runs: Sequence[AccuracyRun], distribution: Distribution | None, family: int) -> bool:
    """Whether a verdict on these runs asks for one more on a fresh seed."""
    if not runs or distribution is None or any(run.status is not Status.PASS for run in runs):
        return not runs
    return judge(_accuracies(runs), distribution, family=family).status == "rerun"


def judge_experiment(
    experiment: Experiment,
    runs: Sequence[AccuracyRun],
    *,
    distribution: Distribution | None,
    family: int,
    points: float,
) -> ExperimentResult:
    """Judge the runs of one experiment."""
    accuracies = tuple(_accuracies(runs))
    low = high = None
    bad = next((run for run in runs if run.status is not Status.PASS), None)
    if distribution is not None:
        band = screening_range(distribution, family=family)
        low, high = band.low, band.high
    if bad is not None:
        status, message = bad.status, bad.message
    elif distribution is None:
        status = Status.HARNESS_ERROR
        message = f"backcheck has no calibration of this experiment, which is not counted: {CALIBRATE}"
    else:
        judgement = judge(accuracies, distribution, family=family)
        status = Status.PASS if judgement.status == "pass" else Status.FAIL
        low, high, message = judgement.low, judgement.high, judgement.message
    worth = 0.0 if distribution is None else points
    return ExperimentResult(
        id=experiment.id,
        reported=experiment.reported,
        low=low,
        high=high,
        accuracies=accuracies,
        status=status,
        message=message,
        evidence=_evidence(runs, distribution),
        seconds=sum(run.seconds for run in runs),
        max_points=worth,
        points=worth if status is Status.PASS else 0.0,
    )


def verdict(
    plan: Plan,
    checks: Sequence[CheckResult],
    experiments: Sequence[ExperimentResult],
    *,
    notes: Sequence[str] = (),
    seconds: float = 0.0,
) -> Verdict:
    """Add up one submission's verdict.

    A group is worth what the rubric says, shared out over those of its checks that count here.
    """
    planned: dict[str, float] = {}
    counting: dict[str, float] = {}
    for result in checks:
        points = plan.points[result.id]
        planned[result.group] = planned.get(result.group, 0.0) + points
        counting[result.group] = counting.get(result.group, 0.0) + (points if _counts(result) else 0.0)
    scored = tuple(
        score_check(result, plan.points[result.id] * planned[result.group] / (counting[result.group] or 1.0))
        for result in checks
    )
    everything: list[CheckResult | ExperimentResult] = [*scored, *experiments]
    return Verdict(
        name=plan.submission.name,
        path=str(plan.submission.path),
        part=plan.submission.part,
        score=sum(item.points for item in everything),
        max_score=sum(item.max_points for item in everything),
        checks=scored,
        experiments=tuple(experiments),
        notes=(*notes, *claims(plan.submission.manifest.claimed, experiments)),
        seconds=seconds,
        digest=plan.submission.digest,
    )


def claims(claimed: Mapping[str, float], experiments: Sequence[ExperimentResult]) -> Iterator[str]:
    """Yield a line for each accuracy that the submission says it reached, beside what was measured."""
    measured = {experiment.id: experiment for experiment in experiments}
    for name, figure in claimed.items():
        result = measured.get(name)
        if result is None or not result.accuracies or result.low is None or result.high is None:
            yield f"claims {figure:g} % for {name}: not measured in this grading"
            continue
        mean = sum(result.accuracies) / len(result.accuracies)
        # The range is that of one run around the reference's mean; claim and measurement are two runs.
        allowed = (result.high - result.low) / 2 * 2**0.5
        holds = "the claim holds" if abs(figure - mean) <= allowed else "the claim does not hold"
        yield (
            f"claims {figure:g} % for {name}, measured {mean:.2f}: {holds} "
            f"(two right trainings differ by at most {allowed:.2f})"
        )


def _accuracies(runs: Sequence[AccuracyRun]) -> list[float]:
    return [run.accuracy for run in runs if run.accuracy is not None]


def _evidence(runs: Sequence[AccuracyRun], distribution: Distribution | None) -> dict[str, Any]:
    evidence: dict[str, Any] = {
        "seeds": [run.seed for run in runs],
        "blinds": [run.blind for run in runs],
        "details": [run.detail for run in runs if run.detail],
    }
    if distribution is not None:
        evidence["calibration"] = {
            "runs": distribution.n,
            "mean": sum(distribution.accuracies) / distribution.n,
        }
        if distribution.band is not None:
            evidence["band"] = distribution.band
    for name in ("confusion", "history"):
        if runs and name in runs[0].evidence:
            evidence[name] = runs[0].evidence[name]
    return evidence
