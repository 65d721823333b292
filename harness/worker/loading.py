"""Running a submission and handing it over in the contract's shape, inside the sandbox.

Whatever the submission raises propagates as it is; the server turns it into an answer. A plain file that
offers ``build`` is run like any module. Notebooks, scripts that train when imported, and whatever needs an
adapter are run for their definitions only, and what was not run is noted.
"""

from __future__ import annotations

import ast
import contextlib
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.worker.scan import framework_uses
from harness.worker.script import Script, asks_for_gpu
from harness.worker.standins import StandIns
from harness.worker.statements import defines_build, works_at_import

VERBS = ("get_weights", "set_weights", "predict_proba", "loss_and_gradients", "fit")  # of a network
PACKAGE = "_submission"  # the name under which a folder with relative imports is a package


class NotProvided(Exception):
    """The submission does not offer what was asked; the message says what is missing."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A submission that has run: its ``build(layer_sizes, activation, seed)``, and what loading left out."""

    build: Callable[[list[int], str, int], Any] | None
    notes: list[str] = field(default_factory=list)


def offered(model: Any) -> list[str]:
    """Return which of the contract's verbs a network has."""
    return [verb for verb in VERBS if callable(getattr(model, verb, None))]


def load_submission(entry: str, manifest: Mapping[str, Any]) -> Loaded:
    """Run the file ``entry`` as its manifest (plain JSON) says and adapt what it offers to the contract."""
    from harness.worker.adapters import adapt

    path = Path(entry)
    module = _module(path)
    script = Script(path, module)
    tree = script.tree
    if any(isinstance(node, ast.ImportFrom) and node.level > 0 for node in ast.walk(tree)):
        _make_package(path.parent, module)
    used = frozenset(use.dotted.split(".")[0] for use in framework_uses(tree))
    standins = StandIns(manifest.get("part") or "scratch", used, path.parent)
    standins.install()
    _run(script, tree, manifest)
    notes = list(script.notes)
    build = adapt(script, manifest, notes)
    return Loaded(build=build, notes=[*standins.notes(), *notes])


@contextlib.contextmanager
def explained(script: Script) -> Iterator[None]:
    """Add to an error of the submission what the way it was loaded has to do with it."""
    try:
        yield
    except NameError as error:
        reason = script.missing.get(error.name or "")
        if reason:
            error.add_note(f"{error.name}: {reason}")
        raise
    except Exception as error:
        if asks_for_gpu(error):
            error.add_note("There is no GPU here: use the CPU where torch.cuda.is_available() is False.")
        raise


def _run(script: Script, tree: ast.Module, manifest: Mapping[str, Any]) -> None:
    plain = not script.cells and defines_build(tree) and not works_at_import(tree)
    road = manifest.get("run") or ("all" if plain and not manifest.get("adapter") else "definitions")
    if manifest.get("cells") and script.cells:
        script.run_cells(manifest["cells"])
    elif road == "all":
        script.run_all()
    else:
        script.run_definitions()


def _module(path: Path) -> types.ModuleType:
    """A module for the submission, known by the file's name where that hides no other module."""
    sys.path.insert(0, str(path.parent))
    taken = path.stem in sys.modules or path.stem in sys.stdlib_module_names or not path.stem.isidentifier()
    name = "submission" if taken else path.stem
    module = types.ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    sys.modules.setdefault("submission", module)  # what an adapter file imports
    return module


def _make_package(folder: Path, module: types.ModuleType) -> None:
    """Let ``from .layers import Dense`` find the files beside the entry."""
    package = types.ModuleType(PACKAGE)
    package.__path__ = [str(folder)]
    sys.modules[PACKAGE] = package
    module.__package__ = PACKAGE
