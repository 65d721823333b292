"""``backcheck check``: a worker stands ready for each save, and none is left behind."""

import multiprocessing

import pytest

from harness import cli


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
    assert [len(pids) for pids in ready] == [1, 1]
    assert ready[0] != ready[1]
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
