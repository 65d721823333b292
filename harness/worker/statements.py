"""Telling definitions from work: which top-level statements are run when a script is only to be defined.

Pure functions over syntax trees. The rule: imports, functions, classes and plain values are run; objects made
of the submission's own classes and functions are run after them; what loads data, trains or draws is not.
"""

from __future__ import annotations

import ast
import builtins
import copy
import re
from dataclasses import dataclass
from enum import StrEnum

from harness.worker.scan import bound_names, imports

WORK = re.compile(
    r"^_*(fit|train|learn|optimi[sz]e|gradient_descent|sgd|download|load|fetch|read|urlopen|urlretrieve|im(read|show)"
    r"|predict|eval|score|save|dump|plot|show|display|run|main|test|get_(data|mnist)|mnist"
    r"|(grad|gradient)_?check|cross_val|(open|exit|_exit|quit|abort|kill|system|popen|chdir|sleep|input)$)"
)
TRAINING = re.compile(r"^_*(fit|train|load_data|load_mnist|get_mnist|fetch_|read_csv|urlretrieve|download)")
BUILDING = re.compile(
    r"^(add|append|extend|insert|update|setdefault|seed|compile|build|init|reset|register|set)"
)
SILENT = frozenset(["print", "display", "input", "help"])
BUILTINS = frozenset(dir(builtins)) - {"exec", "eval", "open", "input", "exit", "quit", "print", "__import__"}


class Kind(StrEnum):
    """When a statement is run: at once, after all definitions, or not at all."""

    DEFINE = "define"
    OBJECT = "object"
    SKIP = "skip"


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What is done with one statement: ``node`` is what is left to run, ``reason`` why it is not run."""

    kind: Kind
    node: ast.stmt
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names a script binds by importing, and by defining functions and classes."""

    imported: frozenset[str]
    own: frozenset[str]


def names_of(statements: list[ast.stmt]) -> Names:
    """Collect the names that matter for the rule from all statements of a script."""
    tree = ast.Module(body=list(statements), type_ignores=[])
    own = {s.name for s in statements if isinstance(s, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef))}
    return Names(imported=frozenset(name for name, _, _ in imports(tree) if name), own=frozenset(own))


def defines_build(tree: ast.Module) -> bool:
    """Whether a module binds the contract's ``build`` at its top level."""
    return any("build" in bound_names(statement) for statement in tree.body)


def works_at_import(tree: ast.Module) -> bool:
    """Whether a module's top level trains or loads a data set, itself or by what it calls."""
    own = {s.name: s for s in tree.body if isinstance(s, ast.FunctionDef) and s.name != "build"}
    waiting = [s for s in tree.body if not _is_definition(s) and not _is_main(s)]
    seen: set[str] = set()
    while waiting:
        for name in _called(waiting.pop()):
            if TRAINING.match(name):
                return True
            if name in own and name not in seen:
                seen.add(name)
                waiting.extend(own[name].body)
    return False


def rule(node: ast.stmt, names: Names) -> Ruling:
    """Decide what is done with one top-level statement."""
    if _is_definition(node) or isinstance(node, (ast.Import, ast.ImportFrom)):
        return Ruling(kind=Kind.DEFINE, node=node)
    if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        return _assignment(node, names)
    if isinstance(node, ast.Expr):
        return _expression(node, names)
    if _is_main(node):
        return _skip(node, "the block for running it as a program")
    if isinstance(node, (ast.If, ast.Try, ast.With)):
        return _block(node, names)
    if isinstance(node, ast.For):
        return _loop(node, names)
    if isinstance(node, ast.While):
        return _skip(node, "a loop")
    return _skip(node, "")


def _skip(node: ast.stmt, reason: str) -> Ruling:
    return Ruling(kind=Kind.SKIP, node=node, reason=reason)


def _is_definition(node: ast.stmt) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))


def _is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and any(
        isinstance(n, ast.Name) and n.id == "__name__" for n in ast.walk(node.test)
    )


def _calls(node: ast.AST) -> list[ast.Call]:
    """The calls that running a statement makes itself: those inside lambdas wait."""
    found, stack = [], [node]
    while stack:
        here = stack.pop()
        if isinstance(here, ast.Call):
            found.append(here)
        if not isinstance(here, (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef)):
            stack.extend(ast.iter_child_nodes(here))
    return found


def _called(node: ast.AST) -> list[str]:
    """The last names of everything that is called: ``fit`` in ``model.fit(X)``."""
    return [_last(call.func) for call in _calls(node)]


