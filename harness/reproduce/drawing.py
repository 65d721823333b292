"""Matplotlib figures as inline SVG that takes its colours from the page, so that light and dark both work.

Lines and text are drawn in stand-in colours, which are then replaced by CSS variables of the page's style
sheet. The palette is Okabe and Ito's, which colour-blind people can read; what matters is told apart by
line style or marker as well, for print without colour.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.reproduce.model import Accumulated, Curve, RedrawnPanel, Search, SetsCompared

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Stand-ins, and the variables of the style sheet that they become.
INK, SOFT, GRID, PAPER = "#010101", "#020202", "#030303", "#040404"
FIRST, SECOND, THIRD = "#050505", "#060606", "#070707"
_VARIABLES = {
    INK: "var(--ink)",
    SOFT: "var(--soft)",
    GRID: "var(--line)",
    PAPER: "var(--paper)",
    FIRST: "var(--first)",
    SECOND: "var(--second)",
    THIRD: "var(--third)",
}

_STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
}

# What the page does not need or sets itself: matplotlib's own style sheet would reach beyond its figure,
# and its groups have the same ids in every figure, which nothing refers to.
_CLEAN = (
    (r"<metadata>.*?</metadata>", ""),
    (r"<!--.*?-->", ""),
    (r"<style.*?</style>", ""),
    (r' id="[A-Za-z0-9.]+_[0-9]+"', ""),
    (r"^(<svg[^>]*?) width=\"[^\"]*\"", r"\1"),
    (r"^(<svg[^>]*?) height=\"[^\"]*\"", r"\1"),
    (r"font-family: [^;\"]*;? ?", ""),
    (r"; ?\"", '"'),
    (r"\s*\n\s*", "\n"),
)

_AXES = {
    "batch_loss": "loss of one batch (nats)",
    "train_loss": "training loss (nats)",
    "train_accuracy": "training accuracy (%)",
}


def draw_panel(panel: RedrawnPanel) -> str:
    """The panel as an SVG element; empty if it has no data."""
    title = f"Panel {panel.panel.id}: {panel.panel.caption}"
    if panel.confusion is not None:
        with _figure(f"panel {panel.panel.id}", 4.2, 3.9) as (figure, axes):
            _confusion(axes, panel.confusion)
            return _svg(figure, title)
    if panel.curve is None:
        return ""
    with _figure(f"panel {panel.panel.id}", 4.2, 2.7) as (figure, axes):
        _band(axes, panel.curve, line=panel.panel.kind == "batch_loss")
        axes.set_xlabel("epoch")
        axes.set_ylabel(_AXES[panel.panel.kind])
        axes.set_xlim(0, max(1.0, panel.curve.x[-1]) * 1.02)
        if panel.panel.kind == "train_accuracy" and panel.experiment.reported is not None:
            _reported_mark(axes, panel.curve.x[-1], panel.experiment.reported, panel.experiment.reported_text)
        elif panel.panel.kind != "train_accuracy":
            axes.set_ylim(bottom=0)
        axes.legend(loc="best")
        return _svg(figure, title)


def _band(axes: Axes, curve: Curve, *, line: bool) -> None:
    """Least to greatest over the seeds as a band with hairlines, the median as a line."""
    axes.fill_between(curve.x, curve.low, curve.high, color=FIRST, alpha=0.22, linewidth=0, label="all seeds")
    for edge in (curve.low, curve.high):  # a band one pixel thin is still seen
        axes.plot(curve.x, edge, color=FIRST, linewidth=0.5)
    axes.plot(curve.x, curve.middle, color=FIRST, marker="." if line else "o", markersize=3, label="median")


def _reported_mark(axes: Axes, x: float, value: float, text: str | None) -> None:
    """The reported final accuracy, where the curve ends and as a dashed line."""
    axes.axhline(value, color=SECOND, linewidth=1, linestyle=(0, (4, 3)))
    axes.plot(
        [x], [value], color=SECOND, marker="D", markersize=6, linestyle="none", label=f"reported: {text}"
    )


def _confusion(axes: Axes, counts: tuple[tuple[float, ...], ...]) -> None:
    """Mean counts with rows of true classes; shades by the share of a row, on a square-root scale."""
    classes = len(counts)
    axes.grid(False)
    for true, row in enumerate(counts):
        total = sum(row) or 1.0
        for predicted, count in enumerate(row):
            share = (count / total) ** 0.5
            colour = FIRST if true == predicted else SECOND
            _tile(axes, predicted, true, (0.5, 0.5), colour, 0.6 * share)
            if count >= 0.05:
                text = f"{count:.0f}" if count >= 9.95 else f"{count:.1f}"
                weight = "bold" if true == predicted else "normal"
                axes.text(predicted, true, text, ha="center", va="center", fontsize=6.5, fontweight=weight)
    axes.set_xlim(-0.5, classes - 0.5)
    axes.set_ylim(classes - 0.5, -0.5)
    axes.set_xticks(range(classes))
    axes.set_yticks(range(classes))
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_aspect("equal")


def draw_accumulated(evidence: Accumulated) -> str:
    """The batch losses as recorded, and as a sum that is never reset within an epoch shows them."""
    with _figure(f"accumulated {evidence.experiment.id}", 6.4, 3.0) as (figure, axes):
        for factor, name in ((1, "ln"), (2, "2 ln")):
            value = factor * evidence.chance
            axes.axhline(value, color=SOFT, linewidth=0.8, linestyle=":")
            classes = evidence.experiment.protocol.layer_sizes[-1]
            axes.annotate(f"{name} {classes} = {value:.2f}", (evidence.epochs[-1], value), (4, 2),
                          textcoords="offset points", fontsize=7, color=SOFT)  # fmt: skip
        axes.plot(evidence.epochs, evidence.summed, color=SECOND, linestyle="--", marker="s", markersize=3,
                  label="summed within the epoch, never reset")  # fmt: skip
        axes.plot(evidence.epochs, evidence.loss, color=FIRST, marker="o", markersize=3,
                  label="loss of the batch")  # fmt: skip
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss (nats)")
        axes.set_xlim(0, evidence.epochs[-1] * 1.14)
        axes.set_ylim(0, max(evidence.summed) * 1.25)
        axes.legend(loc="upper left", ncols=2)
        return _svg(figure, f"Batch losses of {evidence.experiment.id}, recorded and never reset")


def draw_sets(sets: SetsCompared) -> str:
    """Each seed's test and training accuracies on one scale, with the reported figure as a line."""
    rows = [("test set", sets.test), ("training, running mean", sets.running), ("training set", sets.train)]
    with _figure(f"sets {sets.experiment.id}", 6.4, 1.9) as (figure, axes):
        for height, ((name, values), colour, marker) in enumerate(
            zip(rows, (FIRST, THIRD, SECOND), "o^s", strict=True)
        ):
            axes.plot(values, [height] * len(values), color=colour, marker=marker, markersize=5,
                      linestyle="none", alpha=0.8, label=name)  # fmt: skip
        if sets.experiment.reported is not None:
            x = sets.experiment.reported
            axes.axvline(x, color=INK, linestyle=(0, (4, 3)), linewidth=1.2)
            axes.annotate(f"reported {sets.experiment.reported_text}", (x, 2.45), (4, 0),
                          textcoords="offset points", fontsize=8)  # fmt: skip
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.set_ylim(-0.6, 2.9)
        axes.set_xlabel("accuracy (%), one mark a seed")
        return _svg(figure, f"Test and training accuracies of {sets.experiment.id}")


