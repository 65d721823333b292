"""Finding submissions: by their names and manifests, never by importing them.

A submission is ``<name>.py``, ``<name>.ipynb``, or a folder ``<name>/`` with ``submission.py`` (or
``submission.ipynb``, or what its ``submission.toml`` names). A manifest may stand beside a single file as
``<name>.toml``, and a ``class.toml`` holds the manifest of every submission beside it that has none of its
own. A submission that cannot be graded is still one, with its ``problem``: nobody vanishes from the list.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.digest import IGNORED_FOLDERS, TooLargeError, copy_files, digest_of
from harness.errors import ManifestError, SubmissionChangedError, UsageError
from harness.manifest import Manifest, load_manifest
from harness.parts import Reading, read_part

ENTRY_LIMIT = 64 << 20  # a notebook with its pictures; a page of Python is a thousandth of this
NAME_LIMIT = 100
MISNAMED = re.compile(r"\.(py|ipynb)(\.txt)?$", re.IGNORECASE)  # MLP.PY, mlp.py.txt: told, not passed over
ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar")
MANIFEST_NAME = "submission.toml"
CLASS_MANIFEST = "class.toml"


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One submission as found: ``entry`` is the file to run, ``folder`` what it may read.

    ``problem`` says why it cannot be graded, if it cannot.
    """

    name: str
    path: Path
    entry: Path
    folder: Path | None
    manifest: Manifest
    part: str  # scratch, package or both
    packages: tuple[str, ...]  # distributions that the sandbox lets it import
    digest: str  # SHA-256 over the names and contents of all its files, and the manifest in force
    files_digest: str = ""  # without that manifest
    problem: str | None = None
    notes: tuple[str, ...] = field(default=())

    def copied(self, folder: Path) -> Submission:
        """Copy its files into an empty folder; there must be no ``problem``.

        Raises SubmissionChangedError if they are not those that were found.
        """
        try:
            copy_files(self.path, folder)
            as_found = digest_of(self.moved(folder).path, lambda *_: None) == self.files_digest
        except (OSError, TooLargeError):
            as_found = False
        if not as_found:
            raise SubmissionChangedError(f"{show(self.path.name)} {SubmissionChangedError.words}")
        return self.moved(folder)

    def moved(self, folder: Path) -> Submission:
        """Return it as it is once its files lie in ``folder``, under the name that they have here."""
        path = folder / (self.folder or self.entry).name
        if self.folder is None:
            return replace(self, path=path, entry=path)
        return replace(self, path=path, entry=path / self.entry.relative_to(self.folder), folder=path)


def discover(
    paths: Sequence[Path | str] = ("submissions",), *, notes: list[str] | None = None
) -> tuple[Submission, ...]:
    """Find the submissions in files and folders, in order of name; ``notes`` collects what is none, and why.

    Raises UsageError for a path that does not exist; what is wrong with one submission is its ``problem``.
    """
    said: list[str] = [] if notes is None else notes
    found: list[Submission] = []
    for path in map(Path, paths):
        if not path.exists():
            raise UsageError(f"{show(str(path))} does not exist: expected a submission, or a folder of them")
        if path.is_file() or _is_submission(path):
            found.append(_submission(path))
        else:
            found.extend(_submission(candidate, listed=True) for candidate in _candidates(path, said))
    return tuple(_with_unique_names(sorted(found, key=lambda s: (s.name, str(s.path)))))


def show(text: str) -> str:
    """A file name as it may be printed: without control characters, escapes or broken Unicode."""
    kept = "".join(c if c.isprintable() and not "\ud800" <= c <= "\udfff" else "�" for c in text)
    return kept if len(kept) <= NAME_LIMIT else kept[: NAME_LIMIT - 1] + "…"


def _is_submission(folder: Path) -> bool:
    names = (MANIFEST_NAME, "submission.py", "submission.ipynb")
    return any((folder / name).is_file() for name in names)


def _candidates(folder: Path, notes: list[str]) -> Iterator[Path]:
    """The files and folders directly inside a folder of submissions, without what is none."""
    named = [folder / f"{Path(CLASS_MANIFEST).stem}{suffix}" for suffix in (".py", ".ipynb")]
    if (folder / CLASS_MANIFEST).exists() and (theirs := [path.name for path in named if path.exists()]):
        raise UsageError(
            f"{show(str(folder))}: {CLASS_MANIFEST} holds for the whole class, and beside {theirs[0]} it may "
            f"be one submission's: give {theirs[0]} another name, and its manifest with it"
        )
    if (folder / CLASS_MANIFEST).is_file():
        try:
            load_manifest(folder / CLASS_MANIFEST)
        except (ManifestError, ValueError) as error:
            raise UsageError(f"{error}; it holds for every submission without a manifest: mend it") from None
    adapters = _adapter_files(folder)
    for path in sorted(folder.iterdir(), key=lambda p: os.fsencode(p.name)):
        reason = _passed_over(path, adapters)
        if reason is None:
            yield path
        elif reason:
            notes.append(f"{show(path.name)} is not a submission: {reason}")


