"""The strict reader of ``submission.toml``: how to read a submission that was not written to the contract.

Every key is optional; a bare file that offers ``build`` needs no manifest. Snippets (``constructor``,
``functions``) and templates (``weights``, ``gradients``) are short pieces of Python that only ever run in the
sandbox, beside the submission; here they are parsed, never run.
"""

from __future__ import annotations

import ast
import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any

from harness.errors import ManifestError

ADAPTERS = ("contract", "object", "functions", "torch", "sklearn", "keras")
FUNCTIONS = ("forward", "predict", "loss", "backward", "update", "fit", "get_weights", "set_weights")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "part": ("scratch", "package", "both"),
    "run": ("all", "definitions"),
    "layout": ("in_out", "out_in"),
    "bias": ("separate", "first_row", "last_row", "none"),
    "labels": ("index", "one_hot"),
    "output": ("probabilities", "logits", "log_probabilities"),
    "dtype": ("float32", "float64"),
}
CONTRACT_ACTIVATIONS = ("sigmoid", "tanh", "relu")
MANIFEST_LIMIT = 64 << 10  # bytes: a manifest is a page of text
DOTS_LIMIT = 500  # in one line
TIME_LIMIT = 3600.0  # seconds: more than this is a typing error


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """How to read one submission; None and empty mean "not said": adapters work it out or take the usual."""

    part: str | None = None  # scratch, package or both
    entry: str | None = None  # the file to run, relative to the submission's folder
    adapter: str | None = None  # a built-in adapter's name, or a Python file that defines build
    adapter_source: str | None = None  # the text of that file: no key, filled in by the reader
    run: str | None = None  # every statement, or definitions only
    cells: tuple[int | str, ...] = ()  # a notebook's cells: number from 1, tag, or a name they define
    constructor: str | None = None  # snippet that makes the network: "Net(layer_sizes, activation)"
    layers: str | None = None  # the list of layer objects; those without parameters are passed over
    weights: tuple[str, ...] = ()  # templates of W and b: ("model.W{i}", "model.b{i}")
    gradients: tuple[str, ...] = ()  # templates of dW and db after the backward pass
    layout: str | None = None  # whether W is (fan_in, fan_out) or (fan_out, fan_in)
    bias: str | None = None  # an array of its own, or a row of W
    labels: str | None = None  # class indices or one-hot rows
    batch_axis: int | None = None  # 0: examples are rows; 1: examples are columns
    one_example: bool | None = None  # the functions take one example, not a batch
    output: str | None = None  # what the forward pass returns
    dtype: str | None = None  # what inputs and weights are converted to
    input_scale: float | None = None  # pixels in [0, 1] are multiplied by this
    backward_updates: bool | float | None = (
        None  # the backward pass also steps; a number is its fixed learning rate
    )
    time_limit: float | None = None  # seconds for one call
    activations: Mapping[str, str] = field(default_factory=dict)  # the contract's name -> the submission's
    functions: Mapping[str, str] = field(default_factory=dict)  # which function is which: snippets
    claimed: Mapping[str, float] = field(default_factory=dict)  # experiment -> accuracy in per cent

    @property
    def describes_the_network(self) -> bool:
        """Whether it says what the network is made of, so that an adapter stands in for ``build``."""
        return bool(self.constructor or self.weights or self.functions) or self.adapter not in (
            None,
            "contract",
        )

    def to_json(self) -> dict[str, Any]:
        """Return what was said as plain JSON, for the worker's first frame."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        plain = {k: dict(v) if isinstance(v, Mapping) else v for k, v in values.items()}
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}
        return {k: v for k, v in plain.items() if v is not None and v != [] and v != {}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Manifest:
        """Rebuild a manifest from ``to_json``; raises ManifestError as the TOML reader does."""
        source = data.get("adapter_source")
        plain = {k: v for k, v in data.items() if k != "adapter_source"}
        return _checked(plain, "manifest", source=source)


def load_manifest(path: Path) -> Manifest:
    """Read and check one TOML file; raises ManifestError naming the file, the key and the nearest one."""
    where = path.name if path.parent.name == "" else f"{path.parent.name}/{path.name}"
    try:
        raw = _bounded(path)
    except OSError as error:
        raise ManifestError(f"{where} cannot be read: {error.strerror or error}") from None
    if len(raw) > MANIFEST_LIMIT:
        raise ManifestError(f"{where} is larger than the {MANIFEST_LIMIT} bytes that are read")
    manifest = parse_manifest(raw, where)
    if manifest.adapter is not None and manifest.adapter.endswith(".py"):
        source = _adapter_source(path.parent, manifest.adapter, where)
        return _checked({**_toml(raw, where)}, where, source=source)
    return manifest


def parse_manifest(raw: bytes, where: str = "submission.toml") -> Manifest:
    """Check the text of a manifest (UTF-8 TOML) without reading any other file."""
    return _checked(_toml(raw, where), where, source=None)


def _bounded(path: Path) -> bytes:
    """The start of a regular file; a pipe would be waited for, and a large file need not be read."""
    if not path.is_file():
        raise OSError(None, "not a regular file" if path.exists() else "no such file")
    with path.open("rb") as file:
        return file.read(MANIFEST_LIMIT + 1)


def _toml(raw: bytes, where: str) -> dict[str, Any]:
    # Time and memory grow with the square of a key's parts.
    if any(line.count(b".") > DOTS_LIMIT for line in raw.split(b"\n")):
        raise ManifestError(f"{where} has a line with more than {DOTS_LIMIT} dots: no key needs them")
    try:
        return tomllib.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ManifestError(f"{where} is not UTF-8 text (byte {error.start}): save it as UTF-8") from None
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits is a plain ValueError
        raise ManifestError(f"{where} is not TOML: {error}") from None


def _adapter_source(folder: Path, name: str, where: str) -> str:
    path = folder / name
    try:
        if not path.resolve(strict=True).is_relative_to(folder.resolve()):
            raise ManifestError(f"{where}: adapter {name!r} leaves the submission's folder")
        raw = _bounded(path)
    except OSError as error:
        raise ManifestError(f"{where}: adapter {name!r} cannot be read: {error.strerror or error}") from None
    if len(raw) > MANIFEST_LIMIT:
        raise ManifestError(
            f"{where}: adapter {name!r} has {len(raw)} bytes, at most {MANIFEST_LIMIT} are read"
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ManifestError(f"{where}: adapter {name!r} is not UTF-8 text") from None


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a name that is not known: the nearest one that is, and all of them."""
    known = list(known)
    close = difflib.get_close_matches(str(name).lower(), known, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{hint} (known: {', '.join(known)})"


def _checked(data: Mapping[str, Any], where: str, *, source: object) -> Manifest:
    values: dict[str, Any] = {}
    for key, value in data.items():
        reader = _READERS.get(key)
        if reader is None:
            raise ManifestError(f"{where}: {key!r} is not a key{nearest(key, _READERS)}")
        values[key] = reader(f"{where}: {key}", value, key)
    adapter = values.get("adapter")
    if adapter is not None and adapter.endswith(".py") and source is not None:
        _python(str(source), f"{where}: adapter {adapter!r}")
        values["adapter_source"] = str(source)
    return Manifest(**values)


def _python(text: str, where: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        raise ManifestError(f"{where} is not Python{f' (line {line})' if line else ''}: {error}") from None


def _choice(where: str, value: Any, key: str) -> str:
    if not isinstance(value, str) or value not in CHOICES[key]:
        hint = (
            nearest(value, CHOICES[key]) if isinstance(value, str) else f" (known: {', '.join(CHOICES[key])})"
        )
        raise ManifestError(f"{where} is {value!r}, which is not one of its values{hint}")
    return value


def _text(where: str, value: Any, key: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ManifestError(f"{where} should be a text, found {value!r}")
    return value


def _file(where: str, value: Any, key: str) -> str:
    text = _text(where, value, key)
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or "\\" in text or not text.isprintable():
        raise ManifestError(f"{where} should be a file inside the submission's folder, found {text!r}")
    return text


def _adapter(where: str, value: Any, key: str) -> str:
    text = _text(where, value, key)
    if text.endswith(".py"):
        return _file(where, text, key)
    if text not in ADAPTERS:
        raise ManifestError(
            f"{where} is {text!r}: neither a .py file nor a built-in one{nearest(text, ADAPTERS)}"
        )
    return text


def _cells(where: str, value: Any, key: str) -> tuple[int | str, ...]:
    if not isinstance(value, list) or not value:
        raise ManifestError(
            f"{where} should be a list of cell numbers (from 1), tags or names, found {value!r}"
        )
    for cell in value:
        if isinstance(cell, bool) or not isinstance(cell, (int, str)) or (isinstance(cell, int) and cell < 1):
            raise ManifestError(f"{where}: a cell is a number from 1, a tag or a name, found {cell!r}")
    return tuple(value)


def _snippet(where: str, value: Any, key: str) -> str:
    """A few simple statements; the value of the last one is the result."""
    text = _text(where, value, key)
    tree = _python(text.replace("{activation}", "activation"), where)
    simple = (ast.Expr, ast.Assign, ast.AugAssign, ast.Pass, ast.Delete)
    if not tree.body or not all(isinstance(s, simple) for s in tree.body):
        raise ManifestError(f"{where} should be calls and assignments separated by ';', found {text!r}")
    return text


BRACES = re.compile(r"\{([ik0-9+*\- ]+)\}")  # in templates: i counts layers from 1, k from 0


def _template(where: str, value: Any, key: str) -> str:
    text = _text(where, value, key)
    tree = _python(BRACES.sub("1", text), where)
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        raise ManifestError(f'{where} should name a place such as "model.W{{i}}", found {text!r}')
    if not isinstance(tree.body[0].value, (ast.Name, ast.Attribute, ast.Subscript)):
        raise ManifestError(f'{where} should name a place such as "model.W{{i}}", found {text!r}')
    return text


def _templates(where: str, value: Any, key: str) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not 1 <= len(items) <= 2:
        raise ManifestError(f"{where} should be one or two places (of W and of b), found {value!r}")
    return tuple(_template(where, item, key) for item in items)


def _axis(where: str, value: Any, key: str) -> int:
    if isinstance(value, bool) or value not in (0, 1):
        raise ManifestError(
            f"{where} should be 0 (examples are rows) or 1 (examples are columns), found {value!r}"
        )
    return int(value)


def _flag(where: str, value: Any, key: str) -> bool:
    if not isinstance(value, bool):
        raise ManifestError(f"{where} should be true or false, found {value!r}")
    return value


def _number(where: str, value: Any, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e9:
        raise ManifestError(f"{where} should be a positive number, found {value!r}")
    if key == "time_limit" and value > TIME_LIMIT:
        raise ManifestError(f"{where} should be seconds, at most {TIME_LIMIT:.0f}, found {value!r}")
    return float(value)


def _updates(where: str, value: Any, key: str) -> bool | float:
    return value if isinstance(value, bool) else _number(where, value, key)


def _activations(where: str, value: Any, key: str) -> dict[str, str]:
    table = {name: name for name in value if isinstance(name, str)} if isinstance(value, list) else value
    if not isinstance(table, dict) or not table:
        raise ManifestError(
            f"{where} should be a table or a list of {', '.join(CONTRACT_ACTIVATIONS)}, found {value!r}"
        )
    for name in table:
        if name not in CONTRACT_ACTIVATIONS:
            raise ManifestError(f"{where}.{name} is not an activation{nearest(name, CONTRACT_ACTIVATIONS)}")
    return {name: _text(f"{where}.{name}", own, key) for name, own in table.items()}


def _functions(where: str, value: Any, key: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ManifestError(f"{where} should be a table, found {value!r}")
    for name in value:
        if name not in FUNCTIONS:
            raise ManifestError(f"{where}.{name} is not a function of a submission{nearest(name, FUNCTIONS)}")
    return {name: _snippet(f"{where}.{name}", text, key) for name, text in value.items()}


def _claimed(where: str, value: Any, key: str) -> dict[str, float]:
    if not isinstance(value, dict):
        raise ManifestError(
            f'{where} should be a table such as "scratch/relu/lr=0.01" = 95.7, found {value!r}'
        )
    for name, figure in value.items():
        if isinstance(figure, bool) or not isinstance(figure, (int, float)) or not 0 <= figure <= 100:
            raise ManifestError(
                f"{where}.{name!r} should be an accuracy in per cent, 0 to 100, found {figure!r}"
            )
    return {str(name): float(figure) for name, figure in value.items()}


_READERS: dict[str, Callable[[str, Any, str], Any]] = {
    **dict.fromkeys(CHOICES, _choice),
    "entry": _file,
    "adapter": _adapter,
    "cells": _cells,
    "constructor": _snippet,
    "layers": _template,
    "weights": _templates,
    "gradients": _templates,
    "batch_axis": _axis,
    "one_example": _flag,
    "input_scale": _number,
    "backward_updates": _updates,
    "time_limit": _number,
    "activations": _activations,
    "functions": _functions,
    "claimed": _claimed,
}
KEYS = tuple(_READERS)
