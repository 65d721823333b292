"""The runs file: what is written is read back, and what is wrong is refused with file, line and reason."""

from __future__ import annotations

import json
import math
import multiprocessing
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from harness.calibration.runs import (
    RUNS_FILE,
    Provenance,
    Run,
    append_run,
    describe_key,
    load_runs,
    round_digits,
)
from harness.errors import StoreError

PROVENANCE = Provenance(
    backcheck="0.1.0",
    python="3.11.7",
    numpy="2.4.6",
    torch="2.13.0",
    blas="openblas 0.3",
    processor="a processor",
    machine="Linux x86_64",
    commit="0123456789ab",
    reference="0123456789abcdef",
    protocol="fedcba9876543210",
    finished="2026-01-01T00:00:00+00:00",
)
RUN = Run(
    experiment="scratch/tanh/lr=0.01",
    variant="report",
    budget="full",
    reference="numpy",
    seed=0,
    test_accuracy=75.0,
    train_accuracy=80.5,
    epoch_loss=(1.5, 0.5),
    epoch_accuracy=(40.0, 70.0),
    batch_loss=(1.25,),
    batch_loss_every=200,
    confusion=((2, 0), (1, 1)),
    seconds=1.5,
    provenance=PROVENANCE,
)


def line_with(**changes: Any) -> str:
    """A stored line, changed: a value of None takes the key out."""
    data = {**asdict(RUN), **changes}
    return json.dumps({key: value for key, value in data.items() if value is not None})


def test_round_trip(tmp_path: Path) -> None:
    file = tmp_path / "new" / "runs.jsonl"
    runs = (RUN, replace(RUN, seed=1), replace(RUN, budget="quick"))
    for run in runs:
        append_run(run, file)
    assert load_runs(file) == runs
    assert append_run(replace(RUN, seconds=9.0), file) is False, "the run is stored already"
    assert len(file.read_text(encoding="utf-8").splitlines()) == 3


def test_no_file_is_no_runs(tmp_path: Path) -> None:
    assert load_runs(tmp_path / "runs.jsonl") == ()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"experiment": "scr', "expected a JSON object"),
        ("", "expected a JSON object"),
        ("[1]", "expected a JSON object, found list"),
        (line_with(seed=None), r"missing keys \['seed'\]"),
        (line_with(sead=1), r"unknown keys \['sead'\]"),
        (line_with(provenance={"python": "3"}), "provenance: missing keys"),
        (line_with(seed=-1), "seed: expected an integer"),
        (line_with(seed=True), "seed: expected an integer"),
        (line_with(seed="0"), "seed: expected an integer"),
        (line_with(variant=3), "variant: expected a string"),
        (line_with(train_accuracy=math.nan), "train_accuracy: expected a finite number"),
        (line_with(train_accuracy=True), "train_accuracy: expected a finite number"),
        (line_with(train_accuracy=101.0), "train_accuracy: expected per cent"),
        (line_with(epoch_loss=[1.5, "x"]), r"epoch_loss\[1\]: expected a finite number"),
        (line_with(epoch_loss=1.5), "epoch_loss: expected a list"),
        (line_with(epoch_accuracy=[40.0]), "epoch_accuracy: expected 2 values"),
        (line_with(confusion=[[2, 0], [1]]), "confusion: expected a square matrix"),
        (line_with(confusion=[[2, 0], [1, 0.5]]), "confusion: expected an integer"),
        (line_with(test_accuracy=76.0), "test_accuracy: expected 75.0"),
        (line_with(confusion=[[0, 0], [0, 0]]), "test_accuracy: expected nan"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    file = tmp_path / "runs.jsonl"
    append_run(replace(RUN, seed=7), file)
    file.write_text(file.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(StoreError, match=reason) as caught:
        load_runs(file)
    assert str(caught.value).startswith(f"{file}, line 2: ")
    assert "delete this line" in str(caught.value)


def test_a_run_that_occurs_twice(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    append_run(RUN, file)
    append_run(replace(RUN, seed=1), file)
    file.write_text(file.read_text() + line_with(train_accuracy=1.0) + "\n")
    with pytest.raises(StoreError, match=r"line 3: .*seed 0.* already on line 1"):
        load_runs(file)


def test_not_text(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(StoreError, match="cannot read the calibration runs"):
        load_runs(file)


def test_no_run_with_nan_is_written(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    with pytest.raises(ValueError, match="JSON compliant"):
        append_run(replace(RUN, epoch_loss=(math.nan, 1.0)), file)
    assert load_runs(file) == ()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot append"):
        append_run(RUN, tmp_path / "file" / "runs.jsonl")


def _append_ten(file: Path, first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 10):
        append_run(replace(RUN, seed=seed, batch_loss=(1.0,) * 2000), file)


def test_processes_append_without_mixing_lines(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_append_ten, args=(file, first)) for first in (0, 5, 10)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sorted(run.seed for run in load_runs(file)) == list(range(20)), "each seed once"


def test_round_digits() -> None:
    assert [round_digits(x) for x in (96.12345, 0.000123456, 100.0, 0.0)] == [96.123, 0.00012346, 100.0, 0.0]


def test_describe_key() -> None:
    assert describe_key(RUN.key) == "scratch/tanh/lr=0.01 (report, full, numpy, seed 0)"


def test_reading_runs_loads_no_heavy_library() -> None:
    code = "import sys; from harness.calibration.runs import load_runs; load_runs(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"torch", "numpy", "scipy"}.isdisjoint(done.stdout.split())


def test_the_bundled_runs_are_sound() -> None:
    runs = load_runs()
    assert RUNS_FILE.is_file()
    assert len(runs) >= 45
    assert {sum(map(sum, run.confusion)) for run in runs} == {10_000}
