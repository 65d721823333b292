"""Where things are on the grader's machine, cut from what a student reads; what a file is called stays."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from pathlib import PurePath

# The folders of an absolute path, up to the name of the file. In a traceback's frame, in quotes and in
# brackets the path ends where these do, and may hold spaces; elsewhere it ends at white space.
_FOLDERS = re.compile(
    r"""
    (?P<indent>^[ \t]*)/(?:[^\n]*/)?(?=[^/\n]+:\d+[ ]in[ ])
    | (?<!\w['"])(?<=['"])/(?:[^'"\n]*/)?(?=[^'"/\n]+['"])
    | (?<=\()/(?:[^()\n]*/)?(?=[^()/\n]+\))
    | (?:\bfile:///|(?<=:)/(?!/)|(?<![\w./~:<)\]])/+)(?:(?:[^\s'"/]|(?<=\w)'(?=\w))+/)+
    """,
    re.VERBOSE | re.MULTILINE,
)
_INSTALLED = re.compile(r".*/((?:site|dist)-packages/.*)|.*/lib(?:64)?/(python3[^/]*/.*)")


def path_cutter(path: str) -> Callable[[str], str]:
    """Return a function that leaves of the files of the submission at ``path`` their names within it, of
    installed ones the place within Python's library, and of all others the name alone.
    """
    own = _own_folders(path)

    def cut(said: str) -> str:
        return _FOLDERS.sub(_kept, own.sub("", said) if own else said)

    return cut


def _own_folders(path: str) -> re.Pattern[str] | None:
    """Match the submission and the folder it is in, as they were given and as the system sees them."""
    known = {path}
    with contextlib.suppress(OSError, ValueError):  # a name that no file can have
        known |= {os.path.abspath(path), os.path.realpath(path)}
    known |= {str(PurePath(each).parent) for each in known}
    longest_first = sorted(known - {"", "/", ".", ".."}, key=len, reverse=True)
    folders = "|".join(re.escape(each) for each in longest_first)
    return re.compile(rf"(?<![\w./-])(?:{folders})/") if folders else None


def _kept(match: re.Match[str]) -> str:
    installed = _INSTALLED.fullmatch(match[0])
    kept = next(filter(None, installed.groups())) if installed else ""
    return f"{match['indent'] or ''}{kept}"
