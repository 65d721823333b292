"""Reading a rubric: what each group of checks is worth."""

from __future__ import annotations

from pathlib import Path

from harness.spec.model import Group, Rubric
from harness.spec.report import check_schema
from harness.spec.table import Table, nearest, read_toml

SCHEMA = 1
BUNDLED = Path(__file__).parent.parent / "specs" / "rubric.toml"


def load_rubric(path: str | Path | None = None) -> Rubric:
    """Read a rubric (None: the bundled one); SpecError names the file, the key and the nearest.

    An instructor's own file may change points, order and descriptions and leave groups out, but names no
    group that the bundled rubric does not have.
    """
    bundled = _read(BUNDLED, None)
    return bundled if path is None else _read(Path(path), bundled)


def _read(file: Path, known: Rubric | None) -> Rubric:
    top, digest = read_toml(file)
    check_schema(top, SCHEMA)
    groups: dict[str, Group] = {}
    for id, table in top.identified("groups").items():
        if known is not None and id not in known.groups:
            raise table.error("id", f"no group of checks {id!r}{nearest(id, known.groups)}")
        default = known.groups[id].description if known is not None else None
        groups[id] = Group(id=id, points=_points(table), description=table.get("description", str, default))
        table.finish()
    top.finish()
    rubric = Rubric(path=file, digest=digest, groups=groups)
    if rubric.total <= 0:
        raise top.error("groups", "expected groups that are worth more than 0 points together")
    return rubric


def _points(table: Table) -> float:
    points = table.get("points", float)
    if points < 0:
        raise table.error("points", f"expected 0 or more, found {points:g}")
    return points
