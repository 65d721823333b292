"""Arrays that are right but for how they lie get the name of the mistake; others get none."""

import numpy as np
import pytest

from harness import diagnosis

W1, b1, W2, b2, W3, b3 = (9, 8), (8,), (8, 6), (6,), (6, 5), (5,)
RIGHT = [W1, b1, W2, b2, W3, b3]
ROWS = 7
T1, T2, T3 = (8, 9), (6, 8), (5, 6)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("transposed", [T1, b1, T2, b2, T3, b3]),
        ("order_reversed", [b3, W3, b2, W2, b1, W1]),
        ("order_reversed", [W3, b3, W2, b2, W1, b1]),
        ("order_grouped", [W1, W2, W3, b1, b2, b3]),
        ("biases_missing", [W1, W2, W3]),
        ("bias_as_row", [W1, (1, 8), W2, (1, 6), W3, (1, 5)]),
        ("bias_as_column", [W1, (8, 1), W2, (6, 1), W3, (5, 1)]),
        ("bias_as_column", [T1, (8, 1), T2, (6, 1), T3, (5, 1)]),
        ("bias_scalar", [W1, (), W2, (), W3, ()]),
        ("bias_scalar", [W1, (1,), W2, (1,), W3, (1,)]),
        ("bias_wrong_axis", [W1, (7,), W2, (7,), W3, (7,)]),
        ("bias_not_summed", [W1, (7, 8), W2, (7, 6), W3, (7, 5)]),
    ],
)
def test_a_mistake_gets_its_name(name, found):
    assert diagnosis.shapes(found, RIGHT, ROWS).id == name


@pytest.mark.parametrize(
    "found", [RIGHT, [], RIGHT[:-1], [T1, b1, W2, b2, W3, b3], [W1, b1, W2, b2, W3, (6,)], [(72,), b1]]
)
def test_right_and_unknown_shapes_get_no_name(found):
    assert diagnosis.shapes(found, RIGHT, ROWS) is None


def test_what_is_ambiguous_gets_no_name():
    square = [(5, 5), (5,), (5, 5), (5,)]
    assert diagnosis.shapes([(5, 5), (5, 5), (5,), (5,)], square) is not None
    # One unit in every layer, and one row: a scalar, a row and a wrong axis are one shape.
    narrow = [np.zeros(s).shape for s in ((3, 1), (1,), (1, 1), (1,))]
    assert diagnosis.shapes([(3, 1), (1, 1), (1, 1), (1, 1)], narrow, 1) is None
