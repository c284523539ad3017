"""`Series`: one metric of one run as arrays, with its envelope and its smoothed forms, all growing in O(new).

The arrays of a series that `open_metrics` gives are mapped from the column cache and must not be written to.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arrcoc_core.metrics.pyramid import Pyramid
from arrcoc_core.metrics.smoothing import Ema

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Number = TypeVar("Number", bound=np.generic)


class Series:
    """Points sorted by step, each step once. NaN and infinities are kept."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rewritten = 0  # how often points that were there have changed (a resumed run); appends do not count
        self._step: Ints = np.zeros(0, dtype=np.int64)
        self._value: Floats = np.zeros(0)
        self._time: Floats = np.zeros(0)
        self._count = 0
        self._pyramid: Pyramid | None = None
        self._smoothed: dict[float, tuple[Ema, Pyramid]] = {}
        self._clock: Floats = np.zeros(0)
        self._clock_count = 0

    @classmethod
    def from_arrays(cls, name: str, step: ArrayLike, value: ArrayLike, time: ArrayLike | None = None) -> Series:
        """A series in memory; `time` (unix seconds) is the step where it is left out."""
        series = cls(name)
        series.append(step, value, time)
        return series

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"Series({self.name!r}, {self._count} points, last {self.last})"

    @property
    def step(self) -> Ints:
        """The step of each point, ascending."""
        return self._step[: self._count]

    @property
    def value(self) -> Floats:
        """The value of each point."""
        return self._value[: self._count]

    @property
    def time(self) -> Floats:
        """When each point was logged, unix seconds."""
        return self._time[: self._count]

    @property
    def clock(self) -> Floats:
        """`time`, never falling: an x axis. (The points of a resumed run that are still to come again are older.)"""
        if self._clock_count < self._count:
            start = self._clock_count
            if self._count > len(self._clock):
                grown = np.empty(max(1024, 2 * self._count))
                grown[:start] = self._clock[:start]
                self._clock = grown
            fresh = np.maximum.accumulate(self._time[start : self._count])
            self._clock[start : self._count] = np.maximum(fresh, self._clock[start - 1]) if start else fresh
            self._clock_count = self._count
        return self._clock[: self._count]

    @property
    def last(self) -> float | None:
        """The newest value."""
        return float(self._value[self._count - 1]) if self._count else None

    @property
    def last_step(self) -> int | None:
        """The newest step."""
        return int(self._step[self._count - 1]) if self._count else None

    @property
    def pyramid(self) -> Pyramid:
        """The envelope of the values."""
        if self._pyramid is None:
            self._pyramid = Pyramid(self.value)
        return self._pyramid

    def smoothed(self, alpha: float) -> Floats:
        """The values smoothed over all points (arrcoc_core/metrics/smoothing.py); kept up to date from now on."""
        return self._smooth(alpha)[0].values

    def smoothed_pyramid(self, alpha: float) -> Pyramid:
        """The envelope of the smoothed values."""
        return self._smooth(alpha)[1]

    def forget_smoothed(self, alpha: float) -> None:
        """Frees the smoothed values of an alpha that nobody looks at any more."""
        self._smoothed.pop(alpha, None)

    def append(self, step: ArrayLike, value: ArrayLike, time: ArrayLike | None = None) -> None:
        """Adds points behind the last one (steps ascending). Only for a series in memory."""
        steps = np.atleast_1d(np.asarray(step, dtype=np.int64))
        values = np.atleast_1d(np.asarray(value, dtype=np.float64))
        times = steps.astype(np.float64) if time is None else np.atleast_1d(np.asarray(time, dtype=np.float64))
        if not len(steps) == len(values) == len(times):
            raise ValueError(f"{len(steps)} steps, {len(values)} values and {len(times)} times")
        end = self._count + len(steps)
        if end > len(self._step):
            capacity = max(1024, 2 * end)
            self._step = _grown(self._step, self._count, capacity)
            self._value = _grown(self._value, self._count, capacity)
            self._time = _grown(self._time, self._count, capacity)
        self._step[self._count : end] = steps
        self._value[self._count : end] = values
        self._time[self._count : end] = times
        self._count = end
        self._changed(None)

    def attach(self, step: Ints, value: Floats, time: Floats, count: int, changed_from: int | None) -> None:
        """Takes arrays of the column cache, `count` points of which count; those from `changed_from` on are new."""
        self._step, self._value, self._time, self._count = step, value, time, count
        self._changed(changed_from)

    def _changed(self, changed_from: int | None) -> None:
        if changed_from is not None:
            self.rewritten += 1
            self._clock_count = min(self._clock_count, changed_from)
        if self._pyramid is not None:
            self._pyramid.sync(self.value, changed_from)
        for alpha in self._smoothed:
            self._smooth(alpha, changed_from)

    def _smooth(self, alpha: float, changed_from: int | None = None) -> tuple[Ema, Pyramid]:
        kept = self._smoothed.get(alpha)
        if kept is None:
            kept = self._smoothed[alpha] = Ema(alpha), Pyramid()
        ema, pyramid = kept
        if len(pyramid) != self._count or changed_from is not None:
            ema.sync(self.value, changed_from)
            pyramid.sync(ema.values, changed_from)
        return kept


def _grown(array: NDArray[Number], count: int, capacity: int) -> NDArray[Number]:
    grown = np.empty(capacity, dtype=array.dtype)
    grown[:count] = array[:count]
    return grown
