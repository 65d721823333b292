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


DRAWING = """
def init_params(): return W1, b1, W2, b2
def forward_prop(W1, b1, W2, b2, X): return Z1, A1, Z2, A2
def backward_prop(Z1, A1, Z2, A2, W2, X, Y): return dW1, db1, dW2, db2
def update_params(W1, b1, W2, b2, dW1, db1, dW2, db2, alpha): return W1, b1, W2, b2
def gradient_descent(X, Y, alpha, epochs, batch_size=64):
    W1, b1, W2, b2 = init_params()
    return W1, b1, W2, b2
"""


def test_a_training_that_draws_weights_of_its_own_is_not_proposed(tmp_path):
    _, found = of(tmp_path, DRAWING)
    assert all("fit" not in guess.functions for guess in found)
    assert "update_params(" in found[0].functions["update"]


KEYWORD = """
def initialize_parameters(layer_dims): return parameters
def L_model_forward(X, parameters, hidden_activation="relu"): return AL, caches
def L_model_backward(AL, Y, caches, *, hidden_activation="relu"): return grads
class Network:
    def __init__(self, sizes): ...
    def forward(self, X, nonlinearity="tanh", mode="fast"): ...
    def backward(self, X, y, nonlinearity="tanh"): ...
"""


def test_an_activation_that_is_a_keyword_of_the_passes_is_chosen_there(tmp_path):
    _, found = of(tmp_path, KEYWORD)
    functions = next(guess for guess in found if "functions around" in guess.kind)
    assert functions.keys == {"constructor": "params = initialize_parameters(layer_sizes); act = activation"}
    assert "L_model_forward(X, params, act)" in functions.functions["forward"]
    assert "L_model_backward(AL, y, caches, hidden_activation=act)" in functions.functions["backward"]
    methods = next(guess for guess in found if "class Network" in guess.kind)
    assert methods.keys == {"constructor": "model = Network(layer_sizes); act = activation"}
    assert methods.functions["forward"] == "output = model.forward(X, act)"
    assert methods.functions["backward"] == "model.backward(X, y, act)"
