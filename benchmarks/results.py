"""What a benchmark found, as data: sections of tables, charts and targets; ``report`` writes them.

All of it goes to JSON and comes back, so that one section can be measured again and the others kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.runner import WALL, Timing

AT_LEAST, AT_MOST = "at least", "at most"


@dataclass(frozen=True, kw_only=True)
class TimingTable:
    """Contenders side by side; ratios are to the contender called ``base``, by ``clock``.

    ``amount`` of ``unit`` (images, submissions) was worked through in each run.
    """

    title: str
    timings: tuple[Timing, ...]
    base: str
    clock: str = WALL
    unit: str = ""
    amount: float = 1.0
    note: str = ""

    def __getitem__(self, name: str) -> Timing:
        return next(timing for timing in self.timings if timing.name == name)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table of words and figures that are not times."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line of a chart."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A picture of growth, kept as ``file`` (SVG) beside the report."""

    title: str
    file: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A figure to reach: ``measured`` is None where what it needs was not run."""

    text: str
    sense: str  # AT_LEAST or AT_MOST
    limit: float
    measured: float | None
    unit: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target was met; None if it was not measured."""
        if self.measured is None:
            return None
        return self.measured >= self.limit if self.sense == AT_LEAST else self.measured <= self.limit


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """When a section was measured, by what command, and how busy the machine was."""

    command: str
    date: str
    seconds: float
    load: tuple[float, float]  # processes that want to run, over a minute: before and after


@dataclass(frozen=True, kw_only=True)
class Section:
    """One benchmark's results."""

    title: str
    text: str
    occasion: Occasion | None = None
    tables: tuple[TimingTable | Grid, ...] = ()
    charts: tuple[Chart, ...] = ()
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Results:
    """All that is known, each section from the last time that it was measured."""

    machine: dict[str, str]
    sections: tuple[Section, ...]

    @property
    def targets(self) -> tuple[Target, ...]:
        """Every target, in the order of the sections."""
        return tuple(target for section in self.sections for target in section.targets)

    def updated(self, sections: Sequence[Section]) -> Results:
        """These results with some sections measured anew, or for the first time, in their places."""
        fresh = {section.title: section for section in sections}
        kept = [fresh.pop(section.title, section) for section in self.sections]
        return dataclasses.replace(self, sections=(*kept, *fresh.values()))


def sections_of(found: dict[str, Any]) -> tuple[Section, ...]:
    """Rebuild sections from what ``dataclasses.asdict`` and JSON made of them."""
    return tuple(_section(section) for section in found["sections"])


def _section(found: dict[str, Any]) -> Section:
    occasion = found.get("occasion")
    return Section(
        title=found["title"],
        text=found["text"],
        occasion=Occasion(**{**occasion, "load": tuple(occasion["load"])}) if occasion else None,
        tables=tuple(_table(table) for table in found["tables"]),
        charts=tuple(_chart(chart) for chart in found["charts"]),
        targets=tuple(Target(**target) for target in found["targets"]),
    )


def _table(found: dict[str, Any]) -> TimingTable | Grid:
    if "timings" not in found:
        rows = tuple(tuple(row) for row in found["rows"])
        return Grid(**{**found, "columns": tuple(found["columns"]), "rows": rows})
    timings = tuple(
        Timing(**{**timing, "wall": tuple(timing["wall"]), "processor": tuple(timing["processor"])})
        for timing in found["timings"]
    )
    return TimingTable(**{**found, "timings": timings})


def _chart(found: dict[str, Any]) -> Chart:
    curves = tuple(
        Curve(name=curve["name"], x=tuple(curve["x"]), y=tuple(curve["y"])) for curve in found["curves"]
    )
    return Chart(**{**found, "curves": curves})
