"""What a submission computes, beside PyTorch float64: the corpus's own judge, independent of the harness.

Each quantity is a function of a submission's ``build`` and an activation that returns the relative deviation
from right (0 for a property that holds, 1 for one that does not; NaN or an exception for what is no answer).
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[Any]
Build = Callable[[Sequence[int], str, int], Any]
Quantity = Callable[[Build, str], float]

SIZES = (9, 8, 7, 6, 5)  # unequal widths: a transposed matrix does not fit by accident
TINY = (4, 3, 3)
ACTIVATE = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}


# --- The right answers ---


class Right:
    """A network in PyTorch float64 with given weights ``[W1, b1, ...]``, trained as the contract says."""

    def __init__(self, weights: Sequence[Array], activation: str) -> None:
        self.params = [torch.tensor(w, dtype=torch.float64, requires_grad=True) for w in weights]
        self.activation = ACTIVATE[activation]

    def logits(self, X: Array) -> torch.Tensor:
        a = torch.tensor(X, dtype=torch.float64)
        *hidden, last = list(zip(self.params[::2], self.params[1::2]))
        for W, b in hidden:
            a = self.activation(a @ W + b)
        return a @ last[0] + last[1]

    def probabilities(self, X: Array) -> Array:
        found: Array = torch.softmax(self.logits(X), dim=1).detach().numpy()
        return found

    def loss(self, X: Array, y: Array) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(self.logits(X), torch.tensor(y))

    def gradients(self, X: Array, y: Array) -> list[Array]:
        return [g.numpy() for g in torch.autograd.grad(self.loss(X, y), self.params)]

    def train(
        self,
        batches: Sequence[tuple[Array, Array]],
        *,
        lr: float,
        adam: bool = False,
        decay: float = 0.0,
        decay_biases: bool = True,
    ) -> list[Array]:
        groups = [
            {"params": self.params[::2], "weight_decay": decay},
            {"params": self.params[1::2], "weight_decay": decay if decay_biases else 0.0},
        ]
        rule = (torch.optim.Adam if adam else torch.optim.SGD)(groups, lr=lr)
        for X, y in batches:
            rule.zero_grad()
            self.loss(X, y).backward()
            rule.step()
        return [p.detach().numpy() for p in self.params]


def draw(sizes: Sequence[int] = SIZES, *, seed: int = 1, scale: float = 1.0) -> list[Array]:
    """Draw weights with biases that are not zero."""
    rng = np.random.default_rng(seed)
    weights = []
    for i, o in itertools.pairwise(sizes):
        weights += [scale * rng.normal(0, 1 / math.sqrt(i), (i, o)), scale * rng.normal(0, 0.3, o)]
    return weights


def batch(n: int, sizes: Sequence[int] = SIZES, *, seed: int = 2) -> tuple[Array, Array]:
    """Draw n examples with features in [0, 1)."""
    rng = np.random.default_rng([seed, n])
    return rng.uniform(0, 1, (n, sizes[0])), rng.integers(0, sizes[-1], n)


def posed(build: Build, activation: str, weights: Sequence[Array], seed: int = 0) -> Any:
    """Build a network of the weights' sizes in the submission and give it copies of the weights."""
    sizes = [len(w) for w in weights[::2]] + [len(weights[-1])]
    model = build(sizes, activation, seed)
    model.set_weights([w.copy() for w in weights])
    return model


