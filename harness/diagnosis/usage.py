"""Which rows a step used, with which labels and how often, read off W1.

One step of gradient descent moves W1 by ``-rate / n`` times the sum of ``outer(x, delta)`` over the rows it
used. Where the batch has no more rows than inputs, every row's ``delta`` can be solved for, and with it the
labels that it was used with: those whose own ``delta`` add up to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from harness.diagnosis.fitting import ratio
from harness.diagnosis.passes import Pass
from harness.diagnosis.trajectory import Trajectory, Weights, hypothesis
from harness.diagnosis.types import Hypothesis
from harness.oracle import Float

# Of a row's largest delta: float64 first, then what float32 rounding leaves of a step.
MATCHES = (1e-6, 1e-3, 0.02)
MOST_USES = 12  # of one row in one step
Use = tuple[int, int]  # a row, and the label that it was used with


def usage(path: Trajectory, net: Pass, found: Weights) -> Iterator[Hypothesis]:
    """Yield the mistake that the rows and labels used by one step amount to, if they can be read."""
    if path.steps != 1 or net.n > net.features or net.n < 4:
        return
    deltas = solved(path, net, found)
    if deltas is None:
        return
    for total in _divisors(net.n):
        uses = _read(net, deltas * total)
        if uses is None or len(uses) != total:
            continue
        known = _named(net, uses)
        if known is not None:
            yield hypothesis(*known, lambda uses=uses: _displacement(path, net, uses))  # type: ignore[misc]
            return


def solved(path: Trajectory, net: Pass, found: Weights) -> Float | None:
    """Return every row's delta in the first layer, divided by the number of rows that the step averaged over.

    None where the step is no sum over these rows.
    """
    gradient = -found[0] / path.learning_rate
    solution, _, rank, _ = np.linalg.lstsq(net.X.T, gradient, rcond=1e-8)
    rest = float(np.linalg.norm(net.X.T @ solution - gradient))
    if rank < net.n or rest > 1e-3 * float(np.linalg.norm(gradient)):
        return None
    deltas: Float = np.asarray(solution, dtype=np.float64)
    return deltas


def _divisors(n: int) -> list[int]:
    """Numbers of rows that a step may have averaged over, the batch's own first."""
    return [n, *range(n - 1, 0, -1)]


def _read(net: Pass, deltas: Float) -> list[Use] | None:
    """The rows and labels whose own deltas add up to these, or None."""
    uses: list[Use] = []
    for row in range(net.n):
        own = _own_deltas(net, row)
        labels = _labels(own, deltas[row], int(net.y[row]), net.P[row])
        if labels is None:
            return None
        uses += [(row, label) for label in labels]
    return uses


def _own_deltas(net: Pass, row: int) -> Float:
    """The row's delta in the first layer for each label (classes, units)."""
    delta = np.eye(net.classes) * -1.0 + net.P[row]
    for layer in range(net.depth, 1, -1):
        delta = (delta @ net.weights[2 * layer - 2].T) * net.slope(layer - 1)[row]
    result: Float = delta
    return result


def _labels(own: Float, delta: Float, label: int, P: Float) -> tuple[int, ...] | None:
    """The labels, as few as will do, whose deltas add up to ``delta``; None where none or several sets do."""
    scale = float(np.linalg.norm(own, axis=1).max())
    if scale == 0.0:
        return None
    expected = np.zeros(len(own))
    expected[label] = round(ratio(delta, own[label]))
    # The probabilities weigh the deltas to 0: counts are known up to a multiple of them. Count up the first.
    counts = np.linalg.lstsq(own.T, delta, rcond=1e-6)[0]
    shifted = [np.round(counts + (k - counts[0]) / P[0] * P) for k in range(MOST_USES + 1)]
    # Where units are dead the counts are known even less, but one label alone can still be told.
    several = (*np.eye(len(own)), *shifted)
    possible = [c for c in (expected, *several) if c.min() >= 0 and c.sum() <= MOST_USES]
    for match in MATCHES:
        near = [c for c in possible if np.linalg.norm(c @ own - delta) <= match * scale]
        if near:
            fewest = min(near, key=lambda c: float(c.sum()))
            if any(c.sum() == fewest.sum() and (c != fewest).any() for c in near):
                return None
            return tuple(np.repeat(np.arange(len(own)), fewest.astype(int)).tolist())
    return None


def _named(net: Pass, uses: list[Use]) -> tuple[str, str] | None:
    rows = Counter(row for row, _ in uses)
    own = all(net.y[row] == label for row, label in uses)
    if len(rows) == net.n == len(uses):
        labels = [label for _, label in uses]
        if own or Counter(labels) != Counter(net.y.tolist()):
            return None
        count = sum(label != right for label, right in zip(labels, net.y))
        sentence = (
            f"{count} of {net.n} rows are trained with another row's "
            "label: shuffle X and y by one permutation"
        )
        return "xy_shuffled_apart", sentence
    if own and len(set(rows.values())) == 1:
        sentence = f"a full batch of {net.n} rows is trained on {len(rows)} of them"
        return "rows_left_out", sentence
    twice = sum(times > 1 for times in rows.values())
    if own and len(uses) == net.n:
        sentence = (
            f"of {net.n} rows {twice} are used more than once and "
            f"{net.n - len(rows)} never: draw a permutation"
        )
        return "with_replacement", sentence
    if len(uses) == net.n:
        often = f"{twice} are used more than once and {net.n - len(rows)} never"
        sentence = (
            f"of {net.n} rows {often}, some with labels of others: rows were swapped in place through views"
        )
        return "rows_overwritten", sentence
    return None


def _displacement(path: Trajectory, net: Pass, uses: list[Use]) -> Weights:
    rows = [row for row, _ in uses]
    labels = np.array([label for _, label in uses])
    used = Pass(net.weights, net.X[rows], labels, net.activation)
    return [-path.learning_rate * g for g in used.gradients]
