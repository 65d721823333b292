"""What each reference promises beyond its mathematics: initialisation, training loop, history, manners."""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

SIZES = [30, 20, 10]


def images(n: int = 100) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    return rng.random((n, 30)), rng.integers(0, 10, n)


@pytest.mark.parametrize(("fan_in", "fan_out"), [(784, 500), (100, 10)])
def test_glorot_uniform(reference: ModuleType, fan_in: int, fan_out: int) -> None:
    W, b = reference.build([fan_in, fan_out], "relu", 3).get_weights()
    limit = (6 / (fan_in + fan_out)) ** 0.5
    assert W.shape == (fan_in, fan_out)
    assert W.dtype == b.dtype == np.float32
    assert not b.any()
    assert np.abs(W).max() <= limit * (1 + 1e-6)
    assert np.abs(W).max() > 0.99 * limit
    # 1,000 draws or more: six standard errors of a uniform's mean and variance
    assert abs(W.mean()) < 6 * limit / (3 * W.size) ** 0.5
    assert W.var() == pytest.approx(limit**2 / 3, rel=6 * (0.8 / W.size) ** 0.5)


def test_framework_default_has_the_limits_of_nn_linear(reference: ModuleType) -> None:
    W1, b1, W2, b2 = reference.build([400, 300, 200], "relu", 3, "framework_default").get_weights()
    for array, fan_in in [(W1, 400), (b1, 400), (W2, 300), (b2, 300)]:
        assert 0.97 * fan_in**-0.5 < np.abs(array).max() <= fan_in**-0.5


def test_framework_default_is_pytorch_own(torch_mlp: ModuleType) -> None:
    W1, b1, _, _ = torch_mlp.build(SIZES, "relu", 11, "framework_default").get_weights()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(11)
        linear = torch.nn.Linear(30, 20)
    np.testing.assert_array_equal(W1.T, linear.weight.detach().numpy())
    np.testing.assert_array_equal(b1, linear.bias.detach().numpy())


def test_unknown_initialisation(reference: ModuleType) -> None:
    with pytest.raises(ValueError, match="glorot_uniform"):
        reference.build(SIZES, "relu", 0, "zeros")


