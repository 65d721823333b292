"""Known-wrong gradients: each fault spoils what a right implementation answers, for every checker alike."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
ROOT = Path(__file__).resolve().parents[1]
RIGHT = "none (right code)"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """``code`` changes ``g``, [dW1, db1, dW2, ...], in place; ``n`` is the batch size."""

    name: str
    code: str = "pass"

    def spoil(self, gradients: list[Array], batch: int) -> list[Array]:
        """Return spoiled copies of gradients."""
        found = [gradient.copy() for gradient in gradients]
        exec(self.code, {"np": np, "g": found, "n": batch})
        return found


FAULTS = (
    Fault(name=RIGHT),
    Fault(name="W1: all zero", code="g[0][...] = 0"),
    Fault(name="b1: all zero", code="g[1][...] = 0"),
    Fault(name="W2: transposed, then reshaped", code="g[2][...] = g[2].T.copy().reshape(g[2].shape)"),
    Fault(name="W3: twice too large", code="g[4] *= 2"),
    Fault(name="W1: one per cent too large", code="g[0] *= 1.01"),
    Fault(name="all: sum for mean", code="for x in g: x *= n"),
    Fault(name="biases: averaged twice", code="for x in g[1::2]: x /= n"),
    Fault(name="b1: one of 500 has the wrong sign", code="g[1][np.argsort(abs(g[1]))[400]] *= -1"),
    # The entry at the upper quartile: typical of those that are not zero.
    Fault(
        name="W1: one of 392,000 has the wrong sign",
        code="g[0].flat[np.argsort(abs(g[0]).ravel())[g[0].size * 3 // 4]] *= -1",
    ),
)


def submission(fault: Fault, folder: Path) -> Path:
    """Write the NumPy reference with the fault as a submission, and return its path."""
    source = (ROOT / "reference" / "numpy_mlp.py").read_text(encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "spoiled.py"
    path.write_text(source + _override(fault), encoding="utf-8")
    return path


def _override(fault: Fault) -> str:
    code = textwrap.indent(fault.code, " " * 8)
    return f"""

class Spoiled(MLP):
    def loss_and_gradients(self, X, y):
        loss, g = super().loss_and_gradients(X, y)
        n = len(y)
{code}
        return loss, g


def build(layer_sizes, activation, seed):
    return Spoiled(layer_sizes, activation, seed)
"""
