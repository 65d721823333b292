from __future__ import annotations

import pytest

from harness.views import evidence


def test_fractions_become_per_cent_and_single_limits_spread() -> None:
    found = {
        "history": {"accuracy": [0.5, 0.75], "loss": [2, 1]},
        "band": {"accuracy": {"low": 0.25, "high": [0.5, 1.0]}},
    }
    accuracy, loss = evidence.curves(found)
    assert (accuracy.values, accuracy.low, accuracy.high) == ((50.0, 75.0), (25.0, 25.0), (50.0, 100.0))
    assert (loss.values, loss.low) == ((2.0, 1.0), ())


@pytest.mark.parametrize(
    "history",
    [None, [], {"loss": None}, {"loss": []}, {"loss": [1.0, None]}, {"loss": [float("nan")]}, {"loss": "12"},
     {"loss": [True]}, {"loss": [10**400]}, {"loss": [1.0] * 5_000}, {"loss": 3.0}],
)  # fmt: skip
def test_a_curve_that_is_not_whole_is_not_drawn(history) -> None:
    assert evidence.curves({"history": history}) == ()


@pytest.mark.parametrize(
    "table",
    [None, [], [[1]], [[1, 2]], [[1, 2], [3]], [[1, 2], [3, "4"]], [[1, 2], [3, -4]],
     [[1, 2], [3, float("inf")]], [[0] * 30] * 30],
)  # fmt: skip
def test_a_confusion_matrix_that_is_not_one_is_not_drawn(table) -> None:
    assert evidence.confusion({"confusion": table}) == ()


def test_a_confusion_matrix_is_counts() -> None:
    assert evidence.confusion({"confusion": [[1, 2.0], [3, 4]]}) == ((1, 2), (3, 4))


@pytest.mark.parametrize("table", [None, "W1", [3], [{"tensor": "W1"}], [{"scale": "1", "cosine": 1.0}]])
def test_a_gradient_table_that_is_not_one_is_not_drawn(table) -> None:
    assert evidence.tensor_fits({"per_tensor": table}) == ()


def test_a_tensor_is_right_by_the_tolerance_of_its_check() -> None:
    row = {"tensor": "W1", "scale": 1.0, "cosine": 1.0, "error": 3e-6}
    assert evidence.tensor_fits({"per_tensor": [row], "tolerance": 1e-5})[0].right
    assert not evidence.tensor_fits({"per_tensor": [row], "tolerance": 1e-6})[0].right
    del row["error"]
    assert evidence.tensor_fits({"per_tensor": [row]})[0].right
    assert not evidence.tensor_fits({"per_tensor": [{**row, "cosine": 0.9}]})[0].right
