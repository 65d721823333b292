"""A unit's outcome as JSON text and back, exactly; the same text is stored, sent and graded from.

JSON has no infinities and no NaN, and evidence may hold them: they are written as ``{"$float": "nan"}``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

from harness.errors import StoreError
from harness.grading.accuracy import AccuracyRun
from harness.grading.units import Outcome
from harness.records import CheckResult, Status

_FLOAT = "$float"
_Part = TypeVar("_Part", CheckResult, AccuracyRun)


def encode(outcome: Outcome) -> str:
    """Return the outcome as JSON; what JSON cannot hold (arrays, tuples) becomes lists for good."""
    return json.dumps(_plain(asdict(outcome)), ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def decode(text: str) -> Outcome:
    """Return the outcome that ``encode`` wrote; StoreError for anything else."""
    try:
        plain = json.loads(text, object_hook=_restored)
        return Outcome(
            checks=tuple(_part(CheckResult, each) for each in plain["checks"]),
            notes=tuple(map(str, plain["notes"])),
            run=None if plain["run"] is None else _part(AccuracyRun, plain["run"]),
            seconds=float(plain["seconds"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"expected the JSON of an outcome, found {text[:60]!r} ({error})") from error


def _part(kind: type[_Part], plain: Mapping[str, Any]) -> _Part:
    values = {field.name: plain[field.name] for field in fields(kind)}
    return kind(**{**values, "status": Status(plain["status"])})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {_FLOAT: str(float(value))}
    if isinstance(value, str):
        return str(value)  # a Status, too, is a word
    if value is None or isinstance(value, bool | int):
        return value
    return _plain(value.tolist()) if hasattr(value, "tolist") else repr(value)


def _restored(value: dict[str, Any]) -> Any:
    # Called by the decoder for each object as it closes: walking the whole again in Python takes as long.
    return float(value[_FLOAT]) if _FLOAT in value and len(value) == 1 else value
