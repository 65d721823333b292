"""Running submissions: as they are, for their definitions only, by cells; what was left out is noted."""

import io
import json

import pytest

from harness.worker.loading import NotProvided

CONTRACT = "def build(layer_sizes, activation, seed):\n    return layer_sizes\n"


def notebook(*cells):
    code = [{"cell_type": "code", "source": c, "metadata": {}, "outputs": []} for c in cells]
    return json.dumps({"cells": code, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_a_plain_file_is_run_as_it_is(load):
    loaded = load("x = 0\nwhile x < 3:\n    x += 1\n" + CONTRACT.replace("return layer_sizes", "return x"))
    assert loaded.build([2, 3], "relu", 0) == 3
    assert loaded.notes == []


def test_what_a_submission_raises_propagates_as_it_is(load):
    with pytest.raises(ZeroDivisionError):
        load(CONTRACT + "1 / 0")
    with pytest.raises(SystemExit):
        load(CONTRACT + "raise SystemExit(0)")
    with pytest.raises(SyntaxError):
        load('print "hello"')
    with pytest.raises(SyntaxError):
        load("x = 1\nreturn x\n")


def test_future_imports_hold_for_the_whole_file(load):
    source = "from __future__ import annotations\n\nclass A:\n    def f(self) -> B: ...\n"
    load(source + CONTRACT)
    loaded = load(source + "def build(a, b, c): return A.f.__annotations__\n", run="definitions")
    assert loaded.build(1, 2, 3) == {"return": "B"}
    with pytest.raises(NameError):
        load(source.split("\n", 1)[1] + CONTRACT, run="all")


def test_encodings_are_python_s_own(load, tmp_path):
    path = tmp_path / "latin.py"
    path.write_bytes("# -*- coding: latin-1 -*-\nname = 'é'\n".encode("latin-1") + CONTRACT.encode())
    from harness.worker.loading import load_submission

    assert load_submission(str(path), {}).build([1], "relu", 0) == [1]
    path.write_bytes("name = 'é'\n".encode("latin-1") + CONTRACT.encode())
    with pytest.raises(SyntaxError):
        load_submission(str(path), {})


def test_a_file_without_build_says_what_to_do(load):
    with pytest.raises(NotProvided, match=r"no build\(.*backcheck inspect"):
        load("def make(): ...").build([1], "relu", 0)


def test_a_build_that_was_not_run_says_why(load):
    with pytest.raises(NotProvided, match="line 2 was not run: it needs make_network"):
        load("X = load_data()\nbuild = make_network(X)\n", run="definitions").build([1], "relu", 0)


def test_a_script_that_trains_is_run_for_its_definitions(load):
    loaded = load(
        """
import sys
SIZE = 3
X = load_mnist("mnist.csv")
model = build([784, 10], "relu", 0)
model.fit(X, epochs=15)
for epoch in range(10):
    train(model)
print("done")
sys.exit("trained")
if __name__ == "__main__":
    raise RuntimeError
def build(layer_sizes, activation, seed):
    return SIZE
"""
    )
    assert loaded.build([1], "relu", 0) == 3
    notes = "\n".join(loaded.notes)
    assert 'line 4: X = load_mnist("mnist.csv") (it calls load_mnist)' in notes
    assert "line 6: model.fit(X, epochs=15) (it calls fit)" in notes
    assert "line 7: for epoch in range(10): (a loop that calls train)" in notes
    assert "line 10" in notes
    assert "print" not in notes


def test_a_script_that_trains_by_its_main_function_is_run_for_its_definitions(load):
    source = "def main():\n    prepare()\ndef prepare():\n    train(load_mnist())\n" + CONTRACT + "main()\n"
    loaded = load(source)
    assert loaded.build([3], "relu", 0) == [3]
    assert any("line 7: main()" in note for note in loaded.notes)


def test_definitions_keep_values_objects_and_the_loops_that_fill_them(load):
    loaded = load(
        """
import numpy as np
np.random.seed(3)
sizes = [4, 3, 2]
W = []
for a, b in zip(sizes[:-1], sizes[1:]):
    W.append(np.ones((a, b)))
net = Net()
net.add(Layer(2))
for n in sizes:
    net.add(Layer(n))
try:
    import cupy as xp
except ImportError:
    xp = np
if xp is np:
    device = "cpu"
else:
    device = "gpu"
class Layer:
    def __init__(self, n): self.n = n
class Net:
    def __init__(self): self.layers = []
    def add(self, layer): self.layers.append(layer)
def build(layer_sizes, activation, seed):
    return len(W), [layer.n for layer in net.layers], device
""",
        run="definitions",
    )
    assert loaded.build([1], "relu", 0) == (2, [2, 4, 3, 2], "cpu")


def test_the_last_definition_wins_and_order_does_not_matter(load):
    cells = [
        "net = Net()",
        "class Net(Base):\n    version = 1",
        "class Base: ...",
        "class Net(Base):\n    version = 2",
        "limit = scale * 2",
        "scale = 4",
        "def build(a, b, c):\n    return Net.version, net.version, limit",
    ]
    assert load(notebook(*cells), "x.ipynb").build(1, 2, 3) == (2, 2, 8)


def test_cells_are_chosen_by_number_tag_and_name(load, tmp_path):
    cells = ["import math", "raise RuntimeError", "x = math.pi", "def build(a, b, c): return x", "x = 0"]
    loaded = load(notebook(*cells), "x.ipynb", cells=[3, "build"])
    assert loaded.build(1, 2, 3) == pytest.approx(3.14159, abs=1e-5)
    assert loaded.notes == ["not run: cells 1, 2, 5 (the manifest names the others)"]
    with pytest.raises(RuntimeError):
        load(notebook(*cells), "x.ipynb", cells=[2])
    with pytest.raises(Exception, match="there is no cell 9, the last is 5"):
        load(notebook(*cells), "x.ipynb", cells=[9])
    with pytest.raises(Exception, match="no cell is tagged 'nothing'"):
        load(notebook(*cells), "x.ipynb", cells=["nothing"])


def test_a_missing_data_file_is_said_plainly(load):
    loaded = load(
        "with_data = Table('train.csv')\ndef Table(path): return list(open(path))\n", run="definitions"
    )
    assert any("there is no file 'train.csv': data files are not given" in note for note in loaded.notes)


def test_what_waits_for_somebody_to_type_is_noted(load, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    loaded = load("def ask():\n    return input()\n\nrate = [ask() for _ in range(1)]\ntrain(1)\n" + CONTRACT)
    assert any(
        "there is nobody to type while it is graded: take input() out" in note for note in loaded.notes
    )


def test_a_name_that_was_not_bound_is_explained(load):
    loaded = load("X = load_data()\ndef build(a, b, c):\n    return X\n")
    with pytest.raises(NameError) as raised:
        loaded.build(1, 2, 3)
    assert raised.value.__notes__ == ["X: line 1 was not run: it calls load_data"]


def test_modules_beside_the_entry_are_imported(load, tmp_path):
    folder = tmp_path / "bob"
    folder.mkdir()
    (folder / "layers.py").write_text("size = 5\n")
    assert load("import layers\ndef build(a, b, c): return layers.size", "bob/main.py").build(1, 2, 3) == 5
    (folder / "deep.py").write_text("from .layers import size\n")
    loaded = load("from .deep import size\ndef build(a, b, c): return size", "bob/main.py")
    assert loaded.build(1, 2, 3) == 5


def test_a_file_named_like_a_module_hides_none(load):
    load("value = 1\n" + CONTRACT, "random.py")
    import random

    assert hasattr(random, "shuffle")


def test_dataclasses_find_their_module(load):
    source = "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: 'int' = 1\n"
    assert load(source + CONTRACT).build([1], "relu", 0) == [1]


def test_an_adapter_file_sees_the_submission(load):
    loaded = load(
        "class Net:\n    size = 4\nNet().train()\n",
        adapter="bridge.py",
        adapter_source="from submission import Net\ndef build(a, b, c): return Net.size",
    )
    assert loaded.build(1, 2, 3) == 4
    with pytest.raises(NotProvided, match=r"bridge\.py defines no build"):
        load("x = 1", adapter="bridge.py", adapter_source="y = 2")


def test_a_traceback_has_the_notebook_s_lines(load):
    import traceback

    loaded = load(notebook("x = 1", "def build(a, b, c):\n    return 1 / 0"), "x.ipynb")
    with pytest.raises(ZeroDivisionError) as raised:
        loaded.build(1, 2, 3)
    text = "".join(traceback.format_exception(raised.value))
    assert "x.ipynb[cell 2]" in text
    assert "return 1 / 0" in text


def test_a_notebook_without_code_is_refused(load):
    with pytest.raises(Exception, match="has no code"):
        load(notebook("", "  "), "x.ipynb")
