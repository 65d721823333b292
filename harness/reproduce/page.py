"""The reproduction as one HTML page: self-contained, no scripts, light and dark, and fit to print."""

from __future__ import annotations

from pathlib import Path

from harness.reproduce import prose
from harness.reproduce.drawing import draw_accumulated, draw_panel, draw_search, draw_sets
from harness.reproduce.model import Reproduction, Row
from harness.reproduce.words import (
    VERDICT_CLASSES,
    claim_counts,
    claim_digits,
    counted,
    duration,
    number,
    other_protocols,
    p_or_dash,
    panel_note,
    protocol_items,
    qualification,
    search_caption,
    short_digest,
)

TEMPLATES = Path(__file__).with_name("templates")


def to_html(found: Reproduction) -> str:
    """The whole page. Everything that comes from the specification is escaped; only our own figures are
    not.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, p=p_or_dash, duration=duration, short=short_digest)
    style = (TEMPLATES / "reproduction.css").read_text(encoding="utf-8")
    return environment.get_template("reproduction.html.j2").render(
        found=found,
        spec=found.spec,
        style=Markup(style),
        classes=VERDICT_CLASSES,
        accuracy_counts=counted(row.verdict for row in found.rows),
        claim_counts=claim_counts(found),
        claim_digits=claim_digits,
        prose=prose,
        qualification=qualification,
        other_protocols=other_protocols,
        strips={row.experiment.id: Markup(strip(row)) for row in found.rows},
        drawings={panel.panel.id: Markup(draw_panel(panel)) for panel in found.panels},
        notes={panel.panel.id: panel_note(found, panel) for panel in found.panels},
        evidence=_evidence(found),
        protocols=protocol_items(found.spec),
    )


def _evidence(found: Reproduction) -> dict[str, list[tuple[str, str]]]:
    """The figures of each finding with their captions, by its quirk's id."""
    from markupsafe import Markup

    figures: dict[str, list[tuple[str, str]]] = {}
    for finding in found.findings:
        drawn = [(draw_sets(sets), f"{sets.experiment.id}, {len(sets.test)} seeds.") for sets in finding.sets]
        for curves in finding.accumulated:
            caption = (
                f"{curves.experiment.id}, seed {curves.seed}: the losses that were recorded, and their sum."
            )
            drawn.append((draw_accumulated(curves), caption))
        if finding.search is not None and finding.search.tried:
            drawn.append((draw_search(finding.search), search_caption(finding.search)))
        figures[finding.quirk.id] = [(Markup(svg), caption) for svg, caption in drawn]
    return figures


def strip(row: Row, width: int = 170, height: int = 20) -> str:
    """A row's interval as a bar, its seeds as dots and the reported figure as a diamond, to a scale of
    its own.
    """
    if row.low is None or row.high is None:
        return ""
    points = [row.low, row.high, *row.accuracies]
    reported = row.experiment.reported
    if reported is not None:
        points.append(reported)
    start, end = min(points), max(points)

    def at(value: float) -> float:
        return round(8 + (width - 16) * (value - start) / (end - start), 1)

    middle = height / 2
    parts = [
        f'<rect class="interval" x="{at(row.low)}" y="{middle - 4}" height="8" rx="2" '
        f'width="{round(at(row.high) - at(row.low), 1)}"/>'
    ]
    parts += [f'<circle class="seed" cx="{at(value)}" cy="{middle}" r="2"/>' for value in row.accuracies]
    if reported is not None:
        x = at(reported)
        diamond = f"{x},{middle - 7} {x + 5},{middle} {x},{middle + 7} {x - 5},{middle}"
        parts.append(f'<polygon class="reported" points="{diamond}"/>')
    label = f"{row.low:.2f} to {row.high:.2f}, reported {row.experiment.reported_text}"
    return (
        f'<svg class="strip" role="img" aria-label="{label}" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">{"".join(parts)}</svg>'
    )