def deviation(found: Any, expected: Any) -> float:
    """Return the relative error in the Frobenius norm; infinite where shapes differ."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    if found.shape != expected.shape:
        return math.inf
    return float(np.linalg.norm(found - expected) / max(float(np.linalg.norm(expected)), 1e-12))


def deviations(found: Sequence[Any], expected: Sequence[Any]) -> float:
    """Return the worst relative error over tensors."""
    if len(found) != len(expected):
        return math.inf
    # A sum of deviations: it is NaN when any of them is, which max() would hide.
    return sum(deviation(f, e) for f, e in zip(found, expected))


# --- The answers of one call ---


def forward(build: Build, activation: str) -> float:
    """Probabilities of batches of 8, 1 and 7 rows, on networks of one to four layers."""
    total = 0.0
    for sizes in (SIZES, (9, 5), (9, 8, 5)):
        weights = draw(sizes)
        for n in (8, 1, 7):
            X = batch(n)[0]
            expected = Right(weights, activation).probabilities(X)
            total += deviation(posed(build, activation, weights).predict_proba(X.copy()), expected)
    return total


def forward_many(build: Build, activation: str) -> float:
    """Probabilities of 2,550 rows at once."""
    weights, X = draw(), batch(2_550)[0]
    expected = Right(weights, activation).probabilities(X)
    return deviation(posed(build, activation, weights).predict_proba(X.copy()), expected)


def forward_extreme(build: Build, activation: str) -> float:
    """Probabilities of rows whose logits differ by thousands, of huge logits, and deep in saturation."""
    weights, X = draw((9, 8, 5)), batch(8)[0]
    weights[-2] *= 3e4
    shifted = [*draw((9, 8, 5))[:-1], weights[-1] + 1e4]
    total = 0.0
    for case in (weights, shifted):
        expected = Right(case, activation).probabilities(X)
        total += deviation(posed(build, activation, case).predict_proba(X.copy()), expected)
    wide = draw((9, 8, 5), scale=3.0)
    wide[0] *= 1000.0
    expected = Right(wide, activation).probabilities(X)
    return total + deviation(posed(build, activation, wide).predict_proba(X.copy()), expected)


def repeated(build: Build, activation: str) -> float:
    """The same question has the same answer, whatever was asked in between; nothing given is changed."""
    weights, (X, y) = draw(), batch(8)
    model = posed(build, activation, weights)
    kept = X.copy(), y.copy()
    first = np.array(model.predict_proba(X))
    other = np.array(model.predict_proba(batch(8, seed=5)[0]))
    model.loss_and_gradients(X, y)
    again = np.array(model.predict_proba(X))
    changed = float(not (np.array_equal(X, kept[0]) and np.array_equal(y, kept[1])))
    moved = deviations(model.get_weights(), weights)
    return (
        deviation(again, first)
        + changed
        + float(np.array_equal(other, first))
        + (moved if moved > 1e-6 else 0.0)
    )


def loss(build: Build, activation: str) -> float:
    """The loss of batches of 8, 1, 7 and 64 rows."""
    weights, total = draw(), 0.0
    for n in (8, 1, 7, 64):
        X, y = batch(n)
        found = posed(build, activation, weights).loss_and_gradients(X.copy(), y.copy())[0]
        total += deviation(found, Right(weights, activation).loss(X, y).item())
    return total


def loss_extreme(build: Build, activation: str) -> float:
    """The loss of answers that are confident, and wrong by margins of 30 and 80."""
    total = 0.0
    for margin in (30.0, 80.0):
        weights = [np.zeros_like(w) for w in draw()]
        weights[-1][0] = margin
        X, y = batch(8)
        y[:] = 1
        found = posed(build, activation, weights).loss_and_gradients(X.copy(), y.copy())[0]
        total += deviation(found, Right(weights, activation).loss(X, y).item())
    return total


def gradients(build: Build, activation: str) -> float:
    """The gradients of batches of 8, 1, 7 and 64 rows, on networks of one to four layers."""
    total = 0.0
    for sizes in (SIZES, (9, 5), (9, 8, 5)):
        weights = draw(sizes)
        for n in (8, 1, 7, 64):
            X, y = batch(n)
            found = posed(build, activation, weights).loss_and_gradients(X.copy(), y.copy())[1]
            total += deviations(found, Right(weights, activation).gradients(X, y))
    return total


def gradients_again(build: Build, activation: str) -> float:
    """The gradients of the same model asked a second time."""
    weights, (X, y) = draw(), batch(8)
    model = posed(build, activation, weights)
    model.loss_and_gradients(X.copy(), y.copy())
    return deviations(
        model.loss_and_gradients(X.copy(), y.copy())[1], Right(weights, activation).gradients(X, y)
    )


def forward_square(build: Build, activation: str) -> float:
    """Probabilities of a network with square matrices, which can be transposed unnoticed."""
    weights, X = draw((9, 7, 7, 7, 5)), batch(8)[0]
    expected = Right(weights, activation).probabilities(X)
    return deviation(posed(build, activation, weights).predict_proba(X.copy()), expected)


def gradients_other(build: Build, activation: str) -> float:
    """The gradients of other rows, as many as were asked about before."""
    weights, (X, y) = draw(), batch(8, seed=5)
    model = posed(build, activation, weights)
    model.loss_and_gradients(*batch(8))
    return deviations(
        model.loss_and_gradients(X.copy(), y.copy())[1], Right(weights, activation).gradients(X, y)
    )


def asked_again(build: Build, activation: str) -> float:
    """The probabilities of the very same array once the weights are others."""
    X = batch(8)[0]
    model = posed(build, activation, draw())
    model.predict_proba(X)
    weights = draw(seed=3)
    model.set_weights([w.copy() for w in weights])
    expected = Right(weights, activation).probabilities(X)
    return deviation(model.predict_proba(X), expected)


def filled_anew(build: Build, activation: str) -> float:
    """The probabilities of rows written into the array that was asked about before."""
    weights, X = draw(), batch(8)[0]
    model = posed(build, activation, weights)
    model.predict_proba(X)
    X[...] = X[::-1].copy()
    expected = Right(weights, activation).probabilities(X)
    return deviation(model.predict_proba(X), expected)


def after_fit(build: Build, activation: str) -> float:
    """The probabilities of the very same array once the network has been trained."""
    weights, (X, y) = draw(), batch(8)
    model = posed(build, activation, weights)
    model.predict_proba(X)
    model.fit(X.copy(), y, epochs=1, batch_size=8, learning_rate=0.5)
    trained = [np.array(w, dtype=np.float64) for w in model.get_weights()]
    expected = Right(trained, activation).probabilities(X)
    return deviation(model.predict_proba(X), expected)


def two_classes(build: Build, activation: str) -> float:
    """The probabilities of a network with two classes; code may be made for more, and answer otherwise."""
    sizes = (*SIZES[:-1], 2)
    weights, X = draw(sizes), batch(8)[0]
    expected = Right(weights, activation).probabilities(X)
    found = np.asarray(posed(build, activation, weights).predict_proba(X))
    return deviation(found, expected) if found.shape == expected.shape else 0.0


def deep(build: Build, activation: str) -> float:
    """The weights of eleven layers come back as they were given, and are used in that order."""
    weights, X = draw((9, 8, 7, 9, 6, 8, 7, 6, 9, 8, 7, 5)), batch(8)[0]
    model = posed(build, activation, weights)
    expected = Right(weights, activation).probabilities(X)
    returned = [np.asarray(w, dtype=np.float64) for w in model.get_weights()]
    return deviation(model.predict_proba(X), expected) + deviations(returned, weights)


def loss_shifted(build: Build, activation: str) -> float:
    """Loss and gradients where every logit is larger, or smaller, by a thousand."""
    total = 0.0
    for shift in (1000.0, -1000.0):
        weights, (X, y) = draw(), batch(8)
        weights[-1] = weights[-1] + shift
        value, found = posed(build, activation, weights).loss_and_gradients(X, y)
        right = Right(weights, activation)
        error = deviation(value, right.loss(X, y).item()) + deviations(found, right.gradients(X, y))
        total += 0.0 if error < 1e-2 else error  # in float32 a logit of 1,000 has four digits left
    return total


def beside(build: Build, activation: str) -> float:
    """A network's probabilities once another stands beside it."""
    weights, X = draw(), batch(8)[0]
    model = posed(build, activation, weights)
    posed(build, "relu" if activation == "tanh" else "tanh", draw(seed=3))
    expected = Right(weights, activation).probabilities(X)
    return deviation(model.predict_proba(X.copy()), expected)


