"""Samples, their order, and the batches they come in."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from arrcoc_core.errors import ConfigError
from arrcoc_core.experiment import Data
from training.batches import Collate, Forwards, Order, load_batches
from training.data import Synthetic, open_samples
from training.devices import World
from training.samples import Sample
from training.shaping import resized
from training.tiny.tokenizer import make_tokenizer


def data(**changes: object) -> Data:
    values: dict[str, object] = {
        "dataset": "synthetic",
        "split_train": "train",
        "split_val": "validation",
        "max_train_samples": 12,
        "image_size": 64,
        "max_seq_length": 64,
        "num_workers": 0,
        "prefetch_factor": 2,
    }
    return Data(**{**values, **changes})  # type: ignore[arg-type]


def test_an_epoch_asks_every_question_once() -> None:
    order = Order(count=22, per_step=6, seed=3, together=4)
    assert order.steps_per_epoch == 4
    seen = Counter(sample for step in range(8) for sample in order.of_step(step))
    for epoch in (0, 1):
        asked = [seen[epoch, index] for index in range(22)]
        assert min(asked) == 1 and sum(asked) == 24  # filled up from the epoch's start
    assert [order.of_step(k) for k in range(4)] != [[(0, i) for _, i in order.of_step(k)] for k in range(4, 8)]


def test_the_order_is_a_pure_function_and_keeps_pictures_together() -> None:
    steps = [Order(48, 12, seed=1, together=4).of_step(step) for step in range(4)]
    assert steps == [Order(48, 12, seed=1, together=4).of_step(step) for step in range(4)]
    assert steps != [Order(48, 12, seed=2, together=4).of_step(step) for step in range(4)]
    assert all(len({index // 4 for _, index in step}) == 3 for step in steps)


def test_ranks_share_the_same_samples() -> None:
    order = Order(count=40, per_step=8, seed=0)
    alone = list(Forwards(order, 4, World(), first=1, last=3))
    assert [len(forward) for forward in alone] == [4, 4, 4, 4]
    shares = [list(Forwards(order, 4, World(rank, 2), first=1, last=3)) for rank in (0, 1)]
    assert [a + b for a, b in zip(*shares, strict=True)] == [alone[0] + alone[1], alone[2] + alone[3]]
    assert [len(Forwards(order, 3, World(rank, 2), 0, 5)) for rank in (0, 1)] == [10, 10]


def test_synthetic_samples_are_the_same_each_time_and_change_with_the_epoch() -> None:
    train, held_out = open_samples(data(), "synthetic", 8)
    assert (len(train), len(held_out)) == (12, 8)
    first, second, other = train.get(0), train.get(1), train.get(4)
    assert first.picture_ids == second.picture_ids != other.picture_ids
    assert np.array_equal(first.pictures[0], second.pictures[0]) and first.question != second.question
    assert train.get(0).question == first.question
    assert {train.get(0, draw=k).question for k in range(8)} != {first.question}
    assert held_out.get(0, draw=1).question == held_out.get(0).question
    assert not np.array_equal(held_out.get(0).pictures[0], first.pictures[0])


def test_no_number_of_samples_means_all() -> None:
    assert len(open_samples(data(max_train_samples=0), "synthetic", 8)[0]) == 20_000


@pytest.mark.parametrize("changes", [{"split_train": "test"}, {"split_train": "validation"}, {"split_val": "base"}])
def test_splits_that_are_not_there_or_the_same(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        open_samples(data(**changes), "synthetic", 8)


def test_pictures_are_scaled() -> None:
    picture = Synthetic("train", 1, 32, together=1).get(0).pictures[0]
    assert picture.shape == (32, 32, 3) and picture.dtype == np.uint8
    same = np.zeros((8, 8, 3), np.uint8)
    assert resized(same, 8) is same


def sample(question: str, answer: str, picture_id: int = 0) -> Sample:
    return Sample((np.zeros((8, 8, 3), np.uint8),), (picture_id,), question, answer)


def test_long_questions_are_cut() -> None:
    collate = Collate(make_tokenizer(), max_seq_length=4)
    batch = collate(
        [sample("the circle is the colour what", "red"), sample("the circle", "red"), sample("is", "a b c d")]
    )
    assert batch.questions == ["the circle is", "the circle", "is"]
    assert batch.answers == ["red", "red", "a b c"]


def test_a_picture_is_in_a_batch_once() -> None:
    batch = Collate(make_tokenizer(), 64)([sample("is", "red", 5), sample("the", "red", 9), sample("what", "red", 5)])
    assert len(batch.pictures) == 2 and batch.about == [(0,), (1,), (0,)]


def test_workers_give_the_same_batches() -> None:
    samples, collate = Synthetic("train", 24, 64, together=4), Collate(make_tokenizer(), 64)
    forwards = Forwards(Order(24, 8, 0, 4), 4, World(), first=1, last=5)
    alone, helped = (
        [(b.questions, np.stack(b.pictures)) for b in load_batches(samples, forwards, collate, workers=w, prefetch=2)]
        for w in (0, 2)
    )
    assert len(alone) == len(helped) == len(forwards) == 8
    for (questions, pictures), (same_questions, same_pictures) in zip(alone, helped, strict=True):
        assert questions == same_questions and np.array_equal(pictures, same_pictures)


@pytest.fixture
def vqa_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small data set in the layout of the Hub: parquet files with pictures inside, one for each split."""
    import datasets
    from PIL import Image

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "question": datasets.Value("string"),
            "answers": [{"answer": datasets.Value("string"), "answer_id": datasets.Value("int64")}],
        }
    )
    folder = tmp_path / "vqa"
    (folder / "data").mkdir(parents=True)
    for split, count in (("train", 6), ("validation", 3)):
        rows = [
            {
                "image": Image.new("L" if k % 2 else "RGB", (40 + k, 30), k),
                "question": f"what is {k} ?",
                "answers": [{"answer": a, "answer_id": i} for i, a in enumerate(("no", "yes", "yes"))],
            }
            for k in range(count)
        ]
        datasets.Dataset.from_list(rows, features=features).to_parquet(folder / "data" / f"{split}-0.parquet")
    return folder


def test_a_vqa_data_set_in_the_layout_of_the_hub(vqa_folder: Path) -> None:
    train, held_out = open_samples(data(max_train_samples=4), str(vqa_folder), 100)
    assert (len(train), len(held_out)) == (4, 3)
    first, second = train.get(0), train.get(1)
    assert (first.question, first.answer) == ("what is 0 ?", "yes")
    assert first.pictures[0].shape == second.pictures[0].shape == (64, 64, 3)
    assert first.picture_ids != second.picture_ids


def test_a_data_set_without_what_is_needed(vqa_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot open split 'test'"):
        open_samples(data(split_val="test"), str(vqa_folder), 8)
    import datasets

    bare = tmp_path / "bare"
    bare.mkdir()
    for split in ("train", "validation"):
        datasets.Dataset.from_dict({"question": ["?"]}).to_parquet(bare / f"{split}.parquet")
    with pytest.raises(ConfigError, match="has the columns question"):
        open_samples(data(), str(bare), 8)
