"""Verification: intervals, verdicts and the sample that is trained again."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.calibration.plan import plan_jobs
from harness.calibration.pool import Progress, duration, run_jobs
from harness.calibration.runs import Run
from harness.calibration.train import run_job
from harness.calibration.verify import Verification, compare, prediction_interval, verify_runs
from harness.errors import BackcheckError, UsageError
from harness.spec import Spec
from tests.calibration.test_calibration_runs import RUN


def seeds(*accuracies: float) -> list[Run]:
    return [replace(RUN, seed=seed, test_accuracy=accuracy) for seed, accuracy in enumerate(accuracies)]


def test_interval_by_hand() -> None:
    """Mean 92, sd 2, t(0.975, 2) = 4.303 (any table): 92 -+ 4.303 * 2 * sqrt(4/3)."""
    low, high = prediction_interval([90, 92, 94], false_alarm=0.05)
    assert (low, high) == pytest.approx((92 - 9.937, 92 + 9.937), abs=0.001)


def test_interval_is_never_narrower_than_a_tenth_of_a_point_allows() -> None:
    low, high = prediction_interval([11.35] * 12, false_alarm=0.05)
    assert high - 11.35 == pytest.approx(2.201 * 0.1 * math.sqrt(13 / 12), abs=1e-4)
    assert low == pytest.approx(2 * 11.35 - high)


def test_two_runs_give_no_interval() -> None:
    assert all(map(math.isnan, prediction_interval([90, 92], false_alarm=0.05)))


def test_interval_misses_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    misses = 0
    for _ in range(2000):
        *seen, new = rng.normal(90, 2, 6)
        low, high = prediction_interval(seen, false_alarm=0.1)
        misses += not low <= new <= high
    assert 2000 * 0.1 - 60 < misses < 2000 * 0.1 + 60  # four and a half standard errors


def test_identical_needs_every_figure() -> None:
    runs = seeds(94.0, 94.1, 94.2, 94.3)
    same = replace(runs[0], seconds=99.0)
    assert compare(runs[0], same, runs, false_alarm=0.01).identical
    assert compare(runs[0], same, runs[:1], false_alarm=0.01).holds, "needs no other seed to vouch for it"
    for change in ({"epoch_loss": (1.5, 0.4)}, {"batch_loss": ()}, {"train_accuracy": 80.4}):
        assert not compare(runs[0], replace(runs[0], **change), runs, false_alarm=0.01).identical


@pytest.mark.parametrize(
    ("accuracy", "holds", "words"), [(94.4, True, "within the interval"), (97.0, False, "OUTSIDE")]
)
def test_otherwise_the_other_seeds_decide(accuracy: float, holds: bool, words: str) -> None:
    """The run itself is left out of its interval: an outlier does not vouch for itself."""
    runs = seeds(97.0, 94.1, 94.2, 94.3)
    comparison = compare(
        runs[0], replace(runs[0], test_accuracy=accuracy, batch_loss=()), runs, false_alarm=0.01
    )
    assert comparison.holds is holds
    assert words in comparison.message
    verification = Verification(comparisons=(comparison,))
    assert verification.holds is holds
    assert ("do NOT hold" in verification.messages[-1]) is not holds


def test_too_few_seeds_cannot_vouch() -> None:
    runs = seeds(94.0, 94.1)
    comparison = compare(runs[0], replace(runs[0], batch_loss=()), runs, false_alarm=0.01)
    assert not comparison.holds
    assert "too few other seeds" in comparison.message


def test_verify_trains_again(spec: Spec) -> None:
    jobs = plan_jobs(spec, experiments="scratch/*", seeds=range(2))
    stored = [run_job(job) for job in jobs]
    stored[1] = replace(stored[1], epoch_loss=(0.0,) * 3)
    verification = verify_runs(jobs, stored, sample=99, processes=1, seed=0)
    assert {(c.stored.seed, c.identical) for c in verification.comparisons} == {(0, True), (1, False)}
    assert len(verification.comparisons) == 2
    assert not verification.holds


def test_verify_needs_stored_runs(spec: Spec) -> None:
    with pytest.raises(UsageError, match="none of the runs asked for is stored"):
        verify_runs(plan_jobs(spec, seeds=[0]), [RUN], sample=1, processes=1, seed=0)


def test_a_failing_reference_is_named_and_what_was_finished_is_kept(spec: Spec, tmp_path: Path) -> None:
    file = tmp_path / "failing_mlp.py"
    file.write_text("def build(layer_sizes, activation, seed):\n    raise ValueError('no weights today')\n")
    jobs = plan_jobs(spec, experiments="scratch/*", seeds=range(2))
    kept: list[Run] = []
    with pytest.raises(BackcheckError, match=r"seed 1\): training .*failing_mlp.py failed: ValueError: no w"):
        run_jobs([jobs[0], replace(jobs[1], reference_file=file)], processes=1, keep=kept.append)
    assert [run.key for run in kept] == [jobs[0].key]


def test_a_worker_that_is_killed(spec: Spec, tmp_path: Path) -> None:
    file = tmp_path / "dying_mlp.py"
    file.write_text("import os\ndef build(layer_sizes, activation, seed):\n    os._exit(1)\n")
    with pytest.raises(BackcheckError, match="a worker process was killed"):
        run_jobs(
            plan_jobs(spec, seeds=[0], reference=file),
            processes=1,
            keep=lambda run: pytest.fail("nothing was finished"),
        )


def test_workers_have_one_blas_thread(spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    file = tmp_path / "counting_mlp.py"
    file.write_text(
        "import threadpoolctl\n"
        "def build(layer_sizes, activation, seed):\n"
        "    raise ValueError({pool['num_threads'] for pool in threadpoolctl.threadpool_info()})\n"
    )
    with pytest.raises(BackcheckError, match=r"ValueError: \{1\}"):
        run_jobs(plan_jobs(spec, seeds=[0], reference=file), processes=1, keep=lambda run: None)
    assert os.environ["OPENBLAS_NUM_THREADS"] == "2"
    assert "MKL_NUM_THREADS" not in os.environ


def test_progress_tells_the_time_left(spec: Spec) -> None:
    jobs = plan_jobs(spec, experiments="scratch/*", seeds=range(3))
    times = iter([0.0, 60.0])
    said: list[str] = []
    progress = Progress(jobs, said.append, clock=lambda: next(times))
    progress.finished(replace(RUN, experiment="scratch/tanh", test_accuracy=94.3, seconds=58.0))
    assert said == ["[1/3] scratch/tanh (report, full, numpy, seed 0): 94.30 % in 58.0 s; 2 min left"]


@pytest.mark.parametrize(("seconds", "text"), [(40, "40 s"), (720, "12 min"), (7500, "2 h 05 min")])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
