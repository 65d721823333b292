"""What people check such code with today, on the same corpus: each gives one yes or no for a submission.

The submission runs in this process: the corpus is our own. All of them use the submission's own loss, on the
network ``SMALL`` (those that difference every weight cannot be run on 545,000), under every activation that
the case is about.
"""

from __future__ import annotations

import importlib.util
import itertools
import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tests.corpus.loader import ACTIVATIONS, Case, materialise

Array = NDArray[Any]
SMALL = (12, 8, 6, 10)
DIGITS = (64, 50, 25, 10)
RATES = {"sigmoid": 1.0, "tanh": 0.2, "relu": 0.1}
DIGEST = sha256(Path(__file__).read_bytes()).hexdigest()  # what outcomes of these depend on
BATCH = 8
STEP = 1e-5
CS231N_CHECKS = 10
CS231N_LIMIT = 1e-2  # "relative error > 1e-2 usually means the gradient is probably wrong"
ALLCLOSE_ATOL = 1e-2
ACCURACY_THRESHOLD = 0.90  # right submissions reach 0.93 and more with every activation


class _Loss(torch.autograd.Function):
    """A submission's loss as a function of its weights, with the gradient that it claims."""

    @staticmethod
    def forward(ctx: Any, model: Any, X: Array, y: Array, *weights: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            loss, gradients = _ask(model, [w.detach().numpy() for w in weights], X, y)
        ctx.gradients = [torch.from_numpy(np.array(g, dtype=float)) for g in gradients]
        return torch.tensor(loss, dtype=torch.float64)

    @staticmethod
    def backward(ctx: Any, *outputs: torch.Tensor) -> Any:
        return (None, None, None, *(outputs[0] * g for g in ctx.gradients))


def gradcheck(build: Callable[..., Any], activation: str) -> bool:
    """``torch.autograd.gradcheck`` at its defaults."""
    return _gradcheck(build, activation, fast=False)


def gradcheck_fast(build: Callable[..., Any], activation: str) -> bool:
    """``torch.autograd.gradcheck`` in its fast mode, else at its defaults."""
    return _gradcheck(build, activation, fast=True)


def cs231n(build: Callable[..., Any], activation: str) -> bool:
    """Ten random coordinates of each tensor, relative error at most 1e-2, as in CS231n's notes."""
    model, weights, X, y = _posed(build, activation)
    rng = np.random.default_rng(3)
    gradients = _ask(model, weights, X, y)[1]
    for tensor, gradient in zip(weights, gradients):
        for _ in range(CS231N_CHECKS):
            at = tuple(int(rng.integers(n)) for n in tensor.shape)
            numeric = _difference(model, weights, tensor, at, X, y)
            claimed = float(np.asarray(gradient)[at])
            if abs(numeric - claimed) > CS231N_LIMIT * (abs(numeric) + abs(claimed)):
                return False
    return True


def allclose(build: Callable[..., Any], activation: str) -> bool:
    """``numpy.allclose`` of every coordinate with its central difference, ``atol=1e-2``."""
    model, weights, X, y = _posed(build, activation)
    gradients = _ask(model, weights, X, y)[1]
    for tensor, gradient in zip(weights, gradients):
        numeric = np.empty(tensor.shape)
        for at in np.ndindex(tensor.shape):
            numeric[at] = _difference(model, weights, tensor, at, X, y)
        if not np.allclose(numeric, np.asarray(gradient), atol=ALLCLOSE_ATOL):
            return False
    return True


def accuracy(build: Callable[..., Any], activation: str) -> bool:
    """Test accuracy above a threshold after 15 epochs on 1,000 of scikit-learn's 8x8 digits."""
    X, y, X_test, y_test = _digits()
    model = build(list(DIGITS), activation, 0)
    model.fit(X.copy(), y.copy(), epochs=15, batch_size=16, learning_rate=RATES[activation])
    found = np.asarray(model.predict_proba(X_test)).argmax(axis=1)
    return float(np.mean(found == y_test)) >= ACCURACY_THRESHOLD


BASELINES: dict[str, Callable[[Callable[..., Any], str], bool]] = {
    "torch.autograd.gradcheck": gradcheck,
    "the same, fast mode": gradcheck_fast,
    "CS231n relative error": cs231n,
    "allclose(atol=1e-2)": allclose,
    "accuracy over a threshold": accuracy,
}


def passes(case: Case) -> dict[str, bool]:
    """Whether each baseline is content with the submission, under every activation of the case."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="validate-") as folder:
        build = _build(case, Path(folder))
        activations = getattr(case, "activations", ACTIVATIONS)
        return {
            name: all(_content(check, build, activation) for activation in activations)
            for name, check in BASELINES.items()
        }


def _content(check: Callable[..., bool], build: Callable[..., Any], activation: str) -> bool:
    """An exception is a failed check, as it is in a test file."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return bool(check(build, activation))
        except Exception:
            return False


def _gradcheck(build: Callable[..., Any], activation: str, *, fast: bool) -> bool:
    model, weights, X, y = _posed(build, activation)
    tensors = [torch.tensor(w, requires_grad=True) for w in weights]
    return torch.autograd.gradcheck(
        lambda *w: _Loss.apply(model, X, y, *w), tensors, fast_mode=fast, raise_exception=False
    )


def _posed(build: Callable[..., Any], activation: str) -> tuple[Any, list[Array], Array, Array]:
    """A model, Glorot weights with small biases, and a batch of 8."""
    rng = np.random.default_rng(1)
    weights: list[Array] = []
    for i, o in itertools.pairwise(SMALL):
        limit = np.sqrt(6 / (i + o))
        weights += [rng.uniform(-limit, limit, (i, o)), rng.normal(0, 0.1, o)]
    X, y = rng.uniform(0, 1, (BATCH, SMALL[0])), rng.integers(0, SMALL[-1], BATCH)
    return build(list(SMALL), activation, 0), weights, X, y


def _ask(model: Any, weights: Sequence[Array], X: Array, y: Array) -> tuple[float, list[Any]]:
    model.set_weights([np.array(w) for w in weights])
    loss, gradients = model.loss_and_gradients(X.copy(), y.copy())
    return float(loss), [g.detach().numpy() if hasattr(g, "detach") else g for g in gradients]


def _difference(
    model: Any, weights: list[Array], tensor: Array, at: tuple[int, ...], X: Array, y: Array
) -> float:
    kept, values = tensor[at], []
    for sign in (1.0, -1.0):
        tensor[at] = kept + sign * STEP
        values.append(_ask(model, weights, X, y)[0])
    tensor[at] = kept
    return (values[0] - values[1]) / (2 * STEP)


@cache
def _digits() -> tuple[Array, Array, Array, Array]:
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X[order] / 16.0, y[order].astype(np.int64)
    return X[:1000], y[:1000], X[1000:], y[1000:]


def _build(case: Case, folder: Path) -> Callable[..., Any]:
    spec = importlib.util.spec_from_file_location("validate_case", materialise(case, folder))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    build: Callable[..., Any] = module.build
    return build
