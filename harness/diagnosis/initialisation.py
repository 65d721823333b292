"""Diagnosis of initial weights: the distribution they were drawn from, if it is a known mistake.

Named only where every layer agrees with one distribution and with no other. Sources: Glorot and Bengio
(2010), equation 16; He et al. (2015), equation 10.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harness.diagnosis.types import Diagnosis
from harness.oracle import Float

ACCEPTED = 1e-4  # the least p-value of a distribution that agrees: chance refuses the right one that often
REFUSED = 1e-8  # any other named distribution must be this unlikely, or none is named


Spread = Callable[[float, float], float]  # of fan_in and fan_out


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A mistaken distribution: uniform to +-spread, uniform from 0, or normal with that deviation."""

    id: str
    kind: str  # uniform, half or normal
    spread: Spread
    sentence: str


def diagnose(layer_sizes: Sequence[int], found: Sequence[Float]) -> Diagnosis | None:
    """Name the mistake that gives weights distributed like these at build."""
    matrices, biases = list(found[::2]), list(found[1::2])
    if [W.shape for W in matrices] != list(pairwise(layer_sizes)):
        return None
    if not all(np.isfinite(w).all() for w in found):
        return None
    limits = [float(np.sqrt(6.0 / sum(W.shape))) for W in matrices]
    right = [p_value(np.sort(W.ravel()), "uniform", limit) for W, limit in zip(matrices, limits)]
    if min(right) > ACCEPTED:
        return _of_biases(biases)
    return _constant(matrices) or _transformed(matrices) or _drawn(matrices, layer_sizes)


def _of_biases(biases: list[Float]) -> Diagnosis | None:
    """The weights are right: what is wrong is the biases."""
    if not any(b.any() for b in biases):
        return None
    values = np.concatenate(biases)
    if all(len(b) == 1 or np.ptp(b) == 0 for b in biases) and np.ptp(values) == 0:
        return Diagnosis(
            id="init_constant_biases", sentence=f"every bias starts at {values[0]:.4g}, it should at 0"
        )
    largest = np.abs(values).max()
    sentence = f"biases start at random values (up to {largest:.3g}), they should at 0"
    return Diagnosis(id="init_random_biases", sentence=sentence)


def _layer_scaled(layers: list[tuple[tuple[int, ...], Float]]) -> Diagnosis | None:
    """One layer's draw is multiplied by a round factor, the others' are right."""
    off = []
    for number, (shape, values) in enumerate(layers, start=1):
        limit = float(np.sqrt(6.0 / sum(shape)))
        if p_value(values, "uniform", limit) > ACCEPTED:
            continue
        fits = [
            c for c in (0.001, 0.01, 0.1, 0.5, 2.0, 10.0) if p_value(values, "uniform", c * limit) > ACCEPTED
        ]
        off.append((number, fits))
    if len(layers) < 2 or len(off) != 1 or len(off[0][1]) != 1:
        return None
    number, (factor,) = off[0]
    return Diagnosis(
        id="init_layer_scaled",
        sentence=f"layer {number}'s weights are {factor:g} x what they should be, the others' are right",
    )


def _constant(matrices: list[Float]) -> Diagnosis | None:
    values = np.concatenate([W.ravel() for W in matrices])
    if not values.any():
        return Diagnosis(
            id="init_zeros", sentence="every weight starts at zero: all units of a layer would stay equal"
        )
    if all(np.ptp(W) == 0 for W in matrices):
        return Diagnosis(
            id="init_constant",
            sentence="the weights of a layer all start at one value: its units would stay equal",
        )
    return None


def _transformed(matrices: list[Float]) -> Diagnosis | None:
    """Units or inputs of a layer that share one draw."""
    if all(W.shape[1] > 1 and not np.ptp(W, axis=1).any() for W in matrices):
        return Diagnosis(id="init_units_equal", sentence="all units of a layer start with the same weights")
    if all(W.shape[0] > 1 and not np.ptp(W, axis=0).any() for W in matrices):
        return Diagnosis(
            id="init_inputs_equal", sentence="a unit starts with the same weight for every input"
        )
    return None


def _drawn(matrices: list[Float], layer_sizes: Sequence[int]) -> Diagnosis | None:
    in_order = [(W.shape, np.sort(W.ravel())) for W in matrices]
    scaled = _layer_scaled(in_order)
    if scaled is not None:
        return scaled
    fits, near = [], []
    # Small layers first: they refuse most candidates, and cost little.
    layers = sorted(in_order, key=lambda layer: layer[1].size)
    for candidate in (*_candidates(), *_of_one_layer(layer_sizes)):
        worst = 1.0
        for shape, values in layers:
            worst = min(worst, p_value(values, candidate.kind, candidate.spread(*shape)))
            if worst <= REFUSED:
                break
        if worst > ACCEPTED / 10:
            fits.append(candidate)
        if worst > REFUSED:
            near.append(candidate)
    if len(fits) == 1 and near == fits:
        return Diagnosis(id=fits[0].id, sentence=fits[0].sentence)
    return None


