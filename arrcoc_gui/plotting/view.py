"""What part of the data a chart shows, and where on the widget: ranges, zoom, pan, data to pixels and back."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF

Floats = NDArray[np.float64]
Range = tuple[float, float]

ZOOM_LIMIT = 1e-9  # of the whole range


@dataclass(frozen=True)
class View:
    """A rectangle of the widget and the data range that it shows. With `log`, `y` is in powers of ten."""

    area: QRectF
    x: Range = (0.0, 1.0)
    y: Range = (0.0, 1.0)
    log: bool = False

    def px(self, x: float) -> float:
        """The pixel column of an x."""
        return self.area.left() + (x - self.x[0]) / (self.x[1] - self.x[0]) * self.area.width()

    def py(self, y: float) -> float:
        """The pixel row of a value; NaN for what a logarithm cannot show."""
        if self.log:
            y = math.log10(y) if y > 0 else math.nan
        return self.area.bottom() - (y - self.y[0]) / (self.y[1] - self.y[0]) * self.area.height()

    def to_pixels(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Many points at once; on a log axis values at or below zero go below the edge (NaN stays NaN)."""
        if self.log:
            floor = 10.0 ** (self.y[0] - 1)
            y = np.log10(np.maximum(y, floor))
        scale_x = self.area.width() / (self.x[1] - self.x[0])
        scale_y = self.area.height() / (self.y[1] - self.y[0])
        return self.area.left() + (x - self.x[0]) * scale_x, self.area.bottom() - (y - self.y[0]) * scale_y

    def x_at(self, px: float) -> float:
        """The x of a pixel column."""
        return self.x[0] + (px - self.area.left()) / max(1.0, self.area.width()) * (self.x[1] - self.x[0])

    def y_at(self, py: float) -> float:
        """The axis position of a pixel row (a power of ten with `log`)."""
        return self.y[0] + (self.area.bottom() - py) / max(1.0, self.area.height()) * (self.y[1] - self.y[0])

    def with_ranges(self, x: Range, y: Range) -> View:
        """The same rectangle, showing something else."""
        return replace(self, x=x, y=y)


def zoomed(shown: Range, factor: float, at: float) -> Range:
    """`shown` made `factor` times smaller around `at`."""
    return at - (at - shown[0]) / factor, at + (shown[1] - at) / factor


def is_usable(shown: Range, whole: Range) -> bool:
    """False for a range too small for float64 to draw well."""
    return shown[1] - shown[0] > max(abs(whole[0]), abs(whole[1]), whole[1] - whole[0]) * ZOOM_LIMIT


def padded(low: float, high: float, *, share: float = 0.06) -> Range:
    """A range with some air; around a single value, one that shows it in the middle."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return 0.0, 1.0
    if high <= low:
        air = abs(low) * 0.1 or 0.5
        return low - air, high + air
    air = (high - low) * share
    return low - air, high + air