def _last(function: ast.expr) -> str:
    return getattr(function, "attr", None) or getattr(function, "id", None) or ""


def _root(function: ast.expr) -> str:
    while isinstance(function, (ast.Attribute, ast.Subscript, ast.Call)):
        function = function.func if isinstance(function, ast.Call) else function.value
    return function.id if isinstance(function, ast.Name) else ""


def _work(node: ast.AST) -> str:
    """The name of the first call that works rather than defines, or nothing. Classes only make objects."""
    return next((name for name in _called(node) if WORK.match(name)), "")


def _plain(call: ast.Call, names: Names) -> bool:
    """Whether a call is one of an imported module, of a built-in, or of a plain value's method."""
    root = _root(call.func)
    return root in BUILTINS or root in names.imported or root == ""


def _assignment(node: ast.stmt, names: Names) -> Ruling:
    work = _work(node)
    if work:
        return _skip(node, f"it calls {work}")
    calls = _calls(node)
    plain = all(_plain(call, names) for call in calls)
    return Ruling(kind=Kind.DEFINE if plain else Kind.OBJECT, node=node)


def _expression(node: ast.Expr, names: Names) -> Ruling:
    call = node.value
    if not isinstance(call, ast.Call):
        return _skip(node, "")
    name, root = _last(call.func), _root(call.func)
    work = _work(node)
    if name in SILENT or work:
        return _skip(node, "" if name in SILENT else f"it calls {work}")
    if root in names.imported:
        return Ruling(kind=Kind.DEFINE, node=node)
    if isinstance(call.func, ast.Attribute) and BUILDING.match(name):
        return Ruling(kind=Kind.OBJECT, node=node)
    return _skip(node, f"it calls {name}" if name else "a call")


def _loop(node: ast.For, names: Names) -> Ruling:
    """Loops that only fill lists and arrays or make objects are run; those that call own functions work."""
    work = _work(node)
    if work:
        return _skip(node, f"a loop that calls {work}")
    if any(isinstance(n, (ast.While, ast.With)) for n in ast.walk(node)):
        return _skip(node, "a loop")
    calls = [c for c in _calls(node) if not _plain(c, names)]
    harmless = all(
        (isinstance(c.func, ast.Attribute) and BUILDING.match(c.func.attr)) or _last(c.func)[:1].isupper()
        for c in calls
    )
    kind = Kind.DEFINE if not calls else Kind.OBJECT
    return (
        Ruling(kind=kind, node=node) if harmless else _skip(node, f"a loop that calls {_last(calls[0].func)}")
    )


def _block(node: ast.If | ast.Try | ast.With, names: Names) -> Ruling:
    """What is left of a block when the statements that work are taken out of it."""
    head: list[ast.expr] = []
    if isinstance(node, ast.If):
        head = [node.test]
    elif isinstance(node, ast.With):
        head = [item.context_expr for item in node.items]
    for expression in head:
        if _work(expression) or not all(_plain(call, names) for call in _calls(expression)):
            return _skip(node, "its condition or context works")
    rest = copy.copy(node)
    kinds: set[Kind] = set()
    rest.body = _kept(node.body, names, kinds) or [_nothing(node)]
    if isinstance(node, ast.If) and isinstance(rest, ast.If):
        rest.orelse = _kept(node.orelse, names, kinds)
    if isinstance(node, ast.Try) and isinstance(rest, ast.Try):
        rest.orelse = _kept(node.orelse, names, kinds)
        rest.finalbody = _kept(node.finalbody, names, kinds)
        rest.handlers = [copy.copy(handler) for handler in node.handlers]
        for handler in rest.handlers:
            handler.body = _kept(handler.body, names, kinds) or [_nothing(node)]
    if not kinds:
        return _skip(node, "nothing in it defines anything")
    return Ruling(kind=Kind.OBJECT if Kind.OBJECT in kinds else Kind.DEFINE, node=rest)


def _kept(body: list[ast.stmt], names: Names, kinds: set[Kind]) -> list[ast.stmt]:
    rulings = [rule(statement, names) for statement in body]
    kept = [ruling for ruling in rulings if ruling.kind is not Kind.SKIP]
    kinds.update(ruling.kind for ruling in kept)
    return [ruling.node for ruling in kept]


def _nothing(node: ast.stmt) -> ast.stmt:
    return ast.copy_location(ast.Pass(), node)
