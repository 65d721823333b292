"""The skeleton of a manifest, printed where inspect proposes none."""

import re

import pytest

from harness.authoring.anatomy import dissect
from harness.authoring.inspect_command import _by_hand
from harness.authoring.skeleton import finds_names, skeleton
from harness.cli import main
from harness.manifest import parse_manifest
from harness.submission import discover
from harness.worker.loading import NotProvided, load_submission

CLASS = """
class Classifier:
    def __init__(self, hidden_layer_sizes=(5,), activation="relu", random_state=None):
        self.coefs_, self.intercepts_ = [], []
    def _prepare(self, n_features): ...
    def _forward_pass(self, X): ...
    def predict_proba(self, X): ...
    def _backprop(self, X, y):
        return loss, coef_grads, intercept_grads
    def fit(self, X, y): ...
"""
STEPPING = """
import numpy as np
class Tiny:
    def __init__(self, widths, depth_wise):
        self.lr = 0.1
    def respond_to(self, X): return np.tanh(X)
    def feed(self, X): ...
    def train_batch(self, X, targets):
        self.W -= self.lr * np.eye(10)[targets]
"""
FUNCTIONS = """
def loss_of(y_hat, y): ...
def forward_pass(X):
    return y_hat, hs
def backward_pass(y_hat, hs, y):
    return dWs, dbs
"""


def lines_of(tmp_path, source):
    path = tmp_path / "alice.py"
    path.write_text(source)
    return list(skeleton(dissect(path)))


@pytest.mark.parametrize("source", [CLASS, STEPPING, FUNCTIONS, "class Graph:\n    pass\n"])
def test_it_is_a_manifest_with_any_of_its_lines_taken_up(source, tmp_path):
    lines = lines_of(tmp_path, source)
    parse_manifest("\n".join(lines).encode())
    every = [re.sub(r"\A# (?=\w+ = )", "", line) for line in lines]
    keys = parse_manifest("\n".join(every).encode()).to_json()
    assert {"constructor", "weights", "gradients", "labels", "batch_axis", "backward_updates"} <= keys.keys()
    assert {"forward", "loss", "backward", "update", "fit"} == keys["functions"].keys()


def test_it_is_filled_in_with_the_names_of_the_file(tmp_path):
    text = "\n".join(lines_of(tmp_path, CLASS))
    assert 'constructor = "model = Classifier(hidden, activation, seed)"' in text
    assert '# weights = ["model.coefs_[k]", "model.intercepts_[k]"]' in text
    assert '# gradients = ["coef_grads[k]", "intercept_grads[k]"]' in text
    assert 'backward = "loss, coef_grads, intercept_grads = model._backprop(X, y)"' in text
    assert "_forward_pass(X)" in text
    functions = "\n".join(lines_of(tmp_path, FUNCTIONS))
    assert 'loss = "loss_of(y_hat, y)"' in functions
    assert 'backward = "dWs, dbs = backward_pass(y_hat, hs, y)"' in functions


def test_what_only_the_author_knows_is_left_open_and_what_the_source_hints_at_is_taken_up(tmp_path):
    lines = lines_of(tmp_path, STEPPING)
    text = "\n".join(lines)
    assert 'constructor = "model = Tiny(hidden, depth_wise=...)"' in text
    assert 'backward = "model.lr = learning_rate; loss = model.train_batch(X, y)"' in text
    assert any(line.startswith("backward_updates = true") for line in lines)
    assert any(line.startswith('labels = "one_hot"') for line in lines)
    assert any(line.startswith('activations = ["tanh"]') for line in lines)


def test_inspect_prints_it_and_the_verdict_of_a_file_without_build_leads_there(tmp_path, capsys):
    path = tmp_path / "alice.py"
    path.write_text("class Graph:\n    pass\n")
    assert main(["inspect", str(path), "--no-trial"]) == 1
    out = capsys.readouterr().out
    assert "Put it into alice.toml" in out
    assert "docs/submissions.md" in out
    assert '# forward = "forward(...)"' in out
    build = load_submission(str(path), {}).build
    with pytest.raises(NotProvided, match=r"proposes one, or prints a skeleton .*docs/submissions\.md"):
        build([6, 3], "relu", 1)


@pytest.mark.parametrize(
    ("source", "found"),
    [("class Graph:\n    pass\n", False), ("def forward_pass(X):\n    return X\n", True), (CLASS, True),
     ("def make_net():\n    pass\n", True)],
)  # fmt: skip
def test_it_is_said_whether_any_name_of_the_file_is_in_it(source, found, tmp_path):
    path = tmp_path / "alice.py"
    path.write_text(source)
    anatomy = dissect(path)
    assert finds_names(anatomy) is found
    shown = "\n".join(_by_hand(discover([path])[0], anatomy))
    assert ("with the names that were found" in shown) is found
    assert ("the form alone, with names as examples" in shown) is not found
