"""One forward and backward pass in float64 whose every step can be replaced by a mistaken one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from harness import oracle
from harness.diagnosis.types import Posed
from harness.oracle import Float, Int

Through = Callable[[int, Float, Float, Float], Float]  # layer, dL/dA, Z, A -> dL/dZ
Error = Callable[[Float, Float], Float]  # dL/dZ of a layer, its W -> dL/dA of the layer below
OfWeights = Callable[[Float, Float], Float]  # a layer's inputs, dL/dZ -> dW
OfBiases = Callable[[Float, Float], Float]  # dL/dZ, dL/dA -> db


class Pass:
    """A problem's forward pass (once) and any number of backward passes, right or mistaken.

    Layers are counted from 1 to ``depth``; the last one is linear and gives the logits.
    """

    def __init__(self, weights: Sequence[Float], X: Float, y: Int, activation: str) -> None:
        self.weights = list(weights)
        self.X = X
        self.y = y
        self.activation = activation
        self.n = len(X)
        self.features = X.shape[1]
        self.depth = len(self.weights) // 2
        self.classes = len(self.weights[-1])
        self.inputs, self.before = oracle.forward(self.weights, X, activation)
        self.logits = self.before[-1]
        self.P: Float = np.exp(oracle.log_softmax(self.logits))
        self.T: Float = np.eye(self.classes)[y]

    @classmethod
    def of(cls, problem: Posed) -> Pass:
        """Return the pass of a problem."""
        return cls(problem.weights, problem.X, problem.y, problem.activation)

    @cached_property
    def gradients(self) -> list[Float]:
        """The right gradients."""
        return self.backward()

    @property
    def hidden(self) -> range:
        """The numbers of the hidden layers, from 1."""
        return range(1, self.depth)

    def slope(self, layer: int) -> Float:
        """Return the activation's derivative in a hidden layer (n, units)."""
        return oracle.derivative(self.before[layer - 1], self.activation)

    def backward(
        self,
        *,
        delta: Float | None = None,
        through: Through | None = None,
        error: Error | None = None,
        of_weights: OfWeights | None = None,
        of_biases: OfBiases | None = None,
        inputs: Sequence[Float] | None = None,
        weights: Sequence[Float] | None = None,
    ) -> list[Float]:
        """Return the gradients of a backward pass with the given steps in place of the right ones.

        ``delta`` is the loss's derivative by the logits; the error goes back through ``weights``.
        """
        inputs = self.inputs if inputs is None else inputs
        weights = self.weights if weights is None else weights
        error_here = delta_here = (self.P - self.T) / self.n if delta is None else delta
        gradients: list[Float] = [np.empty(0)] * len(self.weights)
        for layer in range(self.depth, 0, -1):
            i = 2 * (layer - 1)
            A = inputs[layer - 1]
            gradients[i] = of_weights(A, delta_here) if of_weights else A.T @ delta_here
            gradients[i + 1] = of_biases(delta_here, error_here) if of_biases else delta_here.sum(axis=0)
            if layer > 1:
                error_here = error(delta_here, weights[i]) if error else delta_here @ weights[i].T
                Z, below = self.before[layer - 2], self.inputs[layer - 1]
                delta_here = (
                    through(layer - 1, error_here, Z, below)
                    if through
                    else error_here * self.slope(layer - 1)
                )
        return gradients

    def through_softmax(self, by_probability: Float) -> Float:
        """Return the derivative by the logits of what has this derivative by the probabilities."""
        inner = (self.P * by_probability).sum(axis=1, keepdims=True)
        result: Float = self.P * (by_probability - inner)
        return result
