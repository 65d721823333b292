"""Training: an epoch uses every example once, in batches of the size asked for, in a new order each time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from harness import oracle
from harness.checks import tolerances
from harness.checks.context import (
    ALIKE,
    Context,
    Failed,
    NotApplicable,
    Problem,
    RestsOn,
    alike,
    as_float64,
    failed,
    seed_cut,
)
from harness.checks.ends import best_restored
from harness.checks.probe import BATCH, EXAMPLES, ORDERED, TAIL, Uses, orders_of, uses_of
from harness.oracle import Float
from harness.records import Status
from harness.session import SubmissionFault

Evidence = dict[str, Any]

MIXED = 16  # examples of either class, and in either batch
MIXED_RATE = 0.5  # the order of two steps shows in their second order: by a hundredth of the way at this rate
SLACK = 0.15  # of 1/4: the counts are whole numbers, so this is generous


def uses_every_example_once(ctx: Context) -> Evidence:
    """An epoch uses every example exactly once, with its own label, the short last batch included."""
    uses = uses_of(ctx, epochs=1)
    _explained(uses)
    unused = int((uses.share < SLACK / BATCH).sum())
    if unused:
        if unused == TAIL and _drops_every_tail(ctx):
            raise Failed(
                f"an epoch of {EXAMPLES} examples in batches of {BATCH} leaves out {unused}: "
                "the short last batch is dropped",
                diagnosis="tail_dropped",
            )
        total = float(uses.share.sum())
        if int((uses.share > 1.5 / BATCH).sum()) > TAIL and total > 4.0:
            raise Failed(
                f"an epoch leaves out {unused} of {EXAMPLES} examples and uses others more than once: "
                "examples are drawn with replacement, or rows were overwritten while shuffling",
                diagnosis=None,  # drawn, or overwritten: the counts do not tell which
            )
        # Of those that are used none is used twice, nor in a batch of another size: a part is left out.
        rest = uses.share[uses.share > SLACK / BATCH]
        plain = len(rest) > 0 and all(min(abs(s * BATCH - 1), abs(s * TAIL - 1)) < SLACK for s in rest)
        raise Failed(
            f"an epoch leaves out {unused} of {EXAMPLES} examples",
            diagnosis="rows_left_out" if plain else None,
        )
    expected = np.sort(np.r_[np.full(EXAMPLES - TAIL, 1 / BATCH), np.full(TAIL, 1 / TAIL)])
    found = np.sort(uses.share)
    if np.all(np.abs(found - expected) < SLACK * expected):
        return {"shares": [round(float(s), 4) for s in uses.share]}
    raise _wrong_shares(found, expected)


def runs_the_epochs_asked_for(ctx: Context) -> Evidence:
    """Three epochs use every example three times, one epoch once: none missing, none extra, none
    restarted.
    """
    uses = uses_of(ctx, epochs=3)
    _explained(uses)
    expected = 3.0 * (EXAMPLES // BATCH + 1)
    found = float(uses.share.sum())
    once = float(uses_of(ctx, epochs=1).share.sum())
    # The sum over examples of 1 / batch size is the number of batches, whatever their sizes.
    if abs(found - 3.0 * once) > SLACK * expected:
        extra = found / once
        if (restored := best_restored(ctx)) is not None:
            raise failed(f"three epochs move the weights {extra:.2f} times as far as one", restored)
        raise Failed(
            f"fit(epochs=3) makes {extra:.2f} times as many updates as fit(epochs=1), 3 expected",
            diagnosis="extra_epoch" if abs(extra - round(extra)) < 0.1 and extra > 0.5 else None,
        )
    return {"batches": found}


def batches_mix_classes(ctx: Context) -> Evidence:
    """A batch is drawn from all the data: it does not hold the examples of one class alone.

    The rows are all alike, half of them of one class, half of another, in two batches: what the weights
    become tells how many of each class the first batch held.
    """
    activation = ctx.one_activation
    base = ctx.problem(ctx.work_network(activation), activation, BATCH, "mixed classes")
    y = base.y[0] + np.arange(2 * MIXED) % 2 * (1 if base.y[0] == 0 else -1)
    asked = replace(alike(base, 2 * MIXED), y=y)
    counts = []
    for seed in (0, 1):
        model, problem = ctx.posed(asked, seed=seed)
        model.fit(problem.X, problem.y, epochs=1, batch_size=MIXED, learning_rate=MIXED_RATE)
        after = as_float64(model.get_weights(), problem.weights, "get_weights() after fit")
        counts.append(_first_of_a_class(problem, after))
    # By chance a batch of sixteen holds one class alone three times in a thousand million.
    if all(count in (0, MIXED) for count in counts):
        raise Failed(
            f"of {2 * MIXED} examples of two classes each batch of {MIXED} holds one class alone: "
            "the examples are sorted by their labels",
            diagnosis="sorted_by_class",
        )
    return {"of one class in the first batch": counts}


def _first_of_a_class(problem: Problem, found: list[Float]) -> int | None:
    """How many examples of the first row's class the first batch held; None where no number explains it."""
    ones, others = np.flatnonzero(problem.y == problem.y[0]), np.flatnonzero(problem.y != problem.y[0])
    moved = float(np.linalg.norm(found[-1] - problem.weights[-1]))
    apart = []
    for count in range(MIXED + 1):
        rest = MIXED - count
        weights = problem.weights
        for rows in (np.r_[ones[:count], others[:rest]], np.r_[ones[count:], others[rest:]]):
            steps = oracle.sgd(
                weights, problem.X[rows], problem.y[rows], problem.activation, learning_rate=MIXED_RATE
            )
            weights = next(steps)
        apart.append(float(np.linalg.norm(found[-1] - weights[-1])))
    nearest = int(np.argmin(apart))
    return nearest if apart[nearest] < 1e-4 * moved else None


