"""Running a script or a notebook: all of it, some of its cells, or its definitions only."""

from __future__ import annotations
import __future__

import ast
import linecache
import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.worker.faults import NOBODY_TYPES, asks_for_typing
from harness.worker.notebook import Cell, NotebookError, read_notebook
from harness.worker.scan import bound_names
from harness.worker.statements import Kind, names_of, rule

NOTES_LIMIT = 30


@dataclass(frozen=True, kw_only=True)
class Step:
    """One top-level statement: ``where`` is how its author finds it, ``filename`` what tracebacks say."""

    node: ast.stmt
    filename: str
    where: str
    line: str
    cell: int = 0


class Script:
    """A submission's source as steps, the module they run in, and the notes on what was not run."""

    def __init__(self, path: Path, module: types.ModuleType) -> None:
        self.path = path
        self.module = module
        self.notes: list[str] = []
        self.missing: dict[str, str] = {}  # name -> why no step bound it
        self.cells: list[Cell] = []
        self.steps: list[Step] = []
        self.done: list[Step] = []
        if path.suffix == ".ipynb":
            self.cells = _cells(path)
            self.steps = [step for cell in self.cells for step in self._cell_steps(cell)]
        else:
            self.steps = _steps(path.read_bytes(), str(path), "line {line}")
        # Statements are compiled one by one, so what `from __future__` says is handed to each.
        futures = {
            name.name
            for step in self.steps
            if isinstance(step.node, ast.ImportFrom) and step.node.module == "__future__"
            for name in step.node.names
        }
        self.flags = sum(getattr(__future__, name).compiler_flag for name in futures)

    @property
    def tree(self) -> ast.Module:
        """All steps as one syntax tree."""
        return ast.Module(body=[step.node for step in self.steps], type_ignores=[])

    def run_all(self) -> None:
        """Run every statement in order, as Python would; whatever one raises propagates."""
        if self.cells:
            for step in self.steps:
                self._run(step)
        else:
            code = compile(self.path.read_bytes(), str(self.path), "exec", dont_inherit=True)
            exec(code, self.module.__dict__)
        self.done = list(self.steps)

    def run_cells(self, wanted: Sequence[int | str]) -> None:
        """Run the imports of every cell and then the wanted cells, by number, tag, or a name they define."""
        chosen = {self._find(cell) for cell in wanted}
        for step in self.steps:
            if isinstance(step.node, (ast.Import, ast.ImportFrom)) or step.cell in chosen:
                self._run(step)
                self.done.append(step)
        left = [cell.number for cell in self.cells if cell.number not in chosen]
        if left:
            self.notes.append(f"not run: cells {', '.join(map(str, left))} (the manifest names the others)")

    def run_definitions(self) -> None:
        """Run imports, functions, classes and values, then the objects made of them; note the rest."""
        names = names_of([step.node for step in self.steps])
        rulings = [rule(step.node, names) for step in self.steps]
        skipped = {i: r.reason for i, r in enumerate(rulings) if r.kind is Kind.SKIP}
        kept = {i: _with_node(s, r.node) for i, (s, r) in enumerate(zip(self.steps, rulings))}
        first = [i for i, r in enumerate(rulings) if r.kind is Kind.DEFINE]
        second = [i for i, r in enumerate(rulings) if r.kind is Kind.OBJECT]
        waiting = self._run_in_order(first, kept, skipped)
        waiting = self._run_in_order(sorted([*waiting, *second]), kept, skipped)
        for i in waiting:
            skipped[i] = f"it needs {_unbound(kept[i].node, self.module.__dict__) or 'what was not run'}"
        for i, reason in skipped.items():
            for name in bound_names(self.steps[i].node) - set(self.module.__dict__):
                self.missing[name] = f"{self.steps[i].where} was not run: {reason or 'it only works'}"
        self.notes.extend(_grouped([(self.steps[i], skipped[i]) for i in sorted(skipped)]))

    def rerun(self, names: Iterable[str]) -> None:
        """Run again, in order, the assignments that bound these names: module-level weights, drawn afresh."""
        wanted = set(names)
        for step in self.done:
            definition = isinstance(step.node, (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom))
            if not definition and wanted & bound_names(step.node):
                self._run(step)

    def _run_in_order(self, order: list[int], kept: dict[int, Step], skipped: dict[int, str]) -> list[int]:
        """Run steps, putting off those that need a name not yet bound; return those that still wait.

        A step that was put off does not undo a later one that bound the same name: the last definition wins.
        """
        waiting, bound_at = list(order), dict[str, int]()
        while True:
            still = []
            for i in waiting:
                names = bound_names(kept[i].node)
                if names and all(bound_at.get(name, -1) > i for name in names):
                    continue
                try:
                    self._run(kept[i])
                except NameError:
                    still.append(i)
                except Exception as error:
                    skipped[i] = _plainly(error)
                else:
                    self.done.append(kept[i])
                    bound_at.update({name: max(i, bound_at.get(name, -1)) for name in names})
            if len(still) == len(waiting) or not still:
                return still
            waiting = still

    def _run(self, step: Step) -> None:
        # Dynamic by nature: this is the sandboxed side, and the code is the submission.
        tree = ast.Module(body=[step.node], type_ignores=[])
        exec(compile(tree, step.filename, "exec", self.flags, dont_inherit=True), self.module.__dict__)

    def _cell_steps(self, cell: Cell) -> list[Step]:
        filename = f"{self.path}[cell {cell.number}]"
        lines = cell.source.splitlines(keepends=True)
        linecache.cache[filename] = (len(cell.source), None, lines, filename)
        if cell.taken_out:
            self.notes.append(f"cell {cell.number}: taken out: {'; '.join(cell.taken_out)[:200]}")
        try:
            return _steps(cell.source.encode(), filename, f"cell {cell.number}, line {{line}}", cell.number)
        except SyntaxError as error:
            self.notes.append(f"cell {cell.number} is not Python (line {error.lineno}: {error.msg}): not run")
            return []

    def _find(self, wanted: int | str) -> int:
        if isinstance(wanted, int):
            if not 1 <= wanted <= len(self.cells):
                raise NotebookError(
                    f"manifest: cells: there is no cell {wanted}, the last is {len(self.cells)}"
                )
            return wanted
        tagged = [cell.number for cell in self.cells if wanted in cell.tags]
        defining = [step.cell for step in self.steps if wanted in bound_names(step.node)]
        if not tagged and not defining:
            raise NotebookError(f"manifest: cells: no cell is tagged {wanted!r} or defines it")
        return (tagged or defining)[-1]


