"""Each check fails on a submission with the defect that it is there for, and blames nothing else of it."""

import re
from dataclasses import replace
from graphlib import TopologicalSorter

import numpy as np
import pytest

from harness import oracle
from harness.checks import context as context_module
from harness.checks import contract, corners, determinism, ends, gradients, training, updates
from harness.checks.context import DEEP, SMALL, SQUARE, Context, Failed, Problem
from harness.checks.registry import TABLE, checks, rests_on
from harness.checks.steps import Case, problem_of
from harness.records import Status
from harness.session import SubmissionFault
from tests.checks.local import LocalSession, case_named, run_file, run_locally
from tests.corpus import loader

# Check: a known-wrong submission that it must fail on, where all that it rests on passes.
CAUGHT = {
    "weights_round_trip": "weights-float16",
    "gradients_shape[tanh]": "bias-kept-as-row",
    "forward[relu]": "leak-forward",
    "forward[tanh]": "tanh-is-sigmoid",
    "activations_differ": "activation-ignored",
    "loss[tanh]": "loss-sum",
    "loss_of_uniform_output": "loss-log2",
    "loss_when_confidently_wrong": "loss-log-eps",
    "gradients[sigmoid]": "slope-at-activation",
    "gradients[relu]": "sum-for-mean",
    "full_batch_update[tanh]": "update-twice",
    "ten_steps[tanh]": "momentum-spurious",
    "large_gradient": "gradient-norm-clipped",
    "other_networks_are_trained": "layers-beyond-the-fourth-frozen",
    "single_precision": "autocast-bfloat16",
    "trains_to_the_last_epoch": "early-stopping",
    "learning_rate_zero": "init-again-each-fit",
    "weight_decay[tanh]": "decay-doubled",
    "adam": "adam-no-bias-correction",
    "adam_weight_decay": "adam-decoupled-decay",
    "uses_every_example_once": "tail-dropped",
    "batches_in_turn": "update-once-an-epoch",
    "batch_size_is_respected": "batch-size-ignored",
    "reshuffles_every_epoch": "shuffled-once",
    "orders_are_drawn_anew": "order-in-stretches",
    "batches_mix_classes": "sorted-by-class",
    "a_batch_of_one_row_is_trained_on": "one-row-batch-skipped",
    "a_new_question_gets_a_new_answer": "forward-pass-kept",
    "networks_are_independent": "activation-on-the-class",
    "a_long_batch_is_its_parts": "answers-in-whole-blocks",
    "forward[sigmoid]": "square-matrices-not-transposed",
    "builds[tanh]": "answer-squeezed",
    "glorot_uniform": "init-fan-in",
    "layers_are_independent": "init-same-stream",
    "same_seed_same_weights": "init-seed-ignored",
    "keeps_what_it_is_given": "inputs-changed-in-place",
    "predicting_changes_nothing[tanh]": "predict-trains",
    "history_is_true": "history-hard-coded",
    "ends_with_the_last_epoch": "best-loss-restored-torch",
    "other_networks": "layers-sorted-as-text",
    "a_fit_leaves_nothing_behind": "decay-left-in-gradients",
    "shifting_the_logits_changes_no_loss": "loss-sum-not-shifted",
    "many_classes": "labels-in-a-byte",
    "many_rows_are_used_whole": "row-numbers-in-sixteen-bits",
    "memory_order_changes_nothing": "weights-in-memory-order",
    "training_goes_on_from_where_it_stands": "data-of-the-first-fit",
}


@pytest.mark.parametrize(("check", "case"), CAUGHT.items())
def test_a_check_fails_on_the_defect_it_is_there_for(check, case, tmp_path):
    found = run_locally(case_named(case), tmp_path, only={check})
    assert found[check].status in (Status.FAIL, Status.ERROR), found[check]
    assert found[check].message
    rested = next(c for c in checks() if c.id == check)
    for other in checks():
        if rests_on(rested, other):
            assert found[other.id].status is Status.PASS, found[other.id]


