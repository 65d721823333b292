"""Mistakes of the update, made by PyTorch's optimizers and by plain loops, get their names."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from harness import diagnosis
from tests.diagnosis import by_rows

ALL = ("sigmoid", "tanh", "relu")
STEPS = 6


class Network:
    """A PyTorch network with a case's weights; ``step`` functions train it on the whole batch."""

    def __init__(self, case):
        self.case = case
        self.w = [torch.tensor(w, requires_grad=True) for w in case.weights]
        self.X, self.y = torch.tensor(case.X), torch.tensor(case.y)
        self.act = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}[case.activation]

    def gradients(self):
        a = self.X
        for i in range(0, len(self.w), 2):
            z = a @ self.w[i] + self.w[i + 1]
            a = self.act(z)
        loss = torch.nn.functional.cross_entropy(z, self.y)
        return torch.autograd.grad(loss, self.w)

    def move(self, changes):
        with torch.no_grad():
            for w, change in zip(self.w, changes):
                w += change

    def arrays(self):
        return [w.detach().numpy().copy() for w in self.w]


def train(case, step, steps):
    """Weights after ``steps`` calls of ``step(network, gradients, number)``, which gives the changes."""
    network = Network(case)
    for number in range(steps):
        network.move(step(network, network.gradients(), number))
    return network.arrays()


def by_optimizer(make, *, every=None):
    """Train with a torch optimizer; ``every`` makes a new one at each step."""

    def run(case, steps):
        network = Network(case)
        optimizer = make(network.w)
        for _ in range(steps):
            optimizer = make(network.w) if every else optimizer
            for w, g in zip(network.w, network.gradients()):
                w.grad = g
            optimizer.step()
        return network.arrays()

    return run


def stepping(step):
    return lambda case, steps: train(case, step, steps)


def rated(factor):
    """Steps of gradient descent whose rate is ``factor`` of (number, tensor)."""
    return stepping(lambda net, gs, number: [-RATE * factor(number, i) * g for i, g in enumerate(gs)])


def counted(count):
    return lambda case, steps: train(case, lambda net, gs, number: [-RATE * g for g in gs], count(steps))


def decaying(strength, reach=lambda i: True, form=lambda w: w, times=lambda number: 1.0):
    """Gradient descent with ``strength`` x ``form(w)`` added for the tensors that ``reach`` says."""

    def step(net, gs, number):
        return [
            -RATE * (g + (strength * times(number) * form(w.detach()) if reach(i) else 0.0))
            for i, (w, g) in enumerate(zip(net.w, gs))
        ]

    return stepping(step)


def accumulated(case, steps):
    total = None

    def step(net, gs, number):
        nonlocal total
        total = gs if total is None else [t + g for t, g in zip(total, gs)]
        return [-RATE * t for t in total]

    return train(case, step, steps)


def lagging(case, steps):
    before = None

    def step(net, gs, number):
        nonlocal before
        used, before = before or gs, gs
        return [-RATE * g for g in used]

    return train(case, step, steps)


def stale(case, steps):
    """Each layer steps before the error goes back through it."""
    W = [w.copy() for w in case.weights]
    f = {"sigmoid": lambda z: 1 / (1 + np.exp(-z)), "tanh": np.tanh, "relu": lambda z: np.maximum(z, 0)}
    for _ in range(steps):
        values, zs = [case.X], []
        for i in range(0, len(W), 2):
            zs.append(values[-1] @ W[i] + W[i + 1])
            values.append(f[case.activation](zs[-1]))
        d = np.array([by_rows.softmax(z) for z in zs[-1]])
        d[np.arange(len(d)), case.y] -= 1
        d /= len(d)
        for k in range(len(zs) - 1, -1, -1):
            W[2 * k] = W[2 * k] - RATE * values[k].T @ d
            W[2 * k + 1] = W[2 * k + 1] - RATE * d.sum(axis=0)
            if k:
                slope = np.array([[by_rows.df(z, case.activation) for z in row] for row in zs[k - 1]])
                d = (d @ W[2 * k].T) * slope
    return W


def rounded(keep):
    def run(case, steps):
        network = Network(case)
        for _ in range(steps):
            changed = [w.detach() - RATE * g for w, g in zip(network.w, network.gradients())]
            network.move([keep(c) - w.detach() for c, w in zip(changed, network.w)])
        return network.arrays()

    return run


def sgd(**options):
    return by_optimizer(lambda ws: torch.optim.SGD(ws, lr=RATE, **options))


