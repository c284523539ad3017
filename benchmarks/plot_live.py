"""What one more frame of many long, growing curves costs: append 10 points to each run, paint the window.

In CPU time of the one thread that does it all, offscreen, same window, same antialiasing, medians of five repeats
in which the variants take turns:

- `Chart`: this project's, its envelope from the min/max pyramid;
- naive: pyqtgraph, `setData` of all points;
- downsampling: pyqtgraph with its own (`auto`, `peak`) and `clipToView`;
- tsdownsample: `Chart` with the envelope made by tsdownsample's MinMax over all points, each frame;
- precomputed: `Chart` with the same envelope, made before: the price of the drawing alone.

    python benchmarks/plot_live.py [--reduced]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pyqtgraph
from _report import finish, table
from numpy.typing import NDArray
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication
from tsdownsample import MinMaxDownsampler

from arrcoc_core.metrics import Series
from arrcoc_gui.plotting import Chart, PyramidCurve
from arrcoc_gui.theme import theme

Floats = NDArray[np.float64]
SIZE = (1200, 700)
APPENDED = 10  # points a run and frame
SPARE = 100_000
REPEATS = 5
BARS = {
    "10 x 1e6": {"naive": 70.0, "downsampling": 4.0, "tsdownsample": 1.0, "precomputed": 1 / 1.5},
    "50 x 1e5": {"naive": 10.0, "downsampling": 3.0, "tsdownsample": 1.0, "precomputed": 1 / 1.5},
}


@dataclass
class Variant:
    """A window and how to make its next frame."""

    window: pyqtgraph.PlotWidget | Chart
    frame: Callable[[], None]
    frames: int  # in one repeat
    seconds: list[float] = field(default_factory=list)


class TsdownsampleCurve(PyramidCurve):
    """Asks tsdownsample for the envelope of all points at each frame."""

    def envelope(self, mode: str, low: float, high: float, buckets: int, alpha: float = 0.0) -> tuple[Floats, Floats]:
        index = MinMaxDownsampler().downsample(self.series.value, n_out=2 * buckets)
        return self.series.step[index].astype(np.float64), self.series.value[index]


class PrecomputedCurve(PyramidCurve):
    """Knows its envelope already."""

    made: tuple[Floats, Floats] | None = None

    def envelope(self, mode: str, low: float, high: float, buckets: int, alpha: float = 0.0) -> tuple[Floats, Floats]:
        self.made = self.made or super().envelope(mode, low, high, buckets, alpha)  # type: ignore[arg-type]
        return self.made


def main() -> int:
    parser = argparse.ArgumentParser(description="a frame of many long growing curves, as ratios")
    parser.add_argument("--reduced", action="store_true", help="small sizes and no bars: only to see that it works")
    reduced = parser.parse_args().reduced
    app = QApplication.instance() or QApplication([])
    pyqtgraph.setConfigOptions(antialias=True)
    cases = {"3 x 1e4": (3, 10_000)} if reduced else {"10 x 1e6": (10, 1_000_000), "50 x 1e5": (50, 100_000)}
    ratios: dict[str, float] = {}
    bars: dict[str, float] = {}
    for case, (runs, points) in cases.items():
        median = measure(app, runs, points, frames=2 if reduced else 20)
        ours = median["Chart"]
        rows = []
        for name, seconds in median.items():
            bar = {} if reduced else BARS[case]
            ratio = seconds / ours
            rows.append((name, f"{1e3 * seconds:.1f}", f"{ratio:.2f}", f"{bar[name]:.2f}" if name in bar else ""))
            if name != "Chart":
                ratios[f"{case} {name}"] = ratio
            if name in bar:
                bars[f"{case} {name}"] = bar[name]
        print(f"\n{case} points, {APPENDED} more each a frame, {SIZE[0]} x {SIZE[1]}, antialiased")
        table(("variant", "ms a frame", "times Chart", "at least"), rows)
    return finish("plot_live", ratios, bars, at_least=True)


def measure(app: QApplication, runs: int, points: int, *, frames: int) -> dict[str, float]:
    """Median seconds a frame of each variant."""
    naive_frames = max(1, round(frames * 2_000 / (runs * points / 1_000)))
    variants = {
        "Chart": chart(runs, points, PyramidCurve, frames),
        "naive": plot(runs, points, naive_frames, downsample=False),
        "downsampling": plot(runs, points, max(2, frames // 2), downsample=True),
        "tsdownsample": chart(runs, points, TsdownsampleCurve, frames),
        "precomputed": chart(runs, points, PrecomputedCurve, frames),
    }
    area = variants["naive"].window.getViewBox().screenGeometry()  # type: ignore[union-attr]
    for variant in variants.values():
        if isinstance(variant.window, Chart):  # the same width of curves: the labels beside them are extra
            margins = SIZE[0] - variant.window.curve_area().width()
            variant.window.resize(round(area.width() + margins), SIZE[1])
        app.processEvents()
        variant.frame()
    for _ in range(REPEATS):
        for variant in variants.values():
            begun = time.thread_time()
            for _ in range(variant.frames):
                variant.frame()
            variant.seconds.append((time.thread_time() - begun) / variant.frames)
    for variant in variants.values():
        variant.window.close()
        variant.window.deleteLater()
    app.processEvents()
    return {name: statistics.median(variant.seconds) for name, variant in variants.items()}


def loss(seed: int, first: int, count: int) -> Floats:
    """A curve like that of a training: falls, and jitters."""
    step = np.arange(first, first + count)
    noise = np.random.default_rng((seed, first)).normal(size=count)
    return 2.0 * np.exp(-step / 3e5) + 0.1 * (seed % 10) + 0.01 * noise


def chart(runs: int, points: int, kind: type[PyramidCurve], frames: int) -> Variant:
    """A `Chart` of curves of a kind."""
    window = Chart()
    series = [Series.from_arrays("loss", np.arange(points), loss(i, 0, points)) for i in range(runs)]
    for i, one in enumerate(series):
        window.model.curves[str(i)] = kind(str(i), one, f"run {i}", i)
    window.resize(*SIZE)
    window.show()

    def frame() -> None:
        for i, one in enumerate(series):
            one.append(np.arange(len(one), len(one) + APPENDED), loss(i, len(one), APPENDED))
        window.invalidate()
        window.repaint()

    return Variant(window, frame, frames)


def plot(runs: int, points: int, frames: int, *, downsample: bool) -> Variant:
    """A pyqtgraph plot."""
    window = pyqtgraph.PlotWidget(background=QColor(theme().surface))
    if downsample:  # on the plot: adding a curve to it overwrites the curve's own setting
        window.setDownsampling(auto=True, mode="peak")
        window.setClipToView(True)
    x = np.arange(points + SPARE, dtype=np.float64)  # room for what is appended: the copy is not to count
    y = [np.append(loss(i, 0, points), np.zeros(SPARE)) for i in range(runs)]
    count = points
    items = []
    for i in range(runs):
        item = pyqtgraph.PlotDataItem(pen=pyqtgraph.mkPen(theme().series_color(i), width=1), skipFiniteCheck=True)
        window.addItem(item)
        items.append(item)
    window.resize(*SIZE)
    window.show()

    def frame() -> None:
        nonlocal count
        for i, item in enumerate(items):
            y[i][count : count + APPENDED] = loss(i, count, APPENDED)
            item.setData(x[: count + APPENDED], y[i][: count + APPENDED])
        count += APPENDED
        window.viewport().repaint()

    return Variant(window, frame, frames)


if __name__ == "__main__":
    sys.exit(main())
