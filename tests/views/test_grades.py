from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from harness.errors import UsageError
from harness.records import Status
from harness.views.grades import gradebook, leftovers, parse_roster, read_roster, render_grades

from . import sample


def graded(roster: str, made=None) -> list[dict[str, str]]:
    book = gradebook(made or sample.record(), parse_roster(roster))
    return list(csv.DictReader(io.StringIO(render_grades(book))))


def test_every_student_gets_a_row_in_the_rosters_order() -> None:
    rows = graded("name,submission\nDora D,dora\nAlice A,alice\nBob B,bob\n")
    assert [row["name"] for row in rows] == ["Dora D", "Alice A", "Bob B"]
    dora, alice, bob = rows
    assert (dora["score"], dora["max score"], dora["status"]) == ("0", "68", "not handed in")
    assert (alice["score"], alice["per cent"], alice["status"]) == ("56.5", "83.09", "graded")
    assert alice["comment"] == (
        f"gradients[sigmoid, tanh, relu]: {sample.SUMMED} / "
        "scratch/sigmoid/lr=0.01: 97.5 % is above the range: too good is out of range too"
    )
    assert (bob["score"], bob["comment"]) == ("68", "every check passes")


def test_what_does_not_match_is_listed() -> None:
    book = gradebook(sample.record(), parse_roster("submission\nalice\ndora\n"))
    assert book.missing == ("dora",)
    assert book.unknown == ("bob", "carol")
    assert leftovers(book) == ("not handed in (1): dora", "not on the roster (2): bob, carol")


def test_names_match_without_case_and_ending_when_that_is_clear() -> None:
    rows = graded("submission\nAlice.py\nBOB\n")
    assert [row["score"] for row in rows] == ["56.5", "68"]
    both = sample.record(sample.alice(), replace(sample.bob(), name="ALICE"))
    assert [row["score"] for row in graded("submission\nalice\nALICE\nAlice\n", both)] == ["56.5", "68", ""]


def test_a_name_with_accents_matches_however_they_are_written() -> None:
    composed, taken_apart = "J\u00fcrgen", "Ju\u0308rgen"
    for listed, handed_in in ((composed, taken_apart), (taken_apart, composed)):
        made = sample.record(replace(sample.bob(), name=handed_in))
        for name in (listed, f"{listed}.py", listed.upper()):
            book = gradebook(made, parse_roster(f"submission\n{name}\n"))
            assert book.rows[0][1] == 68.0, name
            assert (book.missing, book.unknown) == ((), ())
    both = sample.record(replace(sample.alice(), name=composed), replace(sample.bob(), name=taken_apart))
    rows = graded(f"submission\n{composed}\n{taken_apart}\n{composed}.py\n", both)
    assert [row["score"] for row in rows] == ["56.5", "68", ""]
    assert parse_roster("Pre\u0301nom\nbob\n", key="pr\u00e9nom").key == 0


def test_a_name_that_several_answer_to_is_ambiguous_and_not_missing() -> None:
    made = sample.record(replace(sample.alice(), name="dup"), replace(sample.bob(), name="dup.py"))
    roster = parse_roster("submission\nDUP\n")
    row = graded("submission\nDUP\n", made)[0]
    assert (row["score"], row["per cent"], row["status"]) == ("", "", "ambiguous: dup, dup.py")
    book = gradebook(made, roster)
    assert (book.missing, book.unknown) == ((), ())
    assert leftovers(book) == ("ambiguous: DUP may be dup, dup.py; write on the roster which it is",)
    assert [row["score"] for row in graded("submission\ndup\ndup.py\n", made)] == ["56.5", "68"]


def test_a_team_shares_a_submission() -> None:
    rows = graded("name,submission\nAlice,alice\nAnn,alice\n")
    assert [row["score"] for row in rows] == ["56.5", "56.5"]


def test_two_submissions_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="two submissions are named bob"):
        graded("submission\nbob\n", sample.record(sample.bob(), sample.bob()))


def test_checks_that_the_harness_could_not_do_are_said() -> None:
    row = graded("submission\ncarol\n")[0]
    assert row["status"] == "open: 1 checks could not be carried out by the harness"


def eve(message: str, status: Status = Status.ERROR, left: Status = Status.SKIPPED):
    """Nothing can be built; all else rests on that."""
    broken = tuple(sample.check(f"builds[{each}]", status, message=message) for each in ("tanh", "relu"))
    why = {"rests_on": ["builds[tanh]"]}
    resting = sample.check("forward[tanh]", left, message="not tried", evidence=why)
    run = sample.experiment("scratch/tanh/lr=0.01", status, message=message)
    return replace(sample.verdict("eve", (*broken, resting), (run,)), path="handed-in/eve.py")


