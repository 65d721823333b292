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

from tests.corpus import judge, loader

RIGHT = {case.id: case for case in loader.known_right()}
WRONG = {case.id: case for case in loader.known_wrong()}
TOLERANCE, TOLERANCE_FLOAT32 = 1e-6, 1e-2
# What would take a submission that is not made of arrays minutes.
TOO_MUCH = (
    "many_small",
    "many",
    "long",
    "initial",
    "pairs",
    "order",
    "classes_many",
    "rows_many",
    "rows_beyond",
    "adam_hundreds",
)
# The quantity that stands for each group of checks, for groups that an entry says must pass.
STANDS_FOR = {"forward": "forward", "loss": "loss", "gradients": "gradients", "updates": "step"}

# Every bug of the list that students really write, and the ``bug`` keys that name it.
BUGS = """
sigma'(a) | z(1-z) | 1-a for tanh | relu'(a>=0) | leak forward | leak backward only | wrong threshold
derivative dropped once | derivative dropped everywhere | wrong layer's cache
derivative written in place
exp overflow | ReLU on logits | activation missing | the activation argument ignored
softmax over axis 0 | global max | no max shift | max - x | double softmax | log(p + eps) | clipped at 1e-3
sum loss with mean gradient | binary cross entropy | squared error | only the diagonal of softmax's Jacobian
sign | one-hot off by one | log2
sum for mean | divided twice | divided by features | fixed 64 on a short batch
db mean | db scalar | db last row
db wrong axis | bias never updated | reshape where transpose is meant | (N, N) broadcast
stale weights in the backward pass | applied twice | gradients not zeroed | gradients summed and never used
a frozen layer | aliased arrays | decay on biases | decay doubled | decay spurious | decay not times lr
decay divided by N | Adam without bias correction | Adam's t reset each epoch | integer weights | float16
sqrt 3 | fan_in only | missing brackets | limit used as sd | N(0, 0.01) | not centred | zeros
same stream each layer | random biases | re-initialised each epoch | re-initialised each forward pass
no /255 | no shuffle | shuffled once only | X and y shuffled apart | duplicates by shuffling rows in place
with replacement | dropped tail | extra epoch | wrong subset | training accuracy reported as test
hard-coded figures | argmax over the wrong axis | statistics of the batch at inference
accuracy counters never reset
"""


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


# A package of the case's own compiles for every shape: a minute or more.
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if case.requires else name for name, case in RIGHT.items()],
)
def test_a_right_case_agrees_with_torch_in_float64(name: str, tmp_path: Path) -> None:
    case = RIGHT[name]
    if case.absent:
        pytest.skip(f"{case.requires} is not installed")
    build = build_of(case, tmp_path)
    tolerance = TOLERANCE_FLOAT32 if case.float32 else TOLERANCE
    left_out = (() if case.adam else judge.NEEDS_ADAM) + (TOO_MUCH if case.small else ())
    names = [q for q in judge.QUANTITIES if q not in left_out]
    # One activation for all, each for one in three: the rest is the corpus's own run, `make validate`.
    found = {
        (q, a): judge.measure(build, q, a)
        for i, q in enumerate(names)
        for j, a in enumerate(loader.ACTIVATIONS)
        if q in STANDS_FOR.values() or i % 3 == j
    }
    assert {key: value for key, value in found.items() if not value < tolerance} == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_case_agrees_under_every_activation(name: str, tmp_path: Path) -> None:
    case = RIGHT[name]
    if case.absent:
        pytest.skip(f"{case.requires} is not installed")
    build = build_of(case, tmp_path)
    tolerance = TOLERANCE_FLOAT32 if case.float32 else TOLERANCE
    left_out = (() if case.adam else judge.NEEDS_ADAM) + (TOO_MUCH if case.small else ())
    found = {
        (q, a): judge.measure(build, q, a)
        for q in judge.QUANTITIES
        for a in loader.ACTIVATIONS
        if q not in left_out
    }
    assert {key: value for key, value in found.items() if not value < tolerance} == {}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_case_differs_where_its_entry_says_and_not_where_it_must_pass(
    name: str, tmp_path: Path
) -> None:
    case = WRONG[name]
    build = build_of(case, tmp_path)
    shown = {(q, a): judge.measure(build, q, a) for q in case.shows for a in case.activations}
    assert {key: value for key, value in shown.items() if not value > 10 * TOLERANCE} == {}
    kept = [quantity for group, quantity in STANDS_FOR.items() if group in case.passes]
    quiet = {(q, a): judge.measure(build, q, a) for q in kept for a in loader.ACTIVATIONS}
    assert {key: value for key, value in quiet.items() if not value < TOLERANCE} == {}
    assert shown or (case.profile != "quick" and case.reason)


def test_ids_are_unique_and_every_text_is_python() -> None:
    cases: list[loader.Case] = [*loader.known_right(), *loader.known_wrong()]
    assert [name for name, count in Counter(case.id for case in cases).items() if count > 1] == []
    for case in cases:
        compile(loader.text(case), case.id, "exec")


def test_no_two_cases_are_the_same_submission() -> None:
    cases = [*loader.known_right(), *loader.known_wrong()]
    texts = Counter((loader.text(case), getattr(case, "manifest", "")) for case in cases)
    assert [count for count in texts.values() if count > 1] == []


def test_every_bug_that_students_write_is_in_the_corpus() -> None:
    listed = {bug.strip() for line in BUGS.strip().splitlines() for bug in line.split("|")}
    assert listed - {case.bug for case in WRONG.values()} == set()


def test_the_corpora_are_as_large_and_as_varied_as_they_should_be() -> None:
    assert len(WRONG) >= 130
    assert len([case for case in RIGHT.values() if not case.requires]) >= 28
    assert {case.part for case in WRONG.values()} == {"scratch", "package"}
    assert {case.part for case in RIGHT.values()} == {"scratch", "package"}
    assert len({case.source for case in WRONG.values()}) == 6
    assert {path.name for path in (loader.HERE / "bases").glob("*.py")} == {
        Path(case.source).name
        for case in RIGHT.values()
        if case.source.startswith("bases/") and not case.edits
    }


def test_an_edit_that_does_not_match_exactly_once_is_refused() -> None:
    for old, count in (("no such text", 0), ("return", 2)):
        case = loader.RightCase(
            id="stale",
            source="bases/functions.py",
            difference="",
            edits=(loader.Edit(old=old, new=""),),
        )
        with pytest.raises(loader.CorpusError, match=r"stale: edit 1 should match .* exactly once") as error:
            loader.text(case)
        assert count or "matches 0 times" in str(error.value)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("[[wrong]]\nid = 'x'\nsurprise = 1", "unknown keys \\['surprise'\\]"),
        ("[[wrong]]\nid = 'x'", "missing"),
        ("[[right]]\nid = 'x'", "expected only \\[\\[wrong\\]\\]"),
        ("[[wrong", "not TOML"),
    ],
)
def test_a_wrong_entry_is_refused_by_name(
    entry: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "chapter.toml").write_text(entry)
    monkeypatch.setattr(loader, "HERE", tmp_path)
    with pytest.raises(loader.CorpusError, match=said):
        loader.known_wrong()
