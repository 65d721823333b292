"""What a reproduction finds, as frozen dataclasses: one for each section of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.spec import Candidate, Experiment, Panel, Quirk, Spec
from harness.statistics import ClaimVerdict

CONSISTENT = "consistent"
NO_FIGURE = "no figure"
AS_STATED = "as stated"  # an experiment's own protocol


@dataclass(frozen=True, kw_only=True)
class Row:
    """One reported accuracy beside the reference's, in per cent; None where runs are too few."""

    experiment: Experiment
    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]
    verdict: str  # consistent, not reproduced, undecided (too few runs) or no figure
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class GradingRange:
    """What a submission is graded by in one experiment and budget, and how well that range behaves."""

    experiment: str
    budget: str
    protocol: str  # "as stated", or the name of the candidate that is graded in its place
    family: int  # the accuracy checks of one grading over which the error is controlled
    n: int
    mean: float
    sd: float
    low: float
    high: float
    shift: float  # points: the smallest shift that fails in 90 % of gradings
    left_out: int | None  # runs that lie outside the range of the others; None: too few to leave one out


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One experiment under one protocol: its runs' mean, and whether the reported figure can come from it."""

    n: int
    mean: float | None = None
    sd: float | None = None
    p: float | None = None  # None: too few runs to say
    fits: bool | None = None


@dataclass(frozen=True, kw_only=True)
class SearchLine:
    """One protocol of the search, unchanged for all rows; ``candidate`` None is the experiments' own."""

    candidate: Candidate | None
    label: str
    cells: Mapping[str, Cell]  # by experiment

    @property
    def fitting(self) -> int:
        """For how many reported figures the protocol is not excluded."""
        return sum(cell.fits is True for cell in self.cells.values())

    @property
    def excluded(self) -> int:
        """For how many reported figures it is."""
        return sum(cell.fits is False for cell in self.cells.values())


@dataclass(frozen=True, kw_only=True)
class Search:
    """Which protocol explains which reported figure."""

    experiments: tuple[Experiment, ...]
    lines: tuple[SearchLine, ...]
    level: float  # of each cell's test

    @property
    def tried(self) -> tuple[SearchLine, ...]:
        """The protocols that have runs."""
        return tuple(line for line in self.lines if any(cell.n for cell in line.cells.values()))


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Another protocol for a caveat's experiments: their accuracies under it, and the claim's figure."""

    candidate: str
    label: str
    cells: Mapping[str, Cell]  # by experiment
    figure: float | None  # the claim's difference, in units of its metric; None where runs are missing
    n: int  # seeds behind the figure

    @property
    def fits(self) -> bool | None:
        """Whether it is not excluded for any of the stated accuracies; None: too few runs to say."""
        found = [cell.fits for cell in self.cells.values()]
        return False if False in found else None if None in found else True


@dataclass(frozen=True, kw_only=True)
class Caveat:
    """What a claim rests on that does not hold: experiments whose stated accuracies are not reproduced."""

    experiments: tuple[str, ...]
    elsewhere: tuple[Elsewhere, ...]  # the other protocols that have runs of them


@dataclass(frozen=True, kw_only=True)
class SetsCompared:
    """One experiment's reported figure beside its test and training accuracies, one for each seed, per
    cent.
    """

    experiment: Experiment
    test: tuple[float, ...]
    train: tuple[float, ...]  # of the final network
    running: tuple[float, ...]  # the last epoch's mean over batches, while the weights move
    p_test: float | None
    p_train: float | None


@dataclass(frozen=True, kw_only=True)
class Accumulated:
    """The recorded batch losses of one run, and what a sum that is never reset in an epoch makes of them."""

    experiment: Experiment
    seed: int
    epochs: tuple[float, ...]  # where in training each point lies
    loss: tuple[float, ...]
    summed: tuple[float, ...]
    chance: float  # ln(classes), the loss of a network that has learnt nothing
    ratio: float  # mean of the last summed point of an epoch over that of the first, all runs


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A quirk of the report with the evidence that its kind calls for; all empty where runs are missing."""

    quirk: Quirk
    sets: tuple[SetsCompared, ...] = ()
    accumulated: tuple[Accumulated, ...] = ()
    search: Search | None = None
    missing: tuple[str, ...] = ()  # experiments without the runs that the evidence needs
    summary: str = ""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A figure over training: the median over seeds with their least and greatest value at each x
    (epochs).
    """

    x: tuple[float, ...]
    low: tuple[float, ...]
    middle: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class RedrawnPanel:
    """A panel of the report from our runs: a curve, or mean counts [true][predicted], or nothing to draw
    yet.
    """

    panel: Panel
    experiment: Experiment
    n: int
    curve: Curve | None = None
    confusion: tuple[tuple[float, ...], ...] | None = None
    accuracy: float | None = None  # mean test accuracy, per cent
    note: str = ""  # why there is nothing to draw


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where the runs come from: how many, when, on what, how long."""

    runs: int
    left_aside: int  # runs of experiments that the specification does not have
    seconds: float
    first: str
    last: str
    made_with: Mapping[str, tuple[str, ...]]  # field of the provenance -> the values found


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """Everything that a reproduction found about a report."""

    spec: Spec
    level: float  # of each accuracy's test: the error over all rows, divided by the rows
    rows: tuple[Row, ...]
    claims: tuple[ClaimVerdict, ...]
    caveats: Mapping[str, Caveat]  # by claim, of those that rest on accuracies which are not reproduced
    findings: tuple[Finding, ...]
    panels: tuple[RedrawnPanel, ...]
    ranges: tuple[GradingRange, ...]
    provenance: Provenance | None
