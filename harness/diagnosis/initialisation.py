"""Diagnosis of initial weights: the distribution they were drawn from, if it is a known mistake.

Named only where every layer agrees with one distribution and with no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from harness.diagnosis.arrangements import arranged
from harness.diagnosis.distributions import Candidate, candidates, of_one_layer, p_value
from harness.diagnosis.layers import named
from harness.diagnosis.types import Diagnosis
from harness.oracle import Float

ACCEPTED = 1e-4  # the least p-value of a distribution that agrees: chance refuses the right one that often
REFUSED = 1e-8  # any other named distribution must be this unlikely, or none is named


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
    known = _constant(matrices) or _transformed(matrices) or _layers_zero(matrices, right)
    if known is not None:
        return known
    # Draws that are tied to one another are no sample: their distribution would be another's by accident.
    tied, known = arranged(matrices, [p > ACCEPTED for p in right])
    return known if tied else _rounded(matrices) or _drawn(matrices, layer_sizes, right)


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


def _layers_zero(matrices: list[Float], right: list[float]) -> Diagnosis | None:
    """Some layers' weights are zero, the others' are right."""
    zero = [number for number, W in enumerate(matrices, start=1) if not W.any()]
    if not zero or any(p <= ACCEPTED for number, p in enumerate(right, start=1) if number not in zero):
        return None
    return Diagnosis(
        id="init_layer_zero",
        sentence=f"the weights of {named(zero)} start at zero, all others are drawn as they should be",
    )


def _rounded(matrices: list[Float]) -> Diagnosis | None:
    """Right draws that were rounded to decimals, on their way in or out."""
    blur = np.random.default_rng([17, 5, 23])  # not the stream of a plain seed, which the weights may be
    for digits in range(1, 7):
        step = 10.0**-digits
        if all(np.abs(W - np.round(W, digits)).max() <= 1e-3 * step for W in matrices):
            for W in matrices:
                limit = float(np.sqrt(6.0 / sum(W.shape)))
                spread = np.clip(W + step * blur.uniform(-0.5, 0.5, W.shape), -limit, limit)
                if p_value(np.sort(spread.ravel()), "uniform", limit) <= ACCEPTED:
                    return None
            return Diagnosis(
                id="weights_rounded",
                sentence=f"the weights are rounded to {digits} decimals, when they are drawn or read",
            )
    return None


def _drawn(matrices: list[Float], layer_sizes: Sequence[int], right: list[float]) -> Diagnosis | None:
    layers = [(W.shape, np.sort(W.ravel())) for W in matrices]
    scaled = _layer_scaled(layers)
    if scaled is not None:
        return scaled
    listed = (*candidates(), *of_one_layer(layer_sizes))
    known, near = _agreeing(layers, listed)
    if known is not None or near:
        return known
    # The last layer is often treated by itself.
    good = [p > ACCEPTED for p in right]
    for part, others in ((layers[:-1], good[-1:]), (layers[-1:], good[:-1])):
        if part and others and all(others):
            known, _ = _agreeing(part, candidates())
            where = "the last layer" if part == layers[-1:] else "all layers but the last"
            return known and replace(known, sentence=f"in {where}, {known.sentence}")
    return None


def _agreeing(
    layers: list[tuple[tuple[int, ...], Float]], listed: Iterable[Candidate]
) -> tuple[Diagnosis | None, bool]:
    """Return the one distribution with which all layers agree, if no other is near, and whether any is."""
    fits, near = [], []
    # Small layers first: they refuse most candidates, and cost little.
    ordered = sorted(layers, key=lambda layer: layer[1].size)
    for candidate in listed:
        worst = 1.0
        for shape, values in ordered:
            worst = min(worst, p_value(values, candidate.kind, candidate.spread(*shape)))
            if worst <= REFUSED:
                break
        if worst > ACCEPTED / 10:
            fits.append(candidate)
        if worst > REFUSED:
            near.append(candidate)
    if len(fits) == 1 and near == fits:
        return Diagnosis(id=fits[0].id, sentence=fits[0].sentence), True
    return None, bool(near)
