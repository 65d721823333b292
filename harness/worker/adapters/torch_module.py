"""The adapter for torch modules: gradients by autograd, and a training loop where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from harness.worker.adapters.declaration import Array, inputs_of
from harness.worker.adapters.declared import Network, history_of


class TorchNetwork(Network):
    """A torch module behind the contract's verbs; ``output`` says what its forward pass returns."""

    def predict_proba(self, X: Array) -> Any:
        """Return class probabilities (n, classes), in evaluation mode."""
        import torch

        self._mode(training=False)
        with torch.no_grad():
            return super().predict_proba(X)

    def loss_and_gradients(self, X: Array, y: Array) -> tuple[Any, list[Array]]:
        """Return the mean cross entropy and its gradients, by autograd or by the manifest's backward."""
        self._mode(training=True)
        if "backward" in self.declared.functions:
            return super().loss_and_gradients(X, y)
        inputs = inputs_of(self.declared, X, y, self.sizes[-1], self._dtype())
        for tensor in self.parameters.tensors():
            tensor.grad = None
        loss = self._loss(inputs, np.asarray(y))
        loss.backward()
        return float(loss.detach()), self.parameters.tensor_gradients()

    def set_weights(self, weights: list[Array]) -> None:
        """Give the module new weights; all of it, buffers too, then computes in their dtype."""
        super().set_weights(weights)
        model = self.scope.names.get("model")
        if model is not None and hasattr(model, "to"):
            model.to(self._dtype())

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
        """Train in place; snippets also find ``loader``, ``criterion`` and ``torch_optimizer``."""
        import torch

        self._mode(training=True)
        if "fit" not in self.declared.functions:
            torch_optimizer = self._optimizer(optimizer, learning_rate, weight_decay)
            return self._train(Loader(self, X, y, batch_size), torch_optimizer, epochs)
        names = {
            "epochs": epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "optimizer": optimizer,
            "weight_decay": weight_decay,
            "criterion": torch.nn.CrossEntropyLoss(),
            "loader": Loader(self, X, y, batch_size),
            "torch_optimizer": self._optimizer(optimizer, learning_rate, weight_decay),
        }
        inputs = inputs_of(self.declared, X, y, self.sizes[-1], self._dtype())
        return history_of(self._run(self.declared.functions["fit"], {**inputs, **names}, {}))

    def _train(self, loader: Loader, optimizer: Any, epochs: int) -> dict[str, Any]:
        history: dict[str, Any] = {"loss": [], "accuracy": []}
        for _ in range(epochs):
            total, right = 0.0, 0
            for X, y in loader:
                optimizer.zero_grad()
                output = self._run(self.declared.functions["forward"], {"X": X, "x": X, "y": y}, {})
                loss = self._cross_entropy(output, y)
                loss.backward()
                optimizer.step()
                total += float(loss.detach()) * len(y)
                right += int((output.argmax(dim=1) == y).sum())
            history["loss"].append(total / len(loader.dataset))
            history["accuracy"].append(right / len(loader.dataset))
        return history

    def _has_gradients(self) -> bool:
        return True

    def _has_fit(self) -> bool:
        return True

    def _loss(self, inputs: dict[str, Any], y: Array) -> Any:
        import torch

        passing: dict[str, Any] = {}
        output = self._run(self.declared.functions["forward"], inputs, passing)
        if "loss" in self.declared.functions:
            return self._run(self.declared.functions["loss"], inputs, {**passing, "output": output})
        return self._cross_entropy(output, torch.as_tensor(y))

    def _cross_entropy(self, output: Any, y: Any) -> Any:
        import torch

        if self.declared.output == "logits":
            return torch.nn.functional.cross_entropy(output, y)
        logs = output if self.declared.output == "log_probabilities" else torch.log(output)
        return torch.nn.functional.nll_loss(logs, y)

    def _optimizer(self, name: str, learning_rate: float, weight_decay: float) -> Any:
        import torch

        kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[name]
        return kind(self._trained(), lr=learning_rate, weight_decay=weight_decay)

    def _trained(self) -> list[Any]:
        model = self.scope.names.get("model")
        return list(model.parameters()) if model is not None else self.parameters.tensors()

    def _mode(self, *, training: bool) -> None:
        model = self.scope.names.get("model")
        if model is not None and hasattr(model, "train") and hasattr(model, "eval"):
            model.train(training)

    def _dtype(self) -> Any:
        return self.parameters.dtype()


class Loader:
    """What a ``DataLoader`` that shuffles is to a training loop: batches, its length, its data set."""

    def __init__(self, network: TorchNetwork, X: Array, y: Array, batch_size: int) -> None:
        import torch

        inputs = inputs_of(network.declared, X, y, network.sizes[-1], network._dtype())
        self.X, self.y = inputs["X"], inputs["y"]
        self.batch_size = batch_size
        self.dataset = torch.utils.data.TensorDataset(self.X, self.y)

    def __len__(self) -> int:
        return -(-len(self.X) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        import torch

        order = torch.randperm(len(self.X))
        for first in range(0, len(self.X), self.batch_size):
            rows = order[first : first + self.batch_size]
            yield self.X[rows], self.y[rows]
