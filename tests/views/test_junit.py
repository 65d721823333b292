from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from harness.records import Status
from harness.views import render

from . import sample


def suites_of(made) -> tuple[ET.Element, dict[str, ET.Element]]:
    root = ET.fromstring(render(made, "junit"))
    return root, {suite.get("name", ""): suite for suite in root.findall("testsuite")}


def test_counts_agree_with_the_cases() -> None:
    root, suites = suites_of(replace(sample.record(), harness_errors=("a worker could not start",)))
    assert set(suites) == {"alice", "bob", "carol", "harness"}
    totals = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for suite in suites.values():
        cases = suite.findall("testcase")
        found = {
            "tests": len(cases),
            "failures": sum(case.find("failure") is not None for case in cases),
            "errors": sum(case.find("error") is not None for case in cases),
            "skipped": sum(case.find("skipped") is not None for case in cases),
        }
        assert {key: int(suite.get(key, "")) for key in found} == found
        totals = {key: totals[key] + found[key] for key in totals}
    assert {key: int(root.get(key, "")) for key in totals} == totals


def test_statuses_map_to_failure_error_and_skipped() -> None:
    _, suites = suites_of(sample.record(sample.carol()))
    kinds = {
        case.get("name", "").partition("[")[2].rstrip("]"): [child.tag for child in case]
        for case in suites["carol"].findall("testcase")
    }
    assert kinds[Status.PASS.value] == []
    assert kinds[Status.FAIL.value] == ["failure"]
    assert kinds[Status.SKIPPED.value] == kinds[Status.NOT_PROVIDED.value] == ["skipped"]
    for status in ("error", "timeout", "out_of_memory", "crashed", "harness_error"):
        assert kinds[status] == ["error"]


def test_a_failure_says_what_and_a_suite_says_how_much() -> None:
    _, suites = suites_of(sample.record())
    failure = suites["alice"].find("testcase[@name='gradients[tanh]']/failure")
    assert failure is not None
    assert failure.get("message") == sample.SUMMED
    assert failure.text == f"{sample.SUMMED}\nexpected 0.25\nmeasured 16.0"
    properties = {each.get("name"): each.get("value") for each in suites["alice"].iter("property")}
    assert properties == {"score": "56.5", "max_score": "68.0", "part": "scratch"}
    run = suites["alice"].find("testcase[@name='scratch/sigmoid/lr=0.01']/failure")
    assert run is not None
    assert "expected 48.12 to 62.38 per cent, measured 97.50" in (run.text or "")


@pytest.mark.parametrize("form", ["junit", "json", "csv", "gradescope"])
def test_no_file_has_a_score_of_sixteen_digits(form) -> None:
    odd = replace(sample.bob(), score=85.00000000000016, max_score=85.00000000000003)
    shown = render(sample.record(odd), form)
    assert "85" in shown
    assert not re.search(r"85\.0\d", shown)
    assert "71.606662" in render(sample.record(replace(odd, score=71.60666248)), form)


def test_hostile_strings_stay_text() -> None:
    shown = render(sample.nasty_record(), "junit")
    assert all(char == "\n" or char.isprintable() for char in shown)
    shown.encode("utf-8")
    root = ET.fromstring(shown)
    allowed = {
        "testsuites",
        "testsuite",
        "properties",
        "property",
        "testcase",
        "error",
        "failure",
        "system-out",
    }
    assert {element.tag for element in root.iter()} <= allowed
    error = root.find(".//error")
    assert error is not None
    assert "<script>" in (error.text or "")
