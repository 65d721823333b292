"""Numbers and facts in words, the same for the page and for Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.reproduce.model import (
    CONSISTENT,
    NO_FIGURE,
    Caveat,
    Elsewhere,
    RedrawnPanel,
    Reproduction,
    Search,
)
from harness.spec import Experiment, Spec
from harness.statistics import (
    CONTRADICTED,
    NOT_REPRODUCED,
    REPRODUCED,
    UNDECIDED,
    ClaimVerdict,
    Comparison,
    p_value,
)

VERDICT_CLASSES: Mapping[str, str] = {
    CONSISTENT: "good",
    REPRODUCED: "good",
    NOT_REPRODUCED: "bad",
    CONTRADICTED: "bad",
    UNDECIDED: "open",
    NO_FIGURE: "open",
}

_ITEMS = {
    "layer_sizes": "layer sizes",
    "activation": "hidden activation",
    "optimizer": "optimizer",
    "learning_rate": "learning rate",
    "batch_size": "batch size",
    "epochs": "epochs",
    "weight_decay": "weight decay",
    "train_images": "training images",
    "test_images": "test images",
    "shuffle": "reshuffled each epoch",
    "initialisation": "initialisation",
    "loss_every": "batches between plotted losses",
}


@dataclass(frozen=True, kw_only=True)
class ProtocolItem:
    """One item of the protocol: its value and who states it, for the experiments that share both."""

    name: str
    value: str
    sources: tuple[str, ...]
    experiments: tuple[str, ...]


def number(value: float | None, digits: int = 2) -> str:
    """A number with so many decimals and a true minus sign; a dash for None."""
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """Both limits in words; a dash where there are none."""
    return "–" if low is None or high is None else f"{number(low, digits)} to {number(high, digits)}"


def p_or_dash(p: float | None) -> str:
    """A p value to two digits; a dash for None."""
    return "–" if p is None else p_value(p)


def counted(verdicts: Iterable[str]) -> str:
    """Verdicts in words, the commonest first: "13 consistent, 2 not reproduced"."""
    order = (CONSISTENT, REPRODUCED, NOT_REPRODUCED, CONTRADICTED, UNDECIDED, NO_FIGURE)
    found = Counter(verdicts)
    return ", ".join(f"{found[verdict]} {verdict}" for verdict in order if found[verdict])


def duration(seconds: float) -> str:
    """Seconds in the unit that fits: 40 s, 12 min, 2 h 05 min."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"


def short_digest(text: str) -> str:
    """The first twelve digits of a hash."""
    return text[:12]


def panel_note(found: Reproduction, panel: RedrawnPanel) -> str:
    """What stands under a redrawn panel: how many seeds, what they reached, and what the report gives with
    the verdict on it, which is the accuracy's and not the panel's.
    """
    if panel.note:
        return f"Not drawn: {panel.note}."
    parts = [f"{panel.n} seed{'s' if panel.n > 1 else ''}"]
    if panel.accuracy is not None and panel.panel.kind in ("train_accuracy", "confusion"):
        parts.append(f"mean test accuracy {panel.accuracy:.2f} %")
    if panel.confusion is not None:
        parts.append("mean counts, 0 left blank")
    if panel.experiment.reported_text is not None and panel.panel.kind != "batch_loss":
        verdict = next(row.verdict for row in found.rows if row.experiment.id == panel.experiment.id)
        parts.append(f"the report gives a test accuracy of {panel.experiment.reported_text} %, {verdict}")
    return "; ".join(parts) + "."


def qualification(caveat: Caveat) -> str:
    """What a verdict on a claim must say where it rests on accuracies that are not reproduced."""
    one = len(caveat.experiments) == 1
    themselves = "is itself" if one else "are themselves"
    return f"under the protocol as stated, in which {listed(caveat.experiments)} {themselves} not reproduced"


def other_protocols(judged: ClaimVerdict, caveat: Caveat) -> str:
    """What is known of that claim under the other protocols of the search, in sentences."""
    if not caveat.elsewhere:
        return "No other protocol has runs of this."
    figure = (
        "least difference" if judged.claim.kind != "overall" and len(judged.claim.pairs) > 1 else "difference"
    )
    them = "that figure" if len(caveat.experiments) == 1 else "these figures"
    sentences = []
    for other in caveat.elsewhere:
        if other.fits:
            means = ", ".join(
                f"{id} has a mean of {number(cell.mean)}, {_seeds(cell.n)}"
                for id, cell in other.cells.items()
            )
            claimed = f"the claim's {figure} is {_figure(judged, other.figure)} ({_seeds(other.n)})"
            gives = claimed if other.figure is not None else "the claim has no runs"
            sentences.append(f"{other.label} is not excluded for {them} ({means}); under it {gives}.")
    excluded = sum(other.fits is False for other in caveat.elsewhere)
    if excluded:
        sentences.append(
            f"{excluded} other protocol{'s are' if excluded > 1 else ' is'} excluded for "
            f"{them if len(caveat.experiments) == 1 else 'at least one of these figures'}."
        )
    open_ones = [other for other in caveat.elsewhere if other.fits is None]
    if open_ones:
        sentences.append(_open(judged, open_ones, figure, them))
    return " ".join(sentences)


