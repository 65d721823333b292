"""``backcheck reproduce`` as people run it, on another report: from its own file and nothing else."""

import argparse
import json

import pytest

from harness.cli import main
from harness.errors import UsageError
from harness.reproduce import command

from .conftest import DIGITS


def reproduce(*arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(list(map(str, arguments))))


def test_another_report_from_nothing(tmp_path, capsys):
    fresh = ("--spec", DIGITS, "--output", tmp_path / "out", "--fresh", "--seeds", 4)
    assert reproduce(*fresh) == 0
    printed = capsys.readouterr()
    assert "0 in" in printed.err
    assert "8 to train" in printed.err
    assert "not reproduced" in printed.out  # no network of 20 hidden units reaches 99.7 %
    assert "1 reproduced" in printed.out
    found = json.loads((tmp_path / "out" / "reproduction.json").read_text())
    assert found["accuracies"][0]["reported"] == 99.7
    assert 80 < found["accuracies"][0]["mean"] < 97
    assert found["claims"][0]["verdict"] == "reproduced"
    assert "<svg" in (tmp_path / "out" / "reproduction.html").read_text()

    first = (tmp_path / "out" / "reproduction.json").read_text()
    assert reproduce(*fresh) == 0  # again: nothing is trained twice
    assert "0 to train" in capsys.readouterr().err
    assert (tmp_path / "out" / "reproduction.json").read_text() == first

    stored = ("--spec", DIGITS, "--runs", tmp_path / "out" / "runs.jsonl", "--output", tmp_path / "two")
    assert reproduce(*stored, "--format", "markdown") == 0
    assert [file.name for file in (tmp_path / "two").iterdir()] == ["reproduction.md"]


@pytest.mark.parametrize(
    "options",
    [("--seeds", "3"), ("--seeds", "12"), ("--jobs", "1"), ("--experiments", "large"), ("--no-candidates",)],
    ids=" ".join,
)
def test_what_only_says_how_to_train_is_refused_without_fresh(tmp_path, capsys, options):
    words = ["reproduce", "--spec", str(DIGITS), "--output", str(tmp_path / "out")]
    assert main([*words, *options]) == 2
    printed = capsys.readouterr()
    assert f"{options[0]}: acts only where something is trained: add --fresh" in printed.err
    assert printed.out == ""
    assert not (tmp_path / "out").exists()


def test_every_idle_option_is_named(tmp_path):
    with pytest.raises(UsageError, match="--seeds, --experiments, --no-candidates: act only"):
        reproduce("--output", tmp_path, "--seeds", 3, "--experiments", "scratch/tanh*", "--no-candidates")


def test_what_the_data_set_has_not_is_said_before_training_only(tmp_path, capsys):
    mine = tmp_path / "mine.toml"
    mine.write_text(DIGITS.read_text().replace("[64, 20, 10]", "[65, 20, 10]"))
    words = ["reproduce", "--spec", str(mine), "--output", str(tmp_path)]
    assert main([*words, "--fresh"]) == 2
    said = capsys.readouterr().err
    place = f"{mine}: protocols.small.layer_sizes: expected 64 as the first size"
    assert said.startswith(f"backcheck: {place}, the features of digits, found 65: write 64")
    assert "to train" not in said
    assert main(words) == 0  # stored runs may be of a data set that is not here


def test_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="there is no such file; make it with --fresh"):
        reproduce("--spec", DIGITS, "--runs", tmp_path / "none.jsonl", "--output", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot make this folder"):
        reproduce("--spec", DIGITS, "--output", tmp_path / "file")
    with pytest.raises(UsageError, match="no experiment matches"):
        reproduce("--spec", DIGITS, "--output", tmp_path, "--fresh", "--experiments", "nothing")
