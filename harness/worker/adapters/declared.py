"""The adapter for what a manifest describes: objects, plain functions, dicts, lists, layer objects."""

from __future__ import annotations

import random
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from harness.worker.adapters.declaration import (
    Array,
    Declaration,
    cross_entropy,
    inputs_of,
    plain,
    probabilities_of,
)
from harness.worker.adapters.parameters import Parameters
from harness.worker.adapters.snippets import Scope, Snippet
from harness.worker.loading import NotProvided, explained
from harness.worker.script import Script

KNOWN_RATE = 1.0  # the learning rate at which a backward pass that updates shows its gradient


class Network:
    """One foreign model behind the contract's verbs."""

    def __init__(
        self, script: Script, declared: Declaration, sizes: list[int], activation: str, seed: int
    ) -> None:
        self.script = script
        self.declared = declared
        self.sizes = sizes
        self.scope = Scope(script.module)
        self.generator = np.random.default_rng(seed)
        self._construct(activation, seed)
        self.parameters = Parameters(self.scope, declared, sizes)

    def verbs(self) -> types.SimpleNamespace:
        """An object that has exactly the verbs that can be offered."""
        functions = self.declared.functions
        offered: dict[str, Callable[..., Any]] = {
            "get_weights": self.get_weights,
            "set_weights": self.set_weights,
        }
        if "predict" in functions or "forward" in functions:
            offered["predict_proba"] = self.predict_proba
        if self._has_gradients():
            offered["loss_and_gradients"] = self.loss_and_gradients
        if self._has_fit():
            offered["fit"] = self.fit
        verbs = {name: self._explained(verb) for name, verb in offered.items()}
        return types.SimpleNamespace(**verbs, own_sizes=self.parameters.own_sizes)

    def get_weights(self) -> list[Array]:
        """Return the weights in contract order."""
        return self.parameters.get()

    def set_weights(self, weights: list[Array]) -> None:
        """Give the model new weights, keeping its aliases."""
        self.parameters.set(weights)

    def predict_proba(self, X: Array) -> Any:
        """Return class probabilities (n, classes)."""
        snippet = self.declared.functions.get("predict") or self.declared.functions["forward"]
        outputs = [self._run(snippet, inputs, {}) for inputs, _ in self._passes(X, None)]
        return self._probabilities(outputs, len(X))

    def loss_and_gradients(self, X: Array, y: Array) -> tuple[Any, list[Array]]:
        """Return the mean loss and the mean gradients; one example at a time is averaged here."""
        losses: list[Any] = []
        total: list[Array] = []
        start = self.parameters.get()
        for inputs, labels in self._passes(X, y):
            loss, gradients = self._pass(inputs, labels, start)
            losses.append(loss)
            total = [t + g for t, g in zip(total, gradients)] if total else gradients
        count = len(losses)
        if count == 1:
            return losses[0], total
        return float(np.mean(losses)), [np.asarray(gradient / count) for gradient in total]

    def fit(
        self,
        X: Array,
        y: Array,
        *,
        epochs: int,
        batch_size: int,
        learning_rate: float,
        optimizer: str = "sgd",
        weight_decay: float = 0.0,
    ) -> dict[str, Any] | None:
        """Train in place with the submission's own loop, or with the harness's around its own steps."""
        options = {
            "epochs": epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "optimizer": optimizer,
            "weight_decay": weight_decay,
        }
        snippet = self.declared.functions.get("fit")
        used = [s for name, s in self.declared.functions.items() if name in ("fit", "update", "backward")]
        for name, usual in (("optimizer", "sgd"), ("weight_decay", 0.0)):
            if options[name] != usual and not any(s.reads(name) for s in used):
                raise NotProvided(f"its training takes no {name}, so {options[name]} cannot be asked for")
        if snippet is None:
            self._loop(X, y, options)
            return None
        inputs = inputs_of(self.declared, X, y, self.sizes[-1], self._dtype())
        return history_of(self._run(snippet, {**inputs, **options}, {}))

    def _construct(self, activation: str, seed: int) -> None:
        declared = self.declared
        if declared.activations and activation not in declared.activations:
            raise NotProvided(
                f"no {activation}: the manifest declares {', '.join(declared.activations)} only"
            )
        own = declared.activations.get(activation, activation)
        seed_everything(seed)
        if declared.constructor is None:
            self.script.rerun(self._module_weights())
            return
        features = np.random.default_rng(0).random((8, self.sizes[0]))
        dummy = inputs_of(declared, features, np.arange(8) % self.sizes[-1], self.sizes[-1], None)
        names = {
            "layer_sizes": list(self.sizes),
            "inputs": self.sizes[0],
            "hidden": list(self.sizes[1:-1]),
            "outputs": self.sizes[-1],
            "depth": len(self.sizes) - 1,
            "activation": own,
            "seed": seed,
        }
        snippet = Snippet(declared.constructor.replace("{activation}", own), "constructor")
        with explained(self.script):
            self.scope.construct(snippet, {**dummy, **names})

    def _module_weights(self) -> list[str]:
        """The module-level names that hold the weights, when there is no constructor."""
        roots = [template.split("[")[0].split(".")[0] for template in self.declared.weights]
        depth = len(self.sizes) - 1
        return [
            root.replace("{i}", str(k + 1)).replace("{k}", str(k)) for root in roots for k in range(depth + 1)
        ]

    def _has_gradients(self) -> bool:
        return "backward" in self.declared.functions

    def _has_fit(self) -> bool:
        functions = self.declared.functions
        steps = "update" in functions or ("backward" in functions and self.declared.backward_updates)
        return "fit" in functions or (bool(steps) and not self.declared.one_example)

    def _passes(self, X: Array, y: Array | None) -> Iterator[tuple[dict[str, Any], Array | None]]:
        """The inputs of each pass with its labels: one for the batch, or one for each example."""
        dtype, classes = self._dtype(), self.sizes[-1]
        if not self.declared.one_example:
            yield inputs_of(self.declared, X, y, classes, dtype), y
            return
        for i in range(len(X)):
            label = None if y is None else y[i]
            yield inputs_of(self.declared, X[i], label, classes, dtype), None if y is None else y[i : i + 1]

    def _pass(
        self, inputs: Mapping[str, Any], y: Array | None, start: list[Array]
    ) -> tuple[Any, list[Array]]:
        """One forward and backward pass: the loss, and the gradients in contract order."""
        functions, declared = self.declared.functions, self.declared
        passing: dict[str, Any] = {}
        rate = declared.backward_updates
        names = {**inputs, "learning_rate": KNOWN_RATE if isinstance(rate, bool) else rate}
        output = self._run(functions["forward"], names, passing) if "forward" in functions else None
        passing.setdefault("output", output)
        loss = self._run(functions["loss"], names, passing) if "loss" in functions else None
        result = self._run(functions["backward"], names, passing)
        if rate:
            after = self.parameters.get()
            gradients = [(b - a) / float(names["learning_rate"]) for b, a in zip(start, after)]
            self.parameters.set(start)
        else:
            gradients = self.parameters.gradients(passing, result)
        if loss is None:
            loss = passing.get("loss")
        if loss is None and output is not None and y is not None:
            loss = cross_entropy(declared, output, self._probabilities([output], len(y)), y)
        return plain(loss), gradients

    def _probabilities(self, outputs: list[Any], count: int) -> Any:
        classes = self.sizes[-1]
        if not self.declared.one_example:
            return probabilities_of(self.declared, outputs[0], count, classes)
        return np.concatenate([probabilities_of(self.declared, output, 1, classes) for output in outputs])

    def _loop(self, X: Array, y: Array, options: dict[str, Any]) -> None:
        """The harness's loop around the submission's own backward and update."""
        for _ in range(options["epochs"]):
            order = self.generator.permutation(len(X))
            for first in range(0, len(X), options["batch_size"]):
                rows = order[first : first + options["batch_size"]]
                self._step(X[rows], y[rows], options)

    def _step(self, X: Array, y: Array, options: dict[str, Any]) -> None:
        functions = self.declared.functions
        inputs = {**inputs_of(self.declared, X, y, self.sizes[-1], self._dtype()), **options}
        passing: dict[str, Any] = {}
        for name in ("forward", "backward", "update"):
            if name in functions:
                value = self._run(functions[name], inputs, passing)
                passing.setdefault({"forward": "output", "backward": "gradients"}.get(name, name), value)

    def _run(self, snippet: Snippet, inputs: Mapping[str, Any], passing: dict[str, Any]) -> Any:
        return self.scope.run(snippet, inputs, passing)

    def _dtype(self) -> Any:
        return None

    def _explained(self, verb: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            with explained(self.script):
                return verb(*args, **kwargs)

        return call


def seed_everything(seed: int) -> None:
    """Seed the global generators, which is what most submissions draw from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "manual_seed"):
        torch.manual_seed(seed)


def history_of(value: Any) -> dict[str, Any] | None:
    """A history by name of what a training function returned, if it is one."""
    if hasattr(value, "history") and isinstance(value.history, Mapping):
        value = value.history
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple) and value and all(isinstance(item, (list, np.ndarray)) for item in value):
        return {f"series {i}" if i else "loss": list(item) for i, item in enumerate(value)}
    return {"loss": value} if isinstance(value, list) and all(np.isscalar(item) for item in value) else None
