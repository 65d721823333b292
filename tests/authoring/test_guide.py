"""What the guide says of steps that the harness's loop takes, and of one example at a time."""

import numpy as np
import pytest

from harness.worker.loading import load_submission

SOURCE = """
import numpy as np

class Net:
    def __init__(self, sizes):
        self.W = [np.ones(pair) for pair in zip(sizes, sizes[1:])]
        self.b = [np.zeros(size) for size in sizes[1:]]
        self.seen = []

    def forward(self, X):
        self.seen.append(X.shape)
        return np.full((len(X), len(self.b[-1])), 1 / len(self.b[-1]))

    def backward(self, X, y):
        return [0 * w for w in self.W], [0 * b for b in self.b]

    def train(self, X, y):
        self.seen[:] = [X.shape, y.shape]
        self.b[0][:2] = X.shape
        self.b[0][2:4] = y.shape
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "alice.py"
    path.write_text(SOURCE)
    return str(path)


def test_an_update_may_use_weight_decay_and_gradients_may_be_two_lists(path):
    manifest = {
        "constructor": "Net(layer_sizes)",
        "gradients": ["dWs[k]", "dbs[k]"],
        "functions": {
            "forward": "model.forward(X)",
            "backward": "dWs, dbs = model.backward(X, y)",
            "update": "model.W = [w - learning_rate * (g + weight_decay * w) for w, g in zip(model.W, dWs)]",
        },
    }
    model = load_submission(path, manifest).build([6, 5, 3], "relu", 1)
    X, y = np.zeros((8, 6)), np.zeros(8, dtype=np.int64)
    _, gradients = model.loss_and_gradients(X, y)
    assert [g.shape for g in gradients] == [(6, 5), (5,), (5, 3), (3,)]
    model.fit(X, y, epochs=1, batch_size=8, learning_rate=0.1, weight_decay=0.5)
    assert np.allclose(model.get_weights()[0], 1 - 0.1 * 0.5)


@pytest.mark.parametrize(("axis", "shapes"), [(0, (8, 6, 8, 4)), (1, (6, 8, 4, 8))])
def test_fit_gets_the_whole_data_where_the_functions_take_one_example(path, axis, shapes):
    manifest = {
        "constructor": "Net(layer_sizes)",
        "one_example": True,
        "labels": "one_hot",
        "batch_axis": axis,
        "functions": {"forward": "model.forward(X)", "fit": "model.train(X, y)"},
    }
    model = load_submission(path, manifest).build([6, 5, 4], "relu", 1)
    X, y = np.zeros((8, 6)), np.zeros(8, dtype=np.int64)
    model.fit(X, y, epochs=1, batch_size=8, learning_rate=0.1)
    assert tuple(model.get_weights()[1][:4]) == shapes
