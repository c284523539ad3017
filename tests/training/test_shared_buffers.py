"""Batches come through shared memory, which is used again, and never while somebody has an array in it."""

from __future__ import annotations

import numpy as np
import pytest

from training.batches import Batch, Collate, Forwards, Order, load_batches
from training.data import Synthetic
from training.devices import World
from training.shaping import Sizing
from training.shared_buffers import Packed, SharedBuffers
from training.tiny.tokenizer import make_tokenizer


def packed(shared: SharedBuffers, *arrays: np.ndarray) -> Packed:
    number = shared.take()
    assert number is not None
    return shared.pack(["beside them", *arrays], number)


def test_arrays_come_out_as_they_went_in_and_nobody_can_write_to_them() -> None:
    shared = SharedBuffers(1)
    went_in: list[np.ndarray] = [
        np.arange(size, dtype=kind) for size, kind in ((7, np.uint8), (0, np.int16), (100_000, np.float32))
    ]
    went_in.append(np.arange(12).reshape(3, 4).T)
    sent = packed(shared, *went_in)
    assert len(sent.pickled) < 1000
    text, *came_out = shared.unpack(sent)
    assert text == "beside them"
    for before, after in zip(went_in, came_out, strict=True):
        assert np.array_equal(before, after) and before.dtype == after.dtype
    with pytest.raises(ValueError, match="read-only"):
        came_out[0][0] = 1


def test_a_buffer_is_free_when_the_last_view_of_an_array_in_it_is_gone() -> None:
    shared = SharedBuffers(2)
    _, first, other = shared.unpack(packed(shared, np.full(50, 1), np.full(50, 2)))
    view = first[10:].reshape(2, 20)[1]
    del first, other
    assert shared.take() is not None and shared.take() is None
    assert view.tolist() == [1] * 20
    del view
    _, larger = shared.unpack(packed(shared, np.full(100_000, 3)))
    assert shared.take() is None and larger.sum() == 300_000


def test_a_value_without_arrays_gives_its_buffer_back_at_once() -> None:
    shared = SharedBuffers(1)
    for _ in range(3):
        assert shared.unpack(packed(shared)) == ["beside them"]
        assert shared.unpack(packed(shared, np.empty((0, 3))))[1].shape == (0, 3)


def test_batches_that_are_kept_stay_what_they_were() -> None:
    samples = Synthetic("train", 64, Sizing("square", 64), together=4)
    forwards, collate = Forwards(Order(64, 4, seed=2), 4, World(), 0, 24), Collate(make_tokenizer(), 64)
    alone, helped = (list(load_batches(samples, forwards, collate, workers=n, prefetch=1)) for n in (0, 2))
    assert len(helped) == 24  # of which five fit into buffers at a time

    def texts(batch: Batch) -> tuple[object, ...]:
        return batch.questions, batch.answers, batch.about

    for one, other in zip(alone, helped, strict=True):
        assert texts(one) == texts(other)
        assert all(map(np.array_equal, one.pictures, other.pictures))