@pytest.mark.parametrize("left", [Status.SKIPPED, Status.NOT_PROVIDED])
@pytest.mark.parametrize("status", [Status.ERROR, Status.TIMEOUT, Status.CRASHED, Status.NOT_PROVIDED])
def test_what_could_not_be_loaded_is_not_graded(status, left) -> None:
    reason = "loading raised SyntaxError: invalid syntax (eve.py, line 3)"
    row = graded("submission\neve\n", sample.record(eve(reason, status, left)))[0]
    assert (row["score"], row["status"]) == ("0", f"could not be loaded: {reason}")
    assert row["comment"] == f"builds[tanh, relu], scratch/tanh/lr=0.01: {reason}"


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("predict_proba raised ValueError: shapes not aligned", "does not run"),
        ("the process died of SIGSEGV during set_weights or fit", "does not run"),
        ("the process died of SIGSEGV during loading", "could not be loaded"),
        ("eve.py: it defines no build(layer_sizes, activation, seed)", "could not be loaded"),
    ],
)
def test_what_was_loaded_and_does_not_run_is_told_apart(reason, status) -> None:
    row = graded("submission\neve\n", sample.record(eve(reason)))[0]
    assert row["status"] == f"{status}: {reason}"


def test_who_fails_everything_was_graded() -> None:
    row = graded("submission\neve\n", sample.record(eve("the weights have other shapes", Status.FAIL)))[0]
    assert row["status"] == "graded"


def test_what_was_skipped_says_nothing_unless_all_was() -> None:
    skipped = sample.check("loss[tanh]", Status.SKIPPED, message="not tried: the time budget was used up")
    failed = sample.check("gradients[tanh]", Status.FAIL)
    row = graded("submission\neve\n", sample.record(sample.verdict("eve", (skipped, failed))))[0]
    assert row["comment"] == f"gradients[tanh]: {sample.SUMMED}"
    row = graded("submission\neve\n", sample.record(sample.verdict("eve", (skipped,))))[0]
    assert row["comment"] == "loss[tanh]: not tried: the time budget was used up"
    row = graded("submission\neve\n", sample.record(sample.verdict("eve")))[0]
    assert row["comment"] == "nothing was checked"


def test_the_comment_is_short_on_one_line_and_what_students_may_read() -> None:
    place = "raised in /srv/grader/submissions/eve.py"
    checks = [
        sample.check(f"loss[{n}]", Status.ERROR, message=f"{place}:{n}\n" + "x" * 90) for n in range(20)
    ]
    row = graded("submission\neve\n", sample.record(sample.verdict("eve", tuple(checks))))[0]
    assert len(row["comment"]) == 500
    assert "\n" not in row["comment"]
    assert row["comment"].startswith("loss[0]: raised in eve.py:0 x")
    for cell in row.values():
        assert "/srv" not in cell
    row = graded("submission\neve\n", sample.record(eve("y" * 900)))[0]
    assert len(row["status"]) < 250
    broken = sample.check("loss[tanh]", Status.HARNESS_ERROR, message="977 at /srv/grader/pool.py")
    row = graded("submission\neve\n", sample.record(sample.verdict("eve", (broken,))))[0]
    assert "no fault of yours" in row["comment"]


@pytest.mark.parametrize("start", ["=1+1", "+1", "-cmd", "@SUM(A1)", "a;=1", sample.NASTY])
def test_no_cell_of_the_gradebook_is_a_formula(start) -> None:
    hostile = sample.verdict("eve", (sample.check(start, Status.ERROR, message=start),))
    cells = list(graded("submission\neve\n", sample.record(hostile))[0].values())
    assert not [each for each in cells if each.strip()[:1] in ("=", "+", "-", "@")]
    assert not [each for each in cells if ";=" in each]
    assert all(each.isprintable() for each in cells)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_spreadsheets_delimiters_and_byte_order_mark(tmp_path, delimiter) -> None:
    path = tmp_path / "roster.csv"
    path.write_bytes(f"\ufeffID{delimiter}Name\r\nbob{delimiter}Zoë\r\n\r\n".encode())
    roster = read_roster(path)
    assert roster.header == ("ID", "Name")
    assert roster.rows == (("bob", "Zoë"),)
    assert roster.key == 0


def test_a_column_may_be_named() -> None:
    roster = parse_roster("id,repo\n1,bob\n", key="Repo")
    assert gradebook(sample.record(), roster).rows[0][2] == 68.0


def test_a_rosters_own_score_column_is_kept() -> None:
    row = graded("submission,score\nbob,3\n")[0]
    assert (row["score"], row["score (backcheck)"]) == ("3", "68")


def test_formulas_in_a_roster_are_defused_and_numbers_kept() -> None:
    row = graded("submission,name,phone\nbob,=1+1,+49\n")[0]
    assert (row["name"], row["phone"]) == ("'=1+1", "+49")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected a heading line, found an empty file"),
        ("a,b\n1,2\n", "expected a column one of submission, .*, found a, b"),
        ("id,b\n1,2\n3\n", r"class\.csv, line 3: expected 2 cells, found 1"),
        ('id\n"x\n', None),
    ],
)
def test_a_broken_roster_is_named_at_its_line(content, message) -> None:
    if message is None:  # an open quotation runs to the end: one row, and nobody of that name
        assert gradebook(sample.record(), parse_roster(content)).missing == ("x",)
        return
    with pytest.raises(UsageError, match=message):
        parse_roster(content, where="class.csv")


def test_a_file_in_another_encoding_or_not_there_is_said(tmp_path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(b"id\nbob\nZo\xeb\n")
    with pytest.raises(UsageError, match=r"latin\.csv, line 3: expected UTF-8"):
        read_roster(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_roster(tmp_path / "absent.csv")
