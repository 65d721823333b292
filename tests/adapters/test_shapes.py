"""Foreign shapes, each with its manifest, against PyTorch in float64 on the same weights."""

from __future__ import annotations

import functools
import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.submission import Submission, discover
from harness.worker.adapters import places
from harness.worker.loading import Loaded, NotProvided, load_submission

SHAPES = Path(__file__).resolve().parents[1] / "fixtures" / "shapes"
THREE = ("sigmoid", "tanh", "relu")


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    activations: tuple[str, ...] = THREE
    depth: int = 0  # 0: any
    tolerance: float = 1e-10  # relative, of what is computed in float64
    fits: bool = True
    whole_batch: bool = True  # fit takes one step for one full batch


CASES = [
    Case(name="attributes", activations=("sigmoid",), depth=3),
    Case(name="bias_row", tolerance=2e-5),
    Case(name="build_columns"),
    Case(name="constructor_trains"),
    Case(name="dict_columns"),
    Case(name="float_lists", activations=("tanh",), fits=False),
    Case(name="keras_like"),
    Case(name="layer_container", activations=("sigmoid", "relu")),
    Case(name="layer_objects"),
    Case(name="notebook", activations=("relu",)),
    Case(name="notebook_cells"),
    Case(name="one_at_a_time"),
    Case(name="script_globals", activations=("tanh",), depth=3),
    Case(name="sklearn_mlp", fits=True),
    Case(name="torch_loop", activations=("relu",)),
    Case(name="torch_module"),
    Case(name="tuple_functional"),
    Case(name="updates_inside"),
    Case(name="value_graph", fits=False),
]
NETWORKS = {0: [[6, 4], [6, 5, 3], [7, 5, 4, 6, 3], [6, 4, 4, 4, 4]], 3: [[6, 5, 4, 3], [5, 4, 4, 4]]}


@pytest.fixture(autouse=True)
def _own_interpreter() -> Iterator[None]:
    """Undo what loading does to the interpreter; in grading each submission has a process of its own."""
    path, meta_path, modules = list(sys.path), list(sys.meta_path), set(sys.modules)
    yield
    sys.path[:], sys.meta_path[:] = path, meta_path
    for name in set(sys.modules) - modules:
        origin = getattr(getattr(sys.modules[name], "__spec__", None), "origin", None)
        if origin is None or "fixtures" in str(origin):
            del sys.modules[name]


@functools.cache
def shapes() -> dict[str, Submission]:
    return {s.name: s for s in discover([SHAPES])}


def submission(name: str) -> Submission:
    found = shapes()[name]
    assert found.problem is None
    return found


def load(name: str) -> Loaded:
    found = submission(name)
    # Through JSON, as it travels to the worker.
    return load_submission(str(found.entry), json.loads(json.dumps(found.manifest.to_json())))


def draw(sizes: list[int], seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        a for i, o in itertools.pairwise(sizes) for a in (rng.normal(0, 0.6, (i, o)), rng.normal(0, 0.3, o))
    ]


def expected(
    weights: list[np.ndarray], activation: str, X: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, float, list[np.ndarray]]:
    tensors = [torch.tensor(w, dtype=torch.float64, requires_grad=True) for w in weights]
    h = torch.tensor(X, dtype=torch.float64)
    for k in range(0, len(tensors) - 2, 2):
        h = getattr(torch, activation)(h @ tensors[k] + tensors[k + 1])
    logits = h @ tensors[-2] + tensors[-1]
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(y))
    loss.backward()
    probabilities = torch.softmax(logits, dim=1).detach().numpy()
    return probabilities, float(loss.detach()), [t.grad.numpy() for t in tensors]


def close(actual: Any, wanted: Any, tolerance: float) -> None:
    actual = np.asarray(actual, dtype=np.float64)
    assert actual.shape == np.shape(wanted)
    assert np.abs(actual - wanted).max() <= tolerance * max(np.abs(wanted).max(), 1e-3)


def situations() -> list[Any]:
    return [
        pytest.param(case, activation, sizes, id=f"{case.name}-{activation}-{'x'.join(map(str, sizes))}")
        for case in CASES
        for activation in case.activations
        for sizes in NETWORKS[case.depth]
    ]


