"""Each wall stops what it should, alone where it says so, and its probe fails when it is switched off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.sandbox import cgroup, doctor, landlock
from harness.sandbox.backend import Backend
from harness.sandbox.doctor import Attempt, Outcome, control, run_probe
from harness.sandbox.policy import WALLS
from harness.sandbox.probes import Probe, Targets, probes, targets
from tests.sandbox.conftest import working_backends

pytestmark = pytest.mark.skipif(not working_backends(), reason="no backend with walls on this machine")
PLACE = cgroup.available()
CONTROLLERS = () if isinstance(PLACE, str) else tuple(PLACE.folders)
CASES = [
    pytest.param(backend, probe, id=f"{backend.name}-{probe.name}")
    for backend in working_backends()
    for probe in probes()
    if backend.name in probe.backends and (not probe.controller or probe.controller in CONTROLLERS)
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Targets]:
    with targets(tmp_path_factory.mktemp("cache")) as found:
        yield found


@pytest.fixture(scope="module")
def controls() -> dict[str, Attempt]:
    """Each attempt is made once without walls, whatever the number of times it is made behind them."""
    return {}


def free(probe: Probe, found: Targets, controls: dict[str, Attempt]) -> Attempt:
    if probe.name not in controls:
        controls[probe.name] = control(probe, found)
    return controls[probe.name]


@pytest.mark.parametrize(("backend", "probe"), CASES)
def test_attempt_is_stopped(
    backend: Backend, probe: Probe, found: Targets, controls: dict[str, Attempt]
) -> None:
    finding = run_probe(probe, backend, found, free=free(probe, found, controls))
    assert finding.outcome is Outcome.HELD, finding.detail
    assert finding.walls, "the probe names no wall that was raised"


@pytest.mark.parametrize(("backend", "probe"), CASES)
def test_attempt_gets_through_when_its_walls_are_off(
    backend: Backend, probe: Probe, found: Targets, controls: dict[str, Attempt]
) -> None:
    finding = run_probe(
        probe, backend, found, free=free(probe, found, controls), disabled_walls=set(probe.walls)
    )
    if finding.walls == ("user_namespace",):
        assert finding.outcome is Outcome.HELD
        pytest.skip("bubblewrap's user namespace holds this too, and cannot be left out")
    if backend.name == "bubblewrap" and probe.name == "write_outside":
        # A user of its own may not write to root's files either, but the doctor's own folder is open to all.
        assert "/backcheck-doctor-" in finding.detail
    assert finding.outcome is Outcome.DOWN, finding.detail


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "probe"), CASES)
def test_each_wall_stops_the_attempt_alone(
    backend: Backend, probe: Probe, found: Targets, controls: dict[str, Attempt]
) -> None:
    before = free(probe, found, controls)
    raised = run_probe(probe, backend, found, free=before).walls
    for wall in raised:
        # The limit of processes counts those of a user, in its user namespace: it is set by what /proc shows.
        others = set(WALLS) - {wall} - ({"user", "process_namespace"} if wall == "limits" else set())
        # The guardian ends a process group, which seccomp keeps the processes in.
        others -= {"seccomp"} if wall == "guardian" else set()
        finding = run_probe(probe, backend, found, free=before, disabled_walls=others)
        assert finding.outcome is Outcome.HELD, f"{wall} alone: {finding.detail}"
        always = {"user_namespace"} & set(raised)  # it cannot be left out
        assert set(finding.walls) == {wall} | always


@pytest.mark.parametrize("backend", working_backends(), ids=lambda backend: backend.name)
def test_root_without_a_user_of_its_own_forks_past_the_limit(
    backend: Backend, found: Targets, controls: dict[str, Attempt]
) -> None:
    import os

    if os.geteuid() != 0:
        pytest.skip("not root: the limit binds without a change of user")
    probe = next(probe for probe in probes() if probe.name == "processes")
    disabled = {"user", "cgroup_processes"}
    finding = run_probe(probe, backend, found, free=free(probe, found, controls), disabled_walls=disabled)
    assert finding.outcome is Outcome.DOWN


@pytest.mark.parametrize(
    ("version", "names"), [(2, ()), (4, ("connect_tcp",)), (6, ("connect_tcp", "signal"))]
)
def test_landlock_is_a_wall_where_the_kernel_has_that_part_of_it(
    monkeypatch: pytest.MonkeyPatch, version: int, names: tuple[str, ...]
) -> None:
    monkeypatch.setattr(landlock, "interface_version", lambda: version)
    table = {probe.name: doctor._stops("landlock", probe) for probe in probes()}
    assert table["read_home"]
    assert table["trace"]
    assert tuple(name for name in ("connect_tcp", "signal") if table[name]) == names
    assert table["connect_abstract"] == table["signal"]


def test_attempt_that_fails_without_walls_proves_nothing(found: Targets) -> None:
    probe = next(probe for probe in probes() if probe.name == "read_home")
    nowhere = Attempt(stage="stopped", detail="FileNotFoundError", walls=())
    finding = run_probe(probe, working_backends()[0], found, free=nowhere)
    assert finding.outcome is Outcome.INCONCLUSIVE


def test_targets_leave_nothing_behind(tmp_path: Path) -> None:
    cache = tmp_path / "a" / "cache"
    with targets(cache) as found:
        assert Path(found.values["cache_file"]).exists()
        assert Path(found.values["home_file"]).exists()
    assert not (tmp_path / "a").exists()
    assert not Path(found.values["home_file"]).exists()
    assert found.victim.poll() is not None
