"""The contract's own verbs with data in another form: transposed matrices, one-hot labels, logits."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.worker.adapters.declaration import Array, Declaration, inputs_of, plain, probabilities_of
from harness.worker.loading import offered

TRANSLATED = frozenset(["layout", "labels", "batch_axis", "output", "dtype", "input_scale"])
# What describes a network without ``build`` has nothing to act on beside it.
USELESS = ("layers", "gradients", "bias", "one_example", "backward_updates", "activations")


def unused(manifest: Mapping[str, Any]) -> list[str]:
    """Return a remark for each key that does nothing for a submission that offers ``build``."""
    return [f"the manifest's {key!r} does nothing beside build" for key in USELESS if key in manifest]


def translated(model: Any, declared: Declaration, classes: int) -> types.SimpleNamespace:
    """Return the verbs that ``model`` has, taking and giving the contract's form."""
    return _Translated(model, declared, classes).verbs()


class _Translated:
    def __init__(self, model: Any, declared: Declaration, classes: int) -> None:
        self.model = model
        self.declared = declared
        self.classes = classes

    def verbs(self) -> types.SimpleNamespace:
        return types.SimpleNamespace(**{verb: getattr(self, f"_{verb}") for verb in offered(self.model)})

    def _get_weights(self) -> Any:
        return self._turned(self.model.get_weights())

    def _set_weights(self, weights: Sequence[Array]) -> None:
        given = [w.astype(self.declared.dtype or w.dtype) for w in weights]
        self.model.set_weights([np.ascontiguousarray(w) for w in self._turned(given)])

    def _predict_proba(self, X: Array) -> Any:
        output = self.model.predict_proba(self._inputs(X, None)["X"])
        return probabilities_of(self.declared, output, len(X), self.classes)

    def _loss_and_gradients(self, X: Array, y: Array) -> Any:
        named = self._inputs(X, y)
        answer = self.model.loss_and_gradients(named["X"], named["y"])
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            return answer  # the server says what it should have been
        return answer[0], self._turned(answer[1])

    def _fit(self, X: Array, y: Array, **options: Any) -> Any:
        named = self._inputs(X, y)
        return self.model.fit(named["X"], named["y"], **options)

    def _inputs(self, X: Array, y: Array | None) -> dict[str, Any]:
        return inputs_of(self.declared, X, y, self.classes, None)

    def _turned(self, tensors: Any) -> Any:
        """Transpose the matrices of ``[W1, b1, ...]`` where they are (fan_out, fan_in)."""
        if self.declared.layout != "out_in" or not isinstance(tensors, (list, tuple)):
            return tensors
        arrays = [plain(tensor) for tensor in tensors]
        return [a.T if getattr(a, "ndim", 0) == 2 else a for a in arrays]