def _passed_over(path: Path, adapters: set[str]) -> str | None:
    """Why an entry of a folder of submissions is none (empty: not worth a word), or None if it is one."""
    name = path.name
    if name.startswith("."):
        return "hidden" if name not in IGNORED_FOLDERS | {".gitkeep", ".gitignore", ".DS_Store"} else ""
    if path.is_dir() or path.is_symlink():
        return "" if name in IGNORED_FOLDERS else None
    if path.suffix == ".ipynb" or path.name.endswith(ARCHIVES):
        return None
    if path.suffix != ".py":
        if MISNAMED.search(name):
            return None
        return "" if path.suffix in (".md", ".toml", ".csv") else "neither .py, .ipynb nor a folder"
    if name == "conftest.py" or name.startswith("test_") or name.endswith("_test.py"):
        return "test files and conftest.py are never loaded"
    if name == "__init__.py":
        return ""
    return "it is the adapter of a submission beside it" if name in adapters else None


def _adapter_of(path: Path) -> str:
    """The name of the adapter of a single file, by the file or its manifest."""
    return f"{path.stem}_adapter.py"


def _adapter_files(folder: Path) -> set[str]:
    """Names of the adapter files that the manifests in a folder of submissions name."""
    names = set()
    for path in folder.glob("*.toml"):
        try:
            adapter = load_manifest(path).adapter
        except Exception:  # told where the submission is read
            continue
        # Of a class's manifest, or of the one submission that may have it: no other file is hidden by it.
        if adapter is not None and (path.name == CLASS_MANIFEST or adapter == _adapter_of(path)):
            names.add(adapter)
    return names


def _submission(path: Path, *, listed: bool = False) -> Submission:
    """Read one submission, named or ``listed`` in a folder; every fault of its own ends up in ``problem``."""
    path = path.resolve() if path.name in ("", "..") else path
    folder = path if path.is_dir() else None
    name = show(path.name if folder else path.stem)
    manifest, entry, part, digest = Manifest(), path, "scratch", ""
    problem: str | None = None
    reading = Reading()
    notes: list[str] = []
    try:
        _check_name(path, listed=listed)
        digest = digest_of(path, lambda file, why: notes.append(f"{show(file.name)} {why}"))
        manifest = _manifest(path, folder)
        entry = _entry(path, folder, manifest, notes)
        reading = read_part(entry, folder, manifest)
        part = reading.part
    except (ManifestError, TooLargeError, _ProblemError) as error:
        problem = str(error)
    except OSError as error:
        problem = f"{show(str(error.filename or path.name))} cannot be read: {error.strerror or error}"
    except Exception as error:  # a loop of links, folders without end, a number of a thousand digits ...
        problem = f"{name} cannot be read ({type(error).__name__}: {show(str(error))}): hand in plain files"
    manifest = replace(manifest, part=part)
    return Submission(
        name=name,
        path=path,
        # Without "..": behind the walls the folders that such a path leads through are not there.
        entry=_settled(entry),
        folder=_settled(folder) if folder else None,
        manifest=manifest,
        part=part,
        packages=reading.packages,
        digest=_combined(digest, manifest),
        files_digest=digest,
        problem=problem,
        notes=(*notes, *reading.notes),
    )


def _settled(path: Path) -> Path:
    """The absolute path without links and dots before its last part, which keeps its name."""
    return path.parent.resolve() / path.name


class _ProblemError(Exception):
    """Why a submission cannot be graded, in words for its author."""


def _check_name(path: Path, *, listed: bool) -> None:
    name = path.name
    if not name.isprintable() or any("\ud800" <= c <= "\udfff" for c in name) or len(name) > NAME_LIMIT:
        raise _ProblemError("the name has control characters, broken Unicode or is too long: rename it")
    if path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve()):
        raise _ProblemError(
            "it is a symbolic link that leaves the folder of submissions: hand in the file itself"
        )
    if path.is_file() and path.name.endswith(ARCHIVES):
        raise _ProblemError("archives are not unpacked: unpack it and hand in the folder")
    if path.is_symlink() and not path.exists():
        raise _ProblemError("it is a symbolic link to nothing")
    if path.is_symlink() and listed:
        raise _ProblemError(
            "it is a symbolic link, and what it points to is another's: hand in the file itself"
        )
    if not path.is_file() and not path.is_dir():
        raise _ProblemError("it is neither a file nor a folder")


