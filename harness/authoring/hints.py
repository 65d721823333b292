"""What a source hints at: the form of labels and batches, and what it calls its activations."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.authoring.anatomy import Anatomy

SYNONYMS = {
    "sigmoid": ("sigmoid", "logistic", "sigm"),
    "tanh": ("tanh", "hyperbolic"),
    "relu": ("relu", "rectifier"),
}
ONE_HOT = re.compile(r"one_?hot|np\.eye|to_categorical|get_dummies|OneHotEncoder", re.IGNORECASE)
LOGS = re.compile(r"log_?sum_?exp|log_?softmax|log.?prob", re.IGNORECASE)
FANCY = re.compile(r"(arange|range)\((len\(|\w+\.shape|n\b|m\b|batch|\w+\))")
COLUMNS = re.compile(r"(dot|matmul)\(\s*[\w.]*[wW]\w*(\[[^\]]*\])*(\.T)?\s*,|[\w.]*\bW\w*(\[[^\]]*\])* @ ")


@dataclass(frozen=True, kw_only=True)
class Form:
    """What names rarely tell: how labels and batches are given, and what comes out."""

    labels: str = "index"
    batch_axis: int = 0
    one_example: bool = False
    output: str = "probabilities"
    input_scale: int = 1

    def keys(self) -> dict[str, Any]:
        """The manifest's keys of this form, without the usual values."""
        usual = Form()
        names = ("labels", "batch_axis", "one_example", "output", "input_scale")
        return {name: getattr(self, name) for name in names if getattr(self, name) != getattr(usual, name)}


def forms(anatomy: Anatomy) -> list[Form]:
    """All forms, the ones that the source hints at first."""
    one_hot = bool(ONE_HOT.search(anatomy.text)) or not FANCY.search(anatomy.text)
    columns = bool(COLUMNS.search(anatomy.text))
    # Who divides by 255 inside a function expects pixels from 0 to 255.
    scales = (1, 255) if "255" in anatomy.text else (1,)
    logs = ("log_probabilities",) if LOGS.search(anatomy.text) else ()
    every = [
        Form(labels=labels, batch_axis=axis, one_example=one, output=output, input_scale=scale)
        for labels, axis, one, output, scale in itertools.product(
            ("index", "one_hot"), (0, 1), (False, True), ("probabilities", "logits", *logs), scales
        )
    ]

    def surprise(form: Form) -> int:
        return (
            2 * ((form.labels == "one_hot") != one_hot)
            + 2 * ((form.batch_axis == 1) != columns)
            + 3 * form.one_example
            + (form.output != "probabilities")
            + 2 * (form.input_scale != 1)
        )

    return sorted(every, key=surprise)


def activation_choices(anatomy: Anatomy, *, parameter: bool) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (what to give for the activation, the manifest's table of names)."""
    if not parameter:
        used = [a for a in SYNONYMS if any(a in name.lower() for name in anatomy.identifiers)]
        if "relu" not in used and "maximum" in anatomy.identifiers:
            used.append("relu")
        yield from (("activation", {name: name}) for name in used or SYNONYMS)
        return
    tables = [(n, keys) for n, keys in anatomy.tables.items() if named(keys)]
    for name, keys in tables:
        own = named(keys)
        yield f"{name}[activation]", {} if _usual(own) else own
    classes = named([c.name for c in anatomy.classes])
    functions = named([f.name for f in anatomy.functions])
    texts = named(sorted(anatomy.constants))
    if not texts or all(key == own for key, own in texts.items()):
        yield "activation", {}
    for own in (texts, classes, functions):
        if own and (own is not texts or not _usual(own)):
            yield "activation" if own is texts else "{activation}", own


def named(names: list[str] | tuple[str, ...]) -> dict[str, str]:
    """The contract's activations that some of the names stand for, exact names first."""
    found = {}
    for activation, synonyms in SYNONYMS.items():
        fitting = [name for name in names if name.lower() in synonyms]
        if fitting:
            found[activation] = sorted(fitting, key=lambda name: name != activation)[0]
    return found


def _usual(own: dict[str, str]) -> bool:
    return len(own) == len(SYNONYMS) and all(key == value for key, value in own.items())
