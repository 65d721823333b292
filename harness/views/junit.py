"""The record as JUnit XML, the form that CI services read: a test suite for each submission.

``fail`` is a failure; what went wrong before anything could be measured is an error; ``skipped`` and
``not_provided`` are skipped, with their reason. Points are in the suite's properties.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from harness.records import CheckResult, ExperimentResult, Record, Status, Verdict
from harness.views import facts, text

_ELEMENTS = {
    Status.FAIL: "failure",
    Status.ERROR: "error",
    Status.TIMEOUT: "error",
    Status.OUT_OF_MEMORY: "error",
    Status.CRASHED: "error",
    Status.HARNESS_ERROR: "error",
    Status.SKIPPED: "skipped",
    Status.NOT_PROVIDED: "skipped",
}


def render_junit(record: Record) -> str:
    """Return one ``testsuites`` document; all strings are printable, so that any XML 1.0 reader takes it."""
    root = ET.Element("testsuites", name="backcheck")
    suites = [_suite(verdict) for verdict in record.submissions]
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in suites)))
    root.set("time", f"{sum(verdict.seconds for verdict in record.submissions):.3f}")
    root.extend(suites)
    if record.harness_errors:
        root.append(_harness_suite(record.harness_errors))
        for key in ("tests", "errors"):
            root.set(key, str(int(root.get(key, "0")) + len(record.harness_errors)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(verdict: Verdict) -> ET.Element:
    parts = facts.parts_of(verdict)
    kinds = [_ELEMENTS.get(part.status) for part in parts]
    suite = ET.Element(
        "testsuite",
        name=text.name(verdict.name),
        tests=str(len(parts)),
        failures=str(kinds.count("failure")),
        errors=str(kinds.count("error")),
        skipped=str(kinds.count("skipped")),
        time=f"{verdict.seconds:.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    score, maximum = facts.rounded(verdict.score), facts.rounded(verdict.max_score)
    for key, value in (("score", score), ("max_score", maximum), ("part", verdict.part)):
        ET.SubElement(properties, "property", name=key, value=str(value))
    for part in parts:
        suite.append(_case(verdict, part))
    if verdict.notes:
        ET.SubElement(suite, "system-out").text = "\n".join(text.line(note) for note in verdict.notes)
    return suite


def _case(verdict: Verdict, part: CheckResult | ExperimentResult) -> ET.Element:
    case = ET.Element(
        "testcase",
        classname=text.name(verdict.name),
        name=text.name(part.id),
        time=f"{part.seconds:.3f}",
    )
    element = _ELEMENTS.get(part.status)
    if element is None:
        return case
    child = ET.SubElement(case, element, message=text.line(part.message or facts.LABELS[part.status]))
    if element != "skipped":
        child.set("type", part.status.value)
        detail = part.detail if isinstance(part, CheckResult) else _measured(part)
        child.text = f"{text.line(part.message)}\n{text.block(detail)}".strip()
    return case


def _measured(experiment: ExperimentResult) -> str:
    expected = facts.expected_range(experiment.low, experiment.high)
    return f"expected {expected} per cent, measured {facts.accuracies(experiment.accuracies)}"


def _harness_suite(errors: tuple[str, ...]) -> ET.Element:
    count = str(len(errors))
    suite = ET.Element("testsuite", name="harness", tests=count, failures="0", errors=count, skipped="0")
    for index, error in enumerate(errors):
        case = ET.SubElement(suite, "testcase", classname="harness", name=f"error {index + 1}", time="0")
        ET.SubElement(case, "error", message=text.line(error), type="harness_error").text = text.block(error)
    return suite
