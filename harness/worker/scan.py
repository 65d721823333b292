"""What can be read off a submission's source without running it: imports, frameworks, bound names.

Pure functions over syntax trees; standard library only, because both sides of the trust boundary use them.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

FRAMEWORKS = frozenset(
    [
        "autograd",
        "caffe",
        "catboost",
        "chainer",
        "cntk",
        "dynet",
        "equinox",
        "fastai",
        "flax",
        "haiku",
        "jax",
        "jaxlib",
        "keras",
        "lasagne",
        "lightgbm",
        "lightning",
        "micrograd",
        "mindspore",
        "mlx",
        "mxnet",
        "neurolab",
        "onnxruntime",
        "optax",
        "paddle",
        "pybrain",
        "pytorch_lightning",
        "sklearn",
        "skorch",
        "tensorflow",
        "theano",
        "thinc",
        "tinygrad",
        "torch",
        "transformers",
        "xgboost",
    ]
)
# Parts of frameworks that hold no network: what they do (load, split, score) is no concern of the grading.
HELPERS = frozenset(
    [
        "keras.datasets",
        "keras.preprocessing",
        "keras.utils",
        "sklearn.datasets",
        "sklearn.exceptions",
        "sklearn.metrics",
        "sklearn.model_selection",
        "sklearn.preprocessing",
        "sklearn.utils",
        "tensorflow.examples",
        "tensorflow.keras.datasets",
        "tensorflow.keras.preprocessing",
        "tensorflow.keras.utils",
        "torch.utils.data",
    ]
)

BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")  # fields with statements, in the order of `ast`


@dataclass(frozen=True, kw_only=True)
class Use:
    """One use of a module: its full dotted name and the line it stands on."""

    dotted: str
    line: int


def is_helper(dotted: str) -> bool:
    """Whether a dotted name is, or lies in, a part of a framework that holds no network."""
    return any(dotted == helper or dotted.startswith(helper + ".") for helper in HELPERS)


def leads_to_helper(dotted: str) -> bool:
    """Whether a module is a parent of such a part, so that importing it alone says nothing yet."""
    return any(helper.startswith(dotted + ".") for helper in HELPERS)


def imports(tree: ast.AST) -> Iterator[tuple[str, str, int]]:
    """Yield (bound name, dotted name, line) for every absolute import, wherever it stands."""
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.split(".")[0]
                yield alias.asname or root, alias.name if alias.asname else root, node.lineno
                if not alias.asname and alias.name != root:
                    yield "", alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}", node.lineno


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk in the order of ``ast.walk``, without expressions: most nodes, and none holds an import."""
    waiting = deque([tree])
    while waiting:
        node = waiting.popleft()
        yield node
        for name in BLOCKS:
            inner = getattr(node, name, None)
            if isinstance(inner, list):  # the body of a lambda is an expression
                waiting.extend(inner)


def local_imports(tree: ast.AST) -> set[str]:
    """The first part of every imported name, relative imports included: maybe a file beside this one."""
    found = {dotted.split(".")[0] for _, dotted, _ in imports(tree)}
    for node in _statements(tree):
        if isinstance(node, ast.ImportFrom) and node.level > 0:
            found.update([node.module.split(".")[0]] if node.module else [alias.name for alias in node.names])
    return found


def framework_uses(tree: ast.AST) -> list[Use]:
    """Every use of a machine-learning framework other than its helpers (data sets, metrics, splitting)."""
    framework = [entry for entry in imports(tree) if entry[1].split(".")[0] in FRAMEWORKS]
    if not framework:
        return []
    bound = {name: dotted for name, dotted, _ in framework}
    uses = [
        Use(dotted=dotted, line=line)
        for _, dotted, line in framework
        if not is_helper(dotted) and not leads_to_helper(dotted)
    ]
    inner: set[int] = set()  # names that are the root of a longer chain already looked at
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in inner:
            chain, root = [node.attr], node.value
            inner.add(id(root))
            while isinstance(root, ast.Attribute):
                chain.append(root.attr)
                root = root.value
                inner.add(id(root))
            if isinstance(root, ast.Name) and root.id in bound:
                dotted = ".".join([bound[root.id], *reversed(chain)])
                if not is_helper(dotted):
                    uses.append(Use(dotted=dotted, line=node.lineno))
        elif isinstance(node, ast.Name) and id(node) not in inner and isinstance(node.ctx, ast.Load):
            dotted = bound.get(node.id, "")
            if dotted and not is_helper(dotted):
                uses.append(Use(dotted=dotted, line=node.lineno))
    return sorted(uses, key=lambda use: use.line)


def bound_names(node: ast.stmt) -> set[str]:
    """The names that one top-level statement binds, those inside its blocks included."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    names: set[str] = set()
    stack: list[ast.AST] = [node]
    while stack:
        here = stack.pop()
        if isinstance(here, ast.Name) and isinstance(here.ctx, ast.Store):
            names.add(here.id)
        elif isinstance(here, (ast.Import, ast.ImportFrom)):
            names.update((alias.asname or alias.name.split(".")[0]) for alias in here.names)
        elif isinstance(here, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(here.name)
            continue
        elif isinstance(here, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            continue
        stack.extend(ast.iter_child_nodes(here))
    return names


def read_names(node: ast.AST) -> set[str]:
    """The names that a statement reads, bodies of functions included."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
