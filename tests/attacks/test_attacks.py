"""No attack gains points, reaches outside or stays; each is named; and without walls each gets through."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from harness.records import Status
from harness.sandbox.backend import Backend
from tests.attacks.arena import Arena, Case, Seen, arena, base_case, cases
from tests.sandbox.conftest import working_backends

BACKENDS = working_backends()
CASES = cases()
pytestmark = pytest.mark.skipif(not BACKENDS, reason="no backend with walls on this machine")


def parameters(*, walls: bool = False) -> list[object]:
    """Two attacks of each kind on the strongest backend in every run; all on all where there is time."""
    found = []
    for backend in BACKENDS:
        seen: Counter[int] = Counter()
        for case in CASES:
            if backend.name not in case.backends or (walls and not case.walls):
                continue
            seen[case.line] += 1
            quick = backend is BACKENDS[0] and seen[case.line] <= 2
            marks = () if quick else pytest.mark.slow
            found.append(pytest.param(backend, case, id=f"{backend.name}-{case.name}", marks=marks))
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with arena(tmp_path_factory.mktemp("arena")) as place:
        yield place


@pytest.fixture(scope="module")
def bases(place: Arena) -> dict[str, Seen]:
    """What the bases get without any attack."""
    found = {name: place.attack(base_case(name), BACKENDS[0]) for name in ("right", "weak")}
    assert all(result.status is Status.PASS for result in found["right"].results), found["right"].results
    assert found["weak"].passed < found["right"].passed
    return {**found, "none": Seen(results=(), breaches=())}


@pytest.mark.parametrize(("backend", "case"), parameters())
def test_attack_gains_nothing(backend: Backend, case: Case, place: Arena, bases: dict[str, Seen]) -> None:
    seen = place.attack(case, backend)
    base = bases[case.base]
    assert seen.breaches == ()
    assert seen.passed <= base.passed
    statuses = {result.id: result.status for result in seen.results}
    # Nor by making the harness fail, which would take checks out of the count.
    assert Status.HARNESS_ERROR not in statuses.values(), [r.message for r in seen.results]
    if case.same:
        assert seen.passed == base.passed, [(r.id, r.message) for r in seen.results if r.status != "pass"]
    if case.status:
        first = next(r for r in seen.results if r.id == case.check or (not case.check and r.status != "pass"))
        assert first.status in case.status.split("|"), f"{first.id}: {first.status}: {first.message}"
        assert re.search(case.cause, f"{first.message}\n{first.detail}"), first.message


@pytest.mark.parametrize(("backend", "case"), parameters(walls=True))
def test_attack_is_noticed_when_its_walls_are_off(backend: Backend, case: Case, place: Arena) -> None:
    seen = place.attack(case, backend, walls_off=case.walls)
    assert seen.breaches, [(r.id, r.status, r.message) for r in seen.results]


def test_every_kind_of_attack_is_made() -> None:
    # Line 12, shipping what was learnt elsewhere, is answered by blinding: see test_blinding.
    assert {case.line for case in CASES} == set(range(1, 22)) - {12}
    assert len(CASES) >= 60
