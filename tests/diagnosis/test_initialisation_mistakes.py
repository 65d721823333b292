"""Initial weights from known mistaken distributions get their names; right and unknown ones get none."""

import math
import random
from itertools import pairwise

import numpy as np
import pytest

from harness import diagnosis

SIZES = (200, 120, 80, 10)


def built(draw, bias=lambda rng, n: np.zeros(n), sizes=SIZES, seed=0):
    rng = np.random.default_rng(seed)
    return [w for i, o in pairwise(sizes) for w in (draw(rng, i, o), bias(rng, o))]


def uniform(limit, low=-1.0):
    return lambda rng, i, o: limit(i, o) * rng.uniform(low, 1.0, (i, o))


def normal(sd):
    return lambda rng, i, o: sd(i, o) * rng.standard_normal((i, o))


def right(i, o):
    return math.sqrt(6 / (i + o))


def normal_biases(rng, n):
    return rng.normal(0, 0.1, n)


def truncated(sd):
    """Normal draws, of which those beyond two deviations are drawn again."""

    def draw(rng, i, o):
        values = rng.standard_normal(3 * i * o)
        return sd(i, o) * values[abs(values) < 2][: i * o].reshape(i, o)

    return draw


def orthogonal(gain):
    def draw(rng, i, o):
        q, r = np.linalg.qr(rng.standard_normal((max(i, o), min(i, o))))
        q = q * np.sign(np.diag(r))
        return gain(i, o) * (q if i >= o else q.T)

    return draw


def unit_length(axis):
    def draw(rng, i, o):
        W = rng.standard_normal((i, o))
        return W / np.linalg.norm(W, axis=axis, keepdims=True)

    return draw


MISTAKES = [
    ("init_gain", uniform(lambda i, o: 5 / 3 * right(i, o))),
    ("init_gain", uniform(lambda i, o: math.sqrt(2) * right(i, o))),
    ("init_sqrt3", uniform(lambda i, o: math.sqrt(3 / (i + o)))),
    ("init_sqrt2", uniform(lambda i, o: math.sqrt(2 / (i + o)))),
    ("init_limit_doubled", uniform(lambda i, o: 2 * right(i, o))),
    ("init_no_root", uniform(lambda i, o: 6 / (i + o))),
    ("init_fan_in", uniform(lambda i, o: math.sqrt(6 / i))),
    ("init_fan_out", uniform(lambda i, o: math.sqrt(6 / o))),
    ("init_framework", uniform(lambda i, o: 1 / math.sqrt(i))),
    ("init_lecun", uniform(lambda i, o: math.sqrt(3 / i))),
    ("init_missing_brackets", uniform(lambda i, o: math.sqrt(6 / i + o))),
    ("init_missing_brackets", uniform(lambda i, o: math.sqrt(6) / (i + o))),
    ("init_limit_as_sd", normal(right)),
    ("init_normal", normal(lambda i, o: math.sqrt(2 / (i + o)))),
    ("init_he_normal", normal(lambda i, o: math.sqrt(2 / i))),
    ("init_lecun_normal", normal(lambda i, o: 1 / math.sqrt(i))),
    ("init_variance_as_sd", normal(lambda i, o: 2 / (i + o))),
    ("init_not_centred", uniform(right, low=0.0)),
    ("init_not_centred", lambda rng, i, o: rng.random((i, o))),
    ("init_fixed_normal", lambda rng, i, o: 0.01 * rng.standard_normal((i, o))),
    ("init_fixed_normal", lambda rng, i, o: rng.standard_normal((i, o))),
    ("init_fixed_uniform", lambda rng, i, o: rng.uniform(-1, 1, (i, o))),
    ("init_orthogonal", orthogonal(lambda i, o: 1.0)),
    ("init_orthogonal", orthogonal(lambda i, o: math.sqrt(2))),
    ("init_orthogonal", orthogonal(right)),
    ("init_unit_length", unit_length(0)),
    ("init_unit_length", unit_length(1)),
    ("init_limit_halved", uniform(lambda i, o: 0.5 * right(i, o))),
    ("init_fans_multiplied", uniform(lambda i, o: math.sqrt(6 / (i * o)))),
    ("init_framework_fan_out", uniform(lambda i, o: 1 / math.sqrt(o))),
    ("init_he_normal_fan_out", normal(lambda i, o: math.sqrt(2 / o))),
    ("init_normal_variance_halved", normal(lambda i, o: math.sqrt(1 / (i + o)))),
    ("init_zeros", lambda rng, i, o: np.zeros((i, o))),
    ("init_zeros", lambda rng, i, o: rng.uniform(-0.2, 0.2, (i, o)).astype(int).astype(float)),
    ("init_constant", lambda rng, i, o: np.full((i, o), 0.1)),
    ("init_units_equal", lambda rng, i, o: np.tile(rng.uniform(-right(i, o), right(i, o), (i, 1)), (1, o))),
    ("init_inputs_equal", lambda rng, i, o: np.tile(rng.uniform(-right(i, o), right(i, o), (1, o)), (i, 1))),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "draw"), MISTAKES, ids=[f"{name}-{number}" for number, (name, _) in enumerate(MISTAKES)]
)
def test_a_mistaken_distribution_gets_its_name(name, draw):
    for seed in range(5):
        known = diagnosis.initialisation(SIZES, built(draw, seed=seed))
        assert known is not None
        assert known.id == name
        single = [w.astype(np.float32).astype(float) for w in built(draw, seed=seed)]
        assert diagnosis.initialisation(SIZES, single).id == name


