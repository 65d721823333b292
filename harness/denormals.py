"""Flush denormal numbers to zero in this thread and those that it starts.

A network that has learnt its training set has probabilities and gradients below 1e-38, which processors
compute hundreds of times more slowly than others: one ReLU training of 20 s was seen to take 1,460 s.
Nothing that a network learns depends on numbers of that size. PyTorch has ``torch.set_flush_denormal``;
NumPy has no such switch.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys

FLUSH_TO_ZERO = 0x8000  # results that would be denormal
DENORMALS_ARE_ZERO = 0x0040  # operands that are
MXCSR_OFFSET = 28  # bytes into glibc's fenv_t on x86-64, whose size is 32


def flush_denormals() -> bool:
    """Flush denormals from now on; return whether this machine could (x86-64 with glibc)."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    if "CS_GNU_LIBC_VERSION" not in os.confstr_names:
        return False
    libm = ctypes.CDLL("libm.so.6")
    environment = (ctypes.c_char * 32)()
    if libm.fegetenv(ctypes.byref(environment)) != 0:
        return False
    mxcsr = ctypes.c_uint32.from_buffer(environment, MXCSR_OFFSET)
    mxcsr.value |= FLUSH_TO_ZERO | DENORMALS_ARE_ZERO
    return bool(libm.fesetenv(ctypes.byref(environment)) == 0)
