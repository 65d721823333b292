"""Denormals are zero where this machine can flush them, and only after it was asked to."""

import subprocess
import sys

import pytest

CODE = """
import numpy as np
from harness.denormals import flush_denormals
small = np.full(8, 1e-38, np.float32)
before = float((small * np.float32(0.01)).max())
could = flush_denormals()
after = float((small * np.float32(0.01)).max())
double = float((np.full(8, 1e-308) * 0.01).max())
print(int(could), before, after, double)
"""


def test_denormals_are_flushed_in_the_process_that_asks():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    could, before, after, double = map(float, done.stdout.split())
    assert before > 0
    if not could:
        pytest.skip("this machine has no switch for denormals that backcheck knows")
    assert after == 0
    assert double == 0
