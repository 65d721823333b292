"""Initial weights whose entries are tied to one another: orthogonal, or scaled to one length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.diagnosis.layers import named
from harness.diagnosis.types import Diagnosis
from harness.oracle import Float

ALIKE = 1e-4  # relative: float32 code is off by 1e-6, independent draws by a tenth and more


def arranged(matrices: Sequence[Float], right: Sequence[bool]) -> tuple[bool, Diagnosis | None]:
    """Return whether any layer's entries are tied, and the name of that; ``right`` are distributions as
    they should be.
    """
    listed = (
        (
            "init_orthogonal",
            "the weights of {} start orthogonal, as from a QR decomposition: draw each by itself",
            _orthogonal,
        ),
        (
            "init_unit_length",
            "the weights of each unit in {} start with one and the same length: they should be drawn only",
            lambda W: _one_length(W, 0),
        ),
        (
            "init_unit_length",
            "the weights of each input of {} start with one and the same length: they should be drawn only",
            lambda W: _one_length(W, 1),
        ),
    )
    for name, sentence, tied in listed:
        layers = [number for number, W in enumerate(matrices, start=1) if min(W.shape) > 1 and tied(W)]
        if layers:
            others = [i for i, W in enumerate(matrices, start=1) if i not in layers and min(W.shape) > 1]
            known = Diagnosis(id=name, sentence=sentence.format(named(layers)))
            return True, known if all(right[i - 1] for i in others) else None
    return False, None


def _orthogonal(W: Float) -> bool:
    products = W.T @ W if W.shape[0] >= W.shape[1] else W @ W.T
    square = float(np.trace(products)) / len(products)
    apart = float(np.linalg.norm(products - square * np.eye(len(products))))
    return square > 0.0 and apart <= ALIKE * square * len(products) ** 0.5


def _one_length(W: Float, axis: int) -> bool:
    lengths = np.linalg.norm(W, axis=axis)
    # Entries that are all alike but for their sign have one length, too, by no choice of anybody's.
    return bool(np.ptp(lengths) <= ALIKE * lengths.mean() and np.ptp(np.abs(W)) > ALIKE * np.abs(W).max())
