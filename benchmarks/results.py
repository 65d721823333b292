"""What a benchmark found, as data: sections of tables, charts and targets; ``report`` writes them."""

from __future__ import annotations

from dataclasses import dataclass

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
class Section:
    """One benchmark's results."""

    title: str
    text: str
    tables: tuple[TimingTable | Grid, ...] = ()
    charts: tuple[Chart, ...] = ()
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Results:
    """All that one run of ``python -m benchmarks`` found."""

    command: str
    date: str
    seconds: float
    machine: dict[str, str]
    sections: tuple[Section, ...]

    @property
    def targets(self) -> tuple[Target, ...]:
        """Every target, in the order of the sections."""
        return tuple(target for section in self.sections for target in section.targets)