@pytest.mark.parametrize(("case", "activation", "sizes"), situations())
def test_forward_loss_and_gradients_are_those_of_pytorch(
    case: Case, activation: str, sizes: list[int]
) -> None:
    model = load(case.name).build(sizes, activation, 3)
    weights = draw(sizes)
    model.set_weights([w.copy() for w in weights])
    for got, want in zip(model.get_weights(), weights, strict=True):
        close(got, want, case.tolerance)
    rng = np.random.default_rng(1)
    X, y = rng.random((9, sizes[0])), rng.integers(0, sizes[-1], 9)
    probabilities, loss, gradients = expected(weights, activation, X, y)
    close(model.predict_proba(X), probabilities, case.tolerance)
    got_loss, got_gradients = model.loss_and_gradients(X, y)
    close(float(got_loss), loss, case.tolerance)
    assert len(got_gradients) == len(weights)
    for got, want in zip(got_gradients, gradients, strict=True):
        close(got, want, 10 * case.tolerance)
    # Asking for gradients moves nothing, even where the backward pass updates.
    for got, want in zip(model.get_weights(), weights, strict=True):
        close(got, want, case.tolerance)


@pytest.mark.parametrize("case", [c for c in CASES if c.fits], ids=lambda c: c.name)
def test_fit_takes_one_step_along_the_gradient(case: Case) -> None:
    activation, sizes = case.activations[-1], NETWORKS[case.depth][-1]
    model = load(case.name).build(sizes, activation, 3)
    weights = draw(sizes)
    model.set_weights([w.copy() for w in weights])
    rng = np.random.default_rng(1)
    X, y = rng.random((9, sizes[0])), rng.integers(0, sizes[-1], 9)
    _, _, gradients = expected(weights, activation, X, y)
    model.fit(X, y, epochs=1, batch_size=9, learning_rate=0.1)
    for got, start, gradient in zip(model.get_weights(), weights, gradients, strict=True):
        close(got, start - 0.1 * gradient, 10 * case.tolerance)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_a_seed_draws_the_same_glorot_weights(case: Case) -> None:
    activation = case.activations[0]
    sizes = [784, 500, 250, 10] if case.depth else [40, 30, 20, 10]
    build = load(case.name).build
    first, again, other = (build(sizes, activation, seed).get_weights() for seed in (5, 5, 6))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    if case.name not in ("torch_module", "sklearn_mlp"):  # these draw as their framework does
        assert np.abs(first[0]).max() <= np.sqrt(6 / (sizes[0] + sizes[1])) * (1 + 1e-6)
        assert np.abs(first[0]).max() > 0.9 * np.sqrt(6 / (sizes[0] + sizes[1]))


def test_every_fixture_is_a_case_and_its_manifest_is_short() -> None:
    assert set(shapes()) == {case.name for case in CASES} | {"gpu_only"}
    for path in SHAPES.glob("*.toml"):
        assert len(path.read_text().splitlines()) <= 10, path.name
    for path in SHAPES.glob("*_adapter.py"):
        assert len(path.read_text().splitlines()) <= 25, path.name


def test_an_activation_that_is_not_declared_is_not_provided() -> None:
    with pytest.raises(NotProvided, match="sigmoid only"):
        load("attributes").build([6, 5, 4, 3], "relu", 0)


def test_a_depth_that_the_submission_does_not_have_is_not_provided() -> None:
    with pytest.raises(NotProvided, match="6-5-4-5-3"):
        load("attributes").build([6, 5, 4, 5, 3], "sigmoid", 0)


def test_an_option_that_training_does_not_take_is_not_provided() -> None:
    model = load("layer_objects").build([6, 5, 3], "relu", 0)
    X, y = np.zeros((4, 6)), np.zeros(4, dtype=int)
    with pytest.raises(NotProvided, match="optimizer"):
        model.fit(X, y, epochs=1, batch_size=2, learning_rate=0.1, optimizer="adam")
    with pytest.raises(NotProvided, match="weight_decay"):
        model.fit(X, y, epochs=1, batch_size=2, learning_rate=0.1, weight_decay=0.1)


def test_an_optimizer_that_holds_the_arrays_still_steps_after_float64_weights() -> None:
    """The list ``params`` aliases W1 ... b3: with only the attributes replaced, the step would be lost."""
    model = load("attributes").build([6, 5, 4, 3], "sigmoid", 0)
    weights = [w.astype(np.float32) for w in draw([6, 5, 4, 3])]
    model.set_weights(weights)
    X, y = np.random.default_rng(0).random((8, 6)), np.arange(8) % 3
    model.fit(X, y, epochs=1, batch_size=8, learning_rate=0.5)
    assert all(not np.array_equal(a, b) for a, b in zip(model.get_weights(), weights, strict=True))


def test_a_hard_coded_gpu_is_said_plainly() -> None:
    with pytest.raises(Exception, match=r"(?i)cuda") as raised:
        load("gpu_only").build([6, 5, 3], "relu", 0)
    assert any("There is no GPU here" in note for note in raised.value.__notes__)


