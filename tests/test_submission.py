"""Finding submissions: nothing is imported, nobody vanishes, and one broken submission stops no other."""

import ast
import json
import os
import sys

import pytest

from harness import digest, parts
from harness.errors import UsageError
from harness.submission import discover

CODE = "def build(layer_sizes, activation, seed): ...\n"
LARGE_CELL = {"cell_type": "code", "source": "x = 1\n" * 200_000}


def found(folder, **options):
    return {s.name: s for s in discover([folder], **options)}


def test_files_notebooks_and_folders_are_submissions(tmp_path):
    (tmp_path / "alice.py").write_text(CODE)
    (tmp_path / "bob.ipynb").write_text('{"cells": []}')
    (tmp_path / "carol").mkdir()
    (tmp_path / "carol" / "submission.py").write_text(CODE)
    (tmp_path / "dave").mkdir()
    (tmp_path / "dave" / "main.py").write_text(CODE)
    (tmp_path / "dave" / "layers.py").write_text("")
    (tmp_path / "dave" / "submission.toml").write_text('entry = "main.py"')
    (tmp_path / "erin").mkdir()
    (tmp_path / "erin" / "net.ipynb").write_text('{"cells": []}')
    submissions = found(tmp_path)
    assert list(submissions) == ["alice", "bob", "carol", "dave", "erin"]
    assert all(s.problem is None for s in submissions.values())
    assert submissions["dave"].entry == tmp_path / "dave" / "main.py"
    assert submissions["dave"].folder == tmp_path / "dave"
    assert submissions["alice"].folder is None
    assert "only file of code" in submissions["erin"].notes[0]


def test_nothing_is_imported(tmp_path, monkeypatch):
    (tmp_path / "alice.py").write_text("import sys\nsys.was_here = True\n")
    (tmp_path / "conftest.py").write_text("import sys\nsys.was_here = True\n")
    found(tmp_path)
    assert not hasattr(sys, "was_here")


def test_what_is_no_submission_is_passed_over_and_noted(tmp_path):
    for name in (
        "conftest.py",
        "test_x.py",
        "x_test.py",
        "pytest.ini",
        "setup.cfg",
        ".hidden.py",
        "README.md",
    ):
        (tmp_path / name).write_text("")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__init__.py").write_text("")
    notes = []
    assert found(tmp_path, notes=notes) == {}
    said = "\n".join(notes)
    for name in ("conftest.py", "test_x.py", "x_test.py", "pytest.ini", "setup.cfg", ".hidden.py"):
        assert f"{name} is not a submission" in said
    assert "README" not in said
    assert "__pycache__" not in said


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda d: d.mkdir(), "no submission.py"),
        (lambda d: [d.mkdir(), (d / "a.py").write_text(""), (d / "b.py").write_text("")], "a.py, b.py"),
        (
            lambda d: [
                d.mkdir(),
                (d / "submission.py").write_text(""),
                (d / "submission.ipynb").write_text("{}"),
            ],
            "more than one possible entry",
        ),
        (lambda d: [d.mkdir(), (d / "submission.toml").write_text('entry = "gone.py"')], "not a file"),
        (
            lambda d: [d.mkdir(), (d / "submission.toml").write_text('entry = "../x.py"')],
            "inside the submission",
        ),
        (
            lambda d: [d.mkdir(), (d / "submission.toml").write_text('entri = "x.py"')],
            "did you mean 'entry'?",
        ),
        (lambda d: [d.mkdir(), (d / "submission.py").symlink_to("/etc/hostname")], "leaves the submission"),
        (lambda d: d.symlink_to("/etc"), "leaves the folder of submissions"),
        (lambda d: d.with_suffix(".zip").write_bytes(b"PK"), "not unpacked"),
        (lambda d: d.with_suffix(".py").symlink_to("/etc/passwd"), "leaves the folder of submissions"),
    ],
    ids=["empty", "two", "py-and-ipynb", "gone", "dotdot", "key", "link", "folder-link", "zip", "file-link"],
)
def test_a_broken_submission_is_still_one_and_stops_no_other(tmp_path, make, words):
    (tmp_path / "alice.py").write_text(CODE)
    make(tmp_path / "zoe")
    submissions = found(tmp_path)
    assert submissions.pop("alice").problem is None
    assert len(submissions) == 1
    assert words in next(iter(submissions.values())).problem


