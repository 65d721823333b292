"""The page, Markdown and JSON of a reproduction: complete, escaped, self-contained."""

import html
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from harness.reproduce import prose
from harness.reproduce.analysis import analyse
from harness.reproduce.as_json import to_json
from harness.reproduce.drawing import draw_panel
from harness.reproduce.markdown import to_markdown
from harness.reproduce.page import strip, to_html
from harness.reproduce.terminal import summary
from harness.reproduce.words import duration, number, p_or_dash, panel_note, protocol_items

from .conftest import make_run

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Page(HTMLParser):
    """Collects tags, ids and text, and refuses tags that do not nest."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.words, self.links = [], [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs if name in ("href", "src", "xlink:href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style"} & set(self.open):
            self.words.append(data)


@pytest.fixture(scope="module")
def found(report):
    runs = []
    for experiment in report.experiments.values():
        for seed in range(4):
            right = round(10 * experiment.reported) + seed
            runs.append(make_run(report, experiment.id, seed, right, batch_loss_every=200))
    return analyse(report, runs)


@pytest.fixture(scope="module")
def page(found):
    return to_html(found)


@pytest.fixture(scope="module")
def drawings(found):
    return {panel.panel.id: draw_panel(panel) for panel in found.panels}


def test_the_page_stands_alone(page):
    parsed = Page(page)
    assert not {"script", "link", "img", "iframe"} & set(parsed.tags)
    assert all(link.startswith("#") for link in parsed.links)
    assert not re.search(r"@import|url\((?!#)", page)
    assert len(parsed.ids) == len(set(parsed.ids)), "an id occurs twice"
    targets = {link[1:] for link in parsed.links} | set(re.findall(r"url\(#([^)]+)\)", page))
    assert targets <= set(parsed.ids)


def test_the_page_holds_everything(page, found):
    text = " ".join(" ".join(Page(page).words).split())
    for row in found.rows:
        assert row.experiment.id in text
        assert f"{row.mean:.2f}" in text
    for judged in found.claims:
        assert " ".join(judged.claim.text.split()) in text
    for panel in found.panels:
        assert f"Figure {panel.panel.id}." in text
    assert page.count("<figure id=") == 27
    assert "not drawn" not in text


def test_markdown_says_what_the_page_says(page, found):
    words = re.sub(r"\s+", " ", " ".join(Page(page).words))
    text = re.sub(r"\s+", " ", to_markdown(found).replace("\\", ""))
    for heading in re.findall(r"<h2>(.*?)</h2>", page):
        assert f"## {heading}" in text
    for convention in found.spec.conventions:
        said = " ".join(convention.text.split())
        assert said in words
        assert said in text
    for item in protocol_items(found.spec):
        assert f"| {item.name} | {item.value} | {', '.join(item.sources)} |" in text
    for said in (
        prose.accuracies(found),
        prose.claims(found),
        prose.PROTOCOL,
        prose.RANGES,
        *(prose.claim_terms(judged) for judged in found.claims),
        *(prose.where(finding) for finding in found.findings),
        prose.provenance(found),
    ):
        assert said in words
        assert said in text
    for name, values in found.provenance.made_with.items():
        assert f"| {name} | {', '.join(values)} |" in text
    assert f"mnist_mlp.toml {found.spec.digest[:12]}" in text


def test_a_panel_is_redrawn_and_bears_the_verdict_on_its_accuracy(report, found):
    runs = [make_run(report, "torch/tanh", seed, 860 + seed) for seed in range(3)]
    off = analyse(report, runs)
    tanh = next(panel for panel in off.panels if panel.panel.id == "15b")
    assert panel_note(off, tanh) == "3 seeds; the report gives a test accuracy of 96 %, not reproduced."
    said = "Of the report's 27 panels 1 are redrawn from our runs"
    for text in (to_markdown(off), to_html(off)):
        flat = html.unescape(text)
        assert said in flat
        assert "A panel has no verdict of its own" in flat
    near = next(panel for panel in found.panels if panel.panel.id == "4")
    assert panel_note(found, near).endswith("; the report gives a test accuracy of 94.3 %, consistent.")


def test_every_heading_of_the_ranges_is_explained():
    assert all(f'"{name}"' in prose.RANGES.lower() for name in ("checks", "caught", "left out"))


def test_the_error_is_shared_out_over_the_figures_that_there_are(digits):
    said = "wrong for any of the reported figures (1) with probability 0.01."  # of two experiments
    assert said in prose.accuracies(analyse(digits, []))
    assert said in to_html(analyse(digits, []))


def test_experiments_are_named_by_their_group_where_it_is_whole(found):
    scratch = tuple(id for id in found.spec.experiments if id.startswith("scratch/"))
    assert prose.concerned(found, tuple(found.spec.experiments)) == "all"
    assert prose.concerned(found, (*scratch, "torch/relu")) == "scratch/*, torch/relu"
    assert prose.concerned(found, scratch[:2]) == ", ".join(scratch[:2])


def test_markdown_says_why_a_row_is_undecided(digits):
    text = to_markdown(analyse(digits, [make_run(digits, "large", 0, 900)]))
    assert "| undecided: 1 run, at least 3 needed |" in text
    assert "No runs yet of large." not in text
    assert "No runs yet of large." in to_markdown(analyse(digits, []))


def test_what_is_missing_is_said(digits):
    text = " ".join(Page(to_html(analyse(digits, []))).words)
    assert "Not drawn: no runs of this experiment yet" in text
    assert "No runs yet of large" in text
    assert "undecided" in text
    assert "nothing is shown as measured that was not" in text
    assert "Accuracies: 1 undecided, 1 no figure" in to_markdown(analyse(digits, []))


def test_every_view_says_what_a_verdict_rests_on(report, tmp_path):
    runs = []
    for experiment, right in (("torch/tanh", 860), ("torch/tanh/l2", 830)):
        runs += [make_run(report, experiment, seed, right + seed) for seed in range(3)]
        runs.append(make_run(report, experiment, 0, 960, variant="sgd-0.1"))
    found = analyse(report, runs)
    said = (
        "contradicted under the protocol as stated, in which torch/tanh and torch/tanh/l2 are themselves not "
        "reproduced"
    )
    others = (
        "1 other protocol has too few seeds to say whether it gives these figures; the claim's difference"
    )
    claim = next(claim for claim in json.loads(to_json(found))["claims"] if claim["id"] == "6")
    assert claim["verdict"] == "contradicted"
    assert claim["caveat"]["text"] == said
    assert claim["caveat"]["not_reproduced"] == ["torch/tanh", "torch/tanh/l2"]
    assert claim["caveat"]["protocols"][0]["figure"] == 0.0
    assert claim["caveat"]["protocols"][0]["cells"]["torch/tanh"]["mean"] == 96.0
    assert json.loads(to_json(found))["claims"][0]["caveat"] is None
    for text in (to_markdown(found), " ".join(Page(to_html(found)).words), summary(found)):
        flat = " ".join(text.split())
        assert said in flat.replace("Contradicted", "contradicted")
        assert others in flat
        assert "those on claims 6, 7 and 8 rest on accuracies that are themselves not reproduced" in flat
    claims = summary(found)[summary(found).index("\nclaim ") :]
    assert max(map(len, claims.splitlines())) <= 100


def test_the_terminal_says_how_to_read_it(report, found):
    flat = " ".join(summary(found).split())
    assert "60 runs, finished between" in flat
    assert "one outside has a p under 0.00067 and is not reproduced. At least 3 seeds are needed." in flat
    assert "A panel has no verdict of its own" in flat
    for finding in found.findings:
        assert finding.quirk.title in flat
    runs = [make_run(report, "torch/relu", seed, 950 + 5 * seed) for seed in range(3)]
    for line in (*summary(found).splitlines(), *summary(analyse(report, runs)).splitlines()):
        assert len(line) <= 100


def test_the_terminal_shows_the_difference_that_decides_a_claim(report):
    runs = []
    for name, right in (("relu", 957), ("tanh", 943), ("sigmoid", 620)):
        runs += [make_run(report, f"scratch/{name}/lr=0.01", seed, right + seed) for seed in range(4)]
    text = summary(analyse(report, runs))
    assert "scratch/relu/lr=0.01 − scratch/tanh/lr=0.01: 1.40 (" in text.split("ReLU is the best")[1]
    assert "no runs of" in text  # why the others are undecided


def test_the_terminal_says_where_runs_come_from_if_there_are_none(digits):
    flat = " ".join(summary(analyse(digits, [])).split())
    assert "Train the reference with --fresh, or name the file of its runs with --runs." in flat


def test_the_specification_is_text_and_no_markup(digits):
    found = analyse(digits, [])
    assert "small &lt;digits&gt; | a *note*" in to_html(found)
    assert "<digits>" not in to_html(found)
    assert r"small \<digits\> \| a \*note\*" in to_markdown(found)


def test_drawings_take_the_colours_of_the_page(drawings):
    for id, svg in drawings.items():
        ElementTree.fromstring(svg)  # well-formed
        assert set(re.findall(r"#[0-9a-f]{6}\b(?!\))", svg)) == set(), id
        assert "var(--first)" in svg
        assert "<style" not in svg, "it would reach beyond the figure"
        assert f'aria-label="Panel {id}: ' in svg


def test_drawings_are_the_same_each_time(found, drawings):
    for panel in (found.panels[0], found.panels[6]):
        assert draw_panel(panel) == drawings[panel.panel.id]


def test_the_reported_figure_is_marked_where_there_is_one(drawings):
    assert "reported: 94.3" in drawings["4"]
    assert "reported" not in drawings["3"]


def test_strip_places_figures_in_proportion(digits):
    runs = [make_run(digits, "large", seed, right) for seed, right in enumerate((880, 890, 900))]
    row = analyse(digits, runs).rows[0]
    svg = strip(row, width=116)
    ElementTree.fromstring(svg)
    start, end = row.low, max(row.high, 99.7)
    centres = [float(x) for x in re.findall(r'cx="([\d.]+)"', svg)]
    assert centres == pytest.approx([8 + 100 * (a - start) / (end - start) for a in (88, 89, 90)], abs=0.06)


def test_json_holds_the_numbers(found):
    document = json.loads(to_json(found))
    assert [row["verdict"] for row in document["accuracies"]] == [row.verdict for row in found.rows]
    assert document["accuracies"][0]["mean"] == found.rows[0].mean
    assert len(document["panels"]) == 27
    assert document["panels"][0]["curve"]["middle"] == list(found.panels[0].curve.middle)
    assert document["claims"][0]["comparisons"][0]["low"] == found.claims[0].comparisons[0].low
    search = next(finding["search"] for finding in document["findings"] if finding["search"])
    assert search[0]["cells"]["torch/relu"]["n"] == 4


def test_markdown_tables_are_rectangular(found):
    for block in to_markdown(found).split("\n\n"):
        if block.startswith("|"):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(widths) == 1, block


def test_words():
    assert number(-1.005, 1) == "−1.0"
    assert number(None) == "–"
    assert p_or_dash(0.00001) == "< 0.0001"
    assert p_or_dash(0.4049) == "0.40"
    assert p_or_dash(0.00076) == "0.00076"
    assert [duration(s) for s in (1.23, 59.6, 720, 7500)] == ["1.2 s", "60 s", "12 min", "2 h 05 min"]