# The names that a check gives by itself, without the library of hypotheses.
NAMED = {
    ("torch-zero-grad-once-an-epoch", "batches_in_turn"): "gradient_accumulated",
    ("gradients-summed-never-used", "batches_in_turn"): "one_update_an_epoch",
    ("tail-wraps-around", "uses_every_example_once"): "tail_filled_up",
    ("first-batch-skipped", "uses_every_example_once"): "rows_left_out",
    ("tail-spread", "uses_every_example_once"): "batches_cut_evenly",
    ("tail-spread-by-chunk", "a_batch_of_one_row_is_trained_on"): "batches_cut_evenly",
    ("no-shuffle", "reshuffles_every_epoch"): "no_shuffle",
    ("no-shuffle-batches-only", "reshuffles_every_epoch"): "batches_never_mixed",
    ("first-epoch-in-order", "reshuffles_every_epoch"): "first_epoch_not_shuffled",
    ("layers-beyond-the-fourth-frozen", "other_networks_are_trained"): "frozen_layer_5",
    ("zero-grad-after-step-torch", "a_fit_leaves_nothing_behind"): "gradient_accumulated",
    ("empty-batch-decays", "weight_decay[sigmoid]"): "weight_decay_again",
    ("labels-numbered-anew-in-fit", "full_batch_update[tanh]"): "labels_renumbered",
    ("blocks-averaged", "many_rows_are_used_whole"): "block_means_averaged",
    ("init-constant", "same_seed_same_weights"): None,  # seeds 5 and 6 give the same, for another reason
    ("logits-clipped", "loss_when_confidently_wrong"): "logits_clipped",
    ("with-replacement-batches", "uses_every_example_once"): None,
    ("noise-at-inference", "forward[tanh]"): "answers_random",
    ("predict-trains", "forward[tanh]"): None,  # its weights change, which has a name elsewhere
    ("dropout-left-in", "full_batch_update[tanh]"): "training_random",
    ("batch-of-one", "full_batch_update[tanh]"): None,  # its order is random, which is right
    ("answers-transposed", "builds[relu]"): "answers_transposed",
    ("init-not-centred-rand", "glorot_uniform"): "init_not_centred",
    ("shuffle-of-one-seed", "reshuffles_every_epoch"): "shuffle_ignores_seed",
    ("history-before-each-epoch", "history_is_true"): "history_untrue",
    ("history-accuracy-of-other-rows", "history_is_true"): "history_untrue",
    ("history-mean-so-far", "history_is_true"): "history_untrue",
    ("best-epoch-restored", "ten_steps[relu]"): "best_epoch_restored",
    ("early-stopping", "trains_to_the_last_epoch"): "stops_early",
    ("labels-renumbered", "loss[tanh]"): "labels_renumbered",
    ("adam-state-by-shape", "adam"): "adam_state_by_shape",
    ("adam-step-count-survives-fit", "adam"): "adam_t_kept",
    ("adam-means-survive-fit", "adam"): "adam_means_kept",
    ("adam-state-of-all-networks", "adam"): "adam_state_shared",
    ("one-hot-as-wide-as-the-labels", "gradients_shape[relu]"): "one_hot_width",
    ("one-activation-for-all-layers", "gradients_shape[tanh]"): "activation_shared",
    ("optimizer-made-once-torch", "a_step_is_linear_in_the_learning_rate"): "settings_kept",
    ("answer-kept-by-array", "a_new_question_gets_a_new_answer"): "answer_kept",
    ("answer-kept-until-new-weights", "a_new_question_gets_a_new_answer"): "answer_kept",
    ("answer-kept-over-a-fit", "a_new_question_gets_a_new_answer"): "answer_kept",
    ("two-classes-by-one-logit", "forward[tanh]"): "one_logit_of_two",
    ("order-turned-round", "orders_are_drawn_anew"): "order_turned",
    ("order-in-stretches", "orders_are_drawn_anew"): "shuffled_in_stretches",
    ("last-row-not-shuffled", "orders_are_drawn_anew"): "rows_not_shuffled",
    ("init-of-the-seeds-last-digits", "same_seed_same_weights"): "seed_cut",
    ("order-of-the-seeds-remainder", "orders_are_drawn_anew"): "seed_cut",
    ("order-unseeded", "same_seed_same_training"): "training_unseeded",
    ("biases-of-all-networks", "same_seed_same_training"): "state_shared",
    ("tanh-is-sigmoid", "activations_differ"): "wrong_activation",
    ("activation-ignored", "activations_differ"): "activation_ignored",
    ("sigmoid-of-zero", "forward[sigmoid]"): "activation_at_zero",
    ("sigmoid-overflow", "saturated_units_stay_finite"): "activation_overflow",
    ("answer-squeezed", "builds[sigmoid]"): "answer_squeezed",
    ("data-of-the-first-fit", "training_goes_on_from_where_it_stands"): "data_kept",
    ("decay-left-in-gradients", "a_fit_leaves_nothing_behind"): "decay_left_behind",
    ("extra-epoch", "full_batch_update[sigmoid]"): "extra_epoch",
    ("divided-by-batch-size", "uses_every_example_once"): "fixed_batch_size",
    ("init-counts-the-bias", "glorot_uniform"): "init_counts_bias",
    ("init-same-stream", "layers_are_independent"): "init_same_stream",
    ("slopes-over-the-inputs", "keeps_what_it_is_given"): "inputs_mutated",
    ("labels-in-a-byte", "many_classes"): "labels_wrap",
    ("epochs-counted-over-fits", "a_step_is_linear_in_the_learning_rate"): "later_fits_do_nothing",
    ("layers-sorted-as-text", "other_networks"): "layers_sorted_as_text",
    ("torch-scheduler", "ten_steps[sigmoid]"): "learning_rate_decays",
    ("loss-log-eps", "loss_when_confidently_wrong"): "log_clipped",
    ("loss-sum-not-shifted", "shifting_the_logits_changes_no_loss"): "loss_overflow",
    ("weights-in-memory-order", "memory_order_changes_nothing"): "memory_order",
    ("epoch-missing", "full_batch_update[sigmoid]"): "no_update",
    ("one-row-batch-skipped", "a_batch_of_one_row_is_trained_on"): "one_row_batch_skipped",
    ("sigmoid-clipped", "hidden_units_are_monotone_and_in_range"): "preactivation_clipped",
    ("row-numbers-in-sixteen-bits", "many_rows_are_used_whole"): "row_numbers_wrap",
    ("rows-guessed-by-shape", "forward[sigmoid]"): "rows_guessed_by_shape",
    ("answers-full-batches-only", "forward[sigmoid]"): "rows_not_answered",
    ("init-seed-ignored", "same_seed_same_weights"): "seed_ignored",
    ("seed-zero-is-none", "same_seed_same_weights"): "seed_zero_ignored",
    ("order-of-seed-times-epoch", "reshuffles_every_epoch"): "seed_zero_no_reshuffle",
    ("shuffled-once", "reshuffles_every_epoch"): "shuffled_once",
    ("softmax-global-max", "an_extreme_row_changes_no_other"): "softmax_global_max",
    ("softmax-no-max-shift", "extreme_logits_give_finite_probabilities"): "softmax_overflow",
    ("sorted-by-class", "batches_mix_classes"): "sorted_by_class",
    ("activation-on-the-class", "networks_are_independent"): "state_shared",
    ("tail-dropped", "uses_every_example_once"): "tail_dropped",
    ("square-matrices-not-transposed", "forward[sigmoid]"): "weights_guessed_by_shape",
    ("batches-overlap", "batch_size_is_respected"): "wrong_batch_size",
    ("shuffled-apart", "full_batch_update[sigmoid]"): "xy_shuffled_apart",
}


