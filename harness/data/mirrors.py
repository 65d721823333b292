"""MNIST from the mirrors that torchvision and Keras users know: four gzip IDX files, verified one by one."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException

import numpy as np
from numpy.typing import NDArray

from harness.data.idx import MNIST_FILES, IdxFile, decode, gunzip
from harness.errors import DataError

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
TIMEOUT_SECONDS = 30.0


def fetch_arrays(mirror: str, files: tuple[IdxFile, ...] = MNIST_FILES) -> Mapping[str, NDArray[np.uint8]]:
    """Return the verified arrays of one mirror; DataError says which file failed and how."""
    return {file.array: _fetch(mirror + file.stem + ".gz", file) for file in files}


def _fetch(url: str, file: IdxFile) -> NDArray[np.uint8]:
    limit = file.size + 100_000  # gzip never needs more than this for data that it cannot compress
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
            data: bytes = response.read(limit)
    except urllib.error.HTTPError as error:
        error.close()
        raise DataError(f"{url}: the server answered {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise DataError(f"{url}: {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise DataError(f"{url}: {error or type(error).__name__}") from error
    return decode(gunzip(data, file, url), file, url)