def loss_huge(build: Build, activation: str) -> float:
    """The loss of an answer that is wrong by a margin of 80: more, and p is 0 in float32."""
    weights = [np.zeros_like(w) for w in draw()]
    weights[-1][0] = 80.0
    X, y = batch(8)
    y[:] = 1
    found = posed(build, activation, weights).loss_and_gradients(X.copy(), y.copy())[0]
    return deviation(found, 80.0)


def displaced(model: Any, start: Sequence[Array], expected: Sequence[Array]) -> float:
    """Return the worst relative error of how far a model's tensors have moved from the start."""
    return deviations(
        [f - s for f, s in zip(model.get_weights(), start)], [e - s for e, s in zip(expected, start)]
    )


# --- Training: examples that are all the same make the order irrelevant ---


def _trained(
    build: Build,
    activation: str,
    *,
    n: int,
    size: int,
    epochs: int,
    lr: float = 0.1,
    decay: float = 0.0,
    optimizer: str = "sgd",
    decay_biases: bool = True,
    copies: bool = True,
) -> float:
    weights, (X, y) = draw(), batch(n)
    if copies:
        X, y = np.repeat(X[:1], n, axis=0), np.repeat(y[:1], n)
    model = posed(build, activation, weights)
    model.fit(
        X.copy(),
        y.copy(),
        epochs=epochs,
        batch_size=size,
        learning_rate=lr,
        optimizer=optimizer,
        weight_decay=decay,
    )
    batches = [(X[k : k + size], y[k : k + size]) for k in range(0, n, size)] * epochs
    expected = Right(weights, activation).train(
        batches, lr=lr, adam=optimizer == "adam", decay=decay, decay_biases=decay_biases
    )
    found = model.get_weights()
    if [np.shape(f) for f in found] != [w.shape for w in weights]:
        return math.inf
    # What is compared is the change, not the weights.
    return deviations([f - w for f, w in zip(found, weights)], [e - w for e, w in zip(expected, weights)])


