from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources

import jsonschema
import pytest

from harness.errors import UsageError
from harness.views import render
from harness.views.gradescope import VISIBILITIES, render_gradescope

from . import sample

TEMPLATES = resources.files("harness.views").joinpath("templates")
SCHEMA = json.loads(TEMPLATES.joinpath("gradescope.schema.json").read_text())


def results(made, **options) -> dict:
    document = json.loads(render_gradescope(made, **options))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    return document


def by_name(document: dict) -> dict[str, dict]:
    return {test["name"]: test for test in document["tests"]}


@pytest.mark.parametrize("make", [sample.alice, sample.bob, sample.carol])
def test_scores_add_up_and_the_form_is_as_documented(make) -> None:
    verdict = make()
    document = results(sample.record(verdict))
    assert document["score"] == verdict.score
    assert sum(test.get("score", 0) for test in document["tests"]) == pytest.approx(verdict.score)
    assert sum(test.get("max_score", 0) for test in document["tests"]) == pytest.approx(verdict.max_score)


def test_the_schema_refuses_what_gradescope_does_not_know() -> None:
    document = results(sample.record(sample.bob()))
    for key, value in (("visibility", "always"), ("output_format", "markdown"), ("passed", True)):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**document, key: value}, SCHEMA)


def test_outputs_are_plain_text_for_the_student() -> None:
    document = results(sample.record(sample.alice()))
    test = by_name(document)["gradients[tanh]"]
    assert test["status"] == "failed"
    assert test["output"] == f"FAIL: {sample.SUMMED}\nexpected 0.25\nmeasured 16.0"
    assert by_name(document)["forward[tanh]"]["status"] == "passed"
    assert "output" not in by_name(document)["forward[tanh]"]
    formats = {test["output_format"] for test in document["tests"]}
    formats |= {document[key] for key in ("output_format", "test_output_format", "test_name_format")}
    assert formats == {"text"}
    assert document["stdout_visibility"] == "hidden"


def test_a_harness_error_is_not_shown_to_the_student_in_detail() -> None:
    check = sample.check("loss[relu]", sample.Status.HARNESS_ERROR, message="died in /srv/grader/pool.py")
    made = replace(sample.record(sample.verdict("eve", (check,))), harness_errors=("secret path /srv",))
    shown = render_gradescope(made)
    assert "/srv" not in shown
    assert "no fault of yours" in shown


def test_what_is_secret_is_for_the_instructor() -> None:
    made = sample.record(sample.alice())
    assert results(made)["extra_data"]["backcheck"]["seed"] == 20220801
    assert results(made)["extra_data"]["backcheck"]["diagnoses"]["gradients[tanh]"] == "summed"
    assert "20220801" not in render(made, "gradescope", audience="student")


def test_a_check_that_is_worth_nothing_has_no_score() -> None:
    free = sample.check("contract[build]", points=0.0, max_points=0.0)
    test = results(sample.record(sample.verdict("eve", (free,))))["tests"][0]
    assert "score" not in test
    assert test["status"] == "passed"


@pytest.mark.parametrize("visibility", VISIBILITIES)
def test_visibility_is_set_everywhere(visibility) -> None:
    document = results(sample.record(sample.bob()), visibility=visibility)
    assert {document["visibility"], *(test["visibility"] for test in document["tests"])} == {visibility}


def test_only_one_submission_and_known_visibility() -> None:
    with pytest.raises(UsageError, match="expected one submission, found 3"):
        render_gradescope(sample.record())
    with pytest.raises(UsageError, match="visibility: expected one of"):
        render_gradescope(sample.record(sample.bob()), visibility="never")


def test_hostile_strings_are_spelled_out() -> None:
    document = results(sample.record(sample.nasty_record().submissions[0]))

    def strings(value: object) -> list[str]:
        if isinstance(value, str):
            return [value]
        if isinstance(value, dict):
            return [each for item in value.items() for part in item for each in strings(part)]
        return [each for item in value for each in strings(item)] if isinstance(value, list) else []

    found = strings(document)
    assert any("\\x1b[2J" in each for each in found)
    assert all(line.isprintable() for each in found for line in each.split("\n"))
