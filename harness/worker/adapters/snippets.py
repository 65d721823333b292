"""Snippets of a manifest, run in the submission's namespace: ``"AL, caches = forward(X, params)"``."""

from __future__ import annotations

import ast
import types
from collections.abc import Mapping
from typing import Any

RESULT = "_backcheck_result"


class Snippet:
    """A few simple statements; the result is the last one's value.

    Where the last one assigns to several names, the result is the first that does not start with ``_``.
    """

    def __init__(self, text: str, what: str) -> None:
        tree = ast.parse(text, f"<manifest: {what}>")
        last = tree.body[-1]
        self.text = text
        self.targets = [name for statement in tree.body for name in _stored(statement)]
        self.result = RESULT
        if isinstance(last, ast.Expr):
            target = ast.copy_location(ast.Name(id=RESULT, ctx=ast.Store()), last)
            tree.body[-1] = ast.copy_location(ast.Assign(targets=[target], value=last.value), last)
        else:
            self.result = next((name for name in _stored(last) if not name.startswith("_")), "")
        ast.fix_missing_locations(tree)
        self.code = compile(tree, f"<manifest: {what}>", "exec", dont_inherit=True)

    def reads(self, name: str) -> bool:
        """Whether the snippet mentions a name."""
        return name in self.code.co_names or any(name == n for n in _all_names(self.code))


def _stored(statement: ast.stmt) -> list[str]:
    """The names that a statement assigns to, not those of its comprehensions."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    names = [node for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    return [node.id for node in names if isinstance(node.ctx, ast.Store)]


def _all_names(code: types.CodeType) -> set[str]:
    """Names that a code object and those inside it (comprehensions, lambdas) mention."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _all_names(constant)
    return names


class Scope:
    """The names that one model's snippets share, over those of the submission's module.

    Names that the constructor bound last as long as the model; what other snippets bind lasts for one pass.
    """

    def __init__(self, module: types.ModuleType) -> None:
        self.module = module
        self.names: dict[str, Any] = {}

    def construct(self, snippet: Snippet, inputs: Mapping[str, Any]) -> None:
        """Run the constructor; everything it binds is kept, and a bare call's value is ``model``."""
        environment = {**self.module.__dict__, "module": self.module, **inputs}
        exec(snippet.code, environment)
        if snippet.result == RESULT:
            self.names["model"] = environment[RESULT]
        self.names.update({name: environment[name] for name in snippet.targets if name in environment})

    def run(self, snippet: Snippet, inputs: Mapping[str, Any], passing: dict[str, Any]) -> Any:
        """Run a snippet with the model's names, those of this pass, and the inputs; return its result."""
        environment = self.environment(passing, inputs)
        exec(snippet.code, environment)
        for name in snippet.targets:
            if name in environment:
                (self.names if name in self.names else passing)[name] = environment[name]
        return environment.get(snippet.result)

    def environment(self, *more: Mapping[str, Any]) -> dict[str, Any]:
        """All names as one dictionary, so that comprehensions in a snippet see them."""
        environment = {**self.module.__dict__, "module": self.module, **self.names}
        for names in more:
            environment.update(names)
        return environment
