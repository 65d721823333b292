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


def measure(
    folder: Path, code: str, data: Dataset, experiment: Experiment, weights: list[np.ndarray]
) -> float:
    folder.mkdir()
    (folder / "submission.py").write_text(RIGHT + code)
    (folder / "submission.toml").write_text('run = "all"\n')
    np.save(folder / "labels.npy", data.test_labels)
    np.save(folder / "images.npy", data.test_images / 255)
    np.savez(folder / "weights.npz", *weights)
    run = accuracy.run_experiment(
        discover([folder])[0], experiment, data=data, seed=1, blind=2, backend=choose(), limits=Limits()
    )
    assert run.status is Status.PASS, run.message
    assert run.accuracy is not None
    return run.accuracy


def test_honest_training_is_worth_what_it_learns(
    tmp_path: Path, data: Dataset, experiment: Experiment, weights: list[np.ndarray]
) -> None:
    assert measure(tmp_path / "honest", "", data, experiment, weights) > 90


@pytest.mark.parametrize("name", CHEATS)
def test_cheating_is_worth_chance(
    name: str, tmp_path: Path, data: Dataset, experiment: Experiment, weights: list[np.ndarray]
) -> None:
    # Ten per cent of 300: five standard deviations are 8.7 points.
    assert measure(tmp_path / "cheat", CHEATS[name], data, experiment, weights) < 20


@pytest.mark.parametrize("name", CHEATS)
def test_without_blinding_cheating_pays(
    name: str,
    tmp_path: Path,
    data: Dataset,
    experiment: Experiment,
    weights: list[np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clear = accuracy.Blinding(pixels=np.arange(SIDE * SIDE), classes=np.arange(CLASSES))
    monkeypatch.setattr(accuracy.Blinding, "draw", classmethod(lambda cls, *given: clear))
    assert measure(tmp_path / "cheat", CHEATS[name], data, experiment, weights) > 90
