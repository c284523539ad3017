"""The curves of a run as one picture for its card: accuracy between its reference lines, and the training loss.

Drawn with Pillow alone, from the numbers of the record: the same record gives the same bytes.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from arrcoc_core.references import ACCURACY, VQA_ACCURACY, judged_by, references_of
from training.hub.record import Curve, Record

WIDTH, HEIGHT = 1680, 640  # px; shown at half of it, sharp on dense screens
_TOP, _BOTTOM, _LEFT = 84, 76, 96
_LABELS = 300  # px to the right of the accuracy, for the names of its lines
_GAP = 120
_TEXT, _FAINT, _GRID = (31, 35, 40), (101, 109, 118), (222, 226, 230)
_LOSS = (0, 114, 178)
# Told apart without colour vision as well (after Okabe and Ito), and named beside each line.
_COLOURS = {
    "this selector": (0, 114, 178),
    "another question": (213, 94, 0),
    "teacher": (0, 158, 115),
    "all tokens": (31, 35, 40),
    "uniform": (130, 138, 146),
    "random": (160, 120, 160),
}
_TITLES = {VQA_ACCURACY: "VQA accuracy", ACCURACY: "Right answers"}


@dataclass(frozen=True)
class _Panel:
    """A rectangle in pixels, and the values at its edges."""

    left: int
    right: int
    last_step: int
    low: float
    high: float

    def x(self, step: float) -> float:
        return self.left + (self.right - self.left) * step / max(1, self.last_step)

    def y(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * share


def draw_curves(record: Record) -> bytes:
    """A PNG; b"" where nothing was logged."""
    judged = judged_by(record.summary)
    lines = [name for name, _, _ in references_of(judged)]
    accuracy = {name: curve for name, curve in record.curves.items() if name in lines and curve}
    loss = [point for point in record.curves.get("train/loss", ()) if math.isfinite(point[1])]
    if not accuracy and not loss:
        return b""
    last = max(curve[-1][0] for curve in (*accuracy.values(), *([loss] if loss else [])))
    canvas = Image.new("RGB", (WIDTH, HEIGHT), (255, 255, 255))
    draw = ImageDraw.Draw(canvas)
    middle = WIDTH * 5 // 9
    share = _Panel(_LEFT, middle - _LABELS, last, 0.0, 1.0)
    _axes(draw, share, f"{_TITLES[judged]}, held-out questions", [(k / 5, f"{k * 20} %") for k in range(6)])
    _accuracies(draw, share, accuracy, record.summary, judged)
    ticks = _ticks(min((value for _, value in loss), default=0.0), max((value for _, value in loss), default=1.0))
    panel = _Panel(middle + _GAP, WIDTH - 40, last, ticks[0], ticks[-1])
    _axes(draw, panel, "Training loss, nats", [(tick, f"{tick:.4g}") for tick in ticks])
    _line(draw, panel, loss, _LOSS, 3)
    png = io.BytesIO()
    canvas.save(png, "PNG", optimize=True)
    return png.getvalue()


def _accuracies(
    draw: ImageDraw.ImageDraw, panel: _Panel, curves: Mapping[str, Curve], summary: Mapping[str, float], judged: str
) -> None:
    """What was measured as it learned as lines, what it is read against dashed, all named at their right end."""
    ends: list[tuple[float, str, tuple[int, int, int]]] = []
    for name, label, _ in reversed(references_of(judged)):  # the selector last, above the others
        curve = curves.get(name, ())
        if curve:
            _line(draw, panel, curve, _COLOURS[label], 6 if name == judged else 4)
            ends.append((panel.y(curve[-1][1]), f"{label} {curve[-1][1] * 100:.1f} %", _COLOURS[label]))
        elif name in summary:
            y = panel.y(summary[name])
            for x in range(panel.left, panel.right, 22):
                draw.line((x, y, min(x + 12, panel.right), y), _COLOURS[label], 3)
            ends.append((y, f"{label} {summary[name] * 100:.1f} %", _COLOURS[label]))
    for y, (_, label, colour) in zip(
        spread([y for y, _, _ in sorted(ends)], _TOP / 2, HEIGHT - _BOTTOM / 2), sorted(ends), strict=True
    ):
        draw.text((panel.right + 16, y), label, colour, font(24), anchor="lm")


def spread(places: Sequence[float], top: float, bottom: float, apart: float = 32.0) -> list[float]:
    """Ascending places moved as little as it takes to be `apart`, between `top` and `bottom`."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + apart) if moved else max(place, top))
    lowest = bottom
    for index in range(len(moved) - 1, -1, -1):
        moved[index] = min(moved[index], lowest)
        lowest = moved[index] - apart
    return moved


def _axes(draw: ImageDraw.ImageDraw, panel: _Panel, title: str, ticks: Sequence[tuple[float, str]]) -> None:
    draw.text((panel.left, 24), title, _TEXT, font(28))
    for value, label in ticks:
        y = panel.y(value)
        draw.line((panel.left, y, panel.right, y), _GRID, 2)
        draw.text((panel.left - 14, y), label, _FAINT, font(22), anchor="rm")
    for step in (0, panel.last_step):
        anchor = "la" if step == 0 else "ra"
        draw.text((panel.x(step), HEIGHT - _BOTTOM + 14), f"{step:,}", _FAINT, font(22), anchor=anchor)
    middle = (panel.left + panel.right) / 2
    draw.text((middle, HEIGHT - _BOTTOM + 14), "optimizer steps", _FAINT, font(22), anchor="ma")


def _line(
    draw: ImageDraw.ImageDraw,
    panel: _Panel,
    curve: Sequence[tuple[int, float]],
    colour: tuple[int, int, int],
    width: int,
) -> None:
    points = [(panel.x(step), panel.y(value)) for step, value in curve]
    if len(points) > 1:
        draw.line(points, colour, width, joint="curve")
    for x, y in points if len(points) < 60 else points[-1:]:
        draw.ellipse((x - width, y - width, x + width, y + width), colour)


def _ticks(low: float, high: float) -> list[float]:
    """From at or below `low` to at or above `high`, four to nine round values."""
    span = (high - low) or abs(high) or 1.0
    unit = 10 ** math.floor(math.log10(span / 4))
    step = next(unit * factor for factor in (1, 2, 5, 10) if span / (unit * factor) <= 7)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [index * step for index in range(first, max(last, first + 1) + 1)]


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
