"""The identity of a submission: SHA-256 over the names and contents of its files, within limits; and a copy
of just these files.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

FILES_LIMIT = 5000
BYTES_LIMIT = 256 << 20
IGNORED_FOLDERS = frozenset([".git", ".hg", ".ipynb_checkpoints", "__MACOSX", "__pycache__", "node_modules"])


class TooLargeError(Exception):
    """A submission holds more files or bytes than are read."""


def files_of(path: Path) -> Iterator[Path]:
    """Yield a submission's files in order of name; links are yielded, never followed.

    Virtual environments and the folders of version control and editors are left out.
    """
    if not path.is_dir():
        manifest = path.with_suffix(".toml")
        yield from [path, manifest] if manifest.is_file() else [path]
        return
    for root, folders, files in os.walk(path, followlinks=False):
        base = Path(root)
        links = [name for name in folders if (base / name).is_symlink()]
        kept = set(folders) - IGNORED_FOLDERS - set(links)
        folders[:] = sorted(name for name in kept if not (base / name / "pyvenv.cfg").exists())
        yield from (base / name for name in sorted([*files, *links]))


def digest_of(path: Path, remark: Callable[[Path, str], None]) -> str:
    """Hash a file or folder; ``remark`` hears of what is not read. Raises TooLargeError."""
    digest, total = hashlib.sha256(), 0
    root = (path if path.is_dir() else path.parent).resolve()
    for count, file in enumerate(files_of(path), start=1):
        name = os.fsencode(file.relative_to(path.parent))
        if file.is_symlink() and file != path:
            content = b"link " + os.fsencode(os.readlink(file))
            if not file.resolve().is_relative_to(root):
                remark(file, "is a symbolic link that leaves the submission: it is not read")
        elif not file.is_file():
            content = b"special"
            remark(file, "is not a regular file: it is not read")
        else:
            total += file.stat().st_size
            if total > BYTES_LIMIT or count > FILES_LIMIT:
                limits = f"at most {FILES_LIMIT} files and {BYTES_LIMIT >> 20} MiB are accepted"
                what = "remove data sets, environments and results"
                raise TooLargeError(f"the submission is too large ({limits}): {what}")
            with file.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").digest()
        digest.update(len(name).to_bytes(4, "big") + name + len(content).to_bytes(4, "big") + content)
    return digest.hexdigest()


def copy_files(path: Path, folder: Path) -> None:
    """Copy what ``digest_of`` reads of a file or folder, and nothing else, into ``folder``, under its name.

    What is no regular file becomes an empty pipe: it is never read, and has its place in the digest.
    """
    for file in files_of(path):
        target = folder / file.relative_to(path.parent)
        for parent in reversed(target.relative_to(folder).parents[:-1]):
            (folder / parent).mkdir(mode=0o755, exist_ok=True)
        if file.is_symlink() and file != path:
            target.symlink_to(os.readlink(file))
        elif not file.is_file():
            os.mkfifo(target)
        else:
            shutil.copyfile(file, target)
            target.chmod(stat.S_IMODE(file.stat().st_mode))
