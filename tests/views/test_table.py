from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest

from harness.errors import UsageError
from harness.records import Status
from harness.views import render, wants_color

from . import sample


def lines_of(made, **options) -> list[str]:
    return render(made, "table", **options).splitlines()


def test_summary_has_a_row_for_each_submission_with_its_groups() -> None:
    lines = lines_of(sample.record(), width=140)
    header = lines[0].split()
    assert header[:3] == ["submission", "part", "score"]
    assert len(header) == 3 + len(sample.GROUPS) + 1
    alice = lines[2].split()
    assert alice[:3] == ["alice", "scratch", "56.5/68"]
    by_group = dict(zip((*sample.GROUPS, "accuracy"), alice[3:], strict=True))
    assert by_group["gradients"] == "0/7.5"
    assert by_group["updates"] == "7.5/7.5"
    assert by_group["accuracy"] == "4/8"


def test_headings_that_were_shortened_are_explained() -> None:
    shown = render(sample.record(), "table")
    assert "Columns: " in shown
    for group in ("gradients", "initialisation", "accuracy"):
        assert group in shown


def test_points_become_per_cent_where_there_is_no_room_for_them() -> None:
    shown = render(sample.record(), "table", width=100)
    alice = shown.splitlines()[2].split()
    assert alice[3:] == ["100%", "100%", "100%", "0%", "100%", "100%", "100%", "100%", "50%"]
    assert "Groups in per cent of their points." in shown


def test_almost_full_marks_are_not_shown_as_full() -> None:
    almost = sample.check("gradients[tanh]", points=9.96, max_points=10.0)
    made = replace(sample.alice(), checks=(*sample.bob().checks[:9], almost))
    assert render(sample.record(made), "table", width=60).splitlines()[2].split()[6] == "99%"


def test_each_failure_has_one_line_that_says_what_is_wrong() -> None:
    lines = lines_of(sample.record())
    found = [line.split("  ") for line in lines if line.startswith("  alice")]
    assert found[0][1:] == ["alice", "gradients[sigmoid, tanh, relu]", "FAIL", sample.SUMMED]
    assert found[1][1:2] == ["alice"]
    assert found[1][-1] == "97.5 % is above the range: too good is out of range too"


def test_every_status_that_is_not_a_pass_is_listed() -> None:
    shown = render(sample.record(sample.carol()), "table")
    for status in Status:
        assert (f"because {status.value}" in shown) == (status is not Status.PASS)
    for label in ("FAIL", "TIMEOUT", "OUT OF MEMORY", "CRASHED", "not provided", "skipped", "HARNESS ERROR"):
        assert label in shown
    assert "note  cell 7 was skipped: it trains" in shown


def test_what_rests_on_a_broken_check_is_one_line() -> None:
    broken = tuple(sample.check(f"builds[{each}]", Status.ERROR, message="no build") for each in "ab")
    resting = tuple(
        sample.check(f"{group}[{each}]", Status.SKIPPED, evidence={"rests_on": [f"builds[{each}]"]})
        for group in ("forward", "loss", "updates", "training")
        for each in "ab"
    )
    made = sample.record(sample.verdict("eve", (*broken, *resting)))
    for audience in ("instructor", "student"):
        lines = lines_of(made, audience=audience)
        found = [re.split(" {2,}", line)[2:] for line in lines if line.startswith("  eve")]
        assert found[1] == [
            "8 checks",
            "skipped",
            "not tried: rests on builds[a, b], which did not pass",
        ]
        assert len(found) == 2


FRAMES = (
    "  net.py:3 in forward\n    return act(X @ W)\n  net.py:9 in act\n    return np.dot(Z, V)\n"
    "  /venv/lib/python3.11/site-packages/numpy/core.py:7 in dot\n    return cblas(a, b)\n"
    "  /usr/lib/python3.11/ast.py:50 in parse\n  <string>:1 in <module>\nValueError: shapes"
)


@pytest.mark.parametrize("audience", ["instructor", "student"])
def test_an_exception_is_shown_with_the_authors_last_line(audience) -> None:
    failed = sample.check("forward[tanh]", Status.ERROR, message="raised ValueError", detail=FRAMES)
    run = sample.experiment(
        "scratch/tanh", Status.TIMEOUT, message="too long", evidence={"details": ["  net.py:5 in fit"]}
    )
    made = sample.record(sample.verdict("eve", (failed,), (run,)))
    lines = lines_of(made, audience=audience)
    at = next(index for index, line in enumerate(lines) if line.endswith("ERROR  raised ValueError"))
    assert lines[at + 1 : at + 3] == ["      net.py:9 in act", "        return np.dot(Z, V)"]
    assert lines[at + 3].endswith("TIMEOUT  too long")
    assert lines[at + 4 : at + 6] == ["      net.py:5 in fit", ""]


