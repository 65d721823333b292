"""Mistakes of the forward pass and of the loss, made by an implementation of its own, get their names."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from harness import diagnosis
from tests.diagnosis import by_rows
from tests.diagnosis.by_rows import f, forward_row, probabilities, softmax

ALL = ("sigmoid", "tanh", "relu")


def logits(case, **mistakes):
    return np.array([forward_row(case, x, **mistakes)[0][-1] for x in case.X])


def of_rows(rule):
    """Probabilities that are ``rule`` of each row's logits."""
    return lambda case: np.array([rule(z) for z in logits(case)])


def of_batch(rule):
    return lambda case: rule(logits(case))


def activated(rule):
    return lambda case: probabilities(case, activate=lambda z, kind: rule(z))


def by_torch(layer, *, last=None, inputs=lambda X: X, round_to=None):
    """Probabilities of a PyTorch network whose hidden layer k is ``layer(k, z, b, kind)`` of z = a W."""

    def make(case):
        a = torch.tensor(inputs(case.X))
        depth = len(case.weights) // 2
        for k in range(depth):
            W, b = (torch.tensor(w) for w in case.weights[2 * k : 2 * k + 2])
            z = a @ W
            if k == depth - 1:
                z = z + b if last is None else last(z, b, case.activation)
                return torch.softmax(z, 1).numpy()
            a = layer(k + 1, z, b, case.activation)
            a = a if round_to is None else a.to(round_to).double()
        raise AssertionError

    return make


def act(z, kind):
    return {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}[kind](z)


def right(k, z, b, kind):
    return act(z + b, kind)


def missing(layer):
    return by_torch(lambda k, z, b, kind: z + b if k == layer else act(z + b, kind))


def inputs(rule):
    return by_torch(right, inputs=rule)


def in_layers(layers, change):
    """Hidden layers whose activation is ``change`` of z, and the right one in all others."""
    return by_torch(lambda k, z, b, kind: change(z + b) if k in layers else act(z + b, kind))


def without_bias(layers):
    return by_torch(
        lambda k, z, b, kind: act(z if k in layers else z + b, kind),
        last=lambda z, b, kind: z if 4 in layers else z + b,
    )


def f_of(X, kind):
    return np.vectorize(lambda x: f(x, kind))(X)


def bias_times(factor):
    return by_torch(lambda k, z, b, kind: act(z + factor * b, kind), last=lambda z, b, kind: z + factor * b)


def normalised(layers, norm, *, before):
    """A normalisation of PyTorch's beside the activation of some hidden layers."""

    def layer(k, z, b, kind):
        if k not in layers:
            return act(z + b, kind)
        made = norm(z.shape[1]).double()
        return act(made(z + b), kind) if before else made(act(z + b, kind))

    return lambda case: _detached(by_torch(layer), case)


def _detached(make, case):
    with torch.no_grad():
        return make(case)


def at_rest(units, eps=1e-5):
    return torch.nn.BatchNorm1d(units, eps=eps).eval()


def over_units(units):
    return torch.nn.LayerNorm(units)


def times(factor):
    """Hidden activations times a factor."""
    return by_torch(lambda k, z, b, kind: factor * act(z + b, kind))


