"""Envelope, smoothing and series against plain recomputation; whatever way the points arrived."""

from __future__ import annotations

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from arrcoc_core.metrics import Pyramid, Series
from arrcoc_core.metrics.smoothing import Ema

Floats = NDArray[np.float64]


def walk(count: int, seed: int = 0, gaps: bool = True) -> Floats:
    source = np.random.default_rng(seed)
    values = np.cumsum(source.normal(size=count))
    if gaps:
        values[source.random(count) < 0.01] = np.nan
        values[source.random(count) < 0.002] = np.inf
    return values


def grown_pyramid(values: Floats, seed: int) -> Pyramid:
    chance, pyramid, end = random.Random(seed), Pyramid(), 0
    while end < len(values):
        end = min(len(values), end + chance.choice((1, 3, 10, 500)))
        pyramid.sync(values[:end])
    return pyramid


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 63, 64, 1_000, 4_097, 20_000])
def test_a_query_keeps_the_extremes_of_every_stretch(count: int) -> None:
    values = walk(count)
    pyramid = grown_pyramid(values, count)
    assert len(pyramid) == count
    assert pyramid.gaps.tolist() == np.flatnonzero(~np.isfinite(values)).tolist()
    chance = random.Random(count)
    for _ in range(40):
        start, stop = sorted((chance.randrange(count + 1), chance.randrange(count + 1)))
        buckets = chance.choice((5, 40, 300))
        index, drawn = pyramid.query(start, stop, buckets)
        assert len(index) == len(drawn) <= 2 * buckets + 16
        assert (np.diff(index) >= 0).all()
        if len(index):
            assert 0 <= index[0] <= index[-1] < count
        inside = values[start:stop]
        finite = inside[np.isfinite(inside)]
        if len(finite):
            assert np.nanmin(drawn) <= finite.min()
            assert np.nanmax(drawn) >= finite.max()
            low, high = pyramid.range(start, stop)
            assert low <= finite.min() <= finite.max() <= high
            around = values[max(0, start - 400) : stop + 400]
            assert set(drawn[np.isfinite(drawn)]) <= set(values)
            assert low >= around[np.isfinite(around)].min() or stop - start > 400


def test_zoomed_in_every_point_is_there() -> None:
    values = walk(50_000)
    pyramid = Pyramid(values)
    index, drawn = pyramid.query(20_000, 20_100, 100)
    assert index.tolist() == list(range(20_000, 20_100))
    want = np.where(np.isfinite(values), values, np.nan)[20_000:20_100]
    assert np.array_equal(drawn, want, equal_nan=True)


def test_buckets_belong_to_the_series_so_a_growing_curve_does_not_shimmer() -> None:
    values = walk(10_050, gaps=False)
    pyramid = Pyramid(values[:10_000])
    before = dict(zip(*(part.tolist() for part in pyramid.query(0, 10_000, 100)), strict=True))
    pyramid.sync(values)
    after = dict(zip(*(part.tolist() for part in pyramid.query(0, 10_050, 100)), strict=True))
    settled = [place for place in before if place < 9_900]
    assert all(before[place] == after[place] for place in settled)


def test_a_rewrite_of_old_points_is_taken_in() -> None:
    values = walk(5_000)
    pyramid = Pyramid(values)
    values = values.copy()
    values[3_001] = 1e9
    values[40] = np.nan
    pyramid.sync(values, 40)
    fresh = Pyramid(values)
    assert pyramid.gaps.tolist() == fresh.gaps.tolist()
    for start, stop, buckets in ((0, 5_000, 50), (2_990, 3_010, 50), (0, 100, 10)):
        for ours, want in zip(pyramid.query(start, stop, buckets), fresh.query(start, stop, buckets), strict=True):
            assert np.array_equal(ours, want, equal_nan=True)
    pyramid.sync(values[:10], 0)
    assert len(pyramid) == 10
    assert pyramid.range(0, 10) == Pyramid(values[:10]).range(0, 10)


def plain_ema(values: Floats, alpha: float) -> list[float]:
    total = weight = 0.0
    out: list[float] = []
    for value in values.tolist():
        finite = np.isfinite(value)
        total = alpha * total + (1 - alpha) * (value if finite else 0.0)
        weight = alpha * weight + (1 - alpha) * finite
        out.append(total / weight if finite else np.nan)
    return out


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.9, 0.999])
def test_smoothing_in_pieces_equals_smoothing_at_once(alpha: float) -> None:
    values = walk(3_000)
    chance, ema, end = random.Random(1), Ema(alpha), 0
    while end < len(values):
        end = min(len(values), end + chance.choice((1, 5, 64, 65, 700)))
        ema.sync(values[:end])
    assert np.allclose(ema.values, plain_ema(values, alpha), rtol=1e-9, atol=1e-12, equal_nan=True)
    values = values.copy()
    values[1_000:1_100] = 7.0
    ema.sync(values, 1_000)
    assert np.allclose(ema.values, plain_ema(values, alpha), rtol=1e-9, atol=1e-12, equal_nan=True)


def test_an_alpha_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="allowed is"):
        Ema(1.0)


def test_a_series_in_memory() -> None:
    series = Series.from_arrays("loss", [0, 10, 20], [3.0, 2.0, 1.0], [100.0, 90.0, 110.0])
    assert (series.last, series.last_step, len(series)) == (1.0, 20, 3)
    assert series.clock.tolist() == [100.0, 100.0, 110.0]
    smooth = series.smoothed(0.5).tolist()
    for step in range(30, 40_000, 10):
        series.append(step, 0.5)
    assert len(series.pyramid) == len(series) == len(series.smoothed(0.5)) == len(series.clock)
    assert series.smoothed(0.5)[:3].tolist() == smooth
    assert repr(series) == f"Series('loss', {len(series)} points, last 0.5)"
    with pytest.raises(ValueError, match="steps"):
        series.append([1, 2], [1.0])


def test_an_empty_series() -> None:
    series = Series("nothing")
    assert (series.last, series.last_step, len(series), len(series.pyramid)) == (None, None, 0, 0)
    assert len(series.smoothed(0.9)) == 0
