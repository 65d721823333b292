"""The oracle against PyTorch's automatic differentiation, in float64."""

from itertools import islice

import numpy as np
import pytest
import torch

from harness import oracle

SIZES = ((5, 3), (6, 9, 4), (7, 5, 6, 3), (8, 6, 5, 7, 4), (5, 6, 4, 7, 5, 3))


def problem(sizes, seed=0, batch=11):
    rng = np.random.default_rng(seed)
    weights = oracle.glorot(sizes, rng, bias_sd=0.3)
    return weights, rng.uniform(0, 1, (batch, sizes[0])), rng.integers(0, sizes[-1], batch)


def torch_loss(tensors, X, y, activation):
    A = torch.from_numpy(X)
    act = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}[activation]
    for i in range(0, len(tensors), 2):
        A = A @ tensors[i] + tensors[i + 1]
        if i + 2 < len(tensors):
            A = act(A)
    return torch.nn.functional.cross_entropy(A, torch.from_numpy(y))


@pytest.mark.parametrize("activation", oracle.ACTIVATIONS)
@pytest.mark.parametrize("sizes", SIZES)
def test_loss_and_gradients_are_those_of_automatic_differentiation(sizes, activation):
    weights, X, y = problem(sizes)
    tensors = [torch.from_numpy(w).requires_grad_() for w in weights]
    expected = torch_loss(tensors, X, y, activation)
    expected.backward()
    loss, gradients = oracle.loss_and_gradients(weights, X, y, activation)
    assert loss == pytest.approx(expected.item(), rel=1e-13)
    assert oracle.loss(weights, X, y, activation) == pytest.approx(expected.item(), rel=1e-13)
    for g, t in zip(gradients, tensors):
        np.testing.assert_allclose(g, t.grad.numpy(), rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("activation", oracle.ACTIVATIONS)
@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_ten_steps_are_those_of_torch_optim(optimizer, decay, activation):
    weights, X, y = problem((8, 6, 5, 4))
    tensors = [torch.from_numpy(w.copy()).requires_grad_() for w in weights]
    cls = torch.optim.SGD if optimizer == "sgd" else torch.optim.Adam
    optim = cls(tensors, lr=0.01, weight_decay=decay)
    for _ in range(10):
        optim.zero_grad()
        torch_loss(tensors, X, y, activation).backward()
        optim.step()
    steps = getattr(oracle, optimizer)(weights, X, y, activation, learning_rate=0.01, weight_decay=decay)
    for w, t in zip(next(islice(steps, 9, None)), tensors):
        np.testing.assert_allclose(w, t.detach().numpy(), rtol=1e-9, atol=1e-13)


def test_the_other_form_of_adam_is_scikit_learns():
    from sklearn.neural_network._stochastic_optimizers import AdamOptimizer

    weights, X, y = problem((8, 6, 5, 4))
    # Gradients near epsilon: elsewhere the two forms agree to many digits.
    small = [1e-8 * w for w in weights]
    theirs = [w.copy() for w in weights]
    optimizer = AdamOptimizer(theirs, learning_rate_init=0.01)
    for _ in range(10):
        optimizer.update_params(theirs, [g.copy() for g in small])
    ours = {
        form: next(
            islice(
                oracle.adam(
                    weights,
                    X,
                    y,
                    "tanh",
                    learning_rate=0.01,
                    gradient=lambda w: small,
                    corrected_epsilon=form,
                ),
                9,
                None,
            )
        )
        for form in (True, False)
    }
    for start, own, their in zip(weights, ours[False], theirs):
        np.testing.assert_allclose(own - start, their - start, rtol=1e-9)
    assert not np.allclose(ours[True][0] - weights[0], theirs[0] - weights[0], rtol=0.1)


def test_decay_of_weights_alone_leaves_biases_to_the_gradient():
    weights, X, y = problem((5, 4, 3))
    plain, both, alone = (
        next(oracle.sgd(weights, X, y, "tanh", learning_rate=0.1, weight_decay=d, decay_biases=b))
        for d, b in ((0.0, True), (0.5, True), (0.5, False))
    )
    assert np.array_equal(alone[1], plain[1])
    assert np.array_equal(alone[0], both[0])
    assert not np.allclose(both[1], plain[1])


def test_a_gradient_of_ones_own_takes_the_place_of_the_true_one():
    weights, X, y = problem((5, 4, 3))
    ones = [np.ones_like(w) for w in weights]
    stepped = next(oracle.sgd(weights, X, y, "tanh", learning_rate=0.25, gradient=lambda w: ones))
    for old, new in zip(weights, stepped):
        np.testing.assert_allclose(old - new, 0.25)


def test_extreme_logits_neither_overflow_nor_lose_the_loss():
    log_p = oracle.log_softmax(np.array([[1e4, -1e4, 0.0], [0.0, 0.0, 0.0]]))
    np.testing.assert_allclose(log_p, [[0.0, -2e4, -1e4], np.log([1 / 3] * 3)], atol=1e-12)
    assert oracle.activate(np.array([-1e4, 1e4]), "sigmoid").tolist() == [0.0, 1.0]


def test_glorot_weights_fill_the_limit_and_no_more():
    W = oracle.glorot((400, 200), np.random.default_rng(0))[0]
    limit = np.sqrt(6 / 600)
    assert 0.999 * limit < np.abs(W).max() <= limit
    assert W.var() == pytest.approx(limit**2 / 3, rel=0.02)