def test_hostile_names_are_refused_and_shown_harmless(tmp_path):
    (tmp_path / "al\x1b[31mice\n.py").write_text(CODE)
    (tmp_path / "x\u202egnp.py").write_text(CODE)
    (tmp_path / ("y" * 120 + ".py")).write_text(CODE)
    path = os.fsencode(tmp_path) + b"/z\xff.py"
    with open(path, "w") as file:
        file.write(CODE)
    submissions = discover([tmp_path])
    assert len(submissions) == 4
    for submission in submissions:
        assert "rename it" in submission.problem
        assert submission.name.isprintable()
        submission.name.encode()


def test_one_name_twice_is_told_apart(tmp_path):
    (tmp_path / "alice.py").write_text(CODE)
    (tmp_path / "alice.ipynb").write_text("{}")
    assert set(found(tmp_path)) == {"alice.py", "alice.ipynb"}
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "bob.py").write_text(CODE)
    names = [s.name for s in discover([tmp_path / "one", tmp_path / "two"])]
    assert len(set(names)) == 2


def test_a_path_may_be_one_file_or_one_folder(tmp_path):
    (tmp_path / "alice.py").write_text(CODE)
    folder = tmp_path / "bob"
    folder.mkdir()
    (folder / "submission.py").write_text(CODE)
    assert [s.name for s in discover([tmp_path / "alice.py", folder])] == ["alice", "bob"]
    with pytest.raises(UsageError, match="does not exist"):
        discover([tmp_path / "nobody"])


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("import numpy as np", "scratch"),
        ("import torch\nnet = torch.nn.Linear(1, 2)", "package"),
        ("from tensorflow.keras import Sequential", "package"),
        ("from tensorflow import keras\nm = keras.Sequential()", "package"),
        ("import jax.numpy as jnp\nx = jnp.zeros(3)", "package"),
        ("from autograd import grad", "package"),
        ("from sklearn.neural_network import MLPClassifier", "package"),
        ("import sklearn.neural_network", "package"),
        ("def f():\n    import torch\n    return torch.zeros(3)", "package"),
        ("from sklearn.metrics import confusion_matrix", "scratch"),
        ("from sklearn.datasets import fetch_openml", "scratch"),
        ("from tensorflow.keras.datasets import mnist", "scratch"),
        ("import tensorflow as tf\n(a, b), c = tf.keras.datasets.mnist.load_data()", "scratch"),
        ("import tensorflow as tf\nx = tf.matmul(a, b)\ny = tf.keras.datasets.mnist", "package"),
        ("import torch as backend\nnet = make(backend)", "package"),
        ("import \uff54orch\nnet = make(torch.nn)", "package"),  # a wide letter, which Python reads as "t"
        ("import torchvision", "scratch"),
        ("import torch\nfrom torch.utils.data import DataLoader", "scratch"),
        ("x = 'import torch'", "scratch"),
        ("this is not python", "scratch"),
    ],
)
def test_the_part_is_read_off_the_imports(tmp_path, source, part):
    (tmp_path / "alice.py").write_text(source)
    (submission,) = discover([tmp_path])
    assert submission.part == part
    assert submission.manifest.part == part
    if part == "scratch":
        assert not {"torch", "scikit-learn", "jax", "tensorflow"} & set(submission.packages)


def test_the_part_is_read_off_modules_beside_the_entry(tmp_path):
    folder = tmp_path / "alice"
    (folder / "nets").mkdir(parents=True)
    (folder / "submission.py").write_text("from nets.deep import Net\n")
    (folder / "nets" / "__init__.py").write_text("")
    (folder / "nets" / "deep.py").write_text("import torch\nNet = torch.nn.Linear\n")
    (submission,) = discover([folder])
    assert submission.part == "package"
    assert "torch" in submission.packages


def test_the_manifest_decides_the_part(tmp_path):
    (tmp_path / "alice.py").write_text("import torch\nx = torch.zeros(3)\n")
    (tmp_path / "alice.toml").write_text('part = "scratch"')
    (submission,) = discover([tmp_path])
    assert submission.part == "scratch"
    assert "torch" not in submission.packages


