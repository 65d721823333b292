"""Charts of growth as SVG files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.results import Chart

STYLES = (("#0072b2", "o"), ("#d55e00", "s"), ("#009e73", "^"))  # told apart without their colours too


def draw(chart: Chart, folder: Path) -> Path:
    """Write a chart into ``folder`` and return the file; the same data give the same bytes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    settings: Any = {"svg.hashsalt": "benchmarks", "svg.fonttype": "none", "font.size": 10}
    with matplotlib.rc_context(settings):
        figure, axes = pyplot.subplots(figsize=(5.6, 3.4), layout="constrained")
        for curve, (color, marker) in zip(chart.curves, STYLES):
            axes.plot(curve.x, curve.y, color=color, marker=marker, label=curve.name)
        axes.set(title=chart.title, xlabel=chart.x_label, ylabel=chart.y_label)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        path = folder / chart.file
        figure.savefig(path, metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
    return path
