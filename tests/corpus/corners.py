"""What a submission computes at the edges of what is usual, beside PyTorch float64; as in ``quantities``."""

from __future__ import annotations

import itertools
import math

import numpy as np

from tests.corpus.quantities import (
    TINY,
    Array,
    Build,
    Quantity,
    Right,
    batch,
    deviation,
    deviations,
    displaced,
    draw,
    posed,
)


def answers(build: Build, activation: str, weights: list[Array], X: Array) -> float:
    """Return the error of the probabilities of a network with given weights."""
    expected = Right(weights, activation).logits(X).softmax(dim=1).detach().numpy()
    return deviation(posed(build, activation, weights).predict_proba(X.copy()), expected)


def zeros(build: Build, activation: str) -> float:
    """Probabilities of rows of zeros where the hidden biases are zero, too."""
    weights = draw()
    weights[1:-1:2] = [np.zeros_like(b) for b in weights[1:-1:2]]
    return answers(build, activation, weights, np.zeros((3, len(weights[0]))))


def square_rows(build: Build, activation: str) -> float:
    """Probabilities of as many rows as there are inputs."""
    weights = draw()
    return answers(build, activation, weights, batch(len(weights[0]))[0])


def answers_single(build: Build, activation: str) -> float:
    """Probabilities where weights and rows are float32."""
    weights = [w.astype(np.float32) for w in draw()]
    error = answers(build, activation, weights, batch(8)[0].astype(np.float32))
    return error if error > 1e-5 else 0.0


def column_major(build: Build, activation: str) -> float:
    """Gradients where weights and rows are stored column by column."""
    weights, (X, y) = draw(), batch(8)
    sizes = [len(w) for w in weights[::2]] + [len(weights[-1])]
    model = build(sizes, activation, 0)
    model.set_weights([np.asfortranarray(w) for w in weights])
    found = model.loss_and_gradients(np.asfortranarray(X), y)[1]
    return deviations(found, Right(weights, activation).gradients(X, y))


def classes_many(build: Build, activation: str) -> float:
    """Gradients of a network of 300 classes."""
    weights, X = draw((4, 3, 300)), batch(30, (4, 3, 300))[0]
    y = np.arange(30) * 10 + 9
    found = posed(build, activation, weights).loss_and_gradients(X, y)[1]
    return deviations(found, Right(weights, activation).gradients(X, y))


