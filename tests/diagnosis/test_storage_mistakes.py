"""Weights that come back changed from being set get the name of what was done to them."""

import numpy as np
import pytest
import torch

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
        ("bfloat16", of_all(lambda w: torch.tensor(w).bfloat16().double().numpy())),
        ("weights_rounded", of_all(lambda w: np.array([float(f"{v:.3f}") for v in w.flat]).reshape(w.shape))),
        ("weights_integer", of_biases(lambda w: w.astype(int).astype(float))),
        ("reshape_for_transpose", of_matrices(lambda w: w.ravel().reshape(w.shape[::-1]).T)),
        ("reshape_for_transpose", of_matrices(lambda w: w.T.ravel().reshape(w.shape))),
    ],
    ids=[
        "all float16",
        "matrices float16",
        "bfloat16",
        "decimals",
        "integer biases",
        "reshaped",
        "reshaped back",
    ],
)
def test_a_mistake_gets_its_name(name, change):
    weights = by_rows.make().weights
    weights = [10 * w if w.ndim == 1 else w for w in weights]  # cut to integers, something is left of them
    known = diagnosis.stored(weights, change(weights))
    assert known.id == name
    assert "when they are set" in known.sentence or "reshaped" in known.sentence


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ((1, 3, 5, 7), "the biases stay zero"),
        ((7,), "b4 stays zero"),
        ((0, 2, 4, 6), "the weight matrices stay at old values"),
        ((0, 1), "W1, b1 stay at old values"),
        (tuple(range(8)), "set_weights sets nothing"),
    ],
)
def test_tensors_that_stay_as_they_were_are_named(left, said):
    weights = by_rows.make().weights
    before = [w if w.ndim == 2 else np.zeros(len(w)) for w in by_rows.make(seed=1).weights]
    found = [b if i in left else w for i, (w, b) in enumerate(zip(weights, before))]
    known = diagnosis.stored(weights, found, before=before)
    assert known.id == "weights_not_set"
    assert said in known.sentence
    # Something else besides, or a tensor from elsewhere: that is another mistake.
    assert diagnosis.stored(weights, [1.1 * w for w in found], before=before) is None
    assert diagnosis.stored(weights, [w if w.ndim == 2 else w + 1.0 for w in found], before=before) is None
    in_float32 = [w.astype(np.float32).astype(float) for w in found]
    assert diagnosis.stored(weights, in_float32, before=before).id == "weights_not_set"


def test_what_was_there_before_does_not_hide_a_rounding():
    weights = by_rows.make().weights
    before = [np.zeros_like(w) for w in weights]
    assert diagnosis.stored(weights, of_all(half)(weights), before=before).id == "float16"
    assert diagnosis.stored(weights, weights, before=before) is None


def test_what_is_right_unknown_or_lost_gets_no_name():
    weights = by_rows.make().weights
    rng = np.random.default_rng(0)
    assert diagnosis.stored(weights, weights) is None
    assert diagnosis.stored(weights, [w.astype(np.float32).astype(float) for w in weights]) is None
    assert diagnosis.stored(weights, [rng.normal(0, 1, w.shape) for w in weights]) is None
    assert diagnosis.stored(weights, [w + 1e-3 * rng.normal(0, 1, w.shape) for w in weights]) is None
    assert diagnosis.stored(weights, weights[:-1]) is None
    assert diagnosis.stored(weights, [w * np.nan for w in weights]) is None
