"""The key of a unit: a digest of all that its outcome depends on, so that a stored one can be trusted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from harness.grading.environment import package_version
from harness.grading.units import Unit, seeds

HARNESS = Path(__file__).resolve().parents[1]
# What shows, plans and judges outcomes but makes none: it may change, and the class is not run again.
# Points, ranges and verdicts are worked out anew from the stored outcomes every time.
UNINVOLVED = (
    "authoring",
    "calibration",
    "reproduce",
    "spec",
    "specs",
    "statistics",
    "store",
    "views",
    "__main__.py",
    "cli.py",
    "progress.py",
    "pytest_plugin.py",
)
INVOLVED_IN_GRADING = ("accuracy.py", "checking.py", "units.py")


@cache
def harness_digest() -> str:
    """SHA-256 over the harness's sources, without those listed as uninvolved in outcomes."""
    digest = hashlib.sha256()
    for path in sorted(HARNESS.rglob("*.py")):
        first, *rest = path.relative_to(HARNESS).parts
        if first in UNINVOLVED or (first == "grading" and rest[-1] not in INVOLVED_IN_GRADING):
            continue
        name = path.relative_to(HARNESS).as_posix().encode()
        content = hashlib.sha256(path.read_bytes()).digest()
        digest.update(len(name).to_bytes(4, "big") + name + content)
    return digest.hexdigest()


def fingerprint(environment: Mapping[str, Any]) -> str:
    """Digest the harness and the machine's facts, as ``environment`` gives them, into one word."""
    # A new patch of the operating system's kernel is not taken to change what NumPy computes.
    facts = {name: value for name, value in environment.items() if name != "platform"}
    return _digest({"harness": harness_digest(), "environment": facts})


def unit_key(unit: Unit, fingerprint: str) -> str:
    """Return the unit's key in the store."""
    submission, settings = unit.submission, unit.settings
    what: dict[str, Any]
    if unit.experiment is None:
        what = {"checks": unit.checks, "elsewhere": unit.elsewhere, "activations": unit.activations}
    else:
        protocol = asdict(unit.experiment.protocol)
        del protocol["sources"]  # who says so does not change a run
        what = {"experiment": unit.experiment.id, "protocol": protocol, "dataset": unit.dataset}
    return _digest(
        {
            "submission": submission.digest,
            "name": submission.name,
            "problem": submission.problem,
            "part": submission.part,
            "packages": {name: package_version(name) for name in submission.packages},
            "unit": what,
            "attempt": unit.attempt,
            "seeds": seeds(unit),
            "limits": asdict(settings.limits),
            "trusted": settings.trust_submissions,
            "fingerprint": fingerprint,
        }
    )


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