def a_batch_of_one_row_is_trained_on(ctx: Context) -> Evidence:
    """A batch that holds a single example makes an update like any other."""
    last = uses_of(ctx, epochs=1, examples=2 * BATCH + 1).share
    alone = int((last > 0.5).sum())
    if float(last.min()) < SLACK / BATCH and abs(float(last.sum()) - 2.0) < SLACK:
        raise Failed(
            f"of {2 * BATCH + 1} examples in batches of {BATCH} the last one is alone in its batch and is "
            "left out: a batch of one row makes no update",
            diagnosis="one_row_batch_skipped",
        )
    if (even := _even_parts(last)) is not None:
        raise even
    if alone != 1 or abs(float(last.sum()) - 3.0) > 3 * SLACK:
        listed = ", ".join(f"{share:.3f}" for share in np.sort(last))
        raise Failed(
            f"of {2 * BATCH + 1} examples in batches of {BATCH} one is alone in its batch: "
            f"it should weigh 1, the others 1/{BATCH}; found {listed}"
        )
    single = uses_of(ctx, epochs=1, examples=BATCH + 1, batch=1).share
    if np.abs(single - 1.0).max() > 2 * SLACK:
        raise Failed(
            f"with batch_size=1 each example should weigh 1, found {single.min():.3f} to {single.max():.3f}",
            diagnosis="one_row_batch_skipped" if float(single.max()) == 0.0 else None,
        )
    return {"alone": float(last.max())}


def batch_size_is_respected(ctx: Context) -> Evidence:
    """Updates are made on batches of the size asked for: one an update, averaged over it."""
    uses = uses_of(ctx, epochs=1)
    _explained(uses)
    used = uses.share[uses.share > SLACK / BATCH]
    typical = float(np.median(used)) if len(used) else 0.0
    if abs(typical - 1 / BATCH) > SLACK / BATCH:
        if abs(typical - 1 / EXAMPLES) < SLACK / EXAMPLES:
            raise Failed(
                f"batch_size={BATCH} is ignored: each example weighs 1/{EXAMPLES}, "
                "the whole set is one batch",
                diagnosis="wrong_batch_size",
            )
        size = 1.0 / typical if typical > 0 else float("inf")
        if _even_parts(uses.share) is not None:
            raise RestsOn("uses_every_example_once")
        if not _one_size(uses, size):
            raise RestsOn("uses_every_example_once")  # no size of a batch explains what it found
        raise Failed(
            f"with batch_size={BATCH} each example weighs {typical:.4g} in its update, 1/{BATCH} expected: "
            f"as if batches held {size:.3g} examples",
            diagnosis="wrong_batch_size",
        )
    return {"weight": typical}


def _one_size(uses: Uses, size: float) -> bool:
    """Whether every example was used, all alike, as if in batches of a whole number."""
    alike = (
        float(np.ptp(uses.share)) < 2 * SLACK * float(uses.share.max())
        or int((np.abs(uses.share - 1 / size) < SLACK / size).sum()) >= EXAMPLES - BATCH
    )
    return alike and float(uses.share.min()) > SLACK / BATCH and abs(size - round(size)) < 0.05 * size


