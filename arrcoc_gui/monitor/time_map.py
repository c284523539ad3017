"""Step to wall time and back, for the one cursor that all panes of the monitor share.

Every row of a run has a step and the wall time it was logged at; `Series.clock` is that time, never falling
(a resumed run logs some steps again, later). Between two rows the map is linear; before the first and after the
last it answers the nearest end. The columns are only looked up, never copied: a look costs O(log n).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TimeMap:
    """`steps` (ascending) and `times` (unix seconds, never falling) of one run, of equal length."""

    steps: NDArray[np.int64]
    times: NDArray[np.float64]

    @classmethod
    def empty(cls) -> TimeMap:
        """Of a run without rows."""
        return cls(np.empty(0, dtype=np.int64), np.empty(0))

    def __len__(self) -> int:
        return len(self.steps)

    def time_of(self, step: float) -> float | None:
        """Wall time (unix s) at `step`; None while the run has no rows."""
        if not len(self):
            return None
        # A whole key of the column's own type: a float would turn the whole column into floats first.
        after = int(np.searchsorted(self.steps, np.int64(math.ceil(step)), side="left"))
        if after == 0:
            return float(self.times[0])
        if after == len(self):
            return float(self.times[-1])
        low, high = int(self.steps[after - 1]), int(self.steps[after])
        begin, end = float(self.times[after - 1]), float(self.times[after])
        return begin + (step - low) / (high - low) * (end - begin)

    def step_of(self, time: float) -> float | None:
        """Step that had been reached at wall time `time` (unix s); None while the run has no rows."""
        if not len(self):
            return None
        index = int(np.searchsorted(self.times, time, side="right")) - 1
        return float(self.steps[max(index, 0)])
