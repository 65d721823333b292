"""What a specification says, as frozen dataclasses: experiments, protocols, panels, claims, rubric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.spec.table import nearest

REPORT = "report"  # the variant that is the experiment's own protocol
FULL = "full"  # the budget that runs it whole

PARTS = ("scratch", "package")
ACTIVATIONS = ("sigmoid", "tanh", "relu")
OPTIMIZERS = ("sgd", "adam")
INITIALISATIONS = ("glorot_uniform", "framework_default")
SOURCES = ("report", "handout", "notebook", "ours")
METRICS = ("test_accuracy", "train_accuracy", "train_loss")
SETS = ("train", "test")
PANEL_KINDS = ("batch_loss", "train_loss", "train_accuracy", "confusion")
CLAIM_KINDS = ("best", "order", "better", "worse", "overall", "chance", "measured_on")
QUIRK_KINDS = ("train_or_test", "unreset_accumulator", "unexplained_rows", "remark")
PURPOSES = ("claim", "search")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Everything that decides a training run, except its seed."""

    layer_sizes: tuple[int, ...]  # features, hidden units ..., classes
    activation: str  # of the hidden layers; one of ACTIVATIONS
    optimizer: str  # one of OPTIMIZERS
    learning_rate: float
    batch_size: int
    epochs: int
    weight_decay: float  # lambda in g + lambda w
    train_images: int  # the first so many
    test_images: int
    shuffle: bool  # anew before each epoch
    initialisation: str  # one of INITIALISATIONS
    loss_every: int  # batches between two recorded batch losses, counted anew in each epoch
    start_correlation: float | None = None  # of W1 before and after training: right ones keep as much
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False)  # who says so

    def override(self, items: Mapping[str, Any]) -> Protocol:
        """Return the protocol with some items replaced; the source of those is then "ours"."""
        sources = {**self.sources, **dict.fromkeys(items, ("ours",))}
        return replace(self, **items, sources=sources)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One training run of the report: its protocol and the figure that the report gives for it."""

    id: str
    part: str  # scratch or package
    section: str
    figures: tuple[str, ...]  # ids of the panels that show it
    reported: float | None  # test accuracy in per cent
    reported_text: str | None  # as printed: 62 and 94.3 are rounded differently
    digit_unit: float | None  # one unit of the last digit printed: 1.0 or 0.1 per cent
    baseline: bool  # graded in the standard profile
    protocol: Protocol
    places: Mapping[str, str] = field(default_factory=dict, compare=False)  # the file's key of each item


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Another protocol for some of the experiments: what to override, and why it is of interest."""

    id: str
    purpose: str  # "claim": a claim compares it; "search": the report leaves the protocol open
    text: str
    experiments: tuple[str, ...]
    override: Mapping[str, Any]
    places: Mapping[str, str] = field(default_factory=dict, compare=False)  # as of an experiment


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much of a protocol is run, with its own calibrated ranges."""

    id: str
    text: str
    experiments: tuple[str, ...]
    overrides: Mapping[str, Mapping[str, Any]]  # by experiment
    places: Mapping[str, Mapping[str, str]] = field(default_factory=dict, compare=False)  # likewise


@dataclass(frozen=True, kw_only=True)
class Convention:
    """A part of the protocol that is not a number: what is meant, for which experiments, and who says so."""

    id: str
    text: str
    experiments: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One figure panel of the report: what it shows of which experiment; the caption is ours."""

    id: str
    experiment: str
    kind: str  # one of PANEL_KINDS
    caption: str


