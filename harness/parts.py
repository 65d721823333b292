"""Which part of the assignment a submission answers and which packages it needs: read off its source."""

from __future__ import annotations

import ast
import importlib.metadata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.manifest import Manifest
from harness.worker import scan
from harness.worker.notebook import NotebookError, read_notebook

SOURCE_LIMIT = 1 << 20  # bytes of code in one submission: more is data, and takes long to parse
MODULES_LIMIT = 200
# Import name -> distribution, of what may be used beside NumPy in every part: none trains a network.
TOOLS = {"numpy": "numpy", "scipy": "scipy", "pandas": "pandas", "PIL": "pillow", "numba": "numba"}
FRAMEWORK_DISTRIBUTIONS = {
    "torch": "torch",
    "sklearn": "scikit-learn",
    "tensorflow": "tensorflow",
    "keras": "keras",
    "jax": "jax",
    "flax": "flax",
    "optax": "optax",
    "autograd": "autograd",
}
TELLING = tuple(
    name.encode() for name in sorted({*TOOLS, *FRAMEWORK_DISTRIBUTIONS, *scan.FRAMEWORKS} - {"numpy"})
)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the source says: the part, the distributions to allow, remarks for the record."""

    part: str = "scratch"
    packages: tuple[str, ...] = ("numpy",)
    notes: tuple[str, ...] = ()


def read_part(entry: Path, folder: Path | None, manifest: Manifest) -> Reading:
    """Scan the entry and the modules beside it that it imports; loading says what cannot be parsed."""
    trees = _trees(entry, folder)
    if manifest.adapter_source:
        trees.append(ast.parse(manifest.adapter_source))
    uses = [use for tree in trees for use in scan.framework_uses(tree)]
    part = manifest.part or (
        "package" if uses or manifest.adapter in ("torch", "sklearn", "keras") else "scratch"
    )
    notes = []
    if part == "both" and uses:
        part = "package"  # from scratch is without a framework, whatever a manifest says
    if manifest.part != part and uses:
        notes.append(f"graded as the package part: it uses {uses[0].dotted} (line {uses[0].line})")
    roots = {dotted.split(".")[0] for tree in trees for _, dotted, _ in scan.imports(tree)}
    wanted = {"numpy", *(dist for name, dist in TOOLS.items() if name in roots)}
    if part == "package":
        wanted.update(dist for name, dist in FRAMEWORK_DISTRIBUTIONS.items() if name in roots)
        wanted.update(
            {"torch": ["torch"], "sklearn": ["scikit-learn"], "keras": ["keras"]}.get(
                manifest.adapter or "", []
            )
        )
    return Reading(part=part, packages=tuple(sorted(filter(_installed, wanted))), notes=tuple(notes))


@cache  # asked for every submission of a class
def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _trees(entry: Path, folder: Path | None) -> list[ast.Module]:
    """The syntax trees of the entry and of what it imports from its own folder, up to the limit."""
    trees: list[ast.Module] = []
    waiting, seen, size = [entry], {entry.resolve()}, 0
    while waiting and len(seen) <= MODULES_LIMIT:
        path = waiting.pop()
        for source in _sources(path):
            size += len(source)
            if size > SOURCE_LIMIT:
                return trees
            if folder is None and not _may_tell(source):
                continue
            try:
                tree = ast.parse(source)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue  # loading says where
            trees.append(tree)
            for name in scan.local_imports(tree) if folder is not None else ():
                for other in _beside(path, folder or path.parent, name):
                    if other.is_file() and other.resolve() not in seen and not other.is_symlink():
                        seen.add(other.resolve())
                        waiting.append(other)
    return trees


def _may_tell(source: bytes) -> bool:
    """Whether source may import something that tells more than NumPy: parsing it takes milliseconds.

    Python takes other letters for the same name, and other encodings for the same letters. The module's name
    stands in one line with ``import`` or ``from``, and a backslash joins lines.
    """
    if not source.isascii() or b"coding" in source:
        return True
    lines = b"\n".join(source.splitlines()).replace(b"\\\n", b" ").split(b"\n")
    return any(
        (b"import" in line or b"from" in line) and any(name in line for name in TELLING) for line in lines
    )


def _beside(path: Path, folder: Path, name: str) -> list[Path]:
    """The files that ``import name`` in ``path`` may mean: a module or a package of the submission's own."""
    package = sorted((folder / name).glob("*.py")) if (folder / name).is_dir() else []
    return [path.parent / f"{name}.py", folder / f"{name}.py", *package]


def _sources(path: Path) -> list[bytes]:
    if path.suffix == ".ipynb":
        try:
            return [cell.source.encode("utf-8", "replace") for cell in read_notebook(path)]
        except NotebookError:
            return []
    return [path.read_bytes()] if path.stat().st_size <= SOURCE_LIMIT else []
