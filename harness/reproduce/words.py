"""Numbers and facts in words, the same for the page and for Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.reproduce.model import CONSISTENT, NO_FIGURE, RedrawnPanel, Search
from harness.spec import Experiment, Spec
from harness.statistics import CONTRADICTED, NOT_REPRODUCED, REPRODUCED, UNDECIDED, p_value

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


def p_or_dash(p: float | None) -> str:
    """A p value to two digits; a dash for None."""
    return "–" if p is None else p_value(p)


def duration(seconds: float) -> str:
    """Seconds in the unit that fits: 40 s, 12 min, 2 h 05 min."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"


def short_digest(text: str) -> str:
    """The first twelve digits of a hash."""
    return text[:12]


def panel_note(panel: RedrawnPanel) -> str:
    """What stands under a redrawn panel: how many seeds, what they reached, what the report gives."""
    if panel.note:
        return f"Not drawn: {panel.note}."
    parts = [f"{panel.n} seed{'s' if panel.n > 1 else ''}"]
    if panel.accuracy is not None and panel.panel.kind in ("train_accuracy", "confusion"):
        parts.append(f"mean test accuracy {panel.accuracy:.2f} %")
    if panel.confusion is not None:
        parts.append("mean counts, 0 left blank")
    if panel.experiment.reported_text is not None and panel.panel.kind != "batch_loss":
        parts.append(f"the report gives {panel.experiment.reported_text} %")
    return "; ".join(parts) + "."


def search_caption(search: Search) -> str:
    """How to read the heat map, and which protocols are not in it for want of runs."""
    untried = [line.label for line in search.lines if line not in search.tried]
    return (
        "Mean test accuracy, and in brackets its distance from the reported figure: orange below, blue "
        "above, the shade growing with the distance. A frame marks what is not excluded (p of at least "
        f"{search.level:.4f}; three seeds are needed). A protocol is the same for its whole line."
        + (f" Without runs yet: {'; '.join(untried)}." if untried else "")
    )


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
