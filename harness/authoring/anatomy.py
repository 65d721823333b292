"""What a source file holds, read off its syntax tree: classes, functions, what they take and return."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.worker import scan
from harness.worker.notebook import Cell, read_notebook
from harness.worker.statements import Kind, Ruling, names_of, rule

SIZE_LIMIT = 10_000  # units of a layer; larger numbers are something else


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function or method: parameters without ``self``, what its return statement names, what it reads."""

    name: str
    line: int
    parameters: tuple[str, ...]
    required: tuple[str, ...]
    keyword_only: frozenset[str] = frozenset()
    defaults: Mapping[str, str] = field(default_factory=dict, hash=False)  # of texts: activation="relu"
    starred: bool = False  # it takes any number of arguments: *layers
    returned: tuple[str, ...] = ()  # one entry for each value returned; "" where it is no plain name
    reads: frozenset[str] = frozenset()  # names and attributes, "self.lr" as "lr"
    assigns: bool = False  # it changes attributes, globals or what it is given


@dataclass(frozen=True, kw_only=True)
class Class:
    """A class with its bases (last names) and methods."""

    name: str
    line: int
    bases: tuple[str, ...]
    methods: tuple[Function, ...]

    def method(self, name: str) -> Function | None:
        """The method of this name, or None."""
        return next((method for method in self.methods if method.name == name), None)

    @property
    def maker(self) -> Function | None:
        """``__init__`` as a function of the class's name, which makes an object; None without one."""
        init = self.method("__init__")
        return None if init is None else replace(init, name=self.name, line=self.line)


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """Everything that a proposal rests on."""

    classes: tuple[Class, ...]
    functions: tuple[Function, ...]
    values: tuple[str, ...]  # names bound at the top level by assignments that would be run
    tables: dict[str, tuple[str, ...]]  # dicts at the top level: their keys
    constants: frozenset[str]  # every short text in the code
    identifiers: frozenset[str]  # every name and attribute
    text: str
    frameworks: tuple[str, ...]
    has_build: bool
    left_out: tuple[str, ...]  # statements that loading would not run, with their lines
    cells: int = 0
    problem: str = ""
    generators: Mapping[str, str] = field(default_factory=dict)  # at the top level: how each is made anew
    written_sizes: tuple[int, ...] = ()  # of layers whose sizes stand in the code: Linear(784, 500) ...

    @property
    def lines(self) -> int:
        """The number of lines of code."""
        return sum(bool(line.strip()) for line in self.text.splitlines())


def dissect(path: Path) -> Anatomy:
    """Read a ``.py`` file or notebook; the last definition of a name is the one that counts."""
    cells = read_notebook(path) if path.suffix == ".ipynb" else []
    sources = [cell.source for cell in cells] or [path.read_text(encoding="utf-8", errors="replace")]
    body: list[ast.stmt] = []
    problem = ""
    for number, source in enumerate(sources, start=1):
        try:
            body.extend(ast.parse(source).body)
        except (SyntaxError, ValueError, RecursionError) as error:
            where = f"cell {number}" if cells else path.name
            problem = problem or f"{where} is not Python: {error}"
    return _anatomy(body, "\n".join(sources), cells, problem)


def _anatomy(body: list[ast.stmt], text: str, cells: list[Cell], problem: str) -> Anatomy:
    tree = ast.Module(body=body, type_ignores=[])
    names = names_of(body)
    rulings = [(statement, rule(statement, names)) for statement in body]
    nodes = list(ast.walk(tree))
    classes = {n.name: _class(n) for n in body if isinstance(n, ast.ClassDef)}
    functions = {n.name: _function(n, method=False) for n in body if isinstance(n, ast.FunctionDef)}
    run = [s for s, ruling in rulings if ruling.kind is not Kind.SKIP]
    values = [name for s in run if isinstance(s, ast.Assign) for name in sorted(scan.bound_names(s))]
    return Anatomy(
        classes=tuple(classes.values()),
        functions=tuple(functions.values()),
        values=tuple(dict.fromkeys(values)),
        tables=dict(_tables(run)),
        constants=frozenset(
            n.value
            for n in nodes
            if isinstance(n, ast.Constant) and isinstance(n.value, str) and len(n.value) < 40
        ),
        identifiers=frozenset(_identifiers(nodes)),
        text=text,
        frameworks=tuple(sorted({use.dotted.split(".")[0] for use in scan.framework_uses(tree)})),
        has_build=any("build" in scan.bound_names(statement) for statement in body),
        left_out=tuple(_left_out(rulings)),
        cells=len(cells),
        problem=problem,
        generators=dict(_generators(body)),
        written_sizes=_written_sizes(nodes),
    )


def _written_sizes(nodes: list[ast.AST]) -> tuple[int, ...]:
    """The longest chain of calls with two sizes, each one's second the next one's first."""
    pairs = []
    for node in nodes:
        if isinstance(node, ast.Call) and len(node.args) >= 2:
            sizes = [_number(arg) for arg in node.args[:2]]
            if all(0 < size < SIZE_LIMIT for size in sizes):
                pairs.append((node.lineno, node.col_offset, sizes))
    best: list[int] = []
    for turned in (1, -1):  # (fan_in, fan_out), or the other way round
        chain: list[int] = []
        for _, _, sizes in sorted(pairs):
            first, second = sizes[::turned]
            chain = [*chain, second] if chain and chain[-1] == first else [first, second]
            best = max(best, chain, key=len)
    return tuple(best) if len(best) > 2 else ()


