"""The adapter for scikit-learn's multilayer perceptrons (``coefs_``, ``intercepts_``, ``partial_fit``)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from harness.worker.adapters.declaration import Array, declare
from harness.worker.adapters.declared import seed_everything
from harness.worker.adapters.snippets import Scope, Snippet
from harness.worker.loading import NotProvided, explained
from harness.worker.script import Script

ACTIVATIONS = {"sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}
TINY_RATE = 1e-300  # a first call of partial_fit only to have the weights drawn
KNOWN_RATE = 1.0


def estimator_build(script: Script, manifest: Mapping[str, Any]) -> Callable[[list[int], str, int], Any]:
    """Return ``build`` for a classifier that the manifest's constructor (or the module's ``build``) makes."""
    declared = declare({**manifest, "adapter": "object"})
    if declared.constructor is None:
        raise NotProvided(
            'adapter = "sklearn" needs a constructor: "MLPClassifier(hidden_layer_sizes=hidden)"'
        )
    text = declared.constructor

    def build(layer_sizes: list[int], activation: str, seed: int) -> Estimator:
        own = declared.activations.get(activation, ACTIVATIONS[activation])
        seed_everything(seed)
        names = {
            "layer_sizes": layer_sizes,
            "hidden": tuple(layer_sizes[1:-1]),
            "activation": own,
            "seed": seed,
        }
        scope = Scope(script.module)
        with explained(script):
            scope.construct(Snippet(text.replace("{activation}", own), "constructor"), names)
            return Estimator(scope.names["model"], layer_sizes, seed)

    return build


class Estimator:
    """An ``MLPClassifier`` behind the contract's verbs; gradients are read off one step at a known rate."""

    def __init__(self, model: Any, sizes: list[int], seed: int) -> None:
        self.model = model
        self.sizes = sizes
        if not hasattr(model, "partial_fit") or not hasattr(model, "set_params"):
            raise NotProvided(
                f"{type(model).__name__} has no partial_fit: only MLPClassifier can be followed"
            )
        # One generator for all calls: an int would repeat the same order of examples in every epoch.
        model.set_params(random_state=np.random.RandomState(seed % 2**32))
        count = max(2, sizes[-1])
        features = np.random.default_rng(0).random((count, sizes[0]))
        solver = model.solver
        self._steps(features, np.arange(count) % sizes[-1], "sgd", TINY_RATE, count, 0.0)
        self.solver = solver

    def get_weights(self) -> list[Array]:
        """Return ``coefs_`` and ``intercepts_`` in contract order."""
        return [np.array(a) for pair in zip(self.model.coefs_, self.model.intercepts_) for a in pair]

    def set_weights(self, weights: list[Array]) -> None:
        """Replace ``coefs_`` and ``intercepts_``."""
        self.model.coefs_ = [np.array(w) for w in weights[0::2]]
        self.model.intercepts_ = [np.array(b) for b in weights[1::2]]

    def predict_proba(self, X: Array) -> Any:
        """Return the classifier's own probabilities."""
        return self.model.predict_proba(X)

    def loss_and_gradients(self, X: Array, y: Array) -> tuple[float, list[Array]]:
        """Return the loss and gradients of one full batch, from one step of plain gradient descent."""
        before = self.get_weights()
        self._steps(X, y, "sgd", KNOWN_RATE, len(X), 0.0)
        after, loss = self.get_weights(), float(self.model.loss_)
        self.set_weights(before)
        return loss, [(b - a) / KNOWN_RATE for b, a in zip(before, after)]

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
    ) -> dict[str, Any]:
        """Train in place, one ``partial_fit`` an epoch; it decays weights only, by alpha / batch."""
        if optimizer not in ("sgd", "adam"):
            raise NotProvided(f"scikit-learn's perceptrons have no {optimizer}")
        losses = []
        self._forget()
        for _ in range(epochs):
            self._steps(X, y, optimizer, learning_rate, batch_size, weight_decay * batch_size, keep=True)
            losses.append(float(self.model.loss_))
        return {"loss": losses}

    def _forget(self) -> None:
        if hasattr(self.model, "_optimizer"):
            del self.model._optimizer

    def _steps(
        self, X: Array, y: Array, solver: str, rate: float, batch: int, alpha: float, *, keep: bool = False
    ) -> None:
        """One epoch in batches with plain settings; the optimizer's state is kept only where asked."""
        if not keep:
            self._forget()
        self.model.set_params(
            solver=solver,
            learning_rate_init=rate,
            learning_rate="constant",
            momentum=0.0,
            nesterovs_momentum=False,
            alpha=alpha,
            batch_size=min(batch, len(X)),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.model.partial_fit(X, y, classes=np.arange(self.sizes[-1]))
