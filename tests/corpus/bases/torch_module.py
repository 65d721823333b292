"""PyTorch: an nn.Module, a hand-written training loop, torch.optim."""

import torch
import torch.nn.functional as F
from torch import nn

ACTIVATIONS = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}


class Net(nn.Module):
    def __init__(self, layer_sizes, activation):
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(i, o) for i, o in zip(layer_sizes[:-1], layer_sizes[1:]))
        self.activation = ACTIVATIONS[activation]
        for linear in self.linears:
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, x):
        for linear in self.linears[:-1]:
            x = self.activation(linear(x))
        return self.linears[-1](x)


class Classifier:
    def __init__(self, layer_sizes, activation, seed):
        torch.manual_seed(seed)
        self.net = Net(layer_sizes, activation)
        self.criterion = nn.CrossEntropyLoss()

    def tensor(self, X):
        return torch.as_tensor(X, dtype=self.net.linears[0].weight.dtype)

    def get_weights(self):
        weights = []
        for linear in self.net.linears:
            weights.append(linear.weight.detach().numpy().T.copy())
            weights.append(linear.bias.detach().numpy().copy())
        return weights

    def set_weights(self, weights):
        self.net.to(torch.as_tensor(weights[0]).dtype)
        with torch.no_grad():
            for linear, W, b in zip(self.net.linears, weights[0::2], weights[1::2]):
                linear.weight.copy_(torch.as_tensor(W).T)
                linear.bias.copy_(torch.as_tensor(b))

    def predict_proba(self, X):
        self.net.eval()
        with torch.no_grad():
            return F.softmax(self.net(self.tensor(X)), dim=1).numpy()

    def loss_and_gradients(self, X, y):
        self.net.train()
        self.net.zero_grad()
        loss = self.criterion(self.net(self.tensor(X)), torch.as_tensor(y).long())
        loss.backward()
        gradients = []
        for linear in self.net.linears:
            gradients += [linear.weight.grad.T.numpy().copy(), linear.bias.grad.numpy().copy()]
        return loss.item(), gradients

    def fit(self, X, y, *, epochs, batch_size, learning_rate, optimizer="sgd", weight_decay=0.0):
        self.net.train()
        X, y = self.tensor(X), torch.as_tensor(y).long()
        if optimizer == "adam":
            rule = torch.optim.Adam(self.net.parameters(), lr=learning_rate, weight_decay=weight_decay)
        else:
            rule = torch.optim.SGD(self.net.parameters(), lr=learning_rate, weight_decay=weight_decay)
        history = {"loss": [], "accuracy": []}
        for _ in range(epochs):
            order = torch.randperm(len(X))
            running_loss = 0.0
            correct = 0
            for batch in order.split(batch_size):
                rule.zero_grad()
                logits = self.net(X[batch])
                loss = self.criterion(logits, y[batch])
                loss.backward()
                rule.step()
                running_loss += loss.item() * len(batch)
                correct += (logits.argmax(dim=1) == y[batch]).sum().item()
            history["loss"].append(running_loss / len(X))
            history["accuracy"].append(correct / len(X))
        return history


def build(layer_sizes, activation, seed):
    return Classifier(layer_sizes, activation, seed)