FORWARD = [
    ("softmax_axis", ALL, of_batch(lambda z: torch.softmax(torch.tensor(z), 0).numpy())),
    ("softmax_axis", ALL, of_batch(lambda z: _over(np.exp(z.T - z.max(1)).T, 0))),
    ("softmax_of_whole_batch", ALL, of_batch(lambda z: np.exp(z) / np.exp(z).sum())),
    ("softmax_of_whole_batch", ALL, of_batch(lambda z: _over(np.exp(z.T - z.max(1)).T, None))),
    ("double_softmax", ALL, of_rows(lambda z: softmax(softmax(z)))),
    ("softmax_sign", ALL, of_rows(lambda z: softmax(max(z) - z))),
    ("softmax_base_2", ALL, of_rows(lambda z: 2**z / (2**z).sum())),
    ("softmax_base_10", ALL, of_rows(lambda z: 10**z / (10**z).sum())),
    ("logits_returned", ALL, of_rows(lambda z: z)),
    ("log_probabilities_returned", ALL, of_rows(lambda z: np.log(softmax(z)))),
    ("sigmoid_outputs", ALL, of_rows(lambda z: 1 / (1 + np.exp(-z)))),
    ("sigmoid_outputs", ALL, of_rows(lambda z: (s := 1 / (1 + np.exp(-z))) / s.sum())),
    ("linear_outputs", ALL, of_rows(lambda z: z / z.sum())),
    ("classes_predicted", ("sigmoid", "tanh"), of_rows(lambda z: (z == z.max()) * 1.0)),
    ("classes_shifted", ALL, of_rows(lambda z: np.append(softmax(z)[1:], softmax(z)[0]))),
    ("classes_reversed", ALL, of_rows(lambda z: softmax(z)[::-1])),
    ("rows_reversed", ALL, of_batch(lambda z: np.array([softmax(row) for row in z[::-1]]))),
    ("rows_not_answered", ALL, of_batch(lambda z: np.array([softmax(r) * (i < 5) for i, r in enumerate(z)]))),
    ("wrong_activation", ("tanh", "relu"), activated(lambda z: f(z, "sigmoid"))),
    ("wrong_activation", ("sigmoid", "relu"), activated(math.tanh)),
    ("wrong_activation", ("sigmoid", "tanh"), activated(lambda z: max(z, 0.0))),
    ("wrong_activation", ALL, activated(lambda z: math.log(1 + math.exp(z)))),
    ("wrong_activation", ALL, activated(lambda z: z if z > 0 else math.exp(z) - 1)),
    ("wrong_activation", ("sigmoid",), activated(lambda z: 1 / (1 + math.exp(z)))),
    ("wrong_activation", ("sigmoid",), activated(lambda z: 0.5 * (1 + math.tanh(z)))),
    ("wrong_activation", ("tanh",), activated(lambda z: 2 / (1 + math.exp(-z)) - 1)),
    ("wrong_activation", ("relu",), activated(abs)),
    ("wrong_activation", ("relu",), activated(lambda z: min(max(z, 0.0), 1.0))),
    ("wrong_activation", ("relu",), activated(lambda z: z if z > 0.1 else 0.0)),
    ("leaky_relu", ("relu",), activated(lambda z: max(z, 0.01 * z))),
    ("leaky_relu", ("relu",), activated(lambda z: max(z, 0.3141 * z))),
    ("activation_missing", ALL, activated(lambda z: z)),
    *((f"activation_missing_layer_{k}", ALL, missing(k)) for k in (1, 2, 3)),
    ("activation_on_logits", ALL, by_torch(right, last=lambda z, b, kind: act(z + b, kind))),
    ("activation_on_logits", ("sigmoid", "tanh"), by_torch(right, last=lambda z, b, kind: torch.relu(z + b))),
    ("bias_after_activation", ALL, by_torch(lambda k, z, b, kind: act(z, kind) + b)),
    ("bias_missing_hidden", ALL, by_torch(lambda k, z, b, kind: act(z, kind))),
    ("bias_missing_output", ALL, by_torch(right, last=lambda z, b, kind: z)),
    ("bias_missing", ALL, by_torch(lambda k, z, b, kind: act(z, kind), last=lambda z, b, kind: z)),
    ("bias_sign", ALL, by_torch(lambda k, z, b, kind: act(z - b, kind), last=lambda z, b, kind: z - b)),
    ("reshape_for_transpose", ALL, inputs(lambda X: X.reshape(X.shape[1], X.shape[0]).T.copy())),
    ("inputs_rescaled", ALL, inputs(lambda X: X / 255)),
    ("inputs_rescaled", ("sigmoid", "tanh"), inputs(lambda X: X * 255)),
    ("inputs_rescaled", ALL, inputs(lambda X: (X - 0.5) / 0.5)),
    ("inputs_rescaled", ALL, inputs(lambda X: (X - 0.1307) / 0.3081)),
    ("inputs_binarised", ALL, inputs(lambda X: (X > 0.5) * 1.0)),
    ("inputs_as_bytes", ALL, inputs(lambda X: (X * 255).astype(np.uint8) / 255)),
    ("inputs_as_bytes", ALL, inputs(lambda X: np.rint(X * 255) / 255)),
    ("batch_statistics", ALL, inputs(lambda X: (X - X.mean()) / X.std())),
    ("batch_statistics", ALL, inputs(lambda X: X - X.mean(axis=0))),
    ("inputs_rescaled", ALL, inputs(lambda X: X / 256)),
    ("inputs_rescaled", ALL, inputs(lambda X: (X - 0.4) / 0.21)),
    ("inputs_rescaled", ALL, inputs(lambda X: np.array([(x - x.mean()) / x.std() for x in X]))),
    ("batch_statistics", ALL, inputs(lambda X: (X - X.mean()) / (X.std() + 1e-8))),
    ("batch_statistics", ALL, inputs(lambda X: (X - X.min()) / (X.max() - X.min()))),
    ("batch_statistics", ALL, normalised({1, 2, 3}, torch.nn.BatchNorm1d, before=True)),
    ("batch_statistics", ALL, normalised({2}, torch.nn.BatchNorm1d, before=False)),
    ("batch_norm_left", ALL, normalised({1, 2, 3}, at_rest, before=True)),
    ("batch_norm_left", ALL, normalised({1}, at_rest, before=False)),
    ("batch_norm_left", ALL, normalised({3}, lambda units: at_rest(units, 1e-3), before=True)),
    ("layer_norm", ALL, normalised({1, 2, 3}, over_units, before=True)),
    ("layer_norm", ALL, normalised({1}, over_units, before=False)),
    *((f"wrong_activation_layer_{k}", ("sigmoid", "tanh"), in_layers({k}, torch.relu)) for k in (1, 2, 3)),
    *((f"wrong_activation_layer_{k}", ("sigmoid", "relu"), in_layers({k}, torch.tanh)) for k in (1, 2, 3)),
    *((f"wrong_activation_layer_{k}", ("tanh", "relu"), in_layers({k}, torch.sigmoid)) for k in (1, 2, 3)),
    ("wrong_activation_layer_3", ALL, in_layers({3}, lambda z: torch.softmax(z, 1))),
    ("wrong_activation_some_layers", ("sigmoid", "tanh"), in_layers({2, 3}, torch.relu)),
    ("wrong_activation_some_layers", ("sigmoid", "relu"), in_layers({1, 2}, torch.tanh)),
    ("activation_missing_some_layers", ALL, in_layers({2, 3}, lambda z: z)),
    *(("bias_missing_some_layers", ALL, without_bias(k)) for k in ({1}, {2}, {3}, {2, 3}, {1, 4}, {2, 3, 4})),
    ("bias_scaled", ALL, bias_times(2.0)),
    ("bias_scaled", ALL, bias_times(1 / 7)),
    ("activations_scaled", ALL, times(0.8)),
    ("activations_scaled", ALL, times(1 / 0.7)),
    ("wrong_activation", ("tanh",), activated(lambda z: 1.7159 * math.tanh(2 * z / 3))),
    ("wrong_activation", ("tanh",), activated(lambda z: math.tanh(0.37 * z))),
    ("wrong_activation", ("sigmoid",), activated(lambda z: f(1.3 * z, "sigmoid"))),
    ("softmax_temperature", ALL, of_rows(lambda z: softmax(z / 2))),
    ("softmax_temperature", ALL, of_rows(lambda z: softmax(1.37 * z))),
    ("softmax_max_axis", ALL, of_batch(lambda z: _over(np.exp(z - z.max(axis=0)), 1))),
    ("softmax_shift_one_sided", ALL, of_rows(lambda z: np.exp(z - z.max()) / np.exp(z).sum())),
    ("softmax_shift_one_sided", ALL, of_rows(lambda z: np.exp(z) / np.exp(z - z.max()).sum())),
    ("softmax_not_normalised", ALL, of_rows(lambda z: np.exp(z - z.max()))),
    ("softmax_not_normalised", ALL, of_rows(np.exp)),
    ("softmax_epsilon", ALL, of_rows(lambda z: np.exp(z - z.max()) / (np.exp(z - z.max()).sum() + 1e-3))),
    ("softmax_epsilon", ALL, of_rows(lambda z: np.exp(z) / (np.exp(z).sum() + 1))),
    ("probabilities_clipped", ALL, of_rows(lambda z: np.clip(softmax(z), 0.05, 0.95))),
    ("probabilities_clipped", ("tanh", "relu"), of_rows(lambda z: np.maximum(softmax(z), 0.02))),
    ("activation_on_probabilities", ALL, of_rows(lambda z: np.tanh(softmax(z)))),
    ("activation_on_inputs", ("sigmoid", "tanh"), lambda c: inputs(lambda X: f_of(X, c.activation))(c)),
    ("one_row_for_all", ALL, of_batch(lambda z: np.array([softmax(z[0])] * len(z)))),
    ("one_row_for_all", ALL, of_batch(lambda z: np.array([softmax(z[-1])] * len(z)))),
    ("softmax_unit_length", ALL, of_rows(lambda z: np.exp(z) / math.sqrt((np.exp(z) ** 2).sum()))),
    ("float16", ALL, by_torch(right, round_to=torch.float16)),
    ("probabilities_rounded", ALL, of_rows(lambda z: np.array([float(f"{p:.3f}") for p in softmax(z)]))),
]  # fmt: skip


