"""A strict reader of TOML: every key must be known, present when needed, and of the right type."""

from __future__ import annotations

import difflib
import hashlib
import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import SpecError

T = TypeVar("T", str, int, float, bool)
_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false", dict: "a table"}


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return ``"; did you mean ...?"`` with the nearest valid name, or what there is, or nothing."""
    names = list(valid)
    if close := difflib.get_close_matches(name, names, n=1, cutoff=0.5):
        return f"; did you mean {close[0]!r}?"
    if 0 < len(names) <= 16:
        return f"; there are: {', '.join(names)}"
    return ""


def read_toml(path: Path) -> tuple[Table, str]:
    """Return the top table of a TOML file and the file's SHA-256; SpecError names the file and the line."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        data = tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: expected UTF-8 text: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{path}: not valid TOML: {_explain(str(error), raw.decode('utf-8'))}") from error
    return Table(data, path), hashlib.sha256(raw).hexdigest()


def _explain(message: str, text: str) -> str:
    """Add the offending line, and say in plain words that a key was given twice."""
    found = re.search(r"at line (\d+)", message)
    lines = text.splitlines()
    if not found or int(found[1]) > len(lines):
        return message
    line = lines[int(found[1]) - 1].strip()
    if "overwrite" in message.lower() or "declare" in message.lower():
        return f"{message}: {line!r} gives a key or table for the second time; remove one of the two"
    return f"{message}: {line!r}"


class Table:
    """One TOML table with its place in its file; what is never asked for is refused by ``finish``."""

    def __init__(self, data: Mapping[str, Any], file: Path, place: str = "") -> None:
        self._data = data
        self._file = file
        self._asked: set[str] = set()
        self.place = place

    def __contains__(self, key: str) -> bool:
        self._asked.add(key)
        return key in self._data

    def names(self) -> list[str]:
        """Return the keys in the order of the file."""
        return list(self._data)

    def path(self, key: str) -> str:
        """Return where a key of this table stands in the file."""
        return f"{self.place}.{key}" if self.place else key

    def error(self, key: str, message: str) -> SpecError:
        """Return an error about one key of this table, naming file and key path."""
        return SpecError(f"{self._file}: {self.path(key)}: {message}")

    def finish(self) -> None:
        """Refuse every key that nobody asked for, with the nearest valid name."""
        for key in self._data:
            if key not in self._asked:
                raise self.error(key, f"unknown key{nearest(key, sorted(self._asked))}")

    def get(self, key: str, kind: type[T], default: T | None = None) -> T:
        """Return a value of one type; without a default the key must be there. Numbers must be finite."""
        if key not in self:
            if default is None:
                raise self._missing(key)
            return default
        return self._checked(key, self._data[key], kind)

    def choice(self, key: str, valid: Sequence[str], default: str | None = None) -> str:
        """Return a text that must be one of ``valid``."""
        value = self.get(key, str, default)
        self._one_of(key, value, valid)
        return value

    def items(self, key: str, kind: type[T], default: tuple[T, ...] | None = None) -> tuple[T, ...]:
        """Return a list of values of one type as a tuple."""
        if key not in self:
            if default is None:
                raise self._missing(key)
            return default
        return self._list(key, self._data[key], kind)

    def lists(self, key: str, kind: type[T]) -> tuple[tuple[T, ...], ...]:
        """Return a list of lists as a tuple of tuples."""
        if key not in self:
            raise self._missing(key)
        value = self._data[key]
        if not isinstance(value, list):
            raise self.error(key, f"expected a list of lists, found {_kind_of(value)}")
        return tuple(self._list(f"{key}[{i}]", item, kind) for i, item in enumerate(value))

    def choices(
        self, key: str, valid: Sequence[str], default: tuple[str, ...] | None = None
    ) -> tuple[str, ...]:
        """Return one text or a list of texts, each one of ``valid``, as a tuple."""
        if key in self and isinstance(self._data[key], str):
            values: tuple[str, ...] = (self._data[key],)
        else:
            values = self.items(key, str, default)
        for value in values:
            self._one_of(key, value, valid)
        return values

    def table(self, key: str) -> Table:
        """Return a table inside this one; an absent one is empty."""
        value = self._data[key] if key in self else {}
        if not isinstance(value, dict):
            raise self.error(key, f"expected a table, found {_kind_of(value)}")
        return Table(value, self._file, self.path(key))

    def tables(self, key: str) -> list[Table]:
        """Return an array of tables; an absent one is empty."""
        value = self._data[key] if key in self else []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.error(key, f"expected [[{key}]] tables, found {_kind_of(value)}")
        return [Table(item, self._file, f"{self.path(key)}[{i}]") for i, item in enumerate(value)]

    def identified(self, key: str) -> dict[str, Table]:
        """Return an array of tables by their ``id``; two with the same id are refused."""
        found: dict[str, Table] = {}
        for table in self.tables(key):
            id = table.get("id", str)
            if not id or not id.isprintable():
                raise table.error("id", f"expected printable text, found {id!r}")
            if id in found:
                raise table.error("id", f"{id!r} was given before, to {found[id].place}; ids are unique")
            found[id] = table
            table.place = f"{table.place} ({id})"
        return found

    def reference(self, key: str, id: str, valid: Iterable[str], what: str) -> str:
        """Return ``id`` if it is among the valid ones; otherwise SpecError with the nearest."""
        names = list(valid)
        if id not in names:
            raise self.error(key, f"no {what} {id!r}{nearest(id, names)}")
        return id

    def _missing(self, key: str) -> SpecError:
        # The same first letter is asked for, since "kind" is as near to "id" as "idd" is.
        unread = [other for other in self._data if other not in self._asked and other[:1] == key[0]]
        close = difflib.get_close_matches(key, unread, n=1)
        hint = f": is the unknown key {close[0]!r} meant?" if close else ""
        return self.error(key, f"this key is missing{hint}")

    def _one_of(self, key: str, value: str, valid: Sequence[str]) -> None:
        if value not in valid:
            raise self.error(
                key, f"expected one of {', '.join(valid)}, found {value!r}{nearest(value, valid)}"
            )

    def _list(self, key: str, value: object, kind: type[T]) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise self.error(key, f"expected a list, found {_kind_of(value)}")
        return tuple(self._checked(f"{key}[{i}]", item, kind) for i, item in enumerate(value))

    def _checked(self, key: str, value: object, kind: type[T]) -> T:
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:  # not isinstance: true is no whole number here
            raise self.error(key, f"expected {_NAMES[kind]}, found {_kind_of(value)}")
        if isinstance(value, float) and not math.isfinite(value):
            raise self.error(key, f"expected a finite number, found {value}")
        return value


def _kind_of(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a table"
    name = _NAMES.get(type(value), type(value).__name__)
    return f"{name} ({value!r})" if isinstance(value, str | int | float) else name