def step(build: Build, activation: str) -> float:
    """One step of gradient descent on the full batch."""
    return _trained(build, activation, n=8, size=8, epochs=1, copies=False)


def steps(build: Build, activation: str) -> float:
    """Five steps of gradient descent on the full batch."""
    return _trained(build, activation, n=8, size=8, epochs=5, copies=False)


def step_rate(build: Build, activation: str) -> float:
    """One step with another learning rate, and the identity with learning rate 0."""
    return _trained(build, activation, n=8, size=8, epochs=1, lr=0.003, copies=False) + (
        _trained(build, activation, n=8, size=8, epochs=2, lr=1.7, copies=False)
    )


def _one_step(
    build: Build, activation: str, weights: Sequence[Array], X: Array, y: Array, *, lr: float
) -> float:
    """How far the displacements of one full-batch step are from right."""
    model = posed(build, activation, weights)
    model.fit(
        X.copy(), y.copy(), epochs=1, batch_size=len(X), learning_rate=lr, optimizer="sgd", weight_decay=0.0
    )
    expected = Right(weights, activation).train([(X, y)], lr=lr)
    return displaced(model, weights, expected)


def step_steep(build: Build, activation: str) -> float:
    """One step along a gradient that is a hundred times as long as usual."""
    weights, (X, y) = draw(), batch(8)
    weights = [w * (8.0 if i and i % 2 == 0 else 0.02) for i, w in enumerate(weights)]
    y[:] = 0
    error = _one_step(build, activation, weights, X, y, lr=0.1)
    return error if error > 0.1 * len(weights) else 0.0  # saturated units leave float32 few digits


def step_single(build: Build, activation: str) -> float:
    """A step from float32 weights on float32 inputs, where less than a ten-thousandth is its rounding."""
    weights, (X, y) = [w.astype(np.float32) for w in draw()], batch(8)
    X = X.astype(np.float32)
    error = _one_step(build, activation, weights, X, y, lr=1.0)
    return error if error > 1e-4 * len(weights) else 0.0


def standstill(build: Build, activation: str) -> float:
    """Thirty epochs in which the loss hardly falls: how far the last bias goes (two digits in float32)."""
    weights, (X, y) = draw(), batch(8)
    model = posed(build, activation, weights)
    model.fit(
        X.copy(), y.copy(), epochs=30, batch_size=8, learning_rate=1e-5, optimizer="sgd", weight_decay=0.0
    )
    expected = Right(weights, activation).train([(X, y)] * 30, lr=1e-5)
    error = deviation(model.get_weights()[-1] - weights[-1], expected[-1] - weights[-1])
    return error if error > 0.1 else 0.0


def decay(build: Build, activation: str) -> float:
    """Five steps with weight decay, on the weights alone or on biases too."""
    conventions = (
        _trained(build, activation, n=8, size=8, epochs=5, decay=0.2, decay_biases=biases, copies=False)
        for biases in (True, False)
    )
    return min(conventions)


def decay_batches(build: Build, activation: str) -> float:
    """Weight decay over an epoch of several batches."""
    return min(
        _trained(build, activation, n=10, size=4, epochs=2, decay=0.2, decay_biases=biases)
        for biases in (True, False)
    )


def adam(build: Build, activation: str) -> float:
    """Five full-batch steps of Adam, each an epoch of its own."""
    return _trained(build, activation, n=8, size=8, epochs=5, lr=0.01, optimizer="adam", copies=False)


def adam_small(build: Build, activation: str) -> float:
    """Adam where a gradient is small beside the square root of epsilon."""
    weights, (X, y) = draw(), batch(8)
    X *= 1e-4
    model = posed(build, activation, weights)
    model.fit(
        X.copy(), y.copy(), epochs=3, batch_size=8, learning_rate=0.01, optimizer="adam", weight_decay=0.0
    )
    expected = Right(weights, activation).train([(X, y)] * 3, lr=0.01, adam=True)
    return displaced(model, weights, expected)


