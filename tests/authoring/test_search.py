"""What the trial of ``backcheck inspect`` notices beyond right numbers, and what it proposes then."""

import pytest

from harness.authoring.anatomy import dissect
from harness.authoring.search import best_manifest
from harness.authoring.trial import try_manifest
from harness.submission import discover
from tests.adapters.test_shapes import SHAPES

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


def test_a_training_on_a_list_of_pairs_is_given_one(tmp_path, backend):
    trial = found(tmp_path, (SHAPES / "one_at_a_time.py").read_text(), backend)
    pairs = "[(X[:, [i]], y[:, [i]]) for i in range(X.shape[1])]"
    assert trial.manifest["functions"]["fit"] == f"model.SGD({pairs}, epochs, batch_size, learning_rate)"
    assert "fit takes the right step" in trial.said


SOLVED = """
import numpy as np


class Net:
    def __init__(self, hidden_dims, input_dim, num_classes):
        sizes = [input_dim, *hidden_dims, num_classes]
        self.params = {}
        for i, (a, b) in enumerate(zip(sizes, sizes[1:]), start=1):
            self.params[f"W{i}"] = np.random.uniform(-1, 1, (a, b)) * np.sqrt(6 / (a + b))
            self.params[f"b{i}"] = np.zeros(b)

    def loss(self, X, y=None):
        depth, hs = len(self.params) // 2, [X]
        for i in range(1, depth):
            hs.append(np.maximum(hs[-1] @ self.params[f"W{i}"] + self.params[f"b{i}"], 0))
        scores = hs[-1] @ self.params[f"W{depth}"] + self.params[f"b{depth}"]
        if y is None:
            return scores
        p = np.exp(scores - scores.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        loss, grads = -np.log(p[np.arange(len(y)), y]).mean(), {}
        d = (p - np.eye(p.shape[1])[y]) / len(y)
        for i in range(depth, 0, -1):
            grads[f"W{i}"], grads[f"b{i}"] = hs[i - 1].T @ d, d.sum(0)
            d = (d @ self.params[f"W{i}"].T) * (hs[i - 1] > 0)
        return loss, grads


class Solver:
    def __init__(self, model, data, optim_config=None, batch_size=100, num_epochs=10, verbose=True):
        self.model, self.X, self.y = model, data["X_train"], data["y_train"]
        self.rate, self.size, self.epochs = optim_config["learning_rate"], batch_size, num_epochs

    def train(self):
        for _ in range(self.epochs):
            order = np.random.permutation(len(self.X))
            for k in range(0, len(order), self.size):
                _, grads = self.model.loss(self.X[order[k:k + self.size]], self.y[order[k:k + self.size]])
                for name in grads:
                    self.model.params[name] -= self.rate * grads[name]
"""


def test_a_solver_that_is_made_around_the_network_trains_it(tmp_path, backend):
    trial = found(tmp_path, SOLVED, backend)
    fit = trial.manifest["functions"]["fit"]
    data = "{'X_train': X, 'y_train': y, 'X_val': X, 'y_val': y}"
    rates = "{'learning_rate': learning_rate}"
    assert fit == f"Solver(model, {data}, {rates}, batch_size, epochs, False).train()"
    assert "fit takes the right step" in trial.said


CRITERION = """
import numpy as np


class Linear:
    def __init__(self, in_features, out_features):
        a = np.sqrt(6 / (in_features + out_features))
        self.W, self.b = np.random.uniform(-a, a, (in_features, out_features)), np.zeros(out_features)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, d):
        self.dW, self.db = self.x.T @ d, d.sum(0)
        return d @ self.W.T


class Tanh:
    def forward(self, x):
        self.x = x
        return np.tanh(x)

    def backward(self, d):
        return d * (1 - self.x ** 2)


class Sigmoid:
    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, d):
        return d * self.y * (1 - self.y)


class SoftmaxLoss:
    def forward(self, logits, y):
        e = np.exp(logits - logits.max(1, keepdims=True))
        self.p, self.y = e / e.sum(1, keepdims=True), y
        return -np.log(self.p[np.arange(len(y)), y]).mean()

    def backward(self):
        return (self.p - np.eye(self.p.shape[1])[self.y]) / len(self.y)


class Model:
    def __init__(self, layers):
        self.layers = layers
        self.criterion = SoftmaxLoss()

    def __call__(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self):
        d = self.criterion.backward()
        for layer in self.layers[::-1]:
            d = layer.backward(d)


def train(model, X, y, epochs, batch_size, lr):
    for _ in range(epochs):
        order = np.random.permutation(len(X))
        for k in range(0, len(X), batch_size):
            rows = order[k:k + batch_size]
            model.criterion.forward(model(X[rows]), y[rows])
            model.backward()
            for layer in model.layers:
                if isinstance(layer, Linear):
                    layer.W -= lr * layer.dW
                    layer.b -= lr * layer.db
"""


def test_a_loss_that_the_container_keeps_sees_the_batch_before_the_backward_pass(tmp_path, backend):
    trial = found(tmp_path, CRITERION, backend)
    assert trial.manifest["functions"] == {
        "forward": "output = model(X)",
        "loss": "model.criterion.forward(output, y)",
        "backward": "_loss = model.criterion.forward(output, y); model.backward()",
        "fit": "train(model, X, y, epochs, batch_size, learning_rate)",
    }
    assert trial.perfect, trial.said
    # Its tanh is differentiated wrongly: it is no less offered, and for the checks to judge.
    assert trial.manifest["activations"] == {"sigmoid": "Sigmoid", "tanh": "Tanh"}