def draw_search(search: Search) -> str:
    """The heat map: a row for each protocol, a column for each figure; how far off the mean is, and what
    fits.
    """
    columns, lines = len(search.experiments), search.tried
    with _figure("search", 1.9 + 0.98 * columns, 0.8 + 0.3 * len(lines)) as (figure, axes):
        axes.grid(False)
        for y, line in enumerate(lines):
            for x, experiment in enumerate(search.experiments):
                cell = line.cells[experiment.id]
                off = (cell.mean or 0.0) - (experiment.reported or 0.0)
                colour = SECOND if off < 0 else FIRST
                alpha = 0.75 * min(1.0, abs(off) / 10) ** 0.5 if cell.n else 0.0
                _tile(axes, x, y, (0.48, 0.45), colour, alpha, framed=cell.fits is True)
                text = "no runs" if cell.mean is None else f"{cell.mean:.1f} ({off:+.1f})".replace("-", "−")
                axes.text(x, y, text, ha="center", va="center", fontsize=7.5, color=INK if cell.n else SOFT)
        axes.set_yticks(range(len(lines)), [line.label for line in lines])
        names = [f"{e.id.replace('torch/', '')}\nreported {e.reported_text}" for e in search.experiments]
        axes.set_xticks(range(columns), names, fontsize=8)
        axes.xaxis.tick_top()
        axes.set_xlim(-0.5, columns - 0.5)
        axes.set_ylim(len(lines) - 0.5, -0.5)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return _svg(figure, "Mean accuracy of each protocol, and its distance from the reported figure")


def _tile(
    axes: Axes,
    x: float,
    y: float,
    half: tuple[float, float],
    colour: str,
    alpha: float,
    *,
    framed: bool = False,
) -> None:
    """A rectangle around (x, y), with a frame where it matters in print too."""
    from matplotlib.patches import Rectangle

    corner = (x - half[0], y - half[1])
    size = (2 * half[0], 2 * half[1])
    if alpha > 0.004:
        axes.add_patch(Rectangle(corner, *size, facecolor=colour, alpha=round(alpha, 3), linewidth=0))
    if framed:
        axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=INK, linewidth=1.5))


@contextmanager
def _figure(name: str, width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure of so many inches in the page's style; the name makes its ids its own on the page."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {**_STYLE, "svg.hashsalt": name}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        yield figure, figure.subplots()


def _svg(figure: Figure, title: str) -> str:
    """The figure as an <svg> element in the page's colours, without what would differ from day to day."""
    from markupsafe import escape

    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for pattern, replacement in _CLEAN:
        text = re.sub(pattern, replacement, text, flags=re.DOTALL)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    label = escape(title)
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
