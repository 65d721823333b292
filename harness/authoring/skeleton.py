"""A manifest to be finished by hand, with the names that a file holds, for what no guess fits.

Every line is TOML that the reader takes, or a comment; ``...`` stands where only the author knows the name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.authoring import roles
from harness.authoring.anatomy import Anatomy, Class, Function
from harness.authoring.hints import activation_choices, forms
from harness.authoring.passes import BATCH, RATE_NAMES, TRAINING
from harness.authoring.proposal import CONSTRUCTOR_WANTED as WANTED
from harness.authoring.proposal import SIZES

SEEN = {
    "constructor": re.compile(r"init|make|build|create|network|mlp|model|net", re.IGNORECASE),
    "forward": re.compile(r"forward|predict|query|feed|call|infer|logits|scores|output", re.IGNORECASE),
    "loss": re.compile(r"loss|cost|entropy|nll", re.IGNORECASE),
    "backward": re.compile(r"back|grad|train_step|on_batch|mini_?batch", re.IGNORECASE),
    "update": re.compile(r"update|apply|step|adjust", re.IGNORECASE),
    "fit": re.compile(r"fit|train|sgd|learn|descent", re.IGNORECASE),
}
NOT_A_PASS = re.compile(r"accuracy|evaluate|score$|test|deriv|prime|init|one_hot|zero", re.IGNORECASE)
PAIRS = (("coefs_", "intercepts_"), ("weights", "biases"), ("W", "b"), ("Ws", "bs"), ("w", "b"))
OTHERS = 3  # of the names that might have been meant as well
NAMES = {
    "constructor": "may use layer_sizes, inputs, hidden, outputs, depth, activation, seed",
    "forward": "may use X; should give the output",
    "loss": "may use X, y, output and what forward bound; leave it out to have it computed",
    "backward": "the same; gives the gradients, or leaves them in the network",
    "update": "one step, of learning_rate; not needed with fit or backward_updates",
    "fit": "may use X, y, epochs, batch_size, learning_rate, optimizer, weight_decay",
}


def skeleton(anatomy: Anatomy) -> Iterator[str]:
    """Yield the lines of the manifest; it is TOML, and a manifest once each ``...`` is replaced."""
    cls = _network(anatomy)
    states: dict[str, str] = {}
    made, others = _constructor(anatomy, cls, states)
    yield f"# {NAMES['constructor']}{others}"
    yield f'constructor = "{made}"' if made else '# constructor = "model = Net(layer_sizes, activation)"'
    functions = list(_functions(anatomy, cls, states))
    yield from _places(anatomy, cls, functions)
    likely = forms(anatomy)[0]
    # What the source hints at is proposed; the rest is there to be taken.
    yield _on(likely.labels == "one_hot", 'labels = "one_hot"  # y as rows of 0 and 1, not as class numbers')
    yield _on(likely.batch_axis == 1, "batch_axis = 1  # examples are columns")
    yield "# one_example = true  # the functions take one example at a time"
    yield '# output = "logits"  # forward ends before softmax; or "log_probabilities"'
    backward = functions[2][0]
    steps = backward is not None and _steps(backward)
    yield _on(steps, "backward_updates = true  # backward also steps the weights, at learning_rate")
    used = [next(iter(table)) for _, table in activation_choices(anatomy, parameter=False)]
    names = ", ".join(f'"{name}"' for name in used)
    fixed = "activation" not in made and len(used) < 3
    yield _on(fixed, f"activations = [{names}]  # if it has not all of sigmoid, tanh and relu")
    yield "[functions]"
    for _, lines in functions:
        yield from lines


def finds_names(anatomy: Anatomy) -> bool:
    """Whether any line of the skeleton has a name of the file's own."""
    cls = _network(anatomy)
    states: dict[str, str] = {}
    made, _ = _constructor(anatomy, cls, states)
    return bool(made) or any(function for function, _ in _functions(anatomy, cls, states))


def _on(likely: bool, row: str) -> str:
    return row if likely else f"# {row}"


def _steps(function: Function) -> bool:
    """Whether a backward pass seems to be a whole training step."""
    return re.search(r"train|on_batch|mini_?batch", function.name, re.IGNORECASE) is not None


def _setting(function: Function, prefix: str) -> str:
    """The statement that sets the rate of a step that is not told it."""
    told = any(_role(parameter, "backward") == "rate" for parameter in function.parameters)
    rate = next((name for name in RATE_NAMES if name in function.reads), "")
    return f"{prefix or 'module.'}{rate} = learning_rate; " if rate and not told else ""


def _network(anatomy: Anatomy) -> Class | None:
    """The class with most of what a network does; a layer has a forward and a backward pass alone."""

    def verbs(cls: Class) -> int:
        groups = (_fitting(cls.methods, what) for what in ("forward", "backward", "fit", "update"))
        return sum(map(bool, groups)) + bool(_fitting(cls.methods, "fit"))

    def named(cls: Class) -> bool:
        return re.search(r"net|mlp|model|perceptron", cls.name, re.IGNORECASE) is not None

    ranked = sorted(anatomy.classes, key=lambda cls: (verbs(cls), named(cls)), reverse=True)
    return next((c for c in ranked[:1] if verbs(c) > 1 or (verbs(c) and named(c))), None)


