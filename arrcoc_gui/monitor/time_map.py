"""Step to wall time and back, for the one cursor that all panes of the monitor share.

Every row of a run has a step and the wall time it was logged at. Between two rows the map is linear; before
the first and after the last it answers the nearest end. A resumed run can log a step again, later: the
columns then hold that step once, with its last time, so times are made monotone before they are searched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TimeMap:
    """Steps (ascending) and their wall times (unix seconds, ascending), of one run."""

    steps: NDArray[np.float64]
    times: NDArray[np.float64]

    @classmethod
    def of(cls, steps: NDArray[np.generic], times: NDArray[np.generic]) -> TimeMap:
        """From the `step` and `time` columns of a Series, of equal length; rows without a time are left out."""
        step = np.asarray(steps, dtype=np.float64)
        time = np.asarray(times, dtype=np.float64)
        known = np.isfinite(step) & np.isfinite(time)
        return cls(step[known], np.maximum.accumulate(time[known]) if known.any() else time[known])

    @classmethod
    def empty(cls) -> TimeMap:
        """Of a run without rows."""
        return cls(np.empty(0), np.empty(0))

    def __len__(self) -> int:
        return len(self.steps)

    def time_of(self, step: float) -> float | None:
        """Wall time (unix s) at `step`; None while the run has no rows."""
        return float(np.interp(step, self.steps, self.times)) if len(self) else None

    def step_of(self, time: float) -> float | None:
        """Step that had been reached at wall time `time` (unix s); None while the run has no rows."""
        if not len(self):
            return None
        index = int(np.searchsorted(self.times, time, side="right")) - 1
        return float(self.steps[max(index, 0)])
