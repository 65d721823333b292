"""Hypothesis drives a property over the wire: it proposes small cases, and shrinks the one that breaks.

A case is an activation, a number of rows, a draw (the stream of the weights and inputs) and the property's
own small integers.
"""

from __future__ import annotations

import contextlib
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from harness import oracle
from harness.checks.context import SMALL, Context, Failed, NotApplicable, Problem, clear_of_kinks
from harness.checks.properties_case import Broken, Case, Evidence
from harness.session import Model, SubmissionFault

EXAMPLES = 8  # on a small network: each costs the harness about a millisecond
EXAMPLES_LARGE = 3  # where only the report's network can be built, each carries megabytes
EXAMPLES_EACH = 4  # of each activation, where a property is asked of each
SECONDS = 4.0  # a slow submission is asked fewer examples, but at least two
SHRINKS = 40  # calls after the first counterexample
ROWS = (1, 9)
DRAWS = 64  # streams of weights and inputs in one search; every seed has its own


class _Stop(BaseException):
    """Ends Hypothesis's loop at once; it lets through what is no ``Exception``."""


def for_all(
    ctx: Context,
    holds: Callable[[Case], None],
    *,
    activations: Sequence[str] | None = None,
    rows: tuple[int, int] = ROWS,
    sharpness: tuple[int, int] = (0, 0),
    each: bool = False,
    most: int = EXAMPLES,
    **ranges: tuple[int, int],
) -> Evidence:
    """Raise Failed with the smallest counterexample found if ``holds`` raises Broken for any case.

    ``rows`` and the keywords are inclusive ranges of integers; ``sharpness`` s scales the weights by 2^s:
    units saturate and outputs grow confident. ``each`` searches with every activation, not with a mixture;
    ``most`` bounds the examples.
    """
    chosen = [a for a in ctx.activations if activations is None or a in activations]
    if not chosen:
        raise NotApplicable(f"the submission has no network with {' or '.join(activations or ())}")
    count = 0
    for group in [[a] for a in chosen] if each else [chosen]:
        limit = EXAMPLES_EACH if each else most
        count += _searched(ctx, holds, group, {"rows": rows, "sharpness": sharpness, **ranges}, limit)
    return {"examples": count}


def _searched(
    ctx: Context,
    holds: Callable[[Case], None],
    activations: Sequence[str],
    ranges: Mapping[str, tuple[int, int]],
    most: int,
) -> int:
    """Search once; return the number of examples, or raise what was found."""
    spans = {"activation": (0, len(activations) - 1), "draw": (0, DRAWS - 1), **ranges}
    search = _Search(ctx=ctx, holds=holds, activations=activations, most=most)
    with contextlib.suppress(_Stop):
        _hypothesis(ctx, search, spans)
    if search.broken is not None:
        with contextlib.suppress(_Stop):
            _least(search, spans)
    if search.fault is not None:
        raise search.fault
    if search.broken is not None:
        raise _failed(search)
    return search.count


class _Search:
    """What one property has been asked so far; called once for each example that Hypothesis proposes."""

    def __init__(
        self, *, ctx: Context, holds: Callable[[Case], None], activations: Sequence[str], most: int
    ) -> None:
        self.ctx = ctx
        self.holds = holds
        self.activations = activations
        small = ctx.work_network(activations[0])[0] == SMALL[0]
        self.limit = most if small else min(most, EXAMPLES_LARGE)
        self.count = 0
        self.after = 0  # calls since the first counterexample
        self.fault: Exception | None = None
        self.broken: Broken | None = None
        self.case: tuple[Problem, dict[str, int]] | None = None
        self._start = time.monotonic()
        self._models: dict[str, Model] = {}

    def __call__(self, **numbers: int) -> None:
        late = time.monotonic() - self._start > SECONDS
        if self.broken is None and self.count >= 2 and late:
            raise _Stop
        if self.broken is not None:
            self.after += 1
            if self.after > SHRINKS or late:
                raise _Stop
        try:
            problem, rng = _posed(self.ctx, self.holds.__name__, self.activations, numbers)
            model = self._model(problem)
            self.count += self.broken is None
            self.holds(Case(ctx=self.ctx, problem=problem, model=model, rng=rng, numbers=numbers))
        except Broken as broken:
            self.broken, self.case = broken, (problem, numbers)
            raise
        except (Failed, NotApplicable, SubmissionFault) as fault:
            # Not a counterexample but an end: it is reported as it is, and never shrunk.
            if self.broken is None:
                self.fault = fault
            raise _Stop from None

    def _model(self, problem: Problem) -> Model:
        if problem.activation not in self._models:
            model = self.ctx.session.build(problem.layer_sizes, problem.activation, 0)
            self._models[problem.activation] = model
        return self._models[problem.activation]


