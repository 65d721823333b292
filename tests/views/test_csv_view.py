from __future__ import annotations

import csv
import io

from harness.views import render

from . import sample


def rows_of(made, form: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render(made, form))))


def test_one_row_for_each_submission() -> None:
    rows = rows_of(sample.record(), "csv")
    assert [row["submission"] for row in rows] == ["alice", "bob", "carol"]
    alice = rows[0]
    assert (alice["score"], alice["max score"], alice["per cent"]) == ("56.5", "68", "83.09")
    assert (alice["gradients"], alice["gradients max"]) == ("0", "7.5")
    assert (alice["accuracy"], alice["accuracy max"]) == ("4", "8")
    assert f"gradients[sigmoid, tanh, relu] FAIL: {sample.SUMMED}" in alice["findings"]
    assert rows[1]["findings"] == ""


def test_long_form_has_one_row_for_each_check_and_experiment() -> None:
    rows = rows_of(sample.record(), "csv-long")
    assert len(rows) == 26 + 26 + 9
    first = next(row for row in rows if row["id"] == "gradients[relu]")
    assert (first["submission"], first["kind"], first["group"]) == ("alice", "check", "gradients")
    assert (first["status"], first["diagnosis"], first["message"]) == ("fail", "summed", sample.SUMMED)
    run = next(row for row in rows if row["kind"] == "experiment")
    assert (run["low"], run["high"], run["accuracies"]) == ("48.125", "62.375", "97.5")


def test_no_cell_is_a_formula_or_breaks_its_row() -> None:
    for start in ("=1+1", "+1+1", "-cmd", "@SUM(A1)", "\t=1", "a;=1", sample.NASTY):
        for form in ("csv", "csv-long"):
            shown = render(sample.nasty_record(start), form)
            assert all(char == "\n" or char.isprintable() for char in shown)
            rows = list(csv.reader(io.StringIO(shown)))
            assert len({len(row) for row in rows}) == 1
            cells = [each for row in rows for each in row]
            assert not [each for each in cells if each.strip()[:1] in "=+@" and each.strip()]
            assert not [each for each in cells if each.startswith("-")]
            assert not [each for each in cells if ";=" in each]


def test_numbers_stay_numbers() -> None:
    negative = sample.check("forward[relu]", points=-0.5)
    row = rows_of(sample.record(sample.verdict("eve", (negative,))), "csv")[0]
    assert float(row["forward"]) == -0.5
