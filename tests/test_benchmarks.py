"""The benchmarks' own arithmetic: statistics, what contenders compute, the report. No speed is asserted."""

import importlib
import json
import math
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import bare, copies, floor, gradient_ways, grading, growth, report, runner, training
from benchmarks.faults import FAULTS, RIGHT, Fault, submission
from benchmarks.results import (
    AT_LEAST,
    AT_MOST,
    Chart,
    Curve,
    Grid,
    Occasion,
    Results,
    Section,
    Target,
    TimingTable,
)
from benchmarks.runner import PROCESSOR, WALL, Contender, Timing
from harness import oracle

SIZES = (784, 500, 250, 100, 10)


# --- The runner ---


def test_contenders_take_turns_and_the_warm_up_is_not_kept():
    calls = []
    listed = [Contender(name=name, run=lambda name=name: calls.append(name)) for name in "abc"]
    timings = runner.measure(listed, rounds=3, warm_up=1)
    assert [calls[i : i + 3] for i in range(0, 12, 3)] == [
        ["c", "a", "b"],  # the warm-up
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
    ]
    assert [t.name for t in timings] == ["a", "b", "c"]
    assert all(len(t.wall) == len(t.processor) == 3 for t in timings)


def test_preparation_is_outside_the_clock(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(runner.time, "perf_counter", lambda: clock.now)
    monkeypatch.setattr(runner, "processor_seconds", lambda: 10 * clock.now)

    def spend(seconds):
        clock.now += seconds

    one = Contender(name="x", prepare=lambda: spend(100.0), run=lambda: spend(2.0), scale=3.0)
    (timing,) = runner.measure([one], rounds=2)
    assert timing.wall == (6.0, 6.0)
    assert timing.processor == (60.0, 60.0)
    assert runner.measure([one], rounds=1, processor=False)[0].processor == ()


def test_who_is_skipped_is_not_run():
    def never():
        raise AssertionError

    there, away = runner.measure(
        [Contender(name="there", run=lambda: None), Contender(name="away", run=never, skipped="not here")],
        rounds=2,
    )
    assert away.skipped == "not here"
    assert away.wall == ()
    assert math.isnan(away.median(WALL))
    assert runner.ratio(away, there, WALL) is None


def test_a_ratio_is_of_rounds_and_not_of_medians():
    # The machine is ten times slower in the second round: the ratio does not notice.
    a = Timing(name="a", wall=(2.0, 20.0, 2.2))
    b = Timing(name="b", wall=(1.0, 10.0, 1.0))
    found = runner.ratio(a, b, WALL)
    assert found is not None
    assert (found.median, found.low, found.high) == pytest.approx((2.0, 2.0, 2.2))
    assert a.median(WALL) == 2.2


def test_the_processors_clock_counts_this_process():
    before = runner.processor_seconds()
    sum(i * i for i in range(300_000))
    assert runner.processor_seconds() > before


# --- What contenders compute ---


def batches(images=200, seed=3):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 1, (images, 784)).astype(np.float32), rng.integers(0, 10, images)


def by_the_oracle(weights, X, y, activation, learning_rate, batch):
    """Plain gradient descent in float64, in the order of the images."""
    weights = [np.asarray(w, np.float64) for w in weights]
    for start in range(0, len(X), batch):
        rows = slice(start, start + batch)
        _, gradients = oracle.loss_and_gradients(weights, X[rows].astype(np.float64), y[rows], activation)
        weights = [w - learning_rate * g for w, g in zip(weights, gradients)]
    return weights


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_every_contender_makes_the_same_updates(activation):
    X, y = batches(200)  # three batches and a short one
    start = training.starting_weights()
    expected = by_the_oracle(start, X, y, activation, 0.01, 64)
    for name, trainer in training.trainers(start, activation).items():
        trainer.train(X, y, epochs=1, shuffle=False)
        found = trainer.weights()
        assert [w.shape for w in found] == [w.shape for w in expected], name
        for before, after, right in zip(start, found, expected):
            moved = np.linalg.norm(right - before)
            assert np.linalg.norm(after - right) < 1e-3 * moved, name


def test_contenders_shuffle_when_asked_and_train_all_epochs():
    X, y = batches(192)
    start = training.starting_weights()
    straight = by_the_oracle(by_the_oracle(start, X, y, "tanh", 0.01, 64), X, y, "tanh", 0.01, 64)
    for name, trainer in training.trainers(start, "tanh").items():
        trainer.train(X, y, epochs=2, shuffle=True)
        moved = np.linalg.norm(straight[0] - start[0])
        away = np.linalg.norm(trainer.weights()[0] - straight[0])
        assert 1e-3 * moved < away < 0.5 * moved, name  # another order, the same amount of training