def adam_batches(build: Build, activation: str) -> float:
    """Adam over two epochs of three batches."""
    return _trained(build, activation, n=10, size=4, epochs=2, lr=0.01, optimizer="adam")


def adam_long(build: Build, activation: str) -> float:
    """Forty steps of Adam on one example, after which next to nothing is left of the gradient."""
    return _trained(build, activation, n=8, size=2, epochs=10, lr=0.03, optimizer="adam")


def adam_square(build: Build, activation: str) -> float:
    """Four steps of Adam on square matrices, which are told apart by their place alone."""
    weights, (X, y) = draw((9, 7, 7, 7, 5)), batch(8)
    model = posed(build, activation, weights)
    model.fit(X, y, epochs=4, batch_size=8, learning_rate=0.01, optimizer="adam")
    expected = Right(weights, activation).train([(X, y)] * 4, lr=0.01, adam=True)
    return displaced(model, weights, expected)


def adam_again(build: Build, activation: str) -> float:
    """A second fit with Adam starts afresh, or goes on with everything from the first."""
    weights, (X, y) = draw(), batch(8)
    model = posed(build, activation, weights)
    model.fit(X, y, epochs=4, batch_size=8, learning_rate=0.01, optimizer="adam")
    middle = [np.array(w) for w in model.get_weights()]
    model.fit(X, y, epochs=4, batch_size=8, learning_rate=0.01, optimizer="adam")
    afresh = Right(middle, activation).train([(X, y)] * 4, lr=0.01, adam=True)
    onwards = Right(weights, activation).train([(X, y)] * 8, lr=0.01, adam=True)
    error = min(displaced(model, middle, end) for end in (afresh, onwards))
    return error if error > 1e-2 * len(weights) else 0.0  # float32 rounds the weights between the two


def adam_beside(build: Build, activation: str) -> float:
    """Steps of Adam once another network of the same sizes was trained by it."""
    posed(build, activation, draw(seed=3)).fit(
        *batch(8), epochs=4, batch_size=8, learning_rate=0.01, optimizer="adam"
    )
    return adam(build, activation)


def after_decay(build: Build, activation: str) -> float:
    """Gradients and a step after a fit with decay and another rate, with the old weights set again."""
    weights, (X, y) = draw(), batch(8)
    model = posed(build, activation, weights)
    with contextlib.suppress(TypeError):  # weight decay is not offered
        model.fit(X, y, epochs=2, batch_size=8, learning_rate=0.03, weight_decay=0.2)
    model.set_weights([w.copy() for w in weights])
    found = model.loss_and_gradients(X, y)[1]
    error = deviations(found, Right(weights, activation).gradients(X, y))
    model.fit(X, y, epochs=1, batch_size=8, learning_rate=0.1)
    expected = Right(weights, activation).train([(X, y)], lr=0.1)
    return error + displaced(model, weights, expected)


def step_after_question(build: Build, activation: str) -> float:
    """A step after loss and gradients were asked for, with no set_weights between."""
    weights, (X, y) = draw(), batch(8)
    model = posed(build, activation, weights)
    model.loss_and_gradients(X, y)
    model.fit(X, y, epochs=1, batch_size=8, learning_rate=0.1)
    return displaced(model, weights, Right(weights, activation).train([(X, y)], lr=0.1))


def step_deep(build: Build, activation: str) -> float:
    """A step of a network of six layers."""
    sizes = (9, 8, 7, 6, 8, 7, 5)
    weights, (X, y) = draw(sizes), batch(8, sizes)
    return _one_step(build, activation, weights, X, y, lr=0.1)


def worse_again(build: Build, activation: str) -> float:
    """Trainings whose loss goes up and down end with the last epoch's weights, whichever was best."""
    total = 0.0
    for seed, epochs in itertools.product(range(3), (5, 8)):
        weights, (X, y) = draw(seed=seed), batch(8, seed=seed)
        model = posed(build, activation, weights)
        model.fit(X, y, epochs=epochs, batch_size=8, learning_rate=3.0)
        expected = Right(weights, activation).train([(X, y)] * epochs, lr=3.0)
        error = displaced(model, weights, expected)
        total += error if error > 1e-2 * len(weights) else 0.0  # such a course multiplies rounding
    return total


