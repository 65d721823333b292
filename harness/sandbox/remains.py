"""Folders for what submissions write, and removing them: whatever a submission did to make that hard, and
also when the grader that made them was killed.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import tempfile
from functools import lru_cache
from pathlib import Path

from harness.liveness import IDENTITY, known_dead, this_process

FOLDER_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)

OWNED = re.compile(rf"backcheck-[a-z]+-(?P<owner>{IDENTITY})-[0-9a-f]+")


def private_folder(kind: str) -> Path:
    """A name for a new folder of temporary files, which says whose it is; the folder is not made.

    What graders left in the same place that were killed, and could not remove it, is removed.
    """
    parent = Path(tempfile.gettempdir())
    _sweep_once(parent)
    return parent / f"backcheck-{kind}-{this_process()}-{secrets.token_hex(4)}"


def sweep(parent: Path) -> None:
    """Remove the folders in ``parent`` whose owner is certain to have ended; what cannot be, stays."""
    with contextlib.suppress(OSError):
        for name in os.listdir(parent):
            found = OWNED.fullmatch(name)
            if found is not None and known_dead(found["owner"]):
                # Another grader may sweep at the same time: what it took first ends nothing here.
                with contextlib.suppress(OSError):
                    if _is_ours(parent / name):
                        remove_tree(parent / name)


@lru_cache
def _sweep_once(parent: Path) -> None:
    sweep(parent)


def _is_ours(folder: Path) -> bool:
    # Anybody may give a name in a common folder: to a link to elsewhere, too.
    status = os.lstat(folder)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()


def remove_tree(folder: Path) -> None:
    """Remove a folder and all in it; OSError for what cannot be removed, nothing if it is not there.

    Call it when no process of the submission runs any more. Folders too deep for a path or for recursion are
    lifted to the top before they are emptied, and permissions that were taken away are given back.
    """
    if not hasattr(os, "O_DIRECTORY"):
        _remove_portably(folder)
        return
    with contextlib.suppress(FileNotFoundError):
        os.chmod(folder, stat.S_IRWXU)
        top = os.open(folder, FOLDER_FLAGS)
        try:
            _empty(top)
        finally:
            os.close(top)
        os.rmdir(folder)


def _empty(top: int) -> None:
    lifted = 0
    while names := os.listdir(top):
        for name in names:
            if not _is_folder(name, top):
                os.unlink(name, dir_fd=top)
                continue
            os.chmod(name, stat.S_IRWXU, dir_fd=top)
            inner = os.open(name, FOLDER_FLAGS, dir_fd=top)
            try:
                lifted = _lift(inner, top, lifted)
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=top)


def _lift(inner: int, top: int, lifted: int) -> int:
    """Remove a folder's files and move its folders to the top; return how many were moved so far."""
    for name in os.listdir(inner):
        if not _is_folder(name, inner):
            os.unlink(name, dir_fd=inner)
            continue
        # Moving a folder changes its own entry for its parent, which needs permission to write to it.
        os.chmod(name, stat.S_IRWXU, dir_fd=inner)
        while True:
            lifted += 1
            target = f"lifted-{lifted}"
            try:
                os.stat(target, dir_fd=top, follow_symlinks=False)
            except FileNotFoundError:
                break
        os.rename(name, target, src_dir_fd=inner, dst_dir_fd=top)
    return lifted


def _is_folder(name: str, parent: int) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)


def _remove_portably(folder: Path) -> None:
    """Windows: there is neither a sandbox nor a way to remove by descriptor."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
