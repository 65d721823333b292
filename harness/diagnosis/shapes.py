"""Diagnosis of shapes: lists of weights or gradients whose arrays are right but for how they lie."""

from __future__ import annotations

from collections.abc import Sequence

from harness.diagnosis.types import Diagnosis

Shape = tuple[int, ...]


def diagnose(found: Sequence[Shape], expected: Sequence[Shape], rows: int | None = None) -> Diagnosis | None:
    """Name the one mistake that gives arrays of these shapes; ``rows`` is the size of the batch, if any."""
    if list(found) == list(expected):
        return None
    known = [
        Diagnosis(id=name, sentence=sentence)
        for name, sentence, shapes in _mistakes(expected, rows)
        if list(found) == shapes
    ]
    return known[0] if len({diagnosis.id for diagnosis in known}) == 1 else None


def _mistakes(expected: Sequence[Shape], rows: int | None) -> list[tuple[str, str, list[Shape]]]:
    right = list(expected)
    depth = len(right) // 2
    turned = [shape[::-1] for shape in right]
    listed = [
        ("transposed", "every matrix is transposed: (fan_in, fan_out) is expected", turned),
        (
            "order_reversed",
            "the arrays come in reverse order: [W1, b1, W2, b2, ...] is expected",
            right[::-1],
        ),
        (
            "order_reversed",
            "the layers come in reverse order: [W1, b1, W2, b2, ...] is expected",
            [shape for layer in range(depth - 1, -1, -1) for shape in right[2 * layer : 2 * layer + 2]],
        ),
        (
            "order_grouped",
            "all matrices come before all biases: [W1, b1, W2, b2, ...] is expected",
            [*right[::2], *right[1::2]],
        ),
        ("biases_missing", "there are matrices alone: [W1, b1, W2, b2, ...] is expected", right[::2]),
    ]
    for rebuilt, how in ((right, ""), (turned, " and every matrix is transposed")):
        for name, sentence, bias in (
            ("bias_as_row", "biases are rows (1, fan_out)", lambda n: (1, n)),
            ("bias_as_column", "biases are columns (fan_out, 1)", lambda n: (n, 1)),
        ):
            shapes: list[Shape] = [shape if len(shape) == 2 else bias(shape[0]) for shape in rebuilt]
            listed.append((name, f"{sentence}{how}: (fan_out,) is expected", shapes))
    for scalar in ((), (1,)):
        sentence = "db is one number for the whole layer: sum delta over the batch, keep the units"
        listed.append(("bias_scalar", sentence, [s if len(s) == 2 else scalar for s in right]))
    if rows is not None:
        sentence = "db has one number for each row of the batch: sum delta over the examples, not the units"
        listed.append(("bias_wrong_axis", sentence, [s if len(s) == 2 else (rows,) for s in right]))
        sentence = "db is not summed over the batch: sum delta over the examples"
        listed.append(("bias_not_summed", sentence, [s if len(s) == 2 else (rows, s[0]) for s in right]))
    return listed
