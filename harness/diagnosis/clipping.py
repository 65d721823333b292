"""What is done to large gradients and large weights in a step, where small ones are left as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from harness.diagnosis.fitting import name
from harness.diagnosis.trajectory import Trajectory, Weights, hypothesis
from harness.diagnosis.types import Diagnosis, Hypothesis
from harness.oracle import FLOAT32_EPS, Float

UNASKED = "nobody asked for that"


def diagnose(path: Trajectory, found: Sequence[Float]) -> Diagnosis | None:
    """Name what is done to a large gradient in one step."""
    if [f.shape for f in found] != [w.shape for w in path.start]:
        return None
    moved = [f - w for f, w in zip(found, path.start)]
    if not all(np.isfinite(m).all() for m in moved):
        return None
    rounding = [4.0 * FLOAT32_EPS * length(w) for w in path.start]
    return name(moved, path.after(1), hypotheses(path, moved), rounding=rounding)


def hypotheses(path: Trajectory, found: Weights) -> Iterator[Hypothesis]:
    """Yield what cuts a large step down, its limit read off ``found``, which are displacements."""
    rate, right = path.learning_rate, path.first_gradient
    used = [-d / rate for d in found]
    tensors = [(i,) for i in range(len(used))]
    layers = [(i, i + 1) for i in range(0, len(used), 2)]
    for groups, who in (
        ([tuple(range(len(used)))], "the gradients together are"),
        (layers, "each layer's gradient is"),
        (tensors, "each gradient is"),
    ):
        limit = max(length(*(used[i] for i in group)) for group in groups)
        factors = {i: min(1.0, limit / length(*(right[j] for j in group))) for group in groups for i in group}
        yield hypothesis(
            "gradient_clipped",
            f"{who} scaled down to length {limit:.4g}: {UNASKED}",
            lambda factors=factors: [-rate * factors[i] * g for i, g in enumerate(right)],  # type: ignore[misc]
        )
    most = max(float(np.abs(g).max()) for g in used)
    yield hypothesis(
        "gradient_clipped",
        f"every gradient entry is clipped to {most:.4g}: {UNASKED}",
        lambda: [-rate * np.clip(g, -most, most) for g in right],
    )
    yield from cut_weights(path, found)


def cut_weights(path: Trajectory, found: Weights) -> Iterator[Hypothesis]:
    """Yield limits that weights are kept within after a step, read off ``found``."""
    after = [w + d for w, d in zip(path.start, found)]
    right = [w - path.learning_rate * g for w, g in zip(path.start, path.first_gradient)]
    for chosen, who in ((path.every, "weights and biases"), (path.matrices, "weights")):
        most = max(float(np.abs(after[i]).max()) for i in chosen)
        yield hypothesis(
            "weights_clipped",
            f"{who} are cut off at {most:.4g} after the step: {UNASKED}",
            lambda chosen=chosen, most=most: [  # type: ignore[misc]
                (np.clip(r, -most, most) if i in chosen else r) - w
                for i, (r, w) in enumerate(zip(right, path.start))
            ],
        )
    for axis, what in ((0, "unit's incoming"), (1, "unit's outgoing")):
        limit = max(float(np.linalg.norm(after[i], axis=axis).max()) for i in path.matrices)
        yield hypothesis(
            "weights_clipped",
            f"each {what} weights are scaled down to length {limit:.4g} after the step: {UNASKED}",
            lambda axis=axis, limit=limit: [  # type: ignore[misc]
                (r * np.minimum(1.0, limit / _lengths(r, axis)) if i in path.matrices else r) - w
                for i, (r, w) in enumerate(zip(right, path.start))
            ],
        )


def length(*tensors: Float) -> float:
    """Return the Euclidean length of tensors taken together; 1 where they are zero."""
    return float(np.sqrt(sum(float(np.vdot(t, t)) for t in tensors))) or 1.0


def _lengths(matrix: Float, axis: int) -> Float:
    result: Float = np.maximum(np.linalg.norm(matrix, axis=axis, keepdims=True), 1e-300)
    return result