def _open(judged: ClaimVerdict, others: Sequence[Elsewhere], figure: str, them: str) -> str:
    """The protocols with too few seeds for a verdict on the accuracies, and the claim's figure under each."""
    count = f"{len(others)} other protocol{'s have' if len(others) > 1 else ' has'}"
    sentence = f"{count} too few seeds to say whether {'they give' if len(others) > 1 else 'it gives'} {them}"
    known = sorted((other.figure, other.label) for other in others if other.figure is not None)
    if not known:
        return f"{sentence}, and no runs of the claim."
    seeds = sorted({other.n for other in others if other.figure is not None})
    many = _seeds(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    (low, lowest), (high, highest) = known[0], known[-1]
    if len(known) == 1:
        return f"{sentence}; the claim's {figure} is {_figure(judged, low)} under {lowest} ({many})."
    return (
        f"{sentence}; under {len(known)} of them ({many} each) the claim's {figure} lies between "
        f"{_figure(judged, low)} ({lowest}) and {_figure(judged, high)} ({highest})."
    )


def claim_counts(found: Reproduction) -> str:
    """The verdicts on the claims, counted, and how many of them rest on what is not reproduced."""
    counts = counted(verdict.verdict for verdict in found.claims)
    if not found.caveats:
        return counts
    one = len(found.caveats) == 1
    return (
        f"{counts}; {'that' if one else 'those'} on claim{'' if one else 's'} {listed(tuple(found.caveats))} "
        f"{'rests' if one else 'rest'} on accuracies that are themselves not reproduced"
    )


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: a, b and c."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def comparison(part: Comparison, digits: int, *, verdict: bool = True) -> str:
    """A comparison in a line: its label, estimate and interval, and what follows."""
    text = part.label
    if part.estimate is not None:
        text += " " if text.endswith("against") else ": "
        text += f"{number(part.estimate, digits)} ({interval(part.low, part.high, digits)}; {part.n} seeds)"
    if part.note:
        text += f", {part.note}"
    if verdict:
        text += f", {part.verdict}"
    return text + (f", {part.seeds} seeds would decide" if part.seeds else "")


def claim_digits(judged: ClaimVerdict) -> int:
    """Decimals of a claim's figures: losses are small."""
    return 4 if judged.claim.metric == "train_loss" else 2


def _figure(judged: ClaimVerdict, value: float | None) -> str:
    return number(value, claim_digits(judged))


def _seeds(n: int) -> str:
    return f"{n} seed{'s' if n != 1 else ''}"


def search_caption(search: Search) -> str:
    """How to read the heat map, and which protocols are not in it for want of runs."""
    return (
        "Mean test accuracy, and in brackets its distance from the reported figure: orange below, blue "
        "above, the shade growing with the distance. A frame marks what is not excluded (p of at least "
        f"{search.level:.4f}; three seeds are needed). A protocol is the same for its whole line."
        + untried(search)
    )


def untried(search: Search) -> str:
    """Which protocols are not in a search for want of runs, as a sentence to append."""
    labels = [line.label for line in search.lines if line not in search.tried]
    return f" Without runs yet: {'; '.join(labels)}." if labels else ""


def protocol_items(spec: Spec) -> tuple[ProtocolItem, ...]:
    """Every item of every experiment's protocol with its sources; experiments that agree share a line."""
    grouped: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for experiment in spec.experiments.values():
        for name in _ITEMS:
            key = (name, _value(experiment, name), experiment.protocol.sources.get(name, ("unknown",)))
            grouped.setdefault(key, []).append(experiment.id)
    items = [
        ProtocolItem(name=_ITEMS[name], value=value, sources=sources, experiments=tuple(ids))
        for (name, value, sources), ids in grouped.items()
    ]
    order = list(_ITEMS.values())
    return tuple(sorted(items, key=lambda item: order.index(item.name)))


def _value(experiment: Experiment, name: str) -> str:
    value = getattr(experiment.protocol, name)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value).replace("_", " ")
