"""Loading submissions inside the test's own process, and putting the interpreter back afterwards."""

import sys

import pytest

from harness.worker.loading import load_submission


@pytest.fixture(autouse=True)
def _own_interpreter(monkeypatch):
    path, meta_path, modules = list(sys.path), list(sys.meta_path), dict(sys.modules)
    yield
    sys.path[:], sys.meta_path[:] = path, meta_path
    for name in set(sys.modules) - set(modules):
        del sys.modules[name]
    sys.modules.update(modules)


@pytest.fixture
def load(tmp_path):
    """Write a source (or a notebook's cells) and load it with a manifest."""

    def loaded(source, name="alice.py", **manifest):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
        return load_submission(str(path), manifest)

    return loaded
