"""Diagnosis of gradients: every known mistake of the backward pass, each with all else right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.diagnosis.deltas import deltas
from harness.diagnosis.fitting import name
from harness.diagnosis.passes import Pass
from harness.diagnosis.routes import routes
from harness.diagnosis.scales import scales
from harness.diagnosis.slopes import slopes
from harness.diagnosis.types import Diagnosis, Hypothesis, Posed
from harness.oracle import Float


def diagnose(
    problem: Posed, found: Sequence[Float], *, rounding: Sequence[float] | None = None
) -> Diagnosis | None:
    """Name the mistake that gives these gradients."""
    net = Pass.of(problem)
    observed = list(found)
    if [f.shape for f in observed] != [g.shape for g in net.gradients]:
        return None
    return name(observed, net.gradients, hypotheses(net, observed), rounding=rounding)


def hypotheses(net: Pass, found: list[Float]) -> Iterator[Hypothesis]:
    """Yield every known mistake of the backward pass; their constants are fitted to ``found``."""
    yield from scales(net)
    yield from slopes(net, found)
    yield from deltas(net, found)
    yield from routes(net, found)