def _over(e, axis):
    return e / e.sum(axis=axis, keepdims=True)


def cases(mistakes):
    return [
        pytest.param(name, kind, mistake, id=f"{name}-{kind}-{number}")
        for number, (name, kinds, mistake) in enumerate(mistakes)
        for kind in kinds
    ]


@pytest.mark.parametrize(("name", "kind", "mistake"), cases(FORWARD))
def test_a_mistake_of_the_forward_pass_gets_its_name(name, kind, mistake):
    case = by_rows.make(kind)
    known = diagnosis.forward(case, mistake(case))
    assert known is not None
    assert known.id == name


@pytest.mark.parametrize(("name", "kind", "mistake"), cases(FORWARD))
def test_in_float32_it_gets_its_name_or_none(name, kind, mistake):
    case = by_rows.make(kind, seed=2)
    known = diagnosis.forward(case, mistake(case).astype(np.float32).astype(float))
    assert known is None or known.id == name


@pytest.mark.parametrize("kind", ALL)
def test_right_and_random_probabilities_get_no_name(kind):
    rng = np.random.default_rng(4)
    for seed in range(5):
        case = by_rows.make(kind, seed=seed)
        P = probabilities(case)
        assert diagnosis.forward(case, P) is None
        assert diagnosis.forward(case, P.astype(np.float32).astype(float)) is None
        for size in (1e-5, 1e-3, 0.1):
            noisy = np.abs(P + size * rng.standard_normal(P.shape))
            assert diagnosis.forward(case, noisy) is None
            assert diagnosis.forward(case, noisy / noisy.sum(axis=1, keepdims=True)) is None
        assert diagnosis.forward(case, P * np.nan) is None
        assert diagnosis.forward(case, P[:3]) is None


