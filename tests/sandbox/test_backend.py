from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.errors import SandboxError
from harness.sandbox import backend as backends
from harness.sandbox import landlock
from harness.sandbox.backend import Backend, available, choose
from harness.sandbox.policy import Policy


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with neither bubblewrap nor Landlock."""
    monkeypatch.setattr(backends, "_find", lambda name: f"no {name} here")


def policy(tmp_path: Path, **changes: object) -> Policy:
    fields: dict[str, object] = {"readable": (), "writable": (), "hidden": ()}
    return Policy(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.usefixtures("bare")
def test_no_walls_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(SandboxError, match=r"no bubblewrap here.*no landlock here.*Install bubblewrap"):
        choose()
    assert SandboxError.exit_code == 5


@pytest.mark.usefixtures("bare")
def test_trust_goes_without_walls_and_the_record_says_so() -> None:
    chosen = choose(trust=True)
    assert chosen.name == "none"
    assert "trusted" in chosen.description


def test_none_needs_trust_as_well() -> None:
    with pytest.raises(SandboxError, match="--trust-submissions"):
        choose(prefer="none")
    assert choose(trust=True, prefer="none").name == "none"


def test_a_backend_that_is_asked_for_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_find_bubblewrap", lambda: "bwrap is not installed")
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(SandboxError, match="bwrap is not installed"):
        choose(prefer="bubblewrap")


def test_unknown_backend_is_named() -> None:
    with pytest.raises(SandboxError, match=r"'chroot'; there are bubblewrap, landlock, none"):
        choose(prefer="chroot")


def test_trust_still_takes_walls_where_there_are_some() -> None:
    if isinstance(backends._find("landlock"), Backend):
        assert choose(trust=True).name in ("bubblewrap", "landlock")


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_other_systems_are_told_what_is_missing(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", system)
    assert set(available().values()) == {f"(needs Linux, this is {system})"}
    with pytest.raises(SandboxError, match=system):
        choose()


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock is Linux's")
def test_landlock_is_found_where_the_kernel_has_it() -> None:
    found = backends._find("landlock")
    if isinstance(found, Backend):
        landlock.Ruleset()
    else:
        with pytest.raises(OSError, match=r"not implemented|not supported|not permitted"):
            landlock.Ruleset()


def test_broken_bubblewrap_is_not_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'No permissions to create new namespace' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    backends._find_bubblewrap.cache_clear()
    try:
        found = backends._find_bubblewrap()
    finally:
        backends._find_bubblewrap.cache_clear()
    assert found == "bwrap does not work: No permissions to create new namespace"


def test_prepare_binds_the_policy_to_the_backend(tmp_path: Path) -> None:
    chosen = Backend(name="bubblewrap", description="")
    assert chosen.prepare(policy(tmp_path)).backend == "bubblewrap"


def test_landlock_and_none_leave_the_command_alone(tmp_path: Path) -> None:
    for name in ("landlock", "none"):
        assert Backend(name=name, description="").wrap(["a", "b"], policy(tmp_path)) == ["a", "b"]


def test_bubblewrap_mounts_parents_before_what_is_within(tmp_path: Path) -> None:
    lib, packages = tmp_path / "lib", tmp_path / "lib" / "site-packages"
    (packages / "good").mkdir(parents=True)
    (tmp_path / "alias").symlink_to("lib")
    elsewhere = tmp_path / "unseen" / "site-packages"
    elsewhere.mkdir(parents=True)
    work = tmp_path / "work"
    chosen = Backend(name="bubblewrap", description="", program="/usr/bin/bwrap")
    argv = chosen.wrap(
        ["python", "-c", ""],
        policy(
            tmp_path,
            readable=(packages / "good", lib, tmp_path / "alias", tmp_path / "missing"),
            writable=(work,),
            hidden=(packages, elsewhere),
            file_bytes=4096,
        ),
    )
    text = " ".join(argv)
    order = [
        f"--ro-bind {lib} {lib}",
        f"--tmpfs {packages}",
        f"--ro-bind {packages / 'good'} {packages / 'good'}",
        f"--remount-ro {packages}",
        "--remount-ro /",
    ]
    positions = [text.index(part) for part in order]
    assert positions == sorted(positions)
    assert f"--symlink lib {tmp_path / 'alias'}" in text
    assert f"--size 4096 --tmpfs {work}" in text
    assert "missing" not in text
    assert str(elsewhere) not in text
    assert argv[-4:] == ["--", "python", "-c", ""]
    for flag in ("--unshare-net", "--unshare-pid", "--unshare-ipc", "--die-with-parent"):
        assert flag in argv


def test_prepare_follows_links_so_that_a_linked_submission_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "version2.py").write_text("")
    (tmp_path / "submission.py").symlink_to("version2.py")
    prepared = Backend(name="landlock", description="").prepare(
        policy(tmp_path, readable=(tmp_path / "submission.py", tmp_path / "gone"))
    )
    assert prepared.readable == (tmp_path / "submission.py", tmp_path / "version2.py")
