"""What the tests of the author's tools share."""

import pytest

from harness.errors import SandboxError
from harness.sandbox.backend import choose


@pytest.fixture(scope="module")
def backend():
    """The walls that a trial runs in; without any the test is skipped."""
    try:
        return choose()
    except SandboxError as error:
        pytest.skip(f"no sandbox here: {error}")
