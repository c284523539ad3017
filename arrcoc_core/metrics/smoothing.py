"""Exponential moving average at full resolution, that goes on where it stopped.

`state = alpha * state + (1 - alpha) * value`, divided by the weight seen so far, so the first points are not
drawn towards zero (as TensorBoard does it). NaN and infinite points have no weight and stay NaN in the result.
Taking in k new points costs O(k): the state behind each point is kept, so that a rewrite can go on from there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_FEW = 64
_FORGOTTEN = 1e-18


class Ema:
    """The smoothed values of an array that grows; `alpha` from 0 (none) to below 1."""

    def __init__(self, alpha: float) -> None:
        if not 0 <= alpha < 1:
            raise ValueError(f"alpha is {alpha}; allowed is 0 <= alpha < 1")
        self.alpha = alpha
        self._sum = np.empty(0)
        self._weight = np.empty(0)
        self._result = np.empty(0)
        self._count = 0

    @property
    def values(self) -> Floats:
        """As many as were taken in. The array may be replaced at the next `sync`."""
        return self._result[: self._count]

    def sync(self, values: Floats, changed_from: int | None = None) -> None:
        """Takes in `values`, of which those before the old end (or before `changed_from`) are as they were."""
        start = self._count if changed_from is None else min(self._count, changed_from)
        start, end = min(start, len(values)), len(values)
        if end > len(self._result):
            self._grow(end)
        fresh = values[start:]
        finite = np.isfinite(fresh)
        before = (self._sum[start - 1], self._weight[start - 1]) if start else (0.0, 0.0)
        scale = 1 - self.alpha
        self._sum[start:end] = _scan(np.where(finite, fresh, 0.0) * scale, self.alpha, float(before[0]))
        self._weight[start:end] = _scan(finite * scale, self.alpha, float(before[1]))
        self._result[start:end] = np.nan
        np.divide(self._sum[start:end], self._weight[start:end], out=self._result[start:end], where=finite)
        self._count = end

    def _grow(self, needed: int) -> None:
        capacity = max(1024, needed, 2 * len(self._result))
        for name in ("_sum", "_weight", "_result"):
            old: Floats = getattr(self, name)
            grown = np.empty(capacity)
            grown[: self._count] = old[: self._count]
            setattr(self, name, grown)


def _scan(values: Floats, alpha: float, state: float) -> Floats:
    """y[i] = alpha * y[i - 1] + values[i], with y[-1] = state."""
    if len(values) <= _FEW:
        out = np.empty(len(values))
        for i, value in enumerate(values.tolist()):
            state = out[i] = alpha * state + value
        return out
    # Doubling: after each pass an element holds the weighted sum of twice as many before it.
    out = values.copy()
    out[0] += alpha * state
    shift, factor = 1, alpha
    while shift < len(out) and factor > _FORGOTTEN:
        out[shift:] = out[shift:] + factor * out[:-shift]
        shift, factor = 2 * shift, factor * factor
    return out
