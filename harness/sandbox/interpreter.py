"""What the running Python needs to read, found by asking Python, its packages and the dynamic loader."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

HARNESS = Path(__file__).resolve().parents[1]
# The worker's share of the harness. Specifications, references, calibration and tests stay outside.
HARNESS_PARTS = ("__init__.py", "denormals.py", "errors.py", "wire.py", "worker", "sandbox")
LOADER_CACHE = Path("/etc/ld.so.cache")
SYSTEM_FILES = (
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/usr/lib/locale",
    # What OpenBLAS, PyTorch and OpenMP read to count processors.
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
)


@lru_cache
def readable_paths(allow_packages: tuple[str, ...]) -> tuple[Path, ...]:
    """Files and folders for ``policy.python_readable_paths``; found once per set of packages."""
    wanted = [
        *_interpreter(),
        *_shared_libraries(),
        *(Path(name) for name in SYSTEM_FILES),
        *(HARNESS / part for part in HARNESS_PARTS),
        *_editable_finders(),
        *distribution_paths(allow_packages),
    ]
    found: dict[Path, None] = {}
    for path in wanted:
        if os.path.lexists(path):
            found.update(dict.fromkeys(hops(path)))
    return tuple(_without_covered(found))


@lru_cache
def hidden_paths() -> tuple[Path, ...]:
    """Every package folder that a readable folder could contain, and the harness's own folder."""
    folders = {HARNESS}
    candidates = [*site.getsitepackages(), site.getusersitepackages(), *sys.path]
    candidates += [sysconfig.get_path(name) for name in ("purelib", "platlib")]
    folders.update(Path(name) for name in candidates if Path(name).name in ("site-packages", "dist-packages"))
    for parent in {*_shared_libraries(), Path("/usr/lib"), Path("/usr/local/lib"), Path("/usr/lib64")}:
        folders.update(parent.glob("python*/*-packages"))
    for stdlib in _standard_library():
        folders.update(stdlib.glob("*-packages"))
    return tuple(sorted({Path(os.path.realpath(folder)) for folder in folders if folder.is_dir()}))


def hops(path: Path) -> Iterator[Path]:
    """Every symbolic link that leads from a path to its file, and then the file, where it exists."""
    pending, seen = [Path(os.path.abspath(path))], set[Path]()
    while pending:
        current = pending.pop()
        if current in seen:
            continue
        seen.add(current)
        for ancestor in (*reversed(current.parents), current):
            if ancestor.is_symlink():
                yield ancestor
                target = os.path.join(ancestor.parent, os.readlink(ancestor))
                # Lexical normalisation is right here: the parent was already found to be free of links.
                rest = current.relative_to(ancestor)
                pending.append(Path(os.path.normpath(target)) / rest)
                break
        else:
            if current.exists():
                yield current


def distribution_paths(names: Iterable[str]) -> tuple[Path, ...]:
    """Files and folders of installed distributions and of all that they depend on."""
    paths: list[Path] = []
    for distribution in _closure(names):
        paths.extend(_top_level(distribution))
    return tuple(dict.fromkeys(paths))


def _interpreter() -> Iterator[Path]:
    yield Path(sys.executable)
    yield Path(getattr(sys, "_base_executable", sys.executable))
    yield Path(sys.prefix) / "pyvenv.cfg"
    yield from _standard_library()
    yield Path(sys.base_prefix) / "lib" / f"python{sys.version_info[0]}{sys.version_info[1]}.zip"
    yield from (Path(sys.base_prefix) / "lib").glob("libpython*.so*")


def _standard_library() -> tuple[Path, ...]:
    names = ("stdlib", "platstdlib")
    base = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    base |= {"installed_base": sys.base_prefix, "installed_platbase": sys.base_exec_prefix}
    return tuple(dict.fromkeys(Path(sysconfig.get_path(name, vars=base)) for name in names))


@lru_cache
def _shared_libraries() -> tuple[Path, ...]:
    """The folders that the dynamic loader searches, and those that this process has libraries from."""
    folders: dict[Path, None] = {}
    if LOADER_CACHE.exists():
        # The cache is a table of C strings; every absolute one is the path of a library.
        for name in re.findall(rb"(/[^\0]+)/[^/\0]+\.so[^\0]*\0", LOADER_CACHE.read_bytes()):
            folders[Path(os.fsdecode(name))] = None
    maps = Path("/proc/self/maps")
    mapped = maps.read_text().splitlines() if maps.exists() else []
    for line in mapped:
        path = Path(line.split(maxsplit=5)[-1])
        package = {"site-packages", "dist-packages"} & set(path.parts)
        if path.is_absolute() and ".so" in path.name and not package and path.parent.name != "lib-dynload":
            folders[path.parent] = None
    for name in ("/lib64", "/lib", f"/lib/{platform.machine()}-linux-gnu"):
        folders.update(dict.fromkeys(loader.parent for loader in Path(name).glob("ld-*.so*")))
    # A folder of libraries that holds the home folder, the harness or everything is not one.
    forbidden = {Path.home(), *Path.home().parents, HARNESS, *HARNESS.parents}
    return tuple(folder for folder in folders if folder.is_dir() and folder not in forbidden)


def _editable_finders() -> Iterator[Path]:
    """What an editable installation leaves among the packages so that ``import harness`` works."""
    for folder in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        yield from Path(folder).glob("__editable__*backcheck*")
        for path in Path(folder).glob("*.pth"):
            if str(HARNESS.parent) in path.read_text(errors="replace"):
                yield path


def _closure(names: Iterable[str]) -> list[importlib.metadata.Distribution]:
    found: dict[str, importlib.metadata.Distribution] = {}
    pending = list(names)
    while pending:
        name = re.sub(r"[-_.]+", "-", pending.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        pending.extend(_required(found[name].requires or ()))
    return list(found.values())


def _required(requirements: Iterable[str]) -> Iterator[str]:
    from packaging.requirements import InvalidRequirement, Requirement

    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name


def _top_level(distribution: importlib.metadata.Distribution) -> Iterator[Path]:
    """The entries of the package folder that belong to a distribution, its metadata among them."""
    folder = Path(str(distribution.locate_file("")))
    entries = {Path(str(file)).parts[0] for file in distribution.files or ()}
    if (
        distribution.files is None
    ):  # system packages record no files: go by the names that they can be imported by
        names = (distribution.read_text("top_level.txt") or distribution.metadata["Name"]).split()
        entries = {name for stem in names for name in _matching(folder, stem)}
        entries |= set(_matching(folder, distribution.metadata["Name"]))
    for entry in sorted(entries - {"..", "/", "__pycache__"}):
        yield folder / entry


def _matching(folder: Path, stem: str) -> Iterator[str]:
    wanted = re.sub(r"[-_.]+", "_", stem).lower()
    for name in os.listdir(folder):
        plain = re.sub(r"[-_]+", "_", name).lower()
        if plain == wanted or plain.startswith((f"{wanted}.", f"{wanted}_")):
            yield name


def _without_covered(paths: Iterable[Path]) -> Iterator[Path]:
    """Drop what lies in another readable folder with no hidden folder in between."""
    kept = set(paths)
    hidden = set(hidden_paths())
    for path in sorted(kept):
        for parent in path.parents:
            if parent in hidden:
                yield path
                break
            if parent in kept and not parent.is_symlink():
                break
        else:
            yield path
