"""MNIST by the name that most callers use; ``harness.data`` does the work, one file for each step."""

from __future__ import annotations

from harness.data.cache import cache_folder
from harness.data.dataset import Dataset
from harness.data.mnist import load_mnist

__all__ = ["Dataset", "cache_folder", "load_mnist"]
