"""Where attacks are made: a class with a neighbour, a store and listeners, and eyes on everything outside."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import psutil

from harness.checks.registry import Check, checks
from harness.grading.checking import run_checks
from harness.records import CheckResult, Status
from harness.sandbox import linux
from harness.sandbox.backend import Backend
from harness.sandbox.policy import Policy
from harness.sandbox.probes import Targets, targets
from harness.session import Limits
from harness.submission import discover

HERE = Path(__file__).parent
MARK = "BREACHED"
WATCHED_CHECKS = (
    "builds", "weights_round_trip", "gradients_shape", "forward", "loss", "gradients", "full_batch_update",
    "learning_rate_zero", "uses_every_example_once", "same_seed_same_weights", "keeps_what_it_is_given",
    "predicting_changes_nothing",
)  # fmt: skip
# Tight, so that an attack on time or memory is over soon; the honest base needs a tenth of each.
LIMITS = Limits(
    memory_bytes=384 << 20, processes=32, open_files=128,
    file_bytes=16 << 20, output_bytes=4 << 20,
)  # fmt: skip
PRELUDE = """
T = {targets}
def breach(text): raise RuntimeError("BREACH " + text)
def attempt(way, name="got through"):
    try: way()
    except BaseException: return
    breach(name)
"""
# Runs in the grader, if anything of it ever runs outside the sandbox.
OUTSIDE = "open({folder!r} + '/" + MARK + "', 'w').close()\n"
# What a test may do and the worker never does: accept a policy with walls switched off.
OPEN_WORKER = """
import functools, harness.sandbox.backend as backend
backend.confine = functools.partial(backend.confine, allow_disabled_walls=True)
from harness.worker.__main__ import main
main()
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One attack or accident; ``line`` is the kind of attack that it is one of (1 to 21)."""

    name: str
    line: int
    base: str = "weak"  # what the code is added to: weak (nothing to gain by it), right, none
    code: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    entry: str = "submission.py"
    bytes: str = ""  # the entry's whole text, in ``encoding``
    encoding: str = "utf-8"
    size: int = 0
    fifo: bool = False
    part: str = ""
    walls: Sequence[str] = ()  # with these off, the attack must succeed
    backends: Sequence[str] = ("bubblewrap", "landlock")
    check: str = ""  # the check that must end in ``status``; by default the first one that the base passes
    status: str = ""  # one or more, separated by |
    cause: str = ""  # what the author is told must match this
    same: bool = False  # nothing is wrong: as many points as the base
    seconds: float = 3.0  # what one call may take


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What came of a case: the checks' results, and everything that was found where it should not be."""

    results: tuple[CheckResult, ...]
    breaches: tuple[str, ...]

    @property
    def passed(self) -> frozenset[str]:
        return frozenset(result.id for result in self.results if result.status is Status.PASS)


def cases() -> list[Case]:
    """Every case of every file, names unique, unknown keys refused."""
    known = {item.name for item in fields(Case)}
    found = []
    for path in sorted((HERE / "cases").glob("*.toml")):
        for entry in tomllib.loads(path.read_text())["case"]:
            assert set(entry) <= known, f"{path.name}: {entry['name']}: unknown {set(entry) - known}"
            found.append(Case(**entry))
    assert len({case.name for case in found}) == len(found)
    return found


class WithoutWalls(Backend):
    """A backend with some of its walls switched off, on both sides of the boundary."""

    walls: tuple[str, ...] = ()

    @classmethod
    def of(cls, backend: Backend, walls: Sequence[str]) -> WithoutWalls:
        opened = cls(
            name=backend.name, description=backend.description, program=backend.program, flags=backend.flags
        )
        object.__setattr__(opened, "walls", tuple(walls))
        return opened

    def prepare(self, policy: Policy) -> Policy:
        open_policy = replace(policy, disabled_walls=frozenset(self.walls), allow_disabled_walls=True)
        return super().prepare(open_policy)

    def wrap(self, argv: Sequence[str], policy: Policy) -> list[str]:
        place = list(argv).index("-m")
        return super().wrap([*argv[:place], "-c", OPEN_WORKER, *argv[place + 2 :]], policy)


