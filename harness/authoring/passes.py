"""Forward passes, backward passes, steps and training loops as snippets, from the names of what they take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.authoring import roles
from harness.authoring.anatomy import Function
from harness.authoring.roles import PASS_ROLES, call, find

BATCH = {"X": "X", "y": "y", "output": "output", "model": "params", "activation": "act", "count": "len(y)"}
TRAINING = {
    "X": "X",
    "y": "y",
    "epochs": "epochs",
    "batch": "batch_size",
    "rate": "learning_rate",
    "optimizer": "optimizer",
    "decay": "weight_decay",
    "seed": "0",
}
TRAINING_WANTED = frozenset(["epochs", "batch", "rate", "optimizer", "decay"])
RATE_NAMES = ("learning_rate", "lr", "eta", "alpha")
LOSS_NAMES = ("loss", "cost", "l", "error", "loss_value")


def forward_calls(
    functions: tuple[Function, ...], prefix: str, states: Mapping[str, str]
) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield (function's name, snippet, the names that later snippets may use) for each forward pass."""
    # A loss that takes labels or not, and returns scores without them, is a forward pass too.
    either = [f for f in find(functions, roles.LOSS) if f.required and _labels_optional(f)]
    for function in [*find(functions, roles.FORWARD), *either]:
        # A trailing method that picks classes is no forward pass, though it is often named like one.
        alone = function.required[:1] if len(function.required) == 1 else ()
        values = {**BATCH, "output": ""}
        made = call(
            function, PASS_ROLES, values, exact={**states, **dict.fromkeys(alone, "X")}, prefix=prefix
        )
        if made is None or "X" not in made or "argmax" in function.reads:
            continue
        made = made.replace(f"{prefix}__call__(", f"{prefix.rstrip('.')}(")
        returned = function.returned if function not in either else ("",)
        names = [name or f"part{i}" for i, name in enumerate(returned)]
        exact = {**states, **{name: name for name in names}}
        if len(names) < 2:
            # Many loops end with `return x`: that x is no name for the output anywhere else.
            names = [name for name in names if roles.role_of(name, PASS_ROLES) not in ("X", "y")]
            yield function.name, f"output = {made}", {**states, **dict.fromkeys(names, "output")}
            # Some return the activations of every layer, the output last.
            last = {**states, **dict.fromkeys(names, "acts"), "acts": "acts"}
            yield function.name, f"acts = {made}; output = acts[-1]", last
        else:
            targets = ", ".join(names)
            for name in (names[0], names[-1]):
                yield function.name, f"{targets} = {made}; output = {name}", exact


def backward_calls(
    functions: tuple[Function, ...], prefix: str, exact: Mapping[str, str], *, exclude: str, module: bool
) -> Iterator[dict[str, str]]:
    """Yield the backward pass with its loss function; ``updates`` marks one that also steps."""
    loss = _loss(functions, prefix, exact)
    either = [f for f in find(functions, roles.LOSS) if _labels_optional(f) and len(f.returned) > 1]
    for function in [*find(functions, roles.BACKWARD), *either]:
        if function.name == exclude and function not in either:
            continue
        values = {
            **BATCH,
            "rate": "learning_rate",
            "cache": exact.get("caches", exact.get("cache", "output")),
        }
        if "acts" in exact:
            values["cache"] = "acts"
        made = call(function, PASS_ROLES, values, exact=exact, prefix=prefix, wanted=frozenset(["rate", "y"]))
        if made is None:
            continue
        rate = next((name for name in RATE_NAMES if name in function.reads), "")
        updates = function.assigns and (bool(rate) or "learning_rate" in made)
        setting = _setting(function, prefix, rate, module=module) if updates else ""
        # A function that updates may call one that does not, so both readings are tried.
        for stepping in (True, False) if updates else (False,):
            found = {"backward": f"{setting if stepping else ''}{_targets(function)}{made}", **loss}
            found["names"] = ",".join(function.returned)
            if _targets(function).startswith("loss"):
                found.pop("loss", None)
            yield found | ({"updates": "yes"} if stepping else {})