@pytest.mark.parametrize(("case", "check"), NAMED)
def test_a_check_names_what_it_can_tell_and_nothing_else(case, check, tmp_path):
    found = run_locally(case_named(case), tmp_path, only={check})[check]
    assert found.status is Status.FAIL
    assert found.diagnosis == NAMED[case, check], found.message


@pytest.mark.parametrize(
    ("case", "check", "name"),
    [
        ("best-epoch-restored", updates.batches_in_turn, "best_epoch_restored"),
        ("best-epoch-restored", updates.trains_to_the_last_epoch, "best_epoch_restored"),
        ("best-epoch-restored", training.runs_the_epochs_asked_for, "best_epoch_restored"),
        ("best-epoch-restored", ends.ends_with_the_last_epoch, "best_epoch_restored"),
        ("early-stopping", ends.ends_with_the_last_epoch, "stops_early"),
        ("epoch-missing", ends.ends_with_the_last_epoch, None),
        ("momentum-spurious", ends.ends_with_the_last_epoch, None),
    ],
)
def test_the_best_epoch_put_back_is_not_taken_for_fewer_epochs(case, check, name, tmp_path):
    path = loader.materialise(case_named(case), tmp_path)
    names = []
    for seed in range(4):
        try:
            check(Context(session=LocalSession(path), seed=seed, part="scratch"))
        except Failed as failure:
            names.append(failure.diagnosis)
    # Where the last of a few epochs is the best one, there is nothing to be seen.
    assert len(names) >= (1 if check is updates.batches_in_turn else 4)
    # Whoever is patient may get through the shorter of the two trainings, which then says nothing.
    assert set(names) - ({None} if case == "early-stopping" else set()) == {name}


def test_the_best_epoch_is_no_name_where_it_cannot_be_looked_for(tmp_path):
    """At the large rate at which it is looked for this one raises: its one epoch keeps its name."""
    text = loader.text(case_named("classes"))
    path = tmp_path / "careful.py"
    path.write_text(text.replace("in range(epochs)", "in range(1 if learning_rate < 0.5 else 1 // 0)"))
    with pytest.raises(Failed) as caught:
        updates.ten_steps(Context(session=LocalSession(path), seed=0, part="scratch"), "tanh")
    assert caught.value.diagnosis == "single_epoch"


def test_a_history_of_wrong_training_is_not_held_against_right_losses(tmp_path):
    path = loader.materialise(case_named("momentum-spurious"), tmp_path)
    assert "return history" in path.read_text()
    determinism.history_is_true(Context(session=LocalSession(path), seed=0, part="scratch"))


def test_a_wrong_forward_pass_is_not_blamed_on_the_order_of_layers(tmp_path):
    found = run_locally(case_named("activation-on-logits"), tmp_path)
    assert found["forward[sigmoid]"].status is Status.FAIL
    assert found["other_networks"].status is Status.PASS


def test_networks_with_tensors_of_one_shape_are_not_asked_of_a_manifest(tmp_path):
    session = LocalSession(loader.materialise(case_named("classes"), tmp_path))
    for sizes, told_apart in ((SMALL, True), (SQUARE, False), (DEEP, False)):
        ctx = Context(session=session, seed=0, part="scratch")
        assert ctx.can_pose(sizes, "tanh")
        ctx.described = True
        assert ctx.can_pose(sizes, "tanh") == told_apart


def test_training_that_goes_on_too_long_is_not_said_to_stop_early(tmp_path):
    text = loader.text(case_named("classes"))
    assert text.count("in range(epochs)") == 1
    path = tmp_path / "forty.py"
    path.write_text(text.replace("in range(epochs)", "in range(max(epochs, 40))"))
    with pytest.raises(Failed, match="30 epochs move the weights as far as 40") as caught:
        updates.trains_to_the_last_epoch(Context(session=LocalSession(path), seed=0, part="scratch"))
    assert caught.value.diagnosis is None


