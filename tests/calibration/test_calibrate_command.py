"""``backcheck calibrate`` as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.calibration.runs import load_runs
from harness.cli import main


def calibrate(spec_file: Path, *arguments: str) -> int:
    runs = spec_file.with_name("runs.jsonl")
    return main(["calibrate", "--spec", str(spec_file), "--runs", str(runs), *arguments])


def test_calibrate_resumes_and_verifies(spec_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = spec_file.with_name("runs.jsonl")
    chosen = ["--experiments", "scratch/*"]
    assert calibrate(spec_file, *chosen, "--seeds", "1") == 0
    assert "1 runs asked for, 0 stored, 1 to train" in capsys.readouterr().err
    first = load_runs(runs)

    assert calibrate(spec_file, *chosen, "--seeds", "2") == 0
    assert "2 runs asked for, 1 stored, 1 to train\n[1/1] scratch/tanh" in capsys.readouterr().err
    assert load_runs(runs)[:1] == first
    assert [run.seed for run in load_runs(runs)] == [0, 1]

    assert calibrate(spec_file, *chosen, "--verify", "1") == 0
    out = capsys.readouterr().out
    assert "identical in every stored figure" in out
    assert "the stored figures hold here: 1 of 1 runs are identical" in out
    assert len(load_runs(runs)) == 2


def test_a_figure_that_does_not_hold_gives_status_one(
    spec_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calibrate(spec_file, "--experiments", "scratch/*", "--seeds", "1")
    runs = spec_file.with_name("runs.jsonl")
    loss = load_runs(runs)[0].epoch_loss[-1]
    runs.write_text(runs.read_text().replace(f"{loss}]", f"{loss + 1}]", 1))
    assert calibrate(spec_file, "--experiments", "scratch/*", "--verify") == 1
    assert "do NOT hold here: 1 of 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"digits"', '"iris"', "dataset: no data set 'iris': name one that there is: mnist (784 features"),
        ("220", "5_000", "protocols.own.train_images: expected at most 1,000, the training images of digits"),
    ],
    ids=["data set", "images"],
)
def test_what_the_data_set_has_not_is_said_before_anything_is_planned(
    spec_file: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, message: str
) -> None:
    spec_file.write_text(spec_file.read_text().replace(old, new, 1))
    assert calibrate(spec_file) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"backcheck: {spec_file}: {message}")
    assert "to train" not in said


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--seeds", "0"], "expected a whole number of 1 or more, found '0'"),
        (["--jobs", "x"], "expected a whole number of 1 or more, found 'x'"),
        (["--variant", "none-such"], "expected one of report, adam, slow"),
        (["--runs", "."], "expected a file, found a folder"),
    ],
)
def test_wrong_usage(
    spec_file: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    assert calibrate(spec_file, *arguments) == 2
    assert reason in capsys.readouterr().err
