"""Notebooks without a kernel: the code cells of an ``.ipynb`` file as plain Python, magics taken out.

Formats 3 and 4. Standard library only: both sides of the trust boundary use it, and nothing is run here.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Cell magics whose body is still Python; the body of any other (bash, html, writefile ...) is not run.
PYTHON_MAGICS = frozenset(["capture", "memit", "prun", "python", "python3", "time", "timeit"])
MAGIC_LINE = re.compile(r"^(\s*)(%|!|\?)")
MAGIC_VALUE = re.compile(r"^(\s*[A-Za-z_][\w.,\s\[\]]*?=\s*)([%!].*)$")
CELLS_LIMIT, CODE_LIMIT = 2000, 1 << 20  # the code in characters
HELP_LINE = re.compile(r"^(\s*)[\w.]+\?{1,2}\s*$")


class NotebookError(Exception):
    """The file is not a Python notebook."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One code cell: ``number`` counts from 1; ``taken_out`` lists the lines that are no Python."""

    number: int
    source: str
    tags: tuple[str, ...] = ()
    taken_out: tuple[str, ...] = ()


def read_notebook(path: Path) -> list[Cell]:
    """Return the code cells of a notebook file; raises NotebookError when it is no Python notebook."""
    try:
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise NotebookError(f"{path.name} is not a notebook: {error}") from None
    return parse_notebook(data, path.name)


def parse_notebook(data: Any, name: str) -> list[Cell]:
    """Return the code cells of a notebook's JSON."""
    if not isinstance(data, dict):
        raise NotebookError(f"{name} is not a notebook: expected a JSON object")
    metadata = data.get("metadata") if isinstance(data.get("metadata"), dict) else {}
    language = _language(metadata)
    if language not in ("", "python", "ipython", "python3", "python2"):
        raise NotebookError(f"{name} is a notebook of {language[:40]!r}: expected Python")
    raw = data.get("cells")
    if raw is None and isinstance(data.get("worksheets"), list):  # format 3
        sheets = [sheet.get("cells") for sheet in data["worksheets"] if isinstance(sheet, dict)]
        raw = [cell for cells in sheets if isinstance(cells, list) for cell in cells]
    if not isinstance(raw, list):
        raise NotebookError(f"{name} is not a notebook: it has no list of cells")
    code = [cell for cell in raw if isinstance(cell, dict) and cell.get("cell_type") == "code"]
    # Each cell is parsed, which takes a thousand times the text's memory.
    if len(code) > CELLS_LIMIT or sum(len(_text(cell)) for cell in code) > CODE_LIMIT:
        limits = f"{CELLS_LIMIT} cells and {CODE_LIMIT >> 10} KiB of code"
        raise NotebookError(f"{name} is too large: at most {limits} are read; move data out of it")
    return [_cell(number, cell) for number, cell in enumerate(code, start=1)]


def _language(metadata: Any) -> str:
    for key, inner in (("language_info", "name"), ("kernelspec", "language")):
        section = metadata.get(key)
        if isinstance(section, dict) and isinstance(section.get(inner), str):
            return str(section[inner]).lower()
    return ""


def _text(cell: dict[str, Any]) -> str:
    text = cell.get("source", cell.get("input", ""))
    return "".join(map(str, text)) if isinstance(text, list) else str(text)


def _cell(number: int, cell: dict[str, Any]) -> Cell:
    text, metadata = _text(cell), cell.get("metadata")
    tags = metadata.get("tags", []) if isinstance(metadata, dict) else []
    plain, taken_out = to_python(text.replace("\r\n", "\n"))
    names = tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()
    return Cell(number=number, source=plain, tags=names, taken_out=taken_out)


def to_python(text: str) -> tuple[str, tuple[str, ...]]:
    """Replace magics, shell lines and help lines by ``pass``, keeping every line where it is."""
    lines = text.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), None)
    taken: list[str] = []
    if first is not None and lines[first].startswith("%%"):
        magic = lines[first][2:].split()[:1]
        taken.append(lines[first].strip())
        if not magic or magic[0] not in PYTHON_MAGICS:
            return "\n".join("#" for _ in lines), tuple(taken)
        lines[first] = "pass"
    elif _parses(text):
        return text, ()
    continued = False
    for i, outside in _outside(lines):
        line = lines[i]
        if continued:
            continued = line.rstrip().endswith("\\")
            lines[i] = ""
            continue
        if not outside:
            continue
        value = MAGIC_VALUE.match(line)
        magic_line = MAGIC_LINE.match(line) or HELP_LINE.match(line)
        if value:
            taken.append(line.strip())
            lines[i] = value.group(1) + "None"
        elif magic_line:
            taken.append(line.strip())
            lines[i] = magic_line.group(1) + "pass"
            continued = line.rstrip().endswith("\\")
    return "\n".join(lines), tuple(taken)


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _outside(lines: list[str]) -> Iterator[tuple[int, bool]]:
    """Yield each line's number and whether it starts outside every string and bracket."""
    quote, depth = "", 0
    for number, line in enumerate(lines):
        yield number, not quote and depth == 0
        # A magic's own text says nothing about Python's strings and brackets.
        if not quote and depth == 0 and (MAGIC_LINE.match(line) or MAGIC_VALUE.match(line)):
            continue
        i = 0
        while i < len(line):
            char, three = line[i], line[i : i + 3]
            if quote:
                if char == "\\":
                    i += 1
                elif line.startswith(quote, i):
                    i += len(quote) - 1
                    quote = ""
            elif char == "#":
                break
            elif three in ('"""', "'''"):
                quote = three
                i += 2
            elif char in "\"'":
                quote = char
            elif char in "([{":
                depth += 1
            elif char in ")]}":
                depth = max(0, depth - 1)
            i += 1
        if len(quote) == 1:  # a plain string ends with its line
            quote = ""
