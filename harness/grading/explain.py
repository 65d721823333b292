"""A grade defended: one check or experiment of a record run again with the recorded seeds, and compared."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.grading.accuracy import AccuracyRun, run_experiment
from harness.grading.environment import environment
from harness.grading.keys import harness_digest
from harness.grading.outcomes import decode, encode
from harness.grading.plan import Plan, activations, plan
from harness.grading.score import judge_experiment
from harness.grading.units import Outcome, Settings, check_units, run_unit
from harness.records import CheckResult, ExperimentResult, Record, Verdict
from harness.sandbox.backend import choose
from harness.session import Limits
from harness.spec import Rubric, Spec
from harness.submission import Submission, discover

Result = CheckResult | ExperimentResult


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What to run again with, beside the record: the same as it was graded with, or it cannot agree."""

    spec: Spec
    rubric: Rubric
    runs: Path | None = None
    path: Path | None = None  # where the submission is now; None: where the record says
    sandbox: str | None = None
    trust_submissions: bool = False


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One item of a record beside the same item run again."""

    submission: str
    proves: str  # one sentence: what a pass of it proves
    draws: str  # the numbers that fixed its draws
    recorded: Result
    again: Result
    changes: tuple[str, ...]  # what is not as it was when the record was made

    @property
    def same_verdict(self) -> bool:
        """Whether it ended in the same way."""
        return self.recorded.status is self.again.status

    @property
    def same_figures(self) -> bool:
        """Whether everything that was measured and said is the same to the last digit."""
        if isinstance(self.recorded, ExperimentResult) and isinstance(self.again, ExperimentResult):
            return self.same_verdict and self.recorded.accuracies == self.again.accuracies
        same = self.recorded.message == self.again.message
        return self.same_verdict and same and self.recorded.evidence == self.again.evidence


def explain(record: Record, name: str, item: str, sources: Sources) -> Explanation:
    """Run an item of a record again. UsageError for a name that the record does not have."""
    verdict = _pick(record.submissions, name, lambda each: each.name, "submission")
    recorded = _pick(verdict.items, item, lambda each: each.id, f"check or experiment of {name}")
    submission = _submission(verdict, sources.path)
    backend = choose(trust=sources.trust_submissions, prefer=sources.sandbox)
    settings = Settings(
        seed=record.seed, trust_submissions=sources.trust_submissions, sandbox=sources.sandbox
    )
    again: Result
    changes = _changes(record, verdict, submission, environment(backend.description), sources.spec)
    if isinstance(recorded, ExperimentResult):
        proves, draws, again = _again_trained(verdict, recorded, submission, settings, sources)
    else:
        proves, draws, again = _again_checked(recorded, submission, settings, sources)
    return Explanation(
        submission=name, proves=proves, draws=draws, recorded=recorded, again=again, changes=changes
    )


def _again_checked(
    recorded: CheckResult, submission: Submission, settings: Settings, sources: Sources
) -> tuple[str, str, CheckResult]:
    planned = _plan(submission, sources, only=recorded.id)
    check = next((each for each in planned.checks if each.id == recorded.id), None)
    if check is None:
        raise UsageError(f"{recorded.id}: this backcheck and specification have no such check")
    (unit,) = check_units(planned, settings, activations(sources.spec))
    outcome = decode(encode(run_unit(unit)))
    again = next(result for result in outcome.checks if result.id == recorded.id)
    return check.proves, f"grading seed {settings.seed}", again


def _again_trained(
    verdict: Verdict, recorded: ExperimentResult, submission: Submission, settings: Settings, sources: Sources
) -> tuple[str, str, ExperimentResult]:
    from harness.data import load_dataset
    from harness.grading.grade import reference_distributions

    spec = sources.spec
    if recorded.id not in spec.experiments:
        raise UsageError(f"{recorded.id}: {spec.id} has no such experiment: name its specification by --spec")
    experiment = spec.experiments[recorded.id]
    data = load_dataset(spec.dataset)
    backend = choose(trust=settings.trust_submissions, prefer=settings.sandbox)
    seeds, blinds = (list(recorded.evidence.get(key, ())) for key in ("seeds", "blinds"))
    runs: list[AccuracyRun] = []
    for seed, blind in zip(seeds, blinds):
        run = run_experiment(
            submission, experiment, data=data, seed=seed, blind=blind, backend=backend, limits=Limits()
        )
        kept = decode(encode(Outcome(run=run))).run
        assert kept is not None
        runs.append(kept)
    family = len(verdict.experiments)
    planned = replace(_plan(submission, sources), experiments=(experiment,))
    distribution = reference_distributions(spec, [planned], sources.runs)[experiment.id]
    again = judge_experiment(
        experiment, runs, distribution=distribution, family=family, points=recorded.max_points
    )
    proves = "Training by the report's protocol, on permuted pixels and classes, ends in the expected range."
    draws = ", ".join(f"seed {seed} and blinding {blind}" for seed, blind in zip(seeds, blinds))
    return proves, draws, again


def _plan(submission: Submission, sources: Sources, only: str | None = None) -> Plan:
    named = None if only is None else [only]
    return plan(submission, spec=sources.spec, rubric=sources.rubric, profile="quick", only=named)


def _submission(verdict: Verdict, path: Path | None) -> Submission:
    where = Path(verdict.path) if path is None else path
    if not where.exists():
        raise UsageError(
            f"{where}: the submission is not there any more: say with --path where it is, or run this where "
            f"it was graded"
        )
    found = discover([where])
    if len(found) != 1:
        raise UsageError(f"{where}: expected one submission, found {len(found)}: name it with --path")
    # Draws depend on the name, which is the record's even where the file has got another one.
    return replace(found[0], name=verdict.name)


def _changes(
    record: Record, verdict: Verdict, submission: Submission, now: Mapping[str, Any], spec: Spec
) -> tuple[str, ...]:
    """What differs from the time of the record, each in a line."""
    changes = []
    if verdict.digest and verdict.digest != submission.digest:
        changes.append("the submission itself was changed since it was graded")
    facts = {**now, "harness": harness_digest()[:16], "specification": f"{spec.id} {spec.digest[:16]}"}
    for name, fact in facts.items():
        before = record.environment.get(name)
        if before is not None and before != fact:
            changes.append(f"{name}: {before} then, {fact} now")
    return tuple(changes)


def _pick(items: tuple[Any, ...], wanted: str, name: Any, what: str) -> Any:
    names = [name(item) for item in items]
    if wanted in names:
        return items[names.index(wanted)]
    near = _suggestions(wanted, names)
    some = f"there are {', '.join(names[:8])}" + ", ..." * (len(names) > 8)
    hint = f"{', '.join(near)} {'is' if len(near) == 1 else 'are'}" if near else some
    raise UsageError(f"{wanted}: the record has no such {what}; {hint}")


def _suggestions(wanted: str, names: Sequence[str], limit: int = 3) -> list[str]:
    """Return names that go on where ``wanted`` ends, then those that are spelled like it."""
    start = wanted.casefold()
    longer = [name for name in names if start and name.casefold().startswith(start)]
    alike = difflib.get_close_matches(wanted, names, n=limit)
    alike = alike or difflib.get_close_matches(wanted, names, n=1, cutoff=0.4)
    return list(dict.fromkeys((*longer, *alike)))[:limit]
