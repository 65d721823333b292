"""Running a submission and handing it over in the contract's shape, inside the sandbox.

Whatever the submission raises propagates as it is; the server turns it into an answer.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class NotProvided(Exception):
    """The submission does not offer what was asked; the message says what is missing."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A submission that has run: its ``build(layer_sizes, activation, seed)``, and what loading left out."""

    build: Callable[[list[int], str, int], Any] | None
    notes: list[str] = field(default_factory=list)


def load_submission(entry: str, manifest: Mapping[str, Any]) -> Loaded:
    """Run the file ``entry`` as its manifest (plain JSON) says and adapt what it offers to the contract."""
    path = Path(entry)
    sys.path.insert(0, str(path.parent))
    module = types.ModuleType(path.stem)
    module.__file__ = str(path)
    sys.modules.setdefault(path.stem, module)
    exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    return Loaded(build=module.__dict__.get("build"))
