"""Which runs are planned, and which of them are missing."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from harness.calibration.plan import missing_jobs, plan_jobs
from harness.calibration.train import TRAINING_FIELDS, Job, protocol_digest
from harness.errors import StoreError, UsageError
from harness.spec import Protocol, Spec
from tests.calibration.test_calibration_runs import PROVENANCE, RUN


def test_seeds_go_round_the_experiments(spec: Spec) -> None:
    jobs = plan_jobs(spec, seeds=range(2))
    assert [(job.experiment, job.reference, job.seed) for job in jobs] == [
        ("scratch/tanh", "numpy", 0),
        ("package/tanh", "torch", 0),
        ("scratch/tanh", "numpy", 1),
        ("package/tanh", "torch", 1),
    ]
    assert {(job.variant, job.budget, job.dataset) for job in jobs} == {("report", "full", "digits")}
    assert [job.reference_file.name for job in jobs[:2]] == ["numpy_mlp.py", "torch_mlp.py"]


def test_candidates_run_where_the_specification_has_them(spec: Spec) -> None:
    jobs = plan_jobs(spec, variant="*", seeds=[4])
    assert [(job.experiment, job.variant) for job in jobs] == [
        ("package/tanh", "adam"),
        ("scratch/tanh", "slow"),
        ("package/tanh", "slow"),
    ]
    assert jobs[0].protocol.optimizer == "adam"
    assert jobs[1].protocol.learning_rate == 0.05


def test_budgets_run_where_the_specification_has_them(spec: Spec) -> None:
    (job,) = plan_jobs(spec, budget="quick", seeds=[0])
    assert (job.experiment, job.budget, job.protocol.epochs) == ("scratch/tanh", "quick", 1)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"experiments": "scrath/*"}, "no experiment matches"),
        ({"variant": "adma"}, "expected one of report, adam, slow"),
        ({"experiments": "scratch/*", "variant": "adam"}, "none has both the variant 'adam'"),
        ({"experiments": "package/*", "budget": "quick"}, "none has both .* the budget 'quick'"),
        ({"budget": "quik"}, "no budget 'quik'"),
        ({"reference": Path("nowhere.py")}, r"nowhere\.py: there is no such reference"),
    ],
)
def test_what_cannot_be_planned(spec: Spec, options: dict, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        plan_jobs(spec, seeds=[0], **options)


def test_another_reference_keeps_its_own_name(spec: Spec, recorder: Path) -> None:
    jobs = plan_jobs(spec, seeds=[0], reference=recorder)
    assert {(job.reference, job.reference_file) for job in jobs} == {("recorder", recorder)}


def test_jobs_travel_to_another_process(spec: Spec) -> None:
    jobs = plan_jobs(spec, seeds=[0])
    assert pickle.loads(pickle.dumps(jobs)) == jobs  # noqa: S301 - our own bytes


def stored(job: Job) -> object:
    provenance = replace(PROVENANCE, protocol=protocol_digest(job.dataset, job.protocol))
    names = ("experiment", "variant", "budget", "reference", "seed")
    return replace(RUN, provenance=provenance, **{name: getattr(job, name) for name in names})


def test_stored_runs_are_not_made_again(spec: Spec) -> None:
    jobs = plan_jobs(spec, seeds=range(3))
    assert missing_jobs(jobs, []) == jobs
    assert missing_jobs(jobs, [stored(jobs[1]), stored(jobs[4])]) == (jobs[0], jobs[2], jobs[3], jobs[5])


def test_a_run_under_another_protocol_does_not_count(spec: Spec) -> None:
    (job, _) = plan_jobs(spec, seeds=[0])
    run = stored(replace(job, protocol=replace(job.protocol, epochs=99)))
    with pytest.raises(StoreError, match=r"scratch/tanh \(report, full, numpy, seed 0\) followed another"):
        missing_jobs([job], [run])


def test_the_digest_is_of_what_decides_a_run(spec: Spec) -> None:
    protocol = spec.protocol("scratch/tanh")
    changes = {
        "layer_sizes": (64, 10),
        "activation": "relu",
        "optimizer": "adam",
        "learning_rate": 0.25,
        "batch_size": 1,
        "epochs": 1,
        "weight_decay": 0.5,
        "train_images": 1,
        "test_images": 1,
        "shuffle": False,
        "initialisation": "framework_default",
    }
    digests = {
        protocol_digest("digits", replace(protocol, **{name: changes[name]})) for name in TRAINING_FIELDS
    }
    digests |= {protocol_digest("digits", protocol), protocol_digest("mnist", protocol)}
    assert len(digests) == len(TRAINING_FIELDS) + 2
    said_otherwise = replace(protocol, sources={}, loss_every=99, weight_decay=0)
    assert protocol_digest("digits", said_otherwise) == protocol_digest("digits", protocol)


def test_every_item_of_a_protocol_is_in_the_digest_or_known_to_change_nothing() -> None:
    changes_nothing = {"sources", "loss_every", "start_correlation"}
    assert set(TRAINING_FIELDS) | changes_nothing == set(Protocol.__dataclass_fields__)
