"""Writing a report to a file: the whole text or the old file, never half of it."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path

from harness.errors import BackcheckError, UsageError


def write_output(text: str, path: str | os.PathLike[str]) -> None:
    """Write ``text`` as UTF-8 to ``path`` by way of a temporary file beside it and a rename.

    A pipe or device (``/dev/stdout``) is written directly. Raises UsageError when the path cannot be a file,
    BackcheckError when the disk is full or fails; the file that was there before is then untouched.
    """
    target = Path(os.path.realpath(path))  # through a symbolic link, which stays one
    data = text.encode("utf-8", errors="backslashreplace")
    try:
        if target.is_dir():
            raise UsageError(f"{path}: expected a file to write, found a folder; add a file name")
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            target.write_bytes(data)
            return
        if not target.parent.is_dir():
            raise UsageError(f"{path}: there is no folder {target.parent}; create it or choose another path")
        _replace(target, data)
    except OSError as error:
        raise _explained(error, path) from error


def _replace(target: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{target.name[:40]}.", suffix=".tmp", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # a full disk may be noticed only here
        os.chmod(name, _mode(target))
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _mode(target: Path) -> int:
    """Return the permissions of the file that is replaced, else what the umask allows a new file."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _explained(error: OSError, path: str | os.PathLike[str]) -> BackcheckError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return BackcheckError(f"{path}: the disk is full, nothing was written; free some space and run again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return UsageError(f"{path}: no permission to write there; choose another path")
    return BackcheckError(f"{path}: cannot be written ({error.strerror or error})")
