"""Which check caught which defect, as a picture."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.corpus.loader import WrongCase
from tests.validate.gradings import Grading
from tests.validate.rates import killers


def draw(cases: Mapping[str, WrongCase], gradings: Sequence[Grading], path: Path) -> None:
    """Write the matrix of cases (rows, by chapter) and checks (columns, in their order) as an SVG file."""
    from matplotlib.figure import Figure

    matrix = killers(gradings)
    order = dict.fromkeys(check.id.partition("[")[0] for grading in gradings for check in grading.checks)
    used = {check for counts in matrix.values() for check in counts}
    columns = [check for check in order if check in used]
    rows = [name for name in cases if name in matrix]
    if not rows or not columns:
        return
    values = np.array([[matrix[row][column] > 0 for column in columns] for row in rows], dtype=float)
    figure = Figure(figsize=(3 + 0.17 * len(columns), 2 + 0.13 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(values, aspect="auto", cmap="Blues", vmin=0.0, vmax=1.2, interpolation="nearest")
    axes.set_xticks(range(len(columns)), [c.replace("_", " ") for c in columns], rotation=90, fontsize=6)
    axes.set_yticks(range(len(rows)), rows, fontsize=5)
    axes.tick_params(top=True, labeltop=True)  # the picture is long: names stand at both ends
    axes.set_xlabel("check")
    axes.set_ylabel("defect")
    chapters = [cases[row].chapter for row in rows]
    for number, (above, below) in enumerate(itertools.pairwise(chapters), start=1):
        if above != below:
            axes.axhline(number - 0.5, color="0.6", linewidth=0.5)
    figure.savefig(path)