def _drops_every_tail(ctx: Context) -> bool:
    """Whether three epochs make three times the whole batches: a gradient that comes late is lost but
    once.
    """
    return abs(float(uses_of(ctx, epochs=3).share.sum()) - 3 * (EXAMPLES // BATCH)) < 0.5


def reshuffles_every_epoch(ctx: Context) -> Evidence:
    """The order of the examples is drawn anew each epoch, from the seed: the short last batch does not always
    hold the same ones.
    """
    tails = [tail for seed in (0, 1, 2) if (tail := _tail(uses_of(ctx, epochs=1, seed=seed))) is not None]
    if len(tails) < 3:
        raise Failed("the short last batch cannot be told apart, so its members cannot be followed")
    last = tuple(range(EXAMPLES - TAIL, EXAMPLES))
    # By chance four epochs share their tail once in ten million trainings, four seeds as seldom.
    always = [_always_last(uses_of(ctx, epochs=4, seed=seed)) for seed in (0, 1)]
    if all(tail == last for tail in tails):
        raise _in_the_order_given(ctx, last, always)
    if all(len(rows) == TAIL for rows in always):
        raise Failed(
            f"four epochs end with the same examples {_names(always[1])}: "
            "shuffled once, before the first epoch",
            diagnosis="shuffled_once",
        )
    for seed, rows in enumerate(always):
        if len(rows) == TAIL:
            raise Failed(
                f"with seed {seed} four epochs end with the same examples {_names(rows)}, with seed "
                f"{1 - seed} they do not: each epoch's order must be drawn anew whatever the seed",
                diagnosis="seed_zero_no_reshuffle" if seed == 0 else None,
            )
    if len(set(tails)) == 1 and _tail(uses_of(ctx, epochs=1, seed=3)) == tails[0]:
        raise Failed(
            f"networks of the seeds 0, 1, 2 and 3 all end their first epoch with examples "
            f"{_names(tails[0])}: the order does not depend on build's seed",
            diagnosis="shuffle_ignores_seed",
        )
    return {"tails": [list(tail) for tail in tails]}


def orders_are_drawn_anew(ctx: Context) -> Evidence:
    """An epoch's order is not the last one turned round, rows go far in it, and seeds that differ have their
    own.

    By chance a right shuffle fails once in two million gradings: a row comes at one place six times.
    """
    seeds = (3, 3 + ALIKE, 4)
    found = [orders for seed in seeds if (orders := _orders(ctx, seed)) is not None]
    if not found:
        raise NotApplicable("no order of the examples explains what training does to the weights")
    if all(_turned(first, second) for first, second in found):
        raise Failed(
            f"the second epoch takes the examples in the order of the first, {_turned(*found[0])}: draw a "
            "permutation for each epoch",
            diagnosis="order_turned",
        )
    places = np.array([np.argsort(order) for orders in found for order in orders])  # (orders, rows)
    far = int(np.abs(places - np.arange(ORDERED)).max())
    if far <= ORDERED // 2:
        raise Failed(
            f"of {ORDERED} examples none comes more than {far} places from where it was given, in "
            f"{len(places)} epochs: they are shuffled only within stretches, draw one permutation of all",
            diagnosis="shuffled_in_stretches",
        )
    if len(found) < len(seeds):
        return {"orders": len(places), "farthest": far}  # too few for what follows
    still = np.flatnonzero(np.ptp(places, axis=0) == 0)
    if len(still):
        raise Failed(
            f"of {ORDERED} examples, {_names(tuple(still))} came at the same place in {len(places)} epochs: "
            "the shuffle leaves rows out",
            diagnosis="rows_not_shuffled",
        )
    if found[0] == found[1]:
        raise seed_cut(seeds[0], "the same orders of the examples")
    return {"orders": len(places), "farthest": far}


def _orders(ctx: Context, seed: int) -> list[list[int]] | None:
    """The orders of two epochs; None where they cannot be told, or so large a seed is refused."""
    try:
        return orders_of(ctx, seed=seed)
    except SubmissionFault as fault:
        if seed < ALIKE or fault.status is not Status.ERROR:
            raise
        return None


def _turned(first: list[int], second: list[int]) -> str:
    """How the second order follows from the first without a draw of its own; empty where it does not."""
    start = first.index(second[0])
    if second == first[start:] + first[:start]:
        return f"from its example {start + 1} on and round"
    return "backwards" if second == first[::-1] else ""


def _in_the_order_given(ctx: Context, last: tuple[int, ...], always: list[tuple[int, ...]]) -> Failed:
    """What is told of trainings of one epoch whose short batch holds the last examples of the data."""
    if not any(always):
        return Failed(
            f"in the first epoch the short batch always holds examples {_names(last)}, in later ones it does "
            "not: the first epoch takes the data as they are given, shuffle before it too",
            diagnosis="first_epoch_not_shuffled",
        )
    if not _one_order(ctx):
        return Failed(
            f"the short batch always holds examples {_names(last)}, while the batches come in different "
            "orders: shuffle the examples, not the batches",
            diagnosis="batches_never_mixed",
        )
    return Failed(
        f"the short batch always holds examples {_names(last)}: the data are not shuffled",
        diagnosis="no_shuffle",
    )


def _one_order(ctx: Context) -> bool:
    """Whether networks of three seeds with the same weights are trained alike, as far as can be told."""
    activation = ctx.one_activation
    asked = ctx.problem(ctx.work_network(activation), activation, EXAMPLES, "orders")
    ends = []
    for seed in (0, 1, 2):
        model, problem = ctx.posed(asked, seed=seed)
        if problem is not asked:
            return True  # their weights cannot be set, and are not the same
        model.fit(problem.X, problem.y, epochs=1, batch_size=BATCH, learning_rate=MIXED_RATE)
        ends.append(np.concatenate([w.ravel() for w in model.get_weights()]).astype(np.float64))
    atol = tolerances.REPEATED * max(1.0, float(np.abs(ends[0]).max()))
    return all(np.allclose(end, ends[0], rtol=0.0, atol=atol) for end in ends[1:])


def _always_last(uses: Uses) -> tuple[int, ...]:
    """The examples that were in the short last batch of each of four epochs."""
    return tuple(int(row) for row in np.flatnonzero(uses.share > 4.0 * 0.9 / TAIL))


def _names(rows: tuple[int, ...]) -> str:
    return " and ".join(str(int(row)) for row in rows)


def _tail(uses: Uses) -> tuple[int, ...] | None:
    rows = np.flatnonzero(uses.share > 1.5 / BATCH)
    return tuple(int(r) for r in rows) if len(rows) == TAIL else None


def _explained(uses: Uses) -> None:
    """Raise Failed where the rows of W1 did not move along their own deltas."""
    if float(uses.moved.max(initial=0.0)) == 0.0:
        raise Failed("fit leaves the first layer's weights exactly as they were", diagnosis="no_update")
    if float(uses.moved.max()) > 100.0:
        raise Failed(
            "after fit the first layer has nothing to do with the weights that were set: "
            "fit draws new weights, "
            "or takes far larger steps than the learning rate says",
            diagnosis="reinitialised" if float(uses.moved.min()) > 100.0 else None,
        )
    if np.all(uses.share <= SLACK / BATCH) and float(np.median(uses.residual)) < 0.2:
        raise Failed("fit moves the weights up the gradient, or by far less than the learning rate says")
    wrong = int((uses.residual > 0.35).sum())
    if wrong:
        raise Failed(
            f"{wrong} of {EXAMPLES} rows of W1 moved in a direction that their own label does not explain: "
            "images and labels are not kept together, or the update is not one of gradient descent",
            diagnosis="xy_shuffled_apart" if wrong >= 5 else None,
        )


def _even_parts(share: Float) -> Failed | None:
    """What is told of one epoch's uses where the data are cut into parts of nearly one size."""
    n = len(share)
    count = -(-n // BATCH)
    whole = -(-n // count)
    # As np.array_split cuts, and as torch.chunk does.
    for sizes in (
        [n // count + (part < n % count) for part in range(count)],
        [min(whole, n - start) for start in range(0, n, whole)],
    ):
        expected = np.sort(np.concatenate([np.full(size, 1 / size) for size in sizes]))
        near = np.all(np.abs(np.sort(share) - expected) < 0.5 * SLACK * expected)
        if near and min(sizes) != n % BATCH:
            return Failed(
                f"{n} examples are used in batches of {', '.join(map(str, sizes))} where batch_size is "
                f"{BATCH}: they are cut into equal parts, take {BATCH} at a time and the rest last",
                diagnosis="batches_cut_evenly",
            )
    return None


def _wrong_shares(found: Float, expected: Float) -> Failed:
    if (even := _even_parts(found)) is not None:
        return even
    listed = ", ".join(f"{v:.3f}" for v in np.unique(np.round(found, 2)))
    twice = np.sort(np.r_[np.full(EXAMPLES - BATCH + TAIL, 1 / BATCH), np.full(BATCH - TAIL, 2 / BATCH)])
    if np.all(np.abs(found - twice) < SLACK * twice):
        return Failed(
            f"the short last batch is filled up to {BATCH}: {BATCH - TAIL} examples are used a second time",
            diagnosis="tail_filled_up",
        )
    tail = np.allclose(found, 1 / BATCH, rtol=SLACK)
    if tail:
        return Failed(
            f"the {TAIL} examples of the short last batch weigh 1/{BATCH} each: "
            f"its sum is divided by {BATCH}, not by {TAIL}",
            diagnosis="fixed_batch_size",
        )
    total = found.sum() / expected.sum()
    more = f"; in all {total:.2f} times the updates of one epoch" if abs(total - 1) > SLACK else ""
    return Failed(
        f"the examples of one epoch weigh {listed} in their updates, "
        f"1/{BATCH} and (last batch) 1/{TAIL} expected{more}",
        evidence={"shares": [float(v) for v in found]},
    )