def test_what_a_notebook_left_out_is_noted() -> None:
    notes = "\n".join(load("notebook").notes)
    assert "tqdm is replaced by an inert stand-in" in notes
    assert "cell 1: taken out: %matplotlib inline; !pip install" in notes
    assert (
        "cell 2, line 1: (x_train, y_train), (x_test, y_test) = mnist.load_data() (it calls load_data)"
        in notes
    )
    assert "cell 8, line 2: for epoch in tqdm(range(15)):" in notes
    assert "cell 11 is not Python" in notes


def test_weights_that_cannot_be_set_are_a_finding() -> None:
    from harness.worker.adapters.declaration import declare
    from harness.worker.adapters.parameters import Parameters
    from harness.worker.adapters.snippets import Scope

    class Frozen:
        __slots__ = ("_W", "_b")
        W = property(lambda self: self._W)
        b = property(lambda self: self._b)

    frozen = Frozen()
    frozen._W, frozen._b = np.zeros((3, 2), dtype=np.float32), np.zeros(2, dtype=np.float32)
    scope = Scope(sys)
    scope.names["model"] = frozen
    declared = declare({"constructor": "Frozen(layer_sizes)", "weights": ["model.W", "model.b"]})
    parameters = Parameters(scope, declared, [3, 2])
    with pytest.raises(NotProvided, match="weights cannot be set"):
        parameters.set([np.ones((3, 2)), np.ones(2)])


def test_sizes_that_are_written_down_in_the_constructor_are_changed(tmp_path: Path) -> None:
    path = tmp_path / "alice.py"
    path.write_text(
        "import numpy as np\n"
        "def init():\n"
        "    return np.ones((4, 9)), np.zeros((4, 1)), np.ones((3, 4)), np.zeros((3, 1))\n"
        "def run(W1, b1, W2, b2, X):\n"
        "    Z = W2 @ np.tanh(W1 @ X + b1) + b2\n"
        "    E = np.exp(Z - Z.max(0))\n"
        "    return E / E.sum(0)\n"
    )
    manifest = {
        "constructor": "W1, b1, W2, b2 = init()",
        "weights": ["W{i}", "b{i}"],
        "batch_axis": 1,
        "functions": {"forward": "run(W1, b1, W2, b2, X)"},
    }
    loaded = load_submission(str(path), manifest)
    assert "its sizes are written down" in loaded.notes[0]
    model = loaded.build([6, 5, 3], "tanh", 0)
    weights = draw([6, 5, 3])
    model.set_weights(weights)
    X = np.random.default_rng(0).random((7, 6))
    close(model.predict_proba(X), expected(weights, "tanh", X, np.zeros(7, dtype=int))[0], 1e-10)


@pytest.mark.parametrize("sizes", [[6, 5, 3], [6, 5, 4, 5, 3]])
def test_module_level_weights_have_the_depth_they_have(sizes: list[int]) -> None:
    with pytest.raises(NotProvided, match="its weights are those of"):
        load("script_globals").build(sizes, "tanh", 0)


def test_a_loss_taken_from_probabilities_is_finite() -> None:
    from harness.worker.adapters.declaration import cross_entropy, declare

    probabilities = np.array([[1.0, 0.0], [0.5, 0.5]])
    loss = cross_entropy(declare({}), probabilities, probabilities, np.array([1, 0]))
    assert np.isfinite(loss)
    assert loss > 300


LAYERED = """
import numpy as np
class Dense:
    def __init__(self, m, n):
        self.table = {"kernel": np.ones((n, m)), "bias": np.ones((1, n))}
        self.slopes = None
class Act: ...
class Net:
    def __init__(self, sizes):
        self.stack = []
        for m, n in zip(sizes[:-1], sizes[1:]):
            self.stack += [Dense(m, n), Act()]
    def dense(self): return [l for l in self.stack if isinstance(l, Dense)]
    def run(self, X):
        self.inputs = [X]
        for layer in self.dense():
            Z = self.inputs[-1] @ layer.table["kernel"].T + layer.table["bias"]
            self.inputs.append(np.tanh(Z))
        return Z
    def pull(self, P, y):
        d = P.copy()
        d[np.arange(len(y)), y] -= 1
        d /= len(y)
        for k in reversed(range(len(self.dense()))):
            layer = self.dense()[k]
            layer.slopes = (d.T @ self.inputs[k], d.sum(0))
            d = d @ layer.table["kernel"] * (1 - self.inputs[k] ** 2)
def softmax(Z):
    E = np.exp(Z - Z.max(1, keepdims=True))
    return E / E.sum(1, keepdims=True)
"""


def layered(tmp_path: Path, **manifest: Any) -> Any:
    path = tmp_path / "alice.py"
    path.write_text(LAYERED)
    functions = {"forward": "P = softmax(model.run(X))", "backward": "model.pull(P, y)"}
    return load_submission(str(path), {"constructor": "Net(layer_sizes)", "functions": functions, **manifest})


