"""Claims in a specification, each reduced to arms and pairs that a program can compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

from harness.spec.model import CLAIM_KINDS, METRICS, REPORT, SETS, Arm, Candidate, Claim, Experiment, Pair
from harness.spec.table import Table


def read_claim(
    id: str,
    table: Table,
    margin: float,
    experiments: Mapping[str, Experiment],
    candidates: Mapping[str, Candidate],
) -> Claim:
    """Return one claim; ``margin`` is the specification's default for accuracies."""
    kind = table.choice("kind", CLAIM_KINDS)
    metric = table.choice("metric", METRICS, "test_accuracy")
    if metric == "train_loss" and "margin" not in table:
        raise table.error("margin", "this key is missing: the default is in points of accuracy, not of loss")
    reader = _ArmReader(table, experiments, candidates)
    pairs = reader.pairs(kind, falling=metric == "train_loss")
    arms = _distinct(arm for pair in pairs for arm in (pair.lower, pair.higher)) if pairs else reader.alone()
    level = table.get("level", float) if kind == "chance" else None
    measured_on = table.choice("set", SETS) if kind == "measured_on" else None
    if kind == "measured_on":
        for arm in arms:
            if experiments[arm.experiment].reported is None:
                raise table.error("experiments", f"{arm.experiment} has no reported figure to speak about")
    claim = Claim(
        id=id,
        section=table.get("section", str),
        kind=kind,
        text=table.get("text", str),
        metric=metric,
        margin=_margin(table, margin),
        arms=arms,
        pairs=pairs,
        level=level,
        measured_on=measured_on,
    )
    table.finish()
    return claim


def _margin(table: Table, default: float) -> float:
    margin = table.get("margin", float, default)
    if margin < 0:
        raise table.error("margin", f"expected 0 or more, found {margin}")
    return margin


class _ArmReader:
    """Reads the experiments that a claim names, ``id`` or ``id@candidate``."""

    def __init__(
        self, table: Table, experiments: Mapping[str, Experiment], candidates: Mapping[str, Candidate]
    ) -> None:
        self._table = table
        self._experiments = experiments
        self._candidates = candidates

    def pairs(self, kind: str, *, falling: bool) -> tuple[Pair, ...]:
        """Return the pairs of a comparing kind; ``falling`` metrics are better when lower."""
        if kind == "best":
            winner = self._arm("winner", self._table.get("winner", str))
            better = [(winner, other) for other in self._list("others", self._table.items("others", str))]
        elif kind in ("better", "worse", "overall"):
            better = [self._two(names) for names in self._table.lists("pairs", str)]
            if kind == "worse":
                better = [(second, first) for first, second in better]
        elif kind == "order":
            chains = [self._list("chains", names) for names in self._table.lists("chains", str)]
            rising = [(low, high) for chain in chains for low, high in pairwise(chain)]
            return self._some("chains", [Pair(higher=high, lower=low) for low, high in rising])
        else:
            return ()
        key = "others" if kind == "best" else "pairs"
        ordered = [(second, first) if falling else (first, second) for first, second in better]
        return self._some(key, [Pair(higher=high, lower=low) for high, low in ordered])

    def alone(self) -> tuple[Arm, ...]:
        """Return the arms of a kind that compares no pairs."""
        arms = self._list("experiments", self._table.items("experiments", str))
        if not arms:
            raise self._table.error("experiments", "expected at least one experiment")
        return _distinct(arms)

    def _some(self, key: str, pairs: list[Pair]) -> tuple[Pair, ...]:
        if not pairs:
            raise self._table.error(key, "expected at least two experiments to compare")
        for pair in pairs:
            if pair.higher == pair.lower:
                raise self._table.error(key, f"{pair.higher} is compared with itself")
        return tuple(pairs)

    def _two(self, names: tuple[str, ...]) -> tuple[Arm, Arm]:
        if len(names) != 2:
            raise self._table.error("pairs", f"expected two experiments in each pair, found {len(names)}")
        first, second = self._list("pairs", names)
        return first, second

    def _list(self, key: str, names: Iterable[str]) -> list[Arm]:
        return [self._arm(key, name) for name in names]

    def _arm(self, key: str, name: str) -> Arm:
        experiment, at, variant = name.partition("@")
        self._table.reference(key, experiment, self._experiments, "experiment")
        if not at:
            return Arm(experiment=experiment)
        valid = [id for id, candidate in self._candidates.items() if experiment in candidate.experiments]
        self._table.reference(key, variant, [*valid, REPORT], f"candidate protocol for {experiment}")
        return Arm(experiment=experiment, variant=variant)


def _distinct(arms: Iterable[Arm]) -> tuple[Arm, ...]:
    return tuple(dict.fromkeys(arms))
