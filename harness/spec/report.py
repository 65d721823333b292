"""Reading a report's specification from TOML, strictly."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from harness.spec.claims import read_claim
from harness.spec.model import (
    FULL,
    PANEL_KINDS,
    PARTS,
    PURPOSES,
    QUIRK_KINDS,
    REPORT,
    SOURCES,
    Budget,
    Candidate,
    Convention,
    Experiment,
    Panel,
    Quirk,
    Spec,
)
from harness.spec.protocols import read_override, read_protocol, read_protocols
from harness.spec.table import Table, nearest, read_toml

SCHEMA = 1
BUNDLED = Path(__file__).parent.parent / "specs" / "mnist_mlp.toml"


def load_spec(path: str | Path | None = None) -> Spec:
    """Read a specification (None: the bundled one); SpecError names the file, the key and the nearest."""
    file = BUNDLED if path is None else Path(path)
    top, digest = read_toml(file)
    check_schema(top, SCHEMA)
    margin = top.get("margin", float, 0.2)
    panels = _panels(top)
    experiments = _experiments(top, panels)
    for id, panel in panels.items():
        if panel.experiment not in experiments:
            raise top.error(
                f"panels ({id}).experiment",
                f"no experiment {panel.experiment!r}{nearest(panel.experiment, experiments)}",
            )
    candidates = _candidates(top, experiments)
    spec = Spec(
        id=top.get("id", str),
        path=file,
        digest=digest,
        title=top.get("title", str),
        author=top.get("author", str),
        date=top.get("date", str),
        course=top.get("course", str, ""),
        dataset=top.get("dataset", str),
        margin=margin,
        experiments=experiments,
        panels=panels,
        claims=tuple(
            read_claim(id, table, margin, experiments, candidates)
            for id, table in top.identified("claims").items()
        ),
        quirks=_quirks(top, experiments, panels),
        candidates=candidates,
        budgets=_budgets(top, experiments),
        conventions=_conventions(top, experiments),
    )
    top.finish()
    return spec


def check_schema(top: Table, expected: int) -> None:
    """Refuse a file that was written for another version of backcheck."""
    found = top.get("schema", int)
    if found != expected:
        raise top.error("schema", f"expected {expected}, found {found}: the file is for another backcheck")


def _experiments(top: Table, panels: Mapping[str, Panel]) -> dict[str, Experiment]:
    protocols = read_protocols(top.table("protocols"))
    experiments: dict[str, Experiment] = {}
    for id, table in top.identified("experiments").items():
        if any(character in id for character in "@,*?[] "):
            raise table.error("id", "expected an id without spaces and without any of @ , * ? [ ]")
        text, value, unit = _reported(table)
        part, section = table.choice("part", PARTS), table.get("section", str)
        baseline = table.get("baseline", bool, False)
        protocol, places = read_protocol(table, protocols)
        experiments[id] = Experiment(
            id=id,
            part=part,
            section=section,
            figures=tuple(panel.id for panel in panels.values() if panel.experiment == id),
            reported=value,
            reported_text=text,
            digit_unit=unit,
            baseline=baseline,
            protocol=protocol,
            places=places,
        )
    if not experiments:
        raise top.error("experiments", "expected at least one [[experiments]] table")
    return experiments


def _reported(table: Table) -> tuple[str | None, float | None, float | None]:
    """Return the figure as printed, its value in per cent, and one unit of its last digit."""
    if "reported" not in table:
        return None, None, None
    text = table.get("reported", str)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise table.error(
            "reported", f'expected a percentage as text, such as "94.3", found {text!r}'
        ) from None
    if not value.is_finite() or not 0 <= value <= 100:
        raise table.error("reported", f"expected a percentage between 0 and 100, found {text!r}")
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)  # it is a letter for NaN and infinity only
    return text, float(value), 10.0**exponent


def _panels(top: Table) -> dict[str, Panel]:
    panels: dict[str, Panel] = {}
    for id, table in top.identified("panels").items():
        panels[id] = Panel(
            id=id,
            experiment=table.get("experiment", str),
            kind=table.choice("kind", PANEL_KINDS),
            caption=table.get("caption", str),
        )
        table.finish()
    return panels


def _matching(table: Table, experiments: Mapping[str, Experiment]) -> tuple[str, ...]:
    """Return the ids that the patterns under ``experiments`` select, in the order of the file."""
    patterns = table.items("experiments", str)
    for pattern in patterns:
        if not any(fnmatchcase(id, pattern) for id in experiments):
            raise table.error(
                "experiments", f"no experiment matches {pattern!r}{nearest(pattern, experiments)}"
            )
    return tuple(id for id in experiments if any(fnmatchcase(id, pattern) for pattern in patterns))


def _candidates(top: Table, experiments: Mapping[str, Experiment]) -> dict[str, Candidate]:
    candidates: dict[str, Candidate] = {}
    for id, table in top.identified("candidates").items():
        if id == REPORT or "@" in id:
            raise table.error("id", f"expected an id without @ other than {REPORT!r}, found {id!r}")
        override, places = read_override(table.table("override"))
        candidates[id] = Candidate(
            id=id,
            purpose=table.choice("purpose", PURPOSES),
            text=table.get("text", str),
            experiments=_matching(table, experiments),
            override=override,
            places=places,
        )
        table.finish()
    return candidates


def _budgets(top: Table, experiments: Mapping[str, Experiment]) -> dict[str, Budget]:
    budgets: dict[str, Budget] = {}
    for id, table in top.identified("budgets").items():
        chosen = _matching(table, experiments)
        general, general_places = read_override(table.table("override"))
        overrides: dict[str, dict[str, Any]] = {name: dict(general) for name in chosen}
        places: dict[str, dict[str, str]] = {name: dict(general_places) for name in chosen}
        for special in table.tables("special"):
            items, special_places = read_override(special.table("override"))
            for name in _matching(special, experiments):
                if name not in overrides:
                    raise special.error("experiments", f"{name!r} is not among the budget's experiments")
                overrides[name].update(items)
                places[name].update(special_places)
            special.finish()
        if id == FULL and any(overrides.values()):
            raise table.error("override", "the full budget runs the protocol as it stands")
        text = table.get("text", str)
        budgets[id] = Budget(id=id, text=text, experiments=chosen, overrides=overrides, places=places)
        table.finish()
    return budgets


def _conventions(top: Table, experiments: Mapping[str, Experiment]) -> tuple[Convention, ...]:
    conventions = []
    for id, table in top.identified("conventions").items():
        conventions.append(
            Convention(
                id=id,
                text=table.get("text", str),
                experiments=_matching(table, experiments),
                sources=table.choices("sources", SOURCES),
            )
        )
        table.finish()
    return tuple(conventions)


def _quirks(
    top: Table, experiments: Mapping[str, Experiment], panels: Mapping[str, Panel]
) -> tuple[Quirk, ...]:
    quirks = []
    for id, table in top.identified("quirks").items():
        shown = table.items("panels", str, ())
        for panel in shown:
            table.reference("panels", panel, panels, "panel")
        quirks.append(
            Quirk(
                id=id,
                section=table.get("section", str),
                kind=table.choice("kind", QUIRK_KINDS),
                title=table.get("title", str),
                text=table.get("text", str),
                experiments=_matching(table, experiments),
                panels=shown,
            )
        )
        table.finish()
    return tuple(quirks)