def test_the_floor_multiplies_what_an_update_needs():
    assert floor.shapes((784, 500, 10), 64) == [
        ((64, 784), (784, 500)),
        ((64, 500), (500, 10)),
        ((500, 64), (64, 10)),
        ((64, 10), (10, 500)),
        ((784, 64), (64, 500)),
    ]
    # 784 x 500 is multiplied twice for each image (no gradient by the image), the others three times.
    others = 500 * 250 + 250 * 100 + 100 * 10
    assert floor.multiplications(SIZES, 64) == 64 * (2 * 784 * 500 + 3 * others)


@pytest.mark.parametrize("torch", [False, True])
def test_the_floor_does_all_of_its_products(monkeypatch, torch):
    done = []
    name = "_torch_products" if torch else "_numpy_products"
    make = getattr(floor, name)

    def watched(sizes, batch):
        return [lambda each=each: done.append((batch, each())) for each in make(sizes, batch)]

    monkeypatch.setattr(floor, name, watched)
    floor.Products((784, 500, 10), 64, torch=torch).train(100, 2)
    assert [batch for batch, _ in done] == 2 * (5 * [64] + 5 * [36])
    shapes = [tuple(result.shape) for _, result in done[:5]]
    assert shapes == [(a[0], b[1]) for a, b in floor.shapes((784, 500, 10), 64)]


def test_the_floors_factors_have_the_shapes_of_its_products():
    found = [(a.shape, b.shape) for a, b, _ in floor._factors(SIZES, 8)]
    assert found == floor.shapes(SIZES, 8)


# --- The gradient check ---


@pytest.fixture(scope="module")
def right_session(tmp_path_factory):
    with gradient_ways.running(FAULTS[0], tmp_path_factory.mktemp("right")) as session:
        yield session


def test_a_fault_spoils_a_copy_and_only_what_it_says():
    rng = np.random.default_rng(0)
    shapes = [(6, 5), (5,), (5, 4), (4,), (4, 3), (3,)]
    gradients = [rng.normal(size=shape) for shape in shapes]
    kept = [g.copy() for g in gradients]
    spoiled = Fault(name="x", code="g[2] *= n").spoil(gradients, 8)
    assert all(np.array_equal(a, b) for a, b in zip(gradients, kept))
    np.testing.assert_allclose(spoiled[2], 8 * kept[2])
    assert all(np.array_equal(spoiled[i], kept[i]) for i in (0, 1, 3, 4, 5))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_submission_has_the_fault_that_the_others_are_shown(fault, right_session, tmp_path):
    """The file that is graded and the gradient in this process are the same numbers."""
    subject = gradient_ways.Subject.pose(right_session, fault, "sigmoid", 0)
    module = bare.load(submission(fault, tmp_path))
    model = module.build(SIZES, "sigmoid", 0)
    model.set_weights(subject.problem.weights)
    found = model.loss_and_gradients(subject.problem.X, subject.problem.y)[1]
    for a, b, right in zip(found, subject.gradients(), subject.right()):
        np.testing.assert_array_equal(a, b)
        if fault.name == RIGHT:
            np.testing.assert_array_equal(a, right)
    if fault.name != RIGHT:
        assert any(not np.array_equal(a, right) for a, right in zip(found, subject.right()))


def test_a_right_gradient_is_rejected_only_where_rounding_is_not_allowed_for(right_session):
    subject = gradient_ways.Subject.pose(right_session, FAULTS[0], "sigmoid", 0)
    rejecting = {way.name for way in gradient_ways.ways() if way.rejects(subject)}
    assert {name for name in rejecting if "relative" not in name} == set()


def test_telling_coordinates_of_a_right_gradient_are_the_smallest_that_are_not_zero(right_session):
    subject = gradient_ways.Subject.pose(right_session, FAULTS[0], "relu", 0)
    sizes = np.abs(gradient_ways.flat(subject.right()))
    chosen = subject.telling(10)
    assert sorted(sizes[chosen[:5]]) == sorted(np.sort(sizes[sizes > 0])[:5])
    assert len(set(chosen.tolist())) == 10
    assert sizes[chosen].min() > 0


def test_ours_and_full_checks_reject_a_missing_bias_gradient(tmp_path):
    fault = next(f for f in FAULTS if f.name == "b1: all zero")
    with gradient_ways.running(fault, tmp_path) as session:
        subject = gradient_ways.Subject.pose(session, fault, "sigmoid", 0)
        weights = subject.model.get_weights()
        assert gradient_ways.backcheck_differences(subject)
        assert gradient_ways.backcheck_oracle(subject)
        assert gradient_ways.gradcheck_fast(subject)
        assert gradient_ways.gradcheck_default(subject)
        assert gradient_ways.every_relative(subject)
        # No way leaves the network changed for the next.
        assert all(np.array_equal(a, b) for a, b in zip(weights, subject.model.get_weights()))


