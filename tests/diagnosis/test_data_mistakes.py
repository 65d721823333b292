"""Rows, labels and inputs that a step did not use as it should are read off the weights it leaves."""

from dataclasses import replace

import numpy as np
import pytest

from harness import diagnosis
from tests.diagnosis import by_rows

ALL = ("sigmoid", "tanh", "relu")
RATE = 0.1
ROWS = 9  # fewer than the 11 inputs: each row's share can be solved for


def problem(kind, seed=0):
    return by_rows.make(kind, rows=ROWS, seed=seed, spread=0.5)


def stepped(case, X, y, *, single=False):
    """Weights after a step on other rows than the case's, by the row-wise implementation."""
    used = replace(case, X=np.array(X), y=np.array(y))
    found = [w - RATE * g for w, g in zip(case.weights, by_rows.gradients(used)[0])]
    return [w.astype(np.float32).astype(float) for w in found] if single else found


def named(case, found):
    known = diagnosis.update(case, found, learning_rate=RATE)
    return known.id if known else None


def labels_moved(case, rng):
    return case.X, np.roll(case.y, 1)


def replaced(case, rng):
    rows = rng.integers(0, ROWS, ROWS)
    return case.X[rows], case.y[rows]


def swapped_in_place(case, rng):
    X, y = case.X.copy(), case.y.copy()
    for i in range(ROWS):
        j = int(rng.integers(ROWS))
        X[i], X[j] = X[j], X[i]  # of views: row i is lost
        y[i], y[j] = y[j], y[i]
    return X, y


def halved(case, rng):
    return case.X[: ROWS // 2], case.y[: ROWS // 2]


def one_short(case, rng):
    return case.X[:-1], case.y[:-1]


MISTAKES = [
    ("xy_shuffled_apart", labels_moved),
    ("with_replacement", replaced),
    ("rows_overwritten", swapped_in_place),
    ("rows_left_out", halved),
    ("rows_left_out", one_short),
]


@pytest.mark.parametrize("kind", ["sigmoid", "tanh"])
@pytest.mark.parametrize(("name", "mistake"), MISTAKES, ids=[m.__name__ for _, m in MISTAKES])
def test_what_rows_were_used_is_read_and_named(name, mistake, kind):
    for seed in range(5):
        case = problem(kind, seed)
        assert named(case, stepped(case, *mistake(case, np.random.default_rng(seed)))) == name


@pytest.mark.parametrize(("name", "mistake"), MISTAKES, ids=[m.__name__ for _, m in MISTAKES])
def test_with_dead_units_and_in_float32_it_is_named_or_not_but_never_wrongly(name, mistake):
    right = 0
    for kind in ALL:
        for seed in range(5):
            case = problem(kind, seed)
            for single in (False, True):
                found = stepped(case, *mistake(case, np.random.default_rng(seed)), single=single)
                known = named(case, found)
                assert known in (None, name)
                right += known is not None
    assert right >= 15


def test_the_sentence_counts_the_rows():
    case = problem("tanh")
    known = diagnosis.update(case, stepped(case, case.X[:4], case.y[:4]), learning_rate=RATE)
    assert known.sentence == "a full batch of 9 rows is trained on 4 of them"
    y = case.y.copy()
    first, second = 0, int(np.flatnonzero(y != y[0])[0])
    y[[first, second]] = y[[second, first]]
    known = diagnosis.update(case, stepped(case, case.X, y), learning_rate=RATE)
    assert known.sentence.startswith("2 of 9 rows are trained with another row's label")


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("inputs_rescaled", lambda X: X / 255),
        ("inputs_rescaled", lambda X: 2 * X - 1),
        ("batch_statistics", lambda X: (X - X.mean()) / X.std()),
        ("inputs_binarised", lambda X: np.floor(X)),
        ("inputs_as_bytes", lambda X: (X * 255).astype(np.uint8) / 255),
        ("inputs_as_bytes", lambda X: np.rint(X * 255) / 255),
    ],
    ids=["/255", "+-1", "standardised", "integers", "bytes", "rounded bytes"],
)
def test_inputs_changed_in_fit_alone_are_named(name, change, kind):
    case = problem(kind)
    assert named(case, stepped(case, change(case.X), case.y)) == name


