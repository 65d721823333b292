"""Running the checks of one submission: each planned check ends in exactly one status, whatever happens."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Container, Sequence

from harness.checks.context import Context, Failed, NotApplicable, RestsOn
from harness.checks.registry import Check, repeats, rests_on
from harness.errors import SubmissionChangedError
from harness.records import CheckResult, Status
from harness.sandbox.backend import Backend
from harness.session import Limits, Session, SubmissionFault
from harness.session.faults import clean
from harness.submission import Submission

# A submission that keeps dying or hanging may not hold up a class: what is left after this is not tried.
BUDGET_SECONDS = 300.0


class Checker:
    """Runs checks on one submission, each once, and before it what it rests on."""

    def __init__(
        self,
        submission: Submission,
        listed: Sequence[Check],
        *,
        seed: int,
        backend: Backend,
        limits: Limits | None = None,
    ) -> None:
        self.session = Session(
            submission, backend=backend, limits=limits or Limits(), budget_seconds=BUDGET_SECONDS
        )
        named = dict.fromkeys(check.activation for check in listed if check.activation)
        self._activations: tuple[str, ...] = tuple(named) or Context.activations
        self._context = Context(
            session=self.session,
            seed=seed,
            part=submission.part,
            activations=self._activations,
            described=submission.manifest.describes_the_network,
        )
        self._listed = tuple(listed)
        self._results: dict[str, CheckResult] = {}
        self._ran_with: dict[str, tuple[str, ...]] = {}

    def result(self, check: Check) -> CheckResult:
        """Return the check's result, without points."""
        if check.id not in self._results:
            self._results[check.id] = self._run(check)
        return self._results[check.id]

    def close(self) -> None:
        """End the submission's process."""
        self.session.close()

    def _broken(self, check: Check) -> list[CheckResult]:
        """What the check rests on and did not pass.

        A check of no activation in particular is run with those for which all that it rests on passed; it
        is held up only when there is none.
        """
        roots = [(other, self.result(other)) for other in self._listed if rests_on(check, other)]
        broken = [(other.activation, result) for other, result in roots if result.status is not Status.PASS]
        if check.activation is not None:
            return [result for _, result in broken]
        lost = {activation for activation, _ in broken}
        # A root of no activation in particular was itself run with those that were left to it.
        for other, _ in roots:
            lost |= set(self._activations) - set(self._ran_with.get(other.id, self._activations))
        left = tuple(a for a in self._activations if a not in lost)
        if None in lost or not left:
            return [result for _, result in broken]
        self._context.activations = self._ran_with[check.id] = left
        return []

    def _told_before(self, check: Check, known: str | None) -> list[CheckResult]:
        """The failures that a failure of this check would only repeat; one that alone has a name is told."""
        others = (self.result(other) for other in self._listed if repeats(check, other))
        told = [result for result in others if result.status is Status.FAIL]
        return [] if known and not any(result.diagnosis for result in told) else told

    def _run(self, check: Check) -> CheckResult:
        broken = self._broken(check)
        if broken:
            return _resting(check, broken)
        start = time.monotonic()
        status, message, detail, known, evidence = Status.PASS, "", "", None, {}
        try:
            found = check.run(self._context, *((check.activation,) if check.activation else ()))
            evidence = dict(found or {})
            self.session.settle()  # a fault in what the check did last is this check's
        except Failed as failure:
            if told := self._told_before(check, failure.diagnosis):
                return _resting(check, told)
            status, message, detail = Status.FAIL, failure.message, failure.detail
            known, evidence = failure.diagnosis, failure.evidence
        except SubmissionFault as fault:
            status, message, detail = fault.status, fault.message, fault.detail
        except RestsOn as other:
            # The root may not have been asked for yet: a person may run one check alone, in any order.
            root = next((self.result(listed) for listed in self._listed if listed.id == other.check_id), None)
            if root is not None and root.status is not Status.PASS:
                return _resting(check, [root])
            status, message = Status.FAIL, f"what {other.check_id} proves does not hold on this batch"
        except NotApplicable as reason:
            status, message, evidence = Status.SKIPPED, str(reason), {"not_applicable": True}
        except SubmissionChangedError as error:
            status, message = Status.HARNESS_ERROR, str(error)
        # A fault of the harness's own must not end the grading of a class: it is recorded, and named as ours.
        except Exception as error:
            status = Status.HARNESS_ERROR
            message = f"backcheck itself failed here ({type(error).__name__}: {error}); its points stay open"
            detail = traceback.format_exc(limit=-6)
        return CheckResult(
            id=check.id,
            group=check.group,
            status=status,
            message=clean(message),
            detail=clean(detail, 8000),
            diagnosis=known,
            evidence=evidence,
            seconds=time.monotonic() - start,
        )


def run_checks(
    submission: Submission,
    listed: Sequence[Check],
    *,
    seed: int,
    backend: Backend,
    only: Container[str] | None = None,
    limits: Limits | None = None,
    done: Callable[[CheckResult], None] | None = None,
) -> tuple[list[CheckResult], tuple[str, ...]]:
    """Run the checks in order; return their results (without points) and the notes of loading.

    Those that are not among ``only`` are run where one of these rests on them, and not returned.
    """
    checker = Checker(submission, listed, seed=seed, backend=backend, limits=limits)
    try:
        results = []
        for check in listed:
            if only is not None and check.id not in only:
                continue
            results.append(checker.result(check))
            if done is not None:
                done(results[-1])
        return results, checker.session.notes
    finally:
        checker.close()


def _resting(check: Check, broken: Sequence[CheckResult]) -> CheckResult:
    """What is not provided at the root is not provided further up, nor counted where the root does not
    apply; everything else is skipped.
    """
    if all(result.evidence.get("not_applicable") for result in broken):
        return CheckResult(
            id=check.id,
            group=check.group,
            status=Status.SKIPPED,
            message=broken[0].message,
            evidence={"not_applicable": True},
        )
    broken = [result for result in broken if not result.evidence.get("not_applicable")]
    first = broken[0]
    root = first.evidence.get("root", {"id": first.id, "status": str(first.status)})
    missing = first.status is Status.NOT_PROVIDED
    return CheckResult(
        id=check.id,
        group=check.group,
        status=Status.NOT_PROVIDED if missing else Status.SKIPPED,
        message=f"not tried: it rests on {root['id']}, which did not pass ({root['status']})",
        evidence={"rests_on": [result.id for result in broken], "root": root},
    )
