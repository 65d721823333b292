"""A class that is graded in seconds: small networks on the 8 x 8 digits, and submissions that do not load."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SPEC = HERE / "digits.toml"
RUNS = HERE / "digits_runs.jsonl"

# A right network of one hidden layer; larger ones are refused, so that its checks take no time.
SMALL = """
import numpy as np

ACTIVATIONS = {
    "tanh": (np.tanh, lambda a: 1 - a * a),
    "relu": (lambda z: np.maximum(z, 0), lambda a: (a > 0).astype(a.dtype)),
}


def build(layer_sizes, activation, seed):
    if list(layer_sizes) != [64, 16, 10]:
        raise ValueError("only a network of 64, 16 and 10 units is offered")
    return Net(layer_sizes, activation, seed)


class Net:
    def __init__(self, sizes, activation, seed):
        self.f, self.df = ACTIVATIONS[activation]
        self.rng = np.random.default_rng(seed)
        limits = [np.sqrt(6 / (i + o)) for i, o in zip(sizes, sizes[1:])]
        self.W = [self.rng.uniform(-m, m, (i, o)) for m, i, o in zip(limits, sizes, sizes[1:])]
        self.b = [np.zeros(o) for o in sizes[1:]]

    def get_weights(self):
        return [array for pair in zip(self.W, self.b) for array in pair]

    def predict_proba(self, X):
        self.X, self.A = X, self.f(X @ self.W[0] + self.b[0])
        Z = self.A @ self.W[1] + self.b[1]
        E = np.exp(Z - Z.max(axis=1, keepdims=True))
        return E / E.sum(axis=1, keepdims=True)

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        for _ in range(epochs):
            order = self.rng.permutation(len(X))
            for rows in (order[i : i + batch_size] for i in range(0, len(X), batch_size)):
                D = self.predict_proba(X[rows])
                D[np.arange(len(rows)), y[rows]] -= 1
                D /= len(rows)
                H = (D @ self.W[1].T) * self.df(self.A)
                for k, (grad, into) in enumerate([(self.X.T @ H, H), (self.A.T @ D, D)]):
                    self.W[k] -= learning_rate * grad
                    self.b[k] -= learning_rate * into.sum(axis=0)
"""
BROKEN = "import numpy as np\nraise RuntimeError('left behind by {name}')\n"


def write_class(folder, right=("ada", "bob", "eve")):
    """Make a folder of submissions: right networks, one that cannot be loaded, one that exits."""
    folder.mkdir()
    for name in right:
        (folder / f"{name}.py").write_text(f"# {name}\n{SMALL}")
    (folder / "kim.py").write_text(BROKEN.format(name="kim"))
    (folder / "leo.py").write_text("import os\nos._exit(0)\n")
    return folder


@pytest.fixture
def small_class(tmp_path):
    """A class of five."""
    return write_class(tmp_path / "submissions")


@pytest.fixture
def backcheck(tmp_path):
    """Return a function that starts ``backcheck grade submissions`` in the temporary folder."""
    return Grader(tmp_path)


class Grader:
    """Starts the command in a folder of its own, with temporary files in one that can be looked into."""

    def __init__(self, folder):
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir()

    def start(self, *arguments, json="record.json"):
        words = ["grade", "submissions", "--spec", SPEC, "--runs", RUNS, "--jobs", "2", "--quiet"]
        environment = {**os.environ, "TMPDIR": str(self.temporary)}
        return subprocess.Popen(
            [sys.executable, "-m", "harness", *map(str, words), "--json", json, *map(str, arguments)],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a process group of its own, as a shell gives one
        )

    def run(self, *arguments, json="record.json", status=0):
        process = self.start(*arguments, json=json)
        _, err = process.communicate()
        assert process.returncode == status, err
        return err

    def record(self, name="record.json"):
        return without_times(json.loads((self.folder / name).read_text()))

    @property
    def store(self):
        return self.folder / ".backcheck" / "store.sqlite"


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(each) for key, each in value.items() if key != "seconds"}
    return [without_times(each) for each in value] if isinstance(value, list) else value
