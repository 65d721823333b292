"""Read the corpora and write their submissions out as files to be graded.

A right case is a whole file (``right/NAME.py`` or ``bases/NAME.py``) or a base with named edits; a wrong
case is always a base with named edits. An edit replaces a text that must occur exactly once: none goes stale.
``right/cases.toml`` and ``wrong/*.toml`` hold the entries; unknown keys are refused.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
GROUPS = ("contract", "forward", "loss", "gradients", "updates", "training", "properties", "accuracy")
ACTIVATIONS = ("sigmoid", "tanh", "relu")
PROFILES = ("quick", "standard", "invisible")


class CorpusError(Exception):
    """An entry of the corpus is wrong: the message names the file, the entry and what to mend."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Edit:
    """One replacement; ``old`` occurs exactly once in the base."""

    old: str
    new: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class RightCase:
    """A correct submission and the way in which it differs from others."""

    id: str
    source: str  # "bases/classes.py", "right/einsum.py": relative to this folder
    difference: str
    edits: tuple[Edit, ...] = ()
    float32: bool = False  # computes in float32 whatever it is given
    small: bool = False  # too slow for the report's network: small networks only
    slow: bool = False  # right, but its training takes minutes
    adam: bool = False  # offers optimizer="adam"
    requires: str = ""  # a package that may be absent

    @property
    def part(self) -> str:
        """Which part of the assignment the submission is for: ``scratch`` or ``package``."""
        return _part(self)

    @property
    def absent(self) -> bool:
        """Whether the package that this case needs is not installed."""
        return bool(self.requires) and importlib.util.find_spec(self.requires) is None


@dataclasses.dataclass(frozen=True, kw_only=True)
class WrongCase:
    """A submission with exactly one defect, and what a grader must say of it."""

    id: str
    chapter: str  # the name of the file that holds the entry
    source: str
    bug: str  # the line of the list of bugs that it is an instance of
    defect: str  # one sentence
    edits: tuple[Edit, ...] = ()
    manifest: str = ""  # the text of the manifest handed in beside it, if any
    shows: tuple[str, ...]  # the quantities that differ from right (tests/corpus/quantities.py)
    fails: tuple[str, ...]  # groups of checks of which at least one must fail
    passes: tuple[str, ...]  # groups of checks that must pass throughout, or be skipped for the defect's sake
    diagnosis: str = ""  # the known mistake that it is, by the harness's name for it
    also: tuple[str, ...] = ()  # other names that are right too: the same mistake seen from another check
    profile: str = "quick"  # the shortest profile that sees it, or "invisible"
    reason: str = ""  # why a profile other than quick is needed, or why nothing sees it
    activations: tuple[str, ...] = ACTIVATIONS  # the activations under which it shows

    @property
    def part(self) -> str:
        """Which part of the assignment the submission is for: ``scratch`` or ``package``."""
        return _part(self)


Case = RightCase | WrongCase


def known_right() -> list[RightCase]:
    """Return every known-right case, in the order of ``right/cases.toml``."""
    path = HERE / "right" / "cases.toml"
    return [_entry(RightCase, table, path) for table in _tables(path, "right")]


def known_wrong() -> list[WrongCase]:
    """Return every known-wrong case, chapter by chapter."""
    cases = []
    for path in sorted((HERE / "wrong").glob("*.toml")):
        cases += [
            _entry(WrongCase, {"chapter": path.stem, **table}, path) for table in _tables(path, "wrong")
        ]
    return cases


def text(case: Case) -> str:
    """Return the source after its edits; raises CorpusError when one does not match exactly once."""
    source = (HERE / case.source).read_text(encoding="utf-8")
    for number, edit in enumerate(case.edits, start=1):
        count = source.count(edit.old)
        if count != 1:
            raise CorpusError(
                f"{case.id}: edit {number} should match {case.source} exactly once,"
                f" matches {count} times:\n{edit.old}"
            )
        source = source.replace(edit.old, edit.new)
    return source


def materialise(case: Case, folder: Path) -> Path:
    """Write the submission as ``folder/<id>.py``, as it would be handed in, and return that path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{case.id}.py"
    path.write_text(text(case), encoding="utf-8")
    manifest = getattr(case, "manifest", "")
    if manifest:
        path.with_suffix(".toml").write_text(manifest, encoding="utf-8")
    return path


def _part(case: Case) -> str:
    package = ("import torch", "from sklearn", "import jax")
    return "package" if any(name in text(case) for name in package) else "scratch"


def _tables(path: Path, key: str) -> Iterable[Mapping[str, Any]]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise CorpusError(f"{path.name}: not TOML: {error}") from error
    if set(document) != {key}:
        raise CorpusError(f"{path.name}: expected only [[{key}]] tables, found {sorted(document)}")
    tables: list[Mapping[str, Any]] = document[key]
    return tables


def _entry(kind: type[Any], table: Mapping[str, Any], path: Path) -> Any:
    where = f"{path.name}, {table.get('id', 'an entry without id')}"
    names = {field.name for field in dataclasses.fields(kind)}
    unknown = set(table) - names
    if unknown:
        raise CorpusError(f"{where}: unknown keys {sorted(unknown)}; known are {sorted(names)}")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    values["edits"] = tuple(_edit(edit, where) for edit in table.get("edits", ()))
    try:
        case = kind(**values)
    except TypeError as error:
        raise CorpusError(f"{where}: {error}") from error
    for key, allowed in (("fails", GROUPS), ("passes", GROUPS), ("activations", ACTIVATIONS)):
        wrong = set(getattr(case, key, ())) - set(allowed)
        if wrong:
            raise CorpusError(f"{where}: {key} holds {sorted(wrong)}; known are {allowed}")
    if kind is WrongCase and case.profile not in PROFILES:
        raise CorpusError(f"{where}: profile {case.profile!r}; known are {PROFILES}")
    return case


def _edit(table: Mapping[str, str], where: str) -> Edit:
    if set(table) != {"old", "new"}:
        raise CorpusError(f"{where}: an edit has the keys old and new, found {sorted(table)}")
    return Edit(old=table["old"], new=table["new"])
