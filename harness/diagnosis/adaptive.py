"""Mistakes of Adam: bias correction, step count, epsilon, running means; other optimizers in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from harness.diagnosis.trajectory import Step, Trajectory, Weights
from harness.diagnosis.types import Hypothesis

Listed = Iterator[tuple[str, str, Callable[[], Weights]]]


def adaptive(path: Trajectory) -> Iterator[Hypothesis]:
    """Yield the mistakes of Adam without weight decay."""
    unasked = () if path.costly else _decays(path)
    for listed in (unasked, _bias_correction(path), _batches(path), _details(path), _others(path)):
        for name, sentence, predict in listed:
            yield Hypothesis(id=name, sentence=sentence, predict=predict)


def _bias_correction(path: Trajectory) -> Listed:
    tensors = len(path.start)
    yield (
        "adam_no_bias_correction",
        "the running means are used without bias correction: divide them by 1 - beta^t",
        lambda: path.adam(correct=(False, False)),
    )
    yield (
        "adam_no_bias_correction_first",
        "the first running mean is used without bias correction",
        lambda: path.adam(correct=(False, True)),
    )
    yield (
        "adam_no_bias_correction_second",
        "the second running mean is used without bias correction",
        lambda: path.adam(correct=(True, False)),
    )
    yield (
        "adam_t_reset",
        "the step count of the bias correction starts again each epoch",
        lambda: path.adam(count=lambda number, tensor: 1),
    )
    yield (
        "adam_state_reset",
        "the optimizer starts afresh each epoch: running means and step count are lost",
        lambda: path.adam(count=lambda number, tensor: 1, forget=True),
    )
    yield (
        "adam_t_per_tensor",
        "the step count goes up once for each tensor: it should once for each update",
        lambda: path.adam(count=lambda number, tensor: number * tensors + tensor + 1),
    )
    # Some walk over all matrices first, then over all biases.
    position = {i: place for place, i in enumerate([*sorted(path.matrices), *sorted(path.biases)])}
    yield (
        "adam_t_per_tensor",
        "the step count goes up once for each tensor: it should once for each update",
        lambda: path.adam(count=lambda number, tensor: number * tensors + position[tensor] + 1),
    )
    yield (
        "adam_t_per_layer",
        "the step count goes up once for each layer: it should once for each update",
        lambda: path.adam(count=lambda number, tensor: number * (tensors // 2) + tensor // 2 + 1),
    )
    for stored, whose in (
        ((True, True), "both"),
        ((True, False), "the first"),
        ((False, True), "the second"),
    ):
        yield (
            "adam_corrected_means_kept",
            f"the bias correction of {whose} running mean{'s' * all(stored)} is stored back, so that it is "
            "applied again at every step: keep the uncorrected means",
            lambda s=stored: path.adam(stored=s),  # type: ignore[misc]
        )
    for powers, said in (
        ((0.9, 0.9), "the second running mean is corrected by 1 - beta1^t, it should be by 1 - beta2^t"),
        ((0.999, 0.999), "the first running mean is corrected by 1 - beta2^t, it should be by 1 - beta1^t"),
        ((0.999, 0.9), "the bias corrections have each other's beta"),
    ):
        yield (
            "adam_correction_of_other_beta",
            said,
            lambda p=powers: path.adam(powers=p),  # type: ignore[misc]
        )
    shapes = [w.shape for w in path.start]
    if len(set(shapes)) < tensors:
        sentence = "tensors of one shape share their running means: keep them for each tensor"

        def slot(tensor: int) -> int:
            return shapes.index(shapes[tensor])

        def count(number: int, tensor: int) -> int:
            """The step count where it is shared, too."""
            return number * shapes.count(shapes[tensor]) + shapes[: tensor + 1].count(shapes[tensor])

        yield "adam_state_by_shape", sentence, lambda: path.adam(slot=slot)
        yield "adam_state_by_shape", sentence, lambda: path.adam(slot=slot, count=count)
    yield (
        "adam_t_off_by_one",
        "the step count of the bias correction starts at 2, it should at 1",
        lambda: path.adam(count=lambda number, tensor: number + 2),
    )


def _batches(path: Trajectory) -> Listed:
    """Mistakes of the step count where an epoch has several updates."""
    batches = path.batches
    if batches == 1:
        return
    yield (
        "adam_t_counts_epochs",
        "the step count goes up once an epoch: it should once for each update",
        lambda: path.adam(count=lambda number, tensor: number // batches + 1),
    )
    yield (
        "adam_t_reset",
        "the step count of the bias correction starts again each epoch",
        lambda: path.adam(count=lambda number, tensor: number % batches + 1),
    )


def _details(path: Trajectory) -> Listed:
    yield (
        "adam_epsilon_inside",
        "epsilon stands under the root, it belongs outside",
        lambda: path.adam(inside=True),
    )
    for exponent in (3, 7) if path.costly else (0, 1, 2, 3, 4, 5, 6, 7, 9, 10):
        epsilon = 10.0**-exponent
        yield (
            "adam_epsilon",
            f"epsilon is {epsilon:g}, it should be 1e-8",
            lambda e=epsilon: path.adam(epsilon=e),  # type: ignore[misc]
        )
        yield (
            "adam_epsilon_inside",
            f"epsilon stands under the root and is {epsilon:g}: it belongs outside, 1e-8",
            lambda e=epsilon: path.adam(epsilon=e, inside=True),  # type: ignore[misc]
        )
    yield "adam_betas_swapped", "beta 1 and beta 2 are swapped", lambda: path.adam(beta1=0.999, beta2=0.9)
    for beta1, beta2 in (
        (0.9, 0.99),
        (0.9, 0.95),
        (0.9, 0.9),
        (0.5, 0.999),
        (0.95, 0.999),
        (0.99, 0.999),
        (0.8, 0.999),
    ):
        yield (
            "adam_betas",
            f"beta 1 and beta 2 are {beta1:g} and {beta2:g}, they should be 0.9 and 0.999",
            lambda a=beta1, b=beta2: path.adam(beta1=a, beta2=b),  # type: ignore[misc]
        )
    yield (
        "adam_no_root",
        "the step is divided by the mean square, it should be by its root",
        lambda: path.adam(root=False),
    )
    for root in (True, False):
        yield (
            "adam_square_missing",
            "the second running mean is that of |g|, it should be of g^2",
            lambda root=root: path.adam(square=np.abs, root=root),  # type: ignore[misc]
        )
    yield "adam_means_aliased", "both running means are kept in one array", lambda: path.run(_aliased(path))
    yield (
        "sign_flipped",
        "the update climbs: Adam's step must be subtracted",
        lambda: path.adam(rate=-path.learning_rate),
    )
    yield (
        "update_twice",
        "every update is twice as long: it is applied twice, or doubled",
        lambda: path.adam(rate=2.0 * path.learning_rate),
    )
    yield "update_twice", "twice the steps asked for were taken", lambda: path.adam(steps=2 * path.steps)
    yield "extra_epoch", "one step more than asked for was taken", lambda: path.adam(steps=path.steps + 1)
    if path.steps > 1:
        yield (
            "missing_epoch",
            "one step less than asked for was taken",
            lambda: path.adam(steps=path.steps - 1),
        )
    yield "no_update", "fit leaves every weight as it was", lambda: [np.zeros_like(w) for w in path.start]
    yield (
        "learning_rate_squared",
        "the step is multiplied by the learning rate twice",
        lambda: path.adam(rate=path.learning_rate**2),
    )
    for rate in (0.1, 0.01, 0.001, 0.0001):
        if abs(rate - path.learning_rate) > 1e-9:
            yield (
                "learning_rate_ignored",
                f"the steps are those of learning rate {rate:g}, {path.learning_rate:g} was asked for",
                lambda rate=rate: path.adam(rate=rate),  # type: ignore[misc]
            )


def _decays(path: Trajectory) -> Listed:
    """Weight decay that nobody asked for, such as the one that AdamW has unless it is told otherwise."""
    for strength in (0.01, 0.001, 1e-4, 5e-4, 0.1, 0.05):
        for of_biases, who in ((1.0, "weights and biases"), (0.0, "weights")):
            decays = [strength * (of_biases if i % 2 else 1.0) for i in range(len(path.start))]
            for decoupled, how in ((path.learning_rate, "as in AdamW "), (0.0, "")):
                yield (
                    "weight_decay_spurious",
                    f"{who} decay by {strength:g} {how}although no weight decay was asked for",
                    lambda d=decays, c=decoupled: path.adam(decays=d, decoupled=c),  # type: ignore[misc]
                )


def _aliased(path: Trajectory) -> Step:
    both = [np.zeros_like(w) for w in path.start]

    def step(number: int, weights: Weights, gradients: Weights) -> Weights:
        after, t = [], number + 1
        for i, (w, g) in enumerate(zip(weights, gradients)):
            both[i] = 0.999 * (0.9 * both[i] + 0.1 * g) + 0.001 * g * g
            mean, second = both[i] / (1 - 0.9**t), both[i] / (1 - 0.999**t)
            after.append(w - path.learning_rate * mean / (np.sqrt(second) + 1e-8))
        return after

    return step


def _others(path: Trajectory) -> Listed:
    rate = path.learning_rate
    yield "adam_is_sgd", "fit(optimizer='adam') takes plain gradient steps", lambda: path.descend()
    for beta in (0.99,) if path.costly else (0.99, 0.9, 0.999):
        for corrected in (False,) if path.costly else (False, True):
            yield (
                "adam_is_rmsprop",
                "fit(optimizer='adam') runs RMSprop: the running mean of the gradient is missing",
                lambda b=beta, c=corrected: path.adam(beta1=0.0, beta2=b, correct=(c, c)),  # type: ignore[misc]
            )
    yield (
        "adam_is_momentum",
        "fit(optimizer='adam') runs gradient descent with momentum 0.9",
        lambda: path.run(_heavy(path)),
    )

    def adagrad() -> Weights:
        total = [np.zeros_like(w) for w in path.start]

        def step(number: int, weights: Weights, gradients: Weights) -> Weights:
            for t, g in zip(total, gradients):
                t += g * g
            return [w - rate * g / (np.sqrt(t) + 1e-8) for w, g, t in zip(weights, gradients, total)]

        return path.run(step)

    yield "adam_is_adagrad", "fit(optimizer='adam') runs Adagrad", adagrad
    yield "adam_is_adamax", "fit(optimizer='adam') runs Adamax", lambda: path.run(_adamax(path))
    yield "adam_is_nadam", "fit(optimizer='adam') runs NAdam", lambda: path.run(_nadam(path))
    for corrected in (False, True):
        yield (
            "adam_is_amsgrad",
            "fit(optimizer='adam') runs AMSGrad: it divides by the largest running mean so far, "
            "it should by the current one",
            lambda c=corrected: path.run(_amsgrad(path, c)),  # type: ignore[misc]
        )


def _heavy(path: Trajectory) -> Step:
    speed = [np.zeros_like(w) for w in path.start]

    def step(number: int, weights: Weights, gradients: Weights) -> Weights:
        for s, g in zip(speed, gradients):
            s *= 0.9
            s += g
        return [w - path.learning_rate * s for w, s in zip(weights, speed)]

    return step


def _amsgrad(path: Trajectory, corrected: bool) -> Step:
    """AMSGrad, whose maximum is taken of the second mean as it is (PyTorch) or after its bias correction."""
    m, v, top = ([np.zeros_like(w) for w in path.start] for _ in range(3))

    def step(number: int, weights: Weights, gradients: Weights) -> Weights:
        after, t = [], number + 1
        for i, (w, g) in enumerate(zip(weights, gradients)):
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g * g
            now = 1 - 0.999**t
            top[i] = np.maximum(top[i], v[i] / now if corrected else v[i])
            size = np.sqrt(top[i] if corrected else top[i] / now) + 1e-8
            after.append(w - path.learning_rate * m[i] / (1 - 0.9**t) / size)
        return after

    return step


def _adamax(path: Trajectory) -> Step:
    m, top = ([np.zeros_like(w) for w in path.start] for _ in range(2))

    def step(number: int, weights: Weights, gradients: Weights) -> Weights:
        for i, g in enumerate(gradients):
            m[i] = 0.9 * m[i] + 0.1 * g
            top[i] = np.maximum(0.999 * top[i], np.abs(g) + 1e-8)
        rate = path.learning_rate / (1 - 0.9 ** (number + 1))
        return [w - rate * mean / size for w, mean, size in zip(weights, m, top)]

    return step


def _nadam(path: Trajectory) -> Step:
    """NAdam as PyTorch computes it (Dozat 2016, with its schedule of the momentum)."""
    m, v = ([np.zeros_like(w) for w in path.start] for _ in range(2))
    product = [1.0]

    def momentum(t: int) -> float:
        return float(0.9 * (1 - 0.5 * 0.96 ** (t * 0.004)))

    def step(number: int, weights: Weights, gradients: Weights) -> Weights:
        t = number + 1
        now, following = momentum(t), momentum(t + 1)
        product[0] = now if t == 1 else product[0] * now
        after = []
        for i, (w, g) in enumerate(zip(weights, gradients)):
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g * g
            size = np.sqrt(v[i] / (1 - 0.999**t)) + 1e-8
            ahead = following * m[i] / (1 - product[0] * following)
            after.append(w - path.learning_rate * ((1 - now) * g / (1 - product[0]) + ahead) / size)
        return after

    return step