_RIGHT = "they should be uniform to +-sqrt(6 / (fan_in + fan_out))"
_TABLE: tuple[tuple[str, str, Spread, str], ...] = (
    (
        "init_gain",
        "uniform",
        lambda i, o: 5 / 3 * np.sqrt(6 / (i + o)),
        "the limit is multiplied by a gain of 5/3",
    ),
    (
        "init_gain",
        "uniform",
        lambda i, o: np.sqrt(12 / (i + o)),
        "the limit is multiplied by a gain of sqrt(2)",
    ),
    ("init_sqrt3", "uniform", lambda i, o: np.sqrt(3 / (i + o)), "the limit is sqrt(3 / (fan_in + fan_out))"),
    ("init_sqrt2", "uniform", lambda i, o: np.sqrt(2 / (i + o)), "the limit is sqrt(2 / (fan_in + fan_out))"),
    ("init_sqrt1", "uniform", lambda i, o: np.sqrt(1 / (i + o)), "the limit is sqrt(1 / (fan_in + fan_out))"),
    (
        "init_limit_doubled",
        "uniform",
        lambda i, o: 2 * np.sqrt(6 / (i + o)),
        "the limit is twice as large as it should be",
    ),
    (
        "init_no_root",
        "uniform",
        lambda i, o: 6 / (i + o),
        "the limit is 6 / (fan_in + fan_out), the root is missing",
    ),
    ("init_fan_in", "uniform", lambda i, o: np.sqrt(6 / i), "the limit is sqrt(6 / fan_in), He's"),
    ("init_fan_out", "uniform", lambda i, o: np.sqrt(6 / o), "the limit is sqrt(6 / fan_out)"),
    (
        "init_framework",
        "uniform",
        lambda i, o: np.sqrt(1 / i),
        "the limit is 1 / sqrt(fan_in), PyTorch's default",
    ),
    ("init_lecun", "uniform", lambda i, o: np.sqrt(3 / i), "the limit is sqrt(3 / fan_in), LeCun's"),
    (
        "init_missing_brackets",
        "uniform",
        lambda i, o: np.sqrt(6 / i + o),
        "the limit is sqrt(6 / fan_in + fan_out): brackets are missing",
    ),
    (
        "init_missing_brackets",
        "uniform",
        lambda i, o: np.sqrt(6) / i + o,
        "the limit is sqrt(6) / fan_in + fan_out: brackets are missing",
    ),
    (
        "init_missing_brackets",
        "uniform",
        lambda i, o: np.sqrt(6) / (i + o),
        "the limit is sqrt(6) / (fan_in + fan_out): the root must hold it all",
    ),
    (
        "init_limit_as_sd",
        "normal",
        lambda i, o: np.sqrt(6 / (i + o)),
        "the weights are normal with the limit as their deviation",
    ),
    (
        "init_normal",
        "normal",
        lambda i, o: np.sqrt(2 / (i + o)),
        "the weights are normal, with Glorot's variance",
    ),
    (
        "init_he_normal",
        "normal",
        lambda i, o: np.sqrt(2 / i),
        "the weights are normal with variance 2 / fan_in, He's",
    ),
    (
        "init_lecun_normal",
        "normal",
        lambda i, o: np.sqrt(1 / i),
        "the weights are normal with variance 1 / fan_in",
    ),
    (
        "init_variance_as_sd",
        "normal",
        lambda i, o: 2 / (i + o),
        "the weights are normal with Glorot's variance as their deviation",
    ),
    (
        "init_not_centred",
        "half",
        lambda i, o: np.sqrt(6 / (i + o)),
        "the weights are uniform from 0 to the limit",
    ),
)


def _candidates() -> Iterator[Candidate]:
    for name, kind, spread, sentence in _TABLE:
        yield Candidate(id=name, kind=kind, spread=spread, sentence=f"{sentence}: {_RIGHT}")
    for fixed in (2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001):
        for name, kind, shape in (
            ("init_fixed_normal", "normal", f"normal with deviation {fixed:g}"),
            ("init_fixed_uniform", "uniform", f"uniform to +-{fixed:g}"),
            ("init_not_centred", "half", f"uniform from 0 to {fixed:g}"),
        ):
            yield Candidate(
                id=name,
                kind=kind,
                spread=lambda i, o, fixed=fixed: fixed,  # type: ignore[misc]
                sentence=f"the weights of every layer are {shape}: {_RIGHT}",
            )


def _of_one_layer(layer_sizes: Sequence[int]) -> Iterator[Candidate]:
    """Every layer is given the limit of one: the first's, the last's, or that of the whole network's ends."""
    for name, fans, whose in (
        ("init_limit_of_first_layer", layer_sizes[:2], "the first layer's limit"),
        ("init_limit_of_last_layer", layer_sizes[-2:], "the last layer's limit"),
        (
            "init_limit_of_network",
            (layer_sizes[0], layer_sizes[-1]),
            "the limit of the numbers of inputs and classes",
        ),
    ):
        limit = float(np.sqrt(6.0 / sum(fans)))
        yield Candidate(
            id=name,
            kind="uniform",
            spread=lambda i, o, limit=limit: limit,  # type: ignore[misc]
            sentence=f"every layer has {whose}: {_RIGHT}",
        )


def p_value(values: Float, kind: str, spread: float) -> float:
    """Return the p-value of Kolmogorov and Smirnov's test of sorted values (Stephens' approximation)."""
    # Imported here: SciPy's special functions take a while to import, which --help should not wait for.
    from scipy.special import kolmogorov, ndtr

    n = len(values)
    if kind == "normal":
        cdf = ndtr(values / spread)
    else:
        low = 0.0 if kind == "half" else -spread
        slack = 1e-6 * spread  # float32 may round a draw past the limit
        if values[0] < low - slack or values[-1] > spread + slack:
            return 0.0
        cdf = np.clip((values - low) / (spread - low), 0.0, 1.0)
    steps = np.arange(n + 1) / n
    distance = max(float((steps[1:] - cdf).max()), float((cdf - steps[:-1]).max()))
    root = np.sqrt(n)
    return float(kolmogorov((root + 0.12 + 0.11 / root) * distance))