def test_telling_coordinates_are_those_that_are_wrong(right_session):
    fault = Fault(name="one bias", code="g[1][3] += 1")
    subject = gradient_ways.Subject.pose(right_session, fault, "tanh", 0)
    assert subject.telling(300).tolist() == [784 * 500 + 3]
    many = Fault(name="W1", code="g[0] *= 2; g[0][5, 7] += 1")
    chosen = gradient_ways.Subject.pose(right_session, many, "tanh", 0).telling(300)
    assert len(set(chosen.tolist())) == 300
    assert chosen.max() < 784 * 500
    assert chosen[0] == 5 * 500 + 7  # the furthest from right


def test_the_network_has_as_many_coordinates_as_it_has_weights(right_session):
    subject = gradient_ways.Subject.pose(right_session, FAULTS[0], "relu", 0)
    assert gradient_ways.total() == sum(w.size for w in subject.problem.weights)


# --- Copies and growth ---


def test_copies_are_alike_and_no_two_have_one_digest(tmp_path):
    first = copies.copies(tmp_path / "a", 3)
    texts = {path.read_text() for path in first.iterdir()}
    again = {path.read_text() for path in copies.copies(tmp_path / "b", 3).iterdir()}
    assert len(texts | again) == 6
    source = copies.SOURCE.read_text()
    assert all(text.startswith(source) for text in texts | again)


def point(submissions, workers, seconds, everything):
    return growth.Point(
        submissions=submissions, workers=workers, seconds=seconds, grader=1, everything=everything
    )


def test_growth_is_judged_by_the_largest_class_over_ten():
    points = [point(1, 2, 5, 1), point(10, 1, 99, 9), point(10, 2, 20, 4), point(200, 2, 500, 5)]
    time, memory = growth.targets(points)
    assert (time.measured, time.met) == (pytest.approx(1.25), True)
    assert (memory.measured, memory.met) == (pytest.approx(1.25), True)
    assert all(target.met is None for target in growth.targets(points[:3]))


def test_charts_have_a_curve_for_each_number_of_workers():
    points = [point(10, 2, 20, 4), point(1, 2, 5, 1), point(1, 1, 6, 1)]
    one, two = growth.charts(points)[0].curves
    assert (one.name, one.x, one.y) == ("1 worker", (1.0,), (6.0,))
    assert (two.name, two.x, two.y) == ("2 workers", (1.0, 10.0), (5.0, 20.0))


# --- Targets and the report ---


def timings(**seconds):
    return tuple(Timing(name=name, wall=s, processor=s) for name, s in seconds.items())


def test_training_targets_are_judged_by_the_worst_activation():
    def table(numpy, eager):
        names = (training.FLOOR, training.NUMPY, training.TORCH, training.EAGER, training.LOADER)
        figures = (0.5, numpy, 1.0, eager, 2.0)
        rows = [Timing(name=n, wall=(v,), processor=(v,)) for n, v in zip(names, figures)]
        rows += [Timing(name=n, wall=(2.0,), processor=(2.0,)) for n in (training.SKLEARN, training.PLAIN)]
        return TimingTable(title="", timings=tuple(rows), base=training.NUMPY, clock=PROCESSOR)

    tables = [table(0.6, 1.5), table(1.0, 1.2)]
    found = [target.measured for target in training.targets(tables, tables[0])]
    assert found == pytest.approx([0.5, 2.0, 1.2, 2.0, 2.0, 2.0, 1.2, 1.5])


@pytest.mark.parametrize(
    ("sense", "measured", "met"),
    [
        (AT_LEAST, 2.0, True),
        (AT_LEAST, 1.999, False),
        (AT_MOST, 2.0, True),
        (AT_MOST, 2.001, False),
        (AT_MOST, None, None),
    ],
)
def test_a_target_is_met_missed_or_not_measured(sense, measured, met):
    assert Target(text="x", sense=sense, limit=2.0, measured=measured).met is met


def results():
    table = TimingTable(
        title="Epochs",
        timings=(
            *timings(ours=(1.0, 3.0, 2.0), theirs=(2.0, 6.0, 8.0)),
            Timing(name="away", skipped="not here"),
        ),
        base="ours",
        unit="images",
        amount=4_000,
    )
    grid = Grid(title="Words", columns=("fault", "found"), rows=(("a | b", "1/3"),), note="A note.")
    chart = Chart(
        title="Growth",
        file="growth.svg",
        x_label="submissions",
        y_label="seconds",
        curves=(Curve(name="1 worker", x=(1, 10), y=(2, 20)), Curve(name="2 workers", x=(1, 10), y=(2, 10))),
    )
    target = Target(text="speed", sense=AT_LEAST, limit=1.5, measured=1.234, unit="x")
    section = Section(
        title="Training",
        text="Words.",
        occasion=Occasion(command="python -m benchmarks", date="today", seconds=90, load=(1.0, 2.0)),
        tables=(table, grid),
        charts=(chart,),
        targets=(target,),
    )
    return Results(machine={"processor": "p"}, sections=(section,))