def adam_decay(build: Build, activation: str) -> float:
    """Adam with weight decay added to the gradient."""
    return min(
        _trained(
            build,
            activation,
            n=8,
            size=8,
            epochs=5,
            lr=0.01,
            decay=0.2,
            optimizer="adam",
            decay_biases=biases,
            copies=False,
        )
        for biases in (True, False)
    )


def batches(build: Build, activation: str) -> float:
    """Two epochs of 10 equal examples in batches of 4: six steps of a known gradient."""
    return _trained(build, activation, n=10, size=4, epochs=2)


def one_epoch(build: Build, activation: str) -> float:
    """One epoch of 12 equal examples in batches of 4: three steps."""
    return _trained(build, activation, n=12, size=4, epochs=1)


def single(build: Build, activation: str) -> float:
    """One epoch of 9 equal examples in batches of 4: the third step is on one example."""
    return _trained(build, activation, n=9, size=4, epochs=1)


def full_batch(build: Build, activation: str) -> float:
    """Three epochs in which the batch is larger than the data."""
    return _trained(build, activation, n=6, size=64, epochs=3)


def untouched(build: Build, activation: str) -> float:
    """``fit`` changes neither X nor y, and learning rate 0 changes no weight."""
    weights, (X, y) = draw(), batch(10)
    model = posed(build, activation, weights)
    kept = X.copy(), y.copy()
    model.fit(X, y, epochs=2, batch_size=4, learning_rate=0.0)
    changed = not (np.array_equal(X, kept[0]) and np.array_equal(y, kept[1]))
    return float(changed) + deviations(model.get_weights(), weights)


def order(build: Build, activation: str) -> float:
    """Each epoch, the first too, uses each example once, in a new order: one of those of 3 examples."""
    seen = _orders(build, activation, range(8))
    if seen is None:
        return 1.0
    same = all(first == second for first, second in seen)
    return float(same or any(len(set(each_seed)) == 1 for each_seed in zip(*seen)))


def turned(build: Build, activation: str) -> float:
    """The second order is not always the first one turned round, and each example comes at each place."""
    seen = _orders(build, activation, range(24))
    if seen is None:
        return 1.0
    round_ = all(second in [first[k:] + first[:k] for k in range(3)] for first, second in seen)
    return float(round_ or any(len(set(place)) < 3 for place in zip(*itertools.chain(*seen))))


def late(build: Build, activation: str) -> float:
    """Equal rows of one class, then of another: it is not always the second that was learnt last."""
    weights, X = draw(), np.repeat(batch(1)[0], 40, axis=0)
    y = np.repeat([0, 1], 20)
    probabilities = []
    for seed in range(30):
        model = posed(build, activation, weights, seed)
        model.fit(X.copy(), y.copy(), epochs=1, batch_size=1, learning_rate=0.5)
        probabilities.append(np.asarray(model.predict_proba(X[:1]), dtype=float)[0])
    return float(all(p[1] > p[0] for p in probabilities))


def seeds_apart(build: Build, activation: str) -> float:
    """Seeds that have a remainder or their last digits in common train differently."""
    weights, (X, y) = draw(), batch(30)
    ends = []
    for seed in (1, 17, 101, 257, 1001, 65_537):
        model = posed(build, activation, weights, seed)
        model.fit(X.copy(), y.copy(), epochs=1, batch_size=3, learning_rate=0.5)
        ends.append(_vector(model))
    return float(any(deviation(a, b) == 0.0 for a, b in itertools.combinations(ends, 2)))


def _vector(model: Any) -> Array:
    """Return all weights in one vector."""
    return np.concatenate([np.asarray(w, float).ravel() for w in model.get_weights()])


def _orders(
    build: Build, activation: str, seeds: Iterable[int]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]] | None:
    """Return the orders of two epochs of 3 examples for each seed, or None where no pair of orders fits."""
    weights, X, y = draw(TINY), batch(3, TINY)[0], np.arange(3)
    ends = _ends_of_orders(activation)
    seen = []
    for seed in seeds:
        model = posed(build, activation, weights, seed)
        model.fit(X.copy(), y.copy(), epochs=2, batch_size=1, learning_rate=0.5)
        found = _vector(model)
        distance = {pair: deviation(found, end) for pair, end in ends.items()}
        pair = min(distance, key=distance.__getitem__)
        if not distance[pair] < 1e-4:
            return None
        seen.append(pair)
    return seen