@pytest.mark.parametrize("steps", [1, 6])
def test_weights_drawn_anew_are_named(steps):
    rng = np.random.default_rng(2)
    case = problem("tanh")
    fresh = []
    for w in case.weights:
        limit = np.sqrt(6 / sum(w.shape))
        fresh.append(rng.uniform(-limit, limit, w.shape) if w.ndim == 2 else 0.0 * w)
    asked = {"learning_rate": RATE, "steps": steps}
    moved = [w - RATE * g for w, g in zip(fresh, by_rows.gradients(replace(case, weights=fresh))[0])]
    for found in (fresh, moved):
        assert diagnosis.update(case, found, **asked).id == "reinitialised"
    normal = [rng.normal(0, 1, w.shape) for w in case.weights]
    assert diagnosis.update(case, normal, **asked) is None
    partly = [*fresh[:2], *case.weights[2:]]
    assert diagnosis.update(case, partly, **asked) is None


def test_a_fixed_number_of_epochs_is_named():
    case = problem("tanh")
    weights = case.weights
    for _ in range(15):
        weights = [
            w - RATE * g for w, g in zip(weights, by_rows.gradients(replace(case, weights=weights))[0])
        ]
    known = diagnosis.update(case, weights, learning_rate=RATE, steps=4)
    assert known.id == "epochs_ignored"
    assert known.sentence == "15 steps were taken where 4 were asked for"


def test_more_rows_than_inputs_cannot_be_read_and_get_no_name():
    case = by_rows.make("tanh", rows=14)
    assert named(case, stepped(case, case.X, np.roll(case.y, 1))) is None


def test_labels_that_are_none_of_the_batch_get_no_name():
    rng = np.random.default_rng(4)
    for seed in range(5):
        case = problem("tanh", seed)
        y = rng.integers(0, 5, ROWS)
        if sorted(y) != sorted(case.y):
            assert named(case, stepped(case, case.X, y)) is None


def later(case, X, y):
    """A right first step, and a second that uses other rows or labels."""
    first = stepped(case, case.X, case.y)
    after = replace(case, weights=first)
    second = stepped(after, X, y)
    return [
        diagnosis.Observed(problem=case, learning_rate=RATE, found=first),
        diagnosis.Observed(problem=after, learning_rate=RATE, found=second),
    ]


@pytest.mark.parametrize("kind", ["sigmoid", "tanh"])
def test_labels_that_are_lost_from_the_second_epoch_are_named(kind):
    case = problem(kind)
    known = diagnosis.later_steps(later(case, case.X, np.roll(case.y, 1)))
    assert known.id == "xy_shuffled_apart"
    assert known.sentence.startswith("from the second epoch on, ")
    assert diagnosis.later_steps(later(case, case.X, case.y)) is None


@pytest.mark.parametrize("kind", ["sigmoid", "tanh"])
def test_a_one_hot_array_that_is_not_cleared_is_named(kind):
    case = problem(kind)
    first = stepped(case, case.X, case.y)
    after = replace(case, weights=first)
    # Each row's target holds its own class and that of the row that stood in its place before.
    targets = np.maximum(np.eye(5)[case.y], np.eye(5)[np.roll(case.y, 2)])
    others = iter(targets)
    gradients = by_rows.gradients(after, delta=lambda p, label, z: p - next(others))[0]
    found = [w - RATE * g for w, g in zip(first, gradients)]
    known = diagnosis.later_steps(
        [
            diagnosis.Observed(problem=case, learning_rate=RATE, found=first),
            diagnosis.Observed(problem=after, learning_rate=RATE, found=found),
        ]
    )
    assert known.id == "one_hot_not_cleared"


@pytest.mark.parametrize("kind", ["sigmoid", "tanh"])
def test_renamed_classes_are_named(kind):
    case = problem(kind)
    names = np.array([3, 0, 4, 1, 1])
    assert named(case, stepped(case, case.X, names[case.y])) == "labels_renamed"