def test_a_class_manifest_holds_for_those_without_their_own(tmp_path):
    (tmp_path / "class.toml").write_text('constructor = "Net(layer_sizes)"')
    (tmp_path / "alice.py").write_text("")
    (tmp_path / "bob.py").write_text("")
    (tmp_path / "bob.toml").write_text('constructor = "Other(layer_sizes)"')
    submissions = found(tmp_path)
    assert submissions["alice"].manifest.constructor == "Net(layer_sizes)"
    assert submissions["bob"].manifest.constructor == "Other(layer_sizes)"
    before = submissions["alice"].digest
    (tmp_path / "class.toml").write_text('constructor = "Net(hidden)"')
    assert found(tmp_path)["alice"].digest != before


def test_an_adapter_beside_a_file_is_no_submission(tmp_path):
    (tmp_path / "alice.py").write_text("")
    (tmp_path / "alice.toml").write_text('adapter = "alice_adapter.py"')
    (tmp_path / "alice_adapter.py").write_text(CODE)
    notes = []
    submissions = found(tmp_path, notes=notes)
    assert set(submissions) == {"alice"}
    assert submissions["alice"].problem is None
    assert any("adapter of a submission" in note for note in notes)


def test_a_submission_cannot_take_another_s_file_for_its_adapter(tmp_path):
    (tmp_path / "alice.py").write_text(CODE)
    (tmp_path / "eve.py").write_text("")
    (tmp_path / "eve.toml").write_text('adapter = "alice.py"')
    submissions = found(tmp_path)
    assert submissions["alice"].problem is None
    assert "'eve_adapter.py'" in submissions["eve"].problem


def test_a_submission_called_class_cannot_speak_for_the_class(tmp_path):
    for name in ("alice.py", "class.py"):
        (tmp_path / name).write_text(CODE)
    assert set(found(tmp_path)) == {"alice", "class"}
    (tmp_path / "class.toml").write_text('layout = "out_in"')
    with pytest.raises(UsageError, match=r"beside class.py it may be"):
        found(tmp_path)


@pytest.mark.parametrize("text", ["time_limt = 5", "time_limit = 0", f"input_scale = 0x{'f' * 5000}", "= 1"])
def test_a_class_s_manifest_that_is_wrong_is_not_the_students_fault(tmp_path, text):
    (tmp_path / "alice.py").write_text(CODE)
    (tmp_path / "class.toml").write_text(text)
    with pytest.raises(UsageError, match="it holds for every submission without a manifest"):
        found(tmp_path)


@pytest.mark.parametrize("name", ["MLP.PY", "student.py.txt", "Net.IPYNB"])
def test_a_file_with_another_ending_is_told_and_not_passed_over(tmp_path, name):
    (tmp_path / name).write_text(CODE)
    (tmp_path / "notes.txt").write_text("done")
    (tmp_path / "README.md").write_text("the class")
    (tmp_path / "__MACOSX").mkdir()
    notes = []
    (submission,) = found(tmp_path, notes=notes).values()
    assert name in submission.problem
    assert "rename it" in submission.problem
    assert [note.split()[0] for note in notes] == ["notes.txt"]


def test_a_link_to_another_submission_is_none(tmp_path):
    (tmp_path / "alice").mkdir()
    (tmp_path / "alice" / "submission.py").write_text(CODE)
    (tmp_path / "carol.py").write_text(CODE)
    (tmp_path / "eve").symlink_to("alice")
    (tmp_path / "mallory.py").symlink_to("carol.py")
    problems = {name: each.problem for name, each in found(tmp_path).items()}
    assert {name for name, problem in problems.items() if problem is None} == {"alice", "carol"}
    assert all("symbolic link" in problems[name] for name in ("eve", "mallory"))
    assert discover([tmp_path / "mallory.py"])[0].problem is None  # who names a link means it


