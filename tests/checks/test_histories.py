"""What a returned history may say: losses from between the ends of an epoch, and the truth at rate 0."""

import pytest

from harness.checks import determinism
from harness.checks.context import Context, Failed
from tests.checks.local import LocalSession, case_named
from tests.corpus import loader

# L: the losses before each of the twelve updates, and after the last; four updates an epoch.
BETWEEN = {
    "after each epoch": "[L[4], L[8], L[12]]",
    "the last batch's": "[L[3], L[7], L[11]]",
    "means": "[sum(L[k : k + 4]) / 4 for k in (0, 4, 8)]",
}
OUTSIDE = {
    "of the next epoch": "[L[6], L[6], L[10]]",
    "of the epoch before": "[L[2], L[2], L[10]]",
    "beyond the end": "[L[2], L[6], 0.9 * L[12]]",
    "all the same": "[L[12], L[12], L[12]]",
}


def judged(told, folder, at_rate_0=""):
    text = loader.text(case_named("classes"))
    edits = {
        "        losses, accuracies = [], []\n": "        losses, accuracies, L = [], [], []\n",
        "                dW, db =": "                L.append(self._loss(yb))\n                dW, db =",
        '        return {"loss": losses': f"""        if learning_rate > 0:
            self._forward(X)
            L.append(self._loss(y))
            losses = {told}
        elif {at_rate_0!r}:
            losses = {at_rate_0 or "[]"}
        return {{"loss": losses""",
    }
    for old, new in edits.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "told.py"
    path.write_text(text)
    return determinism.history_is_true(Context(session=LocalSession(path), seed=0, part="scratch"))


@pytest.mark.parametrize("told", BETWEEN.values(), ids=BETWEEN)
def test_losses_from_between_the_ends_of_an_epoch_are_true(told, tmp_path):
    assert set(judged(told, tmp_path)["checked"]) == {"loss", "accuracy"}


@pytest.mark.parametrize("told", OUTSIDE.values(), ids=OUTSIDE)
def test_losses_from_elsewhere_are_not(told, tmp_path):
    with pytest.raises(Failed, match="falls from") as caught:
        judged(told, tmp_path)
    assert caught.value.diagnosis == "history_untrue"
    assert "mean" not in caught.value.message


def test_a_mean_over_all_epochs_is_called_one(tmp_path):
    with pytest.raises(Failed, match=r"for epoch 2, .*it is the mean over all epochs so far"):
        judged("[sum(L[:k]) / k for k in (4, 8, 12)]", tmp_path)


@pytest.mark.parametrize(
    ("told", "said"), [("[L[0], L[4], L[8]]", "each epoch"), ("[L[0]] * 3", "the first")]
)
def test_losses_measured_too_early_are_called_that(told, said, tmp_path):
    with pytest.raises(Failed, match=f"it is measured before {said}"):
        judged(told, tmp_path)


@pytest.mark.parametrize("told", ["L", "[sum(L[:5]) / 5] * epochs"], ids=["each batch", "each epoch"])
def test_at_rate_0_every_batch_may_be_told(told, tmp_path):
    assert "loss" in judged("L", tmp_path, told)["checked"]


@pytest.mark.parametrize(
    "told",
    ["[*L[:-1], 1.2 * L[-1]]", "[L[0]] * 10", "L[:-1]"],
    ids=["a wrong batch", "one batch for all", "a batch is missing"],
)
def test_at_rate_0_batches_whose_means_are_not_the_loss_are_untrue(told, tmp_path):
    with pytest.raises(Failed, match="while the weights stay as they are") as caught:
        judged("L", tmp_path, told)
    assert caught.value.diagnosis == "history_untrue"
