"""Foreign shapes through the whole road: sandbox, worker, checks. Nothing of a right one may fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.checks.registry import checks
from harness.grading.checking import run_checks
from harness.records import CheckResult, Status
from harness.sandbox.backend import choose
from harness.submission import discover

SHAPES = Path(__file__).resolve().parents[1] / "fixtures" / "shapes"
RIGHT = sorted(s.name for s in discover([SHAPES]) if s.name != "gpu_only")
# One of each way of keeping weights, and a notebook; the rest take minutes in all.
QUICK = {"attributes", "layer_container", "notebook", "script_globals", "tuple_functional"}
GROUPS = ("forward", "loss", "gradients")


def graded(name: str, seed: int = 3) -> dict[str, CheckResult]:
    """Check one fixture; return results by check id."""
    (submission,) = (s for s in discover([SHAPES]) if s.name == name)
    results, _ = run_checks(submission, checks(), seed=seed, backend=choose())
    return {r.id: r for r in results}


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in RIGHT]
)
def test_nothing_of_a_right_shape_fails(name: str) -> None:
    found = graded(name)
    bad = {
        r.id: f"{r.status}: {r.message}"
        for r in found.values()
        if r.status not in (Status.PASS, Status.SKIPPED, Status.NOT_PROVIDED)
    }
    assert bad == {}
    # What it has was tried: at least one activation passes every check of the mathematics.
    whole = [
        activation
        for activation in ("sigmoid", "tanh", "relu")
        if all(found[f"{group}[{activation}]"].status is Status.PASS for group in GROUPS)
    ]
    assert whole


def test_a_fixed_architecture_is_judged_by_its_own_first_weights(tmp_path: Path) -> None:
    name = "script_globals"
    text = (SHAPES / f"{name}.py").read_text()
    assert "np.random.uniform(-1, 1, (n_h1, n_h2))" in text
    wrong = text.replace("np.random.uniform(-1, 1, (n_h1, n_h2))", "0.5 * np.random.randn(n_h1, n_h2)")
    (tmp_path / f"{name}.py").write_text(wrong)
    (tmp_path / f"{name}.toml").write_text((SHAPES / f"{name}.toml").read_text())
    listed = [check for check in checks() if check.id in ("builds[tanh]", "glorot_uniform")]
    for folder, expected in ((SHAPES, Status.PASS), (tmp_path, Status.FAIL)):
        (submission,) = (s for s in discover([folder]) if s.name == name)
        results, _ = run_checks(submission, listed, seed=3, backend=choose())
        found = results[-1]
        assert found.status is expected, found.message
    assert "W2" in found.message or "W2" in found.detail


def test_a_hard_coded_gpu_is_an_error_and_no_wrong_mathematics() -> None:
    found = graded("gpu_only")
    assert {r.status for r in found.values()} <= {Status.ERROR, Status.SKIPPED, Status.NOT_PROVIDED}
    assert any("CUDA" in r.message for r in found.values())
