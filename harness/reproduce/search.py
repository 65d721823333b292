"""The protocol search: where a report is silent, which protocol explains which of its figures."""

from __future__ import annotations

from collections.abc import Sequence

from harness.calibration.runs import Run
from harness.reproduce.model import AS_STATED, Cell, Search, SearchLine
from harness.spec import FULL, REPORT, Candidate, Experiment, Spec
from harness.statistics import MIN_RUNS, consistent

SEARCH_ALPHA = 0.05
"""The probability that a protocol which made all the figures is excluded for any of them."""


def search_protocols(spec: Spec, experiments: Sequence[Experiment], runs: Sequence[Run]) -> Search:
    """The experiments' own protocol and every candidate of purpose "search", each unchanged for all
    experiments.

    A protocol is excluded for a figure whose p is under SEARCH_ALPHA over the number of figures.
    """
    figures = [experiment for experiment in experiments if experiment.reported is not None]
    level = SEARCH_ALPHA / max(1, len(figures))
    candidates = [
        candidate
        for candidate in spec.candidates.values()
        if candidate.purpose == "search" and any(e.id in candidate.experiments for e in figures)
    ]
    lines = [_line(None, _own_label(figures), figures, runs, level)]
    lines += [_line(candidate, candidate.text, figures, runs, level) for candidate in candidates]
    return Search(experiments=tuple(figures), lines=tuple(lines), level=level)


def _own_label(experiments: Sequence[Experiment]) -> str:
    """The experiments' own protocol, in the words of the candidates' names."""
    if not experiments:
        return "own protocol"
    protocol = experiments[0].protocol
    shuffled = ", shuffled" if protocol.shuffle else ""
    glorot = ", Glorot" if protocol.initialisation == "glorot_uniform" else ""
    name = protocol.optimizer.upper() if protocol.optimizer == "sgd" else protocol.optimizer.capitalize()
    return f"{name} {protocol.learning_rate:g}{shuffled}{glorot} ({AS_STATED})"


def _line(
    candidate: Candidate | None,
    label: str,
    experiments: Sequence[Experiment],
    runs: Sequence[Run],
    level: float,
) -> SearchLine:
    variant = REPORT if candidate is None else candidate.id
    cells = {}
    for experiment in experiments:
        accuracies = [
            run.test_accuracy
            for run in runs
            if (run.experiment, run.variant, run.budget) == (experiment.id, variant, FULL)
        ]
        cells[experiment.id] = _cell(experiment, accuracies, level)
    return SearchLine(candidate=candidate, label=label, cells=cells)


def _cell(experiment: Experiment, accuracies: Sequence[float], level: float) -> Cell:
    n = len(accuracies)
    if n < MIN_RUNS or experiment.reported is None:
        return Cell(n=n, mean=sum(accuracies) / n if n else None)
    found = consistent(experiment.reported, accuracies, alpha=level, digit_unit=experiment.digit_unit or 0.0)
    return Cell(
        n=n,
        mean=found.interval.mean,
        sd=found.interval.sd,
        p=found.p,
        fits=found.verdict == "consistent",
    )