# A softmax of these is one known mistake, or none.
OTHER_OUTPUTS = (
    "logits_returned",
    "linear_outputs",
    "log_probabilities_returned",
    "sigmoid_outputs",
    "classes_predicted",
)


@pytest.mark.parametrize("kind", ALL)
def test_two_mistakes_of_the_forward_pass_get_no_name(kind):
    case = by_rows.make(kind)
    for name, kinds, mistake in FORWARD:
        if kind in kinds and name not in OTHER_OUTPUTS:
            P = mistake(case)
            # A normalisation at rest changes less than float32's error.
            if name not in ("double_softmax", "batch_norm_left"):
                assert diagnosis.forward(case, np.array([softmax(p) for p in P])) is None, name
            assert diagnosis.forward(case, P * 1.01) is None, name


def test_one_row_does_not_confuse_batch_and_row():
    case = by_rows.make(rows=1)
    assert (
        diagnosis.forward(case, np.ones((1, 5))) is None
    )  # a softmax over the batch, or anything that gives 1
    assert diagnosis.forward(case, np.array([softmax(softmax(logits(case)[0]))])).id == "double_softmax"


def test_leaks_are_told_as_fitted():
    case = by_rows.make("relu")
    known = diagnosis.forward(case, activated(lambda z: max(z, 0.3141 * z))(case))
    assert "0.3141" in known.sentence


def test_a_constant_is_told_as_fitted():
    case = by_rows.make("sigmoid")
    for make, said in (
        (of_rows(lambda z: softmax(z / 3)), "divided by 3"),
        (of_rows(lambda z: softmax(1.5 * z)), "multiplied by 1.5"),
        (inputs(lambda X: (X - 0.4) / 0.2), "5 x - 2:"),
        (inputs(lambda X: X / 256), "0.003906 x:"),
        (times(0.8), "multiplied by 0.8,"),
    ):
        assert said in diagnosis.forward(case, make(case)).sentence


def test_the_layers_of_a_mistake_are_named():
    case = by_rows.make("tanh")
    assert "layers 2, 3, " in diagnosis.forward(case, without_bias({2, 3})(case)).sentence
    assert "hidden layer 3 uses ReLU" in diagnosis.forward(case, in_layers({3}, torch.relu)(case)).sentence
    assert "hidden layers 2, 3 use" in diagnosis.forward(case, in_layers({2, 3}, torch.relu)(case)).sentence