def _growing(rows: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(rows)
    last = np.arange(rows) > 0.9 * rows
    return rng.uniform(0, 1, (rows, TINY[0])) * np.where(last, 1.0, 0.2)[:, None], np.where(last, 2, 0)


def rows_many(build: Build, activation: str) -> float:
    """Gradients of 9,001 rows, of which the last are like no others."""
    weights, (X, y) = draw(TINY), _growing(9_001)
    found = posed(build, activation, weights).loss_and_gradients(X, y)[1]
    return deviations(found, Right(weights, activation).gradients(X, y))


def rows_beyond(build: Build, activation: str) -> float:
    """A full-batch step on 66,001 rows, of which the last are like no others."""
    weights, (X, y) = draw(TINY), _growing(66_001)
    model = posed(build, activation, weights)
    model.fit(X, y, epochs=1, batch_size=len(X), learning_rate=0.5)
    return displaced(model, weights, Right(weights, activation).train([(X, y)], lr=0.5))


def seed_zero(build: Build, activation: str) -> float:
    """Seed 0 gives the same weights each time."""
    first, second = (build([9, 8, 5], activation, 0).get_weights() for _ in range(2))
    return float(any(not np.array_equal(a, b) for a, b in zip(first, second)))


def seed_zero_order(build: Build, activation: str) -> float:
    """With seed 0 the epochs of one fit differ in their order: six steps on three rows, one at a time."""
    weights, X, y = draw(TINY), batch(3, TINY)[0], np.arange(3)
    model = posed(build, activation, weights, 0)
    model.fit(X.copy(), y.copy(), epochs=6, batch_size=1, learning_rate=0.5)
    found = np.concatenate([np.ravel(w) for w in model.get_weights()])
    for once in itertools.permutations(range(3)):
        end = Right(weights, activation).train([(X[[i]], y[[i]]) for i in once * 6], lr=0.5)
        if deviation(found, np.concatenate([w.ravel() for w in end])) < 1e-6:
            return 1.0
    return 0.0


def asked_untouched(build: Build, activation: str) -> float:
    """Questions change neither X nor y."""
    X, y = batch(8)
    kept = X.copy(), y.copy()
    model = posed(build, activation, draw())
    model.predict_proba(X)
    model.loss_and_gradients(X, y)
    return float(not (np.array_equal(X, kept[0]) and np.array_equal(y, kept[1])))


def history_short(build: Build, activation: str) -> float:
    """The accuracy reported of one batch that is not full (none reported is right too)."""
    weights, (X, _) = draw(), batch(40)
    right = Right(weights, activation).logits(X).argmax(dim=1).numpy()
    reported = posed(build, activation, weights).fit(X, right, epochs=2, batch_size=64, learning_rate=1e-9)
    if not isinstance(reported, dict) or "accuracy" not in reported:
        return 0.0
    return min(deviation(reported["accuracy"], [whole] * 2) for whole in (1.0, 100.0))


def initial_narrow(build: Build, activation: str) -> float:
    """Weights of layers of one unit reach the last sixth of their limit, 200 draws together."""
    drawn = [
        abs(np.asarray(W).item())
        for seed in range(50)
        for W in build([1, 1, 1, 1, 1, 2], activation, seed).get_weights()[:-2:2]
    ]
    return float(max(drawn) < 0.83 * math.sqrt(3.0))  # 0.83^200 is 7e-17


def decay_narrow(build: Build, activation: str) -> float:
    """Five steps with weight decay where a matrix has one row."""
    sizes = (9, 1, 5)
    weights, (X, y) = draw(sizes), batch(8, sizes)
    model = posed(build, activation, weights)
    model.fit(X, y, epochs=5, batch_size=8, learning_rate=0.1, weight_decay=0.2)
    return min(
        displaced(
            model,
            weights,
            Right(weights, activation).train([(X, y)] * 5, lr=0.1, decay=0.2, decay_biases=biases),
        )
        for biases in (True, False)
    )


def adam_sparse(build: Build, activation: str) -> float:
    """Four steps of Adam on one of two rows each, which have no input in common."""
    weights, (X, y) = draw(), batch(2)
    X[0, :4], X[1, 4:] = 0.0, 0.0
    model = posed(build, activation, weights)
    model.fit(X.copy(), y.copy(), epochs=2, batch_size=1, learning_rate=0.01, optimizer="adam")
    return min(
        displaced(
            model,
            weights,
            Right(weights, activation).train([(X[[i]], y[[i]]) for i in (*a, *b)], lr=0.01, adam=True),
        )
        for a, b in itertools.product(((0, 1), (1, 0)), repeat=2)
    )


def adam_hundreds(build: Build, activation: str) -> float:
    """Two hundred and fifty steps of Adam."""
    weights, (X, y) = draw(), batch(8)
    model = posed(build, activation, weights)
    model.fit(X, y, epochs=250, batch_size=8, learning_rate=1e-4, optimizer="adam")
    return displaced(model, weights, Right(weights, activation).train([(X, y)] * 250, lr=1e-4, adam=True))


def _second_fit(build: Build, activation: str, *, lr: float, other: bool) -> float:
    weights, (X, y) = draw(), batch(8)
    model = posed(build, activation, weights)
    model.fit(X.copy(), y.copy(), epochs=1, batch_size=8, learning_rate=0.1)
    middle = [np.array(w) for w in model.get_weights()]
    y = (y + 1) % 5 if other else y
    model.fit(X.copy(), y.copy(), epochs=1, batch_size=8, learning_rate=lr)
    return displaced(model, middle, Right(middle, activation).train([(X, y)], lr=lr))


def second_rate(build: Build, activation: str) -> float:
    """A second fit at another learning rate, with nothing in between."""
    return _second_fit(build, activation, lr=0.4, other=False)


def second_data(build: Build, activation: str) -> float:
    """A second fit on other labels, with nothing in between."""
    return _second_fit(build, activation, lr=0.1, other=True)


def after_question(build: Build, activation: str) -> float:
    """A step after a question about the same rows."""
    weights, (X, y) = draw(), batch(8)
    model = posed(build, activation, weights)
    model.loss_and_gradients(X.copy(), y.copy())
    model.fit(X.copy(), y.copy(), epochs=1, batch_size=8, learning_rate=0.1)
    return displaced(model, weights, Right(weights, activation).train([(X, y)], lr=0.1))


CALLS: tuple[Quantity, ...] = (
    zeros,
    square_rows,
    answers_single,
    column_major,
    classes_many,
    rows_many,
    seed_zero,
    asked_untouched,
    initial_narrow,
)
TRAININGS: tuple[Quantity, ...] = (
    rows_beyond,
    seed_zero_order,
    history_short,
    decay_narrow,
    adam_sparse,
    adam_hundreds,
    second_rate,
    second_data,
    after_question,
)
