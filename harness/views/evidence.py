"""Evidence read for the pictures: what has the documented form comes back as numbers, the rest is ignored.

Part of it began inside a submission (its history), so nothing here trusts a type, a length or a value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_EPOCHS = 1_000
MAX_CLASSES = 20
MAX_TENSORS = 40
PICTURE_TOLERANCE = 1e-4
FALLBACK_TOLERANCE = 1e-4  # where the evidence does not say what the check allowed


@dataclass(frozen=True, kw_only=True)
class TensorFit:
    """One gradient tensor beside the right one: ratio of scales, cosine between them, relative error."""

    tensor: str
    scale: float
    cosine: float
    error: float | None
    tolerance: float

    @property
    def right(self) -> bool:
        """Whether the relative error is within the check's tolerance, else whether scale and cosine are 1."""
        if self.error is not None:
            return self.error <= self.tolerance
        return self.scale_right and self.cosine_right

    @property
    def scale_right(self) -> bool:
        """Whether the scale ratio is 1 as far as a picture can show."""
        return abs(self.scale - 1) <= PICTURE_TOLERANCE

    @property
    def cosine_right(self) -> bool:
        """Whether the cosine is 1 as far as a picture can show."""
        return self.cosine >= 1 - PICTURE_TOLERANCE


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A figure for each epoch, and the band (low, high) that reference runs stay in, if there is one."""

    quantity: str  # accuracy in per cent, or loss
    values: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


def tensor_fits(evidence: Mapping[str, Any]) -> tuple[TensorFit, ...]:
    """Read ``per_tensor``: ``[{"tensor": "W1", "scale": 64.0, "cosine": 1.0, "error": 63.0}, ...]``."""
    items = evidence.get("per_tensor")
    if not isinstance(items, list | tuple):
        return ()
    allowed = _number(evidence.get("tolerance"))
    tolerance = FALLBACK_TOLERANCE if allowed is None else allowed
    fits = []
    for item in items[:MAX_TENSORS]:
        if not isinstance(item, Mapping):
            return ()
        scale, cosine, error = (_number(item.get(key)) for key in ("scale", "cosine", "error"))
        if scale is None or cosine is None:
            return ()
        name = str(item.get("tensor", "?"))
        fits.append(TensorFit(tensor=name, scale=scale, cosine=cosine, error=error, tolerance=tolerance))
    return tuple(fits)


def curves(evidence: Mapping[str, Any]) -> tuple[Curve, ...]:
    """Read ``history`` (a list for accuracy, one for loss) and ``band`` (``{"accuracy": {"low", "high"}}``).

    A low or high is one figure an epoch, or one for all. Accuracies given as fractions become per cent.
    """
    history, band = evidence.get("history"), evidence.get("band")
    if not isinstance(history, Mapping):
        return ()
    found = []
    for quantity in ("accuracy", "loss"):
        values = _series(history.get(quantity))
        if not values:
            continue
        limits = band.get(quantity) if isinstance(band, Mapping) else None
        limits = limits if isinstance(limits, Mapping) else {}
        low, high = (_series(limits.get(key), repeat=len(values)) for key in ("low", "high"))
        if not (low and high):
            low = high = ()
        if quantity == "accuracy":
            values, low, high = _per_cent(values), _per_cent(low), _per_cent(high)
        found.append(Curve(quantity=quantity, values=values, low=low, high=high))
    return tuple(found)


def confusion(evidence: Mapping[str, Any]) -> tuple[tuple[int, ...], ...]:
    """Read ``confusion``: a square table of counts, rows the true class, columns the predicted one."""
    rows = evidence.get("confusion")
    if not isinstance(rows, list | tuple) or not 2 <= len(rows) <= MAX_CLASSES:
        return ()
    table = []
    for row in rows:
        if not isinstance(row, list | tuple) or len(row) != len(rows):
            return ()
        counts = [_number(each) for each in row]
        if any(each is None or not math.isfinite(each) or each < 0 for each in counts):
            return ()
        table.append(tuple(round(each) for each in counts if each is not None))
    return tuple(table)


def rests_on(evidence: Mapping[str, Any]) -> tuple[str, ...]:
    """Read ``rests_on``: the ids of the checks without which this one was not tried."""
    items = evidence.get("rests_on")
    return tuple(each for each in items if isinstance(each, str)) if isinstance(items, list | tuple) else ()


def details(evidence: Mapping[str, Any]) -> str:
    """Read ``details``, the trimmed tracebacks of an experiment's runs, as one text."""
    items = evidence.get("details")
    return (
        "\n".join(each for each in items if isinstance(each, str)) if isinstance(items, list | tuple) else ""
    )


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _series(value: Any, repeat: int = 0) -> tuple[float, ...]:
    """Return finite figures, or nothing at all: half a curve would mislead."""
    if repeat and _number(value) is not None:
        value = [value] * repeat
    if not isinstance(value, Sequence) or isinstance(value, str) or not 0 < len(value) <= MAX_EPOCHS:
        return ()
    numbers = [_number(each) for each in value]
    if any(each is None or not math.isfinite(each) for each in numbers):
        return ()
    return tuple(each for each in numbers if each is not None)


def _per_cent(values: tuple[float, ...]) -> tuple[float, ...]:
    fractions = bool(values) and max(values) <= 1.0
    return tuple(100.0 * each for each in values) if fractions else values