@pytest.mark.parametrize("seed", range(6))
def test_sizes_that_are_written_down_do_not_make_a_training_stop_early(seed, tmp_path):
    text = loader.text(case_named("classes"))
    (build,) = [
        line for line in text.splitlines() if line.startswith("    return ") and "layer_sizes" in line
    ]
    path = tmp_path / "fixed.py"
    path.write_text(text.replace(build, build.replace("layer_sizes", "[784, 500, 250, 100, 10]")))
    ctx = Context(session=LocalSession(path), seed=seed, part="scratch")
    assert updates.trains_to_the_last_epoch(ctx)["epochs"] == pytest.approx(30, abs=0.01)


@pytest.mark.parametrize("case", ["tail-wraps-around", "no-shuffle", "shuffled-with-the-same-seed"])
def test_probe_data_tell_wrong_training_loops_apart(case, tmp_path):
    names = {"uses_every_example_once", "reshuffles_every_epoch"}
    found = run_locally(case_named(case), tmp_path, only=names)
    assert any(found[name].status is Status.FAIL for name in names)


@pytest.mark.parametrize(
    "case", ["classes", "columns", "float32-arrays", "torch-module", "log-of-probability"]
)
def test_right_submissions_pass_every_check(case, tmp_path):
    found = run_locally(case_named(case), tmp_path)
    bad = {
        r.id: r.message
        for r in found.values()
        if r.status not in (Status.PASS, Status.SKIPPED, Status.NOT_PROVIDED)
    }
    assert bad == {}


ONE_KIND = """
def build(layer_sizes, activation, seed):
    if activation != "KIND" or len(layer_sizes) != 4:
        raise ValueError("a KIND network of three layers, nothing else")
    return whole(layer_sizes, activation, seed)
"""


@pytest.mark.parametrize("kind", oracle.ACTIVATIONS)
@pytest.mark.parametrize("source", ["classes", "float32-arrays"])
def test_one_activation_and_one_depth_are_graded_on_what_they_have(source, kind, tmp_path):
    text = loader.text(case_named(source))
    assert text.count("def build(") == 1
    path = tmp_path / "one_kind.py"
    path.write_text(text.replace("def build(", "def whole(") + ONE_KIND.replace("KIND", kind))
    others = set(oracle.ACTIVATIONS) - {kind}
    for seed in range(3):
        found = run_file(path, seed=seed)
        bad = {r.id: r.message for r in found.values() if r.status in (Status.FAIL, Status.ERROR)}
        assert set(bad) == {f"builds[{other}]" for other in others}, bad
    for name in ("forward", "gradients", "finite_differences", "ten_steps"):
        if (name, source) != ("finite_differences", "float32-arrays"):
            assert found[f"{name}[{kind}]"].status is Status.PASS, found[f"{name}[{kind}]"]
    for name in ("loss_of_uniform_output", "uses_every_example_once", "reshuffles_every_epoch"):
        assert found[name].status is Status.PASS, found[name]
    for other in others:
        assert found[f"gradients[{other}]"].status is Status.SKIPPED
    assert found["activations_differ"].status is Status.SKIPPED


@pytest.mark.parametrize("seed", range(3))
def test_epsilon_may_be_added_before_the_bias_correction(seed, tmp_path):
    text = loader.text(case_named("classes"))
    usual = "v_hat = v / (1.0 - 0.999**self.t)", "(np.sqrt(v_hat) + 1e-8)"
    other = "fix = np.sqrt(1.0 - 0.999**self.t)", "((np.sqrt(v) + 1e-8) / fix)"
    assert all(text.count(part) == 1 for part in usual)
    for before, after in zip(usual, other):
        text = text.replace(before, after)
    path = tmp_path / "other_form.py"
    path.write_text(text)
    found = run_file(path, only={"adam", "adam_weight_decay"}, seed=seed)
    assert found["adam"].status is Status.PASS, found["adam"].message
    assert found["adam_weight_decay"].status is Status.PASS, found["adam_weight_decay"].message


def test_code_that_is_slow_on_the_reports_network_gets_long_batches_on_the_small_one(tmp_path):
    text = loader.text(case_named("classes"))
    holder = re.search(r"class (\w+).*?\n    def predict_proba\(", text, re.DOTALL).group(1)
    path = tmp_path / "slow.py"
    path.write_text(
        f"""{text}

import time

quick = {holder}.predict_proba


def slow(self, X):
    time.sleep(0.4 if X.shape[1] == 784 else 0.0)
    return quick(self, X)


{holder}.predict_proba = slow
"""
    )
    ctx = Context(session=LocalSession(path), seed=0, part="scratch")
    asked = [(p.layer_sizes[0], len(p.X)) for p in ctx.problems("relu")]
    assert asked == [(784, 7), (784, 1), (23, 7), (23, 64), (23, 1), (23, 8)]


def test_no_unit_of_a_relu_network_is_switched_by_the_probe_training(tmp_path):
    path = tmp_path / "relu.py"
    text = loader.text(case_named("classes")).replace("def build(", "def whole(")
    path.write_text(text + ONE_KIND.replace("KIND", "relu"))
    # With biases raised by 1 alone 4 of these 40 draws have a unit near its kink.
    for seed in range(40):
        session = LocalSession(path)
        ctx = Context(session=session, seed=seed, part="scratch", activations=("relu",))
        training.uses_every_example_once(ctx)
        training.runs_the_epochs_asked_for(ctx)


