"""The errors of backcheck, as a tree; ``harness.cli`` alone turns them into exit codes.

::

    BackcheckError                    anything that backcheck reports in its own words     exit 3
    ├── UsageError                    the command line, a path or an option is wrong        exit 2
    ├── SpecError                     a specification or rubric file is wrong               exit 2
    ├── ManifestError                 a submission's manifest is wrong (graded, not fatal)  exit 2
    ├── DataError                     MNIST cannot be had, or is not what it should be      exit 4
    ├── SandboxError                  no wall can be put around a submission                exit 5
    ├── StoreError                    the results store cannot be read or written           exit 6
    ├── SubmissionChangedError        its files are not those that were found: becomes a status, never an exit
    └── SubmissionFault               a submission did something wrong: becomes a status, never an exit

Every message says where, what was expected, what was found, and what to do next.
"""

from __future__ import annotations

from typing import ClassVar


class BackcheckError(Exception):
    """The base of every error that backcheck raises on purpose."""

    exit_code: ClassVar[int] = 3


class UsageError(BackcheckError):
    """The command line, a path or an option is wrong."""

    exit_code = 2


class SpecError(BackcheckError):
    """A specification or rubric file is wrong; the message names the file and the key."""

    exit_code = 2


class ManifestError(BackcheckError):
    """A submission's ``submission.toml`` is wrong; the message names the key and the nearest valid one."""

    exit_code = 2


class DataError(BackcheckError):
    """MNIST cannot be fetched, read or verified."""

    exit_code = 4


class SandboxError(BackcheckError):
    """No wall can be put around a submission on this machine."""

    exit_code = 5


class StoreError(BackcheckError):
    """The results store cannot be read or written."""

    exit_code = 6


class SubmissionChangedError(BackcheckError):
    """A submission's files were changed after they were found: what runs is not what the digest names."""

    words: ClassVar[str] = "was changed while it was graded: grade it again"  # after the file's name