def clipped(change):
    return stepping(lambda net, gs, number: [-RATE * g for g in change(gs)])


def weights_alone(i):
    return i % 2 == 0


def biases_alone(i):
    return i % 2 == 1


RATE = 0.1
DECAY = 0.05
ONE_STEP = [
    ("no_update", rated(lambda k, i: 0.0)),
    ("sign_flipped", rated(lambda k, i: -1.0)),
    ("update_twice", rated(lambda k, i: 2.0)),
    ("extra_epoch", counted(lambda steps: steps + 1)),
    ("scale_1_over_N", rated(lambda k, i: 1 / 7)),
    ("scale_N", rated(lambda k, i: 7.0)),
    ("learning_rate_ignored", rated(lambda k, i: 0.01 / RATE)),
    ("bias_never_updated", rated(lambda k, i: i % 2 == 0)),
    ("weights_never_updated", rated(lambda k, i: i % 2)),
    ("frozen_layer_1", rated(lambda k, i: i > 1)),
    ("frozen_layer_4", rated(lambda k, i: i < 6)),
    ("frozen_hidden_layers", rated(lambda k, i: i > 5)),
    ("frozen_tensors", rated(lambda k, i: i not in (2, 5))),
    ("bias_sum", rated(lambda k, i: 7.0 if i % 2 else 1.0)),
    ("stale_weights", stale),
    ("weight_decay_spurious", decaying(1e-3)),
    ("weight_decay_spurious", decaying(0.02, weights_alone)),
    ("weight_decay_spurious", sgd(weight_decay=1e-5)),
    ("gradient_clipped", clipped(lambda gs: [g.clamp(-0.01, 0.01) for g in gs])),
    ("gradient_normalised", clipped(lambda gs: [g / g.norm() for g in gs])),
    ("gradient_sign_only", clipped(lambda gs: [g.sign() for g in gs])),
    ("float16", rounded(lambda w: w.half().double())),
    ("weights_rounded", rounded(lambda w: torch.round(w, decimals=3))),
    ("weights_overwritten", stepping(lambda net, gs, n: [-RATE * g - w.detach() for w, g in zip(net.w, gs)])),
]
MORE_STEPS = [
    ("missing_epoch", counted(lambda steps: steps - 1)),
    ("extra_epoch", counted(lambda steps: steps + 1)),
    ("single_epoch", counted(lambda steps: 1)),
    ("update_twice", counted(lambda steps: 2 * steps)),
    ("update_twice", rated(lambda k, i: 2.0)),
    ("no_update", rated(lambda k, i: 0.0)),
    ("bias_never_updated", rated(lambda k, i: i % 2 == 0)),
    ("stale_weights", stale),
    ("gradient_accumulated", accumulated),
    ("stale_gradient", lagging),
    ("momentum_spurious", sgd(momentum=0.9)),
    ("momentum_spurious", sgd(momentum=0.37)),
    ("momentum_spurious", sgd(momentum=0.9, nesterov=True)),
    ("learning_rate_decays", rated(lambda k, i: 0.95**k)),
    ("learning_rate_decays", rated(lambda k, i: 1 / (k + 1))),
    ("weight_decay_spurious", decaying(1e-3)),
    ("weight_decay_spurious", sgd(weight_decay=0.01)),
]
DECAYS = [
    ("weight_decay_missing", decaying(0.0)),
    ("weight_decay_doubled", decaying(2 * DECAY)),
    ("weight_decay_doubled", decaying(2 * DECAY, weights_alone)),
    ("weight_decay_halved", decaying(DECAY / 2)),
    ("weight_decay_sign", decaying(-DECAY)),
    ("weight_decay_divided_by_n", decaying(DECAY / 7)),
    ("weight_decay_times_n", decaying(DECAY * 7)),
    ("weight_decay_not_times_lr", decaying(DECAY / RATE, weights_alone)),
    ("weight_decay_times_lr_twice", decaying(DECAY * RATE)),
    ("weight_decay_squared", decaying(DECAY**2)),
    ("weight_decay_on_biases_only", decaying(DECAY, biases_alone)),
    ("weight_decay_l1", decaying(DECAY, form=torch.sign)),
    ("weight_decay_of_norm", decaying(DECAY, form=lambda w: w / w.norm())),
]
ADAM = [
    ("adam_betas_swapped", by_optimizer(lambda ws: torch.optim.Adam(ws, lr=1e-3, betas=(0.999, 0.9)))),
    ("adam_betas", by_optimizer(lambda ws: torch.optim.Adam(ws, lr=1e-3, betas=(0.9, 0.99)))),
    ("adam_epsilon", by_optimizer(lambda ws: torch.optim.Adam(ws, lr=1e-3, eps=1e-4))),
    ("adam_state_reset", by_optimizer(lambda ws: torch.optim.Adam(ws, lr=1e-3), every=True)),
    ("adam_is_sgd", by_optimizer(lambda ws: torch.optim.SGD(ws, lr=1e-3))),
    ("adam_is_rmsprop", by_optimizer(lambda ws: torch.optim.RMSprop(ws, lr=1e-3))),
    ("adam_is_adagrad", by_optimizer(lambda ws: torch.optim.Adagrad(ws, lr=1e-3, eps=1e-8))),
    ("adam_is_momentum", by_optimizer(lambda ws: torch.optim.SGD(ws, lr=1e-3, momentum=0.9))),
    ("learning_rate_ignored", by_optimizer(lambda ws: torch.optim.Adam(ws, lr=1e-2))),
    ("update_twice", by_optimizer(lambda ws: torch.optim.Adam(ws, lr=2e-3))),
    ("sign_flipped", by_optimizer(lambda ws: torch.optim.Adam(ws, lr=1e-3, maximize=True))),
]


