"""Properties: what holds for every right network and batch; Hypothesis looks for a counterexample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.checks import properties_probabilities as probabilities

Property = tuple[Callable[..., dict[str, Any]], bool, tuple[str, ...], float]

_FORWARD = ("forward",)

PROPERTIES: tuple[Property, ...] = tuple(
    (run, False, needs, 1.0)
    for run, needs in (
        (probabilities.rows_are_distributions, _FORWARD),
        (probabilities.extreme_logits_give_finite_probabilities, _FORWARD),
        (probabilities.saturated_units_stay_finite, _FORWARD),
        (probabilities.an_extreme_row_changes_no_other, _FORWARD),
        (probabilities.a_row_alone_is_the_row_in_a_batch, _FORWARD),
        (probabilities.shifting_the_logits_changes_nothing, _FORWARD),
        (probabilities.permuting_classes_permutes_probabilities, _FORWARD),
    )
)
"""The check, whether it runs once for each activation, the checks that it needs, and its weight."""
