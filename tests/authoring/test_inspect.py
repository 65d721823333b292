"""``backcheck inspect`` proposes manifests that work: each is written, found again, held against PyTorch."""

import shutil

import numpy as np
import pytest

from harness.authoring.anatomy import dissect
from harness.authoring.inspect_command import _cautions, to_toml
from harness.cli import main
from harness.manifest import parse_manifest
from harness.session import Limits, Session
from harness.submission import discover
from tests.adapters.test_shapes import CASES, NETWORKS, SHAPES, close, draw, expected

QUICK = {
    "attributes",
    "bias_row",
    "keras_like",
    "layer_container",
    "layer_objects",
    "notebook",
    "notebook_cells",
    "one_at_a_time",
    "script_globals",
    "tuple_functional",
    "updates_inside",
}
BY_HAND = {"value_graph"}  # needs an adapter file: inspect says so
WITHOUT_TRAINING = {"constructor_trains"}  # its training takes what no name tells


def proposed(name, tmp_path):
    """Hand a shape in without its manifest, let inspect write one, and find the submission again."""
    (source,) = (p for p in SHAPES.glob(f"{name}.*") if p.suffix in (".py", ".ipynb"))
    shutil.copy(source, tmp_path)
    status = main(["inspect", str(tmp_path / source.name), "--write"])
    (submission,) = discover([tmp_path])
    return status, submission


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=() if case.name in QUICK else pytest.mark.slow)
        for case in CASES
        if case.name not in BY_HAND
    ],
)
def test_the_proposed_manifest_works(case, backend, tmp_path, capsys):
    status, submission = proposed(case.name, tmp_path)
    assert status == 0, capsys.readouterr().out
    assert submission.problem is None
    sizes = NETWORKS[case.depth][-1]
    weights = draw(sizes)
    rng = np.random.default_rng(1)
    X, y = rng.random((9, sizes[0])), rng.integers(0, sizes[-1], 9)
    tolerance = max(case.tolerance, 1e-8)
    with Session(submission, backend=backend, limits=Limits()) as session:
        for activation in case.activations:
            model = session.build(sizes, activation, 3)
            model.set_weights(weights)
            probabilities, loss, gradients = expected(weights, activation, X, y)
            close(model.predict_proba(X), probabilities, tolerance)
            found_loss, found = model.loss_and_gradients(X, y)
            close(found_loss, loss, tolerance)
            for got, want in zip(found, gradients, strict=True):
                close(got, want, 10 * tolerance)
            assert ("fit" in model.verbs) == (case.fits and case.name not in WITHOUT_TRAINING)


def test_at_least_nine_shapes_are_tried_quickly():
    assert len(QUICK & {case.name for case in CASES}) >= 9


def test_what_fits_no_kind_is_pointed_to_an_adapter(tmp_path, capsys):
    (tmp_path / "odd.py").write_text("class Graph:\n    pass\n")
    assert main(["inspect", str(tmp_path / "odd.py"), "--no-trial"]) == 1
    assert "adapter = 'bridge.py'" in capsys.readouterr().out


def test_reading_runs_nothing(tmp_path, capsys):
    marker = tmp_path / "ran"
    path = tmp_path / "alice.py"
    path.write_text(f"open({str(marker)!r}, 'w')\ndef build(a, b, c): ...\n")
    main(["inspect", str(path), "--no-trial"])
    assert not marker.exists()
    assert "It needs no manifest" in capsys.readouterr().out


def test_an_existing_manifest_is_not_overwritten(tmp_path, capsys):
    methods = ("__init__(self, sizes)", "forward(self, x)", "backward(self, x, y)")
    source = "class Net:\n" + "".join(f"    def {method}: ...\n" for method in methods)
    (tmp_path / "alice.py").write_text(source)
    (tmp_path / "alice.toml").write_text("")
    assert main(["inspect", str(tmp_path / "alice.py"), "--write", "--no-trial"]) == 2
    assert (tmp_path / "alice.toml").read_text() == ""


def test_a_file_that_is_not_python_is_still_described(tmp_path, capsys):
    (tmp_path / "alice.py").write_text("print 'python 2'\n")
    assert main(["inspect", str(tmp_path / "alice.py"), "--no-trial"]) == 1
    assert "is not Python" in capsys.readouterr().out
    (tmp_path / "bob.ipynb").write_text("{}")
    assert main(["inspect", str(tmp_path / "bob.ipynb"), "--no-trial"]) == 1
    assert "is not a notebook" in capsys.readouterr().out


def test_names_in_a_file_do_not_act_on_the_terminal(tmp_path, capsys):
    path = tmp_path / "alice.py"
    path.write_text("x = f('\\x1b]0;gotcha\\x07')\nfit('\x1b[31m')\n")
    main(["inspect", str(path), "--no-trial"])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out


def test_toml_of_every_kind_of_value_is_read_back():
    manifest = {
        "constructor": "Net(\"a\\b\", 'ü')",
        "activations": {"relu": "ReLU"},
        "labels": "one_hot",
        "batch_axis": 1,
        "backward_updates": True,
        "weights": ["model.W{i}", "model.b{i}"],
        "functions": {"forward": "model.forward(X)"},
    }
    assert parse_manifest(to_toml(manifest).encode()).to_json() == manifest


def test_the_last_definition_is_the_one_that_counts(tmp_path):
    path = tmp_path / "x.py"
    path.write_text("def f(a): ...\ndef f(b, c=1, *, d): ...\n")
    (function,) = dissect(path).functions
    assert function.parameters == ("b", "c", "d")
    assert function.required == ("b", "d")


def test_what_a_manifest_that_fits_may_hide_is_said():
    assert "take one_example out" in next(_cautions({"one_example": True}))
    assert "scikit-learn's own" in next(_cautions({"constructor": "MLPClassifier(hidden)"}))
    assert list(_cautions({"constructor": "make_model(hidden)", "batch_axis": 1})) == []


def test_a_manifest_that_is_there_is_tried_as_it_is(backend, tmp_path, capsys):
    shutil.copy(SHAPES / "updates_inside.py", tmp_path / "alice.py")
    shutil.copy(SHAPES / "updates_inside.toml", tmp_path / "alice.toml")
    assert main(["inspect", str(tmp_path / "alice.py")]) == 0
    out = capsys.readouterr().out
    assert "It has a manifest, alice.toml" in out
    assert "the gradients are right" in out
    assert "Proposed manifest" not in out
    (tmp_path / "alice.toml").write_text('constructor = "Nothing(layer_sizes)"\n')
    assert main(["inspect", str(tmp_path / "alice.py")]) == 1
    assert "Nothing" in capsys.readouterr().out
    assert main(["inspect", str(tmp_path / "alice.py"), "--propose"]) == 0
    assert "Proposed manifest" in capsys.readouterr().out


def test_the_manifest_of_a_class_is_one_that_is_there(tmp_path, capsys):
    (tmp_path / "alice.py").write_text("class Graph:\n    pass\n")
    (tmp_path / "class.toml").write_text('constructor = "Graph()"\n')
    assert main(["inspect", str(tmp_path / "alice.py"), "--no-trial"]) == 1
    assert "It has a manifest, class.toml" in capsys.readouterr().out
