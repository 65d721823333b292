"""PyTorch without nn: leaf tensors, autograd, and updates written out under no_grad."""

import math

import torch

HIDDEN = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": lambda z: z.clamp(min=0)}


class Perceptron:
    def __init__(self, layer_sizes, activation, seed):
        self.generator = torch.Generator().manual_seed(seed)
        self.hidden = HIDDEN[activation]
        self.params = []
        for fan_in, fan_out in zip(layer_sizes, layer_sizes[1:]):
            limit = math.sqrt(6.0 / (fan_in + fan_out))
            W = (2.0 * torch.rand(fan_in, fan_out, generator=self.generator) - 1.0) * limit
            b = torch.zeros(fan_out)
            self.params += [W.requires_grad_(), b.requires_grad_()]

    def logits(self, X):
        out = X
        for k in range(0, len(self.params), 2):
            out = out @ self.params[k] + self.params[k + 1]
            if k + 2 < len(self.params):
                out = self.hidden(out)
        return out

    def loss(self, X, y):
        log_p = torch.log_softmax(self.logits(X), dim=1)
        return -log_p[torch.arange(len(y)), y].mean()

    def as_input(self, X):
        return torch.as_tensor(X).to(self.params[0].dtype)

    def get_weights(self):
        return [p.detach().clone().numpy() for p in self.params]

    def set_weights(self, weights):
        self.params = [torch.tensor(w).requires_grad_() for w in weights]

    def predict_proba(self, X):
        with torch.no_grad():
            return torch.softmax(self.logits(self.as_input(X)), dim=1).numpy()

    def loss_and_gradients(self, X, y):
        for p in self.params:
            p.grad = None
        loss = self.loss(self.as_input(X), torch.as_tensor(y))
        loss.backward()
        return float(loss), [p.grad.numpy() for p in self.params]

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        X, y = self.as_input(X), torch.as_tensor(y)
        m = [torch.zeros_like(p) for p in self.params]
        v = [torch.zeros_like(p) for p in self.params]
        t = 0
        for _ in range(epochs):
            order = torch.randperm(len(X), generator=self.generator)
            for k in range(0, len(X), batch_size):
                rows = order[k : k + batch_size]
                for p in self.params:
                    p.grad = None
                self.loss(X[rows], y[rows]).backward()
                t += 1
                with torch.no_grad():
                    for i, p in enumerate(self.params):
                        g = p.grad + weight_decay * p
                        if optimizer == "adam":
                            m[i] = 0.9 * m[i] + 0.1 * g
                            v[i] = 0.999 * v[i] + 0.001 * g * g
                            g = (m[i] / (1 - 0.9**t)) / ((v[i] / (1 - 0.999**t)).sqrt() + 1e-8)
                        p -= learning_rate * g


def build(layer_sizes, activation, seed):
    return Perceptron(layer_sizes, activation, seed)
