"""Where a grading was made: versions, processor, BLAS, sandbox. Kept in the record, so that a grade can be
defended.
"""

from __future__ import annotations

import platform
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from harness import __version__


def environment(sandbox: str) -> dict[str, Any]:
    """Return the facts of this machine on which a result could depend."""
    return {
        "backcheck": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "blas": _blas(),
        "packages": {
            name: package_version(name) for name in ("numpy", "torch", "scikit-learn", "scipy", "hypothesis")
        },
        "sandbox": sandbox,
    }


@cache
def package_version(name: str) -> str | None:
    """Return the installed version of a distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if sys.platform == "linux" and cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _blas() -> str:
    import numpy as np

    build = np.show_config(mode="dicts")
    blas = build.get("Build Dependencies", {}).get("blas", {}) if isinstance(build, dict) else {}
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()
