"""What the usual names of parameters and functions stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from harness.authoring.anatomy import Function


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{text})\Z", re.IGNORECASE)


# Of a constructor's parameters, in order: the first that fits counts.
CONSTRUCTOR_ROLES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        _pattern(
            r"layer_?(sizes|dims|shapes|nodes|units|widths)|layers_?(sizes|dims)?|sizes|dims|architecture|topology"
        ),
        "sizes",
    ),
    (_pattern(r"nodes|units|neurons|structure|network_structure|shape|widths_all|num_nodes"), "sizes"),
    (
        _pattern(
            r"(n_?h|h|(n_?)?hidden)_?(size|dim|layer|units|nodes|neurons|s)?_?\d(_?(size|dim|units|nodes))?"
        ),
        "hidden_at",
    ),
    (_pattern(r"(n_?|num_)?hidden_?(layers?|sizes?|dims?|units|nodes|layer_sizes|s)?|widths|n_h"), "hidden"),
    (
        _pattern(
            r"n_?in(puts?)?|input_?(size|dim|nodes|units|features|layer|neurons|shape)?s?|in_?(features|dim|size)"
        ),
        "inputs",
    ),
    (_pattern(r"num_(inputs|features)|n_x|d_in|n_features|n0"), "inputs"),
    (
        _pattern(
            r"n_?out(puts?)?|output_?(size|dim|nodes|units|features|layer|neurons)?s?|out_?(features|dim|size)"
        ),
        "outputs",
    ),
    (_pattern(r"(num|n)_?(outputs|classes)|classes|n_y|d_out|k"), "outputs"),
    (
        _pattern(
            r"act(ivation)?s?(_?(function|name|func|fn|class|type|f))?|kind|hidden_activation|non_?linearity"
        ),
        "activation",
    ),
    (_pattern(r"nonlin|func|f|g"), "activation"),
    (_pattern(r"(random_)?(seed|state)|key"), "seed"),
    (_pattern(r"rng|generator"), "rng"),
    (_pattern(r"x|x_?train|data|inputs_data|images|train_x"), "X"),
    (_pattern(r"y|y_?train|labels|targets?|train_y"), "y"),
    (_pattern(r"(n_|num_)?(epochs?|iterations)|max_iter|n_iter"), "no_epochs"),
    (_pattern(r"l_?r|learning_?rate|eta|alpha|rate|step_size"), "rate"),
    (_pattern(r"(mini_?)?batch(_?size)?|bs"), "batch"),
)
# Of the parameters of what runs on a batch.
PASS_ROLES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        _pattern(
            r"x_?(batch|train|b)?|inputs?(_data|_vector)?|data|images?|features|samples?|batch_x|a_?0|pixels|img"
        ),
        "X",
    ),
    (
        _pattern(
            r"y_?(batch|train|b|true|real)?|labels?|targets?|t|truth|one_?hot|expected|batch_y|digit|y_?oh"
        ),
        "y",
    ),
    (_pattern(r"(x_?(val|valid|validation|test|dev))|(val|valid|test|dev)_?(x|images|data)"), "X"),
    (_pattern(r"(y_?(val|valid|validation|test|dev))|(val|valid|test|dev)_?(y|labels)"), "y"),
    (_pattern(r"l_?r|learning_?rate|eta|alpha|rate|step_size|learn_rate"), "rate"),
    (_pattern(r"(n_|num_|no_)?(epochs?|iterations|iters)|max_iter|n_iter"), "epochs"),
    (_pattern(r"(mini_?)?batch_?size|batch|bs|batchsize|batch_sz"), "batch"),
    (_pattern(r"grads?|gradients?|dparams|derivatives"), "gradients"),
    (_pattern(r"caches?|memory|stored|activations|intermediates?|hs|zs"), "cache"),
    (
        _pattern(
            r"out(puts?)?|prob(s|abilities)?|p|y_?hat|y_?pred|preds?|predictions?|a_?l|a_?\d|scores|logits|softmax\w*"
        ),
        "output",
    ),
    (
        _pattern(
            r"(\w+_)?(act|activation|non_?linearity)(_?(function|name|func|fn|type))?|kind|nonlin\w*|name"
        ),
        "activation",
    ),
    (_pattern(r"params?|parameters|weights|theta|net(work)?|model|nn"), "model"),
    (_pattern(r"m|n|batch_len|n_samples|num_examples"), "count"),
    (_pattern(r"optimi[sz]er"), "optimizer"),
    (_pattern(r"weight_decay|reg(ularization)?|lambd(a_?)?|l2(_lambda)?"), "decay"),
    (_pattern(r"(train_?)?(data_?)?loader|dataloader|train_dl|iterator"), "loader"),
    (_pattern(r"criterion|loss_(fn|func|function)"), "criterion"),
    (_pattern(r"device"), "device"),
    (_pattern(r"(random_)?seed|key|rng"), "seed"),
)
FORWARD = (
    _pattern(r"predict_prob(a|s|abilities)?|prob(s|abilities)|forward(_?(pass|prop|propagate|propagation))?"),
    _pattern(
        r"feed_?forward|fwd|l?_?model_forward|forward_\w+|apply|propagate|infer(ence)?|query|__call__|call"
    ),
    _pattern(r"scores|logits|activations|output|run|compute|predict"),
)
LOSS = (_pattern(r"(compute_?|calc(ulate)?_?|get_?)?(loss|cost|cross_?entropy)(_?(loss|function|fn))?|nll"),)
BACKWARD = (
    _pattern(r"back(ward)?_?(pass|prop|propagate|propagation)?|l?_?model_backward|backward_\w+|bwd"),
    _pattern(r"(loss|value)_and_grad(s|ients)?|(compute_?|calc(ulate)?_?|get_?)?grad(s|ients?)?"),
    _pattern(
        r"train_?(step|batch|on_batch|one|single)|update_mini_?batch|fit_batch|learn(_batch)?|step_batch"
    ),
)
UPDATE = (
    _pattern(
        r"update(_?(params|parameters|weights|all))?|step|apply_grad(s|ients)?|optimi[sz]er?_step|descend"
    ),
    _pattern(r"gradient_descent(_step)?|sgd_step|learn|adjust(_weights)?"),
)
FIT = (
    _pattern(r"fit|train(_?(model|network|mlp|nn|loop))?|sgd|gradient_descent|learn|l?_?layer_model"),
    _pattern(r"train_?epochs?|optimi[sz]e|run_training|one_epoch"),
)
INIT = (
    _pattern(r"init(iali[sz]e)?(_?(params|parameters|weights|network|net|mlp|model|parameters_deep))?"),
    _pattern(r"(make|create|build|new|get|setup)_?(params|parameters|weights|network|net|mlp|model)\w*"),
)


ACTIVATIONS = frozenset(["sigmoid", "logistic", "tanh", "relu"])


def names_activation(text: str) -> bool:
    """Whether a text is the name of one of the activations: what such a parameter says is to be chosen."""
    return text.lower() in ACTIVATIONS


def find(functions: Sequence[Function], patterns: Sequence[re.Pattern[str]]) -> list[Function]:
    """The functions whose names fit, better patterns first."""
    return [f for pattern in patterns for f in functions if pattern.match(f.name)]


def role_of(parameter: str, roles: Sequence[tuple[re.Pattern[str], str]]) -> str:
    """What a parameter stands for, or nothing."""
    return next((role for pattern, role in roles if pattern.match(parameter)), "")


def call(
    function: Function,
    roles: Sequence[tuple[re.Pattern[str], str]],
    values: Mapping[str, str],
    *,
    exact: Mapping[str, str] | None = None,
    prefix: str = "",
    wanted: frozenset[str] = frozenset(),
) -> str | None:
    """A call of a function with what its parameters stand for, or None if one that it needs is not known.

    ``exact`` names go before roles; parameters with defaults are given only if their role is ``wanted``.
    """
    known = exact or {}
    arguments: list[str] = []
    skipped = False
    for parameter in function.parameters:
        role = role_of(parameter, roles)
        value = known.get(parameter) or values.get(role)
        if role == "hidden_at":
            number = re.search(r"\d", parameter)
            value = f"hidden[{int(number.group()) - 1}]" if number else None
        needed = parameter in function.required
        if needed and value is None:
            return None
        chosen = role == "activation" and names_activation(function.defaults.get(parameter, ""))
        if value is None or not (needed or chosen or role in wanted or parameter in known):
            skipped = True
            continue
        named = skipped or parameter in function.keyword_only
        arguments.append(f"{parameter}={value}" if named else value)
    return f"{prefix}{function.name}({', '.join(arguments)})"
