"""The references, loaded from their files: they are no package of the project's."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "reference"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"_tested_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def numpy_mlp() -> ModuleType:
    return load("numpy_mlp")


@pytest.fixture(scope="session")
def torch_mlp() -> ModuleType:
    return load("torch_mlp")


@pytest.fixture(params=["numpy_mlp", "torch_mlp"])
def reference(request: pytest.FixtureRequest) -> ModuleType:
    module = request.getfixturevalue(request.param)
    assert isinstance(module, ModuleType)
    return module
