"""What a data set is to the harness: images as bytes, labels as class indices, pixels made inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Images ``(n, features)`` uint8 and labels ``(n,)`` uint8, possibly memory-mapped, and so read-only."""

    name: str
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    pixel_max: int  # the value of a fully inked pixel: inputs are pixel / pixel_max, in [0, 1]
    image_shape: tuple[int, int]  # rows, columns of one image before it was flattened
    classes: int

    def train_inputs(self, n: int | None = None) -> NDArray[np.float32]:
        """Return the first ``n`` training images (None: all) as ``(n, features)`` float32 in [0, 1]."""
        return self._inputs(self.train_images, n, "training")

    def test_inputs(self, n: int | None = None) -> NDArray[np.float32]:
        """Return the first ``n`` test images (None: all) as ``(n, features)`` float32 in [0, 1]."""
        return self._inputs(self.test_images, n, "test")

    def _inputs(self, images: NDArray[np.uint8], n: int | None, which: str) -> NDArray[np.float32]:
        if n is not None and not 1 <= n <= len(images):
            raise DataError(
                f"{self.name}: expected between 1 and {len(images):,} {which} images, got {n:,}: "
                f"ask for fewer images in the protocol"
            )
        return np.divide(images[:n], self.pixel_max, dtype=np.float32)