@pytest.mark.parametrize("factor", [0.1, 0.01, 2.0])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_one_layer_scaled_is_named(layer, factor):
    found = built(uniform(right))
    found[2 * layer] *= factor
    known = diagnosis.initialisation(SIZES, found)
    assert known.id == "init_layer_scaled"
    assert f"layer {layer + 1}'s weights are {factor:g} x" in known.sentence
    found[2 * layer] *= 0.77
    assert diagnosis.initialisation(SIZES, found) is None


@pytest.mark.parametrize(
    ("sd", "said"),
    [
        (lambda i, o: math.sqrt(2 / (i + o)), "Glorot's variance before"),
        (lambda i, o: math.sqrt(2 / (i + o)) / 0.87962566103423978, "Glorot's variance when"),
        (lambda i, o: math.sqrt(2 / i), "He's variance before"),
        (lambda i, o: math.sqrt(2 / i) / 0.87962566103423978, "He's variance when"),
        (lambda i, o: math.sqrt(1 / i), "LeCun's variance before"),
        (lambda i, o: 0.05, "deviation 0.05, cut"),
    ],
)
def test_a_truncated_normal_is_told_from_a_whole_one(sd, said):
    sizes = (300, 200, 100, 20)
    for seed in range(5):
        known = diagnosis.initialisation(sizes, built(truncated(sd), sizes=sizes, seed=seed))
        assert known.id == "init_truncated_normal"
        assert said in known.sentence
        whole = diagnosis.initialisation(sizes, built(normal(sd), sizes=sizes, seed=seed))
        assert whole is None or whole.id != "init_truncated_normal"


@pytest.mark.parametrize("layers", [(1,), (3,), (1, 2)])
def test_layers_that_start_at_zero_are_named(layers):
    found = built(uniform(right))
    for layer in layers:
        found[2 * layer - 2] *= 0.0
    known = diagnosis.initialisation(SIZES, found)
    assert known.id == "init_layer_zero"
    assert f"layer{'s' * (len(layers) > 1)} {', '.join(map(str, layers))} start at zero" in known.sentence
    found[2] = 0.77 * found[2] + 0.001
    assert diagnosis.initialisation(SIZES, found) is None


