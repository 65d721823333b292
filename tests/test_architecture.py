"""Imports point one way, and what must be light is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# From the source to the outputs; a room imports from itself and from what stands before it.
ORDER = (
    ("errors", "denormals", "threads", "liveness"),
    ("records", "wire", "oracle", "digest", "progress"),
    ("spec", "data", "mnist"),
    ("sandbox",),
    ("worker",),
    ("manifest", "parts"),
    ("submission",),
    ("session",),
    ("diagnosis",),
    ("checks",),
    ("calibration",),
    ("statistics",),
    ("views",),
    ("store",),
    ("grading", "authoring"),
    ("reproduce",),
    ("cli", "pytest_plugin", "__main__"),
)
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}


def rooms_of(path):
    """The rooms of the harness that a module imports, with the lines."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = whole if node.module == "harness" else [node.module]
        for name in names:
            parts = name.split(".")
            if parts[0] in ("harness", "reference", "submissions", "tests", "benchmarks"):
                yield parts[0], parts[1] if len(parts) > 1 else "", node.lineno


def modules():
    return sorted((ROOT / "harness").rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_imports_only_what_stands_before_it(path):
    relative = path.relative_to(ROOT / "harness")
    room = relative.parts[0].removesuffix(".py")
    if room == "__init__":
        return
    assert room in LEVEL, f"{room} has no place in the order: give it one"
    for package, imported, line in rooms_of(path):
        assert package == "harness", f"{relative}:{line} imports {package}"
        if imported and imported != "__version__":
            assert LEVEL[imported] <= LEVEL[room], (
                f"{relative}:{line} imports harness.{imported}, which is downstream"
            )


def test_the_worker_imports_nothing_that_judges():
    for path in (ROOT / "harness" / "worker").rglob("*.py"):
        for _, imported, line in rooms_of(path):
            assert imported in ("worker", "wire", "sandbox", "errors", "denormals"), f"{path}:{line}"


@pytest.mark.parametrize("folder", ["reference", "submissions"])
def test_what_is_graded_knows_nothing_of_the_harness(folder):
    for path in (ROOT / folder).rglob("*.py"):
        assert list(rooms_of(path)) == [], path


def loaded_by(code):
    text = f"import sys; {code}; print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import harness, harness.cli",
        "from harness.cli import main; main(['--version'])",
        "import harness.pytest_plugin",
    ],
)
def test_starting_loads_nothing_heavy(code):
    heavy = {"torch", "matplotlib", "sklearn", "pandas", "scipy", "numpy"}
    assert loaded_by(code) & heavy == set()


def test_grading_loads_no_framework_into_the_grader():
    heavy = {"torch", "matplotlib", "sklearn"}
    assert loaded_by("import harness.grading.session, harness.pytest_plugin") & heavy == set()


def test_the_harness_has_no_names_that_pytest_would_collect():
    for path in modules():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                assert not node.name.startswith(("test_", "Test")), f"{path}: {node.name}"


def test_the_references_among_the_submissions_are_the_references():
    for name, source in (("numpy_reference", "numpy_mlp"), ("torch_reference", "torch_mlp")):
        copy = (ROOT / "submissions" / f"{name}.py").read_text()
        assert copy == (ROOT / "reference" / f"{source}.py").read_text(), f"copy reference/{source}.py again"
