"""One submission as Gradescope's ``results.json``, whose form ``templates/gradescope.schema.json`` states.

Gradescope shows test outputs to the student, so they are the student's view whoever asks; every output is
declared as plain text, of which Gradescope renders no markup. ``extra_data`` is for the instructor.
"""

from __future__ import annotations

import json
from typing import Any

from harness.errors import UsageError
from harness.records import CheckResult, ExperimentResult, Record, Status
from harness.views import facts, text
from harness.views.audience import for_audience

VISIBILITIES = ("visible", "after_due_date", "after_published", "hidden")


def render_gradescope(record: Record, *, audience: str = "instructor", visibility: str = "visible") -> str:
    """Return ``results.json`` for the one submission in ``record``; raises UsageError for none or several.

    ``visibility`` is when students see the tests. Gradescope hides the total while any test is hidden.
    """
    if visibility not in VISIBILITIES:
        raise UsageError(f"visibility: expected one of {', '.join(VISIBILITIES)}, found {visibility!r}")
    if len(record.submissions) != 1:
        raise UsageError(
            f"format gradescope: expected one submission, found {len(record.submissions)}; "
            "Gradescope grades one at a time: give the path of one submission"
        )
    shown = for_audience(record, "student")
    verdict = shown.submissions[0]
    tests = [_test(part, visibility) for part in facts.parts_of(verdict)]
    document: dict[str, Any] = {
        "score": facts.rounded(verdict.score),
        "execution_time": round(verdict.seconds, 3),
        "output": "\n".join([facts.class_line(shown), *_remarks(shown)]),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": visibility,
        "stdout_visibility": "hidden",
        "tests": tests,
        "extra_data": {"backcheck": {"schema": record.schema, "profile": record.profile}},
    }
    if audience == "instructor":
        document["extra_data"]["backcheck"] |= {"seed": record.seed, "diagnoses": _diagnoses(record)}
    return json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def _remarks(record: Record) -> list[str]:
    notes = [f"Note: {text.line(note)}" for note in record.submissions[0].notes]
    return [*notes, *(text.line(error) for error in record.harness_errors)]


def _test(part: CheckResult | ExperimentResult, visibility: str) -> dict[str, Any]:
    """Return one test case; a check that is worth nothing has a status and no score, as documented."""
    group = part.group if isinstance(part, CheckResult) else facts.ACCURACY
    test: dict[str, Any] = {
        "name": text.name(part.id),
        "status": "passed" if part.status is Status.PASS else "failed",
        "tags": [text.name(group)],
        "visibility": visibility,
        "output_format": "text",
    }
    if part.max_points > 0:
        test |= {"score": facts.rounded(part.points), "max_score": facts.rounded(part.max_points)}
    output = _output(part)
    if output:
        test["output"] = output
    return test


def _output(part: CheckResult | ExperimentResult) -> str:
    lines = []
    if isinstance(part, ExperimentResult):
        lines.append(f"expected range {facts.expected_range(part.low, part.high)} per cent")
        lines.append(f"measured {facts.accuracies(part.accuracies)}")
        lines.append(f"reported {facts.reported(part.reported)}")
    if part.status is not Status.PASS:
        lines.insert(0, f"{facts.LABELS[part.status]}: {text.line(part.message) or 'no message'}")
        if isinstance(part, CheckResult) and part.detail.strip():
            lines.append(text.block(part.detail))
    return "\n".join(lines)


def _diagnoses(record: Record) -> dict[str, str]:
    checks = record.submissions[0].checks
    return {text.name(check.id): text.name(check.diagnosis) for check in checks if check.diagnosis}
