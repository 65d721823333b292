"""The calibration runs: one JSON object a line in ``runs.jsonl``, appended as runs end, read strictly."""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias

from harness.errors import StoreError

RUNS_FILE = Path(__file__).with_name("runs.jsonl")

Key: TypeAlias = tuple[str, str, str, str, int]


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a run was made with: the facts that its last bits depend on, and where the code can be found."""

    backcheck: str
    python: str
    numpy: str
    torch: str
    blas: str  # library, version and the kernel that it chose for this processor
    processor: str
    machine: str
    commit: str  # ends in "+" if the reference differed from that commit
    reference: str  # SHA-256 of the reference's file, 16 digits
    protocol: str  # SHA-256 of the protocol that was followed, 16 digits
    finished: str  # UTC, ISO 8601


@dataclass(frozen=True, kw_only=True)
class Run:
    """One reference trained once: accuracies in per cent, losses in nats, ``confusion[true][predicted]``."""

    experiment: str
    variant: str  # "report", or the id of a candidate protocol
    budget: str  # "full", or the id of a shorter one
    reference: str  # "numpy" or "torch"
    seed: int
    test_accuracy: float
    train_accuracy: float  # of the final network on the images it was trained on
    epoch_loss: tuple[float, ...]
    epoch_accuracy: tuple[float, ...]  # of the images as they were met in that epoch
    batch_loss: tuple[float, ...]  # of every ``batch_loss_every``-th batch of each epoch
    batch_loss_every: int
    confusion: tuple[tuple[int, ...], ...]
    seconds: float  # of training alone
    provenance: Provenance

    @property
    def key(self) -> Key:
        """What no two stored runs share."""
        return self.experiment, self.variant, self.budget, self.reference, self.seed


def load_runs(path: str | Path | None = None) -> tuple[Run, ...]:
    """Return the stored runs in the order they were made (default: the bundled file; no file is no runs).

    Raises StoreError with file and line for anything that is not a run, is inconsistent, or occurs twice.
    """
    file = RUNS_FILE if path is None else Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{file}: cannot read the calibration runs: {error}") from error
    runs: list[Run] = []
    first_line: dict[Key, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            run = parse_run(line)
        except ValueError as error:
            hint = "restore the file from version control, or delete this line and run `backcheck calibrate`"
            raise StoreError(f"{file}, line {number}: {error}; {hint}") from error
        if run.key in first_line:
            raise StoreError(
                f"{file}, line {number}: the run {describe_key(run.key)} is already on line "
                f"{first_line[run.key]}: delete one of the two"
            )
        first_line[run.key] = number
        runs.append(run)
    return tuple(runs)


def describe_key(key: Key) -> str:
    """A run's key in words, for messages."""
    experiment, variant, budget, reference, seed = key
    return f"{experiment} ({variant}, {budget}, {reference}, seed {seed})"


def append_run(run: Run, path: str | Path | None = None) -> bool:
    """Append one run as one line and put it on the disk before returning; safe among several processes.

    False, and nothing is written, if another process has stored the same run in the meantime.
    """
    file = RUNS_FILE if path is None else Path(path)
    line = json.dumps(asdict(run), separators=(",", ":"), allow_nan=False) + "\n"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)  # released when the file is closed
            if any(stored.key == run.key for stored in load_runs(file)):
                return False
            handle.write(line)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        raise StoreError(f"{file}: cannot append a calibration run: {error}") from error
    return True


def parse_run(line: str) -> Run:
    """One line as a Run; ValueError says which field is wrong, what was expected and what was found."""
    try:
        data = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"expected a JSON object, found {line[:40]!r} ({error})") from error
    data = _object(data, "the line", [field.name for field in fields(Run)])
    provenance = _object(data.pop("provenance"), "provenance", [field.name for field in fields(Provenance)])
    for name, read in _READERS.items():
        data[name] = read(data[name], name)
    run = Run(**data, provenance=Provenance(**{name: _text(provenance[name], name) for name in provenance}))
    _check_consistency(run)
    return run


def _check_consistency(run: Run) -> None:
    """What one field says of another must hold: a figure edited by hand does not pass unnoticed."""
    if len(run.epoch_loss) != len(run.epoch_accuracy):
        raise ValueError(
            f"epoch_accuracy: expected {len(run.epoch_loss)} values, one for each of epoch_loss, "
            f"found {len(run.epoch_accuracy)}"
        )
    for name in ("test_accuracy", "train_accuracy"):
        if not 0 <= getattr(run, name) <= 100:
            raise ValueError(f"{name}: expected per cent, 0 to 100, found {getattr(run, name)}")
    total = sum(map(sum, run.confusion))
    right = sum(row[true] for true, row in enumerate(run.confusion))
    expected = round_digits(100 * right / total) if total else math.nan
    if run.test_accuracy != expected:
        raise ValueError(
            f"test_accuracy: expected {expected}, the share of the confusion matrix's diagonal, "
            f"found {run.test_accuracy}"
        )


def round_digits(value: float, digits: int = 5) -> float:
    """The value to so many significant digits: stored figures are as long as they are meaningful."""
    return float(f"{value:.{digits}g}")


def _object(data: Any, where: str, names: list[str]) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ValueError(f"{where}: expected a JSON object, found {type(data).__name__}")
    missing, unknown = sorted(set(names) - set(data)), sorted(set(data) - set(names))
    if missing or unknown:
        raise ValueError(f"{where}: missing keys {missing}, unknown keys {unknown}")
    return data


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name}: expected a string, found {value!r}")
    return value


def _integer(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name}: expected an integer of 0 or more, found {value!r}")
    return value


def _number(value: Any, name: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{name}: expected a finite number, found {value!r}")
    return float(value)


def _numbers(value: Any, name: str) -> tuple[float, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{name}: expected a list of numbers, found {value!r}")
    return tuple(_number(item, f"{name}[{index}]") for index, item in enumerate(value))


def _square(value: Any, name: str) -> tuple[tuple[int, ...], ...]:
    if not isinstance(value, list) or any(not isinstance(r, list) or len(r) != len(value) for r in value):
        raise ValueError(f"{name}: expected a square matrix of counts, rows the true classes")
    return tuple(tuple(_integer(item, name) for item in row) for row in value)


_READERS: dict[str, Callable[[Any, str], Any]] = {
    **dict.fromkeys(("experiment", "variant", "budget", "reference"), _text),
    **dict.fromkeys(("seed", "batch_loss_every"), _integer),
    **dict.fromkeys(("test_accuracy", "train_accuracy", "seconds"), _number),
    **dict.fromkeys(("epoch_loss", "epoch_accuracy", "batch_loss"), _numbers),
    "confusion": _square,
}