def test_the_markdown_shows_medians_extremes_ratios_and_verdicts():
    lines = report.markdown(results()).splitlines()
    assert "| speed | at least 1.50 x | 1.23 x | **missed** |" in lines
    assert (
        "| theirs | 6.00 (2.00 to 8.00) | 6.00 (2.00 to 8.00) | 2.00 (2.00 to 4.00) | 667 |" in lines
    )  # per round: 2, 2, 4; 4,000 images in 6 seconds
    assert "| away | skipped: not here |  |  |  |" in lines
    assert "| a \\| b | 1/3 |" in lines
    assert "![Growth: seconds over submissions](growth.svg)" in lines
    assert any("today in 1.5 minutes" in line and "1.0 before and 2.0 after" in line for line in lines)


def test_the_markdown_leaves_out_a_clock_that_was_not_read():
    table = TimingTable(title="t", timings=(Timing(name="a", wall=(1.0,)),), base="a")
    section = Section(title="s", text="", tables=(table,))
    text = report.markdown(Results(machine={}, sections=(section,)))
    assert "processor, s" not in text
    assert "| a | 1.00 (1.00 to 1.00) | 1.00 (1.00 to 1.00) |" in text


def test_the_json_holds_every_round_and_the_verdicts():
    found = json.loads(report.as_json(results()))
    assert found["sections"][0]["tables"][0]["timings"][1]["wall"] == [2.0, 6.0, 8.0]
    assert found["targets"][0]["met"] is False
    assert found["schema"] == report.SCHEMA


def test_what_was_kept_comes_back_as_it_was(tmp_path):
    assert report.kept(tmp_path) == ()
    report.write(results(), tmp_path)
    assert report.kept(tmp_path) == results().sections
    (tmp_path / report.DATA).write_text('{"schema": 0}')
    assert report.kept(tmp_path) == ()


def test_a_section_measured_anew_takes_its_place_and_the_others_stay():
    a, b, c = (Section(title=title, text="old") for title in "abc")
    new = Section(title="b", text="new")
    found = Results(machine={}, sections=(a, b)).updated([c, new])
    assert found.sections == (a, new, c)


def test_writing_makes_the_page_the_figures_and_the_charts(tmp_path):
    paths = report.write(results(), tmp_path / "new")
    assert [path.name for path in paths] == ["README.md", "results.json", "growth.svg"]
    before = paths[2].read_bytes()
    assert ElementTree.fromstring(before).tag.endswith("svg")
    assert b"2 workers" in before
    report.write(results(), tmp_path / "new")
    assert paths[2].read_bytes() == before  # the same data, the same bytes


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1234.5, "1,234"),
        (12.345, "12.3"),
        (0.012345, "0.0123"),
        (5e-16, "5e-16"),
        (999.9, "1000"),
    ],
)
def test_figures_have_three_digits(value, text):
    assert report._figure(value) == text


# --- Grading ---


def test_overhead_is_told_from_how_fast_the_machine_trains():
    rows = (
        Timing(name=grading.BARE_FIT, wall=(10.0, 30.0), processor=(10.0, 10.0)),
        Timing(name=grading.BARE, wall=(11.0, 31.0)),
        Timing(name=grading.HARNESS_FIT, wall=(20.0, 10.0), processor=(10.2, 10.2)),
        Timing(name=grading.HARNESS, wall=(20.4, 10.2)),
    )
    table = TimingTable(title="", timings=rows, base=grading.BARE_FIT)
    found = [target.measured for target in grading.targets(table, 15)]
    # Beside fit the bare process takes a tenth of it on one machine's moment, a thirtieth on another's.
    assert found == pytest.approx([2.0, 2.0 - 100 * (1 / 10 + 1 / 30) / 2, 2.0])


def test_the_clocked_submission_trains_as_the_reference_and_tells_its_time(tmp_path):
    X, y = batches(130)
    model = bare.load(grading.clocked(tmp_path)).build(SIZES, "relu", 0)
    history = model.fit(X, y, epochs=1, batch_size=64, learning_rate=0.01)
    reference = importlib.import_module("reference.numpy_mlp").build(SIZES, "relu", 0)
    reference.fit(X, y, epochs=1, batch_size=64, learning_rate=0.01)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), reference.get_weights()))
    assert len(history["clock"]) == 2
    assert min(history["clock"]) > 0


def test_the_shortened_experiment_is_the_reports_but_for_its_length():
    found = grading.shortened(images=1_000, epochs=2).protocol
    assert (found.train_images, found.epochs, found.activation, found.batch_size) == (1_000, 2, "relu", 64)
    assert found.layer_sizes == SIZES
    assert found.learning_rate == 0.01
