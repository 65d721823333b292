from __future__ import annotations

import unicodedata

import pytest

from harness.views import text

from .sample import NASTY


def test_what_does_not_print_is_spelled_out() -> None:
    assert text.visible("a\x1b[2Jb\n\t\u202ec\ud800") == r"a\x1b[2Jb\n\t\u202ec\ud800"
    assert text.visible("\U000e0001") == r"\U000e0001"
    assert text.visible("Zoë 山田 ×") == "Zoë 山田 ×"


@pytest.mark.parametrize("clean", [text.name, text.line, text.markdown, text.latex, text.cell])
def test_one_line_functions_return_one_printable_line(clean) -> None:
    shown = clean(NASTY)
    forbidden = {"Cc", "Cs", "Zl", "Zp", "Cn", "Co"}
    assert not {unicodedata.category(char) for char in shown} & forbidden
    assert "\u202e" not in shown
    shown.encode("utf-8")


def test_lengths_are_bounded() -> None:
    assert len(text.name("x" * 10_000)) == text.NAME_LIMIT
    assert len(text.line("x " * 10_000)) == text.MESSAGE_LIMIT
    long = text.block("\n".join("y" * 1_000 for _ in range(1_000)))
    assert long.count("\n") == text.DETAIL_LINES
    assert max(map(len, long.splitlines())) == text.DETAIL_COLUMNS
    assert long.endswith("940 more lines")


def test_block_keeps_lines_and_indentation() -> None:
    assert text.block("a\r\n\tb\x1b[0m\n\n") == "a\n    b\\x1b[0m"


def test_markdown_escapes_each_construct() -> None:
    assert text.markdown("a|b") == r"a\|b"
    assert text.markdown("![x](y)") == r"\!\[x\]\(y\)"
    assert text.markdown("<b>&amp;") == "&lt;b&gt;&amp;amp;"
    assert "://" not in text.markdown("http://evil.example")
    assert "www." not in text.markdown("see www.evil.example")
    assert "@teacher" not in text.markdown("@teacher")
    assert text.markdown("64.00 x the gradient: divide") == "64.00 x the gradient: divide"


def test_markdown_fence_is_longer_than_any_inside() -> None:
    lines = text.markdown_block("before\n`````\n# title").splitlines()
    assert lines[0] == "``````text"
    assert lines[-1] == "``````"


def test_latex_escapes_every_special_character() -> None:
    assert text.latex("50% of $5 & #1_a^b~{c}\\d") == (
        r"50\% of \$5 \& \#1\_a\textasciicircum{}b\textasciitilde{}\{c\}\textbackslash{}d"
    )
    assert text.latex("Zoë") == "Zoë"
    assert text.latex("e\u0301") == "é"
    assert text.latex("山") == "U+5C71"
    assert text.latex("--") == "-{}-{}"


@pytest.mark.parametrize("formula", ["=1+1", "+1+1", "-1+cmd", "@SUM(A1)", "  =1", "\uff1d1", "=", "-"])
def test_formula_cells_are_defused(formula) -> None:
    assert text.cell(formula).startswith("'")


def test_a_tab_or_return_does_not_begin_a_formula() -> None:
    assert text.cell("\t=1") == "'=1"
    assert text.cell("\r=1") == "'=1"


def test_a_formula_after_a_semicolon_is_defused() -> None:
    assert text.cell("a; =1") == "a;' =1"


@pytest.mark.parametrize("number", ["-3", "+49", "1.5", "-1,5", "1e-9", "95 %".replace(" ", "")])
def test_numbers_and_words_are_left_alone(number) -> None:
    assert text.cell(number) == number
    assert text.cell("alice") == "alice"
