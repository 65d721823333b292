"""Train a submission as its author would: ``python -m benchmarks.bare FILE IMAGES EPOCHS``.

Prints what ``fit`` returned as its "clock" and the test accuracy in per cent, as JSON.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def load(path: Path) -> Any:
    """Import a submission from its file."""
    spec = importlib.util.spec_from_file_location("submission", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path}: expected a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules["submission"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def main(path: str, images: str, epochs: str) -> None:
    """Load MNIST, train, predict, and print what was found."""
    from harness.data import load_dataset

    mnist = load_dataset("mnist")
    model = load(Path(path)).build([784, 500, 250, 100, 10], "relu", 0)
    X, y = mnist.train_inputs(int(images)), mnist.train_labels[: int(images)].astype(np.int64)
    history = model.fit(X, y, epochs=int(epochs), batch_size=64, learning_rate=0.01)
    answer = model.predict_proba(mnist.test_inputs()).argmax(axis=1)
    print(
        json.dumps({"clock": history["clock"], "accuracy": 100 * float(np.mean(answer == mnist.test_labels))})
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
