"""The figures of a result, observed beside expected: read from its evidence, whatever form that has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.checks import tolerances
from harness.records import CheckResult, ExperimentResult

LONGEST = 8  # figures of one list that are shown one by one
# What a right submission measures, by the name that evidence gives to a figure.
RIGHT = {"error": "0", "scale": "1", "cosine": "1"}

# What the checks of updates allow, whose evidence holds the worst error alone.
_FLOAT64, _FLOAT32, _ADAM = tolerances.UPDATE_FLOAT64, tolerances.UPDATE_FLOAT32, tolerances.ADAM
UPDATES = f"{_FLOAT64:g} (float32: {_FLOAT32:g}, Adam: {_ADAM:g})"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure as text; empty where there is nothing to say."""

    name: str
    recorded: str
    observed: str
    expected: str = ""
    tolerance: str = ""


def figures(
    recorded: CheckResult | ExperimentResult, again: CheckResult | ExperimentResult
) -> tuple[Figure, ...]:
    """Return what both results measured, a row a figure, in the order of the evidence."""
    if isinstance(recorded, ExperimentResult) or isinstance(again, ExperimentResult):
        return tuple(_accuracies(recorded, again))
    before, now = (dict(_flat(result.evidence)) for result in (recorded, again))
    named = {**now, **before}
    limit = next((named[key] for key in ("tolerance", "threshold", "limit") if key in named), "")
    if not limit and again.group == "updates" and "error" in named:
        limit = UPDATES
    rows = []
    for name in named:
        last = name.rpartition(" ")[2]
        if last in ("tolerance", "threshold", "limit", "expected"):
            continue
        expected = RIGHT.get(last, "")
        if last == "found":
            expected = named.get(f"{name.removesuffix('found')}expected", "")
        bounded = last in ("error", "found") or name.startswith("statistic ")
        rows.append(
            Figure(
                name=name,
                recorded=before.get(name, "-"),
                observed=now.get(name, "-"),
                expected="0" if name.startswith("statistic ") else expected,
                tolerance=limit if bounded else "",
            )
        )
    return tuple(rows)


def _accuracies(recorded: Any, again: Any) -> Iterator[Figure]:
    """Of an experiment: the accuracy of each run, beside the range."""
    band = "" if again.low is None or again.high is None else f"{again.low:.2f} to {again.high:.2f}"
    for index in range(max(len(recorded.accuracies), len(again.accuracies))):
        before, now = (
            f"{result.accuracies[index]:.2f}" if index < len(result.accuracies) else "-"
            for result in (recorded, again)
        )
        yield Figure(name=f"accuracy, run {index + 1}", recorded=before, observed=now, expected=band)


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield every figure in evidence with the words that lead to it."""
    if isinstance(value, Mapping):
        title = str(value.get("tensor", ""))
        for key, each in value.items():
            if key != "tensor":
                words = (name, title, "" if key == "per_tensor" else str(key))
                yield from _flat(each, " ".join(word for word in words if word))
    elif isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
        for each in value:
            yield from _flat(each, name)
    elif isinstance(value, list | tuple):
        yield name, _shown(value)
    else:
        yield name, _number(value)


def _shown(values: list[Any] | tuple[Any, ...]) -> str:
    shown = ", ".join(map(_number, values[:LONGEST]))
    return shown if len(values) <= LONGEST else f"{shown}, ... ({len(values)} in all)"


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)[:60]
