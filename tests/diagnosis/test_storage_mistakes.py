"""Weights that come back changed from being set get the name of what was done to them."""

import numpy as np
import pytest

from harness import diagnosis
from tests.diagnosis import by_rows


def of_matrices(change):
    return lambda weights: [change(w) if w.ndim == 2 else w for w in weights]


def of_biases(change):
    return lambda weights: [change(w) if w.ndim == 1 else w for w in weights]


def of_all(change):
    return lambda weights: [change(w) for w in weights]


def half(w):
    return np.float16(w).astype(float)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("float16", of_all(half)),
        ("float16", of_matrices(half)),
        ("weights_rounded", of_all(lambda w: np.array([float(f"{v:.3f}") for v in w.flat]).reshape(w.shape))),
        ("weights_integer", of_biases(lambda w: w.astype(int).astype(float))),
        ("reshape_for_transpose", of_matrices(lambda w: w.ravel().reshape(w.shape[::-1]).T)),
        ("reshape_for_transpose", of_matrices(lambda w: w.T.ravel().reshape(w.shape))),
    ],
    ids=["all float16", "matrices float16", "decimals", "integer biases", "reshaped", "reshaped back"],
)
def test_a_mistake_gets_its_name(name, change):
    weights = by_rows.make().weights
    weights = [10 * w if w.ndim == 1 else w for w in weights]  # cut to integers, something is left of them
    known = diagnosis.stored(weights, change(weights))
    assert known.id == name
    assert "when they are set" in known.sentence or "reshaped" in known.sentence


def test_what_is_right_unknown_or_lost_gets_no_name():
    weights = by_rows.make().weights
    rng = np.random.default_rng(0)
    assert diagnosis.stored(weights, weights) is None
    assert diagnosis.stored(weights, [w.astype(np.float32).astype(float) for w in weights]) is None
    assert diagnosis.stored(weights, [rng.normal(0, 1, w.shape) for w in weights]) is None
    assert diagnosis.stored(weights, [w + 1e-3 * rng.normal(0, 1, w.shape) for w in weights]) is None
    assert diagnosis.stored(weights, weights[:-1]) is None
    assert diagnosis.stored(weights, [w * np.nan for w in weights]) is None
