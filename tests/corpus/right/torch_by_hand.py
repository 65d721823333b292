"""PyTorch tensors, back-propagation by hand, Adam by hand."""

import torch


class Net:
    def __init__(self, layer_sizes, activation, seed):
        self.gen = torch.Generator().manual_seed(seed)
        self.kind = activation
        self.W, self.b = [], []
        for i, o in zip(layer_sizes[:-1], layer_sizes[1:]):
            a = (6 / (i + o)) ** 0.5
            self.W.append(torch.empty(o, i).uniform_(-a, a, generator=self.gen))
            self.b.append(torch.zeros(o))

    def forward(self, X):
        h = [X]
        for W, b in zip(self.W[:-1], self.b[:-1]):
            z = torch.addmm(b, h[-1], W.t())
            h.append({"sigmoid": z.sigmoid, "tanh": z.tanh, "relu": z.relu}[self.kind]())
        return h, torch.addmm(self.b[-1], h[-1], self.W[-1].t())

    def backward(self, X, y):
        h, z = self.forward(X)
        log_p = z.log_softmax(1)
        loss = -log_p.gather(1, y[:, None]).mean()
        delta = log_p.exp()
        delta.scatter_add_(1, y[:, None], -torch.ones_like(delta[:, :1]))
        delta /= len(y)
        grads = []
        for k in range(len(self.W) - 1, -1, -1):
            grads = [delta.t() @ h[k], delta.sum(0), *grads]
            if k:
                a = h[k]
                slope = {"sigmoid": a * (1 - a), "tanh": 1 - a * a, "relu": (a > 0).to(a.dtype)}[self.kind]
                delta = (delta @ self.W[k]) * slope
        return loss, grads

    def tensor(self, X):
        return torch.tensor(X, dtype=self.W[0].dtype)

    def get_weights(self):
        return [p.numpy().copy() for W, b in zip(self.W, self.b) for p in (W.t(), b)]

    def set_weights(self, weights):
        self.W = [torch.tensor(w).t().contiguous() for w in weights[::2]]
        self.b = [torch.tensor(w) for w in weights[1::2]]

    def predict_proba(self, X):
        return self.forward(self.tensor(X))[1].softmax(1).numpy()

    def loss_and_gradients(self, X, y):
        loss, grads = self.backward(self.tensor(X), torch.tensor(y))
        return loss.item(), [g.t().numpy() if g.ndim == 2 else g.numpy() for g in grads]

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        X, y = self.tensor(X), torch.tensor(y)
        first, second, t = {}, {}, 0
        for _ in range(epochs):
            for rows in torch.randperm(len(X), generator=self.gen).split(batch_size):
                t += 1
                _, grads = self.backward(X[rows], y[rows])
                params = [p for pair in zip(self.W, self.b) for p in pair]
                for k, (p, g) in enumerate(zip(params, grads)):
                    g = g.add(p, alpha=weight_decay)
                    if optimizer == "adam":
                        first[k] = torch.lerp(first.get(k, torch.zeros_like(g)), g, 0.1)
                        second[k] = second.get(k, torch.zeros_like(g)).mul(0.999).addcmul(g, g, value=0.001)
                        scale = (second[k] / (1 - 0.999**t)).sqrt() + 1e-8
                        g = first[k] / (1 - 0.9**t) / scale
                    p.sub_(g, alpha=learning_rate)


def build(layer_sizes, activation, seed):
    return Net(layer_sizes, activation, seed)
