"""Samples, their order, and the batches they come in."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from arrcoc_core.errors import ConfigError, DataError, RunError
from arrcoc_core.experiment import Data
from training.batches import Collate, Forwards, Order, load_batches
from training.data import Synthetic, open_samples
from training.devices import World
from training.hub_rows import StreamedRows
from training.samples import Sample, Samples
from training.shaping import Sizing
from training.tiny.tokenizer import make_tokenizer


def data(**changes: object) -> Data:
    values: dict[str, object] = {
        "dataset": "synthetic",
        "split_train": "train",
        "split_val": "validation",
        "max_train_samples": 12,
        "streaming": False,
        "bad_pictures": "error",
        "image_size": 64,
        "resize": "square",
        "min_pixels": 0,
        "prompt": "{question}",
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
    picture = Synthetic("train", 1, Sizing("square", 32), together=1).get(0).pictures[0]
    assert picture.shape == (32, 32, 3) and picture.dtype == np.uint8
    same = np.zeros((8, 8, 3), np.uint8)
    assert Sizing("square", 8)(same) is same


@pytest.mark.parametrize(
    ("size", "to"),
    [
        ((480, 640), (192, 288)),
        ((640, 480), (288, 192)),
        ((100, 100), (96, 96)),
        ((20, 20), (64, 64)),
        ((9, 640), (32, 544)),
    ],
)
def test_dynamic_resolution_keeps_the_aspect_ratio(size: tuple[int, int], to: tuple[int, int]) -> None:
    sizing = Sizing("dynamic", image_size=256, min_pixels=64 * 64, token_side=32)
    assert sizing(np.zeros((*size, 3), np.uint8)).shape == (*to, 3)


def test_a_picture_too_long_to_scale() -> None:
    with pytest.raises(DataError, match="of question 3 has 2010 x 10 px"):
        Sizing("dynamic", 256, token_side=32)(np.zeros((10, 2010, 3), np.uint8), "question 3")


def sample(question: str, answer: str, picture_id: int = 0) -> Sample:
    return Sample((np.zeros((8, 8, 3), np.uint8),), (picture_id,), question, answer)


def test_long_questions_are_cut() -> None:
    collate = Collate(make_tokenizer(), max_seq_length=4)
    batch = collate(
        [sample("the circle is the colour what", "red"), sample("the circle", "red"), sample("is", "a b c d")]
    )
    assert batch.questions == ["the circle is", "the circle", "is"]
    assert batch.answers == ["red", "red", "a b c"]


def test_the_prompt_stands_around_the_question() -> None:
    batch = Collate(make_tokenizer(), 4, prompt="say: {question} ? one word")([sample("the circle is the", "red")])
    assert batch.questions == ["say: the circle is ? one word"]


def test_a_picture_is_in_a_batch_once() -> None:
    batch = Collate(make_tokenizer(), 64)([sample("is", "red", 5), sample("the", "red", 9), sample("what", "red", 5)])
    assert len(batch.pictures) == 2 and batch.about == [(0,), (1,), (0,)]


def test_workers_give_the_same_batches() -> None:
    samples, collate = Synthetic("train", 24, Sizing("square", 64), together=4), Collate(make_tokenizer(), 64)
    forwards = Forwards(Order(24, 8, 0, 4), 4, World(), first=1, last=5)
    alone, helped = (
        [(b.questions, np.stack(b.pictures)) for b in load_batches(samples, forwards, collate, workers=w, prefetch=2)]
        for w in (0, 2)
    )
    assert len(alone) == len(helped) == len(forwards) == 8
    for (questions, pictures), (same_questions, same_pictures) in zip(alone, helped, strict=True):
        assert questions == same_questions and np.array_equal(pictures, same_pictures)


def test_a_window_is_shuffled_by_itself() -> None:
    order = Order(count=10, per_step=5, seed=3, window=4)
    for epoch in (0, 1):
        indices = [index for k in (0, 1) for _, index in order.of_step(2 * epoch + k)]
        assert [sorted(indices[a:b]) for a, b in ((0, 4), (4, 8), (8, 10))] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert order.of_step(0) != [(0, index) for _, index in order.of_step(2)]


@pytest.fixture
def vqa_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small data set in the layout of the Hub: parquet files with pictures inside, one for each split."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    text, number = datasets.Value("string"), datasets.Value("int64")
    answer = {"answer": text, "answer_confidence": text, "answer_id": number}
    features = datasets.Features(
        {
            "question_type": text,
            "multiple_choice_answer": text,
            "answers": [answer],
            "image_id": number,
            "answer_type": text,
            "question_id": number,
            "question": text,
            "image": datasets.Image(),
        }
    )
    folder = tmp_path / "vqa"
    (folder / "data").mkdir(parents=True)
    for split, count in (("train", 10), ("validation", 3)):
        rows = [
            {
                "question_type": "what is",
                "multiple_choice_answer": "yes",
                "answers": [
                    {"answer": a, "answer_confidence": "maybe", "answer_id": i}
                    for i, a in enumerate(["no"] * 4 + ["yes"] * 6)
                ],
                "image_id": 7,
                "answer_type": "yes/no",
                "question_id": 70 + k,
                "question": f"what is {k} ?",
                "image": Image.new("L" if k % 2 else "RGB", (40 + k // 2, 30), k // 2),
            }
            for k in range(count)
        ]
        datasets.Dataset.from_list(rows, features=features).to_parquet(folder / "data" / f"{split}-0.parquet")
    return folder


def test_a_vqa_data_set_in_the_layout_of_the_hub(vqa_folder: Path) -> None:
    train, held_out = open_samples(data(max_train_samples=4), str(vqa_folder), 100)
    assert (len(train), len(held_out)) == (4, 3)
    first, second = train.get(0), train.get(2)
    assert (first.question, first.answer, first.question_id) == ("what is 0 ?", "yes", "70")
    assert first.answers == ("no",) * 4 + ("yes",) * 6
    assert (first.question_type, first.answer_type) == ("what is", "yes/no")
    assert first.pictures[0].shape == second.pictures[0].shape == (64, 64, 3)
    assert first.picture_ids != second.picture_ids  # though the set calls both 7
    dynamic, _ = open_samples(data(resize="dynamic", image_size=32), str(vqa_folder), 3, token_side=8)
    assert dynamic.get(0).pictures[0].shape == (24, 32, 3)


@pytest.mark.parametrize("streaming", [False, True])
def test_class_labels_are_known_by_their_names(tmp_path: Path, streaming: bool) -> None:
    import datasets
    import pyarrow.parquet as pq

    answers = datasets.ClassLabel(names=["blue", "red", "yes"])
    kinds = datasets.ClassLabel(names=["what colour", "is it"])
    people = {"answer": answers, "answer_id": datasets.Value("int64")}
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "question": datasets.Value("string"),
            "answer": answers,
            "answers": [people],
            "question_type": kinds,
            "answer_type": datasets.Value("int64"),
        }
    )
    rows = [
        {
            "image": Image.new("RGB", (16, 16)),
            "question": "which ?",
            "answer": label,
            "answers": [{"answer": said, "answer_id": 0} for said in (label, 0, label)],
            "question_type": 0,
            "answer_type": 0,
        }
        for label in (1, 2, -1)
    ]
    for split in ("train", "validation"):
        datasets.Dataset.from_list(rows, features=features).to_parquet(tmp_path / f"{split}.parquet")
    train, _ = open_samples(data(max_train_samples=3, streaming=streaming), str(tmp_path), 3)
    first = train.get(0)
    assert (first.answer, first.answers) == ("red", ("red", "blue", "red"))
    assert (first.question_type, first.answer_type) == ("what colour", "0")
    assert train.get(1).answer == "yes"
    assert train.get(2).answers == ()  # two of the three gave none
    table = datasets.Dataset.from_list(rows, features=features).data.table
    pq.write_table(table.set_column(2, table.schema.field(2), [[7, 1, 1]]), tmp_path / "train.parquet")
    train, _ = open_samples(data(max_train_samples=3, streaming=streaming), str(tmp_path), 3)
    with pytest.raises(DataError, match=r"answer in row 0 of .* is the class label 7, and there are 3 of them"):
        train.get(0)


def batches(samples: Samples, order: Order, first: int = 0, workers: int = 0) -> list[tuple[list[str], int]]:
    """Questions of each batch of steps `first` to 7, with a sum over its pictures."""
    made = load_batches(
        samples, Forwards(order, 2, World(), first, 7), Collate(make_tokenizer(), 64), workers=workers, prefetch=1
    )
    return [(batch.questions, sum(int(picture.sum()) for picture in batch.pictures)) for batch in made]


def test_a_stream_gives_the_same_whoever_reads_it(vqa_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StreamedRows, "window", 4)
    opened = (open_samples(data(streaming=True, max_train_samples=9), str(vqa_folder), 3)[0] for _ in range(3))
    alone, helped, resumed = opened
    assert (len(alone), alone.window) == (9, 4)
    order = Order(9, 3, seed=1, window=4)
    whole = batches(alone, order)
    assert batches(helped, order, workers=2) == whole
    assert batches(resumed, order, first=4) == whole[-len(batches(resumed, order, first=4)) :]
    stored, _ = open_samples(data(max_train_samples=9), str(vqa_folder), 3)
    assert batches(stored, order) == whole
    assert sorted(q for questions, _ in whole[:6] for q in questions) == sorted(f"what is {k} ?" for k in range(9))


def test_a_stream_says_where_it_ends(vqa_folder: Path) -> None:
    longer, _ = open_samples(data(streaming=True, max_train_samples=50), str(vqa_folder), 3)
    with pytest.raises(ConfigError, match="has only 10 rows, and 50 were asked for"):
        longer.get(0)
    with pytest.raises(ConfigError, match="does not say how many rows"):
        open_samples(data(streaming=True, max_train_samples=0), str(vqa_folder), 3)


def test_a_data_set_without_what_is_needed(vqa_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot open split 'test'"):
        open_samples(data(split_val="test"), str(vqa_folder), 8)
    import datasets

    bare = tmp_path / "bare"
    bare.mkdir()
    for split in ("train", "validation"):
        datasets.Dataset.from_dict({"question": ["?"]}).to_parquet(bare / f"{split}.parquet")
    with pytest.raises(ConfigError, match="has the columns question, and none is called image or images"):
        open_samples(data(), str(bare), 8)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_damaged_file_of_a_data_set_is_said_plainly(tmp_path: Path, streaming: bool) -> None:
    for split in ("train", "validation"):
        (tmp_path / f"{split}.csv").write_text("image,question,answer\n" + "a.jpg,why,so\n" * 9 + "a,b,c,d,e\n")
    with pytest.raises(ConfigError, match=r"cannot open split 'train' .*Expected 3 fields in line 11, saw 5"):
        open_samples(data(streaming=streaming), str(tmp_path), 8)


def test_a_stream_that_is_damaged_further_on_is_said_plainly(vqa_folder: Path) -> None:
    sound = vqa_folder / "data" / "train-0.parquet"
    sound.with_name("train-1.parquet").write_bytes(sound.read_bytes()[:-100])
    train, _ = open_samples(data(max_train_samples=20, streaming=True), str(vqa_folder), 3)
    with pytest.raises(RunError, match=r"vqa \(train\) cannot be read at row 0 or soon after: .*Parquet magic") as said:
        train.get(15)
    assert said.value.exit_code == 1, "half a file that the network gave is tried again, as any failure is"
