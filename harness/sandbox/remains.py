"""Removing what a submission left in its working folder, whatever it did to make that hard."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

FOLDER_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


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
