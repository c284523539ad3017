"""A comparison as a picture: accuracy of each selector against the budget, drawn with Pillow from the figures alone."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from training.hub.curves import font, spread
from training.statistics import accuracy

if TYPE_CHECKING:
    from training.comparison import Comparison, Line

WIDTH, HEIGHT = 1680, 1000  # px; shown at half of it, sharp on dense screens
_LEFT, _TOP, _BOTTOM, _LABELS = 110, 96, 110, 460
_TEXT, _FAINT, _GRID = (31, 35, 40), (101, 109, 118), (222, 226, 230)
_TRAINED = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233))  # Okabe and Ito
_REFERENCE = (130, 138, 146)


def draw(comparison: Comparison) -> bytes:
    """A PNG. Trained selectors are coloured, with a bar of one deviation over seeds; the rules are grey and named."""
    canvas = Image.new("RGB", (WIDTH, HEIGHT), (255, 255, 255))
    pen = ImageDraw.Draw(canvas)
    right, bottom = WIDTH - _LABELS, HEIGHT - _BOTTOM
    budgets = comparison.budgets
    places = {keep: _LEFT + (right - _LEFT) * k / max(1, len(budgets) - 1) for k, keep in enumerate(budgets)}

    def height(value: float) -> float:
        return bottom - (bottom - _TOP) * value

    title = f"{comparison.measure} on {comparison.questions:,} held-out questions, by visual tokens kept"
    title = title[0].upper() + title[1:]
    pen.text((_LEFT, 28), title, _TEXT, font(30))
    for tenth in range(0, 11, 2):
        y = height(tenth / 10)
        pen.line((_LEFT, y, right, y), _GRID, 2)
        pen.text((_LEFT - 14, y), f"{tenth * 10} %", _FAINT, font(24), anchor="rm")
    for keep, x in places.items():
        pen.text((x, bottom + 16), comparison.head(keep), _FAINT, font(24), anchor="ma")
    full = height(float(comparison.full.mean()))
    for x in range(_LEFT, right, 24):
        pen.line((x, full, min(x + 12, right), full), _TEXT, 2)
    colours = {line.name: _TRAINED[k % len(_TRAINED)] for k, line in enumerate(comparison.trained())}
    ends: list[tuple[float, str, tuple[int, int, int]]] = [(full, comparison.whole, _TEXT)]
    for line in sorted(comparison.lines, key=lambda line: bool(line.runs)):  # the trained ones above
        colour = colours.get(line.name, _REFERENCE)
        last = _draw_line(pen, line, places, height, colour)
        ends.append((height(last), f"{line.name} {100 * last:.1f} %", colour))
    ends.sort()
    for y, (_, label, colour) in zip(
        spread([y for y, _, _ in ends], _TOP / 2, HEIGHT - _BOTTOM / 2), ends, strict=True
    ):
        pen.text((right + 18, y), label, colour, font(24), anchor="lm")
    png = io.BytesIO()
    canvas.save(png, "PNG", optimize=True)
    return png.getvalue()


def _draw_line(
    pen: ImageDraw.ImageDraw,
    line: Line,
    places: dict[int, float],
    height: Callable[[float], float],
    colour: tuple[int, int, int],
) -> float:
    """Returns the accuracy at the smallest budget."""
    width = 6 if line.runs else 3
    points = []
    mean = 0.0
    for keep, x in places.items():
        mean, deviation = accuracy(line.right[keep])
        points.append((x, height(mean)))
        if deviation:
            pen.line((x, height(mean - deviation), x, height(min(1.0, mean + deviation))), colour, 3)
    if len(points) > 1:
        pen.line(points, colour, width, joint="curve")
    for x, y in points:
        pen.ellipse((x - width, y - width, x + width, y + width), colour)
    return mean
