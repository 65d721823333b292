from __future__ import annotations

import json
import math
from dataclasses import replace
from importlib import resources

import jsonschema
import numpy as np
import pytest

from harness.errors import UsageError
from harness.views import from_json, render

from . import sample

SCHEMA = json.loads(resources.files("harness.views").joinpath("templates/record.schema.json").read_text())


@pytest.mark.parametrize("made", [sample.record(), sample.nasty_record()])
@pytest.mark.parametrize("audience", ["instructor", "student"])
def test_document_is_valid(made, audience) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.check_schema(SCHEMA)
    validator.validate(json.loads(render(made, "json", audience=audience)))


def test_schema_refuses_what_is_wrong() -> None:
    document = json.loads(render(sample.record(), "json"))
    document["submissions"][0]["checks"][0]["status"] = "passed"
    with pytest.raises(jsonschema.ValidationError, match="passed"):
        jsonschema.validate(document, SCHEMA)


def test_keys_that_others_rely_on() -> None:
    document = json.loads(render(sample.record(), "json"))
    assert document["schema"] == 1
    alice = document["submissions"][0]
    assert (alice["name"], alice["score"], alice["max_score"]) == ("alice", 56.5, 68.0)
    gradients = next(each for each in alice["checks"] if each["id"] == "gradients[tanh]")
    wanted = {"id", "group", "status", "points", "max_points", "message"}
    assert {key: gradients[key] for key in wanted} == {
        "id": "gradients[tanh]",
        "group": "gradients",
        "status": "fail",
        "points": 0.0,
        "max_points": 2.5,
        "message": sample.SUMMED,
    }
    run = alice["experiments"][1]
    assert (run["id"], run["reported"], run["low"], run["high"]) == (
        "scratch/tanh/lr=0.01",
        94.3,
        93.875,
        94.625,
    )
    assert (run["accuracies"], run["status"]) == ([94.31, 94.5], "pass")


@pytest.mark.parametrize("made", [sample.record(), sample.nasty_record()])
def test_round_trip_is_exact(made) -> None:
    assert from_json(render(made, "json")) == made


def test_figures_that_json_lacks_survive() -> None:
    odd = sample.check("gradients[relu]", evidence={"error": math.inf, "list": [-math.inf, 0.1 + 0.2]})
    made = sample.record(sample.verdict("eve", (odd,)))
    assert from_json(render(made, "json")) == made
    nan = sample.check("gradients[relu]", evidence={"error": math.nan})
    back = from_json(render(sample.record(sample.verdict("eve", (nan,))), "json"))
    assert math.isnan(back.submissions[0].checks[0].evidence["error"])


def test_numpy_in_evidence_does_not_lose_a_grading() -> None:
    odd = sample.check(
        "gradients[relu]", evidence={"n": np.int64(3), "x": np.float64(0.5), "a": np.arange(2)}
    )
    back = from_json(render(sample.record(sample.verdict("eve", (odd,))), "json"))
    assert back.submissions[0].checks[0].evidence == {"n": 3, "x": 0.5, "a": [0, 1]}


def test_output_is_ascii_without_control_characters() -> None:
    shown = render(sample.nasty_record(), "json")
    assert all(char == "\n" or 0x20 <= ord(char) < 0x7F for char in shown)


def test_a_students_copy_holds_nothing_secret() -> None:
    made = replace(sample.record(), harness_errors=("worker died at /srv/grader/x.py",))
    shown = render(made, "json", audience="student")
    for secret in ("20220801", "grader-7", "/srv/grader", "41", '"seed'):
        assert secret not in shown
    checks = json.loads(shown)["submissions"][0]["checks"]
    gradients = next(each for each in checks if each["id"] == "gradients[tanh]")
    assert gradients["message"] == sample.SUMMED
    assert gradients["evidence"] == {"per_tensor": sample.tensors(64.0)}


def test_a_students_copy_is_not_read_back() -> None:
    with pytest.raises(UsageError, match="student's copy"):
        from_json(render(sample.record(), "json", audience="student"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected JSON, found an error at line 1"),
        ("[]", "expected an object, found list"),
        ('{"schema": 2}', "expected schema 1, found 2"),
        ('{"schema": 1, "submissions": {}}', "record.submissions: expected a list, found dict"),
        ('{"schema": 1, "submissions": [3]}', r"record.submissions\[0\]: expected an object, found int"),
        ('{"schema": 1, "submissions": []}', "missing .* required keyword-only argument"),
        (
            '{"schema": 1, "submissions": [{"experiments": [], "checks": [{"status": "passed"}]}]}',
            r"record.submissions\[0\].checks\[0\]: 'passed' is not a valid Status",
        ),
    ],
)
def test_a_broken_file_is_named_at_its_place(text, message) -> None:
    with pytest.raises(UsageError, match=message):
        from_json(text)
