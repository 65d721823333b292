from __future__ import annotations

from dataclasses import replace

import pytest

from harness.records import Status
from harness.views import FORMATS, for_audience, render

from . import sample

TRACEBACK = (
    '/srv/grader/submissions/eve.py:3 in build\n  raise ValueError\n'
    "/opt/grader/.venv/lib/python3.13/site-packages/numpy/core.py:7 in dot\n"
    "  /root/.pyenv/versions/3.11.7/lib/python3.11/ast.py:50 in parse\n"
)  # fmt: skip


def secretive():
    fits = [{**sample.tensors(2.0)[0], "g": [6.625]}]
    check = sample.check(
        "gradients[tanh]",
        Status.ERROR,
        message="raised in /srv/grader/submissions/eve.py",
        detail=TRACEBACK,
        diagnosis="tanh_linear_derivative",
        evidence={"expected": [0.125, 0.25], "rng": 977, "per_tensor": fits},
    )
    broken = sample.check(
        "loss[relu]", Status.HARNESS_ERROR, message="/srv/grader/pool.py died", detail="977"
    )
    run = sample.experiment(
        "scratch/tanh/lr=0.01", Status.ERROR, message="raised (/tmp/x/network.py)",
        evidence={"seeds": [977], "blinds": [978], "details": [TRACEBACK], "calibration": {"mean": 94.26}},
    )  # fmt: skip
    notes = ("not run: line 2: np.load(f) (there is no file '/tmp/x/mnist.npz')",)
    made = sample.record(sample.verdict("eve", (check, broken), (run,), notes=notes))
    return replace(made, seed=977, harness_errors=("pool.py died at /srv/grader",))


def test_the_instructor_sees_everything() -> None:
    assert for_audience(secretive(), "instructor") == secretive()


@pytest.mark.parametrize("form", FORMATS)
def test_no_format_tells_a_student_a_secret(form) -> None:
    shown = render(secretive(), form, audience="student")
    for secret in ("977", "978", "0.125", "6.625", "94.26", "pool.py", "grader-7"):
        assert secret not in shown, secret
    for secret in ("/srv", "/opt", "/root", "/tmp", "tanh_linear_derivative", "known mistake"):
        assert secret not in shown, secret


def test_a_student_still_sees_where_it_went_wrong() -> None:
    shown = for_audience(secretive(), "student").submissions[0]
    assert shown.checks[0].detail.startswith(
        "eve.py:3 in build\n  raise ValueError\nsite-packages/numpy/core.py:7"
    )
    assert "  python3.11/ast.py:50 in parse" in shown.checks[0].detail
    assert shown.checks[0].message == "raised in eve.py"
    assert shown.experiments[0].message == "raised (network.py)"
    assert shown.notes == ("not run: line 2: np.load(f) (there is no file 'mnist.npz')",)
    assert shown.experiments[0].evidence["details"][0].startswith("eve.py:3")
    assert shown.checks[0].evidence["per_tensor"] == [sample.tensors(2.0)[0]]
    assert shown.path == "eve.py"
    assert for_audience(secretive(), "student").seed == 0
    assert "no fault of yours" in shown.checks[1].message


def test_the_instructor_reads_which_known_mistake_it_is() -> None:
    shown = render(secretive(), "html")
    assert "known mistake: <code>tanh_linear_derivative</code>" in shown
    assert "/root/.pyenv" in shown


def test_a_student_who_saved_meanwhile_is_told_so() -> None:
    said = "eve.py was changed while it was graded: grade it again"
    check = sample.check(
        "loss[relu]", Status.HARNESS_ERROR, message=said, detail="977", evidence={"rng": 977}
    )
    run = sample.experiment("scratch/tanh/lr=0.01", Status.HARNESS_ERROR, message=said)
    other = sample.check(
        "loss[tanh]", Status.HARNESS_ERROR, message=f"ValueError: {said}; its points stay open"
    )
    made = sample.record(sample.verdict("eve", (check, other), (run,)))
    shown = for_audience(made, "student").submissions[0]
    assert [item.message for item in (shown.checks[0], *shown.experiments)] == [said, said]
    assert (shown.checks[0].detail, shown.checks[0].evidence) == ("", {})
    assert "no fault of yours" in shown.checks[1].message
