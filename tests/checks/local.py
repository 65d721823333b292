"""Submissions of the corpora checked in this process: the checks' own tests need no sandbox."""

import importlib.util
import warnings
from collections.abc import Mapping

import numpy as np

from harness.checks.registry import checks
from harness.grading.checking import Checker
from harness.records import Status
from harness.session import SubmissionFault
from harness.session.session import History
from harness.submission import discover
from harness.worker.__main__ import same_array
from tests.corpus import loader


class LocalSession:
    """Stands in for ``Session`` where the submission is our own."""

    def __init__(self, path):
        self.path = path
        self.starts = 0
        self.notes = ()
        self.memory_order = "C"
        self.refills = False
        self.restart()

    def restart(self):
        spec = importlib.util.spec_from_file_location(f"local_{self.path.stem}", self.path)
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        self.starts += 1

    def close(self):
        pass

    def settle(self):
        pass

    def build(self, layer_sizes, activation, seed, *, seconds=None):
        built = guarded(self.module.build, list(layer_sizes), activation, seed)
        return LocalModel(built, layer_sizes, activation, self)


class LocalModel:
    def __init__(self, model, layer_sizes, activation, session):
        self.session = session
        self.model, self.layer_sizes, self.activation = model, tuple(layer_sizes), activation
        verbs = ("get_weights", "set_weights", "predict_proba", "loss_and_gradients", "fit")
        self.own_sizes = None
        self.last_X = None
        self.verbs = frozenset(verb for verb in verbs if callable(getattr(model, verb, None)))

    def _verb(self, name):
        if name not in self.verbs:
            raise SubmissionFault(Status.NOT_PROVIDED, f"{name} is not provided")
        return getattr(self.model, name)

    def get_weights(self):
        return [np.array(w) for w in guarded(self._verb("get_weights"))]

    def set_weights(self, weights):
        guarded(self._verb("set_weights"), [np.array(w, order=self.session.memory_order) for w in weights])

    def predict_proba(self, X, *, seconds=None):
        return np.array(guarded(self._verb("predict_proba"), self._rows(X)))

    def loss_and_gradients(self, X, y):
        loss, gradients = guarded(self._verb("loss_and_gradients"), self._rows(X), y.copy())
        return float(np.array(loss).reshape(())), [np.array(g) for g in gradients]

    def _rows(self, X):
        copy = X.copy(order=self.session.memory_order)
        self.last_X = same_array(self.last_X, copy, refill=self.session.refills)
        return self.last_X

    def mutated(self, verb, *arrays):
        given = [array.copy() for array in arrays]
        guarded(self._verb(verb), *given)
        return tuple(i for i, (a, b) in enumerate(zip(given, arrays)) if not np.array_equal(a, b))

    def fit(self, X, y, *, seconds=None, watch=False, **options):
        given = X.copy(order=self.session.memory_order), y.copy()
        history = guarded(self._verb("fit"), *given, **options)
        changed = tuple(i for i, (a, b) in enumerate(zip(given, (X, y))) if not np.array_equal(a, b))
        plain = history if isinstance(history, Mapping) else {}
        series = {name: np.asarray(values, dtype=float).reshape(-1) for name, values in plain.items()}
        return History(series=series, mutated=changed)


def guarded(function, *arguments, **options):
    """What a submission raises is its fault, as it is across the boundary."""
    try:
        # What a submission warns of is its own affair: it does so in another process.
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*arguments, **options)
    except NotImplementedError as error:
        raise SubmissionFault(Status.NOT_PROVIDED, str(error)) from None
    except Exception as error:
        raise SubmissionFault(Status.ERROR, f"raised {type(error).__name__}: {error}") from None


def case_named(name):
    """The corpus entry with this id."""
    return next(c for c in (*loader.known_wrong(), *loader.known_right()) if c.id == name)


def run_locally(case, folder, only=None, seed=1):
    """Check a corpus entry; return results by check id (all, or ``only`` and what they rest on)."""
    return run_file(loader.materialise(case, folder), only, seed)


def run_file(path, only=None, seed=1):
    """The same for a file."""
    listed = checks()
    checker = Checker(discover([path])[0], listed, seed=seed, backend=None)
    checker.session = checker._context.session = LocalSession(path)
    wanted = listed if only is None else [check for check in listed if check.id in only]
    for check in wanted:
        checker.result(check)
    return dict(checker._results)