class Arena:
    """A class folder, its neighbour, a store, listeners; and what is found changed afterwards."""

    def __init__(self, folder: Path, found: Targets) -> None:
        self.found = found
        self.classroom = folder / "class"
        self.open_folder = folder / "open"
        for made in (self.classroom / "neighbour", self.open_folder):
            made.mkdir(parents=True)
        self.neighbour = self.classroom / "neighbour" / "submission.py"
        self.store = folder / "store.sqlite"
        self.targets = {
            **found.values,
            "neighbour": str(self.neighbour),
            "store": str(self.store),
            "open_folder": str(self.open_folder),
        }
        self._modes = self._permissions()
        self._restore()

    def write(self, case: Case) -> Path:
        """Write the case's submission and return what is to be graded."""
        alone = case.entry and not case.entry.startswith("submission")
        folder = self.classroom / ("" if alone else case.name)
        if not alone:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        for name, text in case.files.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(OUTSIDE.format(folder=str(self.open_folder)) if text == "OUTSIDE" else text)
        for name, target in case.links.items():
            (folder / name).symlink_to(target)
        if not alone and "submission.toml" not in case.files:
            part = f'part = "{case.part}"\n' if case.part else ""
            (folder / "submission.toml").write_text(f'run = "all"\n{part}')
        entry = folder / case.entry
        if case.fifo:
            os.mkfifo(entry)
        elif case.size:
            with open(entry, "wb") as file:
                file.truncate(case.size)
        elif case.bytes:
            entry.write_bytes(case.bytes.encode(case.encoding))
        elif case.entry and case.entry not in case.links:
            entry.write_text(self._source(case))
        _open_to_all(self.classroom)
        return entry if alone else folder

    def attack(self, case: Case, backend: Backend, *, walls_off: Sequence[str] = ()) -> Seen:
        """Grade the case's submission and look at everything."""
        path = self.write(case)
        before = _children()
        submission = discover([path])[0]
        if walls_off:
            backend = WithoutWalls.of(backend, walls_off)
        limits = replace(LIMITS, call_seconds=case.seconds, load_seconds=case.seconds)
        results, _ = run_checks(submission, watched_checks(), seed=7, backend=backend, limits=limits)
        breaches = [f"{r.id}: {r.message}" for r in results if "BREACH" in f"{r.message}{r.detail}"]
        breaches += self._changes() + _left_behind(before)
        return Seen(results=tuple(results), breaches=tuple(breaches))

    def _source(self, case: Case) -> str:
        prelude = PRELUDE.format(targets=json.dumps(self.targets))
        right = (HERE / "bases" / "right.py").read_text()
        weak = (HERE / "bases" / "weak.py").read_text()
        bases = {"none": "", "right": prelude + right, "weak": prelude + right + weak}
        return bases[case.base] + case.code

    def _changes(self) -> list[str]:
        changed = [str(path) for path in self._marked()]
        for path in self._marked():
            path.unlink()
        for path, digest in ((self.neighbour, self._digests[0]), (self.store, self._digests[1])):
            if not path.exists() or _digest(path) != digest:
                changed.append(f"{path} was changed")
        if self._permissions() != self._modes:
            changed.append("permissions of a folder outside were changed")
        self._restore()
        for name, listener in self.found.listeners.items():
            heard = self.found.arrived(name) if name in ("udp", "unix_datagram") else _accepted(listener)
            if heard:
                changed.append(f"the {name} listener was reached")
        if self.found.victim_ended():
            changed.append("another process was ended")
            self.found.renew_victim()
        self.targets.update(self.found.values)
        return changed

    def _tops(self) -> list[Path]:
        tops = [*map(Path, self.found.values["folders"]), Path("/tmp"), Path("/var/tmp"), Path("/dev/shm")]
        tops += [Path(tempfile.gettempdir()), *map(Path, sys.path)]
        return [path for path in dict.fromkeys(tops) if path.is_dir()]

    def _permissions(self) -> list[int]:
        return [path.stat().st_mode for path in self._tops()]

    def _marked(self) -> list[Path]:
        tops = self._tops()
        found = {path for top in tops for path in top.glob(f"{MARK}*")}
        return sorted(
            found | {path for top in (self.classroom, self.open_folder) for path in top.rglob(f"{MARK}*")}
        )

    def _restore(self) -> None:
        self.neighbour.parent.mkdir(exist_ok=True)
        self.neighbour.write_text("secret = 'of the neighbour'\n")
        self.store.write_bytes(b"results")
        self._digests = (_digest(self.neighbour), _digest(self.store))
        _open_to_all(self.classroom)
        _open_to_all(self.open_folder)
        self.store.chmod(0o666)


@contextlib.contextmanager
def arena(folder: Path) -> Iterator[Arena]:
    """An arena in a folder; this process adopts what attacks leave behind, to see it."""
    for parent in (folder, *folder.parents):
        # Others must be able to reach the folder, so that only walls can be what keeps them out.
        with contextlib.suppress(PermissionError):
            parent.chmod(parent.stat().st_mode | stat.S_IXOTH)
        if parent == Path("/tmp"):
            break
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    try:
        with targets(folder / "cache") as found:
            yield Arena(folder, found)
    finally:
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 0)


def watched_checks() -> tuple[Check, ...]:
    """The checks that each case is put to: one of every kind that an attack could gain by."""
    return tuple(check for check in checks(("relu",)) if check.name in WATCHED_CHECKS)


def base_case(base: str) -> Case:
    """A submission without any attack, to compare with."""
    return Case(name=f"plain_{base}", line=0, base=base)


def _open_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o777 if path.is_dir() else 0o666)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _accepted(listener: Any) -> bool:
    heard = False
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            heard = True
    return heard


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def _left_behind(before: set[int]) -> list[str]:
    """Processes that an attack left; they are ended here, so that the next case starts clean."""
    deadline = time.monotonic() + 3.0
    while True:
        left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
        for child in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child.pid, os.WNOHANG)
        running = [child for child in left if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
        if not running:
            return []
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    found = [f"process {child.pid} was left behind" for child in running]
    for child in running:
        child.kill()
    return found
