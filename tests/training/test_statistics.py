"""Intervals that mean what they say."""

from __future__ import annotations

import numpy as np
import pytest

from training.statistics import accuracy, difference


def answers(rng: np.random.Generator, chances: np.ndarray, seeds: int) -> np.ndarray:
    return rng.random((seeds, len(chances))) < chances


def test_mean_and_deviation_are_over_seeds() -> None:
    right = np.array([[True, True, False, False], [True, True, True, False]])
    assert accuracy(right) == pytest.approx((0.625, np.std([0.5, 0.75], ddof=1)))
    assert accuracy(right[:1]) == (0.5, 0.0)


def test_the_interval_of_equals_holds_zero_and_that_of_a_real_gain_does_not() -> None:
    rng = np.random.default_rng(0)
    chances = rng.uniform(0.2, 0.9, 1024)
    same = difference(answers(rng, chances, 3), answers(rng, chances, 3), resamples=500)
    assert same.low < 0 < same.high
    better = difference(answers(rng, np.clip(chances + 0.1, 0, 1), 3), answers(rng, chances, 3), resamples=500)
    assert 0 < better.low < better.mean < better.high


def test_the_same_questions_are_compared_so_pairing_narrows_the_interval() -> None:
    rng = np.random.default_rng(1)
    theirs = answers(rng, np.full(1024, 0.5), 1)
    ours = theirs | answers(rng, np.full(1024, 0.05), 1)
    paired = difference(ours, theirs, resamples=500)
    shuffled = difference(ours, theirs[:, rng.permutation(1024)], resamples=500)
    assert paired.mean == pytest.approx(shuffled.mean)
    assert (paired.high - paired.low) < 0.5 * (shuffled.high - shuffled.low)


def test_nineteen_in_twenty_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(2)
    chances = rng.uniform(0.3, 0.8, 200)
    held = 0
    for seed in range(100):
        drawn = rng.choice(chances, 200)  # other questions of the same kind each time
        found = difference(answers(rng, drawn + 0.05, 1), answers(rng, drawn, 1), resamples=200, seed=seed)
        held += found.low <= 0.05 <= found.high
    assert 88 <= held <= 100


def test_other_numbers_of_questions_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="3 questions cannot be paired with 4"):
        difference(np.ones((1, 3), bool), np.ones((1, 4), bool))