def test_seed_fixes_weights_and_order(reference: ModuleType) -> None:
    X, y = images()

    def trained(seed: int) -> list:
        network = reference.build(SIZES, "tanh", seed)
        network.fit(X, y, epochs=2, batch_size=16, learning_rate=0.1)
        return network.get_weights()

    first, again, other = trained(0), trained(0), trained(1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert not np.array_equal(first[0], other[0])


def test_layers_are_drawn_apart(reference: ModuleType) -> None:
    W1, _, W2, _ = reference.build([20, 20, 20], "tanh", 0).get_weights()
    assert abs(np.corrcoef(W1.ravel(), W2.ravel())[0, 1]) < 0.2


def test_precision_follows_the_weights(reference: ModuleType) -> None:
    X, y = images()
    network = reference.build(SIZES, "tanh", 0)
    assert network.predict_proba(X).dtype == np.float32
    weights = network.get_weights()
    network.set_weights([w.astype(np.float64) for w in weights])
    assert network.predict_proba(X.astype(np.float32)).dtype == np.float64
    assert {g.dtype for g in network.loss_and_gradients(X, y)[1]} == {np.dtype(np.float64)}
    network.set_weights(weights)
    assert network.predict_proba(X).dtype == np.float32
    network.set_weights([*weights[:-1], weights[-1].astype(np.float64)])
    assert network.predict_proba(X).dtype == np.float64, "the highest precision given is kept"


def test_set_weights_names_wrong_shapes(reference: ModuleType) -> None:
    network = reference.build([30, 10], "tanh", 0)
    with pytest.raises(ValueError, match=r"expected .*\(30, 10\).*found .*\(10, 30\)"):
        network.set_weights([np.zeros((10, 30)), np.zeros(10)])


def test_weights_go_in_and_out_as_copies(reference: ModuleType) -> None:
    network = reference.build(SIZES, "tanh", 0)
    given = [np.ones(w.shape) for w in network.get_weights()]
    network.set_weights(given)
    given[0][:] = 5
    network.get_weights()[1][:] = 5
    X, y = images()
    network.loss_and_gradients(X, y)[1][0][:] = 5
    assert all((w == 1).all() and w.flags.c_contiguous for w in network.get_weights())


def test_every_image_once_an_epoch_and_the_short_batch_too(reference: ModuleType) -> None:
    """A one-hot image moves its own row of W1 alone: a row that stays was never used."""
    X, y = np.eye(30), np.arange(30) % 10
    network = reference.build(SIZES, "tanh", 0)
    before = network.get_weights()[0]
    network.fit(X, y, epochs=1, batch_size=8, learning_rate=1.0)
    assert (network.get_weights()[0] != before).any(axis=1).all()


def test_order_changes_with_each_epoch_and_with_the_seed(reference: ModuleType) -> None:
    """At one image a batch the order of the images decides where the weights end."""
    X, y = images(12)
    start = reference.build(SIZES, "tanh", 0).get_weights()

    def after_one_epoch(network: Any, **options: bool) -> np.ndarray:
        network.set_weights(start)
        network.fit(X, y, epochs=1, batch_size=1, learning_rate=0.5, **options)
        return network.get_weights()[0]

    first, other_seed = (reference.build(SIZES, "tanh", seed) for seed in (0, 1))
    ends = [after_one_epoch(first), after_one_epoch(first), after_one_epoch(other_seed)]
    ends.append(after_one_epoch(first, shuffle=False))
    assert len({end.tobytes() for end in ends}) == 4
    np.testing.assert_array_equal(ends[3], after_one_epoch(other_seed, shuffle=False))


def test_gradients_are_repeatable(reference: ModuleType) -> None:
    X, y = images()
    network = reference.build(SIZES, "tanh", 0)
    first, second = (network.loss_and_gradients(X, y) for _ in range(2))
    assert first[0] == second[0]
    assert all(np.array_equal(a, b) for a, b in zip(first[1], second[1]))


def test_history(reference: ModuleType) -> None:
    """At learning rate 0 nothing changes, so every figure is the network's own."""
    X, y = images(405)
    network = reference.build(SIZES, "sigmoid", 0)
    network.set_weights([w.astype(np.float64) for w in network.get_weights()])
    history = network.fit(X, y, epochs=2, batch_size=1, learning_rate=0.0, shuffle=False)
    loss, _ = network.loss_and_gradients(X, y)
    accuracy = float((network.predict_proba(X).argmax(axis=1) == y).mean())
    points = [network.loss_and_gradients(X[i : i + 1], y[i : i + 1])[0] for i in (199, 399)]
    assert set(history) == {"loss", "accuracy", "batch_loss"}
    assert history["loss"] == pytest.approx([loss] * 2, rel=1e-12)
    assert history["accuracy"] == [accuracy] * 2
    assert history["batch_loss"] == pytest.approx(points * 2, rel=1e-12)


def test_epoch_loss_weighs_the_short_batch_by_its_size(reference: ModuleType) -> None:
    X, y = images(10)
    network = reference.build(SIZES, "sigmoid", 0)
    history = network.fit(X, y, epochs=1, batch_size=8, learning_rate=0.0)
    assert history["loss"] == pytest.approx([network.loss_and_gradients(X, y)[0]], rel=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_learns_twenty_images(reference: ModuleType, optimizer: str) -> None:
    X, y = images(20)
    network = reference.build(SIZES, "relu", 0)
    rate = 0.2 if optimizer == "sgd" else 0.01
    network.fit(X, y, epochs=400, batch_size=10, learning_rate=rate, optimizer=optimizer)
    assert (network.predict_proba(X).argmax(axis=1) == y).all()


def test_mutates_nothing_and_warns_of_nothing(reference: ModuleType) -> None:
    X, y = images()
    X.setflags(write=False)
    y.setflags(write=False)
    network = reference.build(SIZES, "relu", 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network.fit(X, y, epochs=1, batch_size=16, learning_rate=0.1, weight_decay=0.1)
        network.loss_and_gradients(X, y)
        network.predict_proba(X)


def test_changes_nothing_of_the_process(reference: ModuleType) -> None:
    X, y = images()
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(99)
        torch.set_num_threads(2)
        try:
            states = np.random.get_state()[1].copy(), torch.get_rng_state()
            network = reference.build(SIZES, "relu", 0)
            network.fit(X, y, epochs=1, batch_size=16, learning_rate=0.1)
            assert np.array_equal(np.random.get_state()[1], states[0])
            assert torch.equal(torch.get_rng_state(), states[1])
            assert torch.get_num_threads() == 2
            assert torch.tensor(1e-40).mul(1).item() > 0, "subnormal numbers are still flushed"
        finally:
            torch.set_num_threads(threads)


def test_saturated_logits_stay_finite(reference: ModuleType) -> None:
    X, y = images(4)
    network = reference.build([30, 10], "relu", 0)
    network.set_weights([np.zeros((30, 10)), np.linspace(-1e4, 1e4, 10)])
    loss, gradients = network.loss_and_gradients(X, np.zeros_like(y))
    assert loss == pytest.approx(2e4)
    assert all(np.isfinite(g).all() for g in gradients)
    np.testing.assert_allclose(network.predict_proba(X).sum(axis=1), 1)
