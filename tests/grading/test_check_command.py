"""``backcheck check``: workers stand ready for each save and share the checks, and none is left behind."""

import multiprocessing
import os
from dataclasses import replace

import pytest

from harness import cli
from harness.grading.keys import unit_key
from harness.grading.plan import activations, plan
from harness.grading.session import GradingOptions, grade_paths
from harness.grading.units import Settings, check_units
from harness.records import Status
from harness.spec import load_rubric, load_spec
from harness.submission import discover
from tests.corpus.loader import known_right, known_wrong, text


@pytest.fixture
def nothing(tmp_path):
    file = tmp_path / "nothing.py"
    file.write_text("x = 1\n")
    return file


def test_a_submission_that_offers_nothing_does_not_pass(nothing, capsys):
    assert cli.main(["check", str(nothing), "--quiet"]) == 1
    assert "nothing" in capsys.readouterr().out
    assert multiprocessing.active_children() == []


def test_the_next_save_finds_its_worker_ready(nothing, monkeypatch):
    ready = []

    def two_saves(path, graded):
        for _ in range(2):
            ready.append({child.pid for child in multiprocessing.active_children()})
            assert graded().name == "nothing"
        return 0

    monkeypatch.setattr("harness.authoring.watch.watch", two_saves)
    assert cli.main(["check", "--watch", str(nothing), "--quiet"]) == 0
    assert [len(pids) for pids in ready] == [min(2, os.cpu_count() or 1)] * 2
    assert not ready[0] & ready[1]
    assert multiprocessing.active_children() == []


def test_a_submission_that_cannot_be_read_leaves_a_worker_for_the_next_save(nothing, monkeypatch):
    def a_fault_and_a_save(path, graded):
        monkeypatch.setattr("harness.grading.session.plans_for", lambda options: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            graded()
        monkeypatch.undo()
        return len(graded().checks)

    monkeypatch.setattr("harness.authoring.watch.watch", a_fault_and_a_save)
    assert cli.main(["check", "--watch", str(nothing), "--quiet"]) > 0
    assert multiprocessing.active_children() == []


# What each case shows: nothing fails; a check of one share fails on which checks of the other rest; a failure
# in one share explains one in the other; nothing can be loaded.
CASES = {"right": "", "sigmoid-sign": "", "forward-pass-kept": "", "broken": "raise RuntimeError('no')\n"}


@pytest.mark.parametrize("name", CASES)
def test_two_workers_find_what_one_finds(name, tmp_path):
    file = tmp_path / f"{name}.py"
    known = {case.id: case for case in (*known_wrong(), *known_right())}
    file.write_text(CASES[name] or text(known.get(name) or known["classes"]))

    def found(*, share_checks):
        options = GradingOptions(paths=[file], profile="quick", seed=0, jobs=2, share_checks=share_checks)
        (verdict,) = grade_paths(options).submissions
        return verdict.score, verdict.notes, [replace(check, seconds=0.0) for check in verdict.checks]

    alone = found(share_checks=False)
    assert found(share_checks=True) == alone
    bad = {check.id for check in alone[2] if check.status is not Status.PASS}
    assert bool(bad) == (name != "right")


def test_one_worker_shares_nothing_and_a_share_runs_what_it_rests_on(nothing):
    (submission,) = discover([nothing])
    planned = plan(submission, spec=load_spec(), rubric=load_rubric(), profile="quick")
    names = activations(load_spec())
    (whole,) = check_units(planned, Settings(seed=0), names)
    others, properties = check_units(planned, Settings(seed=0), names, shared=True)
    assert not whole.elsewhere
    assert sorted((*others.checks, *properties.checks)) == sorted(whole.checks)
    assert (others.elsewhere, properties.elsewhere) == (properties.checks, others.checks)
    assert 20 < len(properties.checks) < len(whole.checks) / 2
    assert unit_key(replace(properties, elsewhere=()), "") != unit_key(properties, "")
