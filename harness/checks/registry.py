"""Every check, in the order in which they run: the table of contents of what backcheck proves.

``needs`` names checks (of the same activation where they have one) that must have passed: a broken forward
pass fails the forward check once, and what rests on it is skipped. ``explained_by`` names checks whose
defects may show here again: the check is tried all the same, and scores if it passes; if it fails where one
of them did, and it has no name to add, it is skipped like what rests on it. Points of a group are shared out
by ``weight``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.checks import (
    contract,
    corners,
    determinism,
    ends,
    forward,
    gradients,
    initialisation,
    loss,
    training,
    updates,
)
from harness.checks.properties import PROPERTIES
from harness.oracle import ACTIVATIONS

Run = Callable[..., dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check: ``run(ctx)``, or ``run(ctx, activation)`` where ``activation`` is given."""

    name: str
    group: str
    run: Run
    activation: str | None
    needs: tuple[str, ...]
    explained_by: tuple[str, ...]
    weight: float

    @property
    def id(self) -> str:
        """The check's id, as in ``gradients[tanh]``."""
        return f"{self.name}[{self.activation}]" if self.activation else self.name

    @property
    def proves(self) -> str:
        """One sentence: what is proved when the check passes."""
        return " ".join((self.run.__doc__ or "").split())


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A line of the table below."""

    group: str
    run: Run
    needs: tuple[str, ...] = ()
    explained_by: tuple[str, ...] = ()
    weight: float = 1.0
    each: bool = False  # once for each activation


TABLE: tuple[Entry, ...] = (
    Entry(group="contract", run=contract.builds, each=True),
    Entry(group="contract", run=contract.weights_round_trip, needs=("builds",), weight=2),
    Entry(group="contract", run=contract.other_networks, needs=("builds",)),
    Entry(group="forward", run=forward.forward, needs=("builds", "weights_round_trip"), each=True, weight=3),
    Entry(group="forward", run=contract.activations_differ, needs=("builds", "weights_round_trip")),
    Entry(group="loss", run=loss.loss, needs=("forward", "gradients_shape"), each=True, weight=2),
    Entry(group="loss", run=loss.loss_of_uniform_output, needs=("gradients_shape", "weights_round_trip")),
    Entry(group="loss", run=loss.loss_when_confidently_wrong, needs=("loss",), weight=2),
    Entry(group="gradients", run=contract.gradients_shape, needs=("builds",), each=True, weight=0.5),
    Entry(
        group="gradients", run=gradients.gradients, needs=("forward", "gradients_shape"), each=True, weight=3
    ),
    Entry(
        group="gradients",
        run=gradients.finite_differences,
        needs=("forward", "gradients"),
        explained_by=("a_new_question_gets_a_new_answer",),
        each=True,
        weight=2,
    ),
    Entry(
        group="gradients",
        run=corners.many_classes,
        needs=("forward", "gradients"),
        explained_by=("loss", "predicting_changes_nothing", "a_new_question_gets_a_new_answer"),
        weight=0.5,
    ),
    Entry(group="updates", run=updates.full_batch_update, needs=("forward",), each=True, weight=2),
    Entry(
        group="updates",
        run=updates.other_networks_are_trained,
        needs=("full_batch_update", "gradients"),
        explained_by=("large_gradient",),
        weight=0.5,
    ),
    Entry(group="updates", run=updates.large_gradient, needs=("full_batch_update",), weight=0.5),
    Entry(group="updates", run=updates.single_precision, needs=("full_batch_update",), weight=0.5),
    Entry(group="updates", run=updates.ten_steps, needs=("full_batch_update",), each=True),
    Entry(
        group="updates",
        run=updates.small_step_lowers_the_loss,
        needs=("full_batch_update",),
        each=True,
        weight=0.5,
    ),
    Entry(group="updates", run=updates.learning_rate_zero, needs=("builds", "weights_round_trip")),
    Entry(group="updates", run=updates.weight_decay, needs=("full_batch_update", "ten_steps"), each=True),
    Entry(
        group="updates",
        run=updates.adam,
        needs=("full_batch_update",),
        explained_by=(
            "ten_steps",
            "large_gradient",
            "batches_in_turn",
            "trains_to_the_last_epoch",
            "uses_every_example_once",
            "a_batch_of_one_row_is_trained_on",
        ),
        weight=2,
    ),
    Entry(group="updates", run=updates.adam_weight_decay, needs=("adam",), explained_by=("weight_decay",)),
    Entry(
        group="training",
        run=training.uses_every_example_once,
        needs=("full_batch_update",),
        explained_by=("ten_steps", "batches_in_turn", "large_gradient"),
        weight=2,
    ),
    Entry(
        group="training",
        run=updates.batches_in_turn,
        needs=("full_batch_update", "ten_steps"),
        explained_by=("large_gradient",),
    ),
    Entry(
        group="training",
        run=updates.trains_to_the_last_epoch,
        needs=("full_batch_update", "ten_steps"),
        weight=0.5,
    ),
    Entry(
        group="training",
        run=ends.ends_with_the_last_epoch,
        needs=("full_batch_update",),
        explained_by=("ten_steps", "batches_in_turn", "large_gradient", "trains_to_the_last_epoch"),
        weight=0.5,
    ),
    Entry(
        group="training",
        run=training.batch_size_is_respected,
        needs=("full_batch_update",),
        explained_by=("ten_steps", "large_gradient"),
    ),
    Entry(
        group="training",
        run=training.runs_the_epochs_asked_for,
        needs=("full_batch_update", "ten_steps"),
    ),
    Entry(
        group="training",
        run=training.reshuffles_every_epoch,
        needs=("uses_every_example_once",),
        explained_by=("batches_mix_classes", "same_seed_same_weights"),
    ),
    Entry(
        group="training",
        run=training.batches_mix_classes,
        needs=("uses_every_example_once", "ten_steps"),
        weight=0.5,
    ),
    Entry(
        group="training",
        run=training.a_batch_of_one_row_is_trained_on,
        needs=("uses_every_example_once",),
        weight=0.5,
    ),
    Entry(
        group="training",
        run=training.orders_are_drawn_anew,
        needs=("reshuffles_every_epoch", "batches_in_turn", "a_batch_of_one_row_is_trained_on"),
        explained_by=("batches_mix_classes", "same_seed_same_weights"),
        weight=0.5,
    ),
    Entry(
        group="training",
        run=corners.many_rows_are_used_whole,
        needs=("gradients", "full_batch_update"),
        explained_by=("loss", "large_gradient", "a_new_question_gets_a_new_answer"),
        weight=0.5,
    ),
    Entry(
        group="training",
        run=corners.memory_order_changes_nothing,
        needs=("gradients", "full_batch_update"),
        explained_by=("large_gradient", "a_new_question_gets_a_new_answer"),
        weight=0.5,
    ),
    Entry(group="training", run=initialisation.glorot_uniform, needs=("builds",), weight=2),
    Entry(group="training", run=initialisation.layers_are_independent, needs=("builds",)),
    Entry(group="training", run=determinism.same_seed_same_weights, needs=("builds",)),
    Entry(group="training", run=determinism.same_seed_same_training, needs=("same_seed_same_weights",)),
    Entry(group="training", run=determinism.keeps_what_it_is_given, needs=("builds",)),
    Entry(
        group="training", run=determinism.predicting_changes_nothing, needs=("gradients_shape",), each=True
    ),
    Entry(
        group="training",
        run=determinism.history_is_true,
        # A history of wrong losses, or of other examples, is as true as what it reports.
        needs=("forward", "loss", "learning_rate_zero", "uses_every_example_once"),
        explained_by=("ten_steps", "runs_the_epochs_asked_for"),
    ),
    Entry(
        group="training",
        run=determinism.overfits_twenty_examples,
        needs=("full_batch_update",),
        explained_by=(
            "ten_steps",
            "large_gradient",
            "batches_in_turn",
            "runs_the_epochs_asked_for",
            "uses_every_example_once",
        ),
    ),
)


def checks(activations: Sequence[str] = ACTIVATIONS) -> tuple[Check, ...]:
    """Return every check in order, expanded over the activations."""
    properties = (
        Entry(group="properties", run=run, needs=needs, explained_by=explained_by)
        for run, needs, explained_by in PROPERTIES
    )
    return tuple(check for entry in (*TABLE, *properties) for check in _expand(entry, activations))


def rests_on(check: Check, other: Check) -> bool:
    """Whether ``check`` is skipped when ``other`` did not pass: same activation, where both have one."""
    return other.name in check.needs and _alike(check, other)


def repeats(check: Check, other: Check) -> bool:
    """Whether a failure of ``check`` tells nothing new where ``other`` failed."""
    return other.name in check.explained_by and _alike(check, other)


def _alike(check: Check, other: Check) -> bool:
    return check.activation is None or other.activation is None or check.activation == other.activation


def _expand(entry: Entry, activations: Sequence[str]) -> Iterator[Check]:
    for activation in activations if entry.each else (None,):
        yield Check(
            name=entry.run.__name__,
            group=entry.group,
            run=entry.run,
            activation=activation,
            needs=entry.needs,
            explained_by=entry.explained_by,
            weight=entry.weight,
        )
