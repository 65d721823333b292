"""What the tests of the walls share: this machine's backends, and code run behind one as a worker is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from harness.sandbox import backend as backends
from harness.sandbox.backend import Backend
from harness.sandbox.policy import SCRATCH_PACKAGES, Policy, python_readable_paths

PRELUDE = """
import sys
import numpy
{before}
from harness.sandbox.backend import confine
walls = confine(sys.stdin.read(), allow_disabled_walls={allow})
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


def working_backends() -> list[Backend]:
    found = [backends._find(name) for name in ("bubblewrap", "landlock")]
    return [backend for backend in found if isinstance(backend, Backend)]


@pytest.fixture(params=working_backends(), ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    return request.param


@pytest.fixture
def run(backend: Backend, tmp_path: Path) -> Run:
    """Run code after the walls were raised; its output is the result."""
    return lambda code, **options: confined(code, backend, tmp_path, **options)


def confined(
    code: str,
    backend: Backend,
    folder: Path,
    *,
    packages: Iterable[str] = SCRATCH_PACKAGES,
    disabled: Iterable[str] = (),
    readable: tuple[Path, ...] = (),
    before: str = "",
    pass_fds: tuple[int, ...] = (),
    **limits: Any,
) -> subprocess.CompletedProcess[str]:
    workdir = folder / "work"
    workdir.mkdir(exist_ok=True)
    policy = backend.prepare(
        Policy(
            readable=(*python_readable_paths(packages), *readable),
            writable=(workdir,),
            disabled_walls=frozenset(disabled),
            allow_disabled_walls=bool(disabled),
            **limits,
        )
    )
    program = PRELUDE.format(before=before, allow=bool(disabled)) + code
    return subprocess.run(
        backend.wrap([sys.executable, "-I", "-c", program], policy),
        input=policy.to_json(),
        capture_output=True,
        text=True,
        cwd=workdir,
        env={
            "HOME": str(workdir),
            "TMPDIR": str(workdir),
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        },
        start_new_session=True,
        pass_fds=pass_fds,
        timeout=60,
        check=False,
    )
