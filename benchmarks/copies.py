"""Folders of submissions to grade, each file unlike all before it, so that nothing is known from a store."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "reference" / "numpy_mlp.py"


def copies(folder: Path, count: int, source: Path = SOURCE) -> Path:
    """Write ``count`` submissions into ``folder`` and return it; the same mathematics, other digests."""
    folder.mkdir(parents=True, exist_ok=True)
    text = source.read_text(encoding="utf-8")
    for number in range(count):
        name = f"student_{number:03d}.py"
        (folder / name).write_text(f"{text}\n# {uuid.uuid4()}\n", encoding="utf-8")
    return folder


def backcheck() -> list[str]:
    """The command as people type it, or as a module where the script is not installed."""
    script = Path(sys.executable).parent / "backcheck"
    return [str(script)] if script.exists() else [sys.executable, "-m", "harness"]
