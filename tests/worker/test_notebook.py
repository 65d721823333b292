"""Notebooks as plain Python: formats, magics, and what is left where it was."""

import ast
import json

import nbformat
import pytest

from harness.worker.notebook import NotebookError, parse_notebook, read_notebook, to_python


def cells_of(version, tmp_path, *sources):
    """A notebook written by nbformat itself, read by ours."""
    new = nbformat.v4 if version == 4 else nbformat.v3
    cells = [new.new_code_cell(source) for source in sources]
    if version == 4:
        book = new.new_notebook(cells=cells)
    else:
        book = new.new_notebook(worksheets=[new.new_worksheet(cells=cells)])
    path = tmp_path / "x.ipynb"
    nbformat.write(book, path, version=nbformat.NO_CONVERT)
    return read_notebook(path)


@pytest.mark.parametrize("version", [3, 4])
def test_both_formats_give_the_code_cells(version, tmp_path):
    cells = cells_of(version, tmp_path, "a = 1\nb = 2", "c = 3")
    assert [(cell.number, cell.source) for cell in cells] == [(1, "a = 1\nb = 2"), (2, "c = 3")]


def test_tags_are_kept_and_text_cells_are_not_counted():
    data = {
        "cells": [
            {"cell_type": "markdown", "source": "x"},
            {"cell_type": "code", "source": ["a = 1\n", "b = 2"], "metadata": {"tags": ["model"]}},
        ]
    }
    (cell,) = parse_notebook(data, "x")
    assert (cell.number, cell.tags, cell.source) == (1, ("model",), "a = 1\nb = 2")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not json",
        b"[]",
        b'{"cells": 3}',
        b"{}",
        b'{"cells": [], "metadata": {"kernelspec": {"language": "R"}}}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_python_notebook_is_refused(data, tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_bytes(data)
    with pytest.raises(NotebookError, match=r"x\.ipynb"):
        read_notebook(path)


@pytest.mark.parametrize(
    ("source", "taken"),
    [
        ("%matplotlib inline\nx = 1", ["%matplotlib inline"]),
        ("!pip install torch\nx = 1", ["!pip install torch"]),
        ("%%time\nx = 1", ["%%time"]),
        ("%%capture out\nx = 1", ["%%capture out"]),
        ("files = !ls\nx = 1", ["files = !ls"]),
        ("t = %timeit -o f()\nx = 1", ["t = %timeit -o f()"]),
        ("np.zeros?\nx = 1", ["np.zeros?"]),
        ("?np.zeros\nx = 1", ["?np.zeros"]),
        ("if True:\n    %load_ext autoreload\nx = 1", ["%load_ext autoreload"]),
        ("!pip install \\\n  a b c\nx = 1", ["!pip install \\"]),
        ('s = """\n% of all\n!"""\n%time y = 2\nx = 1', ["%time y = 2"]),
        ("y = (7\n% 4)\n%who\nx = 1", ["%who"]),
        ("# it's 100%\n!echo 'unbalanced (\nx = 1", ["!echo 'unbalanced ("]),
    ],
)
def test_magics_go_and_python_stays(source, taken):
    plain, taken_out = to_python(source)
    assert list(taken_out) == taken
    assert len(plain.split("\n")) == len(source.split("\n"))  # tracebacks keep their line numbers
    namespace = {}
    exec(compile(ast.parse(plain), "x", "exec"), namespace)
    assert namespace["x"] == 1
    if 's = """' in source:
        assert namespace["s"] == "\n% of all\n!"
    if "y = (" in source:
        assert namespace["y"] == 3


@pytest.mark.parametrize("magic", ["%%bash", "%%html", "%%writefile x.py", "%%javascript", "%%"])
def test_cells_of_other_languages_are_not_run(magic):
    plain, taken_out = to_python(f"{magic}\nrm -rf data\nexit 1")
    assert ast.parse(plain).body == []
    assert taken_out == (magic,)


def test_plain_python_is_left_alone():
    source = "x = 7 % 4\ny = '''\n%magic\n'''\n"
    assert to_python(source) == (source, ())


def test_a_real_notebook_survives_json_with_strange_cells():
    data = {
        "cells": [{"cell_type": "code"}, {"cell_type": "code", "source": None, "metadata": {"tags": 3}}, 7]
    }
    assert len(parse_notebook(json.loads(json.dumps(data)), "x")) == 2
