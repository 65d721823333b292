from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import SandboxError
from harness.sandbox.policy import WALLS, Policy


def policy(**changes: object) -> Policy:
    fields: dict[str, object] = {"readable": (Path("/usr"),), "writable": (Path("/tmp/x"),), "hidden": ()}
    return Policy(**{**fields, **changes})  # type: ignore[arg-type]


def test_policy_survives_the_journey_to_the_worker() -> None:
    original = policy(hidden=(Path("/usr/a b"),), memory_bytes=5, processes=3, backend="bubblewrap")
    assert Policy.from_json(original.to_json()) == original


def test_json_holds_no_code_and_no_permission_to_switch_walls_off() -> None:
    plain = json.loads(policy(disabled_walls=frozenset(WALLS), allow_disabled_walls=True).to_json())
    assert "allow_disabled_walls" not in plain
    assert plain["readable"] == ["/usr"]


def test_disabled_walls_are_refused_on_both_sides_unless_both_allow_them() -> None:
    with pytest.raises(SandboxError, match="only the tests"):
        policy(disabled_walls=frozenset({"seccomp"}))
    text = policy(disabled_walls=frozenset({"seccomp"}), allow_disabled_walls=True).to_json()
    with pytest.raises(SandboxError, match="seccomp"):
        Policy.from_json(text)
    assert not Policy.from_json(text, allow_disabled_walls=True).has("seccomp")


def test_unknown_wall_is_named() -> None:
    with pytest.raises(SandboxError, match="moat"):
        policy(disabled_walls=frozenset({"moat"}), allow_disabled_walls=True)


@pytest.mark.parametrize("name", ["memory_bytes", "cpu_seconds", "processes", "open_files", "file_bytes"])
def test_limits_must_be_positive(name: str) -> None:
    with pytest.raises(SandboxError, match=name):
        policy(**{name: 0})


@pytest.mark.parametrize("name", ["readable", "writable", "hidden"])
def test_paths_must_be_absolute(name: str) -> None:
    with pytest.raises(SandboxError, match="absolute"):
        policy(**{name: (Path("here"),)})


@pytest.mark.parametrize("text", ["", "[]", "{}", '"x"', '{"readable": 1}', policy().to_json()[:-1]])
def test_broken_json_is_refused(text: str) -> None:
    with pytest.raises(SandboxError, match=r"expected the JSON of Policy\.to_json"):
        Policy.from_json(text)


def test_unknown_key_is_refused() -> None:
    plain = {**json.loads(policy().to_json()), "trust_me": True}
    with pytest.raises(SandboxError, match="trust_me"):
        Policy.from_json(json.dumps(plain))


def test_the_default_backend_demands_landlock() -> None:
    # A policy that nobody prepared must not be a weaker one.
    assert policy().backend == "landlock"
