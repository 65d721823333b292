"""A unit as it travels to another machine: with the submission's files in it, unpacked there for one run."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.digest import files_of
from harness.errors import BackcheckError
from harness.grading.environment import environment
from harness.grading.keys import harness_digest
from harness.grading.outcomes import encode
from harness.grading.units import Settings, Unit, run_unit
from harness.sandbox.backend import choose
from harness.sandbox.remains import private_folder

# What must be the same on both machines for results to be the same. Processors may differ.
SHARED = ("backcheck", "harness", "python", "packages", "sandbox")

_one_at_a_time = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of a submission, by its path inside it; ``link`` is where a symbolic link points.

    ``content`` is None for what is no regular file: it is never read, but has a place in the digest.
    """

    parts: tuple[str, ...]
    mode: int
    content: bytes | None = b""
    link: str | None = None


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """A unit, the files of its submission, and what the machine that runs it must have."""

    unit: Unit
    files: tuple[File, ...]
    facts: Mapping[str, Any]


def facts_here(settings: Settings) -> dict[str, Any]:
    """Return what two machines must agree on, of this one. Raises SandboxError if it has no walls."""
    backend = choose(trust=settings.trust_submissions, prefer=settings.sandbox)
    facts = {**environment(backend.name), "harness": harness_digest()}
    return {name: facts[name] for name in SHARED}


def disagreement(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str | None:
    """Return in words how the second machine differs from the first, or None."""
    for name in SHARED:
        if ours[name] != theirs[name]:
            if isinstance(ours[name], Mapping):
                name, ours, theirs = _first_difference(ours[name], theirs[name])
            return f"expected {name} {ours[name]}, found {theirs[name]}: install the same there as here"
    return None


def pack(unit: Unit) -> Parcel:
    """Put a unit and its submission's files together."""
    submission = unit.submission
    files: tuple[File, ...] = ()
    if submission.problem is None:  # else nothing of it is ever run
        root = submission.folder or submission.entry
        inside = submission.folder or submission.entry.parent
        files = tuple(_read(path, inside, follow=path == root) for path in files_of(root))
    return Parcel(unit=unit, files=files, facts=facts_here(unit.settings))


def run_parcel(parcel: Parcel) -> str:
    """Run a parcel's unit here and return the outcome as JSON. Raises BackcheckError on the wrong machine.

    One at a time in a process, with one BLAS thread, as in a worker of this machine.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    differs = disagreement(parcel.facts, facts_here(parcel.unit.settings))
    if differs is not None:
        raise BackcheckError(f"the Dask worker on {os.uname().nodename}: {differs}")
    with _one_at_a_time, threadpool_limits(1), _unpacked(parcel) as unit:
        return encode(run_unit(unit))


@contextmanager
def _unpacked(parcel: Parcel) -> Iterator[Unit]:
    """The unit with its submission in a private folder, under the name that it has at home."""
    submission = parcel.unit.submission
    if submission.problem is not None:
        yield parcel.unit
        return
    private = private_folder("parcel")
    private.mkdir()
    private.chmod(0o711)
    try:
        there = submission.moved(private)
        target = there.folder or private
        target.mkdir(exist_ok=True)
        for file in parcel.files:
            _write(file, target)
        yield replace(parcel.unit, submission=there)
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _read(path: Path, root: Path, *, follow: bool) -> File:
    parts = path.relative_to(root).parts
    if path.is_symlink() and not follow:
        return File(parts=parts, mode=0, link=os.readlink(path))
    if not path.is_file():
        return File(parts=parts, mode=0, content=None)
    return File(parts=parts, mode=stat.S_IMODE(path.stat().st_mode), content=path.read_bytes())


def _write(file: File, root: Path) -> None:
    target = root.joinpath(*file.parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    if file.link is not None:
        target.symlink_to(file.link)
    elif file.content is None:
        os.mkfifo(target)
    else:
        target.write_bytes(file.content)
        target.chmod(file.mode)


def _first_difference(
    ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
    name = next(name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name))
    return name, {name: ours.get(name)}, {name: theirs.get(name)}
