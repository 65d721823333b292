"""Every expression of the NumPy reference, built a second time in PyTorch: values and gradients agree."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

# float64 leaves a few units of the last place; a wrong expression is off by far more
CLOSE = {"rtol": 1e-13, "atol": 1e-15}
TORCH_ACTIVATIONS = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}


def draw(*shape: int, scale: float = 3.0) -> np.ndarray:
    return np.random.default_rng(8).normal(0.0, scale, shape)


@pytest.mark.parametrize("name", list(TORCH_ACTIVATIONS))
def test_activation_and_its_derivative(numpy_mlp: ModuleType, name: str) -> None:
    z, upstream = draw(6, 5), draw(6, 5)[::-1].copy()
    a = z.copy()
    numpy_mlp.ACTIVATIONS[name].forward(a)
    delta = upstream.copy()
    numpy_mlp.ACTIVATIONS[name].backward(delta, a)

    z_torch = torch.tensor(z, requires_grad=True)
    a_torch = TORCH_ACTIVATIONS[name](z_torch)
    a_torch.backward(torch.tensor(upstream))
    np.testing.assert_allclose(a, a_torch.detach(), **CLOSE)
    np.testing.assert_allclose(delta, z_torch.grad, **CLOSE)


def test_relu_derivative_is_zero_at_zero(numpy_mlp: ModuleType) -> None:
    delta = np.ones(3)
    numpy_mlp.relu_backward(delta, np.array([0.0, -0.0, 1e-300]))
    assert delta.tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_far_from_zero(numpy_mlp: ModuleType, dtype: type) -> None:
    z = np.array([-1e4, -50, 50, 1e4], dtype)
    numpy_mlp.sigmoid(z)
    expected = torch.sigmoid(torch.tensor([-1e4, -50, 50, 1e4], dtype=torch.float64))
    np.testing.assert_allclose(z, expected.numpy(), rtol=1e-5 if dtype == np.float32 else 1e-13, atol=1e-45)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_softmax(numpy_mlp: ModuleType, scale: float) -> None:
    logits = draw(7, 4, scale=scale)
    np.testing.assert_allclose(numpy_mlp.softmax(logits), F.softmax(torch.tensor(logits), dim=1), **CLOSE)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_cross_entropy_and_its_gradient(numpy_mlp: ModuleType, scale: float) -> None:
    logits, y, delta = draw(7, 4, scale=scale), np.array([0, 1, 2, 3, 3, 0, 1]), np.empty((7, 4))
    loss = numpy_mlp.cross_entropy(logits, y, delta)

    logits_torch = torch.tensor(logits, requires_grad=True)
    loss_torch = F.cross_entropy(logits_torch, torch.tensor(y))
    loss_torch.backward()
    assert loss == pytest.approx(loss_torch.item(), rel=1e-13)
    np.testing.assert_allclose(delta, logits_torch.grad, **CLOSE)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_optimizer_steps(numpy_mlp: ModuleType, name: str, weight_decay: float) -> None:
    size = 70_001  # more than one slice of the vector, and a short last one
    w, gradients = draw(size), np.random.default_rng(9).normal(size=(3, size))
    w_torch = torch.tensor(w, requires_grad=True)
    optimizer = numpy_mlp.OPTIMIZERS[name](learning_rate=0.05, weight_decay=weight_decay)
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[name]
    optimizer_torch = kind([w_torch], lr=0.05, weight_decay=weight_decay)
    for g in gradients:
        w_torch.grad = torch.tensor(g)
        optimizer_torch.step()
        optimizer.step(w, g.copy())
    np.testing.assert_allclose(w, w_torch.detach(), **CLOSE)


def test_tensors_are_views_in_order(numpy_mlp: ModuleType) -> None:
    vector = np.arange(2 * 3 + 3 + 3 * 4 + 4.0)
    W1, b1, W2, b2 = numpy_mlp.tensors(vector, (2, 3, 4))
    assert [t.shape for t in (W1, b1, W2, b2)] == [(2, 3), (3,), (3, 4), (4,)]
    assert np.concatenate([t.ravel() for t in (W1, b1, W2, b2)]).tolist() == vector.tolist()
    W2[0, 0] = -1
    assert vector[9] == -1
