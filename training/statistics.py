"""Accuracies with their uncertainty: mean and spread over seeds, and paired bootstrap intervals of differences.

Selectors are compared on the same questions, so what is resampled are questions, and with them seeds where there are
several: the interval says how far the difference would move with other questions and other trainings.
Percentile bootstrap: Efron & Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
_PARTS = 500  # resamples at a time, to bound the memory

Right = NDArray[np.bool_] | NDArray[np.float32]
"""Which answers were right: bool [seeds, questions]; or how right they were, 0..1, float32."""


@dataclass(frozen=True)
class Difference:
    """Accuracy of one selector less that of another, 0..1, and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


def accuracy(right: Right) -> tuple[float, float]:
    """Mean over questions and seeds, and the standard deviation over seeds (0 for a single one)."""
    by_seed = right.mean(1)
    return float(by_seed.mean()), float(by_seed.std(ddof=1)) if len(by_seed) > 1 else 0.0


def difference(of: Right, to: Right, *, resamples: int = RESAMPLES, seed: int = 0) -> Difference:
    """Paired bootstrap of the accuracy of `of` less that of `to`, over the same questions.

    Raises ValueError when they are not over the same number of questions.
    """
    if of.shape[1] != to.shape[1]:
        raise ValueError(f"{of.shape[1]} questions cannot be paired with {to.shape[1]}")
    rng = np.random.default_rng(seed)
    ours, theirs = of.astype(np.float32), to.astype(np.float32)
    count = of.shape[1]
    drawn = []
    for first in range(0, resamples, _PARTS):
        size = min(_PARTS, resamples - first)
        times = rng.multinomial(count, np.full(count, 1 / count), size).astype(np.float32).T  # [questions, size]
        drawn.append(_means(ours, times, rng) - _means(theirs, times, rng))
    low, high = np.quantile(np.concatenate(drawn) / count, [0.025, 0.975])
    return Difference(float(of.mean() - to.mean()), float(low), float(high))


def _means(right: NDArray[np.float32], times: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Right answers in each resample, over seeds drawn anew for it: [size]."""
    sums = right @ times  # [seeds, size]
    seeds = len(right)
    weights = rng.multinomial(seeds, np.full(seeds, 1 / seeds), times.shape[1]).T / seeds
    return (sums * weights).sum(0)
