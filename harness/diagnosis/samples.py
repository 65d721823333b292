"""What the classes of one batch do to its rows: their weights in the mean, and their labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.diagnosis.passes import Pass
from harness.oracle import Float, Int

SENTENCE = "the rows are weighted by the inverse frequency of their class, which was not asked for"
RENUMBERED = (
    "the labels are numbered anew among the classes that the batch holds (np.unique): "
    "a class keeps its number whichever others are there"
)


def class_weights(net: Pass) -> Iterator[Float]:
    """Yield the share of each row (n,) in the mean, for the ways in which rare classes are lifted."""
    counts = np.bincount(net.y, minlength=net.classes)
    rare = 1.0 / counts[net.y]
    present = int((counts > 0).sum())
    if len(np.unique(rare)) == 1:  # all rows weigh the same: there is nothing to be seen
        return
    yield rare / rare.sum()  # a mean weighted by 1 / count, however it is scaled
    for scale in (net.n / net.classes, net.n / present, 1.0, float(net.n)):
        yield scale * rare / net.n


def renumbered(y: Int) -> Int:
    """The labels (n,) by their rank among those that are there."""
    return np.unique(y, return_inverse=True)[1].astype(y.dtype)