def test_which_part_is_graded_is_the_class_s_to_say(tmp_path):
    (tmp_path / "alice.py").write_text("import torch\nN = torch.nn.Linear(2, 3)\n" + CODE)
    (tmp_path / "alice.toml").write_text('part = "both"')
    alice = found(tmp_path)["alice"]
    assert alice.part == "package"  # nobody is from scratch who uses a framework
    assert any("graded as the package part: it uses torch" in note for note in alice.notes)
    (tmp_path / "class.toml").write_text('part = "scratch"')
    alice = found(tmp_path)["alice"]
    assert (alice.part, alice.packages) == ("scratch", ("numpy",))


def test_long_paths_that_look_alike_keep_names_of_their_own(tmp_path):
    folders = [tmp_path / ("l" * 110) / name for name in "ab"]
    for folder in folders:
        (folder / "alice").mkdir(parents=True)
        (folder / "alice" / "submission.py").write_text(CODE)
    names = [each.name for each in discover(folders)]
    assert len(set(names)) == 2
    assert max(map(len, names)) <= 100


@pytest.mark.parametrize(
    "make",
    [
        lambda d: [d.mkdir(), (d / "submission.toml").write_text(f"layers = {'9' * 5000}")],
        lambda d: [d.mkdir(), (d / "submission.toml").write_text(f"input_scale = 0x{'f' * 5000}")],
        lambda d: [d.mkdir(), (d / "submission.toml").write_text("a." * 20_000 + "a = 1")],
        lambda d: [d.mkdir(), (d / "loop").symlink_to("loop"), (d / "submission.py").write_text(CODE)],
        lambda d: d.with_suffix(".py").symlink_to(d.with_suffix(".py").name),
        lambda d: d.with_suffix(".ipynb").write_text('{"worksheets": [{"cells": 5}], "nbformat": 3}'),
        lambda d: d.with_suffix(".ipynb").write_text(json.dumps({"cells": [LARGE_CELL], "nbformat": 4})),
    ],
    ids=["digits", "hex digits", "dots", "loop inside", "loop", "no cells", "much code"],
)
def test_one_hand_in_never_stops_a_class(tmp_path, make):
    (tmp_path / "alice.py").write_text(CODE)
    make(tmp_path / "eve")
    submissions = found(tmp_path)
    assert set(submissions) == {"alice", "eve"}
    assert submissions["alice"].problem is None
    if (tmp_path / "eve").is_dir():
        submissions["eve"].problem.encode()
        assert len(submissions["eve"].problem) < 400


def test_folders_without_end_are_that_submission_s_problem(tmp_path, monkeypatch):
    def endless(path, remark):
        return endless(path, remark) if path.name == "eve" else ""

    for name in ("alice", "eve"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "submission.py").write_text(CODE)
    monkeypatch.setattr("harness.submission.digest_of", endless)
    submissions = found(tmp_path)
    assert submissions["alice"].problem is None
    assert "RecursionError" in submissions["eve"].problem


@pytest.mark.parametrize("given", [".", "../eve", "..", "inside/.."])
def test_a_folder_is_found_by_whatever_path(tmp_path, monkeypatch, given):
    (tmp_path / "eve" / "inside").mkdir(parents=True)
    (tmp_path / "eve" / "submission.py").write_text(CODE)
    monkeypatch.chdir(tmp_path / "eve" / ("inside" if given == ".." else ""))
    (submission,) = discover([given])
    assert submission.name == "eve"
    assert submission.entry == tmp_path / "eve" / "submission.py"
    (tmp_path / "copy").mkdir()
    assert submission.copied(tmp_path / "copy").entry.read_text() == CODE


def test_the_digest_is_of_names_and_contents(tmp_path):
    folder = tmp_path / "alice"
    folder.mkdir()
    (folder / "submission.py").write_text(CODE)
    (folder / "helper.py").write_text("a = 1\n")

    def now():
        return discover([folder])[0].digest

    first = now()
    assert now() == first
    (folder / "helper.py").write_text("a = 2\n")
    changed = now()
    (folder / "helper.py").rename(folder / "helped.py")
    renamed = now()
    (folder / "submission.toml").write_text('dtype = "float32"')
    assert len({first, changed, renamed, now()}) == 4
    assert len(first) == 64


