"""Distributions that initial weights are drawn from by mistake, and how well weights agree with one.

Sources: Glorot and Bengio (2010), equation 16; He et al. (2015), equation 10.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.oracle import Float

Spread = Callable[[float, float], float]  # of fan_in and fan_out


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A mistaken distribution: uniform to +-spread, uniform from 0, or normal with that deviation (which may
    be cut at twice that).
    """

    id: str
    kind: str  # uniform, half, normal or truncated
    spread: Spread
    sentence: str


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
        "init_limit_halved",
        "uniform",
        lambda i, o: 0.5 * np.sqrt(6 / (i + o)),
        "the limit is half as large as it should be",
    ),
    (
        "init_fans_multiplied",
        "uniform",
        lambda i, o: np.sqrt(6 / (i * o)),
        "the limit is sqrt(6 / (fan_in * fan_out))",
    ),
    (
        "init_framework_fan_out",
        "uniform",
        lambda i, o: np.sqrt(1 / o),
        "the limit is 1 / sqrt(fan_out), PyTorch's default for a transposed matrix",
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
        "init_he_normal_fan_out",
        "normal",
        lambda i, o: np.sqrt(2 / o),
        "the weights are normal with variance 2 / fan_out",
    ),
    (
        "init_normal_variance_halved",
        "normal",
        lambda i, o: np.sqrt(1 / (i + o)),
        "the weights are normal with variance 1 / (fan_in + fan_out)",
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


_SCALES: tuple[tuple[str, Spread], ...] = (
    ("Glorot's", lambda i, o: 2 / (i + o)),
    ("He's", lambda i, o: 2 / i),
    ("LeCun's", lambda i, o: 1 / i),
)
# The deviation that a standard normal keeps when it is cut at +-2; Keras divides by it.
_CUT_SD = 0.8796256610342398


def candidates() -> Iterator[Candidate]:
    """Yield the mistaken distributions that do not depend on the network."""
    for name, kind, spread, sentence in _TABLE:
        yield Candidate(id=name, kind=kind, spread=spread, sentence=f"{sentence}: {_RIGHT}")
    for whose, variance in _SCALES:
        for when, widened in ((" before they are", 1.0), (" when", 1.0 / _CUT_SD)):
            yield Candidate(
                id="init_truncated_normal",
                kind="truncated",
                spread=lambda i, o, v=variance, w=widened: w * np.sqrt(v(i, o)),  # type: ignore[misc]
                sentence=(
                    f"the weights are normal, with {whose} variance{when} cut at two "
                    f"standard deviations: {_RIGHT}"
                ),
            )
    for fixed in (2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001):
        for name, kind, shape in (
            ("init_fixed_normal", "normal", f"normal with deviation {fixed:g}"),
            ("init_truncated_normal", "truncated", f"normal with deviation {fixed:g}, cut at twice that"),
            ("init_fixed_uniform", "uniform", f"uniform to +-{fixed:g}"),
            ("init_not_centred", "half", f"uniform from 0 to {fixed:g}"),
        ):
            yield Candidate(
                id=name,
                kind=kind,
                spread=lambda i, o, fixed=fixed: fixed,  # type: ignore[misc]
                sentence=f"the weights of every layer are {shape}: {_RIGHT}",
            )


def of_one_layer(layer_sizes: Sequence[int]) -> Iterator[Candidate]:
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
        high = 2.0 * spread if kind == "truncated" else spread
        low = 0.0 if kind == "half" else -high
        slack = 1e-6 * high  # float32 may round a draw past the limit
        if values[0] < low - slack or values[-1] > high + slack:
            return 0.0
        if kind == "truncated":
            cdf = np.clip((ndtr(values / spread) - ndtr(-2.0)) / (ndtr(2.0) - ndtr(-2.0)), 0.0, 1.0)
        else:
            cdf = np.clip((values - low) / (high - low), 0.0, 1.0)
    steps = np.arange(n + 1) / n
    distance = max(float((steps[1:] - cdf).max()), float((cdf - steps[:-1]).max()))
    root = np.sqrt(n)
    return float(kolmogorov((root + 0.12 + 0.11 / root) * distance))