@pytest.mark.parametrize(
    ("status", "detail"),
    [
        (Status.ERROR, ""),
        (Status.ERROR, "  /usr/lib/python3.11/ast.py:50 in parse\n    x\nValueError: y"),
        (Status.FAIL, "  row:3 in batch\n    differs"),
        (Status.HARNESS_ERROR, "  check.py:3 in run"),
    ],
)
def test_where_no_frame_is_the_authors_nothing_is_added(status, detail) -> None:
    made = sample.record(sample.verdict("eve", (sample.check("loss[tanh]", status, detail=detail),)))
    lines = lines_of(made)
    assert lines[lines.index("eve  0/2.5") + 2] == ""


def test_the_place_of_an_exception_is_text_and_no_wider_than_the_terminal() -> None:
    detail = "  net\x1b[2J.py:3 in forward\n    " + "x" * 300
    check = sample.check("loss[tanh]", Status.CRASHED, message="died", detail=detail)
    made = sample.record(sample.verdict("eve", (check,)))
    for width in (100, None):
        lines = lines_of(made, width=width)
        assert all(line.isprintable() and len(line) <= (width or 170) for line in lines)
        assert any("net\\x1b[2J.py:3 in forward" in line for line in lines)


def test_accuracy_has_no_column_when_nothing_was_trained() -> None:
    made = sample.record(sample.verdict("eve", (sample.check("training[y]"),)))
    for form in ("table", "markdown", "html", "latex"):
        assert "accuracy" not in render(made, form)


def test_a_check_that_does_not_apply_is_no_finding() -> None:
    aside = sample.check("training[x]", Status.SKIPPED, evidence={"not_applicable": True}, max_points=0.0)
    made = sample.record(sample.verdict("eve", (sample.check("training[y]"), aside)))
    lines = lines_of(made, audience="student")
    assert lines[2].split()[3] == "2.5/2.5"
    assert not any("skipped" in line for line in lines)


def test_experiments_show_reported_range_measured_and_status() -> None:
    rows = [line.split("  ") for line in lines_of(sample.record(sample.alice())) if "scratch/tanh" in line]
    cells = [each.strip() for each in rows[0] if each.strip()]
    assert cells == ["scratch/tanh/lr=0.01", "94.3", "93.88 to 94.62", "94.31 94.50", "pass"]


def crowd(count: int):
    group = (sample.alice(), sample.bob(), sample.carol())
    return sample.record(
        *(replace(group[index % 3], name=f"student_{index:03d}_of_the_class") for index in range(count))
    )


def test_a_large_class_gets_the_summary_and_a_hint() -> None:
    lines = lines_of(crowd(300))
    assert len([line for line in lines if "student_" in line]) == 300
    assert not any("divide by the batch size" in line for line in lines)
    assert any("--details" in line for line in lines)
    assert any(line.startswith("300 submissions, 100 at full marks") for line in lines)
    assert "divide by the batch size" in render(crowd(300), "table", details=True)


@pytest.mark.parametrize("count", [5, 300])
def test_nothing_is_wider_than_the_terminal(count) -> None:
    made = crowd(count)
    made = replace(made, submissions=(*made.submissions, sample.nasty_record().submissions[0]))
    for line in lines_of(made, width=100):
        assert len(line) <= 100


def test_long_names_that_look_alike_stay_apart() -> None:
    long = "group_assignment_of_the_autumn_term_student_number_"
    made = sample.record(replace(sample.bob(), name=long + "1"), replace(sample.bob(), name=long + "2"))
    first = {line.split()[0] for line in lines_of(made)[2:4]}
    assert len(first) == 2


def test_colour_only_when_asked_for() -> None:
    assert "\x1b" not in render(sample.nasty_record(), "table")
    painted = render(sample.record(), "table", color=True)
    assert "\x1b[31mFAIL\x1b[0m" in painted
    assert painted.splitlines()[3].startswith("\x1b[32mbob")  # full marks
    plain = render(sample.record(), "table")
    for code in ("\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m"):
        painted = painted.replace(code, "")
    assert painted == plain


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals_and_no_color_is_honoured(monkeypatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert wants_color(Terminal())
    assert not wants_color(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_color(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not wants_color(Terminal())


def test_hostile_strings_print_as_text_on_their_line() -> None:
    shown = render(sample.nasty_record(), "table")
    assert all(line.isprintable() for line in shown.splitlines())
    assert "\\x1b[2J" in shown
    rows = shown.split("\n")
    assert rows[2].startswith("\\x1b")
    assert rows[3].startswith("bob")


def test_no_submissions_is_said() -> None:
    assert render(replace(sample.record(), submissions=()), "table") == "No submissions.\n"


def test_harness_errors_are_shown() -> None:
    made = replace(sample.record(), harness_errors=("no wall: bubblewrap is missing",))
    assert "HARNESS ERROR  no wall: bubblewrap is missing" in render(made, "table")


def test_unknown_format_and_audience_are_refused() -> None:
    with pytest.raises(UsageError, match="format: expected one of table, "):
        render(sample.record(), "tabel")
    with pytest.raises(UsageError, match="audience: expected one of instructor, student"):
        render(sample.record(), "table", audience="dean")
