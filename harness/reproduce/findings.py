"""The evidence for each quirk of a report, by its kind."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.calibration.runs import Run
from harness.reproduce.model import Accumulated, Finding, Search, SetsCompared
from harness.reproduce.panels import batch_positions, points_per_epoch
from harness.reproduce.search import search_protocols
from harness.spec import FULL, REPORT, Experiment, Quirk, Spec
from harness.statistics import MIN_RUNS, consistent, p_equals


def find(spec: Spec, quirk: Quirk, runs: Sequence[Run]) -> Finding:
    """The quirk with its evidence; experiments whose runs are missing are named, not passed over."""
    own = [run for run in runs if run.budget == FULL and run.variant == REPORT]
    experiments = [spec.experiments[id] for id in quirk.experiments]
    if quirk.kind == "train_or_test":
        return _train_or_test(quirk, experiments, own)
    if quirk.kind == "unreset_accumulator":
        return _unreset_accumulator(quirk, experiments, own)
    if quirk.kind == "unexplained_rows":
        return _unexplained_rows(spec, quirk, experiments, runs)
    return Finding(quirk=quirk)


def _train_or_test(quirk: Quirk, experiments: Sequence[Experiment], runs: Sequence[Run]) -> Finding:
    """Is the reported figure an accuracy on the test set, or on the training set?"""
    compared, sentences = [], []
    for experiment in experiments:
        chosen = [run for run in runs if run.experiment == experiment.id]
        if not chosen:
            continue
        sets = SetsCompared(
            experiment=experiment,
            test=tuple(run.test_accuracy for run in chosen),
            train=tuple(run.train_accuracy for run in chosen),
            running=tuple(run.epoch_accuracy[-1] for run in chosen),
            p_test=_p(experiment, [run.test_accuracy for run in chosen]),
            p_train=_p(experiment, [run.train_accuracy for run in chosen]),
        )
        compared.append(sets)
        sentences.append(
            f"{experiment.id}, {len(chosen)} seeds: reported {experiment.reported_text or 'nothing'}; "
            f"test accuracy {np.mean(sets.test):.2f} on average{_in_brackets(sets.p_test)}, "
            f"training accuracy {np.mean(sets.train):.2f}{_in_brackets(sets.p_train)} of the final network "
            f"and {np.mean(sets.running):.2f} as the last epoch's running mean."
        )
    return Finding(
        quirk=quirk,
        sets=tuple(compared),
        missing=_missing(experiments, runs),
        summary=" ".join(sentences),
    )


def _p(experiment: Experiment, accuracies: Sequence[float]) -> float | None:
    if experiment.reported is None or len(accuracies) < MIN_RUNS:
        return None
    return consistent(experiment.reported, accuracies, digit_unit=experiment.digit_unit or 0.0).p


def _in_brackets(p: float | None) -> str:
    return "" if p is None else f" ({p_equals(p)})"


def _unreset_accumulator(quirk: Quirk, experiments: Sequence[Experiment], runs: Sequence[Run]) -> Finding:
    """What the recorded batch losses look like if their sum is carried through the epoch."""
    evidence, sentences = [], []
    for experiment in experiments:
        chosen = [r for r in runs if r.experiment == experiment.id and points_per_epoch(r) > 1]
        if not chosen:
            continue
        first = min(chosen, key=lambda run: run.seed)
        summed = [_carried(run) for run in chosen]
        true = [np.reshape(run.batch_loss, (-1, points_per_epoch(run))) for run in chosen]
        ratio = _rise(summed)
        evidence.append(
            Accumulated(
                experiment=experiment,
                seed=first.seed,
                epochs=batch_positions(first, experiment.protocol),
                loss=first.batch_loss,
                summed=tuple(float(value) for value in _carried(first).ravel()),
                chance=math.log(experiment.protocol.layer_sizes[-1]),
                ratio=ratio,
            )
        )
        sentences.append(
            f"{experiment.id}, {len(chosen)} seeds: within an epoch the carried sum rises by a factor of "
            f"{ratio:.2f} from its first point to its last, the loss itself by {_rise(true):.2f}."
        )
    return Finding(
        quirk=quirk,
        accumulated=tuple(evidence),
        missing=_missing(experiments, runs),
        summary=" ".join(sentences),
    )


def _carried(run: Run) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The recorded losses (epochs, points) summed within each epoch, as a counter that is never reset
    shows them.
    """
    return np.cumsum(np.reshape(run.batch_loss, (-1, points_per_epoch(run))), axis=1)


def _rise(curves: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]) -> float:
    """Mean of the epochs' last points over the mean of their first."""
    return float(np.mean([curve[:, -1] for curve in curves]) / np.mean([curve[:, 0] for curve in curves]))


def _unexplained_rows(
    spec: Spec, quirk: Quirk, experiments: Sequence[Experiment], runs: Sequence[Run]
) -> Finding:
    """Which protocol explains which reported figure."""
    search = search_protocols(spec, experiments, runs)
    tried = search.tried
    total = len(search.experiments)
    judged = [line for line in tried if line.fitting + line.excluded == total]
    all_six = [line.label for line in judged if line.fitting == total]
    summary = (
        f"Protocols with runs: {len(tried)} of {len(search.lines)}; with enough of them for a verdict on all "
        f"{total} figures: {len(judged)}. "
    )
    summary += _own_figures(search)
    if all_six:
        summary += f"Not excluded for any figure: {'; '.join(all_six)}."
    elif judged:
        best = max(judged, key=lambda line: line.fitting)
        summary += (
            f"Each of these is excluded for at least one figure; {best.label} explains most, {best.fitting}."
        )
    return Finding(quirk=quirk, search=search, missing=_missing(experiments, runs), summary=summary)


def _own_figures(search: Search) -> str:
    """What the experiments' own protocol is excluded for, and what not."""
    own = search.lines[0]
    excluded = [id for id, cell in own.cells.items() if cell.fits is False]
    fitting = [id for id, cell in own.cells.items() if cell.fits is True]
    if not excluded and not fitting:
        return ""
    return (
        f"{own.label} is excluded for {', '.join(excluded) or 'no figure'} and not excluded for "
        f"{', '.join(fitting) or 'any'}. "
    )


def _missing(experiments: Sequence[Experiment], runs: Sequence[Run]) -> tuple[str, ...]:
    present = {run.experiment for run in runs if run.variant == REPORT}
    return tuple(experiment.id for experiment in experiments if experiment.id not in present)
