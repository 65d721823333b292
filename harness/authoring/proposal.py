"""Guesses at a manifest, best first: what the names in a file suggest, to be tried in the sandbox."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from harness.authoring import roles
from harness.authoring.anatomy import Anatomy, Class, Function
from harness.authoring.containers import container_calls, container_passes, criterion_call
from harness.authoring.hints import activation_choices
from harness.authoring.passes import (
    TRAINING,
    TRAINING_WANTED,
    backward_calls,
    forward_calls,
    training_calls,
)
from harness.authoring.roles import call, find

SIZES = {
    "sizes": "layer_sizes",
    "inputs": "inputs",
    "hidden": "hidden",
    "outputs": "outputs",
    "seed": "seed",
    "rng": "np.random.default_rng(seed)",
    "X": "X",
    "y": "y",
    "no_epochs": "0",
    "rate": "0.01",
    "batch": "64",
}
CONSTRUCTOR_WANTED = frozenset(
    ["sizes", "inputs", "hidden", "hidden_at", "outputs", "activation", "seed", "rng"]
)


@dataclass(frozen=True, kw_only=True)
class Guess:
    """A kind of submission: the manifest's keys that the names decide, and why."""

    kind: str
    keys: dict[str, Any]
    functions: dict[str, str] = field(default_factory=dict)
    free: bool = True  # labels, axis and output are still to be found out


def guesses(anatomy: Anatomy) -> Iterator[Guess]:
    """Yield guesses, likely ones first."""
    if anatomy.has_build:
        yield Guess(kind="the contract: it defines build", keys={}, free=False)
    yield from _torch(anatomy)
    yield from _sklearn(anatomy)
    yield from _keras(anatomy)
    yield from _objects(anatomy)
    yield from _containers(anatomy)
    yield from _functions(anatomy)
    yield from _globals(anatomy)