@pytest.mark.parametrize(
    ("name", "draw"),
    [("init_he_normal", normal(lambda i, o: math.sqrt(2 / i))), ("init_orthogonal", orthogonal(right))],
)
def test_a_last_layer_that_is_treated_by_itself_is_told_apart(name, draw):
    sizes = (200, 150, 120, 60)
    good, bad = built(uniform(right), sizes=sizes), built(draw, sizes=sizes)
    known = diagnosis.initialisation(sizes, bad[:4] + good[4:])
    assert known.id == name
    assert "layers 1, 2 " in known.sentence or "in all layers but the last, " in known.sentence
    known = diagnosis.initialisation(sizes, good[:4] + bad[4:])
    assert known.id == name
    assert "layer 3 " in known.sentence or "in the last layer, " in known.sentence


@pytest.mark.parametrize("digits", [2, 3])
def test_right_weights_that_are_rounded_are_named(digits):
    found = [np.round(w, digits) for w in built(uniform(right))]
    known = diagnosis.initialisation(SIZES, found)
    assert known.id == "weights_rounded"
    assert f"{digits} decimals" in known.sentence
    odd = [np.round(w, digits) for w in built(uniform(lambda i, o: math.sqrt(5 / (i + o))))]
    assert diagnosis.initialisation(SIZES, odd) is None


def test_draws_that_are_tied_to_one_another_are_not_called_normal():
    """Entries of an orthogonal matrix look normal, of variance 1 / fan_in: only together do they differ."""
    for draw in (orthogonal(lambda i, o: 1.0), unit_length(0)):
        found = built(draw)
        assert diagnosis.initialisation(SIZES, found).id in ("init_orthogonal", "init_unit_length")
        mixed = [*found[:4], *built(normal(lambda i, o: 1 / math.sqrt(i)))[4:]]
        assert diagnosis.initialisation(SIZES, mixed) is None


@pytest.mark.parametrize(
    ("name", "fans"),
    [("first_layer", (200, 120)), ("last_layer", (80, 10)), ("network", (200, 10))],
)
def test_one_limit_for_all_layers_is_named(name, fans):
    known = diagnosis.initialisation(SIZES, built(uniform(lambda i, o: right(*fans))))
    assert known.id == f"init_limit_of_{name}"


def test_biases_that_are_not_zero_are_named_where_the_weights_are_right():
    known = diagnosis.initialisation(SIZES, built(uniform(right), normal_biases))
    assert known.id == "init_random_biases"
    known = diagnosis.initialisation(SIZES, built(uniform(right), lambda rng, n: np.full(n, 0.01)))
    assert known.id == "init_constant_biases"
    assert "0.01" in known.sentence


def test_right_weights_get_no_name():
    for seed in range(50):
        found = built(uniform(right), seed=seed)
        assert diagnosis.initialisation(SIZES, found) is None
        assert diagnosis.initialisation(SIZES, [w.astype(np.float32).astype(float) for w in found]) is None


def test_unknown_distributions_get_no_name():
    triangular = built(lambda rng, i, o: rng.triangular(-right(i, o), 0, right(i, o), (i, o)))
    laplace = built(lambda rng, i, o: rng.laplace(0, right(i, o) / math.sqrt(6), (i, o)))
    odd = built(uniform(lambda i, o: math.sqrt(5 / (i + o))))
    odd_normal = built(normal(lambda i, o: 0.0137))
    mixed = [*built(uniform(right))[:2], *built(normal(right))[2:]]
    for found in (triangular, laplace, odd, odd_normal, mixed):
        assert diagnosis.initialisation(SIZES, found) is None


def test_a_network_too_small_to_tell_two_distributions_apart_gets_no_name():
    sizes = (4, 3)
    generator = random.Random(1)
    for _ in range(20):
        scale = generator.choice([1 / math.sqrt(4), math.sqrt(3 / 4), math.sqrt(6 / 4)])
        W = scale * np.array([[generator.uniform(-1, 1) for _ in range(3)] for _ in range(4)])
        known = diagnosis.initialisation(sizes, [W, np.zeros(3)])
        assert known is None


def test_shapes_and_nan_that_do_not_fit_get_no_name():
    found = built(normal(right))
    assert diagnosis.initialisation((200, 120, 80, 9), found) is None
    assert diagnosis.initialisation(SIZES, [w * np.nan for w in found]) is None
