"""Right cases agree with PyTorch float64, and each wrong case differs from it where its entry says.

Nothing of the harness is used here: the corpus is what the harness is measured with.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.corpus import loader, quantities

RIGHT = {case.id: case for case in loader.known_right()}
WRONG = {case.id: case for case in loader.known_wrong()}
TOLERANCE, TOLERANCE_FLOAT32 = 1e-6, 3e-4


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def build_of(case: loader.Case, folder: Path) -> Callable[..., Any]:
    """Import a submission of our own into this process."""
    path = loader.materialise(case, folder)
    spec = importlib.util.spec_from_file_location("corpus_case", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    build: Callable[..., Any] = module.build
    return build


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_case_agrees_with_torch_in_float64(name: str, tmp_path: Path) -> None:
    case = RIGHT[name]
    if case.absent:
        pytest.skip(f"{case.requires} is not installed")
    build = build_of(case, tmp_path)
    tolerance = TOLERANCE_FLOAT32 if case.float32 else TOLERANCE
    names = [q for q in quantities.QUANTITIES if case.adam or q not in quantities.NEEDS_ADAM]
    found = {(q, a): quantities.measure(build, q, a) for q in names for a in loader.ACTIVATIONS}
    assert {key: value for key, value in found.items() if not value < tolerance} == {}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_case_differs_where_its_entry_says(name: str, tmp_path: Path) -> None:
    case = WRONG[name]
    build = build_of(case, tmp_path)
    found = {(q, a): quantities.measure(build, q, a) for q in case.shows for a in case.activations}
    assert {key: value for key, value in found.items() if not value > 10 * TOLERANCE} == {}
    assert found or case.profile == "invisible"


def test_ids_are_unique_and_every_text_is_python() -> None:
    cases: list[loader.Case] = [*loader.known_right(), *loader.known_wrong()]
    assert [name for name, count in Counter(case.id for case in cases).items() if count > 1] == []
    for case in cases:
        compile(loader.text(case), case.id, "exec")
