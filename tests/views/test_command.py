from __future__ import annotations

import argparse
import io
import json
import sys

import pytest

from harness.errors import UsageError
from harness.views import render
from harness.views.command import add_arguments, run

from . import sample


@pytest.fixture
def record(tmp_path):
    path = tmp_path / "record.json"
    path.write_text(render(sample.record(), "json"))
    return path


def show(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args([str(each) for each in arguments]))


def test_a_kept_record_is_shown_as_it_was(record, capsys) -> None:
    assert show(record) == 0
    assert capsys.readouterr().out == render(sample.record(), "table")
    assert show(record, "--format", "markdown") == 0
    assert capsys.readouterr().out == render(sample.record(), "markdown")


def test_one_submission_may_be_chosen(record, tmp_path, capsys) -> None:
    out = tmp_path / "results.json"
    assert show(record, "--only", "alice", "--format", "gradescope", "--output", out) == 0
    assert json.loads(out.read_text())["score"] == 56.5
    assert capsys.readouterr().out == ""
    with pytest.raises(UsageError, match="--only alise: no such submission in the record; alice is"):
        show(record, "--only", "alise")


def test_pages_for_students(record, tmp_path, capsys) -> None:
    assert show(record, "--pages", tmp_path / "out", "--audience", "student") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "alice.html",
        "bob.html",
        "carol.html",
    ]
    assert "3 files" in capsys.readouterr().out


def test_a_roster_gives_grades_and_says_what_did_not_match(record, tmp_path, capsys) -> None:
    roster = tmp_path / "class.csv"
    roster.write_text("repo,name\nalice,A\ndora,D\n")
    assert show(record, "--roster", roster, "--roster-column", "repo") == 0
    out, said = capsys.readouterr()
    assert out.splitlines()[0] == "repo,name,score,max score,per cent,status,comment"
    assert "dora,D,0,68,0,not handed in," in out
    assert "not on the roster (2): bob, carol" in said


def test_neither_the_roster_nor_the_record_is_overwritten(record, tmp_path) -> None:
    roster = tmp_path / "ro.csv"
    roster.write_text("name\nalice\n")
    link = tmp_path / "link.csv"
    link.symlink_to(roster)
    for output in (roster, link):
        with pytest.raises(UsageError, match=r"this would overwrite .*ro\.csv; choose another path"):
            show(record, "--roster", roster, "--output", output)
    assert roster.read_text() == "name\nalice\n"
    with pytest.raises(UsageError, match=r"this would overwrite .*record\.json"):
        show(record, "--output", record)
    assert show(record, "--roster", roster, "--output", tmp_path / "grades.csv") == 0


@pytest.mark.parametrize(
    "arguments",
    [("--roster", "x.csv", "--pages", "y"), ("--roster", "x.csv", "--format", "csv"),
     ("--roster-column", "id"), ("--pages", "y", "--output", "z")],
)  # fmt: skip
def test_options_that_do_not_go_together_are_refused(record, arguments) -> None:
    with pytest.raises(UsageError, match=r"--roster|--pages"):
        show(record, *arguments)


def test_a_record_that_is_none_is_named(tmp_path) -> None:
    with pytest.raises(UsageError, match=r"absent\.json: the record cannot be read"):
        show(tmp_path / "absent.json")
    (tmp_path / "bad.json").write_text('{"schema": 9}')
    with pytest.raises(UsageError, match=r"bad\.json: record: expected schema 1, found 9"):
        show(tmp_path / "bad.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not text"):
        show(tmp_path / "binary.json")


def test_a_terminal_without_unicode_gets_it_spelled_out(tmp_path, monkeypatch) -> None:
    path = tmp_path / "record.json"
    path.write_text(render(sample.record(sample.verdict("Zoë_山")), "json"))
    plain = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", plain)
    assert show(path) == 0
    plain.flush()
    assert b"Zo\\xeb_\\u5c71" in plain.buffer.getvalue()