def adam_by_hand(mean=None, size=None, count=lambda k, i: k + 1, square=np.square):
    """Adam in NumPy with a mistake in the corrected mean or in the divisor (functions of m or v, and t)."""
    mean = mean or (lambda m, t: m / (1 - 0.9**t))
    size = size or (lambda v, t: np.sqrt(v / (1 - 0.999**t)) + 1e-8)

    def run(case, steps):
        network = Network(case)
        m, v = ([np.zeros_like(w) for w in case.weights] for _ in range(2))
        for k in range(steps):
            changes = []
            for i, g in enumerate(network.gradients()):
                m[i] = 0.9 * m[i] + 0.1 * g.numpy()
                v[i] = 0.999 * v[i] + 0.001 * square(g.numpy())
                changes.append(torch.tensor(-1e-3 * mean(m[i], count(k, i)) / size(v[i], count(k, i))))
            network.move(changes)
        return network.arrays()

    return run


ADAM += [
    ("adam_no_bias_correction", adam_by_hand(lambda m, t: m, lambda v, t: np.sqrt(v) + 1e-8)),
    ("adam_no_bias_correction_first", adam_by_hand(mean=lambda m, t: m)),
    ("adam_no_bias_correction_second", adam_by_hand(size=lambda v, t: np.sqrt(v) + 1e-8)),
    ("adam_t_reset", adam_by_hand(count=lambda k, i: 1)),
    ("adam_t_per_tensor", adam_by_hand(count=lambda k, i: 8 * k + i + 1)),
    ("adam_t_per_tensor", adam_by_hand(count=lambda k, i: 8 * k + [0, 4, 1, 5, 2, 6, 3, 7][i] + 1)),
    ("adam_t_per_layer", adam_by_hand(count=lambda k, i: 4 * k + i // 2 + 1)),
    ("adam_t_off_by_one", adam_by_hand(count=lambda k, i: k + 2)),
    ("adam_corrected_means_kept", adam_by_hand(mean=lambda m, t: np.divide(m, 1 - 0.9**t, out=m))),
    (
        "adam_corrected_means_kept",
        adam_by_hand(size=lambda v, t: np.sqrt(np.divide(v, 1 - 0.999**t, out=v)) + 1e-8),
    ),
    (
        "adam_corrected_means_kept",
        adam_by_hand(
            mean=lambda m, t: np.divide(m, 1 - 0.9**t, out=m),
            size=lambda v, t: np.sqrt(np.divide(v, 1 - 0.999**t, out=v)) + 1e-8,
        ),
    ),
    ("adam_correction_of_other_beta", adam_by_hand(size=lambda v, t: np.sqrt(v / (1 - 0.9**t)) + 1e-8)),
    ("adam_correction_of_other_beta", adam_by_hand(mean=lambda m, t: m / (1 - 0.999**t))),
    (
        "adam_correction_of_other_beta",
        adam_by_hand(lambda m, t: m / (1 - 0.999**t), lambda v, t: np.sqrt(v / (1 - 0.9**t)) + 1e-8),
    ),
    ("adam_epsilon_inside", adam_by_hand(size=lambda v, t: np.sqrt(v / (1 - 0.999**t) + 1e-8))),
    ("adam_no_root", adam_by_hand(size=lambda v, t: v / (1 - 0.999**t) + 1e-8)),
    ("adam_square_missing", adam_by_hand(square=abs)),
    ("adam_square_missing", adam_by_hand(square=abs, size=lambda v, t: v / (1 - 0.999**t) + 1e-8)),
]
ADAM_DECAYS = [
    ("adam_decoupled_decay", by_optimizer(lambda ws: torch.optim.AdamW(ws, lr=1e-3, weight_decay=DECAY))),
    ("weight_decay_missing", by_optimizer(lambda ws: torch.optim.Adam(ws, lr=1e-3))),
    ("weight_decay_doubled", by_optimizer(lambda ws: torch.optim.Adam(ws, lr=1e-3, weight_decay=2 * DECAY))),
    (
        "weight_decay_divided_by_n",
        by_optimizer(lambda ws: torch.optim.Adam(ws, lr=1e-3, weight_decay=DECAY / 7)),
    ),
]


def parameters(listed):
    return [pytest.param(name, run, id=f"{name}-{number}") for number, (name, run) in enumerate(listed)]


def named(case, found, **asked):
    known = diagnosis.update(case, found, **asked)
    return known.id if known else None


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(("name", "run"), parameters(ONE_STEP))
def test_a_mistake_in_one_step_gets_its_name(name, run, kind):
    case = by_rows.make(kind)
    assert named(case, run(case, 1), learning_rate=RATE, steps=1) == name


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(("name", "run"), parameters(MORE_STEPS))
def test_a_mistake_in_several_steps_gets_its_name(name, run, kind):
    case = by_rows.make(kind)
    assert named(case, run(case, STEPS), learning_rate=RATE, steps=STEPS) == name


@pytest.mark.parametrize("steps", [1, STEPS])
@pytest.mark.parametrize(("name", "run"), parameters(DECAYS))
def test_a_mistake_of_weight_decay_gets_its_name(name, run, steps):
    case = by_rows.make("tanh")
    asked = {"learning_rate": RATE, "steps": steps, "weight_decay": DECAY}
    assert named(case, run(case, steps), **asked) == name


@pytest.mark.parametrize(("name", "run"), parameters(ADAM))
def test_a_mistake_of_adam_gets_its_name(name, run):
    case = by_rows.make("tanh")
    assert named(case, run(case, STEPS), learning_rate=1e-3, steps=STEPS, optimizer="adam") == name


@pytest.mark.parametrize(("name", "run"), parameters(ADAM_DECAYS))
def test_a_mistake_of_decay_in_adam_gets_its_name(name, run):
    case = by_rows.make("tanh")
    asked = {"learning_rate": 1e-3, "steps": STEPS, "optimizer": "adam", "weight_decay": DECAY}
    assert named(case, run(case, STEPS), **asked) == name


def single(arrays):
    return [a.astype(np.float32).astype(float) for a in arrays]


@pytest.mark.parametrize(
    ("listed", "asked"),
    [
        (ONE_STEP, {"learning_rate": RATE, "steps": 1}),
        (MORE_STEPS, {"learning_rate": RATE, "steps": STEPS}),
        (DECAYS, {"learning_rate": RATE, "steps": STEPS, "weight_decay": DECAY}),
        (ADAM, {"learning_rate": 1e-3, "steps": STEPS, "optimizer": "adam"}),
        (ADAM_DECAYS, {"learning_rate": 1e-3, "steps": STEPS, "optimizer": "adam", "weight_decay": DECAY}),
    ],
    ids=["one", "more", "decays", "adam", "adam decays"],
)
def test_in_float32_a_mistake_gets_its_name_or_none(listed, asked):
    case = by_rows.make("tanh")
    silent = 0
    for name, run in listed:
        known = named(case, single(run(case, asked["steps"])), **asked)
        assert known in (None, name)
        silent += known is None
    assert silent < len(listed) / 2


def adam_with_state(case, steps, state, slot, count):
    """Steps of Adam whose running means lie in ``state`` under ``slot(i)``."""
    network = Network(case)
    for k in range(steps):
        changes = []
        for i, g in enumerate(network.gradients()):
            m, v = state.get(slot(i), (0.0, 0.0))
            m, v = 0.9 * m + 0.1 * g.numpy(), 0.999 * v + 0.001 * g.numpy() ** 2
            state[slot(i)] = m, v
            t = count(k, i)
            changes.append(torch.tensor(-1e-3 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)))
        network.move(changes)
    return network.arrays()


@pytest.mark.parametrize("counted", [False, True])
def test_running_means_shared_by_shape_get_their_name(counted):
    case = by_rows.make("tanh", sizes=(9, 6, 6, 6, 5))
    shapes = [w.shape for w in case.weights]
    seen = Counter()

    def count(k, i):
        seen[shapes[i]] += 1
        return seen[shapes[i]] if counted else k + 1

    found = adam_with_state(case, STEPS, {}, lambda i: shapes[i], count)
    assert named(case, found, learning_rate=1e-3, steps=STEPS, optimizer="adam") == "adam_state_by_shape"


@pytest.mark.parametrize(
    ("forgotten", "count", "name"),
    [
        (True, lambda k, i: k + 1 + STEPS, "adam_t_kept"),
        (False, lambda k, i: k + 1, "adam_means_kept"),
        (True, lambda k, i: k + 1, None),  # a fresh start is right
        (True, lambda k, i: k + 3, None),  # and what is not known has no name
    ],
)
def test_what_a_second_fit_keeps_gets_its_name(forgotten, count, name):
    case, state = by_rows.make("tanh"), {}
    middle = adam_with_state(case, STEPS, state, lambda i: i, lambda k, i: k + 1)
    second = replace(case, weights=middle)
    found = adam_with_state(second, STEPS, {} if forgotten else state, lambda i: i, count)
    known = diagnosis.second_fit(case, second, found, learning_rate=1e-3, steps=STEPS)
    assert (known.id if known else None) == name


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("keep", [lambda arrays: arrays, single], ids=["float64", "float32"])
def test_right_updates_get_no_name(kind, keep):
    case = by_rows.make(kind)
    for steps in (1, STEPS):
        asked = {"learning_rate": RATE, "steps": steps}
        assert named(case, keep(sgd()(case, steps)), **asked) is None
        for reach in (lambda i: True, weights_alone):
            found = keep(decaying(DECAY, reach)(case, steps))
            assert named(case, found, weight_decay=DECAY, **asked) is None
    run = by_optimizer(lambda ws: torch.optim.Adam(ws, lr=1e-3))
    asked = {"learning_rate": 1e-3, "steps": STEPS, "optimizer": "adam"}
    assert named(case, keep(run(case, STEPS)), **asked) is None


@pytest.mark.parametrize("kind", ALL)
def test_random_and_unknown_updates_get_no_name(kind):
    rng = np.random.default_rng(8)
    case = by_rows.make(kind)
    for steps in (1, STEPS):
        asked = {"learning_rate": RATE, "steps": steps}
        right = sgd()(case, steps)
        for size in (1e-4, 1e-2):
            noisy = [w + size * rng.standard_normal(w.shape) for w in right]
            assert named(case, noisy, **asked) is None
            assert named(case, noisy, weight_decay=DECAY, **asked) is None
            assert named(case, noisy, optimizer="adam", **asked) is None
        assert named(case, rated(lambda k, i: 0.6180339)(case, steps), **asked) is None
        assert named(case, [w * np.nan for w in right], **asked) is None
        assert named(case, right[:-1], **asked) is None


@pytest.mark.parametrize("first", ["bias_never_updated", "frozen_layer_1", "update_twice", "sign_flipped"])
def test_two_mistakes_at_once_get_no_name(first):
    """A decay of 0.013, or momentum 0.37, with another mistake on top: neither is named alone."""
    case = by_rows.make("tanh")
    factor = {
        "bias_never_updated": lambda i: i % 2 == 0,
        "frozen_layer_1": lambda i: i > 1,
        "update_twice": lambda i: 2.0,
        "sign_flipped": lambda i: -1.0,
    }[first]

    def both(net, gs, number):
        return [-RATE * factor(i) * (g + 0.013 * w.detach()) for i, (w, g) in enumerate(zip(net.w, gs))]

    for steps in (1, STEPS):
        assert named(case, train(case, both, steps), learning_rate=RATE, steps=steps) is None


def test_decay_that_reaches_some_tensors_names_those_it_misses():
    case = by_rows.make("tanh")
    found = decaying(DECAY, lambda i: i in (1, 3, 5, 6, 7))(case, 1)
    known = diagnosis.update(case, found, learning_rate=RATE, weight_decay=DECAY)
    assert known.id == "weight_decay_some_tensors"
    assert known.sentence == "W1, W2, W3 do not decay, the others do"


def test_the_fitted_constants_are_told():
    case = by_rows.make("tanh")
    known = diagnosis.update(case, decaying(0.0123)(case, 1), learning_rate=RATE)
    assert "0.0123" in known.sentence
    known = diagnosis.update(case, sgd(momentum=0.37)(case, STEPS), learning_rate=RATE, steps=STEPS)
    assert "0.37" in known.sentence


def test_at_learning_rate_zero_what_moves_is_named():
    case = by_rows.make("tanh")
    asked = {"learning_rate": 0.0, "steps": 1}
    assert named(case, [0.98 * w for w in case.weights], **asked) == "weight_decay_not_times_lr"
    assert named(case, [0.0 * w for w in case.weights], **asked) == "weights_overwritten"
    assert named(case, [w.astype(np.float16).astype(float) for w in case.weights], **asked) == "float16"
    assert named(case, [np.round(w, 2) for w in case.weights], **asked) == "weights_rounded"
    assert named(case, case.weights, **asked) is None


def observed(run, *, rate=RATE, rows=7, kind="tanh"):
    """One step at a rate, by a function of (case, rate, number of steps)."""
    case = by_rows.make(kind, rows=rows)
    return diagnosis.Observed(problem=case, learning_rate=rate, found=run(case, rate, 1))


def at_rates(run, kind="tanh"):
    """Steps at three rates and of two batches, and the step after the first, as the checks take them."""
    steps = [observed(run, rate=rate, rows=rows, kind=kind) for rate, rows in SETTINGS]
    case = by_rows.make(kind)
    after = replace(case, weights=steps[0].found)
    second = diagnosis.Observed(problem=after, learning_rate=RATE, found=run(case, RATE, 2))
    return steps, second


SETTINGS = ((RATE, 7), (0.4, 7), (0.05, 7), (RATE, 10))


def lengthened(factor):
    """Steps of gradient descent, ``factor`` (case, rate, number, gradients) times as long."""

    def run(case, rate, steps):
        def step(net, gs, number):
            return [-rate * factor(case, rate, number, gs) * g for g in gs]

        return train(case, step, steps)

    return run


def by_rule(make):
    """Training by a torch optimizer that is made of (weights, rate)."""
    return lambda case, rate, steps: by_optimizer(lambda ws: make(ws, rate))(case, steps)


def of_length(gs):
    return float(torch.sqrt(sum((g**2).sum() for g in gs)))


def averaged(case, rate, steps):
    """Half way between the last weights and the first."""
    last = train(case, lambda net, gs, number: [-rate * g for g in gs], steps)
    return [(w + s) / 2 for w, s in zip(last, case.weights)]


LAWS = [
    ("learning_rate_squared", lengthened(lambda case, rate, k, gs: rate)),
    ("learning_rate_ignored", lengthened(lambda case, rate, k, gs: 0.01 / rate)),
    ("learning_rate_ignored", lengthened(lambda case, rate, k, gs: 0.0317 / rate)),
    ("learning_rate_scaled", lengthened(lambda case, rate, k, gs: 0.3)),
    ("learning_rate_scaled", lengthened(lambda case, rate, k, gs: 0.01)),
    ("learning_rate_warms_up", lengthened(lambda case, rate, k, gs: 0.01 * (k + 1))),
    ("scaled_by_batch_size", lengthened(lambda case, rate, k, gs: len(case.X) / 256)),
    ("scale_1_over_N", lengthened(lambda case, rate, k, gs: 1 / len(case.X))),
    ("scale_N", lengthened(lambda case, rate, k, gs: len(case.X))),
    ("update_twice", lengthened(lambda case, rate, k, gs: 2.0)),
    ("sign_flipped", lengthened(lambda case, rate, k, gs: -1.0)),
    ("no_update", lengthened(lambda case, rate, k, gs: 0.0)),
    ("gradient_clipped", lengthened(lambda case, rate, k, gs: 0.05 / of_length(gs))),
    ("momentum_spurious", by_rule(lambda ws, rate: torch.optim.SGD(ws, rate, 0.9, nesterov=True))),
    ("weights_averaged", averaged),
    ("sgd_is_adaptive", by_rule(lambda ws, rate: torch.optim.Adam(ws, rate))),
    ("sgd_is_adaptive", by_rule(lambda ws, rate: torch.optim.RMSprop(ws, rate))),
]


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(("name", "run"), parameters(LAWS))
def test_steps_at_several_rates_tell_the_law_of_their_length(name, run, kind):
    assert diagnosis.steps(*at_rates(run, kind)).id == name


UNKNOWN_LAWS = [
    by_rule(lambda ws, rate: torch.optim.SGD(ws, rate)),  # right
    by_rule(lambda ws, rate: torch.optim.Adagrad(ws, rate)),
    lengthened(lambda case, rate, k, gs: min(rate, 0.1) / rate),
    lengthened(lambda case, rate, k, gs: rate**1.5),
    lengthened(lambda case, rate, k, gs: of_length(gs)),
    lengthened(lambda case, rate, k, gs: 0.5 if k else 1.7),
    lengthened(lambda case, rate, k, gs: np.sqrt(len(case.X) / 64)),
]


@pytest.mark.parametrize("run", UNKNOWN_LAWS)
def test_steps_of_right_length_or_by_no_known_law_get_no_name(run):
    assert diagnosis.steps(*at_rates(run)) is None


def test_in_float32_the_law_of_the_length_is_told_or_not_but_never_wrongly():
    silent = 0
    for name, run in LAWS:
        steps, second = at_rates(lambda case, rate, n, run=run: single(run(case, rate, n)))
        known = diagnosis.steps(steps, second)
        assert known is None or known.id == name, known
        silent += known is None
    assert silent < len(LAWS) / 2


def one_by_one(run, steps=STEPS):
    """Every step from the weights before it."""
    case, ends = by_rows.make("tanh"), [run(by_rows.make("tanh"), steps) for steps in range(1, steps + 1)]
    starts = [case.weights, *ends[:-1]]
    return [
        diagnosis.Observed(problem=replace(case, weights=start), learning_rate=RATE, found=end)
        for start, end in zip(starts, ends)
    ]


def test_a_rate_that_falls_by_no_formula_is_seen_step_by_step():
    run = rated(lambda k, i: 1.0 if k < 3 else 0.37 * 0.8**k)
    known = diagnosis.later_steps(one_by_one(run))
    assert known.id == "learning_rate_decays"
    assert known.sentence.startswith("step 4 is ")
    assert diagnosis.later_steps(one_by_one(sgd())) is None
    assert diagnosis.later_steps(one_by_one(rated(lambda k, i: 1.0 if k % 2 == 0 else 0.0))) is None


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("weights_averaged", "means"),
        ("learning_rate_decays", rated(lambda k, i: 1 / (1 + 0.03 * k))),
        ("learning_rate_decays", rated(lambda k, i: 0.5 * (1 + np.cos(np.pi * k / STEPS)))),
        ("learning_rate_decays", rated(lambda k, i: 1 - k / STEPS)),
        ("momentum_spurious", sgd(momentum=0.9, dampening=0.9)),
    ],
)
def test_schedules_and_means_get_their_name(name, run):
    case = by_rows.make("tanh")
    if run == "means":
        ends = [sgd()(case, steps) for steps in range(1, STEPS + 1)]
        found = [np.mean(each, axis=0) for each in zip(*ends)]
    else:
        found = run(case, STEPS)
    assert named(case, found, learning_rate=RATE, steps=STEPS) == name