def _constructors(
    anatomy: Anatomy, init: Function, *, told: bool = False
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield calls that make the network, with the table of activation names each needs.

    ``told`` says that the passes take the activation, where the constructor does not.
    """
    parameter = told or any(
        roles.role_of(p, roles.CONSTRUCTOR_ROLES) == "activation" for p in init.parameters
    )
    for activation, table in activation_choices(anatomy, parameter=parameter):
        for hidden in ("hidden", "hidden[0]"):
            values = {**SIZES, "activation": activation, "hidden": hidden}
            made = call(init, roles.CONSTRUCTOR_ROLES, values, wanted=CONSTRUCTOR_WANTED)
            if made is not None and (hidden == "hidden" or "hidden[0]" in made):
                yield made, table


def _keys(constructor: str, table: dict[str, str], **more: Any) -> dict[str, Any]:
    keys = {**more, "constructor": constructor}
    if table:
        usual = all(key == value for key, value in table.items())
        keys["activations"] = list(table) if usual else table
    return keys


def _torch(anatomy: Anatomy) -> Iterator[Guess]:
    for cls in anatomy.classes:
        maker = cls.maker
        if "Module" not in cls.bases or maker is None or cls.method("forward") is None:
            continue
        text = anatomy.text
        output = "log_probabilities" if "log_softmax" in text or "LogSoftmax" in text else "logits"
        if output == "logits" and re.search(r"\bsoftmax\(|Softmax\(", text):
            output = "probabilities"
        values = {
            **TRAINING,
            "model": "model",
            "loader": "loader",
            "device": "'cpu'",
            "criterion": "criterion",
        }
        values["optimizer"] = "torch_optimizer"
        fits = [
            call(f, roles.PASS_ROLES, values, wanted=TRAINING_WANTED)
            for f in find(anatomy.functions, roles.FIT)
        ]
        fits = [f"[{fit} for _ in range(epochs)]" if "epochs" not in fit else fit for fit in fits if fit]
        for made, table in _constructors(anatomy, maker):
            for fit in [*fits, None]:
                keys = _keys(made, table, adapter="torch")
                keys |= {"output": output} if output != "logits" else {}
                functions = {"fit": fit} if fit else {}
                yield Guess(kind=f"a torch module, {cls.name}", keys=keys, functions=functions, free=False)


def _sklearn(anatomy: Anatomy) -> Iterator[Guess]:
    if "MLPClassifier" not in anatomy.identifiers and "MLPClassifier" not in anatomy.text:
        return
    values = {"hidden": "hidden", "activation": "activation", "seed": "seed"}
    for function in anatomy.functions:
        if "MLPClassifier" in function.reads:
            made = call(function, roles.CONSTRUCTOR_ROLES, values, wanted=CONSTRUCTOR_WANTED)
            if made:
                yield Guess(
                    kind="a scikit-learn perceptron", keys=_keys(made, {}, adapter="sklearn"), free=False
                )
    made = "MLPClassifier(hidden_layer_sizes=hidden, activation=activation, random_state=seed)"
    yield Guess(kind="a scikit-learn perceptron", keys=_keys(made, {}, adapter="sklearn"), free=False)


def _keras(anatomy: Anatomy) -> Iterator[Guess]:
    alike = any(c.method("train_on_batch") and c.method("get_weights") for c in anatomy.classes)
    if not alike and "keras" not in anatomy.frameworks:
        return
    for function in find(anatomy.functions, roles.INIT):
        for made, table in _constructors(anatomy, function):
            for labels in ("one_hot", "index"):
                keys = _keys(made, table, adapter="keras", labels=labels)
                yield Guess(kind="a Keras-like model", keys=keys, free=False)


def _objects(anatomy: Anatomy) -> Iterator[Guess]:
    folded = re.search(r"(hstack|vstack|concatenate|column_stack|insert|append|c_\[|r_\[)", anatomy.text)
    biases: list[dict[str, str]] = [{}]
    if folded and "ones" in anatomy.identifiers:
        biases += [{"bias": "last_row"}, {"bias": "first_row"}]
    ranked = sorted(anatomy.classes, key=lambda c: -_likeness(c))
    for cls in [c for c in ranked if _likeness(c) > 0 and "Module" not in c.bases][:3]:
        maker = cls.maker
        if maker is None:
            continue
        criterion = criterion_call(anatomy)
        told = any(_chooses_activation(method) for method in find(cls.methods, roles.FORWARD))
        for made, table in _constructors(anatomy, maker, told=told):
            made = f"model = {made}; act = activation" if told else made
            for functions, updates in _passes(cls.methods, prefix="model.", states={}):
                if criterion and "loss" not in functions:
                    functions = _with_loss(functions, criterion)
                for bias in biases:
                    yield Guess(
                        kind=f"an object of the class {cls.name}",
                        keys=_updating(made, table, updates) | bias,
                        functions=functions,
                    )


def _with_loss(functions: dict[str, str], loss: str) -> dict[str, str]:
    """The functions with the loss between forward and backward, where it is run."""
    after = {name: text for name, text in functions.items() if name != "forward"}
    return {"forward": functions["forward"], "loss": loss, **after}


def _containers(anatomy: Anatomy) -> Iterator[Guess]:
    for name, made, table in container_calls(anatomy):
        for functions in container_passes(anatomy, name):
            kind = f"layer objects in a {name}"
            yield Guess(kind=kind, keys=_keys(made, table), functions=functions)


def _likeness(cls: Class) -> int:
    """How much a class looks like a network: layers have forward and backward too, but take no sizes."""
    init = cls.method("__init__")
    parameters = init.parameters if init else ()
    sizes = {roles.role_of(p, roles.CONSTRUCTOR_ROLES) for p in parameters} & {
        "sizes",
        "hidden",
        "hidden_at",
        "X",
    }
    groups = (roles.FORWARD, roles.BACKWARD, roles.FIT)
    return sum(bool(find(cls.methods, group)) for group in groups) + 3 * bool(sizes) if parameters else 0


def _functions(anatomy: Anatomy) -> Iterator[Guess]:
    for init in find(anatomy.functions, roles.INIT)[:3]:
        names = [n for n in init.returned if n]
        whole = len(init.returned) > 1 and len(names) == len(init.returned)
        target = ", ".join(names) if whole else "params"
        states = dict.fromkeys(names) if whole else {"params": None}
        for activation, table in activation_choices(anatomy, parameter=_takes_activation(anatomy)):
            values = {**SIZES, "activation": activation}
            made = call(init, roles.CONSTRUCTOR_ROLES, values, wanted=CONSTRUCTOR_WANTED)
            if made is None:
                continue
            made = f"{target} = {made}"
            sized = any(role in made for role in ("layer_sizes", "inputs", "hidden", "outputs"))
            exact = {name: name for name in states}
            if _takes_activation(anatomy):
                made += f"; act = {activation}"
            for functions, updates in _passes(anatomy.functions, prefix="", states=exact):
                yield Guess(
                    kind=f"functions around {init.name}",
                    keys=_updating(made, table, updates) | ({} if sized else _numbered(names)),
                    functions=functions,
                )


def _numbered(names: list[str]) -> dict[str, Any]:
    """The places of W and b where each is a name of its own with a number: W1, b1, W2 ..."""
    stems = list(dict.fromkeys(name.rstrip("0123456789") for name in names if name[-1:].isdigit()))
    return {"weights": [f"{stem}{{i}}" for stem in stems]} if len(stems) == 2 else {}


def _takes_activation(anatomy: Anatomy) -> bool:
    passes = find(anatomy.functions, roles.FORWARD)
    return any(_chooses_activation(f) for f in passes)


def _chooses_activation(function: Function) -> bool:
    """Whether a pass is told its activation, or has one of them for a default."""
    named = {p for p, text in function.defaults.items() if roles.names_activation(text)}
    chosen = [p for p in function.parameters if p in function.required or p in named]
    return any(roles.role_of(p, roles.PASS_ROLES) == "activation" for p in chosen)


def _globals(anatomy: Anatomy) -> Iterator[Guess]:
    """Functions that read weights bound at the top level: W1, b1, W2 ..."""
    for W, b in (
        ("W", "b"),
        ("w", "b"),
        ("W_", "b_"),
        ("w_", "b_"),
        ("weights", "biases"),
        ("weights_", "bias_"),
    ):
        if f"{W}1" not in anatomy.values or f"{b}1" not in anatomy.values:
            continue
        for _, table in activation_choices(anatomy, parameter=False):
            for functions, updates in _passes(anatomy.functions, prefix="", states={}, module=True):
                keys = _updating("", table, updates) | {"weights": [f"{W}{{i}}", f"{b}{{i}}"]}
                del keys["constructor"]
                yield Guess(kind="functions around module-level weights", keys=keys, functions=functions)


def _updating(constructor: str, table: dict[str, str], updates: bool) -> dict[str, Any]:
    keys = _keys(constructor, table)
    return keys | ({"backward_updates": True} if updates else {})


def _passes(
    functions: tuple[Function, ...], *, prefix: str, states: dict[str, str], module: bool = False
) -> Iterator[tuple[dict[str, str], bool]]:
    """Yield tables of functions, each forward with each backward pass, and whether the latter updates."""
    for name, forward, exact in forward_calls(functions, prefix, states):
        for backward in backward_calls(functions, prefix, exact, exclude=name, module=module):
            updates = bool(backward.pop("updates", ""))
            gradients = backward.pop("names", "").split(",")
            training = training_calls(functions, prefix, states, gradients, updates=updates)
            yield {"forward": forward, **backward, **training}, updates
