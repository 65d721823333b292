"""What is done once for a grading: the worker's bytecode is made where it can be kept."""

import sys

import pytest

from harness.grading import session


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