def test_wrong_loops_show_in_a_relu_network_alone(tmp_path):
    for case in ("tail-dropped", "tail-wraps-around"):
        path = tmp_path / f"{case}.py"
        text = loader.text(case_named(case))
        path.write_text(text.replace("def build(", "def whole(") + ONE_KIND.replace("KIND", "relu"))
        found = run_file(path, only={"uses_every_example_once"})["uses_every_example_once"]
        assert found.status is Status.FAIL
        assert "direction" not in found.message, found.message


def test_training_that_cannot_fit_twenty_examples_fails_where_float64_can(tmp_path):
    text = loader.text(case_named("classes"))
    path = tmp_path / "lazy.py"
    lazy = "def lazy(self, X, y, *, epochs, **o):\n    return fit(self, X, y, epochs=min(epochs, 40), **o)\n"
    holder = re.search(r"class (\w+).*?\n    def fit\(", text, re.DOTALL).group(1)
    path.write_text(f"{text}\n\nfit = {holder}.fit\n{lazy}{holder}.fit = lazy\n")
    found = run_file(path, only={"overfits_twenty_examples"})["overfits_twenty_examples"]
    assert found.status is Status.FAIL
    assert "20 expected" in found.message


def test_every_entry_of_the_table_says_what_it_proves():
    listed = checks()
    assert len({c.id for c in listed}) == len(listed)
    names = {entry.run.__name__ for entry in TABLE}
    for check in listed:
        assert check.proves.endswith("."), check.id
        assert check.weight > 0
        assert set(check.needs) <= names | {c.name for c in listed}, check.id
        assert set(check.explained_by) <= {c.name for c in listed}, check.id


def test_no_check_waits_for_itself():
    roots = {c.name: (*c.needs, *c.explained_by) for c in checks()}
    list(TopologicalSorter(roots).static_order())  # raises CycleError


def test_a_failure_that_another_check_explains_is_told_once(tmp_path):
    found = run_locally(case_named("forward-pass-kept"), tmp_path)
    told = [r for r in found.values() if r.status is Status.FAIL]
    assert [r.id for r in told] == ["a_new_question_gets_a_new_answer"]
    repeated = found["loss_is_the_mean_of_its_parts"]
    assert repeated.status is Status.SKIPPED
    assert repeated.evidence["rests_on"] == ["a_new_question_gets_a_new_answer"]
    # What does not show it passes, and scores.
    assert found["last_gradients_sum_to_zero_over_classes"].status is Status.PASS


def test_what_rests_on_what_does_not_apply_does_not_apply(tmp_path):
    found = run_locally(case_named("functions"), tmp_path, only={"adam_weight_decay"})
    for name in ("adam", "adam_weight_decay"):
        assert found[name].status is Status.SKIPPED
        assert found[name].evidence["not_applicable"]


@pytest.mark.parametrize(("added", "status"), [("1e-12", Status.PASS), ("1e-11", Status.FAIL)])
def test_what_many_add_to_a_probability_for_safety_is_let_pass(added, status, tmp_path):
    text = loader.text(case_named("columns"))
    old = "log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=0, keepdims=True))"
    assert text.count(old) == 1
    path = tmp_path / "softened.py"
    path.write_text(text.replace(old, f"log_probabilities = np.log(column_softmax(Z) + {added})"))
    name = "loss_when_confidently_wrong"
    found = run_file(path, only={name})[name]
    assert found.status is status, found.message
    assert status is Status.PASS or "1e-11 is added" in found.message


def test_logits_of_ten_thousand_are_as_exact_as_float32_holds_them(tmp_path):
    text = loader.text(case_named("float32-arrays"))
    shifted = (
        "        e = np.exp(logits - logits.max(axis=1, keepdims=True))\n"
        "        return e / e.sum(axis=1, keepdims=True)\n"
    )
    assert text.count(shifted) == 1
    lse = (
        "        top = logits.max(axis=1, keepdims=True)\n"
        "        lse = top + np.log(np.exp(logits - top).sum(axis=1, keepdims=True))\n"
        "        return np.exp(logits - lse)\n"
    )
    path = tmp_path / "lse.py"
    path.write_text(text.replace(shifted, lse))
    name = "extreme_logits_give_finite_probabilities"
    for seed in range(8):
        assert run_file(path, only={name}, seed=seed)[name].status is Status.PASS


class Answering:
    """A network that answers as the oracle does, with gradients that a test may spoil."""

    def __init__(self, problem, spoil):
        self.problem, self.spoil = problem, spoil
        self.weights = problem.weights

    def set_weights(self, weights):
        self.weights = weights

    def predict_proba(self, X):
        return oracle.probabilities(self.weights, X, self.problem.activation)

    def loss_and_gradients(self, X, y):
        loss, found = oracle.loss_and_gradients(self.weights, X, y, self.problem.activation)
        return loss, self.spoil(found)


def differenced(spoil, activation="sigmoid", seed=0):
    """The finite-difference statistic of the report's network with spoilt gradients."""
    rng = np.random.default_rng(seed)
    sizes = (784, 500, 250, 100, 10)
    problem = Problem(
        layer_sizes=sizes,
        activation=activation,
        weights=oracle.glorot(sizes, rng, bias_sd=0.1),
        X=rng.uniform(0, 1, (8, 784)),
        y=rng.integers(0, 10, 8),
    )

    class Local(Context):
        def model(self, problem, *, seed=0):
            return Answering(problem, spoil)

    ctx = Local(session=None, seed=0, part="scratch")
    return gradients._difference(ctx, problem, rng, gradients.DIRECTIONS["initialisation"])


