"""What a reproduction finds, from runs whose answer is known."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from harness.calibration.runs import load_runs
from harness.errors import StoreError
from harness.grading.grade import reference_distributions
from harness.reproduce.analysis import analyse
from harness.reproduce.words import claim_counts, counted, other_protocols, qualification
from harness.statistics import VERDICT_ALPHA, Distribution, judge

from .conftest import make_run

RIGHT = [885, 890, 880, 886, 884, 889]


def test_row_by_scipy(digits):
    found = analyse(digits, [make_run(digits, "large", seed, right) for seed, right in enumerate(RIGHT)])
    row = found.rows[0]
    accuracies = np.array(RIGHT) / 10
    scale = accuracies.std(ddof=1) * math.sqrt(1 + 1 / 6)
    assert row.mean == pytest.approx(accuracies.mean())
    assert row.sd == pytest.approx(accuracies.std(ddof=1))
    assert row.high == pytest.approx(accuracies.mean() + stats.t.ppf(1 - 0.01 / 2, 5) * scale + 0.05)
    assert row.p == pytest.approx(2 * stats.t.sf((99.7 - 0.05 - accuracies.mean()) / scale, 5))
    assert row.verdict == "not reproduced"
    near = [make_run(digits, "large", seed, right + 110) for seed, right in enumerate(RIGHT)]
    assert analyse(digits, near).rows[0].verdict == "consistent"


def test_rows_without_runs_or_figure(digits):
    found = analyse(digits, [make_run(digits, "large", seed, 880) for seed in (0, 1)])
    large, small = found.rows
    assert (large.verdict, large.note) == ("undecided", "2 runs, at least 3 needed")
    assert large.mean is large.low is large.p is None
    assert (small.verdict, small.note) == ("no figure", "no runs, at least 3 needed")
    figured = analyse(digits, [make_run(digits, "small", seed, right) for seed, right in enumerate(RIGHT)])
    assert figured.rows[1].verdict == "no figure"
    assert figured.rows[1].p is None
    assert figured.rows[1].mean == pytest.approx(np.mean(RIGHT) / 10)


def test_nothing_at_all(digits):
    found = analyse(digits, [])
    assert found.provenance is None
    assert found.ranges == ()
    assert [panel.curve for panel in found.panels] == [None, None]
    assert found.claims[0].verdict == "undecided"
    assert found.findings[0].missing == ("large",)


def test_only_runs_of_the_very_protocol_count(digits, report):
    other = make_run(report, "torch/relu", 0, 970)
    found = analyse(digits, [make_run(digits, "large", 0, 880), other])
    assert (found.provenance.runs, found.provenance.left_aside) == (1, 1)
    stale = make_run(digits, "large", 0, 880, provenance=make_run(digits, "small", 0, 1).provenance)
    with pytest.raises(StoreError, match=r"large .* followed another protocol than digits.toml"):
        analyse(digits, [stale])


def test_panels(digits):
    runs = [
        make_run(digits, "large", 0, 900, epoch_accuracy=(10.0, 90.0)),
        make_run(digits, "large", 1, 900, epoch_accuracy=(20.0, 70.0)),
        make_run(digits, "large", 2, 900, epoch_accuracy=(60.0, 80.0)),
        make_run(digits, "small", 0, 100),
        make_run(digits, "small", 1, 200),
    ]
    curve, confusion = analyse(digits, runs).panels
    assert curve.curve.x == (1.0, 2.0)
    assert curve.curve.low == (10.0, 70.0)
    assert curve.curve.middle == (20.0, 80.0)
    assert curve.curve.high == (60.0, 90.0)
    assert confusion.n == 2
    assert confusion.confusion[0][1] == 850
    assert confusion.confusion[3][3] == 15
    assert confusion.accuracy == pytest.approx(15)


def test_batch_losses_lie_where_they_were_recorded(report):
    """Panel 1: 469 batches an epoch, a point at the 200th and the 400th of each."""
    runs = [
        make_run(report, "scratch/sigmoid/lr=0.01", s, 600, batch_loss_every=200, batch_loss=(s, 2, 3, 4))
        for s in range(3)
    ]
    curve = analyse(report, runs).panels[0].curve
    assert curve.x == pytest.approx((200 / 469, 400 / 469, 1 + 200 / 469, 1 + 400 / 469))
    assert (curve.low[0], curve.middle[0], curve.high[0]) == (0, 1, 2)


def test_carried_sum_of_the_zigzag(report):
    runs = [make_run(report, "scratch/sigmoid/lr=0.01", 3, 600, batch_loss=(2.0, 1.0, 3.0, 4.0))]
    finding = next(f for f in analyse(report, runs).findings if f.quirk.id == "zigzag")
    assert finding.accumulated[0].loss == (2.0, 1.0, 3.0, 4.0)
    assert finding.accumulated[0].summed == (2.0, 3.0, 3.0, 7.0)
    assert finding.accumulated[0].ratio == pytest.approx(10 / 5)
    assert finding.accumulated[0].chance == pytest.approx(2.302585)
    assert finding.missing == ("scratch/sigmoid/lr=0.001",)


def test_train_or_test(digits):
    runs = [
        make_run(digits, "large", seed, right, train_accuracy=99.6 + seed / 20)
        for seed, right in enumerate(RIGHT)
    ]
    sets = analyse(digits, runs).findings[0].sets[0]
    assert sets.p_train > 0.5
    assert sets.p_test < 0.001
    assert sets.running == (98.0,) * 6


def test_search_frames_what_is_not_excluded(report):
    reported = {e.id: e.reported for e in report.experiments.values() if e.part == "package"}
    runs = []
    for variant, shift in (("adam-0.001", 0.0), ("sgd-0.1", -3.0)):
        for experiment, figure in reported.items():
            off = shift if experiment == "torch/tanh" else 0.0
            for seed, noise in enumerate((-1, 0, 1)):
                right = round(10 * (figure + off)) + noise
                runs.append(make_run(report, experiment, seed, right, variant=variant))
    finding = next(f for f in analyse(report, runs).findings if f.quirk.kind == "unexplained_rows")
    lines = {line.label: line for line in finding.search.tried}
    assert set(lines) == {"Adam 0.001", "SGD 0.1"}
    assert (lines["Adam 0.001"].fitting, lines["Adam 0.001"].excluded) == (6, 0)
    assert lines["SGD 0.1"].cells["torch/tanh"].fits is False
    assert lines["SGD 0.1"].fitting == 5
    assert "Not excluded for any figure: Adam 0.001." in finding.summary
    assert len(finding.search.lines) == 16


def off(report, **shifts):
    """Three runs of each experiment of part 2 near its stated figure, but for those that are shifted."""
    runs = []
    for experiment in report.experiments.values():
        if experiment.part == "package":
            for seed, noise in enumerate((-1, 0, 1)):
                right = round(10 * (experiment.reported + shifts.get(experiment.id, 0.0))) + noise
                runs.append(make_run(report, experiment.id, seed, right))
    return runs


TANHS = {"torch/tanh": -50.0, "torch/tanh/l2": -60.0}


def test_claims_on_accuracies_that_are_not_reproduced_are_marked_and_judged_as_before(report):
    found = analyse(report, off(report, **TANHS))
    verdicts = {judged.claim.id: judged for judged in found.claims}
    assert set(found.caveats) == {"6", "7", "8"}
    assert found.caveats["6"].experiments == ("torch/tanh", "torch/tanh/l2")
    assert found.caveats["8"].experiments == ("torch/tanh/l2",)
    assert verdicts["6"].verdict == "contradicted"
    assert qualification(found.caveats["6"]) == (
        "under the protocol as stated, in which torch/tanh and torch/tanh/l2 are themselves not reproduced"
    )
    assert qualification(found.caveats["8"]).endswith("in which torch/tanh/l2 is itself not reproduced")
    assert other_protocols(verdicts["6"], found.caveats["6"]) == "No other protocol has runs of this."
    assert claim_counts(found).endswith(
        "; those on claims 6, 7 and 8 rest on accuracies that are themselves not reproduced"
    )
    assert analyse(report, off(report)).caveats == {}
    assert "rest" not in claim_counts(analyse(report, off(report)))


def test_a_claims_figure_under_other_protocols_is_told(report):
    runs = off(report, **TANHS)
    for seed, noise in enumerate((-1, 0, 1)):  # reproduces both figures, and half a point between them
        runs.append(make_run(report, "torch/tanh", seed, 960 + noise, variant="adam-0.001"))
        runs.append(make_run(report, "torch/tanh/l2", seed, 965 - noise, variant="adam-0.001"))
        runs.append(make_run(report, "torch/tanh", seed, 700 + noise, variant="sgd-0.1"))
    for variant, right in (("sgd-0.01", 940), ("sgd-0.01-shuffled", 955)):  # one seed: who knows
        runs.append(make_run(report, "torch/tanh", 0, 950, variant=variant))
        runs.append(make_run(report, "torch/tanh/l2", 0, right, variant=variant))
    runs.append(make_run(report, "torch/tanh", 0, 950, variant="adam-0.01-glorot"))
    found = analyse(report, runs)
    others = {other.candidate: other for other in found.caveats["6"].elsewhere}
    assert {name: other.fits for name, other in others.items()} == {
        "adam-0.001": True,
        "sgd-0.1": False,
        "sgd-0.01": None,
        "sgd-0.01-shuffled": None,
        "adam-0.01-glorot": None,
    }
    assert (others["adam-0.001"].figure, others["adam-0.001"].n) == (pytest.approx(0.5), 3)
    assert (others["sgd-0.01"].figure, others["sgd-0.01"].n) == (pytest.approx(-1.0), 1)
    assert (others["sgd-0.1"].figure, others["sgd-0.1"].n) == (None, 0)
    judged = next(judged for judged in found.claims if judged.claim.id == "6")
    assert other_protocols(judged, found.caveats["6"]) == (
        "Adam 0.001 is not excluded for these figures (torch/tanh has a mean of 96.00, 3 seeds, "
        "torch/tanh/l2 has a mean of 96.50, 3 seeds); under it the claim's difference is 0.50 (3 seeds). "
        "1 other protocol is excluded for at least one of these figures. "
        "3 other protocols have too few seeds to say whether they give these figures; under 2 of them "
        "(1 seed each) the claim's difference lies between −1.00 (SGD 0.01) and 0.50 (SGD 0.01, shuffled)."
    )
    eighth = found.caveats["8"].elsewhere  # compares candidates, which no run combines with another
    assert {other.figure for other in eighth} == {None}


def test_a_claim_about_the_set_that_was_measured_has_no_caveat(report):
    relu = [make_run(report, "scratch/relu/lr=0.01", seed, 900 + seed) for seed in range(4)]
    found = analyse(report, relu)
    assert found.rows[2].verdict == "not reproduced"
    assert "9" not in found.caveats
    assert "1" in found.caveats


def test_counted():
    verdicts = ["undecided", "consistent", "not reproduced", "consistent"]
    assert counted(verdicts) == "2 consistent, 1 not reproduced, 1 undecided"


# --- the bundled runs


@pytest.fixture(scope="module")
def bundled(report):
    return analyse(report, load_runs())


def test_every_row_of_the_report_has_a_verdict(bundled, report):
    assert [row.experiment.id for row in bundled.rows] == list(report.experiments)
    assert {row.verdict for row in bundled.rows} <= {"consistent", "not reproduced", "undecided"}
    for row in bundled.rows:  # a verdict as soon as there are runs, and never without
        assert (row.verdict == "undecided") == (len(row.accuracies) < 3)
    assert len(bundled.claims) == 9
    assert set(bundled.caveats) == {"6", "7", "8"}
    assert len(bundled.panels) == 27


def test_the_rows_follow_from_the_stored_figures(bundled):
    runs = load_runs()
    for row in bundled.rows:
        figures = [
            run.test_accuracy
            for run in runs
            if (run.experiment, run.variant, run.budget) == (row.experiment.id, "report", "full")
        ]
        if len(figures) >= 3:
            assert row.mean == pytest.approx(np.mean(figures))
            reach = stats.t.ppf(1 - 0.01 / 15 / 2, len(figures) - 1) * math.sqrt(1 + 1 / len(figures))
            expected = reach * max(np.std(figures, ddof=1), 0.1) + row.experiment.digit_unit / 2
            assert row.low == pytest.approx(max(0, np.mean(figures) - expected))


def test_few_reference_runs_lie_outside_the_range_of_the_others(bundled):
    """Leaving one out: each screening range has level 0.05 / family, and family is 3 at the least."""
    left_out = [entry for entry in bundled.ranges if entry.left_out is not None]
    runs = sum(entry.n for entry in left_out)
    outside = sum(entry.left_out for entry in left_out)
    assert runs > 0
    assert stats.binomtest(outside, runs, 0.05 / 3, alternative="greater").pvalue > 1e-3


def test_the_ranges_shown_are_those_that_grading_uses(bundled, report):
    """Part 2 neither shuffles nor starts Glorot-uniform: what is graded in its place is another protocol."""
    shown = {entry.experiment: entry for entry in bundled.ranges if entry.budget == "full"}
    submission = SimpleNamespace(experiments=tuple(report.experiments.values()))
    used = reference_distributions(report, [submission])
    for id, distribution in used.items():
        entry = shown[id]
        assert entry.n == distribution.n
        assert entry.mean == pytest.approx(np.mean(distribution.accuracies))
    assert shown["torch/tanh"].protocol == "Adam 0.01, shuffled, Glorot"
    assert shown["scratch/tanh/lr=0.01"].protocol == "as stated"
    search = next(f.search for f in bundled.findings if f.search)
    assert [line.label for line in search.lines if "graded" in line.label] == []


def test_the_reference_passes_its_own_grading():
    """Four runs of each experiment graded against the others, every run being first once: none fails."""
    groups: dict[tuple[str, str], list[float]] = {}
    for run in load_runs():
        if run.variant == "report":
            groups.setdefault((run.experiment, run.budget), []).append(run.test_accuracy)
    graded = failed = 0
    for (experiment, budget), figures in groups.items():
        if len(figures) < 8:
            continue
        for first in range(len(figures)):
            turned = figures[first:] + figures[:first]
            reference = Distribution(
                experiment=experiment,
                budget=budget,
                variant="report",
                seeds=tuple(range(len(turned) - 4)),
                accuracies=tuple(turned[4:]),
            )
            graded += 1
            failed += judge(turned[:4], reference, family=3).status == "fail"
    assert graded > 0
    assert stats.binomtest(failed, graded, VERDICT_ALPHA / 3, alternative="greater").pvalue > 1e-3
