"""Initialisation: Glorot-uniform weights and zero biases, tested as distributions (Glorot and Bengio 2010,
equation 16).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness import diagnosis
from harness.checks.context import Context, Failed, NotApplicable, as_float64, failed, weights_like
from harness.diagnosis.distributions import p_value
from harness.oracle import Float

Evidence = dict[str, Any]
ONE_WIDE = (1, 1, 1, 1, 1, 1, 10)
NARROW_BUILDS = 20  # of five weights each; 0.816, the ratio of the two limits, has p = 2e-9
SAMPLE = 20_000  # of a matrix, where the whole of another activation's was tested: sorting takes time
SIGNIFICANCE = 1e-7  # for each test: with some 20 tests in a grading, one false alarm in 500,000


def glorot_uniform(ctx: Context) -> Evidence:
    """Each W is uniform on [-M, M], M = sqrt(6 / (fan_in + fan_out)), and the biases are zero, with each
    activation.
    """
    if ctx.part == "package":
        _centred(_built(ctx, ctx.activations[0])[1])
        raise NotApplicable("a framework's own initialisation is accepted in the package part")
    sizes: list[int] = []
    for activation in ctx.activations:
        network, weights = _built(ctx, activation)
        _glorot(network, weights, sample=None if not sizes else SAMPLE)
        sizes = list(network)
    return {"network": sizes, **_narrow(ctx)}


def _narrow(ctx: Context) -> Evidence:
    """Raise Failed where layers of one unit never reach the outer part of their limits.

    What is wrong with a fan by one does not show on wide layers: it changes the limit by a thousandth there.
    """
    if ctx.described or not ctx.can_pose(ONE_WIDE, ctx.activations[0]):
        return {}
    drawn = []
    for seed in range(NARROW_BUILDS):
        answer = ctx.session.build(ONE_WIDE, ctx.activations[0], seed).get_weights()
        weights = as_float64(answer, weights_like(ONE_WIDE), "get_weights()")
        drawn += [abs(W.item()) for W in weights[:-2:2]]
    limit, most = float(np.sqrt(3.0)), max(drawn)  # sqrt(6 / (1 + 1))
    if len(set(drawn)) < len(drawn) // 2:
        return {}  # the same draws again and again: another check's finding
    if most > limit * (1 + 1e-6) or (most / limit) ** len(drawn) < SIGNIFICANCE:
        fan = most <= np.sqrt(6.0 / 3.0) * (1 + 1e-6)
        raise Failed(
            f"of {len(drawn)} weights of layers with one input and one unit the largest is {most:.4g}, the "
            f"Glorot limit is {limit:.4g}" + (", sqrt(6 / (fan_in + 1 + fan_out)) is 1.414" if fan else ""),
            diagnosis="init_counts_bias" if fan else None,
        )
    return {"narrow": len(drawn)}


def _glorot(sizes: tuple[int, ...], weights: list[Float], *, sample: int | None) -> None:
    """Raise Failed where a network's weights are not Glorot uniform, by at most ``sample`` of each matrix."""
    for layer, (W, b) in enumerate(zip(weights[::2], weights[1::2]), start=1):
        limit = float(np.sqrt(6.0 / sum(W.shape)))
        if np.abs(b).max() > 0:
            raise _wrong(
                sizes, weights, f"b{layer} should start at zero, found values up to {np.abs(b).max():.3g}"
            )
        if np.abs(W).max() > limit * (1 + 1e-6):
            raise _wrong(
                sizes,
                weights,
                f"W{layer} reaches {np.abs(W).max():.4g}, the Glorot limit for {W.shape} is {limit:.4g}",
            )
        if (p := p_value(np.sort(W.ravel()[:sample]), "uniform", limit)) < SIGNIFICANCE:
            message = (
                f"W{layer} is not uniform on +-{limit:.4g}: mean {W.mean():.3g}, "
                f"standard deviation {W.std():.4g} "
                f"({limit / np.sqrt(3):.4g} expected), largest {np.abs(W).max():.4g}, p = {p:.1g}"
            )
            raise _wrong(sizes, weights, message)


def _centred(weights: list[Float]) -> None:
    """Raise Failed where a layer's weights are not spread about 0, as every framework draws them."""
    for layer, W in enumerate(weights[::2], start=1):
        mean, spread = float(W.mean()), float(W.std())
        # The mean of so many draws is normal: 6.5 standard errors have p = 1e-10.
        if spread > 0 and abs(mean) > 6.5 * spread / np.sqrt(W.size):
            raise Failed(
                f"W{layer} is not centred: its mean is {mean:.3g}, its standard deviation {spread:.3g}",
                diagnosis="init_not_centred",
            )


def layers_are_independent(ctx: Context) -> Evidence:
    """No layer's weights repeat another's: each has draws of its own."""
    _, weights = _built(ctx, ctx.activations[0])
    if any(float(np.ptp(W, axis=axis).max()) == 0.0 for W in weights[::2] for axis in (0, 1)):
        raise Failed("all units of a layer start equal: there are no draws to compare")
    # The generator filled W as it is kept inside: (fan_in, fan_out), or the other way round.
    for layout in (np.ravel, lambda W: W.T.ravel()):
        _independent([layout(W) / max(float(np.abs(W).max()), 1e-300) for W in weights[::2]])
    return {}


def _independent(matrices: list[Float]) -> None:
    """Raise Failed where two layers hold the same draws, up to their scale."""
    for i, first in enumerate(matrices):
        for j, second in enumerate(matrices[:i]):
            count = min(len(first), len(second))
            if count < 20 or min(first[:count].std(), second[:count].std()) == 0:
                continue
            correlation = float(np.corrcoef(first[:count], second[:count])[0, 1])
            # Under independence sqrt(n) r is standard normal; 6.5 has p = 1e-10.
            if abs(correlation) * np.sqrt(count) > 6.5:
                raise Failed(
                    f"W{i + 1} repeats W{j + 1} (correlation {correlation:.3f} over {count} entries): "
                    "the generator is seeded again for each layer",
                    diagnosis="init_same_stream",
                )


def _built(ctx: Context, activation: str) -> tuple[tuple[int, ...], list[Float]]:
    def make() -> tuple[tuple[int, ...], list[Float]]:
        sizes = ctx.initial_network(activation)
        seed = int(ctx.rng("initialisation").integers(1 << 20))
        weights = ctx.session.build(sizes, activation, seed).get_weights()
        return sizes, as_float64(weights, weights_like(sizes), "get_weights()")

    return ctx.once(("built", activation), make)


def _wrong(sizes: tuple[int, ...], weights: list[Float], message: str) -> Failed:
    return failed(message, diagnosis.initialisation(sizes, weights))
