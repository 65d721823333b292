"""A scalar automatic differentiation engine: every weight is an object (for small networks)."""

import math
import random


class Scalar:
    __slots__ = ("grad", "parents", "value")

    def __init__(self, value, parents=()):
        self.value = value
        self.grad = 0.0
        self.parents = parents  # (parent, local derivative)

    def __add__(self, other):
        if isinstance(other, Scalar):
            return Scalar(self.value + other.value, ((self, 1.0), (other, 1.0)))
        return Scalar(self.value + other, ((self, 1.0),))

    def __sub__(self, other):
        return self + other * -1.0

    def __mul__(self, other):
        if isinstance(other, Scalar):
            return Scalar(self.value * other.value, ((self, other.value), (other, self.value)))
        return Scalar(self.value * other, ((self, other),))

    def exp(self):
        e = math.exp(self.value)
        return Scalar(e, ((self, e),))

    def log(self):
        return Scalar(math.log(self.value), ((self, 1.0 / self.value),))

    def sigmoid(self):
        s = 0.5 * (1.0 + math.tanh(0.5 * self.value))
        return Scalar(s, ((self, s * (1.0 - s)),))

    def tanh(self):
        t = math.tanh(self.value)
        return Scalar(t, ((self, 1.0 - t * t),))

    def relu(self):
        return Scalar(max(self.value, 0.0), ((self, 1.0 if self.value > 0 else 0.0),))

    def backward(self):
        order, seen, stack = [], set(), [(self, False)]
        while stack:
            node, done = stack.pop()
            if done:
                order.append(node)
            elif id(node) not in seen:
                seen.add(id(node))
                stack.append((node, True))
                stack.extend((parent, False) for parent, _ in node.parents)
        self.grad = 1.0
        for node in reversed(order):
            for parent, slope in node.parents:
                parent.grad += slope * node.grad


class Net:
    def __init__(self, layer_sizes, activation, seed):
        self.rng = random.Random(seed)
        self.activation = activation
        self.layers = []
        for i, o in zip(layer_sizes, layer_sizes[1:]):
            limit = math.sqrt(6.0 / (i + o))
            W = [[Scalar(self.rng.uniform(-limit, limit)) for _ in range(o)] for _ in range(i)]
            self.layers.append((W, [Scalar(0.0) for _ in range(o)]))

    def parameters(self):
        return [w for W, b in self.layers for row in [*W, b] for w in row]

    def logits(self, x):
        for number, (W, b) in enumerate(self.layers):
            out = []
            for j, bias in enumerate(b):
                z = bias
                for xi, row in zip(x, W):
                    z = z + row[j] * xi
                out.append(z)
            last = number == len(self.layers) - 1
            x = out if last else [getattr(z, self.activation)() for z in out]
        return x

    def loss(self, X, y):
        total = Scalar(0.0)
        for x, label in zip(X, y):
            logits = self.logits([float(v) for v in x])
            top = max(z.value for z in logits)
            exps = Scalar(0.0)
            for z in logits:
                exps = exps + (z + -top).exp()
            total = total + (exps.log() + top - logits[int(label)])
        return total * (1.0 / len(X))

    def get_weights(self):
        out = []
        for W, b in self.layers:
            out += [[[w.value for w in row] for row in W], [w.value for w in b]]
        return out

    def set_weights(self, weights):
        for (W, b), newW, newb in zip(self.layers, weights[::2], weights[1::2]):
            for row, values in zip([*W, b], [*newW, newb]):
                for w, value in zip(row, values):
                    w.value = float(value)

    def predict_proba(self, X):
        rows = []
        for x in X:
            z = [s.value for s in self.logits([float(v) for v in x])]
            e = [math.exp(v - max(z)) for v in z]
            rows.append([v / sum(e) for v in e])
        return rows

    def loss_and_gradients(self, X, y):
        for w in self.parameters():
            w.grad = 0.0
        loss = self.loss(X, y)
        loss.backward()
        out = []
        for W, b in self.layers:
            out += [[[w.grad for w in row] for row in W], [w.grad for w in b]]
        return loss.value, out

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        if optimizer != "sgd":
            raise NotImplementedError("only sgd")
        order = list(range(len(X)))
        for _ in range(epochs):
            self.rng.shuffle(order)
            for k in range(0, len(X), batch_size):
                rows = order[k : k + batch_size]
                self.loss_and_gradients([X[r] for r in rows], [y[r] for r in rows])
                for w in self.parameters():
                    w.value -= learning_rate * (w.grad + weight_decay * w.value)


def build(layer_sizes, activation, seed):
    return Net(layer_sizes, activation, seed)