@pytest.mark.parametrize("kind", ALL)
def test_a_network_of_one_hidden_layer_has_no_other_layers_to_be_right(kind):
    case = by_rows.make(kind, sizes=(11, 9, 5))
    other = "tanh" if kind == "sigmoid" else "sigmoid"
    wrong = probabilities(case, activate=lambda z, _: f(z, other))
    assert diagnosis.forward(case, wrong).id == "wrong_activation"
    known = diagnosis.forward(case, without_bias({1})(case))
    assert known.id == "bias_missing_hidden"


def test_a_constant_is_not_fitted_to_hardly_any_numbers():
    case = by_rows.make(sizes=(4, 3, 2), rows=2)
    assert diagnosis.forward(case, np.array([[0.2, 0.8], [0.7, 0.3]])) is None


def test_inputs_scaled_by_what_is_nearly_the_batch_are_not_called_rescaled():
    case = by_rows.make()
    for rule in (lambda X: X / (X.max() - 1e-5), lambda X: (X - X.mean()) / (X.std() - 1e-4)):
        assert diagnosis.forward(case, inputs(rule)(case)) is None


def nll(case):
    """-log p of each row's label."""
    return np.array([-math.log(softmax(z)[label]) for z, label in zip(logits(case), case.y)])


def by_loss(rule):
    """A loss of PyTorch's on (logits, labels)."""
    return lambda case: float(rule(torch.tensor(logits(case)), torch.tensor(case.y)))


def hot(z, y):
    return functional.one_hot(y, z.shape[1]).double()


def squares(case):
    return sum(float((W**2).sum()) for W in case.weights[::2])


def rarity(z, y):
    """The weight 1 / count of each class, 0 of those that are not there."""
    counts = torch.bincount(y, minlength=z.shape[1])
    return torch.where(counts > 0, 1.0 / counts, 0.0).double()


def loss_of(case, make):
    return float(np.mean([-math.log(p[label]) for p, label in zip(make(case), case.y)]))