@dataclass(frozen=True, kw_only=True, order=True)
class Arm:
    """One side of a comparison: an experiment under its own protocol or under a candidate's."""

    experiment: str
    variant: str = REPORT

    def __str__(self) -> str:
        return self.experiment if self.variant == REPORT else f"{self.experiment}@{self.variant}"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """What a claim asserts: the metric of ``higher`` exceeds that of ``lower`` by more than the margin."""

    higher: Arm
    lower: Arm


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim of the report, reduced to what a program can decide.

    ``best``, ``order``, ``better`` and ``worse`` hold if every pair holds; ``overall`` if the mean difference
    over the pairs exceeds the margin. The others have no pairs. ``chance``: the metric of every arm is within
    the margin of ``level``. ``measured_on``: the reported figure of every arm is its accuracy on the set
    ``measured_on``, not on the other.
    """

    id: str
    section: str
    kind: str  # one of CLAIM_KINDS
    text: str
    metric: str  # one of METRICS, at the end of training: accuracies in per cent, loss of the last epoch
    margin: float  # in units of the metric
    arms: tuple[Arm, ...]  # every run that the claim needs, each once
    pairs: tuple[Pair, ...] = ()
    level: float | None = None
    measured_on: str | None = None  # train or test


@dataclass(frozen=True, kw_only=True)
class Quirk:
    """Something in the report to explain rather than to copy; ``kind`` chooses the evidence that is shown."""

    id: str
    section: str
    kind: str  # one of QUIRK_KINDS
    title: str
    text: str
    experiments: tuple[str, ...]
    panels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A report as data."""

    id: str
    path: Path
    digest: str  # SHA-256 of the file
    title: str
    author: str
    date: str
    course: str
    dataset: str  # a name that harness.data knows
    margin: float  # percentage points; the default of claims about accuracy
    experiments: Mapping[str, Experiment]
    panels: Mapping[str, Panel]
    claims: tuple[Claim, ...]
    quirks: tuple[Quirk, ...]
    candidates: Mapping[str, Candidate]
    budgets: Mapping[str, Budget]
    conventions: tuple[Convention, ...]

    def select(self, pattern: str) -> tuple[Experiment, ...]:
        """Return the experiments that match a shell pattern, or several with commas, in file order.

        UsageError if a pattern matches none.
        """
        chosen: set[str] = set()
        for part in (part.strip() for part in pattern.split(",")):
            matches = [id for id in self.experiments if fnmatchcase(id, part)]
            if not matches:
                hint = nearest(part, self.experiments)
                raise UsageError(
                    f"no experiment matches {part!r}: expected an id of {self.id} or a pattern such as "
                    f"'scratch/*'{hint}"
                )
            chosen.update(matches)
        return tuple(experiment for id, experiment in self.experiments.items() if id in chosen)

    def protocol(self, experiment: str, *, variant: str = REPORT, budget: str = FULL) -> Protocol:
        """Return the protocol of an experiment under a candidate's overrides, then under a budget's."""
        if experiment not in self.experiments:
            raise UsageError(
                f"no experiment {experiment!r} in {self.id}{nearest(experiment, self.experiments)}"
            )
        protocol = self.experiments[experiment].protocol
        if variant != REPORT:
            if experiment not in getattr(self.candidates.get(variant), "experiments", ()):
                raise UsageError(
                    f"no candidate protocol {variant!r} for {experiment}{nearest(variant, self.candidates)}"
                )
            protocol = protocol.override(self.candidates[variant].override)
        if budget == FULL and budget not in self.budgets:
            return protocol
        if experiment not in getattr(self.budgets.get(budget), "experiments", ()):
            raise UsageError(f"no budget {budget!r} for {experiment}{nearest(budget, self.budgets)}")
        return protocol.override(self.budgets[budget].overrides[experiment])


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group of checks and what it is worth."""

    id: str
    points: float
    description: str


@dataclass(frozen=True, kw_only=True)
class Rubric:
    """What each group of checks is worth, in the order in which groups are shown."""

    path: Path
    digest: str  # SHA-256 of the file
    groups: Mapping[str, Group]

    @property
    def total(self) -> float:
        """The points that a submission can get."""
        return sum(group.points for group in self.groups.values())

    def points(self, group: str) -> float:
        """Return what a group is worth: nothing if the rubric leaves it out."""
        return self.groups[group].points if group in self.groups else 0.0
