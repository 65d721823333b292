"""The reproduction as JSON: every number of the page, the curves of the panels included."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from harness.reproduce.model import Caveat, Finding, RedrawnPanel, Reproduction, Row
from harness.reproduce.words import other_protocols, qualification
from harness.statistics import ClaimVerdict

SCHEMA = 1


def to_json(found: Reproduction) -> str:
    """One JSON object; accuracies in per cent, losses in nats, null where runs are missing."""
    document = {
        "schema": SCHEMA,
        "report": {
            "id": found.spec.id,
            "title": found.spec.title,
            "author": found.spec.author,
            "date": found.spec.date,
            "digest": found.spec.digest,
        },
        "level": found.level,
        "accuracies": [_row(row) for row in found.rows],
        "claims": [_claim(verdict, found.caveats.get(verdict.claim.id)) for verdict in found.claims],
        "findings": [_finding(finding) for finding in found.findings],
        "panels": [_panel(panel) for panel in found.panels],
        "ranges": [asdict(entry) for entry in found.ranges],
        "provenance": asdict(found.provenance) if found.provenance else None,
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _row(row: Row) -> dict[str, Any]:
    return {
        "experiment": row.experiment.id,
        "section": row.experiment.section,
        "figures": row.experiment.figures,
        "reported": row.experiment.reported,
        "seeds": row.seeds,
        "accuracies": row.accuracies,
        "mean": row.mean,
        "sd": row.sd,
        "low": row.low,
        "high": row.high,
        "p": row.p,
        "verdict": row.verdict,
        "note": row.note,
    }


def _claim(verdict: ClaimVerdict, caveat: Caveat | None) -> dict[str, Any]:
    return {
        "id": verdict.claim.id,
        "text": verdict.claim.text,
        "kind": verdict.claim.kind,
        "metric": verdict.claim.metric,
        "margin": verdict.claim.margin,
        "verdict": verdict.verdict,
        "caveat": caveat and _caveat(verdict, caveat),
        "seeds_needed": verdict.seeds,
        "comparisons": [asdict(part) for part in verdict.comparisons],
        "details": [asdict(part) for part in verdict.details],
    }


def _caveat(verdict: ClaimVerdict, caveat: Caveat) -> dict[str, Any]:
    return {
        "text": f"{verdict.verdict} {qualification(caveat)}",
        "others": other_protocols(verdict, caveat),
        "not_reproduced": caveat.experiments,
        "protocols": [
            {
                "protocol": other.candidate,
                "label": other.label,
                "fits": other.fits,
                "figure": other.figure,
                "seeds": other.n,
                "cells": {experiment: asdict(cell) for experiment, cell in other.cells.items()},
            }
            for other in caveat.elsewhere
        ],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    search = finding.search
    return {
        "id": finding.quirk.id,
        "title": finding.quirk.title,
        "summary": finding.summary,
        "missing": finding.missing,
        "sets": [
            {
                "experiment": sets.experiment.id,
                "test": sets.test,
                "train": sets.train,
                "running": sets.running,
            }
            for sets in finding.sets
        ],
        "accumulated": [
            {
                "experiment": curve.experiment.id,
                "seed": curve.seed,
                "epochs": curve.epochs,
                "loss": curve.loss,
                "summed": curve.summed,
                "ratio": curve.ratio,
            }
            for curve in finding.accumulated
        ],
        "search": search
        and [
            {
                "protocol": line.candidate.id if line.candidate else "report",
                "label": line.label,
                "cells": {experiment: asdict(cell) for experiment, cell in line.cells.items()},
            }
            for line in search.lines
        ],
    }


def _panel(panel: RedrawnPanel) -> dict[str, Any]:
    return {
        "id": panel.panel.id,
        "experiment": panel.experiment.id,
        "kind": panel.panel.kind,
        "seeds": panel.n,
        "curve": asdict(panel.curve) if panel.curve else None,
        "confusion": panel.confusion,
        "note": panel.note,
    }
