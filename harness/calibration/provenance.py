"""What a run was made with, asked of the interpreter, the libraries, the processor and git."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

from harness import __version__
from harness.calibration.runs import Provenance


def provenance(reference_file: Path, protocol: str) -> Provenance:
    """The provenance of a run that ended just now."""
    return Provenance(
        backcheck=__version__,
        python=platform.python_version(),
        numpy=_version("numpy"),
        torch=_version("torch"),
        blas=_blas(),
        processor=_processor(),
        machine=f"{platform.system()} {platform.machine()}",
        commit=_commit(reference_file),
        reference=file_digest(reference_file),
        protocol=protocol,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )


@cache
def file_digest(file: Path) -> str:
    """The first 16 hexadecimal digits of a file's SHA-256, as the process first saw it."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "none"


@cache
def _blas() -> str:
    """NumPy's BLAS and the kernel it chose: two kernels round differently."""
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]  # scikit-learn brings it

    for pool in threadpool_info():
        if pool["user_api"] == "blas":
            kernel = pool.get("architecture", "unknown kernel")
            return f"{pool['internal_api']} {pool['version']} {kernel}"
    return "unknown"


@cache
def _processor() -> str:
    """The processor's model name with family, model and stepping: virtual machines often hide the name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n", 1)[0].splitlines()
    except OSError:
        return platform.processor() or "unknown"
    facts = dict(line.replace("\t", "").split(":", 1) for line in lines if ":" in line)
    numbers = [facts.get(key, "?").strip() for key in ("cpu family", "model", "stepping")]
    return f"{facts.get('model name', 'unknown').strip()} ({'/'.join(numbers)})"


@cache
def _commit(file: Path) -> str:
    """The commit that the file's repository is at, "+" if the file differs from it; "none" without git."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(file.parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", file.name)
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "none"
