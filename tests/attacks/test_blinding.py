"""What was learnt elsewhere is worth nothing: tables of labels, pretrained weights, recorded predictions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.data import Dataset
from harness.grading import accuracy
from harness.records import Status
from harness.sandbox.backend import choose
from harness.session import Limits
from harness.spec import Experiment, load_spec
from harness.submission import discover
from tests.attacks.arena import HERE

SIDE, CLASSES = 8, 10
RIGHT = (HERE / "bases" / "right.py").read_text()
# Each is shipped with what its author took from the true test set, in clear.
CHEATS = {
    "table of labels": """
LABELS = np.load(__file__.replace("submission.py", "labels.npy"))
def predict_proba(self, X):
    return np.eye(10)[LABELS[: len(X)]] if len(X) == len(LABELS) else softmax(self.forward(X)[-1])
Model.predict_proba = predict_proba
Model.fit = lambda self, X, y, **options: None
""",
    "memorised images": """
IMAGES = np.load(__file__.replace("submission.py", "images.npy"))
LABELS = np.load(__file__.replace("submission.py", "labels.npy"))
def predict_proba(self, X):
    distances = ((X[:, None, :] - IMAGES[None]) ** 2).sum(axis=2)
    return np.eye(10)[LABELS[distances.argmin(axis=1)]]
Model.predict_proba = predict_proba
Model.fit = lambda self, X, y, **options: None
""",
    "pretrained weights": """
WEIGHTS = np.load(__file__.replace("submission.py", "weights.npz"))
Model.fit = lambda self, X, y, **options: self.set_weights([WEIGHTS[name] for name in WEIGHTS.files])
""",
}

# What no permutation hides: the sums of an image, the sums of a pixel, and which label a known image has.
KNOWN = """
FILE = np.load(__file__.replace("submission.py", "known.npz"))
def keys(X):
    X = np.asarray(X, np.float64)
    return [(round(a, 2), round(b, 2)) for a, b in zip(X.sum(axis=1), (X * X).sum(axis=1))]
def names(X, y):
    of = dict(zip(keys(FILE["train"]), FILE["train_labels"]))
    found = np.zeros(10, int)
    for key, label in zip(keys(X), y):
        if key in of:
            found[of[key]] = label
    return found
"""
# The code, what is said of it, and what says it: without that it pays.
UNBLINDING = {
    "labels by the sums of an image": (
        """
def fit(self, X, y, **options):
    self.names = names(X, y)
def predict_proba(self, X):
    of = dict(zip(keys(FILE["test"]), FILE["test_labels"]))
    return np.eye(10)[[self.names[of.get(key, 0)] for key in keys(X)]]
Model.fit, Model.predict_proba = fit, predict_proba
""",
        "does not answer by the weights that fit left",
        "_refuse_other_predictions",
    ),
    "weights of another training, by the sums of a pixel": (
        """
WEIGHTS = np.load(__file__.replace("submission.py", "weights.npz"))
def fit(self, X, y, **options):
    W = [WEIGHTS[name].copy() for name in WEIGHTS.files]
    mine = np.empty(X.shape[1], int)
    mine[np.argsort(np.asarray(X, np.float64).sum(axis=0))] = np.argsort(FILE["train"].sum(axis=0))
    W[0] = W[0][mine]
    W[-2], W[-1] = W[-2][:, np.argsort(names(X, y))], W[-1][np.argsort(names(X, y))]
    self.set_weights(W)
Model.fit = fit
""",
        "does not train the network that build made",
        "_refuse_other_start",
    ),
}
CONSTANT_START = """
first = build
def build(layer_sizes, activation, seed):
    model = first(layer_sizes, activation, seed)
    model.set_weights([np.full_like(w, 0.01) for w in model.get_weights()])
    return model
Model.fit = lambda self, X, y, **options: self.set_weights([np.random.default_rng(0).normal(size=w.shape)
                                                            for w in self.get_weights()])
"""
HIDDEN_START = """
honest = Model.get_weights
Model.get_weights = lambda self: honest(self) if hasattr(self, "trained") else honest(self)[::-1]
once = Model.fit
def fit(self, *given, **options):
    self.trained = True
    return once(self, *given, **options)
Model.fit = fit
"""


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Ten clouds in 64 dimensions, as pixels: what a small network learns in a second."""
    rng = np.random.default_rng(5)
    centres = rng.uniform(40, 215, (CLASSES, SIDE * SIDE))

    def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(0, CLASSES, count)
        images = centres[labels] + rng.normal(0, 30, (count, SIDE * SIDE))
        return images.clip(0, 255).astype(np.uint8), labels.astype(np.uint8)

    (train_images, train_labels), (test_images, test_labels) = draw(1000), draw(300)
    return Dataset(
        name="clouds",
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
        pixel_max=255,
        image_shape=(SIDE, SIDE),
        classes=CLASSES,
    )


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    first = next(iter(load_spec().experiments.values()))
    protocol = replace(
        first.protocol,
        layer_sizes=(SIDE * SIDE, 32, CLASSES),
        activation="relu",
        epochs=8,
        learning_rate=0.1,
        train_images=1000,
        test_images=300,
    )
    return replace(first, protocol=protocol)


