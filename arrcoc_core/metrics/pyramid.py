"""A min/max pyramid: the envelope of a long series at any zoom, without looking at its points again.

Level k holds the least and the greatest value of each whole bucket of 2**k points, for k from 3 up; buckets begin
at multiples of their size in the *series*, not in the view, so a growing curve does not shimmer. An append makes
only the buckets that it completes: O(new) amortised. A query takes the finest level with at most as many buckets
as were asked for; the unfinished bucket at the end is put together from the levels below: O(buckets + log n).

Nothing is sampled away: every bucket keeps both its extremes, and a view with fewer points than buckets gets the
points themselves. NaN and infinities are left out of the extremes; `Pyramid.gaps` knows where they are.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

BASE = 3  # buckets of 8 points are the finest that are kept
_BASE_SIZE = 1 << BASE


class _Growing:
    """An array that grows at its end, capacity doubling."""

    __slots__ = ("array", "count")

    def __init__(self) -> None:
        self.array: Floats = np.empty(16)
        self.count = 0

    def extend(self, values: Floats) -> None:
        end = self.count + len(values)
        if end > len(self.array):
            grown = np.empty(max(end, 2 * len(self.array)))
            grown[: self.count] = self.array[: self.count]
            self.array = grown
        self.array[self.count : end] = values
        self.count = end


class Pyramid:
    """The pyramid over an array that grows: `sync` after each change, `query` at any time."""

    def __init__(self, values: Floats | None = None) -> None:
        self._values: Floats = np.zeros(0)
        self._low: list[_Growing] = []
        self._high: list[_Growing] = []
        self._gaps: list[Ints] = []
        self._count = 0
        if values is not None:
            self.sync(values)

    def __len__(self) -> int:
        return self._count

    @property
    def gaps(self) -> Ints:
        """Indices of the points that are NaN or infinite, ascending."""
        if len(self._gaps) > 1:
            self._gaps = [np.concatenate(self._gaps)]
        return self._gaps[0] if self._gaps else np.zeros(0, dtype=np.int64)

    def sync(self, values: Floats, changed_from: int | None = None) -> None:
        """Takes in `values`, of which those before the old end (or before `changed_from`) are as they were."""
        start = self._count if changed_from is None else min(self._count, changed_from)
        start = min(start, len(values))
        if start < self._count:
            for level, (low, high) in enumerate(zip(self._low, self._high, strict=True)):
                low.count = high.count = start >> (level + BASE)
            gaps = self.gaps
            self._gaps = [gaps[: np.searchsorted(gaps, start)]]
        self._values = values
        self._count = len(values)
        fresh = values[start:]
        finite = np.isfinite(fresh)
        if not finite.all():
            self._gaps.append(np.flatnonzero(~finite) + start)
        done = self._low[0].count if self._low else 0
        whole = self._count >> BASE
        if whole <= done:
            return
        piece = values[done << BASE : whole << BASE]
        if len(self.gaps) and self.gaps[-1] >= done << BASE:
            piece = np.where(np.isfinite(piece), piece, np.nan)
        grid = piece.reshape(-1, _BASE_SIZE)
        # fmin and fmax over columns: ten times faster than a reduction along the short axis.
        self._extend(0, _fold(np.fmin, grid), _fold(np.fmax, grid))

    def _extend(self, level: int, low: Floats, high: Floats) -> None:
        """Adds whole buckets to a level, and those that they complete to the levels above."""
        while True:
            if level == len(self._low):
                self._low.append(_Growing())
                self._high.append(_Growing())
            lows, highs = self._low[level], self._high[level]
            lows.extend(low)
            highs.extend(high)
            done = self._low[level + 1].count if level + 1 < len(self._low) else 0
            whole = lows.count >> 1
            if whole <= done:
                return
            pair = slice(done * 2, whole * 2)
            low = np.fmin(lows.array[pair][0::2], lows.array[pair][1::2])
            high = np.fmax(highs.array[pair][0::2], highs.array[pair][1::2])
            level += 1

    def query(self, start: int, stop: int, buckets: int) -> tuple[Ints, Floats]:
        """(index, value) of what to draw for the points [start, stop) in at most about `buckets` buckets.

        Indices ascend. A bucket gives two points, its extremes, in the order of the trend; with no more points
        than `2 * buckets` the points themselves are given, infinities as NaN. Two neighbours outside of the
        range may come along, so that lines go on beyond the edge of a view.
        """
        start, stop = max(0, start), min(self._count, stop)
        if stop <= start:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        if stop - start <= max(2 * buckets, 2 * _BASE_SIZE):
            values = self._values[start:stop]
            finite = np.isfinite(values)
            return np.arange(start, stop), values if finite.all() else np.where(finite, values, np.nan)
        level = max(1, (stop - start - 1) // max(1, buckets)).bit_length()
        size = 1 << level
        first, last = start >> level, (stop + size - 1) >> level
        if level < BASE:
            low, high = self._fine(first, last, size)
            return _zigzag(first, size, low, high, self._count)
        at = level - BASE
        whole = min(last, self._low[at].count) if at < len(self._low) else 0
        low, high = np.empty(last - first), np.empty(last - first)
        if whole > first:
            low[: whole - first] = self._low[at].array[first:whole]
            high[: whole - first] = self._high[at].array[first:whole]
        if whole < last:  # only the bucket at the very end of the series can be unfinished
            low[-1], high[-1] = self._unfinished(level)
        return _zigzag(first, size, low, high, self._count)

    def _fine(self, first: int, last: int, size: int) -> tuple[Floats, Floats]:
        """The extremes of buckets finer than those that are kept, from the points."""
        values = self._values[first * size : last * size]
        padded = np.full((last - first) * size, np.nan)
        np.copyto(padded[: len(values)], values, where=np.isfinite(values))
        grid = padded.reshape(-1, size)
        return _fold(np.fmin, grid), _fold(np.fmax, grid)

    def _unfinished(self, level: int) -> tuple[float, float]:
        """The extremes of the points behind the last whole bucket of a level."""
        covered = (self._count >> level) << level
        lows: list[float] = []
        highs: list[float] = []
        for below in range(level - 1, BASE - 1, -1):
            bucket = covered >> below
            if self._count >> below > bucket:
                lows.append(self._low[below - BASE].array.item(bucket))
                highs.append(self._high[below - BASE].array.item(bucket))
                covered = (bucket + 1) << below
        rest = self._values[covered : self._count].tolist()
        lows = [value for value in lows + rest if math.isfinite(value)]
        highs = [value for value in highs + rest if math.isfinite(value)]
        return min(lows, default=math.nan), max(highs, default=math.nan)

    def range(self, start: int, stop: int) -> tuple[float, float]:
        """The least and the greatest finite value in [start, stop), widened to whole buckets of at most a 128th of
        it; (nan, nan) when there is none."""
        start, stop = max(0, start), min(self._count, stop)
        level = max(0, (stop - start - 1) // 128).bit_length()
        if level < BASE or stop >> level >= self._low[level - BASE].count:
            _, values = self.query(start, stop, 128)
            values = values[np.isfinite(values)]
            return (float(values.min()), float(values.max())) if len(values) else (float("nan"), float("nan"))
        part = slice(start >> level, (stop + (1 << level) - 1) >> level)
        at = level - BASE
        return float(np.fmin.reduce(self._low[at].array[part])), float(np.fmax.reduce(self._high[at].array[part]))


def _fold(extreme: np.ufunc, grid: Floats) -> Floats:
    while grid.shape[1] > 1:
        grid = extreme(grid[:, 0::2], grid[:, 1::2])
    return grid[:, 0]


def _zigzag(first: int, size: int, low: Floats, high: Floats, count: int) -> tuple[Ints, Floats]:
    """Two points a bucket, at its first and its last point: low first where the curve rises, else high first.

    A monotone stretch comes out exactly as it is.
    """
    number = len(low)
    index = np.empty(2 * number, dtype=np.int64)
    index[0::2] = np.arange(first * size, (first + number) * size, size)
    index[1::2] = index[0::2] + (size - 1)
    index[-1] = min(int(index[-1]), count - 1)
    middle = low + high
    rising = np.empty(number, dtype=bool)
    rising[:-1] = middle[1:] >= middle[:-1]
    rising[-1] = rising[-2] if number > 1 else True
    values = np.empty(2 * number)
    values[0::2] = np.where(rising, low, high)
    values[1::2] = np.where(rising, high, low)
    return index, values
