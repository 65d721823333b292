"""One run: what the reference is asked for, and what is kept of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from harness.calibration.plan import plan_jobs
from harness.calibration.provenance import provenance
from harness.calibration.train import load_reference, run_job
from harness.errors import UsageError
from harness.spec import Spec


def asked(recorder: Path) -> dict:
    return json.loads(recorder.with_name("recorder_mlp.py.json").read_text())


def test_the_reference_is_asked_by_the_contract_alone(spec: Spec, recorder: Path) -> None:
    run_job(plan_jobs(spec, experiments="scratch/*", seeds=[5], reference=recorder)[0])
    assert asked(recorder) == {
        "layer_sizes": [64, 12, 10],
        "activation": "tanh",
        "seed": 5,
        "epochs": 3,
        "batch_size": 50,
        "learning_rate": 0.5,
        "optimizer": "sgd",
        "weight_decay": 0.0,
        "X": [[220, 64], "float32", 0.0, 1.0],
        "y": load_digits().target[:3].tolist(),
    }


def test_what_the_contract_lacks_is_asked_by_name(spec: Spec, recorder: Path) -> None:
    run_job(plan_jobs(spec, variant="adam", seeds=[5], reference=recorder)[0])
    expected = {
        "optimizer": "adam",
        "shuffle": False,
        "initialisation": "framework_default",
        "weight_decay": 0.1,
    }
    assert expected.items() <= asked(recorder).items()


def test_what_is_kept(spec: Spec, recorder: Path) -> None:
    job = plan_jobs(spec, experiments="scratch/*", seeds=[5], reference=recorder)[0]
    run = run_job(job)
    target = load_digits().target
    train, test = target[:220], target[1000:1300]
    assert run.key == job.key == ("scratch/tanh", "report", "full", "recorder", 5)
    assert run.test_accuracy == float(f"{100 * (test == 1).mean():.5g}")
    assert run.train_accuracy == float(f"{100 * (train == 1).mean():.5g}")
    assert (run.epoch_loss, run.epoch_accuracy, run.batch_loss) == ((1.2346,), (50.0,), ())
    assert run.batch_loss_every == 7
    confusion = np.array(run.confusion)
    np.testing.assert_array_equal(confusion[:, 1], np.bincount(test))  # rows are the true classes
    assert confusion.sum() == 300


def test_the_references_learn(spec: Spec) -> None:
    for job in plan_jobs(spec, seeds=[0]):
        job = replace(job, protocol=replace(job.protocol, epochs=20, train_images=1000))
        run = run_job(job)
        assert run.test_accuracy > 80, job.reference
        assert run.train_accuracy > 90, job.reference
        assert len(run.epoch_loss) == 20
        assert run.epoch_loss[-1] < run.epoch_loss[0]
        again = run_job(job)
        assert (run.epoch_loss, run.confusion) == (again.epoch_loss, again.confusion)


@pytest.mark.parametrize(("text", "reason"), [(None, "expected a reference"), ("x = 1", "has no `build")])
def test_no_reference(tmp_path: Path, text: str | None, reason: str) -> None:
    file = tmp_path / "odd.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError, match=reason):
        load_reference(file)


def test_provenance(tmp_path: Path) -> None:
    file = tmp_path / "reference.py"
    file.write_bytes(b"abc")
    found = provenance(file, "a protocol")
    assert found.reference == "ba7816bf8f01cfea"  # SHA-256 of "abc" (FIPS 180-2, B.1)
    assert found.commit == "none"
    assert found.protocol == "a protocol"
    assert found.numpy == np.__version__
    assert found.finished.endswith("+00:00")
    assert all(vars(found).values())
