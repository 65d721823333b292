from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import SandboxError
from harness.sandbox import command
from harness.sandbox.backend import Backend
from harness.sandbox.doctor import Finding, Outcome
from harness.sandbox.probes import probes

HELD = Finding(probe=probes()[0], outcome=Outcome.HELD, detail="PermissionError", walls=("mounts",))


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(words)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BACKCHECK_CACHE", str(tmp_path))


def test_doctor_passes_where_the_walls_stand(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--sandbox", backend.name, "--probe", "read_home", "--probe", "connect_tcp")
    assert command.run(arguments(*words)) == 0
    shown = capsys.readouterr().out
    assert "Every wall stands: 2 held." in shown
    assert backend.description in shown


@pytest.mark.parametrize("names", [None, ["cpu"]])
def test_doctors_columns_stay_apart(monkeypatch, capsys: pytest.CaptureFixture[str], names) -> None:
    wanted = [probe for probe in probes() if names is None or probe.name in names]
    found = [replace(HELD, probe=probe, walls=probe.walls) for probe in wanted]
    monkeypatch.setattr(command, "examine", lambda *_, **__: found)
    command.run(arguments("--sandbox", "none", *(f"--probe={name}" for name in names or ())))
    table = capsys.readouterr().out.partition("\n\n")[2].splitlines()
    column = table[0].index("what was tried")
    for finding, row in zip(found, table[1:]):
        assert row[column:] == finding.probe.description
    assert all(row[:column].endswith("  ") for row in table[: len(found) + 1])


def test_doctor_fails_without_a_sandbox(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(arguments("--sandbox", "none", "--probe", "read_home")) == command.WALL_DOWN
    shown = capsys.readouterr().out
    assert "NOT SAFE" in shown
    assert "1 down" in shown


def test_doctor_speaks_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(arguments("--sandbox", "none", "--json", "--probe", "read_specs")) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["backend"] == "none"
    assert found["stands"] is False
    assert [(p["name"], p["outcome"], p["walls"]) for p in found["probes"]] == [("read_specs", "down", [])]


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([Outcome.HELD], True),
        ([Outcome.HELD, Outcome.ABSENT], True),
        ([Outcome.HELD, Outcome.DOWN], False),
        ([Outcome.HELD, Outcome.INCONCLUSIVE], False),
        ([], False),
    ],
)
def test_only_proof_is_a_pass(outcomes: list[Outcome], expected: bool) -> None:
    assert command.stands([replace(HELD, outcome=outcome) for outcome in outcomes]) is expected


def test_unknown_probe_is_named() -> None:
    with pytest.raises(SandboxError, match="moat"):
        command.run(arguments("--sandbox", "none", "--probe", "moat"))


def test_each_probe_has_its_own_name_and_known_walls() -> None:
    from harness.sandbox.policy import WALLS

    names = [probe.name for probe in probes()]
    assert len(set(names)) == len(names)
    for probe in probes():
        assert set(probe.walls) <= set(WALLS)
        assert probe.walls
