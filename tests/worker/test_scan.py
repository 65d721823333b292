"""What is read off a source: every import is found, in the order in which ``ast.walk`` meets it."""

import ast
import sysconfig
from pathlib import Path

import pytest

from harness.worker import scan

EVERYWHERE = """
import a
@decorate(lambda: None)
class C:
    import b
    async def f(self):
        async with x:
            import c
        async for i in x:
            import d as dd
        else:
            from . import e
        def g():
            from ..h import i
try:
    import j.k
except ValueError:
    import l
    try:
        import m
    except* OSError:
        from n.o import p as q, r
except TypeError:
    import s
else:
    import t
    if x:
        import ae
finally:
    import u
match x:
    case [1, *_] if x:
        import v
    case _:
        while x:
            import w
        else:
            import y
for i in x:
    import z
else:
    if x:
        import aa
    elif z:
        import ab
    else:
        with x:
            import ac.ad
"""
SOURCES = sorted(Path(sysconfig.get_path("stdlib")).glob("[a-i]*.py"))


def walked(tree: ast.AST) -> list[tuple[str, str, int]]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.partition(".")[0]
                if alias.asname:
                    found.append((alias.asname, alias.name, node.lineno))
                    continue
                found.append((root, root, node.lineno))
                found += [("", alias.name, node.lineno)] if root != alias.name else []
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found += [(a.asname or a.name, f"{node.module}.{a.name}", node.lineno) for a in node.names]
    return found


def test_imports_are_found_wherever_a_statement_can_stand() -> None:
    tree = ast.parse(EVERYWHERE)
    assert list(scan.imports(tree)) == walked(tree)
    roots = {dotted.partition(".")[0] for _, dotted, _ in scan.imports(tree)}
    assert roots == {*"abcdjlmnstuvwyz", "aa", "ab", "ac", "ae"}
    assert scan.local_imports(tree) == roots | {"e", "h"}


def test_the_standard_librarys_imports_are_found_in_order() -> None:
    total = 0
    for path in SOURCES:
        tree = ast.parse(path.read_bytes())
        found = list(scan.imports(tree))
        assert found == walked(tree), path
        total += len(found)
    assert total > 500


@pytest.mark.parametrize("source", ["lambda: 1", "1 if x else 2", "[x for x in y]"])
def test_an_expression_holds_no_import(source: str) -> None:
    tree = ast.parse(source, mode="eval")
    assert list(scan.imports(tree)) == []
    assert list(scan.imports(tree.body)) == []


def test_a_framework_is_found_where_it_is_used() -> None:
    source = "import numpy as np\ndef f():\n    import torch as t\n    return t.nn.Linear(1, np.pi)\n"
    uses = [(use.dotted, use.line) for use in scan.framework_uses(ast.parse(source))]
    assert uses == [("torch.nn.Linear", 4)]