LOSS = [
    ("sum_loss", lambda c: nll(c).sum()),
    ("loss_divided_twice", lambda c: nll(c).mean() / 7),
    ("loss_averaged_over_classes", lambda c: nll(c).mean() / 5),
    ("loss_over_64", lambda c: nll(c).sum() / 64),
    ("loss_over_n_minus_1", lambda c: nll(c).sum() / 6),
    ("loss_over_classes", lambda c: nll(c).sum() / 5),
    ("loss_doubled", lambda c: 2 * nll(c).mean()),
    ("loss_halved", lambda c: nll(c).mean() / 2),
    ("loss_sign", lambda c: -nll(c).mean()),
    ("log2_loss", lambda c: nll(c).mean() / math.log(2)),
    ("log10_loss", lambda c: nll(c).mean() / math.log(10)),
    ("sum_loss_in_bits", lambda c: nll(c).sum() / math.log(2)),
    ("loss_of_one_row", lambda c: nll(c)[0]),
    ("loss_of_one_row", lambda c: nll(c)[-1]),
    ("loss_median", lambda c: np.median(nll(c))),
    ("loss_broadcast", lambda c: np.mean([[-math.log(softmax(z)[k]) for k in c.y] for z in logits(c)])),
    ("loss_of_prediction", lambda c: np.mean([-math.log(max(softmax(z))) for z in logits(c)])),
    ("classes_shifted", lambda c: nll(replace(c, y=(c.y + 1) % 5)).mean()),
    ("classes_shifted", lambda c: nll(replace(c, y=(c.y - 1) % 5)).mean()),
    ("double_softmax", by_loss(lambda z, y: functional.cross_entropy(torch.softmax(z, 1), y))),
    ("softmax_axis", by_loss(lambda z, y: functional.nll_loss(torch.log_softmax(z, 0), y))),
    ("nll_of_probabilities", by_loss(lambda z, y: functional.nll_loss(torch.softmax(z, 1), y))),
    ("nll_of_logits", by_loss(functional.nll_loss)),
    ("log_normaliser_missing", lambda c: np.mean([max(z) - z[k] for z, k in zip(logits(c), c.y)])),
    (
        "labels_renumbered",
        by_loss(lambda z, y: functional.cross_entropy(z, y.unique(return_inverse=True)[1])),
    ),
    ("entropy", lambda c: np.mean([-(softmax(z) * np.log(softmax(z))).sum() for z in logits(c)])),
    ("squared_error", by_loss(lambda z, y: functional.mse_loss(torch.softmax(z, 1), hot(z, y)))),
    ("squared_error", by_loss(lambda z, y: ((torch.softmax(z, 1) - hot(z, y)) ** 2).sum(1).mean())),
    ("absolute_error", by_loss(lambda z, y: (torch.softmax(z, 1) - hot(z, y)).abs().sum(1).mean())),
    ("binary_cross_entropy", by_loss(lambda z, y: functional.binary_cross_entropy(z.softmax(1), hot(z, y)))),
    ("binary_cross_entropy", by_loss(lambda z, y: functional.binary_cross_entropy_with_logits(z, hot(z, y)))),
    ("label_smoothing", by_loss(lambda z, y: functional.cross_entropy(z, y, label_smoothing=0.1))),
    ("log_clipped", by_loss(lambda z, y: functional.nll_loss(torch.log(torch.softmax(z, 1) + 1e-3), y))),
    ("class_weights", by_loss(lambda z, y: functional.cross_entropy(z, y, weight=rarity(z, y)))),
    ("class_weights", lambda c: np.mean([v * 7 / (5 * list(c.y).count(k)) for v, k in zip(nll(c), c.y)])),
    ("hinge_loss", by_loss(functional.multi_margin_loss)),
    ("hinge_loss", by_loss(lambda z, y: z.shape[1] * functional.multi_margin_loss(z, y))),
    ("softmax_temperature", by_loss(lambda z, y: functional.cross_entropy(z / 2, y))),
    ("softmax_max_axis", by_loss(lambda z, y: functional.cross_entropy(z - z.max(0).values, y))),
    ("softmax_shift_one_sided", lambda c: np.mean(nll(c) - logits(c).max(axis=1))),
    ("softmax_shift_one_sided", lambda c: np.mean(nll(c) + logits(c).max(axis=1))),
    ("batch_statistics", lambda c: loss_of(c, normalised({1, 2, 3}, torch.nn.BatchNorm1d, before=True))),
    ("batch_statistics", lambda c: loss_of(c, normalised({2}, torch.nn.BatchNorm1d, before=False))),
    ("perplexity", lambda c: math.exp(nll(c).mean())),
    ("loss_rounded", lambda c: float(f"{nll(c).mean():.3f}")),
    ("float16", lambda c: np.float16(nll(c).mean())),
    ("loss_over_fixed", lambda c: nll(c).sum() / 128),
    ("loss_with_penalty", lambda c: nll(c).mean() + 1e-3 * sum(abs(W).sum() for W in c.weights[::2])),
    ("loss_with_penalty", lambda c: nll(c).mean() + 1e-3 * squares(c)),
    ("loss_with_penalty", lambda c: nll(c).mean() + 0.5e-2 * squares(c)),
]  # fmt: skip


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(("name", "mistake"), LOSS, ids=[f"{name}-{i}" for i, (name, _) in enumerate(LOSS)])
def test_a_mistake_of_the_loss_gets_its_name(name, kind, mistake):
    case = by_rows.make(kind)
    known = diagnosis.loss(case, float(mistake(case)))
    assert known is not None
    assert known.id == name


@pytest.mark.parametrize("kind", ALL)
def test_mistakes_of_the_loss_are_not_mixed_up_in_float32(kind):
    for seed in range(3):
        case = by_rows.make(kind, seed=seed)
        for name, mistake in LOSS:
            known = diagnosis.loss(case, float(np.float32(mistake(case))))
            assert known is None or known.id == name


def test_right_and_random_losses_get_no_name():
    rng = np.random.default_rng(6)
    named = 0
    for seed in range(40):
        case = by_rows.make(ALL[seed % 3], seed=seed)
        mean = nll(case).mean()
        assert diagnosis.loss(case, float(mean)) is None
        assert diagnosis.loss(case, float(np.float32(mean))) is None
        for _ in range(10):
            named += diagnosis.loss(case, float(mean * rng.uniform(0.1, 3.0))) is not None
    # A number can fall beside a prediction by chance, about one time in two thousand.
    assert named <= 2


def test_nan_is_no_loss_to_name():
    case = by_rows.make()
    assert diagnosis.loss(case, math.nan) is None
    assert diagnosis.loss(case, math.inf) is None