def changed(index, change):
    def spoil(found):
        found = [g.copy() for g in found]
        found[index] = change(found[index])
        return found

    return spoil


@pytest.mark.parametrize("activation", oracle.ACTIVATIONS)
def test_right_gradients_pass_the_differences_with_room_to_spare(activation):
    assert differenced(lambda g: g, activation) < 1e-6


def one_entry(g):
    g.flat[g.size // 2] *= 3.0
    return g


@pytest.mark.parametrize(
    ("index", "change"),
    [
        (0, np.zeros_like),  # what gradcheck's fast mode passes on this network
        (0, lambda g: 1.001 * g),
        (1, one_entry),  # one bias of 500
        (3, lambda g: g + 1e-4 * np.abs(g).max()),
        (4, lambda g: g[::-1]),
        (7, np.zeros_like),
    ],
)
def test_wrong_gradients_show_in_the_differences(index, change):
    with pytest.raises(Failed, match=f"gradient of {'Wb'[index % 2]}{index // 2 + 1} disagrees"):
        differenced(changed(index, change))


def test_a_gradient_that_is_not_a_number_does_not_slip_through():
    with pytest.raises(Failed):
        differenced(changed(2, lambda g: g * np.nan))


def test_shares_of_one_epoch_add_up_to_its_batches():
    batches = training.EXAMPLES // training.BATCH + 1
    expected = (training.EXAMPLES - training.TAIL) / training.BATCH + 1
    assert training.TAIL > 0
    assert expected == batches


def test_a_history_that_stays_at_the_first_loss_is_not_true(tmp_path):
    text = loader.text(case_named("classes"))
    old = "            losses.append(loss_sum / len(X))\n"
    head = "        losses, accuracies = [], []\n"
    assert (text.count(old), text.count(head)) == (1, 1)
    text = text.replace(head, f"{head}        self._forward(X)\n        begun = self._loss(y)\n")
    path = tmp_path / "first.py"
    path.write_text(text.replace(old, "            losses.append(begun)\n"))
    found = run_file(path, only={"history_is_true"})["history_is_true"]
    assert found.status is Status.FAIL
    assert found.message.endswith("it is measured before the first")
    assert found.diagnosis == "history_untrue"


def test_code_may_refuse_a_learning_rate_of_0_but_not_fail_with_another(tmp_path):
    text = loader.text(case_named("classes"))
    head = "        losses, accuracies = [], []\n"
    assert text.count(head) == 1
    for guard, status in (("learning_rate > 0", Status.SKIPPED), ("learning_rate < 0", Status.ERROR)):
        path = tmp_path / f"guard_{status}.py"
        path.write_text(text.replace(head, f"{head}        assert {guard}\n"))
        found = run_file(path, only={"learning_rate_zero", "history_is_true"})
        assert found["learning_rate_zero"].status is status
    assert "refuses" in run_file(tmp_path / f"guard_{Status.SKIPPED}.py")["history_is_true"].message


def test_a_network_that_was_not_tried_for_want_of_time_is_not_called_impossible(tmp_path):
    session = LocalSession(loader.materialise(case_named("classes"), tmp_path))
    ctx = Context(session=session, seed=0, part="scratch")
    assert ctx.can_build(ctx.main, "tanh")

    def spent(*arguments, **options):
        raise SubmissionFault(Status.TIMEOUT, "used up its time", spent=True)

    session.build = spent
    with pytest.raises(SubmissionFault, match="used up"):
        ctx.can_build((9, 10), "tanh")


@pytest.mark.parametrize(("spent", "raised"), [(True, SubmissionFault), (False, Failed)])
def test_eleven_layers_that_cannot_be_given_weights_are_mixed_up_unless_time_was_spent(
    spent, raised, tmp_path
):
    session = LocalSession(loader.materialise(case_named("classes"), tmp_path))
    ctx = Context(session=session, seed=0, part="scratch")
    made = session.build

    def failing(layer_sizes, activation, seed, **options):
        model = made(layer_sizes, activation, seed)
        if tuple(layer_sizes) == DEEP and seed == 0 and ("trial", DEEP, activation) in ctx.memo:
            model.set_weights = refuse
        return model

    def refuse(weights):
        raise SubmissionFault(Status.TIMEOUT if spent else Status.ERROR, "no", spent=spent)

    session.build = failing
    with pytest.raises(raised):
        contract.other_networks(ctx)


def test_a_network_that_never_ends_is_not_tried_in_every_size(tmp_path):
    session = LocalSession(loader.materialise(case_named("classes"), tmp_path))
    ctx = Context(session=session, seed=0, part="scratch")
    tried, made = [], session.build

    def endless(layer_sizes, activation, seed, **options):
        tried.append(tuple(layer_sizes))
        if activation == "tanh":
            raise SubmissionFault(Status.TIMEOUT, "build did not finish within 20 s", fatal=True)
        return made(layer_sizes, activation, seed)

    session.build = endless
    with pytest.raises(SubmissionFault, match="within 20 s"):
        ctx.networks("tanh")
    assert tried == [ctx.main, SMALL]
    assert ctx.networks("relu") == [ctx.main, SMALL]


def test_ten_classes_may_be_written_down(tmp_path):
    text = (loader.HERE / "bases" / "functions.py").read_text()
    assert text.count("np.zeros((len(y), classes))") == 1
    path = tmp_path / "ten_classes.py"
    path.write_text(text.replace("np.zeros((len(y), classes))", "np.zeros((len(y), 10))"))
    found = run_file(path)
    assert {r.id: r.message for r in found.values() if r.status not in (Status.PASS, Status.SKIPPED)} == {}
    assert found["many_classes"].evidence["not_applicable"]


@pytest.mark.parametrize(
    ("took", "least"),
    [((0.1,), 0.1), ((0.9, 0.1), 0.1), ((0.3, 0.4, 0.25), 0.25), ((0.7, 0.6), 0.6), ((5.0,), 5.0)],
    ids=["fast", "held up once", "slow", "a second is enough", "very slow"],
)
def test_a_submission_that_the_machine_held_up_is_not_taken_for_a_slow_one(monkeypatch, took, least):
    asked = []
    moments = iter([moment for each in took for moment in (0.0, each)])
    monkeypatch.setattr(context_module.time, "monotonic", lambda: next(moments))
    assert context_module.least_seconds(lambda: asked.append(1), enough=0.2) == least
    assert len(asked) == len(took)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_steep_problem_has_usual_values_and_a_steep_first_gradient(activation, tmp_path):
    session = LocalSession(loader.materialise(case_named("classes"), tmp_path))
    ctx = Context(session=session, seed=0, part="scratch")
    usual, steep = problem_of(ctx, activation), updates._steep(ctx, activation)
    np.testing.assert_allclose(steep.weights[0] * updates.STEEP, usual.weights[0])
    norms = [
        np.linalg.norm(oracle.loss_and_gradients(weights, usual.X, steep.y, activation)[1][0])
        for weights in (usual.weights, steep.weights)
    ]
    assert norms[1] > 20.0 * norms[0] > 0.0
    if activation == "relu":  # a * relu(z) = relu(a * z), and the factors of all layers multiply to 1
        outputs = [oracle.probabilities(w, usual.X, activation) for w in (usual.weights, steep.weights)]
        np.testing.assert_allclose(outputs[1], outputs[0])


def test_no_part_of_the_drifting_rows_stands_for_another():
    X, y = corners._drifting(Context(session=None, seed=0, part="scratch"), corners.LONGEST)
    early, late = slice(0, 10_000), slice(-100, None)
    assert X[early].mean() < 0.2 < 0.6 < X[late].mean() < 1.0
    assert len(np.unique(y[early])) == 10
    assert (y[late] == 9).mean() > 0.8


def test_a_slope_across_a_kink_is_measured_again_in_another_direction(monkeypatch):
    measured = iter([1.0, 2.0, 3.0, 3.0, 5.0])
    monkeypatch.setattr(gradients, "_slope", lambda *_: next(measured))
    rng = np.random.default_rng(0)
    problem = Problem(
        layer_sizes=(3, 2), activation="relu", weights=[np.zeros((3, 2)), np.zeros(2)], X=None, y=None
    )
    direction, slope = gradients._direction(None, problem, 0, rng)
    assert slope == 3.0
    np.testing.assert_allclose(np.linalg.norm(direction), 1.0)
    assert gradients._direction(None, replace(problem, activation="tanh"), 0, rng)[1] == 5.0


def test_training_that_ends_at_a_kink_is_not_differenced_there(tmp_path):
    """With these draws a unit is 3e-7 from its kink after five steps, less than any step of a difference."""
    session = LocalSession(loader.materialise(case_named("classes"), tmp_path))
    ctx = Context(session=session, seed=1280234653, part="scratch")
    statistic = gradients.finite_differences(ctx, "relu")["statistic"]
    assert max(statistic.values()) < 1e-7


@pytest.mark.parametrize(
    ("value", "said"),
    [("np.exp(-np.logaddexp(0.0, -z))", ": both behave as sigmoid"), ("np.logaddexp(0.0, z)", "")],
    ids=["sigmoid", "softplus"],
)
def test_two_activations_that_are_one_are_called_by_its_name(value, said, tmp_path):
    text = loader.text(case_named("classes"))
    assert text.count("return np.tanh(z)") == text.count("return z * (z > 0)") == 1
    path = tmp_path / "alike.py"
    path.write_text(
        text.replace("return np.tanh(z)", f"return {value}").replace("return z * (z > 0)", f"return {value}")
    )
    ctx = Context(session=LocalSession(path), seed=0, part="scratch")
    with pytest.raises(Failed) as caught:
        contract.activations_differ(ctx)
    assert caught.value.message.endswith(f"give the same network{said}")
    assert bool(caught.value.diagnosis) == bool(said)


@pytest.mark.parametrize(
    ("error", "turned", "name"),
    [
        (5e-4, False, "float16"),
        (5e-3, False, "bfloat16"),
        (1e-3, False, None),
        (1e-5, False, None),
        (5e-4, True, None),
    ],
)
def test_errors_in_single_precision_are_named_where_size_and_direction_are_a_shorter_formats(
    error, turned, name
):
    right = [np.linspace(0.1, 1.0, 8).reshape(4, 2), np.array([1.0, 2.0])]
    found = [right[0] * (1.0 + error), right[1] * (-1.0 if turned else 1.0)]
    failure = updates._less_than_single("a step", [error, error], found, right)
    assert failure.diagnosis == name
    assert f"is off by {error:.2g} in W1" in failure.message


@pytest.mark.parametrize(("noise", "asked"), [(0.0, True), (1e-6, False)], ids=["float64", "float32"])
def test_the_loss_that_is_differenced_is_the_submissions_own_unless_it_is_too_coarse(
    monkeypatch, noise, asked
):
    seen = []

    def answer(self, X):
        seen.append(self.weights)
        return oracle.probabilities(self.weights, X, self.problem.activation) + noise

    monkeypatch.setattr(Answering, "predict_proba", answer)
    assert differenced(lambda gradients: gradients) < 1e-6
    # Once as it stands; then twice for each of eight tensors and each direction.
    assert (len(seen) >= 17) if asked else (len(seen) == 1)


@pytest.mark.parametrize(
    "answer", ["loss, [g[..., None] for g in gradients]", "1 / 0"], ids=["another shape", "an error"]
)
def test_an_update_is_not_judged_where_the_gradient_cannot_be_compared(answer, tmp_path):
    text = loader.text(case_named("classes"))
    assert text.count("def loss_and_gradients(") == text.count("\ndef build(") == 1
    inner = f"""
    def loss_and_gradients(self, X, y):
        loss, gradients = self.usual(X, y)
        return {answer}


def build("""
    path = tmp_path / "shapes.py"
    path.write_text(text.replace("def loss_and_gradients(", "def usual(").replace("\n\ndef build(", inner, 1))
    found = run_file(path, only={"full_batch_update[tanh]"})["full_batch_update[tanh]"]
    assert found.status is Status.SKIPPED
    assert found.evidence["root"]["id"] == "gradients_shape[tanh]"


@pytest.mark.parametrize(
    ("spoilt", "name"),
    [("P.astype(np.float16)", "float16"), ("P.round(2)", "bfloat16"), ("P * 0.8", None)],
)
def test_answers_that_are_coarse_for_float32_weights_alone_are_named_by_their_size(spoilt, name, tmp_path):
    text = loader.text(case_named("classes"))
    edits = {
        "    def set_weights(self, weights):\n": "    def set_weights(self, weights):\n"
        "        self.coarse = weights[0].dtype == np.float32\n",
        "    def predict_proba(self, X):\n": "    def predict_proba(self, X):\n"
        f"        P = self.usual(X)\n        return {spoilt} if getattr(self, 'coarse', False) else P\n\n"
        "    def usual(self, X):\n",
    }
    for old, new in edits.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = tmp_path / "coarse.py"
    path.write_text(text)
    ctx = Context(session=LocalSession(path), seed=0, part="scratch")
    with pytest.raises(Failed, match="with float32 weights predict_proba is off by") as caught:
        updates.single_precision(ctx)
    assert caught.value.diagnosis == name
    assert caught.value.message.endswith(f"the size of {name}'s rounding" if name else "it is right")


def test_a_step_is_described_by_what_it_is_made_with():
    plain = Case(activation="tanh", learning_rate=0.1)
    assert plain.text == "1 full-batch step of sgd (tanh, learning rate 0.1)"
    more = replace(plain, steps=8, batches=4, weight_decay=0.01, optimizer="adam")
    assert more.text == "8 4-batches-an-epoch steps of adam (tanh, learning rate 0.1, weight decay 0.01)"


@pytest.mark.parametrize("seed", [20110, 20125])
@pytest.mark.parametrize("case", ["float32-arrays", "torch-float32"])
def test_courses_that_multiply_rounding_are_not_asked_of_float32(case, seed, tmp_path):
    """In the first course that turns, with these draws, right float32 code ends at no epoch's weights."""
    session = LocalSession(loader.materialise(case_named(case), tmp_path))
    ends.ends_with_the_last_epoch(Context(session=session, seed=seed, part="scratch"))


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        # Large seeds may be refused: that is no order, and no weights.
        ("        self.W, self.b", "        assert seed < 1_000_000\n        self.W, self.b", Status.PASS),
        # An order that no seed decides cannot be followed from one training to the next.
        ("self.rng.permutation(len(X))", "np.random.default_rng().permutation(len(X))", Status.SKIPPED),
    ],
)
def test_orders_that_cannot_be_told_blame_nobody(old, new, status, tmp_path):
    source = (loader.HERE / "bases" / "classes.py").read_text()
    assert old in source
    path = tmp_path / "net.py"
    path.write_text(source.replace(old, new, 1))
    found = run_file(path, only={"orders_are_drawn_anew", "same_seed_same_weights"})
    assert found["orders_are_drawn_anew"].status is status
    assert found["same_seed_same_weights"].status is Status.PASS


@pytest.mark.parametrize(
    ("second", "told"),
    [
        ([2, 0, 3, 1], "from its example 1 on and round"),
        ([3, 1, 2, 0], "from its example 3 on and round"),
        ([1, 3, 0, 2], "backwards"),
        ([0, 2, 3, 1], ""),
        ([3, 1, 0, 2], ""),
    ],
)
def test_an_order_that_follows_from_the_last_one_is_told_from_a_draw(second, told):
    assert training._turned([2, 0, 3, 1], second) == told
