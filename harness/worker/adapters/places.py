"""Where a foreign model keeps its arrays: places as Python expressions, found by shape, read and written.

A place is an expression such as ``model.layers[0].W`` or ``params['W1']``, evaluated in the model's scope.
"""

from __future__ import annotations

import ast
import re
import types
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from harness.worker.adapters.snippets import Scope

Array = np.ndarray[Any, Any]

DEPTH = 6  # how far into objects and containers arrays are looked for
CHILDREN = 2000  # per object: a list of ten thousand losses is no place for weights
# Names of gradients, moments and caches: dW1, db, d_w, grads[...], grad_W, vW, m_b, velocity, cache.
NOT_WEIGHTS = re.compile(
    r"(?:^|[._\['\"])(?:d_?[wb]s?(?![a-z])|d_?[WB]|d[A-Z]|nabla|g_?[wbWB](?![a-z])|[vm]_?[wbWB](?![a-z])|[vms]d[wbWB])"
    r"|grad|veloc|moment|delta|cache|best|prev|adam",
    re.ASCII,
)
# Of these, what is kept besides gradients: at a batch of one a cached z has the shape of a bias.
NOT_GRADIENTS = re.compile(r"veloc|moment|cache|best|prev|adam|(?:^|[._\['\"])d[AZaz](?![a-z])", re.ASCII)
# W and b of one layer differ in this part of their names: dW1 and db1, layers[0].weight and .bias.
KIND = re.compile(r"(?<![a-z])([dg]?_?)(?:weights?|kernels?|ws?|biases|bias|bs?)(?![a-z])")
BIASES = re.compile(r"(?:^|[._'\"])(b|bs|bias\w*)$")
BRACES = re.compile(r"\{([ik0-9+*\- ]+)\}")


