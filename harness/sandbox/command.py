"""``backcheck doctor``: a table of the walls, and whether each one stands."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from harness.errors import SandboxError
from harness.sandbox import cgroup
from harness.sandbox.backend import BACKENDS, Backend, available, choose
from harness.sandbox.doctor import Finding, Outcome, examine

WALL_DOWN = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``backcheck doctor``."""
    parser.add_argument(
        "--sandbox",
        choices=BACKENDS,
        help="examine this backend, not the strongest one; 'none' shows what is open without one",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    parser.add_argument("--probe", action="append", metavar="NAME", help="run only this probe (repeatable)")


def run(args: argparse.Namespace) -> int:
    """Examine the sandbox; 0 only if every wall that the backend has was proved to stand."""
    from harness.data.cache import cache_folder

    backend = choose(trust=args.sandbox == "none", prefer=args.sandbox)
    _check_names(args.probe)
    findings: list[Finding] = []
    width = _walls_width(args.probe)
    if not args.json:
        _print_head(backend, width)
    for finding in examine(backend, cache_folder(), names=args.probe):
        findings.append(finding)
        if not args.json:
            print(_row(finding, width), flush=True)
    if args.json:
        json.dump(as_json(backend, findings), sys.stdout, indent=2)
        print()
    else:
        print(_summary(findings))
    return 0 if stands(findings) else WALL_DOWN


def stands(findings: Sequence[Finding]) -> bool:
    """Whether every wall was proved: nothing got through, and nothing was left unproved."""
    return bool(findings) and all(f.outcome in (Outcome.HELD, Outcome.ABSENT) for f in findings)


def as_json(backend: Backend, findings: Sequence[Finding]) -> dict[str, object]:
    """The examination as plain data."""
    return {
        "backend": backend.name,
        "description": backend.description,
        "available": available(),
        "cgroup": _cgroup(),
        "stands": stands(findings),
        "probes": [
            {
                "name": finding.probe.name,
                "description": finding.probe.description,
                "outcome": finding.outcome.value,
                "walls": list(finding.walls),
                "detail": finding.detail,
            }
            for finding in findings
        ],
    }


def _check_names(names: Sequence[str] | None) -> None:
    from harness.sandbox.probes import probes

    known = [probe.name for probe in probes()]
    for name in names or ():
        if name not in known:
            raise SandboxError(f"doctor: no probe is called {name!r}; there are {', '.join(known)}")


def _walls_width(names: Sequence[str] | None) -> int:
    """How wide the column of walls may have to be: a row is printed before the next ones are known."""
    from harness.sandbox.probes import probes

    wanted = [probe for probe in probes() if names is None or probe.name in names]
    return 2 + max(len(", ".join(walls)) for walls in (("held by",), *(probe.walls for probe in wanted)))


def _print_head(backend: Backend, width: int) -> None:
    print(f"Sandbox: {backend.name} ({backend.description})")
    for name, description in available().items():
        if name != backend.name:
            print(f"  also known here: {name} {description}")
    print(f"Limits of all processes together: {_cgroup()}")
    print(f"\n{'probe':24}{'outcome':14}{'held by':{width}}what was tried")


def _cgroup() -> str:
    place = cgroup.available()
    return f"(not available here: {place})" if isinstance(place, str) else place.description


def _row(finding: Finding, width: int) -> str:
    walls = ", ".join(finding.walls) or "-"
    line = f"{finding.probe.name:24}{finding.outcome.value:14}{walls:{width}}{finding.probe.description}"
    if finding.outcome is not Outcome.HELD:
        line += f"\n{'':24}{finding.detail}"
    return line


def _summary(findings: Sequence[Finding]) -> str:
    counts = {outcome: sum(f.outcome is outcome for f in findings) for outcome in Outcome}
    text = ", ".join(f"{count} {outcome.value}" for outcome, count in counts.items() if count)
    if stands(findings):
        return f"\nEvery wall stands: {text}."
    return (
        f"\nNOT SAFE for strangers' code: {text}. Install bubblewrap, or use a kernel with Landlock; "
        "an inconclusive probe says above what it could not try."
    )
