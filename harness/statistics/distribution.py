"""From stored calibration runs to the reference distribution of one experiment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from harness.errors import BackcheckError


class AccuracyRun(Protocol):
    """What is read of a stored run (``harness.calibration.runs.Run`` has it): one seed's test accuracy."""

    @property
    def experiment(self) -> str:
        """The experiment's id in the specification."""

    @property
    def variant(self) -> str:
        """ "report" for the report's own protocol, else the id of a candidate protocol."""

    @property
    def budget(self) -> str:
        """ "full", or the name of a shorter budget."""

    @property
    def reference(self) -> str:
        """Which reference implementation was trained."""

    @property
    def seed(self) -> int:
        """The seed of weights and batches."""

    @property
    def test_accuracy(self) -> float:
        """Per cent of the test images classified rightly."""


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """The test accuracies (per cent) that the reference reached in one experiment, one for each seed."""

    experiment: str
    budget: str
    variant: str
    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]
    # {"accuracy" | "loss": {"low" | "high": one figure an epoch}}, for pictures
    band: Mapping[str, Mapping[str, Sequence[float]]] | None = field(default=None, compare=False)

    @property
    def n(self) -> int:
        """The number of runs."""
        return len(self.accuracies)


def reference_distribution(
    runs: Iterable[AccuracyRun], experiment: str, budget: str = "full", variant: str = "report"
) -> Distribution:
    """The stored accuracies of one experiment, ordered by seed; BackcheckError where there is none or a
    seed twice.
    """
    chosen = sorted(
        (run for run in runs if (run.experiment, run.budget, run.variant) == (experiment, budget, variant)),
        key=lambda run: (run.reference, run.seed),
    )
    if not chosen:
        raise BackcheckError(
            f"no stored run of {experiment} (budget {budget}, variant {variant}): "
            f"train it with `backcheck calibrate --experiments '{experiment}' --budget {budget}`"
        )
    keys = [(run.reference, run.seed) for run in chosen]
    twice = sorted(
        {f"{reference} seed {seed}" for reference, seed in keys if keys.count((reference, seed)) > 1}
    )
    if twice:
        raise BackcheckError(
            f"stored runs of {experiment} (budget {budget}, variant {variant}): one run a seed expected, "
            f"found more than one of {', '.join(twice)}: remove the repeated lines"
        )
    return Distribution(
        experiment=experiment,
        budget=budget,
        variant=variant,
        seeds=tuple(run.seed for run in chosen),
        accuracies=tuple(run.test_accuracy for run in chosen),
    )
