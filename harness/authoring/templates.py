"""What ``backcheck new`` writes: a submission that runs, and says of each part that it is still to do."""

from __future__ import annotations

import json

CODE = '''"""{name}: a multi-layer perceptron for MNIST, written from scratch.

The contract: build() returns a network with the five methods below, and is all that the grader looks for.
Run `backcheck check {file}` after each step; `--watch` does it on every save.
"""

import numpy as np


class Network:
    """Hidden layers with the activation that build() is asked for, linear output, softmax."""

    def __init__(self, layer_sizes, activation, rng):
        self.layer_sizes = layer_sizes  # e.g. [784, 500, 250, 100, 10]
        self.activation = activation  # "sigmoid", "tanh" or "relu"
        self.rng = rng  # draw everything from it: the same seed must give the same bits
        # To do: Glorot-uniform weights, U[-M, M] with M = sqrt(6 / (fan_in + fan_out)), and zero biases.
        # self.weights = [W1, b1, W2, b2, ...] with W of shape (fan_in, fan_out) and b of shape (fan_out,).
        self.weights = []

    def get_weights(self):
        """Return [W1, b1, W2, b2, ...]."""
        if not self.weights:
            raise NotImplementedError("get_weights: the weights are still to be drawn, in __init__")
        return [w.copy() for w in self.weights]

    def set_weights(self, weights):
        """Take new weights, in the order of get_weights. Compute in their dtype (float64 when checked)."""
        self.weights = [np.array(w) for w in weights]

    def predict_proba(self, X):
        """X: (n, features), pixels in [0, 1]. Return probabilities (n, classes); each row sums to 1."""
        raise NotImplementedError("predict_proba: the forward pass is still to be written")

    def loss_and_gradients(self, X, y):
        """y: (n,) class indices. Return (mean cross entropy, its gradients in the order of get_weights)."""
        raise NotImplementedError("loss_and_gradients: the backward pass is still to be written")

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        """Train in place: shuffle every epoch, one update for each batch, the short last batch included.

        weight_decay adds weight_decay * w to each gradient. May return
        {{"loss": [one for each epoch], "accuracy": [one for each epoch]}}.
        """
        raise NotImplementedError("fit: the training loop is still to be written")


def build(layer_sizes, activation, seed):
    """Return a new network of these sizes, its weights drawn from this seed."""
    return Network(list(layer_sizes), activation, np.random.default_rng(seed))
'''

INTRODUCTION = """# {name}

A multi-layer perceptron for MNIST, written from scratch. The grader reads the cells that define things and
runs none that trains: use the cells below for your own experiments as you like.
Check it with `backcheck check {file}`.
"""

EXPERIMENTS = "# Your own experiments: this cell trains, so the grader does not run it.\n"


def python_file(name: str, file: str) -> str:
    """Return the text of a new ``.py`` submission."""
    return CODE.format(name=name, file=file)


def notebook_file(name: str, file: str) -> str:
    """Return the text of a new notebook (nbformat 4.5) with the same code."""
    introduction = INTRODUCTION.format(name=name, file=file)
    cells = [("markdown", introduction), ("code", CODE.format(name=name, file=file)), ("code", EXPERIMENTS)]
    data = {
        "cells": [_cell(kind, text, number) for number, (kind, text) in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(data, indent=1) + "\n"


def _cell(kind: str, text: str, number: int) -> dict[str, object]:
    cell: dict[str, object] = {
        "cell_type": kind,
        "id": f"cell-{number}",
        "metadata": {},
        "source": text.rstrip("\n").splitlines(keepends=True),
    }
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})
