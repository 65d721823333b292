"""Each helper does what scikit-learn's of the same name does, draws included."""

import numpy as np
import pytest
from sklearn import metrics, model_selection, preprocessing, utils
from sklearn.utils import extmath

from harness.worker import helpers

X = np.random.default_rng(0).normal(size=(23, 4))
Y = np.random.default_rng(1).integers(0, 5, 23)
P = extmath.softmax(np.random.default_rng(2).normal(size=(23, 5)))
ORIGINALS = {
    **{
        name: getattr(utils, name) for name in ("check_random_state", "shuffle", "gen_batches", "check_array")
    },
    **{name: getattr(extmath, name) for name in ("softmax", "safe_sparse_dot")},
    **{name: getattr(metrics, name) for name in ("accuracy_score", "confusion_matrix", "log_loss")},
    **{name: getattr(preprocessing, name) for name in ("label_binarize", "LabelBinarizer", "OneHotEncoder")},
    "train_test_split": model_selection.train_test_split,
}
CALLS = {
    "shuffled together": ("shuffle", lambda f: f(X, Y, random_state=3)),
    "shuffled alone": ("shuffle", lambda f: f(X, random_state=3)),
    "shuffled and cut": ("shuffle", lambda f: f(X, Y, random_state=3, n_samples=7)),
    "shuffled by a generator": ("shuffle", lambda f: f(X, Y, random_state=np.random.RandomState(5))),
    "split": ("train_test_split", lambda f: f(X, Y, random_state=3)),
    "split by a share": ("train_test_split", lambda f: f(X, Y, test_size=0.3, random_state=3)),
    "split by a number": ("train_test_split", lambda f: f(X, Y, test_size=5, random_state=3)),
    "split by what is kept": ("train_test_split", lambda f: f(X, Y, train_size=0.6, random_state=3)),
    "split in order": ("train_test_split", lambda f: f(X, Y, test_size=0.2, shuffle=False)),
    "batches": ("gen_batches", lambda f: list(f(23, 5))),
    "whole batches": ("gen_batches", lambda f: list(f(20, 5))),
    "batches, none of two": ("gen_batches", lambda f: list(f(22, 5, min_batch_size=3))),
    "one batch": ("gen_batches", lambda f: list(f(3, 5))),
    "softmax": ("softmax", lambda f: f(1000.0 * X)),
    "product": ("safe_sparse_dot", lambda f: f(X, X.T)),
    "array": ("check_array", lambda f: f(X.tolist(), dtype=np.float32)),
    "binarized": ("label_binarize", lambda f: f(Y, classes=range(5))),
    "binarized in two": ("label_binarize", lambda f: f(Y % 2, classes=[0, 1])),
    "binarizer": ("LabelBinarizer", lambda f: f().fit_transform(Y)),
    "binarizer, signed": ("LabelBinarizer", lambda f: f(neg_label=-1).fit(Y).transform(Y[:9])),
    "binarizer, back": ("LabelBinarizer", lambda f: f().fit(Y).inverse_transform(P)),
    "binarizer of two, back": ("LabelBinarizer", lambda f: f().fit(Y % 2).inverse_transform(P[:, :1])),
    "one-hot": ("OneHotEncoder", lambda f: f(sparse_output=False).fit_transform(Y[:, None])),
    "one-hot, two columns": (
        "OneHotEncoder",
        lambda f: f(sparse_output=False).fit(np.c_[Y, Y % 3]).transform([[1, 2]]),
    ),
    "one-hot, told": (
        "OneHotEncoder",
        lambda f: f(sparse_output=False, categories=[range(7)], dtype=int).fit_transform(Y[:, None]),
    ),
    "accuracy": ("accuracy_score", lambda f: f(Y, P.argmax(axis=1))),
    "right answers": ("accuracy_score", lambda f: f(Y, P.argmax(axis=1), normalize=False)),
    "confusion": ("confusion_matrix", lambda f: f(Y, P.argmax(axis=1))),
    "log loss": ("log_loss", lambda f: f(Y, P)),
    "log loss, told": ("log_loss", lambda f: f(Y[:2], P[:2], labels=range(5))),
}  # fmt: skip


@pytest.mark.parametrize("what", CALLS)
def test_a_helper_does_what_the_original_does(what):
    name, call = CALLS[what]
    found, expected = call(helpers.WORKING[name]), call(ORIGINALS[name])
    if not isinstance(expected, list | tuple):
        found, expected = [found], [expected]
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        assert np.array_equal(a, b) if name not in ("log_loss", "softmax") else np.allclose(a, b, rtol=1e-14)
        assert getattr(a, "dtype", None) == getattr(b, "dtype", None)


@pytest.mark.parametrize("name", ["shuffle", "train_test_split"])
def test_without_a_seed_the_global_generator_decides(name):
    drawn = []
    for function in (helpers.WORKING[name], helpers.WORKING[name], ORIGINALS[name]):
        np.random.seed(7)
        drawn.append(function(X, Y))
    for again in drawn[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(drawn[0], again))


def test_a_generator_is_gone_on_with():
    found, expected = np.random.RandomState(5), np.random.RandomState(5)
    for _ in range(3):
        a, b = helpers.shuffle(Y, random_state=found), utils.shuffle(Y, random_state=expected)
        assert np.array_equal(a, b)
    assert helpers.check_random_state(found) is found


def test_labels_become_one_hot_rows_as_in_keras():
    assert helpers.to_categorical([0, 2], 4).tolist() == [[1, 0, 0, 0], [0, 0, 1, 0]]
    assert helpers.to_categorical([[0], [2]]).shape == (2, 3)
    assert helpers.to_categorical([1]).dtype == np.float32
