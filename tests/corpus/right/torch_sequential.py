"""PyTorch: nn.Sequential, a DataLoader with its own generator, torch.optim."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

MODULES = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}


class Model:
    def __init__(self, layer_sizes, activation, seed):
        self.generator = torch.Generator().manual_seed(seed)
        modules = []
        for i, o in zip(layer_sizes[:-1], layer_sizes[1:]):
            linear = nn.Linear(i, o)
            nn.init.xavier_uniform_(linear.weight, generator=self.generator)
            nn.init.constant_(linear.bias, 0.0)
            modules += [linear, MODULES[activation]()]
        self.net = nn.Sequential(*modules[:-1])

    def get_weights(self):
        return [p.detach().T for p in self.net.parameters()]

    def set_weights(self, weights):
        self.net.double() if weights[0].dtype.itemsize == 8 else self.net.float()
        state = {name: torch.tensor(w).T for name, w in zip(self.net.state_dict(), weights)}
        self.net.load_state_dict(state)

    def inputs(self, X):
        return torch.from_numpy(X).to(next(self.net.parameters()).dtype)

    @torch.no_grad()
    def predict_proba(self, X):
        return self.net(self.inputs(X)).softmax(dim=-1)

    def loss_and_gradients(self, X, y):
        loss = nn.functional.cross_entropy(self.net(self.inputs(X)), torch.from_numpy(y))
        gradients = torch.autograd.grad(loss, list(self.net.parameters()))
        return loss.detach(), [g.T for g in gradients]

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        data = TensorDataset(self.inputs(X), torch.from_numpy(y))
        loader = DataLoader(data, batch_size=batch_size, shuffle=True, generator=self.generator)
        rules = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
        rule = rules[optimizer](self.net.parameters(), lr=learning_rate, weight_decay=weight_decay)
        for _ in range(epochs):
            for images, labels in loader:
                loss = nn.functional.cross_entropy(self.net(images), labels)
                rule.zero_grad(set_to_none=False)
                loss.backward()
                rule.step()


def build(layer_sizes, activation, seed):
    return Model(layer_sizes, activation, seed)