@functools.cache
def _ends_of_orders(activation: str) -> dict[tuple[tuple[int, ...], tuple[int, ...]], Array]:
    """Return the weights after two epochs of 3 examples, one at a time, for each pair of orders."""
    weights, X, y = draw(TINY), batch(3, TINY)[0], np.arange(3)
    ends = {}
    for first, second in itertools.product(itertools.permutations(range(3)), repeat=2):
        used = [(X[[i]], y[[i]]) for i in (*first, *second)]
        trained = Right(weights, activation).train(used, lr=0.5)
        ends[first, second] = np.concatenate([w.ravel() for w in trained])
    return ends


def _batches_used(
    build: Build, activation: str, n: int, size: int, seed: int
) -> tuple[frozenset[int], ...] | None:
    """Return the batches of one epoch on n distinct examples, or None where no split of them fits."""
    weights, X = draw(TINY), batch(n, TINY)[0]
    y = np.arange(n) % TINY[-1]
    model = posed(build, activation, weights, seed)
    model.fit(X.copy(), y.copy(), epochs=1, batch_size=size, learning_rate=0.5)
    found = _vector(model)
    for batches_used, end in _ends_of_splits(activation, n, size):
        if deviation(found, end) < 1e-4:
            return batches_used
    return None


@functools.cache
def _ends_of_splits(activation: str, n: int, size: int) -> list[tuple[tuple[frozenset[int], ...], Array]]:
    """Return the weights after one epoch of n examples for each way to split them into two batches."""
    weights, X = draw(TINY), batch(n, TINY)[0]
    y = np.arange(n) % TINY[-1]
    ends = []
    for first in itertools.combinations(range(n), size):
        rest = tuple(i for i in range(n) if i not in first)
        end = Right(weights, activation).train([(X[list(b)], y[list(b)]) for b in (first, rest)], lr=0.5)
        ends.append(((frozenset(first), frozenset(rest)), np.concatenate([w.ravel() for w in end])))
    return ends


def tail(build: Build, activation: str) -> float:
    """Of 5 examples in batches of 4, four are used first and the fifth after."""
    return float(any(_batches_used(build, activation, 5, 4, seed) is None for seed in range(4)))


def pairs(build: Build, activation: str) -> float:
    """Of 4 examples in batches of 2, it varies which two meet in a batch."""
    seen = [_batches_used(build, activation, 4, 2, seed) for seed in range(16)]
    return float(None in seen or len({frozenset(halves) for halves in seen if halves}) == 1)


def many(build: Build, activation: str) -> float:
    """One epoch of 25,000 equal examples in batches of 5,000."""
    return _trained(build, activation, n=25_000, size=5_000, epochs=1)


def many_small(build: Build, activation: str) -> float:
    """Two epochs of 1,250 equal examples in batches of 50."""
    return _trained(build, activation, n=1_250, size=50, epochs=2)


def long(build: Build, activation: str) -> float:
    """Thirty epochs, long after the examples are learnt."""
    return _trained(build, activation, n=8, size=8, epochs=30, lr=0.5)


# --- Initialisation, seeds, history ---


def trained_again(build: Build, activation: str) -> float:
    """Training twice with one seed: the same weights."""
    weights, (X, y) = draw(), batch(12)
    found = []
    for _ in range(2):
        model = posed(build, activation, weights, 3)
        model.fit(X, y, epochs=2, batch_size=5, learning_rate=0.5)
        found.append([np.array(w, dtype=np.float64) for w in model.get_weights()])
    return deviations(*found)


def anew(build: Build, activation: str) -> float:
    """The weights of a network that is built once another of its seed was trained."""
    X, y = batch(12)
    model = build(list(SIZES), activation, 3)
    expected = [np.array(w, dtype=np.float64) for w in model.get_weights()]
    model.fit(X, y, epochs=2, batch_size=5, learning_rate=0.1)
    found = [np.asarray(w, dtype=np.float64) for w in build(list(SIZES), activation, 3).get_weights()]
    return deviations(found, expected)


