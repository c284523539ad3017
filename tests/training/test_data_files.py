"""Data sets in files on this machine: VQAv2 as its authors give it out, records in JSON; and what can be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fsspec import AbstractFileSystem, register_implementation
from PIL import Image

from arrcoc_core.defaults import DEFAULTS
from arrcoc_core.errors import ArrcocError, ConfigError, DataError, RunError, render
from training.batches import Collate, Forwards, Order, load_batches
from training.data import open_samples, pin
from training.decoding import read_picture
from training.devices import World
from training.samples import Samples
from training.tiny.tokenizer import make_tokenizer

DATA = DEFAULTS.data.but(max_train_samples=0)


def jpeg(path: Path, shade: int, size: tuple[int, int] = (64, 48)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, 100, 50)).save(path, quality=90)


@pytest.fixture
def vqav2(tmp_path: Path) -> Path:
    """Three training and two validation questions, the first two about one picture."""
    folder = tmp_path / "VQAv2"
    for subset, image_ids in (("train2014", (9, 9, 581929)), ("val2014", (42, 73))):
        questions, annotations = [], []
        for k, image_id in enumerate(image_ids):
            said = ["down"] * 3 + ["at table"] * 5 + ["skateboard"] * 2
            answers = [{"answer": a, "answer_confidence": "yes", "answer_id": i + 1} for i, a in enumerate(said)]
            number = image_id * 1000 + k
            questions.append({"image_id": image_id, "question": f"where is {k}?", "question_id": number})
            annotations.append(
                {
                    "question_type": "where is the",
                    "multiple_choice_answer": "at table",
                    "answers": answers,
                    "image_id": image_id,
                    "answer_type": "other",
                    "question_id": number,
                }
            )
            jpeg(folder / subset / f"COCO_{subset}_{image_id:012d}.jpg", image_id % 256)
        head = {"info": {}, "license": {}, "data_type": "mscoco", "data_subtype": subset, "task_type": "Open-Ended"}
        asked = {**head, "questions": questions}
        (folder / f"v2_OpenEnded_mscoco_{subset}_questions.json").write_text(json.dumps(asked))
        said_file = folder / "annotations" / f"v2_mscoco_{subset}_annotations.json"
        said_file.parent.mkdir(exist_ok=True)
        said_file.write_text(json.dumps({**head, "annotations": list(reversed(annotations))}))
    return folder


def test_vqav2_in_its_own_format(vqav2: Path) -> None:
    assert pin(str(vqav2)) == str(vqav2)
    train, held_out = open_samples(DATA, str(vqav2), 1)
    assert (len(train), len(held_out)) == (3, 1)
    first, second, third = (train.get(k) for k in range(3))
    assert (first.question, first.answer, first.question_id) == ("where is 0?", "at table", "9000")
    assert first.answers == ("down",) * 3 + ("at table",) * 5 + ("skateboard",) * 2
    assert (first.question_type, first.answer_type) == ("where is the", "other")
    assert first.picture_ids == second.picture_ids != third.picture_ids


def records(file: Path, rows: list[object]) -> None:
    whole = json.dumps(rows) if file.suffix == ".json" else "\n".join(json.dumps(row) for row in rows)
    file.write_text(whole, encoding="utf-8")


def test_records_with_several_pictures(tmp_path: Path) -> None:
    jpeg(tmp_path / "a" / "1.jpg", 10)
    jpeg(tmp_path / "a" / "2.jpg", 20)
    rows = [
        {"split": "train", "images": ["a/1.jpg", "a/2.jpg"], "question": "same?", "answers": ["no", "yes", "no"]},
        {"split": "train", "image": str(tmp_path / "a" / "2.jpg"), "question": "blue?", "answer": "yes"},
        {"split": "validation", "image": "a/1.jpg", "question": "red?", "answer": "no", "question_type": "is"},
    ]
    for name in ("all.jsonl", "all.json"):
        records(tmp_path / name, list(rows))
        train, held_out = open_samples(DATA, str(tmp_path / name), 8)
        assert (len(train), len(held_out)) == (2, 1)
        both, one = train.get(0), train.get(1)
        assert (len(both.pictures), both.answer, both.answers) == (2, "no", ("no", "yes", "no"))
        assert one.picture_ids == both.picture_ids[1:] and one.answers == ()
    batch = Collate(make_tokenizer(), 64)([both, one, held_out.get(0)])
    assert len(batch.pictures) == 2 and batch.about == [(0, 1), (1,), (0,)]
    assert (batch.people, batch.question_types) == ([("no", "yes", "no"), (), ()], ["", "", "is"])


def test_a_folder_with_a_file_for_each_split(tmp_path: Path) -> None:
    jpeg(tmp_path / "1.jpg", 10)
    for split in ("train", "validation"):
        records(tmp_path / f"{split}.jsonl", [{"image": "1.jpg", "question": split, "answer": "no"}])
    train, held_out = open_samples(DATA, str(tmp_path), 8)
    assert [train.get(0).question, held_out.get(0).question] == ["train", "validation"]
    with pytest.raises(ConfigError, match=r"data\.streaming is for data sets of the Hub"):
        open_samples(DATA.but(streaming=True), str(tmp_path), 8)


def broken_set(folder: Path) -> Path:
    """Four training questions, of which number 1 has half a picture and number 2 none."""
    for k in (0, 3):
        jpeg(folder / f"{k}.jpg", 60 * k, (640, 480))
    (folder / "1.jpg").write_bytes((folder / "3.jpg").read_bytes()[:2000])
    rows = [{"image": f"{k}.jpg", "question": f"q{k}", "answer": "yes", "question_id": f"id{k}"} for k in range(4)]
    records(folder / "train.jsonl", list(rows))
    records(folder / "validation.jsonl", list(rows[:1]))
    return folder


def test_a_bad_picture_is_an_error_that_names_it(tmp_path: Path) -> None:
    train, _ = open_samples(DATA, str(broken_set(tmp_path)), 8)
    with pytest.raises(DataError, match=r"question id1 of .*1\.jpg\) cannot be decoded: .*truncated"):
        train.get(1)
    with pytest.raises(DataError, match=r"question id2 of .*2\.jpg: No such file"):
        train.get(2)


def given(samples: Samples, workers: int) -> list[str]:
    """The questions of a pass over four samples, two at a time, until one raises."""
    forwards = Forwards(Order(4, 2, seed=0), 2, World(), 0, 2)
    asked = []
    for batch in load_batches(samples, forwards, Collate(make_tokenizer(), 64), workers=workers, prefetch=1):
        asked += batch.questions
    return asked


def test_an_error_in_a_loader_process_is_told_as_it_was_raised(tmp_path: Path) -> None:
    train, _ = open_samples(DATA, str(broken_set(tmp_path)), 8)
    with pytest.raises(DataError) as caught:
        given(train, workers=1)
    assert "Traceback" not in render(caught.value) and caught.value.remedy


def test_a_neighbour_stands_in_for_a_bad_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, _ = open_samples(DATA.but(bad_pictures="skip"), str(broken_set(tmp_path)), 8)
    assert [train.get(k).question for k in (0, 1, 2, 3, 1)] == ["q0", "q3", "q3", "q3", "q3"]
    assert sorted(given(train, workers=0)) == ["q0", "q3", "q3", "q3"]
    assert capsys.readouterr().err.count("skipped:") == 2  # each is told once


def changed(file: Path, change: dict[str, object]) -> None:
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    records(file, [{key: value for key, value in {**rows[0], **change}.items() if value is not None}])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": None, "answers": []}, "has no answer"),
        ({"answer": ""}, "has no answer"),
        ({"question": ""}, "has no text"),
        ({"image": None, "images": []}, "has no picture"),
        ({"question": None}, "and none is called question"),
        ({"image": None}, "and none is called image or images"),
        ({"answer": None}, "and none is called multiple_choice_answer or answer or answers"),
        ({"image": "no.txt"}, r"no\.txt\) cannot be decoded"),
        ({"answer": "  "}, "has no answer"),
        ({"answer": None, "answers": ["", " ", None]}, "question id0 of .* has no answer"),
        ({"answer": None, "answers": [{"answer": ""}] * 10}, "has no answer"),
        (
            {"answers": [{"text": "yes"}]},
            r"the answers of question id0 .* a record \{'text': 'yes'\} without an answer",
        ),
        ({"answers": [["yes"]]}, r"the answers of question id0 .* has \['yes'\], which is no text"),
        ({"question_type": ["is"]}, r"the question_type of question id0 .* has \['is'\], which is no text"),
        ({"question": 7}, "question id0 of .* has 7, which is no text"),
        ({"question": " "}, "has no text"),
        ({"image": 5}, "the picture of question id0 .* is of the type int"),
        ({"images": "0.jpg"}, r"the images of question id0 of .* are '0\.jpg', not a list"),
        ({"image": "nosuch://0.jpg"}, r"cannot be read: nosuch://0\.jpg: ValueError"),
        ({"image": "memory://0.jpg"}, r"cannot be read: memory://0\.jpg: FileNotFoundError"),
    ],
)
def test_rows_that_lack_something(tmp_path: Path, change: dict[str, object], message: str) -> None:
    folder = broken_set(tmp_path)
    (folder / "no.txt").write_text("no picture")
    changed(folder / "train.jsonl", change)
    with pytest.raises(ArrcocError, match=message):
        open_samples(DATA, str(folder), 8)[0].get(0)


def test_answers_lose_their_blanks_and_those_that_say_nothing(tmp_path: Path) -> None:
    folder = broken_set(tmp_path)
    said = [{"answer": "yes "}, {"answer": None}, {"answer": " "}, {"answer": " yes"}, {"answer": "no"}, 3]
    changed(folder / "train.jsonl", {"answer": None, "answers": said})
    sample = open_samples(DATA, str(folder), 8)[0].get(0)
    assert (sample.answer, sample.answers) == ("yes", ("yes", "yes", "no", "3"))


def test_a_type_that_is_a_number_is_a_text(tmp_path: Path) -> None:
    folder = broken_set(tmp_path)
    changed(folder / "train.jsonl", {"question_type": 0, "answer_type": 2})
    sample = open_samples(DATA, str(folder), 8)[0].get(0)
    assert (sample.question_type, sample.answer_type) == ("0", "2")


class Unreachable(AbstractFileSystem):
    """A place on the network that answers as its address says."""

    protocol = "unreachable"

    def _open(self, path: str, mode: str = "rb", **_: object) -> Any:
        status = int(path.rpartition("/")[2].removesuffix(".jpg"))
        error = ConnectionError("reset by peer") if status == 0 else RuntimeError("the server said no")
        error.status = status  # type: ignore[attr-defined]  # as aiohttp's ClientResponseError has it
        raise error


@pytest.mark.parametrize(("status", "raised"), [(403, DataError), (410, DataError), (503, RunError), (0, RunError)])
def test_a_place_that_cannot_be_reached_says_nothing_of_the_picture(status: int, raised: type[ArrcocError]) -> None:
    register_implementation("unreachable", Unreachable, clobber=True)
    with pytest.raises(raised, match=f"the picture of question 1 cannot be read: unreachable://a/{status}.jpg"):
        read_picture(f"unreachable://a/{status}.jpg", "question 1")


def test_a_picture_too_small_for_the_tokens_to_keep_is_a_bad_one(tmp_path: Path) -> None:
    folder = broken_set(tmp_path)
    jpeg(folder / "1.jpg", 1, (16, 16))
    jpeg(folder / "2.jpg", 2, (64, 8))
    dynamic = DATA.but(resize="dynamic", image_size=64, min_pixels=0)
    train, _ = open_samples(dynamic, str(folder), 8, token_side=8, least=4)
    assert [sum(map(len, train.get(k).pictures)) for k in (1, 2)] == [16, 8]  # 4 tokens, and 8
    train, _ = open_samples(dynamic, str(folder), 8, token_side=8, least=8)
    assert train.get(2).question == "q2"
    with pytest.raises(
        DataError, match=r"the picture of question id1 of .* makes 4 visual tokens \(16 x 16 px\), and 8"
    ):
        train.get(1)
    skipping, _ = open_samples(dynamic.but(bad_pictures="skip"), str(folder), 8, token_side=8, least=8)
    assert skipping.get(1).question == "q2"


def unlike_vqav2(at: Path) -> None:
    file = at / "annotations" / "v2_mscoco_train2014_annotations.json"
    file.write_text(file.read_text().replace('"answer": "down"', '"text": "down"'))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (unlike_vqav2, "question 9000 is not as VQAv2 writes it .*KeyError: 'answer'"),
        (lambda at: (at / "train2014" / "COCO_train2014_000000581929.jpg").unlink(), "581929.jpg is not there"),
        (lambda at: (at / "v2_OpenEnded_mscoco_val2014_questions.json").unlink(), "no file .*val2014_questions"),
        (lambda at: (at / "val2014").rename(at / "pictures"), "no folder val2014"),
        (lambda at: (at / "v2_OpenEnded_mscoco_train2014_questions.json").write_text('{"questions":\n['), "not JSON"),
        (
            lambda at: (at / "annotations" / "v2_mscoco_train2014_annotations.json").write_text('{"annotations": []}'),
            "question 9000 .* has no annotation",
        ),
        (
            lambda at: (at / "annotations" / "v2_mscoco_train2014_annotations.json").write_text(
                '{"annotations": [{"id": 9000}]}'
            ),
            r"annotations.json has \{'id': 9000\} without a question_id",
        ),
        (
            lambda at: (at / "v2_OpenEnded_mscoco_train2014_questions.json").write_text('{"questions": ["why?"]}'),
            "questions.json has 'why.' without a question_id",
        ),
    ],
)
def test_vqav2_with_something_missing(vqav2: Path, spoil: object, message: str) -> None:
    spoil(vqav2)  # type: ignore[operator]
    with pytest.raises(ConfigError, match=message):
        open_samples(DATA, str(vqav2), 8)


def test_a_missing_picture_of_vqav2_is_skipped_where_bad_ones_are(vqav2: Path) -> None:
    (vqav2 / "train2014" / "COCO_train2014_000000581929.jpg").unlink()
    train, _ = open_samples(DATA.but(bad_pictures="skip"), str(vqav2), 8)
    assert [train.get(k).question for k in range(3)] == ["where is 0?", "where is 1?", "where is 0?"]


def test_a_split_that_is_not_there(vqav2: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no file .*test2015_questions"):
        open_samples(DATA.but(split_val="test"), str(vqav2), 8)
    records(tmp_path / "all.jsonl", [{"split": "train", "image": "1.jpg", "question": "?", "answer": "no"}])
    with pytest.raises(ConfigError, match="no records of the split 'validation'; they are of train"):
        open_samples(DATA, str(tmp_path / "all.jsonl"), 8)
    with pytest.raises(ConfigError, match="is not on this machine"):
        pin(str(tmp_path / "nowhere"))
