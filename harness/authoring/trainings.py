"""Training loops in the shapes of well-known texts: a list of (x, y) pairs, a solver made around a network, a
function that is given the network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.authoring import roles
from harness.authoring.anatomy import Anatomy, Function
from harness.authoring.passes import TRAINING, TRAINING_WANTED
from harness.authoring.roles import PASS_ROLES, call, find

PAIRS = re.compile(r"(train(ing)?_?)?(data(set)?|set|examples|samples|pairs)", re.IGNORECASE)
SPLIT = "{'X_train': X, 'y_train': y, 'X_val': X, 'y_val': y}"  # of the solvers of Stanford's CS231n
RATES = "{'learning_rate': learning_rate}"  # and how they are given the settings of their update rule


def other_trainings(anatomy: Anatomy, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield snippets for ``fit``, for a manifest that reads everything else and has no training."""
    network = "model" if str(manifest.get("constructor", "")).strip() else ""
    values = {**TRAINING, "model": network} if network else TRAINING
    methods = [f for cls in anatomy.classes for f in cls.methods] if network else []
    for function, prefix in [(f, "model.") for f in methods] + [(f, "") for f in anatomy.functions]:
        if function not in find([function], roles.FIT) or not function.required:
            continue
        first = function.required[0]
        paired = not any(roles.role_of(p, PASS_ROLES) == "y" for p in function.required)
        exact = {first: _pairs(manifest)} if paired and PAIRS.fullmatch(first) else {}
        if (made := _training(function, values, exact, prefix)) is not None:
            yield made
    if network:
        yield from _solvers(anatomy, values)


def _pairs(manifest: Mapping[str, Any]) -> str:
    """The examples as a list of (x, y), each as the network takes one."""
    if manifest.get("batch_axis") != 1:
        return "list(zip(X, y))"
    label = "y[:, [i]]" if manifest.get("labels") == "one_hot" else "y[i]"
    return f"[(X[:, [i]], {label}) for i in range(X.shape[1])]"


def _training(
    function: Function, values: Mapping[str, str], exact: Mapping[str, str], prefix: str
) -> str | None:
    made = call(function, PASS_ROLES, values, exact=exact, prefix=prefix, wanted=TRAINING_WANTED)
    told = made is not None and all(word in made for word in ("X", "y", "epochs", "batch_size"))
    return made if told else None


def _solvers(anatomy: Anatomy, values: Mapping[str, str]) -> Iterator[str]:
    """Yield ``Solver(model, data, ...).train()`` for classes that are made around a network."""
    for cls in anatomy.classes:
        maker = cls.maker
        loops = [f for f in find(cls.methods, roles.FIT) if not f.required]
        if (
            maker is None
            or not loops
            or "model" not in [roles.role_of(p, PASS_ROLES) for p in maker.required]
        ):
            continue
        exact = {"data": SPLIT} if "X_train" in anatomy.constants else {}
        exact |= {"optim_config": RATES} if "optim_config" in maker.parameters else {}
        exact |= {"verbose": "False"} if "verbose" in maker.parameters else {}
        made = call(maker, PASS_ROLES, values, exact=exact, wanted=TRAINING_WANTED)
        if made is not None and "X" in made and "learning_rate" in made:
            yield f"{made}.{loops[0].name}()"
