from __future__ import annotations

import json
import re
from urllib.parse import unquote

import pytest

from harness.errors import UsageError
from harness.views.pages import file_stems, write_pages

from . import sample


def test_a_folder_has_a_page_for_each_and_an_index_that_links_them(tmp_path) -> None:
    written = write_pages(sample.record(), tmp_path / "report")
    assert [path.name for path in written] == ["alice.html", "bob.html", "carol.html", "index.html"]
    index = (tmp_path / "report" / "index.html").read_text()
    links = re.findall(r'<a href="([^"]+)"', index)
    assert links == ["alice.html", "bob.html", "carol.html"]
    assert "<h1>alice</h1>" in (tmp_path / "report" / "alice.html").read_text()


def test_students_pages_do_not_name_each_other(tmp_path) -> None:
    written = write_pages(sample.record(), tmp_path, audience="student")
    assert [path.name for path in written] == ["alice.html", "bob.html", "carol.html"]
    shown = (tmp_path / "alice.html").read_text()
    assert "bob" not in shown
    assert "carol" not in shown


def test_other_formats_are_written_one_by_one(tmp_path) -> None:
    written = write_pages(sample.record(), tmp_path, format="gradescope")
    assert json.loads(written[0].read_text())["score"] == 56.5
    with pytest.raises(UsageError, match="format: expected one of"):
        write_pages(sample.record(), tmp_path, format="pdf")


def test_file_names_are_plain_and_different() -> None:
    assert file_stems(["../../etc/passwd", "a\nb", ".", "index", "ann", "Ann", "a b", "a?b"]) == (
        "_.._etc_passwd",
        "a_b",
        "submission",
        "index-2",
        "ann",
        "Ann-2",
        "a_b-2",
        "a_b-3",
    )
    assert len(file_stems(["x" * 500])[0]) <= 80


def test_file_names_keep_the_letters_of_every_language() -> None:
    taken_apart = "Ju\u0308rgen Mu\u0308ller"
    names = [
        "J\u00fcrgen M\u00fcller",
        taken_apart,
        "J\u00dcRGEN_m\u00fcller",
        "\u5c71\u7530",
        "\u0939\u093f\u0928\u094d\u0926\u0940",
    ]
    assert file_stems(names) == (
        "J\u00fcrgen_M\u00fcller",
        "J\u00fcrgen_M\u00fcller-2",
        "J\u00dcRGEN_m\u00fcller-3",
        "\u5c71\u7530",
        "\u0939\u093f\u0928\u094d\u0926\u0940",
    )
    assert file_stems(["a\u202eb\ud800c\u2215d\x00e"]) == ("a_b_c_d_e",)
    assert max(len(each.encode()) for each in file_stems(["\U0001d4d0" * 90] * 2)) <= 210


def test_an_index_links_to_pages_of_every_language(tmp_path) -> None:
    name = "J\u00fcrgen M\u00fcller"
    write_pages(sample.record(sample.verdict(name)), tmp_path)
    links = re.findall(r'<a href="([^"]+)"', (tmp_path / "index.html").read_text())
    assert [unquote(link) for link in links] == ["J\u00fcrgen_M\u00fcller.html"]
    assert links[0].isascii()
    assert (tmp_path / unquote(links[0])).is_file()


def test_a_file_in_the_way_is_named(tmp_path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError, match="the folder cannot be made"):
        write_pages(sample.record(), tmp_path / "taken")
