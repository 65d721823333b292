"""Properties: what holds for every right network and batch; Hypothesis looks for a counterexample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.checks import properties_batches as batches
from harness.checks import properties_networks as networks
from harness.checks import properties_probabilities as probabilities
from harness.checks import properties_training as training

Property = tuple[Callable[..., dict[str, Any]], tuple[str, ...], tuple[str, ...]]

_FORWARD = ("forward",)
_LOSS = ("loss",)
_GRADIENTS = ("gradients",)
_UPDATES = ("full_batch_update",)

# Where answers are kept from one question to the next, or add up, every comparison of two answers fails.
_KEPT = ("a_new_question_gets_a_new_answer", "predicting_changes_nothing")
_OVERFLOW = ("extreme_logits_give_finite_probabilities",)
_TRAINING = ("ten_steps",)

PROPERTIES: tuple[Property, ...] = (
    (
        probabilities.a_new_question_gets_a_new_answer,
        ("forward", "gradients_shape"),
        ("predicting_changes_nothing",),
    ),
    (networks.networks_are_independent, _FORWARD, ()),
    (
        probabilities.rows_are_distributions,
        _FORWARD,
        (*_OVERFLOW, "an_extreme_row_changes_no_other"),
    ),
    (probabilities.extreme_logits_give_finite_probabilities, _FORWARD, _KEPT),
    (probabilities.saturated_units_stay_finite, _FORWARD, _OVERFLOW),
    (probabilities.an_extreme_row_changes_no_other, _FORWARD, _OVERFLOW),
    (probabilities.a_row_alone_is_the_row_in_a_batch, _FORWARD, _KEPT),
    (probabilities.a_long_batch_is_its_parts, _FORWARD, _KEPT),
    (probabilities.shifting_the_logits_changes_nothing, _FORWARD, _KEPT),
    (probabilities.permuting_classes_permutes_probabilities, _FORWARD, _KEPT),
    (batches.loss_is_not_negative, _LOSS, (*_KEPT, *_OVERFLOW, "an_extreme_row_changes_no_other")),
    (batches.loss_is_the_mean_of_its_parts, _LOSS, _KEPT),
    (batches.loss_ignores_the_order_of_rows, _LOSS, _KEPT),
    (batches.loss_of_a_doubled_batch_is_the_same, _LOSS, _KEPT),
    (batches.shifting_the_logits_changes_no_loss, ("loss", "gradients"), (*_KEPT, *_OVERFLOW)),
    (batches.gradients_are_the_mean_of_their_parts, _GRADIENTS, _KEPT),
    (batches.gradients_ignore_the_order_of_rows, _GRADIENTS, _KEPT),
    (batches.gradients_of_a_doubled_batch_are_the_same, _GRADIENTS, _KEPT),
    (batches.last_gradients_sum_to_zero_over_classes, _GRADIENTS, _KEPT),
    (batches.an_input_of_zeros_has_no_gradient, _GRADIENTS, _KEPT),
    (batches.answers_ignore_earlier_calls, _GRADIENTS, _KEPT),
    (networks.hidden_units_are_monotone_and_in_range, _FORWARD, _KEPT),
    (networks.permuting_hidden_units_permutes_gradients, _GRADIENTS, _KEPT),
    (
        networks.rescaling_relu_units_changes_nothing,
        _GRADIENTS,
        (*_KEPT, "hidden_units_are_monotone_and_in_range"),
    ),
    (networks.flipping_tanh_units_changes_nothing, _GRADIENTS, _KEPT),
    (networks.sigmoid_of_minus_z_is_one_minus_sigmoid, _FORWARD, _KEPT),
    (training.a_step_is_linear_in_the_learning_rate, _UPDATES, _TRAINING),
    (training.training_goes_on_from_where_it_stands, _UPDATES, _TRAINING),
    (training.a_step_uses_every_row_of_a_long_batch, (*_UPDATES, "gradients"), _TRAINING),
    (training.weight_decay_zero_is_none, _UPDATES, (*_TRAINING, "weight_decay")),
    (
        training.a_fit_leaves_nothing_behind,
        ("full_batch_update", "gradients"),
        (
            *_TRAINING,
            *_KEPT,
            "answers_ignore_earlier_calls",
            "a_step_is_linear_in_the_learning_rate",
            "weight_decay_zero_is_none",
        ),
    ),
)
"""The check, the checks that it needs, and those whose defects may show in it again."""
