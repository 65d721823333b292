"""The 8 x 8 digits that scikit-learn carries: a small data set that needs no network."""

from __future__ import annotations

import numpy as np

from harness.data.dataset import Dataset
from harness.errors import DataError

TRAIN = 1_000  # the first 1,000 of 1,797; the writers of the rest differ, as in MNIST


def load_digits() -> Dataset:
    """Return scikit-learn's digits, the first 1,000 for training and the other 797 for testing."""
    try:
        from sklearn import datasets
    except ImportError as error:
        raise DataError(f"digits: scikit-learn is needed, and cannot be imported: {error}") from error
    bunch = datasets.load_digits()
    images = bunch.data.astype(np.uint8)
    labels = bunch.target.astype(np.uint8)
    return Dataset(
        name="digits",
        train_images=images[:TRAIN],
        train_labels=labels[:TRAIN],
        test_images=images[TRAIN:],
        test_labels=labels[TRAIN:],
        pixel_max=16,
        image_shape=(8, 8),
        classes=10,
    )
