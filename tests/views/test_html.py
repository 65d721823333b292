from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from harness.views import render

from . import sample

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in order; text is kept by the innermost element."""

    def __init__(self, shown: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(shown)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, key, value or "") for key, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and data.strip():
            self.texts.setdefault(self.open[-1], []).append(data.strip())


def test_class_page_links_each_submission_to_its_section() -> None:
    page = Page(render(sample.record(), "html"))
    targets = [value for tag, key, value in page.attributes if (tag, key) == ("a", "href")]
    identifiers = [value for tag, key, value in page.attributes if (tag, key) == ("details", "id")]
    assert targets == [f"#{each}" for each in identifiers]
    assert len(identifiers) == 3
    assert page.texts["a"] == ["alice", "bob", "carol"]
    assert page.texts["h2"] == ["alice", "bob", "carol"]
    assert "56.5/68" in page.texts["strong"]


def test_page_of_one_submission_shows_findings_pictures_and_confusion() -> None:
    shown = render(sample.record(sample.alice()), "html")
    page = Page(shown)
    assert page.texts["h1"] == ["alice"]
    assert any(sample.SUMMED in each for each in page.texts["li"])
    assert page.texts["pre"] == ["expected 0.25\nmeasured 16.0"]
    assert page.tags.count("svg") == 3  # three alike gradients in one, accuracy, loss
    assert page.tags.count("polygon") == 1  # only accuracy has a band
    assert page.texts["td"].count("10") == 10  # the diagonal of the confusion matrix
    assert "97.50" in page.texts["td"]


def test_the_gradient_picture_marks_the_wrong_tensors_only() -> None:
    fits = [*sample.tensors(1.0)[:3], {"tensor": "b2", "scale": -2.0, "cosine": -1.0, "error": 3.0}]
    wrong = sample.check("gradients[tanh]", sample.Status.FAIL, evidence={"per_tensor": fits})
    page = Page(render(sample.record(sample.verdict("eve", (wrong,))), "html"))
    kinds = [
        (tag, value) for tag, key, value in page.attributes if key == "class" and tag in ("circle", "path")
    ]
    assert kinds.count(("circle", "right")) == 6
    assert kinds.count(("path", "wrong")) == 2
    for figure in ("-2", "-1.0000", "1.0000", "b2"):
        assert figure in page.texts["text"]


@pytest.mark.parametrize("scale", [0.0, 1e300, -1e-9, float("inf"), float("nan")])
def test_extreme_scales_stay_inside_the_picture(scale) -> None:
    fits = [{"tensor": "W1", "scale": scale, "cosine": float("nan"), "error": 1.0}]
    wrong = sample.check("gradients[tanh]", sample.Status.FAIL, evidence={"per_tensor": fits})
    shown = render(sample.record(sample.verdict("eve", (wrong,))), "html")
    crosses = [float(each) for each in re.findall(r'd="M([-\d.]+) ', shown)]
    assert len(crosses) == 2
    assert all(60 <= each <= 620 for each in crosses)


def test_nothing_is_fetched_and_nothing_runs() -> None:
    for made in (sample.record(), sample.nasty_record()):
        page = Page(render(made, "html"))
        assert not {"script", "link", "img", "iframe", "object", "embed", "form", "base"} & set(page.tags)
        assert not [key for _, key, _ in page.attributes if key.startswith("on") or key == "src"]
        links = [value for _, key, value in page.attributes if key in ("href", "xlink:href")]
        assert all(re.fullmatch(r"#s\d+", each) for each in links)
        policy = [value for tag, key, value in page.attributes if "default-src" in value]
        assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_hostile_strings_are_text() -> None:
    shown = render(sample.nasty_record(), "html")
    page = Page(shown)
    clean = Page(render(sample.record(sample.alice(), sample.bob()), "html"))
    assert set(page.tags) <= set(clean.tags) | {"ul", "pre"}
    assert any("<script>alert('x')</script>" in each for each in page.texts["li"])
    assert all(line.isprintable() for line in shown.split("\n"))
    assert "49" not in page.texts["li"]  # {{ 7*7 }} is not evaluated


def test_a_hostile_check_id_stays_in_its_attribute() -> None:
    hostile = '"><script>x</script>'
    check = sample.check(hostile, sample.Status.FAIL, evidence={"per_tensor": sample.tensors(2.0)})
    run = sample.experiment(hostile, evidence={"history": {"loss": [1.0, 0.5]}})
    page = Page(render(sample.record(sample.verdict("eve", (check,), (run,))), "html"))
    assert "script" not in page.tags
    labels = [value for tag, key, value in page.attributes if key == "aria-label"]
    assert len(labels) == 2
    assert all(hostile in each for each in labels)


def test_environment_is_for_the_instructor() -> None:
    assert "grader-7" in render(sample.record(), "html")
    assert "20220801" in render(sample.record(), "html")
    student = render(sample.record(), "html", audience="student")
    assert "grader-7" not in student
    assert "20220801" not in student
    assert "/srv" not in student


def test_packages_are_named_with_their_versions() -> None:
    packages = {"numpy": "2.4.6", "torch": None, "scipy": "1.17.1"}
    page = Page(render(replace(sample.record(), environment={"packages": packages}), "html"))
    assert page.texts["dd"] == ["numpy 2.4.6, torch (not installed), scipy 1.17.1"]


def test_a_large_class_is_folded_and_without_pictures() -> None:
    many = sample.record(*(replace(sample.alice(), name=f"student_{index}") for index in range(80)))
    page = Page(render(many, "html"))
    assert "svg" not in page.tags
    assert not [key for tag, key, _ in page.attributes if tag == "details" and key == "open"]
    assert "Pictures are on the submissions' own pages." in page.texts["p"]


def test_an_empty_record_is_a_page() -> None:
    page = Page(render(replace(sample.record(), submissions=(), harness_errors=("no wall",)), "html"))
    assert "No submissions." in page.texts["p"]
    assert "no wall" in page.texts["p"]