BATCHES = 3


def restarting(beta):
    """Momentum that each epoch of ``BATCHES`` steps starts anew."""

    def run(case, steps):
        speed = None

        def step(net, gs, number):
            nonlocal speed
            fresh = number % BATCHES == 0
            speed = gs if fresh else [beta * s + g for s, g in zip(speed, gs)]
            return [-RATE * s for s in speed]

        return train(case, step, steps)

    return run


LOOPS = [
    ("momentum_spurious", restarting(0.9)),
    ("momentum_spurious", restarting(0.5)),
    ("gradient_accumulated", restarting(1.0)),
    ("learning_rate_decays", rated(lambda k, i: 0.9 ** (k % BATCHES))),
    ("learning_rate_decays", rated(lambda k, i: 0.97**k)),
    ("updates_every_few_batches", rated(lambda k, i: float(k % 2 == 0))),
]


@pytest.mark.parametrize(("name", "run"), parameters(LOOPS))
def test_a_mistake_in_the_loop_over_batches_gets_its_name(name, run):
    case = by_rows.make("tanh")
    assert named(case, run(case, 6), learning_rate=RATE, steps=6, batches=BATCHES) == name


def test_right_loops_over_batches_get_no_name():
    case = by_rows.make("tanh")
    for keep in (lambda arrays: arrays, single):
        assert named(case, keep(sgd()(case, 6)), learning_rate=RATE, steps=6, batches=BATCHES) is None