def _hypothesis(ctx: Context, search: _Search, spans: Mapping[str, tuple[int, int]]) -> None:
    # Imported here: Hypothesis takes a sixth of a second to import, which --help should not wait for.
    from hypothesis import HealthCheck, Phase, Verbosity, errors, given, seed, settings

    configured = settings(
        max_examples=search.limit,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=Verbosity.quiet,
    )

    def example(**numbers: int) -> None:
        search(**numbers)

    strategies = {name: _integers(low, high) for name, (low, high) in spans.items()}
    key = zlib.crc32(search.holds.__name__.encode())
    # The smallest counterexample is in ``search``; one that does not repeat is a counterexample too.
    with contextlib.suppress(Broken, errors.Flaky):
        seed((ctx.seed << 32) + key)(configured(given(**strategies)(example)))()


def _least(search: _Search, spans: Mapping[str, tuple[int, int]]) -> None:
    """Count each number up from its least value to the first that breaks; bits shrink near it, not to it."""
    search.after = 0
    for name, (low, _) in spans.items():
        assert search.case is not None
        numbers = search.case[1]
        for value in range(low, min(numbers[name], low + 8)):
            try:
                search(**{**numbers, name: value})
            except Broken:
                break


def _integers(low: int, high: int) -> Any:
    """Integers from low to high that shrink towards low, made of booleans.

    Hypothesis's own integers are seasoned with constants of whichever modules happen to be loaded, and write
    what they found into the working folder: one seed would not give the same cases everywhere.
    """
    from hypothesis import strategies as st

    if low == high:
        return st.just(low)
    size = high - low + 1
    count = (size - 1).bit_length()
    count += 2 * (size != 1 << count)  # two more bits than needed, for a nearly even spread

    def scale(bits: tuple[bool, ...]) -> int:
        number = 0
        for bit in bits:
            number = 2 * number + bit
        return low + (number * size >> count)

    return st.tuples(*[st.booleans()] * count).map(scale)


def _posed(
    ctx: Context, name: str, activations: Sequence[str], numbers: Mapping[str, int]
) -> tuple[Problem, np.random.Generator]:
    """Draw the weights and the batch of a case."""
    activation = activations[numbers["activation"]]
    sizes = ctx.work_network(activation)
    rng = ctx.rng("property", name, numbers["draw"])
    rows, scale = numbers["rows"], 2.0 ** numbers["sharpness"]
    weights = [scale * w for w in oracle.glorot(sizes, rng, bias_sd=0.3)]
    X = rng.uniform(0.0, 1.0, (rows, sizes[0]))
    y = rng.integers(0, sizes[-1], rows)
    if activation == "relu":
        clear_of_kinks(weights, X, rng)
    problem = Problem(layer_sizes=sizes, activation=activation, weights=weights, X=X, y=y)
    return problem, rng


def _failed(search: _Search) -> Failed:
    assert search.case is not None
    assert search.broken is not None
    problem, numbers = search.case
    own = {k: v for k, v in numbers.items() if k not in ("activation", "rows", "draw", "sharpness")}
    more = "".join(f", {name} {value}" for name, value in own.items())
    if numbers["sharpness"]:
        more += f", weights x {2.0 ** numbers['sharpness']:g}"
    sizes = "-".join(map(str, problem.layer_sizes))
    rows = f"{len(problem.X)} row{'s' if len(problem.X) > 1 else ''}"
    case = f"{problem.activation}, {sizes}, {rows}, draw {numbers['draw']}{more}"
    return Failed(
        f"{search.broken} ({problem.activation})",
        diagnosis=search.broken.diagnosis,
        detail=f"smallest counterexample: {case}\n  {search.broken}",
        evidence={"counterexample": {**numbers, "activation": problem.activation}, "examples": search.count},
    )