def training_calls(
    functions: tuple[Function, ...],
    prefix: str,
    exact: Mapping[str, str],
    gradients: list[str],
    *,
    updates: bool,
) -> dict[str, str]:
    """The training function if all that it needs is known, else the update, if there is one."""
    own = _fit(functions, prefix, exact)
    if own is not None and "batch_size" in own:
        return {"fit": own}
    if not updates:
        known = {**exact, **{name: name for name in gradients if name}}
        for function in find(functions, roles.UPDATE):
            made = _update(function, prefix, known)
            if made is not None:
                return {"update": made}
    # A loop that knows no batches is the last choice: the harness's loop around the own step says more.
    return {"fit": own} if own is not None and not updates else {}


def _fit(functions: tuple[Function, ...], prefix: str, exact: Mapping[str, str]) -> str | None:
    """The submission's own training loop, if all that it needs is known."""
    values = {**TRAINING, "activation": "act", "model": "params"}
    makers = {function.name for function in find(functions, roles.INIT)}
    for function in find(functions, roles.FIT):
        if makers & function.reads - {function.name}:
            continue  # it draws weights of its own: those that it is given would never be trained
        made = call(function, PASS_ROLES, values, exact=exact, prefix=prefix, wanted=TRAINING_WANTED)
        if made is not None and "X" in made and "y" in made and "epochs" in made:
            made = made if "learning_rate" in made else _with_rate(functions, function, prefix, made)
            # Pure functions hand the trained parameters back.
            back = any(name in exact for name in function.returned)
            targets = ", ".join(name or f"_part{i}" for i, name in enumerate(function.returned))
            return f"{targets} = {made}" if back else made
    return None


def _update(function: Function, prefix: str, exact: Mapping[str, str]) -> str | None:
    """One step with the gradients of the backward pass, and where its result goes."""
    values = {**BATCH, "rate": "learning_rate", "gradients": "grads"}
    made = call(function, PASS_ROLES, values, exact=exact, prefix=prefix, wanted=frozenset(["rate"]))
    if made is None or "learning_rate" not in made:
        return None
    back = [name for name in function.returned if name]
    states = [name for name in exact if name in back] or (["params"] if "params" in exact else [])
    return f"{', '.join(states)} = {made}" if back and states else made


def _loss(functions: tuple[Function, ...], prefix: str, exact: Mapping[str, str]) -> dict[str, str]:
    for function in find(functions, roles.LOSS):
        made = call(function, PASS_ROLES, BATCH, exact=exact, prefix=prefix)
        if made is not None and "y" in made:
            return {"loss": made}
    return {}


def _targets(function: Function) -> str:
    """What the result is called: the loss apart from the gradients, where both come back."""
    if not function.returned:
        return ""
    if len(function.returned) > 2 and all(function.returned):
        return f"{', '.join(function.returned)} = "
    first = function.returned[0].lower()
    both = len(function.returned) == 2 and roles.role_of(function.returned[1], PASS_ROLES) == "gradients"
    if both:
        return "loss, grads = "
    alone = len(function.returned) == 1
    if first in LOSS_NAMES:
        return "loss = " if alone else "loss, grads = "
    return "grads = "


def _labels_optional(function: Function) -> bool:
    return any(
        roles.role_of(p, PASS_ROLES) == "y" and p not in function.required for p in function.parameters
    )


def _setting(function: Function, prefix: str, rate: str, *, module: bool) -> str:
    """The statement that sets the learning rate where the function reads it."""
    if any(roles.role_of(p, PASS_ROLES) == "rate" for p in function.parameters) or not rate:
        return ""
    holder = "module" if module or not prefix else "model"
    return f"{holder}.{rate} = learning_rate; "


def _with_rate(functions: tuple[Function, ...], function: Function, prefix: str, made: str) -> str:
    """The call with the rate set where it, or a function that it calls, reads it."""
    reads = function.reads.union(*(f.reads for f in functions if f.name in function.reads))
    rate = next((name for name in RATE_NAMES if name in reads), "")
    return f"{_setting(function, prefix, rate, module=False)}{made}" if rate else made
