"""Which target each row was trained towards in one step, read off W1 where rows are fewer than inputs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.diagnosis.passes import Pass
from harness.diagnosis.trajectory import Trajectory, Weights, hypothesis
from harness.diagnosis.types import Hypothesis
from harness.diagnosis.usage import solved
from harness.oracle import Float

WHOLE = 0.05  # how far a count may be from a whole number


def targets(path: Trajectory, net: Pass, found: Weights) -> Iterator[Hypothesis]:
    """Yield the mistake where the targets are those of renamed labels, or more than one for a row."""
    found_targets = _targets(path, net, found) if path.steps == 1 else None
    if found_targets is None:
        return
    counts = np.round(found_targets)
    if np.abs(found_targets - counts).max() > WHOLE or counts.min() < 0 or counts.max() > net.n:
        return
    if (counts.sum(axis=1) == 1).all():
        labels = counts.argmax(axis=1)
        renamed = {int(c): set(labels[net.y == c].tolist()) for c in np.unique(net.y)}
        # Numbered anew among those that are there: that has its own name among the mistakes of the loss.
        anew = np.searchsorted(np.unique(net.y), net.y)
        one_each = all(len(names) == 1 for names in renamed.values())
        if one_each and (labels != net.y).any() and (labels != anew).any():
            listed = ", ".join(f"{c} as {min(names)}" for c, names in renamed.items() if names != {c})
            shifted = len(np.unique((labels - net.y) % net.classes)) == 1
            yield hypothesis(
                "classes_shifted" if shifted else "labels_renamed",
                f"in fit, classes take the place of others ({listed})",
                lambda: _step(path, net, net.P - counts),
            )
    elif (counts[np.arange(net.n), net.y] >= 1).all():
        yield hypothesis(
            "one_hot_not_cleared",
            f"{int((counts.sum(axis=1) > 1).sum())} of {net.n} rows are trained towards labels of other rows "
            "besides their own: old labels are left in the one-hot array",
            lambda: _step(path, net, net.P - counts),
        )


def _targets(path: Trajectory, net: Pass, found: Weights) -> Float | None:
    """Each row's target (rows, classes), or None where it cannot be read."""
    if net.n > net.features or net.n < 4 or net.depth < 2:
        return None
    deltas = solved(path, net, found)
    if deltas is None:
        return None
    targets = np.empty((net.n, net.classes))
    for row in range(net.n):
        back = np.eye(net.classes)
        for layer in range(net.depth, 1, -1):
            back = (back @ net.weights[2 * layer - 2].T) * net.slope(layer - 1)[row]
        sent, _, rank, _ = np.linalg.lstsq(back.T, deltas[row] * net.n, rcond=1e-6)
        if rank < net.classes:
            return None
        targets[row] = net.P[row] - sent
    return targets


def _step(path: Trajectory, net: Pass, delta: Float) -> Weights:
    return [-path.learning_rate * g for g in net.backward(delta=delta / net.n)]