def test_too_much_is_a_problem_and_environments_do_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(digest, "BYTES_LIMIT", 1000)
    folder = tmp_path / "alice"
    (folder / "venv").mkdir(parents=True)
    (folder / "venv" / "pyvenv.cfg").write_text("home = /usr")
    (folder / "venv" / "big.bin").write_bytes(b"x" * 2000)
    (folder / "submission.py").write_text(CODE)
    assert discover([folder])[0].problem is None
    (folder / "weights.bin").write_bytes(b"x" * 2000)
    assert "too large" in discover([folder])[0].problem


def test_a_link_inside_is_noted_and_not_followed(tmp_path):
    folder = tmp_path / "alice"
    folder.mkdir()
    (folder / "submission.py").write_text(CODE)
    (folder / "data").symlink_to("/etc")
    (submission,) = discover([folder])
    assert submission.problem is None
    assert any("data is a symbolic link that leaves" in note for note in submission.notes)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_a_problem(tmp_path):
    path = tmp_path / "alice.py"
    path.write_text(CODE)
    path.chmod(0)
    assert "cannot be read" in discover([tmp_path])[0].problem


@pytest.mark.parametrize(
    "source",
    [
        "(" * 200_000,
        "-" * 500_000 + "1",
        "lambda:" * 100_000 + "1",
        "a" + ".b" * 200_000,
        "a" + "()" * 200_000,
        "x = 1\0",
        "if 1:\n x = 1\n" + "elif 1:\n x = 1\n" * 50_000,
        "[" * 90 + "]" * 90,
        "\x00\xff\xfe",
    ],
    ids=["brackets", "minus", "lambda", "chain", "calls", "nul", "elif", "lists", "bytes"],
)
def test_no_source_stops_the_reading(tmp_path, source):
    (tmp_path / "alice.py").write_bytes(source.encode("latin-1"))
    (tmp_path / "bob.py").write_text("import torch\nx = torch.zeros(3)\n")
    submissions = found(tmp_path)
    assert submissions["alice"].part == "scratch"
    assert submissions["bob"].part == "package"


def test_pipes_are_not_waited_for(tmp_path):
    (tmp_path / "alice.py").write_text(CODE)
    for name in ("bob.py", "x.toml", "alice.toml"):
        os.mkfifo(tmp_path / name)
    folder = tmp_path / "carol"
    folder.mkdir()
    (folder / "submission.py").write_text("import helper\n")
    os.mkfifo(folder / "helper.py")
    os.mkfifo(folder / "submission.toml")
    submissions = found(tmp_path)
    assert submissions["alice"].problem is None
    assert "neither a file nor a folder" in submissions["bob"].problem
    assert submissions["carol"].problem is None
    assert any("helper.py is not a regular file" in note for note in submissions["carol"].notes)


def test_a_framework_in_another_encoding_is_found(tmp_path):
    (tmp_path / "ada.py").write_bytes(b"# coding: utf-7\nimport +AHQAbwByAGMAaA-.nn\n")
    assert found(tmp_path)["ada"].part == "package"


@pytest.mark.parametrize(
    "line",
    [
        "import\\\n torch.nn",
        "import numpy as np, \\\r\n  torch.nn as nn",
        "from\\\rtorch import(\r nn)",
        "x = 1;import\ttorch.nn",
    ],
)
def test_a_framework_is_found_however_its_import_is_written(tmp_path, line):
    (tmp_path / "ada.py").write_bytes(f"{line}\n{CODE}".encode())
    (tmp_path / "bob.py").write_bytes(f"def f():\r  {line}\r".encode())
    assert {submission.part for submission in found(tmp_path).values()} == {"package"}


def test_source_that_cannot_tell_more_than_numpy_is_not_parsed(tmp_path, monkeypatch):
    (tmp_path / "ada.py").write_text("import numpy as np  # imports nothing else\nX = 'torch.optim'\n" + CODE)
    (tmp_path / "bob.py").write_text("import numpy as np\nfrom scipy.special import expit\n" + CODE)
    parsed = []
    monkeypatch.setattr(parts.ast, "parse", lambda source: parsed.append(source) or ast.Module([], []))
    assert found(tmp_path)["ada"].packages == ("numpy",)
    assert len(parsed) == 1
    assert b"scipy" in parsed[0]
