"""Helpers of scikit-learn and Keras that networks written from scratch use: shuffles, splits, one-hot labels,
batches, softmax and scores.

A from-scratch submission may not see those packages, and needs these to work. Each does what the original of
its name does for dense arrays, draws included; the tests hold them against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np


def check_random_state(seed: Any) -> np.random.RandomState:
    """The generator that a ``random_state`` stands for; None is NumPy's global one."""
    if seed is None or seed is np.random:
        return np.random.mtrand._rand
    return seed if isinstance(seed, np.random.RandomState) else np.random.RandomState(seed)


def shuffle(*arrays: Any, random_state: Any = None, n_samples: int | None = None) -> Any:
    """The arrays in one random order."""
    order = np.arange(len(arrays[0]))
    check_random_state(random_state).shuffle(order)
    shuffled = [np.asarray(a)[order[:n_samples]] for a in arrays]
    return shuffled[0] if len(shuffled) == 1 else shuffled


def train_test_split(
    *arrays: Any, test_size: Any = None, train_size: Any = None, random_state: Any = None, **more: Any
) -> list[Any]:
    """Each array in a part to train on and a part to test on; ``stratify`` is not heeded."""
    count = len(arrays[0])
    share = test_size if test_size is not None else 0.25 if train_size is None else None
    if share is None:
        held = count - (int(train_size * count) if isinstance(train_size, float) else int(train_size))
    else:
        held = int(np.ceil(share * count)) if isinstance(share, float) else int(share)
    if not more.get("shuffle", True):
        return [
            part for a in arrays for part in (np.asarray(a)[: count - held], np.asarray(a)[count - held :])
        ]
    order = check_random_state(random_state).permutation(count)
    kept = order[held:] if train_size is None else order[held:][: count - held]
    return [np.asarray(a)[part] for a in arrays for part in (kept, order[:held])]


def gen_batches(n: int, batch_size: int, *, min_batch_size: int = 0) -> Iterator[slice]:
    """Slices of ``batch_size`` that cover ``n`` rows, the rest last."""
    start = 0
    for _ in range(int(n // batch_size)):
        end = start + batch_size
        if end + min_batch_size > n:
            continue
        yield slice(start, end)
        start = end
    if start < n:
        yield slice(start, n)


def softmax(X: Any, copy: bool = True) -> Any:
    """Softmax of each row."""
    values = np.array(X, copy=True) if copy else np.asarray(X)
    values -= values.max(axis=1).reshape((-1, 1))
    np.exp(values, values)
    values /= values.sum(axis=1).reshape((-1, 1))
    return values


def safe_sparse_dot(a: Any, b: Any, *, dense_output: bool = False) -> Any:
    """The matrix product."""
    return a @ b


def check_array(array: Any, *, dtype: Any = None, copy: bool = False, **_: Any) -> Any:
    """The array, of a dtype if one is named."""
    found = np.array(array, copy=True) if copy else np.asarray(array)
    return found.astype(dtype, copy=False) if isinstance(dtype, (type, np.dtype)) else found


def to_categorical(y: Any, num_classes: int | None = None, dtype: str = "float32") -> Any:
    """One-hot rows."""
    labels = np.asarray(y, dtype=int).reshape(-1)
    return np.eye(num_classes or int(labels.max()) + 1, dtype=dtype)[labels]


def label_binarize(y: Any, *, classes: Any, neg_label: int = 0, pos_label: int = 1, **_: Any) -> Any:
    """One-hot rows of whole numbers, one column for each of ``classes``; one column where there are two."""
    known = np.asarray(classes)
    rows = (np.asarray(y)[:, None] == known[None, :]).astype(int)
    rows = rows[:, -1:] if len(known) == 2 else rows
    return np.where(rows == 1, pos_label, neg_label)


class LabelBinarizer:
    """One-hot rows of the classes seen in ``fit``."""

    def __init__(self, *, neg_label: int = 0, pos_label: int = 1, sparse_output: bool = False) -> None:
        self.neg_label, self.pos_label = neg_label, pos_label

    def fit(self, y: Any) -> LabelBinarizer:
        """Note the classes."""
        self.classes_ = np.unique(np.asarray(y))
        return self

    def transform(self, y: Any) -> Any:
        """One-hot rows (n, classes); (n, 1) of two classes."""
        return label_binarize(y, classes=self.classes_, neg_label=self.neg_label, pos_label=self.pos_label)

    def fit_transform(self, y: Any) -> Any:
        """Both at once."""
        return self.fit(y).transform(y)

    def inverse_transform(self, Y: Any) -> Any:
        """The class of each row."""
        Y = np.asarray(Y)
        index = (
            (Y[:, 0] > (self.neg_label + self.pos_label) / 2).astype(int) if Y.shape[1] == 1 else Y.argmax(1)
        )
        return self.classes_[index]


class OneHotEncoder:
    """One-hot columns for each column of categories; always a dense array."""

    def __init__(self, *, categories: Any = "auto", dtype: Any = np.float64, **_: Any) -> None:
        self.categories, self.dtype = categories, dtype

    def fit(self, X: Any, y: Any = None) -> OneHotEncoder:
        """Note the categories of each column."""
        if isinstance(self.categories, str):
            self.categories_ = [np.unique(column) for column in np.asarray(X).T]
        else:
            self.categories_ = [np.asarray(each) for each in self.categories]
        return self

    def transform(self, X: Any) -> Any:
        """One-hot rows (n, all categories)."""
        columns = zip(np.asarray(X).T, self.categories_)
        return np.hstack([(column[:, None] == known[None, :]) for column, known in columns]).astype(
            self.dtype
        )

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Both at once."""
        return self.fit(X).transform(X)


def accuracy_score(y_true: Any, y_pred: Any, *, normalize: bool = True, **_: Any) -> float:
    """The share of equal labels, or their number."""
    equal = np.asarray(y_true) == np.asarray(y_pred)
    return float(equal.mean()) if normalize else int(equal.sum())


def confusion_matrix(y_true: Any, y_pred: Any, **_: Any) -> Any:
    """Counts of (true, predicted) for labels 0, 1, 2, ..."""
    true, predicted = np.asarray(y_true, dtype=int), np.asarray(y_pred, dtype=int)
    counts = np.zeros((int(max(true.max(), predicted.max())) + 1,) * 2, dtype=int)
    np.add.at(counts, (true, predicted), 1)
    return counts


def log_loss(y_true: Any, y_pred: Any, *, labels: Sequence[Any] | None = None, **_: Any) -> float:
    """The mean cross entropy of probabilities (n, classes), in nats."""
    y, P = np.asarray(y_true), np.asarray(y_pred)
    known = np.unique(y if labels is None else np.asarray(labels))
    P = np.clip(P, np.finfo(P.dtype).eps, 1 - np.finfo(P.dtype).eps)
    return float(-np.log(P[np.arange(len(y)), np.searchsorted(known, y)]).mean())


WORKING: dict[str, Any] = {
    each.__name__: each
    for each in (
        check_random_state,
        shuffle,
        train_test_split,
        gen_batches,
        softmax,
        safe_sparse_dot,
        check_array,
        to_categorical,
        label_binarize,
        LabelBinarizer,
        OneHotEncoder,
        accuracy_score,
        confusion_matrix,
        log_loss,
    )
}
