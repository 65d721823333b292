"""What every test of the project shares; ``pytest submissions/`` loads no conftest at all."""

import os
import sys
from collections.abc import Iterator

# One BLAS thread, set before NumPy is imported: tests run side by side, and results must not depend on cores.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import pytest
from hypothesis import settings

# The same examples every time: a failure in CI is one that everybody can repeat.
settings.register_profile("project", derandomize=True, database=None, deadline=None)
settings.load_profile("project")

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def _no_submission_of_another_test() -> Iterator[None]:
    """Forget the submission that a test loaded in this process: in grading each has a process of its own."""
    yield
    sys.modules.pop("submission", None)
