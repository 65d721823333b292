"""Each property holds for right code, in float64 and float32, and breaks where an implementation is wrong."""

import itertools

import numpy as np
import pytest

from harness import oracle
from harness.checks import context as context_module
from harness.checks import properties_drive, tolerances
from harness.checks.context import MAIN, SMALL, Context, Failed, NotApplicable
from harness.checks.properties import PROPERTIES
from harness.records import Status
from harness.session import SubmissionFault
from harness.worker.__main__ import same_array

RUNS = {run.__name__: run for run, _, _ in PROPERTIES}


class Network:
    """A right network, written for these tests alone; each broken one below overrides one step."""

    dtype = np.float64

    def __init__(self, sizes, activation, seed):
        self.sizes, self.activation = sizes, activation
        self.rng = np.random.default_rng(seed)
        shapes = [s for pair in itertools.pairwise(sizes) for s in (pair, pair[1:])]
        self.weights = [self.rng.uniform(-0.3, 0.3, shape).astype(self.dtype) for shape in shapes]

    def get_weights(self):
        return [w.copy() for w in self.weights]

    def set_weights(self, weights):
        self.weights = [np.array(w, dtype=self.dtype) for w in weights]

    def act(self, z):
        if self.activation == "relu":
            return z * (z > 0)
        return np.tanh(z) if self.activation == "tanh" else 0.5 * (1 + np.tanh(0.5 * z))

    def slope(self, a):
        return {"relu": (a > 0) * 1.0, "tanh": 1 - a * a, "sigmoid": a * (1 - a)}[self.activation]

    def softmax(self, z):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def layers(self, X):
        values = [np.asarray(X, dtype=self.dtype)]
        for i in range(0, len(self.weights) - 2, 2):
            values.append(self.act(values[-1] @ self.weights[i] + self.weights[i + 1]))
        return values, values[-1] @ self.weights[-2] + self.weights[-1]

    def predict_proba(self, X):
        return self.softmax(self.layers(X)[1])

    def mean_loss(self, z, y):
        top = z.max(axis=1)
        rows = np.log(np.exp(z - top[:, None]).sum(axis=1)) + top - z[np.arange(len(y)), y]
        return float(rows.mean())

    def delta(self, z, y):
        d = self.softmax(z)
        d[np.arange(len(y)), y] -= 1
        return d / len(y)

    def loss_and_gradients(self, X, y):
        values, z = self.layers(X)
        d, gradients = self.delta(z, y), []
        for i in range(len(self.weights) - 2, -1, -2):
            a = values[i // 2]
            gradients = [a.T @ d, d.sum(axis=0), *gradients]
            if i:
                d = (d @ self.weights[i].T) * self.slope(a)
        return self.mean_loss(z, y), [g.astype(self.dtype) for g in gradients]

    def fit(self, X, y, *, epochs, batch_size, learning_rate, weight_decay=0.0):
        for _ in range(epochs):
            order = self.rng.permutation(len(X))
            for rows in np.split(order, range(batch_size, len(X), batch_size)):
                self.step(self.loss_and_gradients(X[rows], y[rows])[1], learning_rate, weight_decay)

    def step(self, gradients, learning_rate, weight_decay):
        self.weights = [
            (w - learning_rate * (g + weight_decay * w)).astype(self.dtype)
            for w, g in zip(self.weights, gradients)
        ]


class Single(Network):
    dtype = np.float32


class Session:
    """Answers as a submission's process does, in this one."""

    def __init__(self, kind, only=None):
        self.kind, self.only, self.calls = kind, only, 0
        self.refills, self.X = False, None

    def build(self, layer_sizes, activation, seed):
        if self.only is not None and tuple(layer_sizes) != self.only:
            raise SubmissionFault(Status.ERROR, "no other network")
        return Model(self, self.kind(list(layer_sizes), activation, seed))

    def rows(self, X):
        self.X = same_array(self.X, X.copy(), refill=self.refills)
        return self.X


class Model:
    verbs = frozenset(["get_weights", "set_weights", "predict_proba", "loss_and_gradients", "fit"])

    def __init__(self, session, network):
        self.session, self.network = session, network

    def __getattr__(self, verb):
        def call(*args, **options):
            self.session.calls += 1
            if verb in ("predict_proba", "loss_and_gradients"):
                args = self.session.rows(args[0]), *args[1:]
            with np.errstate(all="ignore"):
                return getattr(self.network, verb)(*args, **options)

        return call


def context(kind, seed=0, **options):
    return Context(session=Session(kind, **options), seed=seed, part="scratch")


@pytest.mark.parametrize("kind", [Network, Single])
@pytest.mark.parametrize("name", RUNS)
def test_right_code_has_every_property(name, kind):
    for seed in range(3):
        assert RUNS[name](context(kind, seed))["examples"] >= (1 if "long" in name else 2)


def broken(name, diagnosis=None):
    """Register a class as what the named property must catch."""

    def register(kind):
        BROKEN.append(pytest.param(name, kind, diagnosis, id=f"{name}-{kind.__name__}"))
        return kind

    return register


BROKEN = []
WITHOUT_SEARCH = {"a_new_question_gets_a_new_answer", "networks_are_independent"}  # one case says it all


@broken("a_new_question_gets_a_new_answer", "answer_kept")
class KeepsItsLoss(Network):
    def loss_and_gradients(self, X, y):
        if getattr(self, "rows", 0) != len(X):
            self.rows, self.answer = len(X), super().loss_and_gradients(X, y)
        return self.answer


@broken("a_new_question_gets_a_new_answer", "answer_kept")
class KeepsItsAnswer(Network):
    def predict_proba(self, X):
        if not np.array_equal(getattr(self, "X", None), X):
            self.X, self.P = X, super().predict_proba(X)
        return self.P


@broken("a_new_question_gets_a_new_answer", "answer_kept")
class KeepsItsAnswerByArray(Network):
    asked = None

    def set_weights(self, weights):
        super().set_weights(weights)
        self.asked = None

    def predict_proba(self, X):
        if X is not self.asked:
            self.asked, self.P = X, super().predict_proba(X)
        return self.P


@broken("a_new_question_gets_a_new_answer", "answer_kept")
class KeepsItsAnswerOverAFit(KeepsItsAnswer):
    def set_weights(self, weights):
        super().set_weights(weights)
        self.X = None


@broken("networks_are_independent", "state_shared")
class Shared(Network):
    def set_weights(self, weights):
        Shared.weights = [np.array(w, dtype=self.dtype) for w in weights]
        del self.weights


@broken("a_long_batch_is_its_parts", "rows_not_answered")
class BlocksOf500(Network):
    def predict_proba(self, X):
        if len(X) < 500:
            return super().predict_proba(X)
        P = super().predict_proba(X)
        P[len(X) // 500 * 500 :] = 0.0
        return P


@broken("a_long_batch_is_its_parts", "rows_not_answered")
class WholeBlocksOf1024(Network):
    def predict_proba(self, X):
        return super().predict_proba(X[: max(len(X) // 1024 * 1024, 1)] if len(X) > 1024 else X)


@broken("a_fit_leaves_nothing_behind", "gradient_accumulated")
class LastGradientLeft(Network):
    left = None

    def loss_and_gradients(self, X, y):
        loss, gradients = super().loss_and_gradients(X, y)
        if self.left is not None:
            gradients, self.left = [g + more for g, more in zip(gradients, self.left)], None
        return loss, gradients

    def fit(self, X, y, **options):
        self.left = None
        last = super().loss_and_gradients(X, y)[1]
        super().fit(X, y, **options)
        self.left = last


@broken("a_fit_leaves_nothing_behind", "gradient_accumulated")
class QuestionsGradientLeft(Network):
    asked = None

    def loss_and_gradients(self, X, y):
        loss, self.asked = super().loss_and_gradients(X, y)
        return loss, self.asked

    def fit(self, X, y, *, learning_rate, **options):
        asked, self.asked = self.asked, None
        super().fit(X, y, learning_rate=learning_rate, **options)
        if asked is not None:
            self.weights = [w - learning_rate * g for w, g in zip(self.weights, asked)]
        self.asked = None


@broken("rows_are_distributions")
class Unnormalised(Network):
    def softmax(self, z):
        return np.exp(z - z.max(axis=1, keepdims=True))


@broken("rows_are_distributions")
class Negative(Network):
    def softmax(self, z):
        return super().softmax(z) * 1.5 - 0.5 / z.shape[1]


@broken("extreme_logits_give_finite_probabilities", "softmax_overflow")
class NoShift(Network):
    def softmax(self, z):
        return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


@broken("extreme_logits_give_finite_probabilities", "softmax_overflow")
class LogWithoutShift(Network):
    def softmax(self, z):
        return np.exp(z - np.log(np.exp(z).sum(axis=1, keepdims=True)))


@broken("hidden_units_are_monotone_and_in_range", "relu_capped")
class CappedReLU(Network):
    def act(self, z):
        return np.clip(z, 0.0, 6.0) if self.activation == "relu" else super().act(z)


@broken("hidden_units_are_monotone_and_in_range", "logits_clipped")
class CappedLogits(Network):
    def softmax(self, z):
        return super().softmax(np.clip(z, -8.0, 8.0))


@broken("extreme_logits_give_finite_probabilities")
class Capped(Network):
    def softmax(self, z):
        return super().softmax(np.clip(z, -9999, 9999) / 9999)


@broken("saturated_units_stay_finite", "activation_overflow")
class Exponential(Network):
    def act(self, z):
        e = np.exp(z)
        return e / (1 + e) if self.activation == "sigmoid" else super().act(z)


@broken("saturated_units_stay_finite")
class NoShiftWithReLU(NoShift):
    def layers(self, X):
        values, z = super().layers(X)
        return values, z * 10 if self.activation == "relu" else z


@broken("an_extreme_row_changes_no_other", "softmax_global_max")
class GlobalMax(Network):
    def softmax(self, z):
        e = np.exp(z - z.max())
        return e / e.sum(axis=1, keepdims=True)


@broken("a_row_alone_is_the_row_in_a_batch")
class BatchStatistics(Network):
    def layers(self, X):
        return super().layers(X - X.mean(axis=0) if len(X) > 1 else X)


@broken("a_row_alone_is_the_row_in_a_batch")
class FirstRowOnly(Network):
    def predict_proba(self, X):
        return np.tile(super().predict_proba(X)[:1], (len(X), 1))


@broken("shifting_the_logits_changes_nothing")
class Shares(Network):
    def softmax(self, z):
        e = np.logaddexp(0, z)
        return e / e.sum(axis=1, keepdims=True)


@broken("permuting_classes_permutes_probabilities")
class Favourite(Network):
    def softmax(self, z):
        z = z.copy()
        z[:, 0] += 0.1
        return super().softmax(z)


@broken("loss_is_not_negative")
class Likelihood(Network):
    def mean_loss(self, z, y):
        return -super().mean_loss(z, y)


@broken("loss_is_not_negative")
class Underflow(Network):
    def mean_loss(self, z, y):
        # A coarse grid of probabilities: infinite where a true loss is 7 already.
        p = np.where(self.softmax(z) < 1e-3, 0.0, self.softmax(z))
        return float(-np.log(p[np.arange(len(y)), y]).mean())


@broken("loss_is_not_negative")
class Penalised(Network):
    def mean_loss(self, z, y):
        return super().mean_loss(z, y) + 0.01


@broken("loss_is_the_mean_of_its_parts")
class SummedLoss(Network):
    def mean_loss(self, z, y):
        return super().mean_loss(z, y) * len(y)


@broken("loss_ignores_the_order_of_rows")
class LastRowLoss(Network):
    def mean_loss(self, z, y):
        return super().mean_loss(z[-1:], y[-1:])


@broken("loss_of_a_doubled_batch_is_the_same")
class FixedDivisor(Network):
    def mean_loss(self, z, y):
        return super().mean_loss(z, y) * len(y) / 64


@broken("gradients_are_the_mean_of_their_parts")
@broken("gradients_of_a_doubled_batch_are_the_same")
class SummedGradients(Network):
    def delta(self, z, y):
        return super().delta(z, y) * len(y)


@broken("gradients_ignore_the_order_of_rows")
class LastRowBias(Network):
    def loss_and_gradients(self, X, y):
        loss, gradients = super().loss_and_gradients(X, y)
        gradients[-1] = self.delta(self.layers(X)[1], y)[-1]
        return loss, gradients


@broken("last_gradients_sum_to_zero_over_classes")
class DiagonalJacobian(Network):
    def delta(self, z, y):
        return super().delta(z, y) * (np.eye(z.shape[1])[y] > 0)


@broken("an_input_of_zeros_has_no_gradient")
class Centred(Network):
    def loss_and_gradients(self, X, y):
        return super().loss_and_gradients(X - 0.1, y)


@broken("answers_ignore_earlier_calls")
class Accumulating(Network):
    total = None

    def loss_and_gradients(self, X, y):
        loss, gradients = super().loss_and_gradients(X, y)
        self.total = gradients if self.total is None else [t + g for t, g in zip(self.total, gradients)]
        return loss, self.total


@broken("hidden_units_are_monotone_and_in_range", "preactivation_clipped")
class Clipped(Network):
    def act(self, z):
        return super().act(np.clip(z, -5, 5)) if self.activation == "tanh" else super().act(z)


@broken("hidden_units_are_monotone_and_in_range")
class Hump(Network):
    def act(self, z):
        return z / (1 + z * z) if self.activation == "tanh" else super().act(z)


@broken("permuting_hidden_units_permutes_gradients")
class UnevenUnits(Network):
    def act(self, z):
        return super().act(z) * np.linspace(1, 1.1, z.shape[1])


@broken("rescaling_relu_units_changes_nothing")
class Softplus(Network):
    def act(self, z):
        return np.logaddexp(0, z) if self.activation == "relu" else super().act(z)


@broken("flipping_tanh_units_changes_nothing")
class OffCentre(Network):
    def act(self, z):
        return np.tanh(z) + 0.01 if self.activation == "tanh" else super().act(z)


@broken("sigmoid_of_minus_z_is_one_minus_sigmoid")
class Steep(Network):
    def act(self, z):
        return np.exp(-np.exp(-z)) if self.activation == "sigmoid" else super().act(z)


@broken("a_step_is_linear_in_the_learning_rate")
class RateCapped(Network):
    def step(self, gradients, learning_rate, weight_decay):
        super().step(gradients, min(learning_rate, 0.3), weight_decay)


@broken("a_step_is_linear_in_the_learning_rate", "settings_kept")
class FirstRateForEver(Network):
    def fit(self, X, y, *, learning_rate, **options):
        self.rate = getattr(self, "rate", learning_rate)
        super().fit(X, y, learning_rate=self.rate, **options)


@broken("a_step_is_linear_in_the_learning_rate", "stale_parameters")
class OptimizerOfTheFirstWeights(Network):
    held = None

    def fit(self, X, y, **options):
        if self.held is None:
            self.held = self.weights
        own, self.weights = self.weights, self.held
        super().fit(X, y, **options)
        self.held, self.weights = self.weights, self.weights if own is self.held else own


@broken("a_step_is_linear_in_the_learning_rate", "later_fits_do_nothing")
class EpochsCountedOverFits(Network):
    fits = 0

    def fit(self, X, y, **options):
        self.fits += 1
        if self.fits == 1:
            super().fit(X, y, **options)


@broken("a_fit_leaves_nothing_behind", "decay_left_behind")
class DecayLeftInTheGradient(Network):
    decay = 0.0

    def fit(self, X, y, *, weight_decay=0.0, **options):
        self.decay = weight_decay
        super().fit(X, y, **options)

    def loss_and_gradients(self, X, y):
        loss, gradients = super().loss_and_gradients(X, y)
        return loss, [
            g + self.decay * w if i % 2 == 0 else g for i, (g, w) in enumerate(zip(gradients, self.weights))
        ]


@broken("a_fit_leaves_nothing_behind", "settings_kept")
class DecayForEver(Network):
    decay = 0.0

    def fit(self, X, y, *, weight_decay=0.0, **options):
        self.decay = self.decay or weight_decay
        super().fit(X, y, weight_decay=self.decay, **options)


@broken("a_fit_leaves_nothing_behind", "gradient_accumulated")
class GradientOfTheQuestionLeft(Network):
    left = None

    def set_weights(self, weights):
        super().set_weights(weights)
        self.left = None

    def loss_and_gradients(self, X, y):
        loss, gradients = super().loss_and_gradients(X, y)
        if self.left is not None:
            gradients, self.left = [a + b for a, b in zip(gradients, self.left)], None
        else:
            self.left = gradients
        return loss, gradients

    def fit(self, X, y, **options):
        super().fit(X, y, **options)
        self.left = None


@broken("shifting_the_logits_changes_no_loss", "loss_overflow")
class LossWithoutShift(Network):
    def mean_loss(self, z, y):
        return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]).mean())


@broken("shifting_the_logits_changes_no_loss")
class LossOfRoundedLogits(Network):
    def mean_loss(self, z, y):
        return super().mean_loss(z.astype(np.float16).astype(z.dtype), y)


@broken("training_goes_on_from_where_it_stands")
class Restarting(Network):
    def fit(self, X, y, **options):
        if not hasattr(self, "start"):
            self.start = self.get_weights()
        self.weights = [w.copy() for w in self.start]
        super().fit(X, y, **options)

    def set_weights(self, weights):
        super().set_weights(weights)
        self.start = self.get_weights()


@broken("a_long_batch_is_its_parts", "rows_not_answered")
class FullBatchesOnly(Network):
    def predict_proba(self, X):
        P = super().predict_proba(X)
        P[len(X) // 64 * 64 :] *= len(X) < 64
        return P


@broken("a_long_batch_is_its_parts")
class CoarseWhenLong(Network):
    def predict_proba(self, X):
        return super().predict_proba(X).round(2 if len(X) > 64 else 9)


@broken("a_step_uses_every_row_of_a_long_batch", "rows_left_out")
class FirstThousand(Network):
    def fit(self, X, y, **options):
        super().fit(X[:1000], y[:1000], **options)


@broken("a_step_uses_every_row_of_a_long_batch")
class EveryOther(Network):
    def fit(self, X, y, **options):
        step = 2 if len(X) > 1000 else 1
        super().fit(X[::step], y[::step], **options)


@broken("weight_decay_zero_is_none")
class DefaultDecay(Network):
    def fit(self, X, y, *, weight_decay=1e-3, **options):
        super().fit(X, y, weight_decay=weight_decay, **options)


@pytest.mark.parametrize(("name", "kind", "diagnosis"), BROKEN)
def test_broken_code_is_caught_by_its_property(name, kind, diagnosis):
    for seed in range(2):
        with pytest.raises(Failed) as caught:
            RUNS[name](context(kind, seed))
        assert caught.value.diagnosis == diagnosis
        searched = name not in WITHOUT_SEARCH and kind not in (BlocksOf500, WholeBlocksOf1024)
        assert caught.value.detail.startswith("smallest counterexample: ") == searched


def test_every_property_is_broken_by_something():
    assert {param.values[0] for param in BROKEN} == set(RUNS)


@pytest.mark.parametrize("rows", [2, 3, 4, 5, 6])
def test_a_counterexample_is_shrunk_to_the_smallest_and_told(rows):
    class WrongFromSomeRows(Network):
        def predict_proba(self, X):
            P = super().predict_proba(X)
            return P * 1.1 if len(X) >= rows else P

    with pytest.raises(Failed) as caught:
        RUNS["rows_are_distributions"](context(WrongFromSomeRows))
    assert caught.value.evidence["counterexample"]["rows"] == rows
    assert caught.value.evidence["counterexample"]["sharpness"] == 0
    assert f"{rows} rows, draw 0" in caught.value.detail


def test_a_mixture_holds_every_activation():
    seen = set()

    class Watched(Network):
        def predict_proba(self, X):
            if np.ptp(X) > 0:
                seen.add(self.activation)
            return super().predict_proba(X)

    for seed in range(4):
        RUNS["shifting_the_logits_changes_nothing"](context(Watched, seed))
    assert seen == set(oracle.ACTIVATIONS)


def test_one_seed_asks_the_same_cases_and_another_asks_others():
    def asked(seed):
        cases = []

        class Watched(Network):
            def predict_proba(self, X):
                if np.ptp(X) > 0:  # a constant batch only asks whether the network can be built
                    cases.append(X.tobytes())
                return super().predict_proba(X)

        RUNS["rows_are_distributions"](context(Watched, seed))
        return cases

    assert asked(7) == asked(7)
    assert not set(asked(7)) & set(asked(8))


def test_a_fault_ends_the_search_at_once():
    class Crashing(Network):
        def loss_and_gradients(self, X, y):
            raise SubmissionFault(Status.CRASHED, "gone")

    ctx = context(Crashing)
    assert not ctx.float32
    before = ctx.session.calls
    with pytest.raises(SubmissionFault, match="gone"):
        RUNS["loss_is_not_negative"](ctx)
    assert ctx.session.calls - before < 10


def test_code_that_answers_at_random_is_a_counterexample_not_an_error():
    class Fickle(Network):
        count = 0

        def predict_proba(self, X):
            Fickle.count += 1
            return super().predict_proba(X) * (0.5 if Fickle.count % 7 == 0 else 1.0)

    caught = []
    for seed in range(10):
        try:
            RUNS["rows_are_distributions"](context(Fickle, seed))
        except Failed as failure:
            caught.append(failure.message)
    assert caught
    assert all("sum of a row" in message for message in caught)


def test_a_shape_that_depends_on_the_weights_is_named():
    class Squeezed(Network):
        def predict_proba(self, X):
            P = super().predict_proba(X)
            return P[0] if len(X) == 1 else P

    with pytest.raises(Failed, match=r"should have shape \(1, 10\), found \(10,\)"):
        RUNS["rows_are_distributions"](context(Squeezed))


def test_a_submission_with_one_network_is_asked_few_examples_of_it():
    ctx = context(Network, only=MAIN)
    for name in ("rows_are_distributions", "gradients_ignore_the_order_of_rows"):
        assert 1 < RUNS[name](ctx)["examples"] <= properties_drive.EXAMPLES_LARGE


def test_a_slow_submission_is_asked_at_least_two_examples(monkeypatch):
    now = itertools.count(step=100.0)
    monkeypatch.setattr(properties_drive.time, "monotonic", lambda: next(now))
    assert RUNS["shifting_the_logits_changes_nothing"](context(Network))["examples"] == 2


def test_a_submission_too_slow_for_long_batches_is_not_asked_for_one(monkeypatch):
    now = itertools.count(step=0.3)
    monkeypatch.setattr(context_module.time, "monotonic", lambda: next(now))
    with pytest.raises(NotApplicable, match="too long"):
        RUNS["a_step_uses_every_row_of_a_long_batch"](context(Network))


def test_an_activation_that_is_not_there_is_not_asked_for():
    ctx = context(Network)
    ctx.activations = ("relu",)
    with pytest.raises(NotApplicable):
        RUNS["flipping_tanh_units_changes_nothing"](ctx)
    assert RUNS["rescaling_relu_units_changes_nothing"](ctx)["examples"] > 1


def test_a_fit_without_weight_decay_is_not_provided():
    class Bare(Network):
        def fit(self, X, y, *, weight_decay=None, **options):
            if weight_decay is not None:
                raise SubmissionFault(Status.ERROR, "fit raised TypeError: unexpected keyword 'weight_decay'")
            super().fit(X, y, weight_decay=0.0, **options)

    with pytest.raises(SubmissionFault) as caught:
        RUNS["weight_decay_zero_is_none"](context(Bare))
    assert caught.value.status is Status.NOT_PROVIDED


def test_hypothesis_leaves_nothing_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("rows_are_distributions", "a_row_alone_is_the_row_in_a_batch"):
        RUNS[name](context(Network))
    assert list(tmp_path.iterdir()) == []


def test_integers_cover_their_range_and_shrink_towards_its_start():
    from hypothesis import find, given

    strategy = properties_drive._integers(3, 9)
    seen = set()

    @given(strategy)
    def collect(value):
        seen.add(value)

    collect()
    assert seen == set(range(3, 10))
    assert find(strategy, lambda value: True) == 3
    assert find(strategy, lambda value: value >= 5) <= 6


def hidden_margins(problem):
    """The least |z| of each hidden layer, by its largest."""
    a = problem.X
    for W, b in zip(problem.weights[:-2:2], problem.weights[1:-2:2]):
        z = a @ W + b
        yield np.abs(z).min() / np.abs(z).max()
        a = np.maximum(z, 0)


def test_relu_problems_keep_away_from_the_kink():
    ctx = context(Network)
    cases = [
        properties_drive._posed(
            ctx, "test", ["relu"], {"activation": 0, "rows": 9, "draw": d, "sharpness": 2}
        )
        for d in range(30)
    ]
    problems = [case for case, _ in cases]
    problems += [ctx.problem(sizes, "relu", batch) for sizes in (MAIN, SMALL) for batch in (64, 7)]
    for problem in problems:
        assert min(hidden_margins(problem)) >= tolerances.KINK


def test_what_is_kept_for_all_networks_is_told_from_a_new_answer():
    kept = {}  # a new network finds it, too: only float64 tells

    class OneHotsKept(Network):
        def delta(self, z, y):
            ones = kept.setdefault(z.shape, np.zeros(z.shape))
            ones[np.arange(len(y)), y] = 1.0
            return (self.softmax(z) - ones) / len(y)

    with pytest.raises(Failed) as caught:
        RUNS["a_new_question_gets_a_new_answer"](context(OneHotsKept))
    assert caught.value.diagnosis == "answer_kept"
