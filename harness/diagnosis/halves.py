"""Gradients that lose digits: derivatives, errors or results in half precision or cut to decimals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from harness import oracle
from harness.diagnosis.fitting import float16, float16_by_float32
from harness.diagnosis.passes import Pass
from harness.diagnosis.types import Hypothesis
from harness.oracle import Float


def halves(net: Pass, found: list[Float]) -> Iterator[Hypothesis]:
    """Yield the mistakes that round the gradients or what they are made of."""
    if net.depth > 1 and net.activation != "relu":  # whose derivative loses nothing
        sentence = f"{net.activation}'s derivative is computed in float16, which keeps three digits"
        for number in range(len(_slopes(net.activation, np.zeros(1), np.zeros(1)))):
            yield Hypothesis(
                id="derivative_float16",
                sentence=sentence,
                predict=lambda number=number: net.backward(  # type: ignore[misc]
                    through=lambda layer, e, Z, A: e * _slopes(net.activation, Z, A)[number]
                ),
            )
    for half in (float16, float16_by_float32):
        yield Hypothesis(
            id="gradients_float16",
            sentence="the gradients are rounded to float16, which keeps three digits",
            predict=lambda half=half: [half(g) for g in net.gradients],  # type: ignore[misc]
        )
        yield Hypothesis(
            id="gradients_float16",
            sentence="delta of the logits is rounded to float16, which keeps three digits",
            predict=lambda half=half: net.backward(delta=half((net.P - net.T) / net.n)),  # type: ignore[misc]
        )
    digits = _decimals(found)
    if digits is not None:
        yield Hypothesis(
            id="gradients_rounded",
            sentence=f"the gradients are rounded to {digits} decimals",
            predict=lambda: [np.round(g, digits) for g in net.gradients],
        )


def _decimals(found: list[Float]) -> int | None:
    """Return the number of decimals that all gradients are cut to, if they are."""
    for digits in range(1, 9):
        if all(np.abs(g - np.round(g, digits)).max() <= 1e-12 for g in found):
            return digits if any(g.any() for g in found) else None
    return None


def _slopes(activation: str, Z: Float, A: Float) -> list[Float]:
    """Return the derivative in half precision, in the ways in which it is written."""
    by_float32 = A.astype(np.float32).astype(np.float16)
    found: list[Any] = [_formula(activation, A.astype(np.float16)), _formula(activation, by_float32)]
    with np.errstate(over="ignore"):
        z = Z.astype(np.float16)
        a = np.tanh(z) if activation == "tanh" else 1 / (1 + np.exp(-z))
    found.append(_formula(activation, a))
    found.append(float16(oracle.derivative(Z, activation)))
    found.append(float16_by_float32(oracle.derivative(Z, activation)))
    return [np.asarray(slope, dtype=np.float64) for slope in found]


def _formula(activation: str, a: Any) -> Any:
    return a * (1 - a) if activation == "sigmoid" else 1 - a * a