@pytest.mark.parametrize("place", [0, 2])
def test_decay_once_an_epoch_gets_its_name(place):
    case = by_rows.make("tanh")
    run = decaying(DECAY, times=lambda number: float(number % BATCHES == place))
    asked = {"learning_rate": RATE, "steps": 6, "batches": BATCHES, "weight_decay": DECAY}
    assert named(case, run(case, 6), **asked) == "weight_decay_once_an_epoch"
    assert named(case, decaying(DECAY)(case, 6), **asked) is None


def steep(case):
    """A case whose first layer has a gradient of length 100."""
    return replace(case, weights=[w * (30 if i and i % 2 == 0 else 0.05) for i, w in enumerate(case.weights)])


def shortened(limit, groups):
    """Clipping of the length of the gradients of each group together."""

    def run(gs):
        factors = {i: min(1.0, limit / of_length([gs[j] for j in group])) for group in groups for i in group}
        return [factors[i] * g for i, g in enumerate(gs)]

    return clipped(run)


LIMITS = [
    (clipped(lambda gs: [g.clamp(-1, 1) for g in gs]), "every gradient entry is clipped to 1"),
    (shortened(5.0, [range(8)]), "together are scaled down to length 5"),
    (shortened(2.0, [[i] for i in range(8)]), "each gradient is scaled down to length 2"),
]


