"""A small specification on scikit-learn's digits, and a reference that only says what it was asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.spec import Spec, load_spec

SPEC = """
schema = 1
id = "small"
title = "A small report"
author = "Nobody"
date = "today"
dataset = "digits"

[protocols.own]
layer_sizes = [64, 12, 10]
activation = "tanh"
optimizer = "sgd"
learning_rate = 0.5
batch_size = 50
epochs = 3
weight_decay = 0.0
train_images = 220
test_images = 300
shuffle = true
initialisation = "glorot_uniform"
loss_every = 2

[protocols.own.sources]
layer_sizes = "ours"
activation = "ours"
optimizer = "ours"
learning_rate = "ours"
batch_size = "ours"
epochs = "ours"
weight_decay = "ours"
train_images = "ours"
test_images = "ours"
shuffle = "ours"
initialisation = "ours"
loss_every = "ours"

[[experiments]]
id = "scratch/tanh"
part = "scratch"
section = "1"
protocol = "own"

[[experiments]]
id = "package/tanh"
part = "package"
section = "2"
protocol = "own"

[[candidates]]
id = "adam"
purpose = "search"
text = "Adam, unshuffled, the framework's initialisation"
experiments = ["package/*"]
override = { optimizer = "adam", shuffle = false, initialisation = "framework_default", weight_decay = 0.1 }

[[candidates]]
id = "slow"
purpose = "search"
text = "a tenth of the learning rate"
experiments = ["*"]
override = { learning_rate = 0.05 }

[[budgets]]
id = "quick"
text = "one epoch"
experiments = ["scratch/*"]
override = { epochs = 1 }
"""

# Predicts class 1 always; its history holds what build and fit were given.
RECORDER = """
import json
import numpy as np

BATCH_LOSS_EVERY = 7

class Recorder:
    def __init__(self, **asked):
        self.asked = asked

    def fit(self, X, y, **options):
        seen = [X.shape, str(X.dtype), float(X.min()), float(X.max())]
        self.asked.update(options, X=seen, y=y[:3].tolist())
        with open(__file__ + ".json", "w") as file:
            json.dump(self.asked, file)
        return {"loss": [1.23456789], "accuracy": [0.5]}

    def predict_proba(self, X):
        return np.tile(np.eye(10)[1], (len(X), 1))

def build(layer_sizes, activation, seed, **extras):
    return Recorder(layer_sizes=layer_sizes, activation=activation, seed=seed, **extras)
"""


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    file = tmp_path / "small.toml"
    file.write_text(SPEC, encoding="utf-8")
    return file


@pytest.fixture
def spec(spec_file: Path) -> Spec:
    return load_spec(spec_file)


@pytest.fixture
def recorder(tmp_path: Path) -> Path:
    file = tmp_path / "recorder_mlp.py"
    file.write_text(RECORDER, encoding="utf-8")
    return file
