"""Properties: what holds for every right network and batch; Hypothesis looks for a counterexample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.checks import properties_batches as batches
from harness.checks import properties_networks as networks
from harness.checks import properties_probabilities as probabilities
from harness.checks import properties_training as training

Property = tuple[Callable[..., dict[str, Any]], bool, tuple[str, ...], float]

_FORWARD = ("forward",)
_LOSS = ("loss",)
_GRADIENTS = ("gradients",)
_UPDATES = ("full_batch_update",)

PROPERTIES: tuple[Property, ...] = tuple(
    (run, False, needs, 1.0)
    for run, needs in (
        (probabilities.rows_are_distributions, _FORWARD),
        (probabilities.extreme_logits_give_finite_probabilities, _FORWARD),
        (probabilities.saturated_units_stay_finite, _FORWARD),
        (probabilities.an_extreme_row_changes_no_other, _FORWARD),
        (probabilities.a_row_alone_is_the_row_in_a_batch, _FORWARD),
        (probabilities.a_long_batch_is_its_parts, _FORWARD),
        (probabilities.shifting_the_logits_changes_nothing, _FORWARD),
        (probabilities.permuting_classes_permutes_probabilities, _FORWARD),
        (batches.loss_is_not_negative, _LOSS),
        (batches.loss_is_the_mean_of_its_parts, _LOSS),
        (batches.loss_ignores_the_order_of_rows, _LOSS),
        (batches.loss_of_a_doubled_batch_is_the_same, _LOSS),
        (batches.gradients_are_the_mean_of_their_parts, _GRADIENTS),
        (batches.gradients_ignore_the_order_of_rows, _GRADIENTS),
        (batches.gradients_of_a_doubled_batch_are_the_same, _GRADIENTS),
        (batches.last_gradients_sum_to_zero_over_classes, _GRADIENTS),
        (batches.an_input_of_zeros_has_no_gradient, _GRADIENTS),
        (batches.answers_ignore_earlier_calls, _GRADIENTS),
        (networks.hidden_units_are_monotone_and_in_range, _FORWARD),
        (networks.permuting_hidden_units_permutes_gradients, _GRADIENTS),
        (networks.rescaling_relu_units_changes_nothing, _GRADIENTS),
        (networks.flipping_tanh_units_changes_nothing, _GRADIENTS),
        (networks.sigmoid_of_minus_z_is_one_minus_sigmoid, _FORWARD),
        (training.a_step_is_linear_in_the_learning_rate, _UPDATES),
        (training.training_goes_on_from_where_it_stands, _UPDATES),
        (training.a_step_uses_every_row_of_a_long_batch, (*_UPDATES, "gradients")),
        (training.weight_decay_zero_is_none, _UPDATES),
    )
)
"""The check, whether it runs once for each activation, the checks that it needs, and its weight."""
