"""Data sets by name; each is loaded by a module of its own, imported when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.data.dataset import Dataset
from harness.errors import DataError

__all__ = ["DATASETS", "Dataset", "Size", "known_datasets", "load_dataset"]


@dataclass(frozen=True, kw_only=True)
class Size:
    """What a data set offers, known without loading it."""

    features: int  # of one image
    classes: int
    train_images: int
    test_images: int


DATASETS: Mapping[str, Size] = {
    "mnist": Size(features=784, classes=10, train_images=60_000, test_images=10_000),
    "digits": Size(features=64, classes=10, train_images=1_000, test_images=797),
}


def known_datasets() -> str:
    """The data sets that there are with their sizes, for a message."""
    return " and ".join(
        f"{name} ({size.features} features, {size.classes} classes, {size.train_images:,} training and "
        f"{size.test_images:,} test images)"
        for name, size in DATASETS.items()
    )


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
    raise DataError(f"no data set named {name!r}: there are {known_datasets()}")
