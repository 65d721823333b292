"""The record as HTML pages that stand alone: no scripts, nothing fetched, light or dark like the screen.

Every string is made visible first (``text``) and escaped by the template after that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

import harness
from harness.records import CheckResult, ExperimentResult, Record, Status, Verdict
from harness.views import evidence, facts, svg, text

OPEN_UP_TO = 12  # more submissions than this on one page: their sections are folded
PICTURES_UP_TO = 60  # more than this: pictures on the submissions' own pages only, to keep the page readable


def render_html(record: Record, *, links: Mapping[int, str] | None = None) -> str:
    """Return one page: a submission's report, or the class with every submission below the table.

    ``links`` maps a submission's place to the page that holds its report; those are then not repeated here.
    """
    count = len(record.submissions)
    groups = facts.columns(record.submissions)
    alone = count == 1 and not links
    sections = (
        []
        if links
        else [_section(verdict, pictures=count <= PICTURES_UP_TO) for verdict in record.submissions]
    )
    return _template().render(
        title=text.name(record.submissions[0].name) if alone else "backcheck",
        alone=alone,
        class_line=facts.class_line(record),
        errors=[text.line(error) for error in record.harness_errors],
        groups=[text.name(group) for group in groups],
        rows=[_row(verdict, groups) for verdict in record.submissions],
        hrefs=[(links or {}).get(index, f"#s{index}") for index in range(count)],
        sections=sections,
        unfolded=count <= OPEN_UP_TO,
        pictured=count <= PICTURES_UP_TO,
        environment={text.name(str(key)): _fact(value) for key, value in record.environment.items()},
        seed=record.seed if record.environment else None,
        profile=record.profile,
        version=harness.__version__,
        style=_style(),
    )


def _fact(value: object) -> str:
    """Return a fact of the environment as a reader writes it: ``numpy 2.4.6, scipy 1.17.1`` for a table."""
    if isinstance(value, Mapping):
        value = ", ".join(f"{key} {version or '(not installed)'}" for key, version in value.items())
    return text.line(str(value))


@cache
def _template() -> Template:
    environment = Environment(
        loader=FunctionLoader(lambda name: _resource(name)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def _resource(name: str) -> str:
    return resources.files("harness.views").joinpath("templates", name).read_text("utf-8")


@cache
def _style() -> Markup:
    return Markup(_resource("style.css"))


def _row(verdict: Verdict, groups: Sequence[str]) -> dict[str, Any]:
    return {
        "name": text.name(verdict.name),
        "part": text.name(verdict.part),
        "score": facts.points(verdict.score, verdict.max_score),
        "cells": [_cell(facts.group_score(verdict, group)) for group in groups],
    }


def _cell(score: facts.GroupScore) -> dict[str, str]:
    kind = "none" if score.planned == 0 else "full" if score.complete else "part" if score.points else "zero"
    return {"text": facts.group_cell(score), "kind": kind}


def _section(verdict: Verdict, *, pictures: bool) -> dict[str, Any]:
    """Return what the template shows of one submission."""
    groups = [group for group in facts.columns([verdict]) if facts.group_score(verdict, group).planned]
    return {
        "name": text.name(verdict.name),
        "part": text.name(verdict.part),
        "score": facts.points(verdict.score, verdict.max_score),
        "share": facts.percentage(verdict.score, verdict.max_score),
        "seconds": facts.duration(verdict.seconds),
        "groups": [_group(facts.group_score(verdict, group)) for group in groups],
        "findings": [_finding(finding) for finding in facts.findings(verdict)],
        "gradients": _gradients(verdict.checks) if pictures else [],
        "experiments": [_experiment(each, pictures=pictures) for each in verdict.experiments],
        "notes": [text.line(note) for note in verdict.notes],
    }


def _group(score: facts.GroupScore) -> dict[str, Any]:
    share = facts.percentage(score.points, score.max_points)
    return {
        "name": text.name(score.name),
        "passed": f"{score.passed} of {score.planned}",
        "share": share if score.max_points else 100.0 * score.complete,
        **_cell(score),
    }


def _finding(finding: facts.Finding) -> dict[str, Any]:
    return {
        "ids": text.name(facts.id_list(finding.ids, limit=8), 240),
        "label": facts.LABELS[finding.status],
        "kind": _kind(finding.status),
        "message": text.line(finding.message),
        "detail": text.block(finding.detail),
        "diagnosis": text.name(finding.diagnosis) if finding.diagnosis else "",
    }


def _kind(status: Status) -> str:
    """Return the colour class of a status."""
    if status is Status.PASS:
        return "full"
    return "part" if status in facts.UNMEASURED or status is Status.HARNESS_ERROR else "zero"


def _gradients(checks: Sequence[CheckResult]) -> list[dict[str, Any]]:
    """Return the gradient pictures: of every check that failed, or of the first when all is right."""
    found = [(check, evidence.tensor_fits(check.evidence)) for check in checks]
    found = [(check, fits) for check, fits in found if fits]
    wrong = [(check, fits) for check, fits in found if check.status is not Status.PASS]
    alike: dict[tuple[evidence.TensorFit, ...], list[str]] = {}
    for check, fits in wrong or found[:1]:
        alike.setdefault(fits, []).append(check.id)
    names = {fits: text.name(facts.id_list(ids), 120) for fits, ids in alike.items()}
    return [{"id": names[fits], "picture": svg.gradient_picture(fits, names[fits])} for fits in alike]


def _experiment(experiment: ExperimentResult, *, pictures: bool) -> dict[str, Any]:
    curves = evidence.curves(experiment.evidence) if pictures else ()
    table = evidence.confusion(experiment.evidence) if pictures else ()
    return {
        "id": text.name(experiment.id),
        "reported": facts.reported(experiment.reported),
        "range": facts.expected_range(experiment.low, experiment.high),
        "accuracies": facts.accuracies(experiment.accuracies),
        "label": facts.LABELS[experiment.status],
        "kind": _kind(experiment.status),
        "curves": [svg.curve_picture(curve, experiment.id) for curve in curves],
        "confusion": [_confusion_row(row, index) for index, row in enumerate(table)],
    }


def _confusion_row(row: Sequence[int], true: int) -> list[dict[str, Any]]:
    total = sum(row) or 1
    return [
        {"count": count, "share": round(count / total, 3), "hit": predicted == true}
        for predicted, count in enumerate(row)
    ]
