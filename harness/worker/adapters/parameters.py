"""A foreign model's parameters in the contract's order and layout: ``[W1, b1, ...]``, W (fan_in, fan_out)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from harness.worker.adapters import places
from harness.worker.adapters.declaration import Declaration
from harness.worker.adapters.snippets import Scope
from harness.worker.loading import NotProvided

Array = np.ndarray[Any, Any]


class Parameters:
    """Reads and writes the weights of one model, and reads its gradients, wherever they are kept."""

    def __init__(self, scope: Scope, declared: Declaration, sizes: Sequence[int]) -> None:
        self.scope = scope
        self.declared = declared
        self.sizes = list(sizes)
        self.depth = len(sizes) - 1
        self.places = self._find()
        # The sizes that are written down, where others were asked for and the weights drawn here.
        self.own_sizes: list[int] | None = None
        if not declared.sized:
            self._resize()
        self.out_in = self._orientation()

    def get(self) -> list[Array]:
        """Return copies of the weights in contract order and layout."""
        return self._gather(self.places, self._extra())

    def set(self, weights: Sequence[Array]) -> None:
        """Write weights given in contract order, in place where aliases may exist."""
        extra = self._extra()
        new: dict[str, Array] = {}
        for k, (weight, bias) in enumerate(self.places):
            W, b = np.asarray(weights[2 * k]), np.asarray(weights[2 * k + 1])
            if self.declared.dtype:
                W, b = W.astype(self.declared.dtype), b.astype(self.declared.dtype)
            if bias is None:
                W = self._folded(W, b)
            else:
                new[bias] = b
            new[weight] = np.ascontiguousarray(W.T if self.out_in else W)
        try:
            places.write(self.scope, new, extra)
        except (AttributeError, TypeError, ValueError) as error:
            raise NotProvided(f"its weights cannot be set ({type(error).__name__}: {error})") from error
        setter = self.declared.functions.get("set_weights")
        if setter is not None:
            self.scope.run(setter, {"weights": extra["result"]}, {})

    def gradients(self, passing: Mapping[str, Any], result: Any) -> list[Array]:
        """Return the gradients after a backward pass, from where the manifest says or they are found."""
        extra = {**passing, "result": result}
        if self.declared.gradients:
            found: places.Places | None = self._expanded(self.declared.gradients)
            extra |= self._layers()
        else:
            found = places.match({"result": result}, self.sizes, "any", self.declared.bias)
            found = found or places.match(
                {**passing, **self._roots()}, self.sizes, "gradients", self.declared.bias
            )
        if found is None:
            raise NotProvided(
                "the gradients cannot be found after the backward pass: say where they are "
                "(gradients = [\"grads['dW{i}']\", \"grads['db{i}']\"] in the manifest)"
            )
        return self._gather(found, extra)

    def tensor_gradients(self) -> list[Array]:
        """Return the gradients that autograd left in the tensors; zeros where it left none."""
        for place in (p for pair in self.places for p in pair if p is not None):
            tensor = places.read(self.scope, place, self._extra())
            if tensor.grad is None:
                tensor.grad = tensor.detach() * 0
        where: places.Places = [(f"({w}).grad", f"({b}).grad" if b else None) for w, b in self.places]
        return self._gather(where, self._extra())

    def tensors(self) -> list[Any]:
        """The tensors themselves, in contract order."""
        every = [place for pair in self.places for place in pair if place is not None]
        return [places.read(self.scope, place, self._extra()) for place in every]

    def dtype(self) -> Any:
        """The dtype that the first weight has now (a torch dtype for tensors)."""
        return places.read(self.scope, self.places[0][0], self._extra()).dtype

    def _gather(self, where: places.Places, extra: Mapping[str, Any]) -> list[Array]:
        arrays: list[Array] = []
        for k, (weight, bias) in enumerate(where):
            W = self._array(weight, extra)
            W = W.T if self.out_in and W.ndim == 2 else W
            if bias is None:
                W, b = self._unfolded(W, k)
            else:
                b = self._array(bias, extra)
            # A bias kept as a row or a column is the same numbers; any other shape is a finding.
            b = b.reshape(-1) if b.size == self.sizes[k + 1] else b
            arrays += [np.array(W), np.array(b)]
        return arrays

    def _array(self, expression: str, extra: Mapping[str, Any]) -> Array:
        value = places.read(self.scope, expression, extra)
        array = places.as_array(value)
        return np.array(value) if array is None else np.asarray(array)

    def _unfolded(self, W: Array, k: int) -> tuple[Array, Array]:
        if self.declared.bias == "none":
            return W, np.zeros(self.sizes[k + 1], dtype=W.dtype)
        return (W[1:], W[0]) if self.declared.bias == "first_row" else (W[:-1], W[-1])

    def _folded(self, W: Array, b: Array) -> Array:
        if self.declared.bias == "none":
            if np.any(b):
                raise NotProvided("this network has no biases, so they cannot be set")
            return W
        rows = [b[None], W] if self.declared.bias == "first_row" else [W, b[None]]
        return np.concatenate(rows)

    def _find(self) -> places.Places:
        if self.declared.weights:
            return self._expanded(self.declared.weights)
        if "get_weights" in self.declared.functions:
            found = places.match({"result": self._extra()["result"]}, self.sizes, "any", self.declared.bias)
        else:
            found = places.match(self._roots(), self.sizes, "weights", self.declared.bias)
        if found is None:
            raise NotProvided(
                f"no weights of a {'-'.join(map(str, self.sizes))} network are found in the model: its sizes "
                'are fixed, or the manifest should name them (weights = ["model.W{i}", "model.b{i}"])'
            )
        return found

    def _expanded(self, templates: Sequence[str]) -> places.Places:
        bias = templates[1] if len(templates) == 2 else None
        return [
            (places.expand(templates[0], k), places.expand(bias, k) if bias else None)
            for k in range(self.depth)
        ]

    def _orientation(self) -> bool:
        """Whether W is kept (fan_out, fan_in), by the manifest or by the shapes; checks the shapes."""
        extra = self._extra()
        shapes = []
        try:
            shapes = [np.shape(self._array(weight, extra)) for weight, _ in self.places]
        except (AttributeError, KeyError, IndexError, NameError, TypeError) as error:
            raise NotProvided(
                f"the manifest's weights are not there in a network of {self.depth} layers "
                f"({type(error).__name__}: {error})"
            ) from error
        folded = int(self.places[0][1] is None and self.declared.bias != "none")
        expected = [(i + folded, o) for i, o in zip(self.sizes[:-1], self.sizes[1:])]
        ways = {"in_out": shapes == expected, "out_in": shapes == [pair[::-1] for pair in expected]}
        if not any(ways.values()):
            found = ", ".join("x".join(map(str, shape)) for shape in shapes)
            raise NotProvided(
                f"asked for {'-'.join(map(str, self.sizes))}, built with weights of shapes {found}"
            )
        if self.declared.layout is not None:
            return self.declared.layout == "out_in"
        if all(ways.values()):  # every layer is square: columns of examples go with (fan_out, fan_in)
            return self.declared.batch_axis == 1
        return ways["out_in"]

    def _resize(self) -> None:
        """Give weights whose sizes are written down the sizes that are asked for; the depth is what it is."""
        self._check_depth()
        weights = [self._array(weight, {}) for weight, _ in self.places]
        shapes = [np.shape(w) for w in weights]
        asked = list(pairwise(self.sizes))
        if len(shapes) < 2 or any(len(shape) != 2 for shape in shapes):
            return
        out_in = all(a[0] == b[1] for a, b in pairwise(shapes)) and shapes[0][1] != shapes[1][0]
        if shapes in (asked, [pair[::-1] for pair in asked]):
            return
        self.own_sizes = [int(shape[1] if out_in else shape[0]) for shape in shapes]
        self.own_sizes.append(int(shapes[-1][0] if out_in else shapes[-1][1]))
        generator = np.random.default_rng(0)
        for k, (weight, bias) in enumerate(self.places):
            limit = np.sqrt(6.0 / sum(asked[k]))
            shape = asked[k][::-1] if out_in else asked[k]
            drawn = generator.uniform(-limit, limit, shape).astype(weights[k].dtype)
            places.replace(self.scope, weight, drawn)
            if bias is not None:
                old = self._array(bias, {})
                wide = tuple(asked[k][1] if size != 1 else 1 for size in old.shape)
                places.replace(self.scope, bias, np.zeros(wide, dtype=old.dtype))

    def _check_depth(self) -> None:
        """Weights that are written down one by one are as many as they are: no other depth can be had."""
        if not self.declared.weights:
            return
        there = [self._is_there(self.declared.weights[0], k) for k in range(self.depth + 1)]
        if not all(there[:-1]) or there[-1]:
            count = sum(there) if not all(there) else f"more than {self.depth}"
            raise NotProvided(f"asked for {self.depth} layers, its weights are those of {count}")

    def _is_there(self, template: str, k: int) -> bool:
        try:
            places.read(self.scope, places.expand(template, k), {})
        except (AttributeError, KeyError, IndexError, NameError, TypeError):
            return False
        return True

    def _roots(self) -> dict[str, Any]:
        if self.scope.names:
            return self.scope.names
        return {k: v for k, v in vars(self.scope.module).items() if not k.startswith("_")}

    def _extra(self) -> dict[str, Any]:
        getter = self.declared.functions.get("get_weights")
        if getter is not None:
            value = self.scope.run(getter, {}, {})
            return {"result": list(value) if isinstance(value, tuple) else value}
        return self._layers()

    def _layers(self) -> dict[str, Any]:
        """The list of layer objects that have parameters, for templates such as ``layers[k].W``."""
        if self.declared.layers is None:
            return {}
        all_layers = places.read(self.scope, self.declared.layers, {})
        all_layers = list(all_layers.values()) if isinstance(all_layers, Mapping) else list(all_layers)
        template = self.declared.weights[0] if self.declared.weights else ""
        named = re.match(r"layers\[k\](?:\.|\[['\"])(\w+)", template)
        name = named.group(1) if named else ""
        return {"layers": [layer for layer in all_layers if _has(layer, name)]}


def _has(layer: Any, name: str) -> bool:
    value = layer.get(name) if isinstance(layer, Mapping) else getattr(layer, name, None)
    return not name or value is not None