def _manifest(path: Path, folder: Path | None) -> Manifest:
    """The submission's own manifest, else that of the class, else an empty one."""
    own = folder / MANIFEST_NAME if folder else path.with_suffix(".toml")
    found = []
    for candidate, root in ((own, folder or path.parent), (path.parent / CLASS_MANIFEST, path.parent)):
        if candidate.is_file():
            if not candidate.resolve().is_relative_to(root.resolve()):
                raise _ProblemError(
                    f"{candidate.name} is a symbolic link that leaves the folder: hand in the file itself"
                )
            found.append(load_manifest(candidate))
    if folder is None and own.is_file() and found[0].adapter_source is not None:
        # Any other file beside it may be somebody else's submission.
        expected = _adapter_of(path)
        if found[0].adapter != expected:
            raise _ProblemError(
                f"{show(own.name)}: the adapter of a single file is called {show(expected)!r}, found "
                f"{show(str(found[0].adapter))!r}: rename it, or hand in a folder"
            )
    if len(found) == 2 and found[1].part is not None:
        return replace(found[0], part=found[1].part)  # which part is graded is the class's to say
    return found[0] if found else Manifest()


def _entry(path: Path, folder: Path | None, manifest: Manifest, notes: list[str]) -> Path:
    """The file to run; raises _ProblemError when there is none, or more than one."""
    if folder is None:
        if path.suffix not in (".py", ".ipynb"):
            raise _ProblemError(f"expected a .py or .ipynb file, found {show(path.name)!r}: rename it")
        return _bounded(path, path.parent)
    if manifest.entry is not None:
        entry = folder / manifest.entry
        if not entry.is_file():
            raise _ProblemError(f"{MANIFEST_NAME}: entry {manifest.entry!r} is not a file of the submission")
        if entry.suffix not in (".py", ".ipynb"):
            raise _ProblemError(f"{MANIFEST_NAME}: entry {manifest.entry!r} is neither .py nor .ipynb")
        return _bounded(entry, folder)
    usual = [folder / name for name in ("submission.py", "submission.ipynb") if (folder / name).is_file()]
    others = [p for p in sorted(folder.iterdir()) if p.suffix in (".py", ".ipynb") and p.is_file()]
    others = [p for p in others if _passed_over(p, set()) is None]
    choice = usual or others
    if not choice:
        raise _ProblemError(
            f"no submission.py in the folder: add one, or name the file in {MANIFEST_NAME} (entry)"
        )
    if len(choice) > 1:
        names = ", ".join(show(p.name) for p in choice[:5])
        raise _ProblemError(
            f"more than one possible entry ({names}): name one in {MANIFEST_NAME} (entry = ...)"
        )
    if not usual:
        notes.append(
            f"{show(choice[0].name)} is taken as the entry: it is the only file of code in the folder"
        )
    return _bounded(choice[0], folder)


def _bounded(entry: Path, folder: Path) -> Path:
    if not entry.resolve().is_relative_to(folder.resolve()):
        raise _ProblemError(
            f"{show(entry.name)} is a symbolic link that leaves the submission: hand in the file"
        )
    size = entry.stat().st_size
    if size > ENTRY_LIMIT:
        found = f"{size / (1 << 20):.0f} MiB, at most {ENTRY_LIMIT >> 20} MiB are read"
        raise _ProblemError(f"{show(entry.name)} has {found}: clear the notebook's outputs")
    return entry


def _combined(digest: str, manifest: Manifest) -> str:
    """The digest of the files and of the manifest in force: a class's manifest changes what is graded."""
    return hashlib.sha256(f"{digest}\n{sorted(manifest.to_json().items())}".encode()).hexdigest()


def _with_unique_names(found: Iterable[Submission]) -> Iterator[Submission]:
    """Tell submissions of one name apart by their file name, else by their path."""
    found = list(found)
    for whole_path in (False, True):
        counts = Counter(s.name for s in found)
        labels = [show(str(s.path) if whole_path else s.path.name) for s in found]
        found = [replace(s, name=label) if counts[s.name] > 1 else s for s, label in zip(found, labels)]
    # What is shown of two long paths may still be alike, and a name is what a verdict is kept under.
    taken: set[str] = set()
    for submission in found:
        name, number = submission.name, 1
        while name in taken:
            number += 1
            name = f"{submission.name[: NAME_LIMIT - 10]} ({number})"
        taken.add(name)
        yield replace(submission, name=name)
