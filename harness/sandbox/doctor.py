"""Proves each wall by trying to walk through it, behind the same walls as a submission.

An attempt counts as stopped only if it gets through without walls: a probe that cannot fail proves nothing.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness.sandbox import cgroup, landlock
from harness.sandbox.backend import Backend
from harness.sandbox.policy import SCRATCH_PACKAGES, Policy, python_readable_paths
from harness.sandbox.probes import LIMITS, Probe, Targets, probes, targets
from harness.sandbox.usage import kill_tree

ATTEMPT_SECONDS = 30.0
IN_BETWEEN = (
    "import subprocess, sys;subprocess.run(sys.argv[2:], pass_fds=[int(sys.argv[1])], start_new_session=True)"
)
GONE_SECONDS = 1.0  # what was left behind must be gone by then; by itself it would stay for longer


class Outcome(StrEnum):
    """What a probe found. Only ``HELD`` is a pass."""

    HELD = "held"  # stopped behind the walls, through without
    DOWN = "down"  # through behind the walls
    INCONCLUSIVE = "inconclusive"  # not through without walls either, so nothing was proved
    ABSENT = "absent"  # the backend has no such wall, and says so


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one probe found, and which of the raised walls it is held by."""

    probe: Probe
    outcome: Outcome
    detail: str
    walls: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """How one attempt went: the ``stage`` that it reached (start, confined, stopped, through)."""

    stage: str
    detail: str
    walls: tuple[str, ...]


def examine(backend: Backend, cache: Path, *, names: Iterable[str] | None = None) -> Iterator[Finding]:
    """Run the probes (all, or those named) against a backend; ``cache`` is where MNIST is kept."""
    wanted = None if names is None else set(names)
    with targets(cache) as found:
        for probe in probes():
            if wanted is None or probe.name in wanted:
                yield run_probe(probe, backend, found)


def control(probe: Probe, found: Targets) -> Attempt:
    """Make a probe's attempt without walls."""
    return _attempt(probe, None, found, ())


def run_probe(
    probe: Probe,
    backend: Backend,
    found: Targets,
    *,
    free: Attempt | None = None,
    disabled_walls: Iterable[str] = (),
) -> Finding:
    """Make a probe's attempt without walls (``free``, if that was done before) and behind them, and judge.

    ``disabled_walls`` switches walls off, for the tests which show that the probe then fails.
    """
    if backend.name not in (*probe.backends, "none"):
        detail = f"{backend.name} has no wall for this; the grader watches and ends what takes too much"
        return Finding(probe=probe, outcome=Outcome.ABSENT, detail=detail, walls=())
    place = cgroup.available()
    if probe.controller and (isinstance(place, str) or probe.controller not in place.folders):
        reason = place if isinstance(place, str) else f"only {place.description}"
        detail = f"not available here ({reason}); resource limits and the grader's watch do without"
        return Finding(probe=probe, outcome=Outcome.ABSENT, detail=detail, walls=())
    free = control(probe, found) if free is None else free
    if free.stage != "through":
        detail = f"the attempt fails without walls too, which proves nothing: {free.detail}"
        return Finding(probe=probe, outcome=Outcome.INCONCLUSIVE, detail=detail, walls=())
    tried = _attempt(probe, backend, found, (*probe.without, *disabled_walls))
    held_by = tuple(wall for wall in probe.walls if wall in tried.walls and _stops(wall, probe))
    if tried.stage == "through":
        outcome = Outcome.DOWN
    elif tried.stage == "stopped" or (tried.stage == "confined" and probe.killed_is_held):
        outcome = Outcome.HELD
    else:
        outcome = Outcome.INCONCLUSIVE
    return Finding(probe=probe, outcome=outcome, detail=tried.detail, walls=held_by)


def _stops(wall: str, probe: Probe) -> bool:
    """Whether a wall of the probe's is one on this kernel: an older Landlock knows no network, or signals."""
    return wall != "landlock" or landlock.interface_version() >= probe.landlock_since


def _attempt(probe: Probe, backend: Backend | None, found: Targets, disabled: tuple[str, ...]) -> Attempt:
    """Make the attempt in a child process, behind a backend's walls or (None) without any."""
    with tempfile.TemporaryDirectory(prefix="backcheck-", ignore_cleanup_errors=True) as name:
        workdir = Path(name)
        policy = group = None
        command = [sys.executable, "-I", "-m", "harness.sandbox.attempts"]
        with _pipe() as (reading, writing):
            command.append(str(writing))
            if backend is not None:
                policy = backend.prepare(_policy(workdir, disabled))
                command = backend.wrap(command, policy)
                group = cgroup.open_group(policy)
            request = {
                "policy": None if policy is None else policy.to_json(),
                "allow_disabled_walls": bool(disabled),
                "attempt": probe.attempt,
                "arguments": found.fill(probe.arguments, workdir),
            }
            if probe.arrives:
                found.arrived(probe.arrives)
            try:
                attempt = _run(probe, command, request, workdir, reading, writing, group)
            finally:
                if group is not None:
                    group.close()
            if group is not None and attempt.stage != "start":
                # Raised by the parent, so the process behind it does not know of it.
                attempt = replace(attempt, walls=(*attempt.walls, *group.walls))
    return _seen_from_outside(probe, attempt, found)