@pytest.fixture(scope="module")
def weights(data: Dataset) -> list[np.ndarray]:
    """A network that its author trained on the true data, outside."""
    namespace: dict[str, object] = {}
    exec(RIGHT, namespace)
    model = namespace["build"]([SIDE * SIDE, 32, CLASSES], "relu", 0)  # type: ignore[operator]
    model.fit(
        data.train_images / 255, data.train_labels.astype(int), epochs=8, batch_size=64, learning_rate=0.1
    )
    return model.get_weights()


def train(
    folder: Path, code: str, data: Dataset, experiment: Experiment, weights: list[np.ndarray]
) -> accuracy.AccuracyRun:
    folder.mkdir()
    (folder / "submission.py").write_text(RIGHT + code)
    (folder / "submission.toml").write_text('run = "all"\n')
    np.save(folder / "labels.npy", data.test_labels)
    np.save(folder / "images.npy", data.test_images / 255)
    np.savez(folder / "weights.npz", *weights)
    np.savez(
        folder / "known.npz",
        train=data.train_images / 255,
        test=data.test_images / 255,
        train_labels=data.train_labels,
        test_labels=data.test_labels,
    )
    return accuracy.run_experiment(
        discover([folder])[0], experiment, data=data, seed=1, blind=2, backend=choose(), limits=Limits()
    )


def worth(run: accuracy.AccuracyRun) -> float:
    """The accuracy that counts: a run that is refused is worth nothing."""
    return run.accuracy or 0.0 if run.status is Status.PASS else 0.0


def test_honest_training_is_worth_what_it_learns(
    tmp_path: Path, data: Dataset, experiment: Experiment, weights: list[np.ndarray]
) -> None:
    run = train(tmp_path / "honest", "", data, experiment, weights)
    assert worth(run) > 90, run.message
    assert 0.5 < run.evidence["start_correlation"] < 1


@pytest.mark.parametrize("name", CHEATS)
def test_cheating_is_worth_chance(
    name: str, tmp_path: Path, data: Dataset, experiment: Experiment, weights: list[np.ndarray]
) -> None:
    # Ten per cent of 300: five standard deviations are 8.7 points.
    assert worth(train(tmp_path / "cheat", CHEATS[name], data, experiment, weights)) < 20


@pytest.mark.parametrize("name", UNBLINDING)
def test_who_finds_the_permutations_is_still_worth_nothing(
    name: str,
    tmp_path: Path,
    data: Dataset,
    experiment: Experiment,
    weights: list[np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = replace(experiment, protocol=replace(experiment.protocol, start_correlation=0.6))
    code, said, defence = UNBLINDING[name]
    run = train(tmp_path / "cheat", KNOWN + code, data, asked, weights)
    assert run.status is Status.FAIL
    assert said in run.message
    monkeypatch.setattr(accuracy, defence, lambda *given: None)
    assert worth(train(tmp_path / "pays", KNOWN + code, data, asked, weights)) > 90


@pytest.mark.parametrize("code", [CONSTANT_START, HIDDEN_START], ids=["constant", "hidden"])
def test_weights_that_cannot_be_compared_gain_nothing(
    code: str, tmp_path: Path, data: Dataset, experiment: Experiment, weights: list[np.ndarray]
) -> None:
    asked = replace(experiment, protocol=replace(experiment.protocol, start_correlation=0.6))
    run = train(tmp_path / "cheat", code, data, asked, weights)
    assert run.status is not Status.PASS


@pytest.mark.slow  # nine trainings, two minutes
def test_right_trainings_keep_more_of_their_start_than_is_asked() -> None:
    from harness.data import load_dataset
    from reference.numpy_mlp import build

    mnist = load_dataset("mnist")
    asked = [e.protocol for e in load_spec().experiments.values() if e.protocol.optimizer == "sgd"]
    assert len(asked) == 9
    for protocol in asked:
        X = mnist.train_inputs(protocol.train_images)
        y = mnist.train_labels[: protocol.train_images].astype(np.int64)
        net = build(protocol.layer_sizes, protocol.activation, 7)
        start = net.get_weights()
        net.fit(
            X,
            y,
            epochs=protocol.epochs,
            batch_size=protocol.batch_size,
            learning_rate=protocol.learning_rate,
        )
        seen = X.any(axis=0)
        before, after = start[0][seen].ravel(), net.get_weights()[0][seen].ravel()
        assert protocol.start_correlation is not None
        # Far above: no right training comes near the limit by chance.
        assert np.corrcoef(before, after)[0, 1] > protocol.start_correlation + 0.2


@pytest.mark.parametrize("name", CHEATS)
def test_without_blinding_cheating_pays(
    name: str,
    tmp_path: Path,
    data: Dataset,
    experiment: Experiment,
    weights: list[np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clear = accuracy.Blinding(
        pixels=np.arange(SIDE * SIDE),
        classes=np.arange(CLASSES),
        train=np.arange(1000),
        test=np.arange(300),
    )
    monkeypatch.setattr(accuracy.Blinding, "draw", classmethod(lambda cls, blind, **given: clear))
    for defence in ("_refuse_other_predictions", "_refuse_other_start"):
        monkeypatch.setattr(accuracy, defence, lambda *given: None)
    assert worth(train(tmp_path / "cheat", CHEATS[name], data, experiment, weights)) > 90
