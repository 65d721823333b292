"""Networks put together from layer objects: ``Sequential(Linear(784, 500), Tanh())``, ``net.add(layer)``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.authoring import roles
from harness.authoring.anatomy import Anatomy, Class, Function
from harness.authoring.hints import named
from harness.authoring.passes import training_calls
from harness.authoring.roles import PASS_ROLES, call, find

PAIRS = "for a, b in zip(layer_sizes[:-1], layer_sizes[1:])"
FORWARD_NAMES = ("forward", "__call__", "predict", "forward_pass")


def container_calls(anatomy: Anatomy) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield (the container's name, the constructor, the table of activation classes)."""
    table = named([cls.name for cls in anatomy.classes])
    layers = [cls for cls in anatomy.classes if _is_layer(cls)]
    softmax = next((c.name for c in anatomy.classes if c.name.lower() in ("softmax", "softmaxlayer")), "")
    for cls in anatomy.classes:
        for layer in layers:
            if not table or cls is layer or _forward(cls) is None:
                continue
            parts = f"[part {PAIRS} for part in ({layer.name}(a, b), {{activation}}())][:-1]"
            for whole in (parts, f"{parts} + [{softmax}()]") if softmax else (parts,):
                made = _put_together(cls, whole)
                if made:
                    yield cls.name, made, table


def container_passes(anatomy: Anatomy, name: str) -> Iterator[dict[str, str]]:
    """Yield the functions of a container: its own, with a loss function that starts the backward pass."""
    cls = next(c for c in anatomy.classes if c.name == name)
    forward = _forward(cls)
    backward = next((m for m in find(cls.methods, roles.BACKWARD) if len(m.required) <= 1), None)
    if forward is None or backward is None:
        return
    run = "model(X)" if forward.name == "__call__" else f"model.{forward.name}(X)"
    training = training_calls(cls.methods, "model.", {}, [], updates=False)
    if not training:
        training = _step(anatomy)
    kept = criterion_call(anatomy)
    if kept and not backward.required:
        # It is the object of the loss that the backward pass starts from: it has to see the batch first.
        start = f"_loss = {kept}; model.{backward.name}()"
        yield {"forward": f"output = {run}", "loss": kept, "backward": start, **training}
    for loss, start in _starts(anatomy):
        argument = start if backward.required else ""
        whole = {"forward": f"output = {run}", **loss, "backward": f"{argument}model.{backward.name}(slope)"}
        if not backward.required:
            whole["backward"] = f"model.{backward.name}()"
        yield {**whole, **training}


def criterion_call(anatomy: Anatomy) -> str:
    """The call of a loss object that the network keeps: ``model.criterion.forward(output, y)``."""
    for cls in anatomy.classes:
        forward = cls.method("forward") or cls.method("__call__") or cls.method("loss")
        kept = re.search(rf"self\.(\w+)\s*=\s*{cls.name}\(", anatomy.text)
        if forward is not None and kept and cls.method("backward") and len(forward.required) == 2:
            made = call(forward, PASS_ROLES, {"output": "output", "y": "y", "X": "output"})
            if made is not None:
                return f"model.{kept.group(1)}.{made}".replace(".__call__(", "(")
    return ""


def _starts(anatomy: Anatomy) -> Iterator[tuple[dict[str, str], str]]:
    """Yield (the loss, the statement that binds ``slope``) from functions of the output and the labels."""
    values = {"output": "output", "y": "y", "X": "output"}
    functions = [f for f in anatomy.functions if len(f.required) == 2]
    calls = [(f, call(f, PASS_ROLES, values)) for f in functions]
    taking_both = [
        (f, made) for f, made in calls if made and "output" in made and "y" in made.split("(", 1)[1]
    ]
    losses = [made for f, made in taking_both if len(f.returned) == 1 and not _is_slope(f)]
    for function, made in taking_both:
        if len(function.returned) == 2:
            yield {}, f"loss, slope = {made}; "
        elif _is_slope(function):
            loss = {"loss": losses[0]} if losses else {}
            yield loss, f"slope = {made}; "
    yield {}, "slope = (output - Y) / len(Y); "


def _is_slope(function: Function) -> bool:
    return any(word in function.name.lower() for word in ("grad", "prime", "deriv", "delta", "backward"))


def _step(anatomy: Anatomy) -> dict[str, str]:
    """An optimizer that is a function of the network and the learning rate."""
    for function in anatomy.functions:
        made = call(function, PASS_ROLES, {"model": "model", "rate": "learning_rate"})
        if made and "model" in made and "learning_rate" in made:
            return {"update": made}
    return {}


def _is_layer(cls: Class) -> bool:
    """Whether objects of a class are made of two sizes."""
    init = cls.method("__init__")
    if init is None or len(init.required) != 2 or _forward(cls) is None:
        return False
    return [roles.role_of(p, roles.CONSTRUCTOR_ROLES) for p in init.required] == ["inputs", "outputs"] or (
        cls.name.lower() in ("linear", "dense", "fclayer", "fullyconnected", "affine", "layer", "linearlayer")
    )


def _forward(cls: Class) -> Function | None:
    return next((m for name in FORWARD_NAMES if (m := cls.method(name)) and len(m.required) == 1), None)


def _put_together(cls: Class, parts: str) -> str:
    init = cls.method("__init__")
    if init is not None and init.starred:
        return f"{cls.name}(*{parts})"
    if (
        init is not None
        and len(init.required) == 1
        and roles.role_of(init.required[0], roles.CONSTRUCTOR_ROLES)
    ):
        return f"{cls.name}({parts})"
    if cls.method("add") is not None and (init is None or not init.required):
        return f"model = {cls.name}(); _ = [model.add(part) for part in {parts}]"
    return ""
