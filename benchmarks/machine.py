"""What the figures were taken on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

import psutil

PACKAGES = ("numpy", "scipy", "torch", "scikit-learn", "jax", "pytest")


def describe() -> dict[str, str]:
    """Return processor, memory, system, versions and BLAS."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()} ({platform.machine()})",
        "Python": platform.python_version(),
        "packages": ", ".join(_versions()),
        "BLAS": _blas(),
        "BLAS threads": os.environ.get("OMP_NUM_THREADS", "not set"),
    }


def load() -> float:
    """Return how many processes want to run, averaged over the last minute."""
    return os.getloadavg()[0]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    flags = next((line for line in lines if line.startswith("flags")), "")
    best = next((flag for flag in ("avx512f", "avx2", "avx") if flag in flags.split()), "")
    return f"{name} ({best})" if best else name


def _versions() -> list[str]:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} not installed")
    return found


def _blas() -> str:
    """NumPy's and PyTorch's, by their own account."""
    import numpy as np
    import torch

    numpy_blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    torch_blas = "MKL" if "mkl" in torch.__config__.show().lower() else "not MKL"
    return f"NumPy: {numpy_blas['name']} {numpy_blas['version']}; PyTorch: {torch_blas}"