def initial(build: Build, activation: str) -> float:
    """Weights are Glorot uniform, biases zero, layers and seeds independent, the same seed the same."""
    sizes = (90, 80, 70, 60, 50)
    weights = [np.asarray(w, float) for w in build(list(sizes), activation, 3).get_weights()]
    again = [np.asarray(w, float) for w in build(list(sizes), activation, 3).get_weights()]
    other = [np.asarray(w, float) for w in build(list(sizes), activation, 4).get_weights()]
    bad = any(not np.array_equal(w, a) for w, a in zip(weights, again))
    bad |= np.array_equal(weights[0], other[0])
    for W, b in zip(weights[::2], weights[1::2]):
        limit = math.sqrt(6 / sum(W.shape))
        # Kolmogorov-Smirnov distance from uniform; its critical value for p = 1e-6 is 2.7 / sqrt(n).
        u = np.sort((W.ravel() / limit + 1) / 2)
        grid = np.arange(1, W.size + 1) / W.size
        bad |= float(np.abs(u - grid).max()) > 2.7 / math.sqrt(W.size)
        bad |= bool(u[0] < -1e-6 or u[-1] > 1 + 1e-6) or bool(np.any(b != 0))
    # The stream that a layer was drawn from shows in one of two orders: W is kept as (in, out) or (out, in).
    flat = [[W.ravel()[: 50 * 60] for W in weights[::2]], [W.T.ravel()[: 50 * 60] for W in weights[::2]]]
    for one, two in (pair for layout in flat for pair in itertools.combinations(layout, 2)):
        # 6.5 standard deviations of the correlation of 3,000 independent pairs.
        bad |= abs(float(np.corrcoef(one, two)[0, 1])) > 0.12
    return float(bad)


def history(build: Build, activation: str) -> float:
    """What ``fit`` reports of each epoch is near what its batches show (nothing reported is right too)."""
    weights, (X, y) = draw(), batch(60)
    # Centred logits make the answers of all classes.
    weights[-1] = weights[-1] - Right(weights, activation).logits(X).mean(dim=0).detach().numpy()
    right = Right(weights, activation)
    # Every other label is what the network answers, so that the accuracy depends on which label is whose.
    y = np.where(np.arange(60) % 2 == 0, right.logits(X).argmax(dim=1).numpy(), y)
    model = posed(build, activation, weights)
    # So small a learning rate that every definition in use (running mean, end of the epoch) gives the same.
    reported = model.fit(X.copy(), y.copy(), epochs=3, batch_size=7, learning_rate=1e-7)
    if not isinstance(reported, dict):
        return 0.0
    accuracy = float(np.mean(right.logits(X).argmax(dim=1).numpy() == y))
    expected = {"loss": right.loss(X, y).item(), "accuracy": accuracy}
    total = 0.0
    for name, value in expected.items():
        if name in reported:
            total += deviation(reported[name], [value] * 3)
    return total if total > 1e-3 else 0.0


def history_falling(build: Build, activation: str) -> float:
    """While the loss falls, each loss reported is below that before its epoch (none is right too)."""
    weights, (X, y) = draw(), batch(1)
    X, y = np.repeat(X, 12, axis=0), np.repeat(y, 12)
    reported = posed(build, activation, weights).fit(X, y, epochs=3, batch_size=4, learning_rate=0.2)
    if not isinstance(reported, dict) or "loss" not in reported:
        return 0.0
    late = [Right(weights, activation).loss(X, y).item()]
    for epochs in (1, 2):
        trained = Right(weights, activation).train([(X, y)] * 3 * epochs, lr=0.2)
        late.append(Right(trained, activation).loss(X, y).item())
    return float(any(not found < before * (1 - 1e-6) for found, before in zip(reported["loss"], late)))


CALLS: tuple[Quantity, ...] = (
    forward,
    forward_many,
    forward_square,
    forward_extreme,
    repeated,
    beside,
    asked_again,
    filled_anew,
    after_fit,
    two_classes,
    deep,
    loss,
    loss_extreme,
    loss_huge,
    loss_shifted,
    gradients,
    gradients_again,
    gradients_other,
)
UPDATES: tuple[Quantity, ...] = (
    step,
    steps,
    step_rate,
    step_steep,
    step_single,
    step_deep,
    step_after_question,
    standstill,
    decay,
    decay_batches,
    adam,
    adam_small,
    adam_batches,
    adam_long,
    adam_square,
    adam_again,
    adam_beside,
    adam_decay,
    after_decay,
    worse_again,
)
TRAININGS: tuple[Quantity, ...] = (
    batches,
    one_epoch,
    single,
    full_batch,
    many_small,
    many,
    long,
    untouched,
    order,
    turned,
    late,
    seeds_apart,
    tail,
    pairs,
    trained_again,
    anew,
    initial,
    history,
    history_falling,
)