def _policy(workdir: Path, disabled: tuple[str, ...]) -> Policy:
    """The policy of a from-scratch submission, with limits that are quick to reach."""
    return Policy(
        readable=python_readable_paths(SCRATCH_PACKAGES),
        writable=(workdir,),
        disabled_walls=frozenset(disabled),
        allow_disabled_walls=bool(disabled),
        **LIMITS,
    )


def _run(
    probe: Probe,
    command: list[str],
    request: dict[str, Any],
    workdir: Path,
    reading: int,
    writing: int,
    group: cgroup.Group | None,
) -> Attempt:
    if probe.ending == "grader":
        # Between this process and the worker stands another, which is killed as a grader may be.
        command = [sys.executable, "-I", "-S", "-c", IN_BETWEEN, str(writing), *command]
    process = subprocess.Popen(
        command,
        pass_fds=(writing,),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=workdir,
        env=_environment(workdir),
        start_new_session=True,
    )
    os.close(writing)
    assert process.stdin is not None
    assert process.stderr is not None
    try:
        if group is not None:
            # A machine that refuses is one whose wall does not hold, which the attempt then shows.
            with suppress(OSError):
                group.add(process.pid)
        process.stdin.write(json.dumps(request).encode())
        process.stdin.close()
        if probe.ending == "grader":
            lines = _read_lines(reading, until=1)
            time.sleep(0.2)
            process.send_signal(signal.SIGKILL)
        else:
            lines = _read_lines(reading, until=2)
        if probe.ending:
            process.wait(timeout=ATTEMPT_SECONDS)
            return _outlived(lines, reading)
        ended = process.wait(timeout=ATTEMPT_SECONDS) if len(lines) < 2 else 0
        return _judge(lines, ended, b"" if len(lines) == 2 else process.stderr.read(2000))
    except (subprocess.TimeoutExpired, BrokenPipeError) as error:
        return Attempt(stage="start", detail=f"the attempt did not run: {error}", walls=())
    finally:
        kill_tree(process.pid)
        process.wait()
        process.stderr.close()


def _read_lines(descriptor: int, *, until: int) -> list[dict[str, Any]]:
    """The answers that come before the other end closes, at most ``until`` of them."""
    data = b""
    deadline = time.monotonic() + ATTEMPT_SECONDS
    while data.count(b"\n") < until and (left := deadline - time.monotonic()) > 0:
        if not select.select([descriptor], [], [], left)[0]:
            break
        chunk = os.read(descriptor, 65536)
        if not chunk:
            break
        data += chunk
    return [json.loads(line) for line in data.splitlines()[:until]]


def _judge(lines: list[dict[str, Any]], status: int, errors: bytes) -> Attempt:
    if not lines:
        detail = errors.decode(errors="replace").strip().splitlines()
        return Attempt(stage="start", detail=detail[-1] if detail else f"exit status {status}", walls=())
    walls = tuple(lines[0]["walls"])
    if len(lines) == 1:
        return Attempt(stage="confined", detail=f"the process was ended (exit status {status})", walls=walls)
    return Attempt(stage=lines[1]["stage"], detail=lines[1]["detail"], walls=walls)


def _outlived(lines: list[dict[str, Any]], descriptor: int) -> Attempt:
    """Whether a process that was left behind still holds its end of the pipe."""
    if not lines:
        return Attempt(stage="start", detail="the attempt did not run", walls=())
    walls = tuple(lines[0]["walls"])
    deadline = time.monotonic() + GONE_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        if select.select([descriptor], [], [], left)[0] and not os.read(descriptor, 65536):
            return Attempt(stage="stopped", detail="nothing was left behind", walls=walls)
    return Attempt(stage="through", detail="a process was left behind", walls=walls)


def _seen_from_outside(probe: Probe, attempt: Attempt, found: Targets) -> Attempt:
    """Believe the trusted side's eyes over what the attempt says of itself, where it can see."""
    through: bool | None = None
    if probe.arrives:
        through = found.arrived(probe.arrives)
    if probe.attempt == "send_signal" and found.victim_ended():
        through = True
        found.renew_victim()
    if through is None or attempt.stage not in ("stopped", "through"):
        return attempt
    stage = "through" if through else "stopped"
    return Attempt(stage=stage, detail=attempt.detail, walls=attempt.walls)


def _environment(workdir: Path) -> dict[str, str]:
    folder = str(workdir)
    return {"PATH": "/usr/bin:/bin", "HOME": folder, "TMPDIR": folder, "OPENBLAS_NUM_THREADS": "1"}


@contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        os.close(reading)
