"""Data sets by name; each is loaded by a module of its own, imported when it is first asked for."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from harness.data.dataset import Dataset
from harness.errors import DataError

__all__ = ["DATASETS", "Dataset", "load_dataset"]

DATASETS = ("mnist", "digits")


def load_dataset(name: str, *, report: Callable[[str], None] | None = None) -> Dataset:
    """Return the data set that a specification names; ``report`` receives a line when a download begins.

    DataError if there is no such data set, or it cannot be had.
    """
    if name == "mnist":
        from harness.data.mnist import load_mnist

        return load_mnist(report=report)
    if name == "digits":
        from harness.data.digits import load_digits

        return load_digits()
    nearest = difflib.get_close_matches(name, DATASETS, n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else "choose one of these"
    raise DataError(f"no data set named {name!r}: expected {' or '.join(DATASETS)}; {hint}")
