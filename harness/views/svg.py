"""Pictures as inline SVG, drawn by hand: they take the page's colours, light or dark, and need no library."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from harness.views import text
from harness.views.evidence import Curve, TensorFit

SCALE_DECADES = 3  # the scale axis runs from 10^-3 to 10^3; what lies beyond sits at its end
_ROW, _TOP = 20, 34
_SCALE_LEFT, _SCALE_RIGHT = 70, 300
_COSINE_LEFT, _COSINE_RIGHT = 370, 470
_WIDTH = 540


def gradient_picture(fits: Sequence[TensorFit], title: str) -> Markup:
    """Return a row for each tensor: a dot for its scale ratio on a logarithmic axis, one for its cosine."""
    height = _TOP + _ROW * len(fits) + 24
    parts = [_axis_titles(), *_scale_axis(height), *_cosine_axis(height)]
    for index, fit in enumerate(fits):
        parts += _tensor_row(fit, _TOP + _ROW * index + _ROW // 2)
    return _svg(_WIDTH, height, f"Gradient by tensor, {title}", parts)


def _axis_titles() -> Markup:
    left, right = (_SCALE_LEFT + _SCALE_RIGHT) // 2, (_COSINE_LEFT + _COSINE_RIGHT) // 2
    return Markup(
        '<text x="{}" y="14" class="mid">scale, found / expected</text>'
        '<text x="{}" y="14" class="mid">cosine</text>'
    ).format(left, right)


def _scale_axis(height: int) -> list[Markup]:
    ticks = range(-SCALE_DECADES, SCALE_DECADES + 1)
    return [_tick(_scale_x(10.0**power), height, f"{10.0**power:g}", bold=power == 0) for power in ticks]


def _cosine_axis(height: int) -> list[Markup]:
    return [_tick(_cosine_x(value), height, f"{value:g}", bold=value == 1) for value in (-1, 0, 1)]


def _tick(x: float, height: int, label: str, *, bold: bool) -> Markup:
    kind = "target" if bold else "grid"
    line = Markup('<line x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}" class="{3}"/>')
    mark = Markup('<text x="{0:.1f}" y="{1}" class="mid small">{2}</text>')
    return line.format(x, _TOP - 8, height - 20, kind) + mark.format(x, height - 6, label)


def _scale_x(scale: float) -> float:
    size = abs(scale)
    power = math.log10(size) if size > 0 and math.isfinite(size) else (-math.inf if size == 0 else math.inf)
    share = (min(max(power, -SCALE_DECADES), SCALE_DECADES) + SCALE_DECADES) / (2 * SCALE_DECADES)
    return _SCALE_LEFT + share * (_SCALE_RIGHT - _SCALE_LEFT)


def _cosine_x(cosine: float) -> float:
    value = min(max(cosine, -1.0), 1.0) if math.isfinite(cosine) else 0.0
    return _COSINE_LEFT + (value + 1) / 2 * (_COSINE_RIGHT - _COSINE_LEFT)


def _tensor_row(fit: TensorFit, y: int) -> list[Markup]:
    # A wrong tensor whose scale and cosine both look right is marked on both.
    plain = fit.right or (fit.scale_right and fit.cosine_right)
    whole = "right" if fit.right else "wrong"
    scale = whole if plain else "right" if fit.scale_right else "wrong"
    cosine = whole if plain else "right" if fit.cosine_right else "wrong"
    label = Markup('<text x="6" y="{0}">{1}</text>').format(y + 4, text.shorten(text.name(fit.tensor), 8))
    number = Markup('<text x="{0}" y="{1}" class="{2}">{3}</text>')
    return [
        label,
        _dot(_scale_x(fit.scale), y, scale),
        number.format(_SCALE_RIGHT + 12, y + 4, scale, f"{fit.scale:.4g}"),
        _dot(_cosine_x(fit.cosine), y, cosine),
        number.format(_COSINE_RIGHT + 12, y + 4, cosine, f"{fit.cosine:.4f}"),
    ]


def _dot(x: float, y: float, kind: str) -> Markup:
    """Return a disc for what is right, a cross for what is wrong: the colour is not the only difference."""
    if kind == "right":
        return Markup('<circle cx="{0:.1f}" cy="{1:.1f}" r="4" class="right"/>').format(x, y)
    cross = Markup('<path d="M{0:.1f} {1:.1f}l8 8m0 -8l-8 8" class="wrong"/>')
    return cross.format(x - 4, y - 4)


def curve_picture(curve: Curve, title: str) -> Markup:
    """Return a figure by epoch as a line, over the band of the reference runs when there is one."""
    width, height, left, bottom, top = 340, 190, 46, 30, 22
    ceiling = 100.0 if curve.quantity == "accuracy" else 0.0
    highest = max((*curve.values, *curve.high, ceiling)) or 1.0
    lowest = min((*curve.values, *curve.low, 0.0))
    count = len(curve.values)

    def at(epoch: int, value: float) -> str:
        x = left + (width - left - 14) * (epoch / (count - 1) if count > 1 else 0.5)
        y = top + (height - top - bottom) * (1 - (value - lowest) / (highest - lowest))
        return f"{x:.1f},{y:.1f}"

    parts = [_curve_frame(curve, width, height, left, bottom, top, lowest, highest)]
    if curve.low and curve.high:
        span = min(len(curve.low), len(curve.high), count)
        edge = [at(epoch, curve.high[epoch]) for epoch in range(span)]
        edge += [at(epoch, curve.low[epoch]) for epoch in reversed(range(span))]
        parts.append(Markup('<polygon points="{}" class="band"/>').format(" ".join(edge)))
    points = [at(epoch, value) for epoch, value in enumerate(curve.values)]
    parts.append(Markup('<polyline points="{}" class="curve"/>').format(" ".join(points)))
    x, y = points[-1].split(",")
    parts.append(Markup('<circle cx="{}" cy="{}" r="3.5" class="end"/>').format(x, y))
    return _svg(width, height, f"{curve.quantity} by epoch, {title}", parts)


def _curve_frame(
    curve: Curve, width: int, height: int, left: int, bottom: int, top: int, lowest: float, highest: float
) -> Markup:
    """Return axes, their ends in figures, and what is drawn."""
    unit = "accuracy, %" if curve.quantity == "accuracy" else curve.quantity
    legend = f"{unit}, last {curve.values[-1]:.4g}" + ("; shaded: reference runs" if curve.low else "")
    return Markup(
        '<text x="{left}" y="13">{legend}</text>'
        '<path d="M{left} {top}V{base}H{right}" class="axis"/>'
        '<text x="{edge}" y="{upper}" class="end-text small">{highest}</text>'
        '<text x="{edge}" y="{base}" class="end-text small">{lowest}</text>'
        '<text x="{left}" y="{under}" class="small">epoch 1</text>'
        '<text x="{right}" y="{under}" class="end-text small">{count}</text>'
    ).format(
        left=left, legend=legend, top=top, base=height - bottom, right=width - 14, edge=left - 6,
        upper=top + 8, highest=f"{highest:.3g}", lowest=f"{lowest:.3g}", under=height - 12,
        count=len(curve.values),
    )  # fmt: skip


def _svg(width: int, height: int, title: str, parts: Sequence[Markup]) -> Markup:
    head = Markup('<svg viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" aria-label="{2}">')
    label = escape(text.name(title, 120))
    return head.format(width, height, label) + Markup("").join(parts) + Markup("</svg>")