def _cells(path: Path) -> list[Cell]:
    cells = read_notebook(path)
    if not any(cell.source.strip() for cell in cells):
        raise NotebookError(f"{path.name} has no code")
    return cells


def _steps(source: bytes, filename: str, where: str, cell: int = 0) -> list[Step]:
    tree = ast.parse(source, filename)
    # The whole is compiled once for the errors that parsing does not see (a return outside a function).
    compile(tree, filename, "exec", dont_inherit=True)
    lines = source.decode("utf-8", "replace").splitlines()
    return [
        Step(
            node=node,
            filename=filename,
            where=where.format(line=node.lineno),
            line=lines[node.lineno - 1].strip()[:80] if node.lineno <= len(lines) else "",
            cell=cell,
        )
        for node in tree.body
    ]


def _with_node(step: Step, node: ast.stmt) -> Step:
    return Step(node=node, filename=step.filename, where=step.where, line=step.line, cell=step.cell)


def _unbound(node: ast.stmt, namespace: dict[str, object]) -> str:
    """A name that the statement reads and nothing has bound."""
    builtins_ = namespace.get("__builtins__")
    known = builtins_ if isinstance(builtins_, dict) else vars(builtins_) if builtins_ else {}
    for here in ast.walk(node):
        loads = isinstance(here, ast.Name) and isinstance(here.ctx, ast.Load)
        if loads and isinstance(here, ast.Name) and here.id not in namespace and here.id not in known:
            return here.id
    return ""


def _plainly(error: Exception) -> str:
    """Why a statement failed, in words for what fails most often."""
    text = f"{type(error).__name__}: {error}"[:160]
    if isinstance(error, FileNotFoundError):
        return f"there is no file {error.filename!r}: data files are not given to submissions"
    if asks_for_gpu(error):
        return f"it asks for a GPU, and there is none ({text})"
    if asks_for_typing(error):
        return f"{NOBODY_TYPES} ({text})"
    return text


def asks_for_gpu(error: BaseException) -> bool:
    """Whether an error is a framework's complaint that there is no GPU."""
    text = str(error)
    return any(word in text for word in ("CUDA", "cuda", "MPS backend", "No NVIDIA", "NVIDIA driver"))


def _grouped(skipped: list[tuple[Step, str]]) -> list[str]:
    """One note for each run of statements that were not run for a reason worth a word."""
    notes = [f"not run: {step.where}: {step.line} ({reason})" for step, reason in skipped if reason]
    more = len(notes) - NOTES_LIMIT
    return [*notes[:NOTES_LIMIT], *([f"not run: {more} more statements"] if more > 0 else [])]
