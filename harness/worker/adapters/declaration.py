"""What a manifest declares, ready for use: compiled snippets, defaults, data in the declared form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.worker.adapters.snippets import Snippet

Array = np.ndarray[Any, Any]

# What the built-in adapters take for granted; a manifest's own keys go before it.
PRESETS: dict[str, dict[str, Any]] = {
    "object": {},
    "functions": {},
    "torch": {"output": "logits", "functions": {"forward": "model(X)"}},
    "keras": {
        "backward_updates": True,
        "functions": {
            "forward": "model.predict(X)",
            "backward": "model.optimizer.learning_rate = learning_rate; model.train_on_batch(X, y)",
            "fit": "model.optimizer.learning_rate = learning_rate; "
            "model.fit(X, y, epochs=epochs, batch_size=batch_size)",
            "get_weights": "model.get_weights()",
            "set_weights": "model.set_weights(weights)",
        },
    },
}


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """A manifest's keys that the adapters use, with their defaults."""

    adapter: str
    constructor: str | None
    layers: str | None
    weights: tuple[str, ...]
    gradients: tuple[str, ...]
    layout: str | None
    bias: str
    one_hot: bool
    batch_axis: int
    one_example: bool
    output: str
    dtype: str | None
    input_scale: float
    backward_updates: bool | float
    activations: Mapping[str, str]
    functions: Mapping[str, Snippet]

    @property
    def sized(self) -> bool:
        """Whether the constructor is told what sizes are asked for."""
        names = re.findall(r"\w+", self.constructor or "")
        return bool({"layer_sizes", "inputs", "hidden", "outputs", "depth"} & set(names))

    @property
    def tensors(self) -> bool:
        """Whether the submission's functions take torch tensors."""
        return self.adapter == "torch"


def declare(manifest: Mapping[str, Any]) -> Declaration:
    """Read the worker's copy of a manifest (plain JSON, checked on the trusted side)."""
    adapter = manifest.get("adapter") or "object"
    preset = PRESETS[adapter]
    said = {**preset, **manifest}
    functions = {**preset.get("functions", {}), **manifest.get("functions", {})}
    return Declaration(
        adapter=adapter,
        constructor=said.get("constructor"),
        layers=said.get("layers"),
        weights=tuple(said.get("weights", ())),
        gradients=tuple(said.get("gradients", ())),
        layout=said.get("layout"),
        bias=said.get("bias") or "separate",
        one_hot=said.get("labels") == "one_hot",
        batch_axis=said.get("batch_axis") or 0,
        one_example=bool(said.get("one_example")),
        output=said.get("output") or "probabilities",
        dtype=said.get("dtype"),
        input_scale=said.get("input_scale") or 1.0,
        backward_updates=said.get("backward_updates") or False,
        activations=said.get("activations", {}),
        functions={name: Snippet(text, name) for name, text in functions.items()},
    )


def inputs_of(declared: Declaration, X: Array, y: Array | None, classes: int, dtype: Any) -> dict[str, Any]:
    """The names ``X``, ``y`` and ``Y`` (always one-hot) in the declared form, for a batch or for one example.

    ``X`` is (n, features) or (features,), ``y`` (n,) or a number; for ``batch_axis = 1`` they are columns.
    """
    features = X.astype(declared.dtype or X.dtype)
    if declared.input_scale != 1.0:
        features = features * features.dtype.type(declared.input_scale)
    if declared.batch_axis == 1:
        features = features.reshape(-1, 1) if features.ndim == 1 else np.ascontiguousarray(features.T)
    names: dict[str, Any] = {"X": features, "x": features}
    if y is not None:
        one_hot = np.eye(classes, dtype=features.dtype)[y]
        if declared.batch_axis == 1:
            one_hot = one_hot.reshape(-1, 1) if one_hot.ndim == 1 else np.ascontiguousarray(one_hot.T)
        names |= {"Y": one_hot, "y": one_hot if declared.one_hot else y}
    if declared.tensors:
        names = {key: _tensor(value, dtype) for key, value in names.items()}
    return names


def _tensor(value: Any, dtype: Any) -> Any:
    import torch

    tensor = torch.as_tensor(np.array(value))
    return tensor.to(dtype) if tensor.is_floating_point() and dtype is not None else tensor


def plain(value: Any) -> Any:
    """An array of what a submission returned; what is none is left as it is, for the server to name."""
    if isinstance(value, (tuple, list)) and value and hasattr(value[0], "shape"):
        value = value[0]
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    try:
        return np.asarray(value)
    except (ValueError, TypeError):
        return value


def probabilities_of(declared: Declaration, output: Any, count: int, classes: int) -> Any:
    """Class probabilities (n, classes) of what the forward pass returned; other shapes are handed on."""
    array = plain(output)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        return array
    if declared.batch_axis == 1 and array.shape == (classes, count):
        array = array.T
    elif array.size == count * classes and array.shape != (count, classes) and 1 in (*array.shape, count):
        array = array.reshape(count, classes)
    if declared.output == "logits":
        shifted = array - array.max(axis=-1, keepdims=True)
        array = np.exp(shifted)
        return array / array.sum(axis=-1, keepdims=True)
    return np.exp(array) if declared.output == "log_probabilities" else array


def cross_entropy(declared: Declaration, output: Any, probabilities: Array, y: Array) -> float:
    """Mean cross entropy, from logits where there are any, else from probabilities."""
    rows = np.arange(len(y))
    if declared.output == "logits":
        logits = np.asarray(plain(output), dtype=np.float64)
        logits = logits.T if declared.batch_axis == 1 else logits
        top = logits.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0] - logits[rows, y]))
    # From rounded probabilities a confidently wrong answer's loss cannot be told: the largest finite one is.
    least = np.finfo(np.float64).tiny
    return float(-np.mean(np.log(np.maximum(probabilities[rows, y], least))))
