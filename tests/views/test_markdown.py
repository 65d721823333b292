from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from harness.views import render
from harness.views.markdown import render_summary

from . import sample


class Tags(HTMLParser):
    """Collects tags, and the text of table cells."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.rows: list[list[str]] = []
        self.cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.cell = False

    def handle_data(self, data: str) -> None:
        if self.cell:
            self.rows[-1][-1] += data


def parsed(markdown: str) -> Tags:
    reader = Tags()
    reader.feed(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown))
    return reader


def test_tables_hold_the_scores_and_the_experiments() -> None:
    rows = parsed(render(sample.record(), "markdown")).rows
    assert rows[0] == ["submission", "part", "score", *sample.GROUPS, "accuracy"]
    assert rows[1][:3] == ["alice", "scratch", "56.5/68"]
    assert rows[1][3 + sample.GROUPS.index("gradients")] == "0/7.5"
    assert ["scratch/tanh/lr=0.01", "94.3", "93.88 to 94.62", "94.31 94.50", "pass"] in rows


def test_report_shows_gradient_curves_and_confusion() -> None:
    shown = render(sample.record(sample.alice()), "markdown")
    rows = parsed(shown).rows
    assert ["W1", "64", "1.0000", "6.3e+01"] in rows
    assert ["epoch", "accuracy", "reference band"] in rows
    assert ["2", "90", "20 to 50"] in rows
    assert ["0", "10", *["1"] * 9] in rows
    assert "FAIL" in shown
    assert sample.SUMMED in shown
    assert "expected 0.25\nmeasured 16.0" in shown


@pytest.mark.parametrize("form", ["markdown", "summary"])
def test_hostile_strings_make_no_markup(form) -> None:
    shown = render(sample.nasty_record(), form)
    reader = parsed(shown)
    allowed = {"h1", "h2", "p", "ul", "li", "strong", "pre", "code"}
    allowed |= {"table", "thead", "tbody", "tr", "th", "td"}
    assert reader.tags <= allowed | {"details", "summary"}
    widths = {len(row) for row in reader.rows}
    assert widths == {12, 5, 4}  # the summary, the experiments, the gradient: no cell split a row
    assert reader.rows[1][0].startswith("\\x1b[2J\\x1b]0;owned\\x07=HYPERLINK(")
    # links that GitHub makes of bare addresses and names
    prose = re.sub(r"(?ms)^(`{3,})text\n.*?^\1$", "", shown)
    assert "http://" not in prose
    assert "@teacher" not in prose
    assert all(char in "\n\u200b" or char.isprintable() for char in shown)


def test_hostile_names_survive_in_a_folded_heading() -> None:
    name = "</summary><img src=x> \\ *b* @teacher"
    shown = render(sample.record(replace(sample.alice(), name=name)), "summary")
    assert "<img" not in parsed(shown).tags
    assert "<summary>&lt;/summary&gt;&lt;img src=x&gt; \\ *b* @\u200bteacher: 56.5/68</summary>" in shown


def test_a_detail_cannot_close_its_fence() -> None:
    made = sample.check("loss[tanh]", sample.Status.ERROR, detail="a\n````\n# Title\n```\n<b>")
    reader = parsed(render(sample.record(sample.verdict("eve", (made,))), "markdown"))
    assert "b" not in reader.tags
    assert "h1" in reader.tags  # the report's own title, and only that
    assert "pre" in reader.tags


def test_summary_stays_under_its_limit_and_says_what_it_left_out() -> None:
    many = sample.record(*(replace(sample.alice(), name=f"student_{index}") for index in range(200)))
    shown = render_summary(many, limit=60_000)
    assert len(shown.encode()) <= 60_000
    left = int(re.search(r"The findings of (\d+) submissions are left out", shown)[1])
    assert shown.count("<details>") + left == 200
    assert left > 0
    assert len(parsed(shown).rows) >= 200

    tiny = render_summary(many, limit=5_000)
    assert len(tiny.encode()) <= 5_000
    assert re.search(r"and \d+ more submissions\.", tiny)


def test_summary_of_a_whole_class_is_complete() -> None:
    shown = render(sample.record(), "summary")
    assert shown.count("<details>") == 2  # bob has nothing to fold out
    assert "left out" not in shown
