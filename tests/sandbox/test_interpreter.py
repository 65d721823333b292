from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from harness.sandbox import interpreter
from harness.sandbox.policy import SCRATCH_PACKAGES, python_hidden_paths, python_readable_paths

ROOT = Path(harness.__file__).resolve().parent


def seen(path: Path, readable: tuple[Path, ...]) -> bool:
    """Whether a policy lets a path be seen: in a readable path with no hidden folder in between."""
    hidden = set(python_hidden_paths())
    for parent in (path, *path.parents):
        if parent in readable:
            return True
        if parent in hidden:
            return False
    return False


@pytest.fixture(scope="module")
def scratch() -> tuple[Path, ...]:
    return python_readable_paths(SCRATCH_PACKAGES)


@pytest.mark.parametrize("name", ["numpy", "scipy", "matplotlib", "pandas", "dateutil"])
def test_scratch_submissions_see_the_tools_and_what_they_depend_on(
    name: str, scratch: tuple[Path, ...]
) -> None:
    module = pytest.importorskip(name)
    assert seen(Path(module.__file__).resolve(), scratch)


@pytest.mark.parametrize("name", ["torch", "sklearn", "jax", "autograd", "tensorflow", "psutil", "pytest"])
def test_scratch_submissions_do_not_see_frameworks(name: str, scratch: tuple[Path, ...]) -> None:
    spec = __import__("importlib.util").util.find_spec(name)
    if spec is None:
        pytest.skip(f"{name} is not installed")
    assert not seen(Path(spec.origin).resolve(), scratch)


def test_allowed_framework_is_seen_with_its_dependencies() -> None:
    readable = python_readable_paths(("torch",))
    for name in ("torch", "sympy", "typing_extensions"):
        spec = __import__("importlib.util").util.find_spec(name)
        assert seen(Path(spec.origin).resolve(), readable)


@pytest.mark.parametrize(
    "path",
    [
        ROOT / "specs",
        ROOT / "checks",
        ROOT / "calibration",
        ROOT.parent / "tests",
        ROOT.parent / "reference",
        ROOT.parent / "submissions",
        ROOT.parent / ".git",
        Path.home() / ".cache",
        Path.home() / ".ssh",
        Path("/etc/passwd"),
        Path("/tmp"),
        Path("/proc"),
    ],
    ids=str,
)
def test_nothing_else_is_seen(path: Path, scratch: tuple[Path, ...]) -> None:
    assert not seen(path, scratch)
    assert path not in scratch


def test_what_is_unknown_is_left_out() -> None:
    assert python_readable_paths(("no-such-distribution-as-this",)) == python_readable_paths(())


def harness_imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "harness"}


def module_file(name: str) -> Path | None:
    base = ROOT.parent.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.exists():
            return path
    return None


def test_everything_the_worker_imports_of_the_harness_can_be_read(scratch: tuple[Path, ...]) -> None:
    # The trusted side of the sandbox is in the same folder, and imports more.
    trusted = {"doctor", "command", "probes"}
    pending = [
        *(ROOT / "worker").rglob("*.py"),
        ROOT / "sandbox" / "backend.py",
        ROOT / "sandbox" / "attempts.py",
    ]
    visited: set[Path] = set()
    while pending:
        path = pending.pop()
        if path in visited or path.stem in trusted:
            continue
        visited.add(path)
        assert seen(path, scratch), f"{path} is imported by the worker and would be missing in the sandbox"
        pending += [file for name in harness_imports(path) if (file := module_file(name))]
    assert ROOT / "wire.py" in visited


def test_hops_lists_each_link_and_the_file(tmp_path: Path) -> None:
    (tmp_path / "real" / "bin").mkdir(parents=True)
    (tmp_path / "real" / "bin" / "python3.99").write_text("")
    (tmp_path / "real" / "bin" / "python3").symlink_to("python3.99")
    (tmp_path / "current").symlink_to("real")
    (tmp_path / "python").symlink_to(tmp_path / "current" / "bin" / "python3")
    assert [str(path.relative_to(tmp_path)) for path in interpreter.hops(tmp_path / "python")] == [
        "python",
        "current",
        "real/bin/python3",
        "real/bin/python3.99",
    ]


def test_hops_of_a_loop_or_of_nothing_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert sorted(path.name for path in interpreter.hops(tmp_path / "a")) == ["a", "b"]
    assert list(interpreter.hops(tmp_path / "nothing")) == []


def make_distribution(folder: Path, name: str, *, requires: str = "", record: str | None = None) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}\n")
    if record is not None:
        info.joinpath("RECORD").write_text(record)


def test_system_packages_without_a_record_are_found_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_distribution(
        tmp_path, "bc_alpha", requires='Requires-Dist: bc-beta\nRequires-Dist: bc-x; extra == "x"'
    )
    make_distribution(tmp_path, "bc_beta", record="bc_beta.py,,\nbc_beta.libs/a.so,,\n../../bin/tool,,\n")
    make_distribution(tmp_path, "bc_x", record="bc_x.py,,\n")
    (tmp_path / "bc_alpha").mkdir()
    (tmp_path / "unrelated").mkdir()
    # Newer Pythons, and importlib_metadata where something imported it, list only files that exist.
    (tmp_path / "bc_beta.py").touch()
    (tmp_path / "bc_beta.libs").mkdir()
    (tmp_path / "bc_beta.libs" / "a.so").touch()
    monkeypatch.syspath_prepend(tmp_path)
    names = {path.name for path in interpreter.distribution_paths(["BC.Alpha"])}
    assert names == {"bc_alpha", "bc_alpha-1.0.dist-info", "bc_beta.py", "bc_beta.libs"}


def test_the_paths_of_another_python_on_this_machine_serve_it(tmp_path: Path) -> None:
    python = Path("/usr/bin/python3")
    if not python.exists() or os.path.realpath(python) == os.path.realpath(sys.executable):
        pytest.skip("no second Python on this machine")
    code = f"""
import sys; sys.path.insert(0, {str(ROOT.parent)!r})
from harness.sandbox.policy import python_readable_paths, python_hidden_paths
print(*python_readable_paths(()), sep="\\n"); print("-"); print(*python_hidden_paths(), sep="\\n")
"""
    answer = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        pytest.skip("the second Python is too old for backcheck")
    readable, hidden = (part.split("\n") for part in answer.stdout.strip().split("\n-\n"))
    executable = os.path.realpath(python)
    assert str(python) in readable
    assert executable in readable
    for folder in ("/usr/lib/python3/dist-packages", "/usr/local/lib"):
        assert folder not in readable
    assert all(Path(path).name in ("site-packages", "dist-packages", "harness") for path in hidden)
