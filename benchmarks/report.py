"""Results as Markdown for people and as JSON for programs."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.plot import draw
from benchmarks.results import Chart, Grid, Occasion, Results, Section, Target, TimingTable, sections_of
from benchmarks.runner import PROCESSOR, WALL, Ratio, Timing, ratio

SCHEMA = 1
PAGE, DATA = "README.md", "results.json"


def write(results: Results, folder: Path) -> list[Path]:
    """Write ``README.md``, ``results.json`` and the charts; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {PAGE: markdown(results), DATA: as_json(results)}
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
    charts = [draw(chart, folder) for section in results.sections for chart in section.charts]
    return [*(folder / name for name in pages), *charts]


def kept(folder: Path) -> tuple[Section, ...]:
    """The sections of the last report there; none if there is no report, or one of another schema."""
    path = folder / DATA
    if not path.exists():
        return ()
    found = json.loads(path.read_text(encoding="utf-8"))
    return sections_of(found) if found.get("schema") == SCHEMA else ()


def markdown(results: Results) -> str:
    """The whole report."""
    lines = [
        "# Benchmarks",
        "",
        *_introduction(results),
        "",
        "## Targets",
        "",
        *target_lines(results.targets),
    ]
    for section in results.sections:
        lines += ["", *_section(section)]
    notes = Path(__file__).with_name("NOTES.md")
    if notes.exists():
        lines += ["", notes.read_text(encoding="utf-8").rstrip()]
    return "\n".join(lines) + "\n"


def as_json(results: Results) -> str:
    """All figures, round by round, with the targets' verdicts."""
    found: dict[str, Any] = {"schema": SCHEMA, **dataclasses.asdict(results)}
    found["targets"] = [{**dataclasses.asdict(target), "met": target.met} for target in results.targets]
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def target_lines(targets: Sequence[Target]) -> list[str]:
    """A Markdown table of targets, each met or missed."""
    rows = [
        (t.text, f"{t.sense} {_number(t.limit, t.unit)}", _number(t.measured, t.unit), _verdict(t))
        for t in targets
    ]
    return list(_table(("target", "limit", "measured", ""), rows, left=(0, 1, 3)))


def _introduction(results: Results) -> Iterator[str]:
    yield (
        "Written by `make bench` (`python -m benchmarks`; `--only` measures one section anew). Contenders "
        "take turns, round by round, with one BLAS thread; the first round is not kept. Figures are medians, "
        "extremes in brackets; a ratio is the median of the rounds' own ratios. The processor's clock counts "
        "a process with its descendants and stands still while others compute: on a quiet machine both "
        "clocks agree, on a busy one the wall's is longer. Where sandboxed processes come and go the "
        "processor's would miss some, and only the wall's is given."
    )
    yield ""
    yield from _table(("machine", ""), list(results.machine.items()), left=(0, 1))


def _section(section: Section) -> Iterator[str]:
    yield f"## {section.title}"
    yield ""
    yield section.text
    if section.occasion is not None:
        yield ""
        yield _occasion(section.occasion)
    for table in section.tables:
        yield ""
        yield f"### {table.title}"
        yield ""
        yield from _timings(table) if isinstance(table, TimingTable) else _grid(table)
    for chart in section.charts:
        yield ""
        yield _picture(chart)


def _occasion(occasion: Occasion) -> str:
    before, after = occasion.load
    return (
        f"Measured on {occasion.date} in {occasion.seconds / 60:.1f} minutes by `{occasion.command}`; the "
        f"machine's load was {before:.1f} before and {after:.1f} after."
    )


def _timings(table: TimingTable) -> Iterator[str]:
    base = table[table.base]
    clocks = [clock for clock in (WALL, PROCESSOR) if base.seconds(clock)]
    columns = ["", *(f"{clock}, s" for clock in clocks), f"times {table.base} ({table.clock})"]
    if table.unit:
        columns.append(f"{table.unit} a second ({table.clock})")
    rows = []
    for timing in table.timings:
        if timing.skipped:
            rows.append((timing.name, f"skipped: {timing.skipped}", *[""] * (len(columns) - 2)))
            continue
        row = [timing.name, *(_spread(timing, clock) for clock in clocks)]
        row.append(_ratio(ratio(timing, base, table.clock)))
        if table.unit:
            row.append(f"{table.amount / timing.median(table.clock):,.0f}")
        rows.append(tuple(row))
    yield from _table(columns, rows)
    if table.note:
        yield ""
        yield table.note


def _grid(grid: Grid) -> Iterator[str]:
    yield from _table(grid.columns, grid.rows)
    if grid.note:
        yield ""
        yield grid.note


def _picture(chart: Chart) -> str:
    return f"![{chart.title}: {chart.y_label} over {chart.x_label}]({chart.file})"


def _table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)
) -> Iterator[str]:
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "|".join(" --- " if i in left else " ---: " for i in range(len(columns))) + "|"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _spread(timing: Timing, clock: str) -> str:
    seconds = timing.seconds(clock)
    if not seconds:
        return ""
    return f"{_figure(timing.median(clock))} ({_figure(min(seconds))} to {_figure(max(seconds))})"


def _ratio(found: Ratio | None) -> str:
    if found is None:
        return ""
    return f"{_figure(found.median)} ({_figure(found.low)} to {_figure(found.high)})"


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "not measured"
    return f"{_figure(value)} {unit}".rstrip()


def _verdict(target: Target) -> str:
    return {True: "met", False: "**missed**", None: "not measured"}[target.met]


def _figure(value: float) -> str:
    """Three significant digits, without an exponent for what people read as seconds."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}" if digits <= 6 else f"{value:.2g}"
