"""Running the checks of one submission: each planned check ends in exactly one status, whatever happens."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence

from harness.checks.context import Context, Failed, NotApplicable
from harness.checks.registry import Check, rests_on
from harness.records import CheckResult, Status
from harness.sandbox.backend import Backend
from harness.session import Limits, Session, SubmissionFault
from harness.session.faults import clean
from harness.submission import Submission

# A submission that keeps dying or hanging may not hold up a class: what is left after this is not tried.
BUDGET_SECONDS = 300.0


def run_checks(
    submission: Submission,
    listed: Sequence[Check],
    *,
    seed: int,
    backend: Backend,
    limits: Limits | None = None,
    done: Callable[[CheckResult], None] | None = None,
) -> tuple[list[CheckResult], tuple[str, ...]]:
    """Run the checks in order; return their results (without points) and the notes of loading."""
    results: list[CheckResult] = []
    with Session(
        submission, backend=backend, limits=limits or Limits(), budget_seconds=BUDGET_SECONDS
    ) as session:
        ctx = Context(session=session, seed=seed, part=submission.part, activations=_activations(listed))
        for check in listed:
            result = _one(ctx, check, results, listed)
            results.append(result)
            if done is not None:
                done(result)
        return results, session.notes


def _activations(listed: Sequence[Check]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(check.activation for check in listed if check.activation))
    return found or Context.activations


def _one(ctx: Context, check: Check, before: Sequence[CheckResult], listed: Sequence[Check]) -> CheckResult:
    start = time.monotonic()
    broken = list(_broken(check, before, listed))
    if broken:
        first = broken[0]
        return CheckResult(
            id=check.id,
            group=check.group,
            status=_inherited(first.status),
            message=f"not tried: it rests on {first.id}, which did not pass ({first.status})",
            evidence={"rests_on": [result.id for result in broken]},
        )
    status, message, detail, known, evidence = Status.PASS, "", "", None, {}
    try:
        found = check.run(ctx, check.activation) if check.activation else check.run(ctx)
        evidence = dict(found or {})
    except Failed as failure:
        status, message, detail = Status.FAIL, failure.message, failure.detail
        known, evidence = failure.diagnosis, failure.evidence
    except SubmissionFault as fault:
        status, message, detail = fault.status, fault.message, fault.detail
    except NotApplicable as reason:
        status, message, evidence = Status.SKIPPED, str(reason), {"not_applicable": True}
    # A fault of the harness's own must not end the grading of a class: it is recorded, and named as ours.
    except Exception as error:
        status = Status.HARNESS_ERROR
        message = f"backcheck itself failed here ({type(error).__name__}: {error}); this costs no points"
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


def _inherited(status: Status) -> Status:
    """What is not provided at the root is not provided further up; everything else is skipped."""
    return Status.NOT_PROVIDED if status is Status.NOT_PROVIDED else Status.SKIPPED


def _broken(check: Check, before: Sequence[CheckResult], listed: Sequence[Check]) -> Iterator[CheckResult]:
    roots = {other.id for other in listed if rests_on(check, other)}
    for result in before:
        if result.id in roots and result.status is not Status.PASS:
            yield result
