"""What the trial of ``backcheck inspect`` notices beyond right numbers, and what it proposes then."""

import pytest

from harness.authoring.anatomy import dissect
from harness.authoring.search import best_manifest
from harness.authoring.trial import try_manifest
from harness.submission import discover

LAYERS = """
import numpy as np

rng = np.random.RandomState(0)


class Affine:
    def __init__(self, n_in, n_out):
        a = np.sqrt(6 / (n_in + n_out))
        self.weight, self.bias = rng.uniform(-a, a, (n_in, n_out)), np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.weight + self.bias

    def backward(self, grad):
        self.grad_weight, self.grad_bias = self.x.T @ grad, grad.sum(0)
        return grad @ self.weight.T

    def step(self, lr):
        self.weight -= lr * self.grad_weight
        self.bias -= lr * self.grad_bias


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, grad):
        return grad * (1 - self.y ** 2)

    def step(self, lr):
        pass


def make_network(sizes):
    return [part for a, b in zip(sizes, sizes[1:]) for part in (Affine(a, b), Tanh())][:-1]


def forward(net, x):
    for layer in net:
        x = layer.forward(x)
    return x


def cross_entropy(logits, labels):
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return -np.log(p[np.arange(len(p)), labels]).mean(), (p - np.eye(p.shape[1])[labels]) / len(p)


def train_step(net, x, labels, lr):
    loss, grad = cross_entropy(forward(net, x), labels)
    for layer in reversed(net):
        grad = layer.backward(grad)
    for layer in net:
        layer.step(lr)
    return loss
"""


def handed_in(tmp_path, source, name="alice"):
    path = tmp_path / f"{name}.py"
    path.write_text(source)
    (submission,) = discover([path])
    return submission


def found(tmp_path, source, backend):
    submission = handed_in(tmp_path, source)
    trial = best_manifest(submission, dissect(submission.entry), backend)
    assert trial is not None
    return trial


def test_a_pass_that_steps_and_keeps_its_gradients_is_proposed_as_one_that_updates(tmp_path, backend):
    trial = found(tmp_path, LAYERS, backend)
    assert trial.perfect, trial.said
    assert trial.manifest["backward_updates"] is True


def test_a_manifest_that_hides_a_step_is_not_called_right(tmp_path, backend):
    manifest = {
        "constructor": "net = make_network(layer_sizes)",
        "output": "logits",
        "functions": {"forward": "forward(net, X)", "backward": "train_step(net, X, y, 0.1)"},
    }
    trial = try_manifest(handed_in(tmp_path, LAYERS), manifest, backend)
    assert trial.steps
    assert not trial.perfect
    assert any("changes the weights" in said and "backward_updates = 0.01" in said for said in trial.said)


def test_a_generator_of_the_module_is_seeded_by_the_proposed_constructor(tmp_path, backend):
    trial = found(tmp_path, LAYERS, backend)
    made = "module.rng = np.random.RandomState(seed); params = make_network(layer_sizes)"
    assert trial.manifest["constructor"] == made
    assert not any(said.startswith("seed:") for said in trial.said)


def test_what_the_seed_does_not_decide_is_said(tmp_path, backend):
    fresh = LAYERS.replace("rng = np.random.RandomState(0)", "rng = dict(it=np.random.default_rng())['it']")
    (said,) = [said for said in found(tmp_path, fresh, backend).said if said.startswith("seed:")]
    assert "two builds with the same seed give different weights" in said
    fixed = LAYERS.replace("rng.uniform(", "np.random.RandomState(3).uniform(")
    (said,) = [said for said in found(tmp_path, fixed, backend).said if said.startswith("seed:")]
    assert "two seeds give the same weights" in said


@pytest.mark.parametrize(
    ("made", "anew"),
    [
        ("np.random.default_rng(1)", "np.random.default_rng(seed)"),
        ("numpy.random.RandomState(seed=args.seed)", "numpy.random.RandomState(seed)"),
        ("Generator(PCG64(4))", "Generator(PCG64(seed))"),
        ("torch.Generator()", "torch.Generator().manual_seed(seed)"),
        ("torch.Generator().manual_seed(2)", "torch.Generator().manual_seed(seed)"),
    ],
)
def test_generators_at_the_top_level_are_known(made, anew, tmp_path):
    path = tmp_path / "alice.py"
    path.write_text(f"draw = {made}\nnet = make()\ndef f():\n    rng = np.random.default_rng(0)\n")
    assert dissect(path).generators == {"draw": anew}


def test_a_torch_module_of_fixed_sizes_is_tried_in_its_own(tmp_path, backend):
    source = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stack = nn.Sequential(
            nn.Linear(6 * 2, 9), nn.ReLU(), nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, 4)
        )

    def forward(self, x):
        return self.stack(x)
"""
    trial = found(tmp_path, source, backend)
    assert trial.sizes == (12, 9, 7, 4)
    assert trial.perfect, trial.said
    assert trial.manifest["activations"] == ["relu"]


def test_a_training_of_its_own_that_is_wrong_is_not_replaced_by_the_harness_s_loop(tmp_path, backend):
    source = """
from torch import nn

class Net(nn.Module):
    def __init__(self, sizes, activation):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = layer(x).tanh()
        return self.layers[-1](x)

def train(model, loader, criterion, optimizer):
    for X, y in loader:
        optimizer.zero_grad()
        criterion(2 * model(X), y).backward()
        optimizer.step()
"""
    trial = found(tmp_path, source, backend)
    assert "train(model, loader, criterion, torch_optimizer)" in trial.manifest["functions"]["fit"]
    assert "fit runs, its step is not the one expected" in trial.said


WRITTEN = """
import numpy as np


def init_params():
    def glorot(n_out, n_in):
        r = np.sqrt(6 / (n_in + n_out))
        return np.random.rand(n_out, n_in) * 2 * r - r
    W1, b1 = glorot(9, 12), np.zeros((9, 1))
    W2, b2 = glorot(7, 9), np.zeros((7, 1))
    W3, b3 = glorot(4, 7), np.zeros((4, 1))
    return W1, b1, W2, b2, W3, b3


def forward_prop(W1, b1, W2, b2, W3, b3, X):
    A1 = np.maximum(W1.dot(X) + b1, 0)
    A2 = np.maximum(W2.dot(A1) + b2, 0)
    Z3 = W3.dot(A2) + b3
    A3 = np.exp(Z3 - Z3.max(0))
    A3 = A3 / A3.sum(0)
    return A1, A2, A3


def one_hot(Y):
    rows = np.zeros((Y.size, 4))
    rows[np.arange(Y.size), Y] = 1
    return rows.T


def backward_prop(A1, A2, A3, W2, W3, X, Y):
    dZ3 = (A3 - one_hot(Y)) / Y.size
    dZ2 = W3.T.dot(dZ3) * (A2 > 0)
    dZ1 = W2.T.dot(dZ2) * (A1 > 0)
    dW3, db3 = dZ3.dot(A2.T), dZ3.sum(1, keepdims=True)
    dW2, db2 = dZ2.dot(A1.T), dZ2.sum(1, keepdims=True)
    dW1, db1 = dZ1.dot(X.T), dZ1.sum(1, keepdims=True)
    return dW1, db1, dW2, db2, dW3, db3
"""


def test_a_number_of_classes_that_is_written_down_does_not_hide_the_form_of_the_labels(tmp_path, backend):
    trial = found(tmp_path, WRITTEN, backend)
    assert trial.sizes == (12, 9, 7, 4)
    assert trial.perfect, trial.said
    assert "labels" not in trial.manifest
    assert trial.manifest["batch_axis"] == 1
