"""The two references are one network: same weights and batches, same losses, gradients, steps (float64)."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

RELATIVE = 1e-12  # of a tensor's largest entry; float64 sums of a few hundred terms stay far below
ACTIVATIONS = ["sigmoid", "tanh", "relu"]
NETWORKS = [[30, 10], [30, 17, 10], [30, 24, 9, 16, 12, 7]]


def pair(numpy_mlp: ModuleType, torch_mlp: ModuleType, layer_sizes: list[int], activation: str) -> list:
    """Both networks with the same float64 weights, biases included."""
    rng = np.random.default_rng(5)
    networks = [module.build(layer_sizes, activation, 0) for module in (numpy_mlp, torch_mlp)]
    weights = [rng.normal(0, 0.3, w.shape) for w in networks[0].get_weights()]
    for network in networks:
        network.set_weights(weights)
    return networks


def images(n: int, layer_sizes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(6)
    return rng.random((n, layer_sizes[0])), rng.integers(0, layer_sizes[-1], n)


def assert_same(left: list, right: list) -> None:
    for index, (a, b) in enumerate(zip(left, right, strict=True)):
        assert a.dtype == b.dtype == np.float64
        difference = np.abs(a - b).max() / np.abs(b).max()
        assert difference <= RELATIVE, f"tensor {index}: relative difference {difference:.1e}"


@pytest.mark.parametrize("layer_sizes", NETWORKS, ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("batch", [1, 7, 64])
def test_forward_loss_and_gradients(
    numpy_mlp: ModuleType, torch_mlp: ModuleType, layer_sizes: list[int], activation: str, batch: int
) -> None:
    left, right = pair(numpy_mlp, torch_mlp, layer_sizes, activation)
    X, y = images(batch, layer_sizes)
    assert_same([left.predict_proba(X)], [right.predict_proba(X)])
    loss_left, gradients_left = left.loss_and_gradients(X, y)
    loss_right, gradients_right = right.loss_and_gradients(X, y)
    assert loss_left == pytest.approx(loss_right, rel=RELATIVE)
    assert_same(gradients_left, gradients_right)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("optimizer", "learning_rate", "weight_decay"),
    [("sgd", 0.1, 0.0), ("sgd", 0.1, 0.02), ("adam", 0.01, 0.0), ("adam", 0.01, 0.02)],
)
def test_ten_steps(
    numpy_mlp: ModuleType,
    torch_mlp: ModuleType,
    activation: str,
    optimizer: str,
    learning_rate: float,
    weight_decay: float,
) -> None:
    left, right = pair(numpy_mlp, torch_mlp, [30, 24, 16, 10], activation)
    X, y = images(150, [30, 10])  # 5 batches of 32 an epoch, the last one of 22
    histories = [
        network.fit(
            X,
            y,
            epochs=2,
            batch_size=32,
            learning_rate=learning_rate,
            optimizer=optimizer,
            weight_decay=weight_decay,
            shuffle=False,
        )
        for network in (left, right)
    ]
    assert_same(left.get_weights(), right.get_weights())
    assert histories[0]["loss"] == pytest.approx(histories[1]["loss"], rel=RELATIVE)
    assert histories[0]["accuracy"] == histories[1]["accuracy"]


def test_ten_steps_at_the_size_of_the_report(numpy_mlp: ModuleType, torch_mlp: ModuleType) -> None:
    layer_sizes = [784, 500, 250, 100, 10]
    left, right = pair(numpy_mlp, torch_mlp, layer_sizes, "tanh")
    X, y = images(640, layer_sizes)
    for network in (left, right):
        network.fit(X, y, epochs=1, batch_size=64, learning_rate=0.01, shuffle=False)
    assert_same(left.get_weights(), right.get_weights())
