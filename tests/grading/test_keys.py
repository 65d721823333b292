"""What a stored outcome depends on changes its key, and nothing else does; outcomes survive being text."""

import math
from dataclasses import replace

import numpy as np
import pytest

from harness.errors import StoreError
from harness.grading import keys
from harness.grading.accuracy import AccuracyRun
from harness.grading.keys import fingerprint, unit_key
from harness.grading.outcomes import decode, encode
from harness.grading.units import Outcome, Settings, Unit, seeds
from harness.records import CheckResult, Status
from harness.session import Limits
from harness.spec import load_spec
from harness.submission import discover
from tests.grading.conftest import SPEC, write_class


@pytest.fixture
def units(tmp_path):
    submission = discover([write_class(tmp_path / "class")])[0]
    settings = Settings(seed=1)
    experiment = load_spec(SPEC).experiments["digits/tanh"]
    return (
        Unit(submission=submission, settings=settings, checks=("builds[tanh]",), activations=("tanh",)),
        Unit(submission=submission, settings=settings, experiment=experiment, dataset="digits"),
    )


def test_a_key_is_the_same_for_the_same_work_elsewhere(units, tmp_path):
    (tmp_path / "moved").mkdir()
    (tmp_path / "class" / "ada.py").rename(tmp_path / "moved" / "ada.py")
    moved = discover([tmp_path / "moved"])[0]
    for unit in units:
        there = replace(unit, submission=moved)
        assert there.submission.path != unit.submission.path
        assert unit_key(there, "f") == unit_key(unit, "f")


def test_whatever_an_outcome_depends_on_changes_the_key(units):
    checked, trained = units
    protocol = replace(trained.experiment.protocol, learning_rate=0.25)
    others = [
        (checked, "g"),
        (trained, "f"),
        (trained, "g"),
        (replace(checked, submission=replace(checked.submission, digest="0" * 64)), "f"),
        (replace(checked, submission=replace(checked.submission, name="bob")), "f"),
        (replace(checked, submission=replace(checked.submission, packages=("numpy", "scipy"))), "f"),
        (replace(checked, settings=Settings(seed=2)), "f"),
        (replace(checked, settings=Settings(seed=1, trust_submissions=True)), "f"),
        (replace(checked, settings=Settings(seed=1, limits=Limits(call_seconds=1))), "f"),
        (replace(checked, checks=("forward[tanh]",)), "f"),
        (replace(trained, attempt=1), "f"),
        (replace(trained, dataset="mnist"), "f"),
        (replace(trained, experiment=replace(trained.experiment, protocol=protocol)), "f"),
    ]
    found = {unit_key(checked, "f"), *(unit_key(unit, print) for unit, print in others)}
    assert len(found) == len(others) + 1


def test_a_reported_figure_changes_no_key(units):
    trained = units[1]
    other = replace(trained, experiment=replace(trained.experiment, reported=12.0, section="9"))
    assert unit_key(other, "f") == unit_key(trained, "f")


def test_a_changed_submission_meets_another_blinding(units):
    trained = units[1]
    changed = replace(trained, submission=replace(trained.submission, digest="1" * 64))
    assert seeds(changed)["blind"] != seeds(trained)["blind"]
    assert seeds(replace(trained, attempt=1)) != seeds(trained)
    assert seeds(trained) == seeds(replace(trained))


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A harness of a few files in place of the real one."""
    for name in ("oracle.py", "views/table.py", "checks/loss.py", "grading/units.py", "grading/score.py"):
        path = tmp_path / "harness" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    monkeypatch.setattr(keys, "HARNESS", tmp_path / "harness")
    return tmp_path / "harness"


@pytest.mark.parametrize(
    ("name", "matters"),
    [
        ("oracle.py", True),
        ("checks/loss.py", True),
        ("grading/units.py", True),
        ("grading/score.py", False),
        ("views/table.py", False),
    ],
)
def test_what_makes_outcomes_is_in_the_harnesss_digest(sources, name, matters):
    before = keys.harness_digest.__wrapped__()
    (sources / name).write_text("x = 2\n")
    assert (keys.harness_digest.__wrapped__() != before) is matters


def test_the_fingerprint_leaves_out_the_kernel_and_holds_the_rest():
    facts = {"platform": "Linux-1", "processor": "a", "sandbox": "b", "packages": {"numpy": "2.4"}}
    assert fingerprint({**facts, "platform": "Linux-2"}) == fingerprint(facts)
    for name, value in (("processor", "c"), ("sandbox", "d"), ("packages", {"numpy": "2.5"})):
        assert fingerprint({**facts, name: value}) != fingerprint(facts)


def test_an_outcome_comes_back_as_it_was():
    evidence = {"error": math.inf, "nested": [{"a": None, "b": True}], "text": "é\ud800\x1b", "n": 3}
    check = CheckResult(id="a", group="b", status=Status.FAIL, message="m", evidence=evidence, seconds=0.1)
    run = AccuracyRun(experiment="e", seed=1, blind=2, status=Status.PASS, accuracy=91.25)
    for outcome in (Outcome(checks=(check,), notes=("n",), seconds=2.5), Outcome(run=run)):
        assert decode(encode(outcome)) == outcome
    assert decode(encode(Outcome(checks=(check,)))).checks[0].status is Status.FAIL


def test_what_json_does_not_have_becomes_what_it_has_once_and_for_all():
    evidence = {"nan": float("nan"), "array": np.arange(3), "pair": (1, 2), 5: np.float32(0.5)}
    check = CheckResult(id="a", group="b", status=Status.PASS, evidence=evidence)
    first = decode(encode(Outcome(checks=(check,))))
    found = first.checks[0].evidence
    assert math.isnan(found["nan"])
    assert {**found, "nan": 0} == {"nan": 0, "array": [0, 1, 2], "pair": [1, 2], "5": 0.5}
    assert encode(decode(encode(first))) == encode(first)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"checks": [{}], "notes": [], "run": null, "seconds": 0}'])
def test_what_is_no_outcome_is_refused(text):
    with pytest.raises(StoreError, match="expected the JSON of an outcome"):
        decode(text)