def expand(template: str, k: int) -> str:
    """The expression of layer ``k`` (from 0): ``{i}`` counts from 1, ``{k}`` from 0; in indices also bare."""
    counters = {"i": k + 1, "k": k}

    def number(match: re.Match[str]) -> str:
        # Only digits, i, k and + - * get here: the manifest's reader and the pattern say so.
        return str(eval(match.group(1), {"__builtins__": {}}, counters))

    text = BRACES.sub(number, template)
    tree = ast.parse(text, mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            node.slice = _Counters(counters).visit(node.slice)
    return ast.unparse(ast.fix_missing_locations(tree))


class _Counters(ast.NodeTransformer):
    def __init__(self, counters: Mapping[str, int]) -> None:
        self.counters = counters

    def visit_Name(self, node: ast.Name) -> ast.AST:
        value = self.counters.get(node.id)
        return node if value is None else ast.Constant(value=value)


def as_array(value: Any) -> Array | None:
    """A numeric array of what a place holds (array, tensor, nested list), or None if it is none."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, (list, tuple)):
        first = value[0] if value else None
        if isinstance(first, (list, tuple)):
            first = first[0] if first else None
        if isinstance(first, bool) or not isinstance(first, (int, float, np.number)):
            return None
    elif not isinstance(value, np.ndarray):
        return None
    try:
        array = np.asarray(value)
    except ValueError:
        return None
    return array if array.dtype.kind in "fiu" else None


def arrays_in(roots: Mapping[str, Any]) -> Iterator[tuple[str, Array]]:
    """Yield (expression, array) for every numeric array reachable from named objects, in natural order."""
    seen: set[int] = set()
    for name, value in roots.items():
        yield from _walk(name, value, DEPTH, seen)


def _walk(expression: str, value: Any, depth: int, seen: set[int]) -> Iterator[tuple[str, Array]]:
    array = as_array(value)
    # A list of biases of equal lengths would pass for a matrix.
    rows = array is not None and array.ndim == 2 and isinstance(value, list) and BIASES.search(expression)
    if array is not None and array.ndim <= 2 and not rows:
        if id(value) not in seen:
            seen.add(id(value))
            yield expression, array
        return
    if depth == 0 or id(value) in seen:
        return
    seen.add(id(value))
    for suffix, child in children(value):
        yield from _walk(expression + suffix, child, depth - 1, seen)


def children(value: Any) -> list[tuple[str, Any]]:
    """The parts of a container or object with the expression suffix that reaches each."""
    if isinstance(value, Mapping):
        items = [(f"[{key!r}]", child) for key, child in value.items() if isinstance(key, (str, int))]
    elif isinstance(value, np.ndarray):
        items = [(f"[{i}]", child) for i, child in enumerate(value)] if value.dtype == object else []
    elif isinstance(value, (list, tuple)):
        items = [(f"[{i}]", child) for i, child in enumerate(value)]
    elif isinstance(value, (type, types.ModuleType, types.FunctionType, types.MethodType)):
        items = []
    else:
        own = getattr(value, "__dict__", None)
        slots = [name for name in getattr(type(value), "__slots__", ()) if hasattr(value, name)]
        names = [*(own if isinstance(own, dict) else ()), *slots]
        items = [(f".{name}", getattr(value, name)) for name in names if str(name).isidentifier()]
    return items[:CHILDREN] if len(items) <= CHILDREN else []


Places = list[tuple[str, str | None]]  # (W, b) of each layer; b is None when it is part of W


def match(roots: Mapping[str, Any], sizes: Sequence[int], what: str, bias: str = "separate") -> Places | None:
    """Find the places of W and b of each layer by their shapes, or None when they cannot be told.

    ``what`` is "weights" (places named like gradients, moments or caches are passed over), "gradients" (only
    places named like gradients) or "any" (those first, then all). ``bias`` is the manifest's.
    """
    found = list(arrays_in(roots))
    named = [(e, a) for e, a in found if NOT_WEIGHTS.search(e)]
    others = [(e, a) for e, a in found if not NOT_WEIGHTS.search(e)]
    # Whole numbers come last: a list of layer sizes has the shape of a bias.
    real = [(e, a) for e, a in others if a.dtype.kind == "f"]
    sure = [(e, a) for e, a in named if not NOT_GRADIENTS.search(e)]
    choices = {"weights": [real, others], "gradients": [sure, named], "any": [sure, named, found]}
    for candidates in choices[what]:
        ordered = _natural(candidates)
        for shape in (_in_out, _out_in):
            places = _assign(ordered, sizes, shape, bias)
            if places is not None:
                return places
    return None


def _in_out(fan_in: int, fan_out: int) -> tuple[int, int]:
    return fan_in, fan_out


def _out_in(fan_in: int, fan_out: int) -> tuple[int, int]:
    return fan_out, fan_in


def _assign(candidates: list[tuple[str, Any]], sizes: Sequence[int], shape: Any, bias: str) -> Places | None:
    used: set[str] = set()
    places: Places = []
    folded = int(bias in ("first_row", "last_row"))
    last: tuple[str, str | None] = "", ""
    for fan_in, fan_out in pairwise(sizes):
        # A bias (out, 1) looks like the W of a layer with one input: W is taken first, in order.
        weight = _first(candidates, {shape(fan_in + folded, fan_out)}, used, last[0])
        place = None
        if bias == "separate":
            shapes = {(fan_out,), (1, fan_out), (fan_out, 1)}
            place = _first(candidates, shapes, used, last[1] or "", partner=weight)
        if weight is None or (place is None and bias == "separate"):
            return None
        last = weight, place
        places.append(last)
    return places


def _first(
    candidates: list[tuple[str, Any]],
    shapes: set[tuple[int, ...]],
    used: set[str],
    last: str,
    *,
    partner: str | None = None,
) -> str | None:
    """The first unused place of a right shape, sooner one that is named like the last layer's, and soonest
    one whose name goes with that of its ``partner``, the layer's W.
    """
    fitting = [e for e, array in candidates if e not in used and array.shape in shapes]
    paired = [e for e in fitting if partner and _without_kind(e) == _without_kind(partner)]
    alike = [e for e in fitting if _stem(e) == _stem(last)]
    chosen = next(iter(paired or alike or fitting), None)
    if chosen is not None:
        used.add(chosen)
    return chosen


def _stem(expression: str) -> str:
    return re.sub(r"\d+", "#", expression)


def _without_kind(expression: str) -> str:
    return KIND.sub(r"\1#", expression.lower())


def _natural(candidates: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Places whose names differ in a number only, in the order of that number: W1 before W2 before W10."""
    stems: dict[str, int] = {}
    for expression, _ in candidates:
        stems.setdefault(_stem(expression), len(stems))

    def key(item: tuple[str, Any]) -> tuple[int, list[int]]:
        numbers = [int(number) for number in re.findall(r"\d+", item[0])]
        return stems[_stem(item[0])], numbers

    return sorted(candidates, key=key)


def read(scope: Scope, expression: str, extra: Mapping[str, Any]) -> Any:
    """Evaluate a place."""
    return eval(compile(expression, "<manifest: place>", "eval", dont_inherit=True), scope.environment(extra))


def write(scope: Scope, new: Mapping[str, Any], extra: Mapping[str, Any]) -> None:
    """Put arrays (shaped as what is there) into places, keeping every alias of the old ones alive.

    In place where the dtype allows it; otherwise the old object is replaced wherever the model holds it.
    """
    replaced: dict[int, Any] = {}
    old_objects = []  # kept alive, so that no id is used twice
    for expression, value in new.items():
        old = read(scope, expression, extra)
        if hasattr(old, "detach"):
            _write_tensor(old, value)
        elif isinstance(old, list):
            old[:] = np.asarray(value).reshape(np.shape(old)).tolist()
        elif old.flags.writeable and (old.dtype == value.dtype or _is_part(old, scope)):
            old[...] = value.reshape(old.shape)
        else:
            fresh = np.array(value).reshape(old.shape)
            replaced[id(old)] = fresh.view(np.matrix) if isinstance(old, np.matrix) else fresh
            old_objects.append(old)
            _set(scope, expression, replaced[id(old)], extra)
    if replaced:
        _replace_everywhere(scope, replaced)


def replace(scope: Scope, expression: str, value: Array) -> None:
    """Put an array of any shape into a place, wherever the old one is held."""
    old = read(scope, expression, {})
    _set(scope, expression, value, {})
    _replace_everywhere(scope, {id(old): value})


def _is_part(array: Array, scope: Scope) -> bool:
    """Whether an array is a view into a larger one that the model holds too (one vector of everything)."""
    base = array.base
    if not isinstance(base, np.ndarray):
        return False
    seen: set[int] = set()
    for name, value in {**vars(scope.module), **scope.names}.items():
        if not name.startswith("__"):
            deque(_walk(name, value, DEPTH, seen), maxlen=0)
            if id(base) in seen:
                return True
    return False


def _write_tensor(old: Any, value: Array) -> None:
    import torch

    tensor = torch.from_numpy(np.array(value).reshape(tuple(old.shape)))
    if old.dtype == tensor.dtype:
        old.data.copy_(tensor)
    else:
        old.data = tensor
        old.grad = None


def _set(scope: Scope, expression: str, value: Any, extra: Mapping[str, Any]) -> None:
    """Assign to a place; tuples on the way are made anew."""
    node = ast.parse(expression, mode="eval").body
    if isinstance(node, ast.Name):
        if node.id in scope.names:
            scope.names[node.id] = value
        else:
            setattr(scope.module, node.id, value)
        return
    assert isinstance(node, (ast.Attribute, ast.Subscript))
    holder_expression = ast.unparse(node.value)
    holder = read(scope, holder_expression, extra)
    if isinstance(node, ast.Attribute):
        if isinstance(holder, tuple) and hasattr(holder, "_replace"):
            _set(scope, holder_expression, holder._replace(**{node.attr: value}), extra)
        else:
            setattr(holder, node.attr, value)
        return
    index = read(scope, ast.unparse(node.slice), extra)
    if isinstance(holder, tuple):
        items = [*holder[:index], value, *holder[index + 1 :]] if index != -1 else [*holder[:-1], value]
        made = type(holder)(*items) if hasattr(holder, "_fields") else tuple(items)
        _set(scope, holder_expression, made, extra)
    else:
        holder[index] = value


def _replace_everywhere(scope: Scope, replaced: Mapping[int, Any]) -> None:
    """Replace objects by identity in all that the model's names and the module's globals reach."""
    seen: set[int] = set()
    stack: list[Any] = [scope.names, *scope.names.values()]
    stack += [v for k, v in scope.module.__dict__.items() if not k.startswith("__")]
    for name, value in list(scope.module.__dict__.items()):
        if id(value) in replaced:
            setattr(scope.module, name, replaced[id(value)])
    while stack:
        holder = stack.pop()
        if id(holder) in seen or isinstance(holder, (str, bytes, int, float, np.ndarray, types.ModuleType)):
            continue
        seen.add(id(holder))
        if isinstance(holder, dict):
            for key, value in holder.items():
                holder[key] = replaced.get(id(value), value)
        elif isinstance(holder, list):
            holder[:] = [replaced.get(id(value), value) for value in holder]
        elif isinstance(getattr(holder, "__dict__", None), dict) and not isinstance(holder, type):
            for name, value in list(vars(holder).items()):
                if id(value) in replaced:
                    setattr(holder, name, replaced[id(value)])
        stack.extend(child for _, child in children(holder))
