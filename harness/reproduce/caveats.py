"""Claims that rest on accuracies which are not reproduced: which these are, and what other protocols give.

Nothing here changes a verdict. Where the report's own figures do not come out, its author followed another
protocol, and a verdict on a claim about them holds for the protocol that was run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.calibration.runs import Run
from harness.reproduce.model import Caveat, Elsewhere, Row, SearchLine
from harness.reproduce.search import search_protocols
from harness.spec import FULL, REPORT, Claim, Spec
from harness.statistics import NOT_REPRODUCED
from harness.statistics.claims import METRICS

Seeds = Mapping[str, Mapping[int, float]]  # experiment -> seed -> metric


def find_caveats(spec: Spec, rows: Sequence[Row], runs: Sequence[Run]) -> dict[str, Caveat]:
    """The caveat of each claim that rests on accuracies which are not reproduced, by the claim's id.

    A claim about the set on which a figure was measured is itself about that figure, and has none.
    """
    unreproduced = {row.experiment.id for row in rows if row.verdict == NOT_REPRODUCED}
    caveats = {}
    for claim in spec.claims:
        own = {arm.experiment for arm in claim.arms if arm.variant == REPORT}
        concerned = tuple(id for id in spec.experiments if id in own & unreproduced)
        if concerned and claim.kind != "measured_on":
            caveats[claim.id] = Caveat(
                experiments=concerned, elsewhere=_elsewhere(spec, claim, concerned, runs)
            )
    return caveats


def _elsewhere(
    spec: Spec, claim: Claim, concerned: Sequence[str], runs: Sequence[Run]
) -> tuple[Elsewhere, ...]:
    """The other protocols that have runs of the experiments concerned, by the rule of the protocol search.

    The rule allows for as many figures as the search has, so that page and claim say the same of a protocol.
    """
    searched = next(
        (
            q.experiments
            for q in spec.quirks
            if q.kind == "unexplained_rows" and {*concerned} <= {*q.experiments}
        ),
        concerned,
    )
    search = search_protocols(spec, [spec.experiments[id] for id in searched], runs)
    found = []
    for line in search.lines:
        cells = {id: line.cells[id] for id in concerned}
        if line.candidate is not None and any(cell.n for cell in cells.values()):
            figure, n = _figure(claim, line, runs)
            found.append(
                Elsewhere(candidate=line.candidate.id, label=line.label, cells=cells, figure=figure, n=n)
            )
    return tuple(found)


def _figure(claim: Claim, line: SearchLine, runs: Sequence[Run]) -> tuple[float | None, int]:
    """The claim's difference with every experiment under one protocol, and from how many seeds: the mean over
    the pairs of an "overall" claim, otherwise the least. (None, 0) where runs are missing.
    """
    arms = [arm for pair in claim.pairs for arm in (pair.higher, pair.lower)]
    if line.candidate is None or not arms or any(arm.variant != REPORT for arm in arms):
        return None, 0  # no run follows two candidates at once
    values = _by_seed(claim.metric, line.candidate.id, runs)
    if any(arm.experiment not in values for arm in arms):
        return None, 0
    seeds = set.intersection(*({*values[arm.experiment]} for arm in arms))
    if not seeds:
        return None, 0
    differences = [
        math.fsum(values[pair.higher.experiment][s] - values[pair.lower.experiment][s] for s in seeds)
        / len(seeds)
        for pair in claim.pairs
    ]
    whole = math.fsum(differences) / len(differences) if claim.kind == "overall" else min(differences)
    return whole, len(seeds)


def _by_seed(metric: str, variant: str, runs: Sequence[Run]) -> Seeds:
    """The metric of each experiment and seed; the mean over references where several ran a seed."""
    found: dict[str, dict[int, list[float]]] = {}
    for run in runs:
        if (run.variant, run.budget) == (variant, FULL):
            found.setdefault(run.experiment, {}).setdefault(run.seed, []).append(METRICS[metric](run))
    return {
        id: {seed: math.fsum(values) / len(values) for seed, values in seeds.items()}
        for id, seeds in found.items()
    }