def _number(node: ast.expr) -> int:
    """A whole number that is written down, as it is or as a product; 0 for anything else."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return _number(node.left) * _number(node.right)
    return 0


def _generators(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Yield (name, the expression that makes it from ``seed``) for each random generator of the module."""
    for statement in body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        targets = [statement.target] if isinstance(statement, ast.AnnAssign) else targets
        made = _reseeded(statement.value) if isinstance(statement, (ast.Assign, ast.AnnAssign)) else ""
        yield from ((target.id, made) for target in targets if made and isinstance(target, ast.Name))


def _reseeded(value: ast.expr | None) -> str:
    """A call that makes a generator with ``seed`` for its seed; nothing for any other expression."""
    if not isinstance(value, ast.Call):
        return ""
    name, maker = _plain_name(value.func), ast.unparse(value.func)
    if name in ("default_rng", "RandomState", "Random", "manual_seed"):
        return f"{maker}(seed)"
    if name == "Generator" and value.args and isinstance(value.args[0], ast.Call):
        return f"{maker}({ast.unparse(value.args[0].func)}(seed))"  # Generator(PCG64(0))
    return f"{ast.unparse(value)}.manual_seed(seed)" if name == "Generator" and not value.args else ""


def _left_out(rulings: list[tuple[ast.stmt, Ruling]]) -> Iterator[str]:
    for statement, ruling in rulings:
        if ruling.kind is Kind.SKIP and ruling.reason:
            yield f"{ast.unparse(statement).splitlines()[0][:70]} ({ruling.reason})"


def _tables(body: list[ast.stmt]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for statement in body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict):
            keys = [k.value for k in statement.value.keys if isinstance(k, ast.Constant)]
            for target in statement.targets:
                if isinstance(target, ast.Name) and keys and all(isinstance(k, str) for k in keys):
                    yield target.id, tuple(str(key) for key in keys)


def _identifiers(nodes: list[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name


def _class(node: ast.ClassDef) -> Class:
    bases = tuple(getattr(base, "attr", getattr(base, "id", "")) for base in node.bases)
    methods = {n.name: _function(n, method=True) for n in node.body if isinstance(n, ast.FunctionDef)}
    return Class(name=node.name, line=node.lineno, bases=bases, methods=tuple(methods.values()))


def _function(node: ast.FunctionDef, *, method: bool) -> Function:
    positional = [*node.args.posonlyargs, *node.args.args]
    static = any(getattr(d, "id", "") == "staticmethod" for d in node.decorator_list)
    skipped = 1 if method and positional and not static else 0
    without_default = positional[: len(positional) - len(node.args.defaults)]
    keyword = [a for a, default in zip(node.args.kwonlyargs, node.args.kw_defaults) if default is None]
    own = [n for n in ast.walk(node) if not isinstance(n, (ast.FunctionDef, ast.Lambda)) or n is node]
    return Function(
        name=node.name,
        line=node.lineno,
        parameters=tuple(a.arg for a in [*positional[skipped:], *node.args.kwonlyargs]),
        required=tuple(a.arg for a in [*without_default[skipped:], *keyword]),
        starred=node.args.vararg is not None,
        keyword_only=frozenset(a.arg for a in node.args.kwonlyargs),
        defaults=dict(_text_defaults(node.args)),
        returned=_returned(node),
        reads=frozenset(_identifiers(own)),
        assigns=any(_changes(n) for n in own),
    )


def _text_defaults(arguments: ast.arguments) -> Iterator[tuple[str, str]]:
    """Yield (parameter, default) where the default is a text."""
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = [*zip(reversed(positional), reversed(arguments.defaults))]
    for argument, default in [*pairs, *zip(arguments.kwonlyargs, arguments.kw_defaults)]:
        if isinstance(default, ast.Constant) and isinstance(default.value, str):
            yield argument.arg, default.value


def _changes(node: ast.AST) -> bool:
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AugAssign):
        targets = [node.target]
        # Names too: `param -= lr * grad` changes the array that the name stands for.
        if isinstance(node.op, ast.Sub):
            return True
    return isinstance(node, ast.Global) or any(isinstance(t, (ast.Attribute, ast.Subscript)) for t in targets)


def _returned(node: ast.FunctionDef) -> tuple[str, ...]:
    """The names of what the last return statement gives back."""
    stack, returns = list(node.body), []
    while stack:
        here = stack.pop(0)
        if isinstance(here, ast.Return) and here.value is not None:
            returns.append(here.value)
        if not isinstance(here, (ast.FunctionDef, ast.ClassDef)):
            stack.extend(child for child in ast.iter_child_nodes(here) if isinstance(child, ast.stmt))
    if not returns:
        return ()
    last = max(returns, key=lambda value: value.lineno)
    values = last.elts if isinstance(last, ast.Tuple) else [last]
    return tuple(_plain_name(value) for value in values)


def _plain_name(value: ast.expr) -> str:
    if isinstance(value, ast.Attribute):
        return value.attr
    return value.id if isinstance(value, ast.Name) else ""
