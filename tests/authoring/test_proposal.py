"""Guesses from names alone: what is proposed, before anything is run."""

from harness.authoring.anatomy import dissect
from harness.authoring.hints import forms
from harness.authoring.proposal import guesses


def of(tmp_path, source):
    path = tmp_path / "alice.py"
    path.write_text(source)
    anatomy = dissect(path)
    return anatomy, list(guesses(anatomy))


QUERIED = """
class Network:
    def __init__(self, layer_widths):
        self.lr = 0.1
    def query(self, X): ...
    def train_step(self, X, y):
        self.W -= self.lr * X
    def train(self, X, y, epochs, batch_size):
        self.train_step(X, y)
"""


def test_the_rate_is_set_where_the_step_that_a_training_calls_reads_it(tmp_path):
    _, found = of(tmp_path, QUERIED)
    assert found[0].keys["constructor"] == "Network(layer_sizes)"
    fit = "model.lr = learning_rate; model.train(X, y, epochs, batch_size)"
    assert found[0].functions["fit"] == fit


def test_log_probabilities_are_a_form_where_the_source_hints_at_them(tmp_path):
    anatomy, _ = of(tmp_path, "def f(z):\n    return z - logsumexp(z)\n")
    assert "log_probabilities" in {form.output for form in forms(anatomy)}
    anatomy, _ = of(tmp_path, "def f(z):\n    return z\n")
    assert "log_probabilities" not in {form.output for form in forms(anatomy)}
