"""The record as JSON (``templates/record.schema.json``) and back, exactly; scores to six decimals.

JSON has no infinities and no NaN, and evidence may hold them: they are written as ``{"$float": "nan"}``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from harness.errors import UsageError
from harness.records import SCHEMA, CheckResult, ExperimentResult, Record, Status, Verdict
from harness.views import facts

_FLOAT = "$float"
_Part = TypeVar("_Part", CheckResult, ExperimentResult, Verdict, Record)


def render_json(record: Record, *, audience: str = "instructor") -> str:
    """Return the record as indented ASCII JSON; a student's copy has neither seed nor environment."""
    document: dict[str, Any] = {
        "schema": record.schema,
        "audience": audience,
        "profile": record.profile,
        "submissions": [_verdict(verdict) for verdict in record.submissions],
        "harness_errors": list(record.harness_errors),
    }
    if audience == "instructor":
        document["seed"] = record.seed
        document["environment"] = record.environment
    # ASCII: a terminal that shows the file meets no escape, and a name that is not Unicode survives.
    return json.dumps(_plain(document), indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def from_json(text: str) -> Record:
    """Return the record that ``render_json`` wrote for the instructor; raises UsageError naming the place."""
    try:
        document = _restored(json.loads(text))
    except json.JSONDecodeError as error:
        raise UsageError(
            f"record: expected JSON, found an error at line {error.lineno}: {error.msg}; "
            "grade again with --format json"
        ) from None
    if not isinstance(document, dict):
        raise UsageError(f"record: expected an object, found {type(document).__name__}")
    if document.get("schema") != SCHEMA:
        raise UsageError(
            f"record: expected schema {SCHEMA}, found {document.get('schema')!r}; "
            "grade again with this version of backcheck"
        )
    if document.get("audience") == "student":
        raise UsageError(
            "record: this is a student's copy, without seed, environment and evidence; use the instructor's"
        )
    return _part(Record, {**document, "submissions": _list(document, "submissions", _read_verdict)}, "record")


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        **_fields(verdict),
        "score": facts.rounded(verdict.score),
        "max_score": facts.rounded(verdict.max_score),
        "checks": [{**_fields(check), "status": check.status.value} for check in verdict.checks],
        "experiments": [{**_fields(each), "status": each.status.value} for each in verdict.experiments],
    }


def _fields(part: CheckResult | ExperimentResult | Verdict) -> dict[str, Any]:
    return {field.name: getattr(part, field.name) for field in fields(part)}


def _read_verdict(data: Mapping[str, Any], where: str) -> Verdict:
    checks = _list(data, "checks", lambda each, place: _part(CheckResult, each, place), where)
    experiments = _list(data, "experiments", lambda each, place: _part(ExperimentResult, each, place), where)
    return _part(Verdict, {**data, "checks": checks, "experiments": experiments}, where)


def _list(data: Mapping[str, Any], key: str, read: Any, where: str = "record") -> tuple[Any, ...]:
    items = data.get(key)
    if not isinstance(items, list):
        raise UsageError(f"{where}.{key}: expected a list, found {type(items).__name__}")
    result = []
    for index, item in enumerate(items):
        place = f"{where}.{key}[{index}]"
        if not isinstance(item, dict):
            raise UsageError(f"{place}: expected an object, found {type(item).__name__}")
        result.append(read(item, place))
    return tuple(result)


def _part(kind: type[_Part], data: Mapping[str, Any], where: str) -> _Part:
    """Build one dataclass from its object; keys that are not its fields are ignored, for later versions."""
    values = {field.name: data[field.name] for field in fields(kind) if field.name in data}
    for key in ("accuracies", "notes", "harness_errors"):
        if isinstance(values.get(key), list):
            values[key] = tuple(values[key])
    try:
        if "status" in values:
            values["status"] = Status(values["status"])
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{where}: {error}; the file was cut or edited, grade again") from None


def _plain(value: Any) -> Any:
    """Return ``value`` as what JSON can hold; a NumPy value that slipped into evidence becomes lists."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {_FLOAT: str(float(value))}
    if value is None or isinstance(value, str | bool | int):
        return value
    return _plain(value.tolist()) if hasattr(value, "tolist") else repr(value)


def _restored(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {_FLOAT}:
            return float(value[_FLOAT])
        return {key: _restored(item) for key, item in value.items()}
    return [_restored(item) for item in value] if isinstance(value, list) else value