@pytest.mark.parametrize("sizes", [[6, 5, 3], [4, 4, 4]])
def test_layer_objects_are_named_by_the_manifest(tmp_path: Path, sizes: list[int]) -> None:
    """Dicts in objects in a list with other objects, (fan_out, fan_in) even where it cannot be seen."""
    model = layered(
        tmp_path,
        layers="model.stack",
        weights=["layers[k].table['kernel']", "layers[k].table['bias']"],
        gradients=["layers[k].slopes[0]", "layers[k].slopes[1]"],
        layout="out_in",
    ).build(sizes, "tanh", 0)
    weights = draw(sizes)
    model.set_weights(weights)
    X, y = np.random.default_rng(0).random((7, sizes[0])), np.arange(7) % 3
    probabilities, loss, gradients = expected(weights, "tanh", X, y)
    close(model.predict_proba(X), probabilities, 1e-10)
    found_loss, found = model.loss_and_gradients(X, y)
    close(found_loss, loss, 1e-10)
    for got, want in zip(found, gradients, strict=True):
        close(got, want, 1e-9)
    assert not hasattr(model, "fit")


def test_gradients_that_are_nowhere_are_not_provided(tmp_path: Path) -> None:
    path = tmp_path / "alice.py"
    path.write_text("import numpy as np\ndef init(s): return [np.ones((6, 3)), np.ones(3)]\n")
    functions = {"forward": "np.full((len(X), 3), 1 / 3)", "backward": "None"}
    manifest = {"constructor": "params = init(layer_sizes)", "functions": functions}
    model = load_submission(str(path), manifest).build([6, 3], "relu", 0)
    with pytest.raises(NotProvided, match="gradients cannot be found"):
        model.loss_and_gradients(np.zeros((2, 6)), np.zeros(2, dtype=int))


def test_networks_without_biases_say_so(tmp_path: Path) -> None:
    path = tmp_path / "alice.py"
    path.write_text("import numpy as np\ndef init(s): return [np.ones((6, 3))]\n")
    manifest = {"constructor": "params = init(layer_sizes)", "bias": "none", "functions": {"forward": "X"}}
    model = load_submission(str(path), manifest).build([6, 3], "relu", 0)
    model.set_weights([np.full((6, 3), 2.0), np.zeros(3)])
    weight, bias = model.get_weights()
    assert weight[0, 0] == 2.0
    assert np.array_equal(bias, np.zeros(3))
    with pytest.raises(NotProvided, match="no biases"):
        model.set_weights([np.ones((6, 3)), np.ones(3)])


def test_a_key_that_does_nothing_beside_build_is_said() -> None:
    loaded = load_submission(str(submission("build_columns").entry), {"bias": "separate", "layout": "out_in"})
    assert loaded.notes == ["the manifest's 'bias' does nothing beside build"]


@pytest.mark.parametrize("rows", [1, 7])
def test_gradients_are_not_taken_for_what_is_cached_beside_them(rows: int) -> None:
    """With one row a cached z, (units, 1), has the shape of a bias kept as a column."""
    sizes = [6, 5, 3]
    grads, cache = {}, {}
    for k, (i, o) in reversed(list(enumerate(itertools.pairwise(sizes), start=1))):
        cache[f"Z{k}"] = cache[f"A{k}"] = np.ones((o, rows))
        grads |= {f"dZ{k}": np.ones((o, rows)), f"dA{k}": np.ones((o, rows))}
        grads |= {f"dW{k}": np.zeros((o, i)), f"db{k}": np.zeros((o, 1))}
    found = places.match({"grads": grads, "cache": cache}, sizes, "gradients")
    assert found == [("grads['dW1']", "grads['db1']"), ("grads['dW2']", "grads['db2']")]


def test_w_and_b_of_one_name_belong_together() -> None:
    z, W, b = np.ones((5, 1)), np.zeros((5, 6)), np.zeros((5, 1))
    for names in (("nabla_w", "nabla_b"), ("grad_weights", "grad_bias"), ("gW", "gb"), ("dWs", "dbs")):
        roots = {"grad_z": z, names[0]: W, "grad_in": z + 1, names[1]: b}
        assert places.match(roots, [6, 5], "gradients") == [names]


def test_an_adapter_file_may_define_dataclasses() -> None:
    from harness.worker.adapters import _from_file

    source = """
from __future__ import annotations
from dataclasses import dataclass

@dataclass
class Sizes:
    layers: list[int]

def build(layer_sizes, activation, seed):
    return Sizes(layer_sizes)
"""
    assert _from_file("bridge.py", source)([2, 3], "tanh", 0).layers == [2, 3]