def _constructor(anatomy: Anatomy, cls: Class | None, states: dict[str, str]) -> tuple[str, str]:
    """The snippet, and the names that might have been meant instead; ``states`` takes what it binds."""
    makers = _fitting(anatomy.functions, "constructor")
    if cls is not None:
        every = cls.maker or Function(name=cls.name, line=cls.line, parameters=(), required=())
        named = [f for f in makers if cls.name in f.reads]
        states["model"] = "model"
        function = named[0] if named else every
        makers = [f for f in makers if f is not function]
    elif makers:
        function, *makers = makers
        names = [name for name in function.returned if name]
        whole = len(names) > 1 and len(names) == len(function.returned)
        states.update({name: name for name in names} if whole else {"params": "params"})
    else:
        return "", ""
    target = ", ".join(states)
    wanted = [p for p in function.parameters if p in function.required or _role(p, "constructor") in WANTED]
    values = {**SIZES, "activation": "activation"}
    text = _call(function, [p for p in function.parameters if p in wanted], "constructor", values, {})
    return f"{target} = {text}", _also(makers)


def _functions(
    anatomy: Anatomy, cls: Class | None, states: dict[str, str]
) -> Iterator[tuple[Function | None, list[str]]]:
    """Yield (the function, its lines) for each key of the table ``functions``."""
    known = dict(states)
    used: set[str] = set()
    for what in ("forward", "loss", "backward", "update", "fit"):
        methods = _fitting(cls.methods, what) if cls else []
        fitting = [f for f in [*methods, *_fitting(anatomy.functions, what)] if f.name not in used]
        comment = f"# {NAMES[what]}{_also(fitting[1:])}"
        if not fitting:
            example = {"fit": "train(X, y, epochs, batch_size, learning_rate)"}.get(what, f"{what}(...)")
            yield None, [comment, f'# {what} = "{example}"']
            continue
        function = fitting[0]
        used.add(function.name)
        prefix = "model." if function in methods else ""
        values = {**(TRAINING if what == "fit" else BATCH), "rate": "learning_rate", "model": _holder(states)}
        values["gradients"] = "grads"
        parameters = [p for p in function.parameters if p in function.required or p in known]
        parameters += [p for p in function.parameters if _role(p, what) == "rate" and p not in parameters]
        if what == "fit":
            parameters += [p for p in function.parameters if _role(p, what) in ("epochs", "batch")]
        text = prefix + _call(function, parameters, what, values, known).replace("__call__(", "(")
        text = text.replace("model.(", "model(")
        names = [name for name in function.returned if name]
        if what in ("forward", "backward") and len(names) > 1 and len(names) == len(function.returned):
            text = f"{', '.join(names)} = {text}"
            known.update({name: name for name in names})
        elif what == "forward":
            text = f"output = {text}"
        elif what == "backward" and _steps(function):
            text = f"{_setting(function, prefix)}loss = {text}"
        elif what == "backward":
            text = f"grads = {text}"
        elif what in ("update", "fit") and any(_role(name, what) == "model" for name in names):
            text = f"{_holder(states)} = {text}"  # pure functions hand the new parameters back
        # A step of its own is only right where there is no fit, so it is offered as a comment.
        yield function, [comment, f'{"# " if what == "update" else ""}{what} = "{text}"']


def _places(
    anatomy: Anatomy, cls: Class | None, functions: Sequence[tuple[Function | None, list[str]]]
) -> Iterator[str]:
    """Yield where the weights and the gradients may be, as far as names tell."""
    pair = next(((w, b) for w, b in PAIRS if {w, b} <= anatomy.identifiers), ("W", "b"))
    holder = "model." if cls else ""
    yield "# where W and b of each layer are (k from 0, i from 1), if not found by shape"
    yield f'# weights = ["{holder}{pair[0]}[k]", "{holder}{pair[1]}[k]"]'
    returned = functions[2][0].returned if functions[2][0] is not None else ()
    names = [name for name in returned if name][-2:]
    places = [f"{name}[k]" for name in names] if len(names) == 2 else ["grads['dW{i}']", "grads['db{i}']"]
    yield "# the same for the gradients after backward"
    yield f'# gradients = ["{places[0]}", "{places[1]}"]'


def _fitting(functions: Sequence[Function], what: str) -> list[Function]:
    """The functions that may be meant: those of the usual names first."""
    usual = {
        "constructor": roles.INIT,
        "forward": roles.FORWARD,
        "loss": roles.LOSS,
        "backward": roles.BACKWARD,
        "update": roles.UPDATE,
        "fit": roles.FIT,
    }[what]
    named = roles.find(functions, usual)
    loose = [f for f in functions if SEEN[what].search(f.name) and f not in named]
    if what != "constructor":
        loose = [f for f in loose if not NOT_A_PASS.search(f.name)]
    if what == "forward":
        # What picks classes is no forward pass, and "backward" is none either.
        every = [f for f in [*named, *loose] if not SEEN["backward"].search(f.name)]
        return sorted(every, key=lambda f: "argmax" in f.reads)
    return [*named, *loose]


def _role(parameter: str, what: str) -> str:
    known = roles.CONSTRUCTOR_ROLES if what == "constructor" else roles.PASS_ROLES
    return roles.role_of(parameter, known)


def _holder(states: dict[str, str]) -> str:
    return "params" if "params" in states else "model"


def _call(
    function: Function, parameters: Sequence[str], what: str, values: dict[str, str], known: dict[str, str]
) -> str:
    arguments = []
    skipped = False
    for parameter in function.parameters:
        if parameter not in parameters:
            skipped = True
            continue
        value = known.get(parameter) or values.get(_role(parameter, what)) or "..."
        arguments.append(f"{parameter}={value}" if skipped or value == "..." else value)
        skipped = skipped or value == "..."  # after a named argument only named ones may follow
    return f"{function.name}({', '.join(arguments)})"


def _also(functions: Sequence[Function]) -> str:
    names = [f"{f.name}({', '.join(f.parameters)})" for f in functions[:OTHERS]]
    return f" (also found: {'; '.join(names)})" if names else ""