@pytest.mark.parametrize(("run", "text"), LIMITS)
def test_what_is_done_to_a_large_gradient_is_named_with_its_limit(run, text):
    case = steep(by_rows.make("tanh"))
    known = diagnosis.large_step(case, run(case, 1), learning_rate=RATE)
    assert known.id == "gradient_clipped"
    assert text in known.sentence
    for keep in (lambda arrays: arrays, single):
        assert diagnosis.large_step(case, keep(sgd()(case, 1)), learning_rate=RATE) is None


def test_weights_that_are_cut_off_are_named():
    case = steep(by_rows.make("tanh"))
    cut = [np.clip(w, -3.0, 3.0) for w in sgd()(case, 1)]
    assert diagnosis.large_step(case, cut, learning_rate=RATE).id == "weights_clipped"
    short = [w * np.minimum(1, 4 / np.linalg.norm(w, axis=0)) if w.ndim == 2 else w for w in sgd()(case, 1)]
    assert diagnosis.large_step(case, short, learning_rate=RATE).id == "weights_clipped"


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("adam_is_amsgrad", by_optimizer(lambda ws: torch.optim.Adam(ws, lr=0.03, amsgrad=True))),
        ("adam_is_adamax", by_optimizer(lambda ws: torch.optim.Adamax(ws, lr=0.03))),
        ("adam_is_nadam", by_optimizer(lambda ws: torch.optim.NAdam(ws, lr=0.03))),
        ("weight_decay_spurious", by_optimizer(lambda ws: torch.optim.AdamW(ws, lr=0.03))),
        ("learning_rate_ignored", by_optimizer(lambda ws: torch.optim.Adam(ws))),
        (None, by_optimizer(lambda ws: torch.optim.Adam(ws, lr=0.03))),
    ],
)
def test_other_optimizers_in_adams_place_get_their_name(name, run):
    case = by_rows.make("tanh", rows=1)
    asked = {"learning_rate": 0.03, "steps": 40, "optimizer": "adam", "batches": 4}
    assert named(case, run(case, 40), **asked) == name


@pytest.mark.parametrize(
    ("name", "count"),
    [("adam_t_counts_epochs", lambda k, i: k // 3 + 1), ("adam_t_reset", lambda k, i: k % 3 + 1)],
)
def test_adams_step_count_over_batches_gets_its_name(name, count):
    case = by_rows.make("tanh")
    found = adam_by_hand(count=count)(case, 6)
    assert named(case, found, learning_rate=1e-3, steps=6, optimizer="adam", batches=3) == name


def test_decay_in_adam_that_reaches_some_layers_names_those_it_misses():
    case = by_rows.make("tanh")

    def rule(ws):
        groups = [{"params": [w], "weight_decay": DECAY if i in (2, 4, 6) else 0.0} for i, w in enumerate(ws)]
        return torch.optim.Adam(groups, lr=1e-3)

    asked = {"learning_rate": 1e-3, "steps": STEPS, "optimizer": "adam", "weight_decay": DECAY}
    known = diagnosis.update(case, by_optimizer(rule)(case, STEPS), **asked)
    assert known.id == "weight_decay_some_tensors"
    assert known.sentence.startswith("W1, b1")
