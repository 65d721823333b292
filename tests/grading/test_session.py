"""What is done once for a grading: the worker's bytecode is made where it can be kept, progress is told."""

import sys
from types import SimpleNamespace

import pytest

from harness.grading import session
from harness.grading.accuracy import AccuracyRun
from harness.grading.units import Outcome
from harness.records import CheckResult, ExperimentResult, Status, Verdict
from tests.grading.conftest import SPEC


@pytest.fixture
def folder(tmp_path):
    for part in session.BEHIND_THE_WALLS:
        (tmp_path / part / "inner").mkdir(parents=True)
        (tmp_path / part / "inner" / "module.py").write_text("x = 1\n")
    return tmp_path


def compiled(folder):
    return sorted(path.parts[len(folder.parts)] for path in folder.rglob("module.*.pyc"))


def test_the_worker_is_compiled_on_this_side_of_the_walls(folder, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    session.compile_worker(folder)
    assert compiled(folder) == ["sandbox", "worker"]


def test_bytecode_that_is_not_wanted_is_not_written(folder, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    session.compile_worker(folder)
    assert compiled(folder) == []


def test_a_part_that_cannot_be_compiled_or_found_ends_no_grading(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (folder / "worker" / "inner" / "module.py").write_text("def (")
    (folder / "sandbox" / "inner" / "module.py").unlink()
    session.compile_worker(folder)
    session.compile_worker(folder / "nowhere")
    assert compiled(folder) == []
    assert capsys.readouterr() == ("", "")


def test_every_grading_sees_to_it(tmp_path, monkeypatch):
    class CompiledError(Exception):
        pass

    def compile_worker():
        raise CompiledError

    (tmp_path / "one.py").write_text("x = 1\n")
    monkeypatch.setattr(session, "compile_worker", compile_worker)
    with pytest.raises(CompiledError):
        session.grade_paths(session.GradingOptions(paths=[tmp_path / "one.py"], profile="quick"))


def test_what_is_compiled_is_what_runs_behind_the_walls():
    from harness.sandbox.interpreter import HARNESS_PARTS

    assert set(session.BEHIND_THE_WALLS) == {part for part in HARNESS_PARTS if not part.endswith(".py")}


def check(name, status, **evidence):
    return CheckResult(id=name, group="g", status=status, evidence=evidence)


def run(accuracy=None, status=Status.PASS):
    return Outcome(run=AccuracyRun(experiment="e", seed=1, blind=2, status=status, accuracy=accuracy))


def experiment(name, status):
    return ExperimentResult(id=name, reported=None, low=None, high=None, accuracies=(), status=status)


def test_an_experiment_that_fails_is_counted_when_it_is_judged(monkeypatch, capsys):
    right = Outcome(checks=(check("a", Status.PASS), check("b", Status.SKIPPED, not_applicable=True)))
    wrong = Outcome(checks=(check("a", Status.PASS), check("b", Status.FAIL)))
    judged = [
        experiment("low", Status.FAIL),
        experiment("dies", Status.CRASHED),
        experiment("in", Status.PASS),
    ]
    outcomes = [right, wrong, run(97.5), run(97.25), run(status=Status.CRASHED), run(94.5)]

    def grade(plans, *, report, finished, **_):
        for outcome in outcomes:
            report(SimpleNamespace(weight=1.0, attempt=0, label="ada"), outcome, False)
        finished(
            Verdict(
                name="ada",
                path="ada.py",
                part="scratch",
                score=0.0,
                max_score=1.0,
                checks=(),
                experiments=judged,
            )
        )
        return []

    monkeypatch.setattr(session, "grade", grade)
    monkeypatch.setattr(session, "first_units", lambda *_, **__: [])
    options = session.GradingOptions(paths=[], quiet=False)
    session._grade([], None, None, None, options, pool=SimpleNamespace())
    assert capsys.readouterr().err.startswith("grading: 6 done, 3 not passed in ")


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (run(97.5), ("", "97.50 %")),
        (run(status=Status.CRASHED), ("", "no accuracy, crashed")),
        (Outcome(checks=(check("a", Status.PASS),)), (Status.PASS, "all 1")),
        (
            Outcome(checks=(check("a", Status.SKIPPED), check("b", Status.FAIL), check("c", Status.PASS))),
            (Status.FAIL, "1 of 3"),
        ),
        (
            Outcome(checks=(check("a", Status.SKIPPED), check("b", Status.SKIPPED))),
            (Status.SKIPPED, "2 of 2"),
        ),
    ],
)
def test_a_run_is_not_said_to_pass_before_it_is_judged(outcome, said):
    assert session._summary(outcome) == said


def test_experiments_without_calibration_are_said_before_anything_runs(tmp_path, monkeypatch, capsys):
    class BegunError(Exception):
        pass

    def begin(*given):
        raise BegunError

    (tmp_path / "one.py").write_text("def build(layer_sizes, activation, seed): ...\n")
    (tmp_path / "runs.jsonl").write_text("")
    monkeypatch.setattr(session, "_grade", begin)
    options = session.GradingOptions(
        paths=[tmp_path / "one.py"], spec=SPEC, runs=tmp_path / "runs.jsonl", profile="full"
    )
    with pytest.raises(BegunError):
        session.grade_paths(options)
    (said,) = capsys.readouterr().err.splitlines()
    assert "no calibration of digits/" in said
    assert "backcheck calibrate --spec" in said
