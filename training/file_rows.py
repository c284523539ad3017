"""Rows of files on this machine: VQAv2 as its authors give it out, and records in JSON.

VQAv2's own format (visualqa.org): a folder with `v2_OpenEnded_mscoco_train2014_questions.json`,
`v2_mscoco_train2014_annotations.json` and the pictures `train2014/COCO_train2014_000000123456.jpg`; the same for
val2014. They may lie one folder deeper. The splits are called "train" and "validation", or by the set's own names.

Records: objects with the fields of a row (`training/rows.py`), one a line (.jsonl) or as a list (.json); `image` is a
path, which starts in the folder of the file. Either a folder with a file for each split (`train.jsonl`), or one file
whose records say their `split`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

from arrcoc_core.errors import ConfigError, DataError
from arrcoc_core.experiment import BadPictures
from training.rows import Row, Rows, check_columns, shown

_SUBSETS = {"train": "train2014", "validation": "val2014", "val": "val2014", "test": "test2015"}
_ENDINGS = (".jsonl", ".json")
_AS_GIVEN_OUT = (
    "Take questions and annotations as VQAv2's authors give them out; records of your own go into train.jsonl and "
    "validation.jsonl."
)


def open_files(dataset: str, split: str, count: int, bad: BadPictures = "error") -> Rows | None:
    """The first `count` rows (0 = all) of a split; None where `dataset` is no file, nor a folder of these forms.

    `bad` = "skip": a picture that is missing is found when its question's turn comes, which another then takes.
    """
    place = Path(dataset)
    if place.is_file():
        return Records(place, split, count, by_field=True)
    if not place.is_dir():
        return None
    if _found(place, "*OpenEnded_mscoco_*_questions.json"):
        return VqaFiles(place, split, count, bad)
    for ending in _ENDINGS:
        if (place / f"{split}{ending}").is_file():
            return Records(place / f"{split}{ending}", split, count, by_field=False)
    return None


class _Annotated(NamedTuple):
    """What VQAv2 holds of one question; kept small, for there are 443,757 of them with ten answers each."""

    question: str
    question_id: int | str
    image_id: int
    answer: str
    answers: tuple[str, ...]
    question_type: str
    answer_type: str


class VqaFiles:
    """VQAv2 in its own format. Raises ConfigError when a file is not there, or the folder of the split's pictures is
    not; and DataError, unless `bad` ones are skipped, when one of them is not."""

    window = 0

    def __init__(self, place: Path, split: str, count: int, bad: BadPictures = "error") -> None:
        self._subset = _SUBSETS.get(split, split)
        self.title = f"{place} ({self._subset})"
        questions = _one(place, f"*OpenEnded_mscoco_{self._subset}_questions.json", self.title)
        annotations = _one(place, f"*mscoco_{self._subset}_annotations.json", self.title)
        self._held = _annotated(questions, annotations, count)
        self.folder = self._pictures(place)
        if bad == "error":
            self._check_pictures()

    def __len__(self) -> int:
        return len(self._held)

    def row(self, index: int) -> Row:
        one = self._held[index]
        return {
            "image": self._name(one.image_id),
            "multiple_choice_answer": one.answer,
            **{name: value for name, value in one._asdict().items() if name not in ("answer", "image_id")},
        }

    def _name(self, image_id: int) -> str:
        return f"COCO_{self._subset}_{image_id:012d}.jpg"

    def _pictures(self, place: Path) -> Path:
        places = [place / self._subset, *sorted(place.glob(f"*/{self._subset}"))]
        folder = next((folder for folder in places if folder.is_dir()), None)
        if folder is None:
            raise ConfigError(
                f"{self.title}: there is no folder {self._subset} with the pictures",
                remedy=f"Unpack {self._subset}.zip of MS COCO into {place}.",
            )
        return folder

    def _check_pictures(self) -> None:
        """DataError unless those of all questions are there: hours before the turn of the last."""
        there = set(os.listdir(self.folder))
        missing = sorted({name for one in self._held if (name := self._name(one.image_id)) not in there})
        if missing:
            more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
            raise DataError(
                f"{self.title}: {self.folder / missing[0]}{more} {'are' if more else 'is'} not there",
                remedy=f"Unpack the whole {self._subset}.zip of MS COCO, or take fewer questions. With "
                'data.bad_pictures="skip" a new run asks a neighbouring question instead.',
            )


class Records:
    """Records of a JSON file; `by_field`: those whose `split` is the one asked for, else all."""

    window = 0

    def __init__(self, file: Path, split: str, count: int, *, by_field: bool) -> None:
        self.title, self.folder = f"{file} ({split})", file.parent
        found, others, number = [], set(), 0
        for number, record in enumerate(_records(file)):
            if not isinstance(record, Mapping):
                raise DataError(f"{file}: record {number} is no object", remedy="Write {...} for each question.")
            if by_field and record.get("split") != split:
                others.add(str(record.get("split")))
                continue
            check_columns(f"record {number} of {file}", record)
            found.append(record)
            if len(found) == count:
                break
        if not found:
            there = f"; they are of {', '.join(sorted(others))}" if others else ""
            raise ConfigError(
                f"{file} has no records of the split {split!r}{there}",
                remedy='Give each record its "split", or make a folder with one file for each split.',
            )
        self._held = found

    def __len__(self) -> int:
        return len(self._held)

    def row(self, index: int) -> Row:
        return self._held[index]


def _found(place: Path, pattern: str) -> list[Path]:
    """Files in a folder, or one folder deeper."""
    return sorted(place.glob(pattern)) or sorted(place.glob(f"*/{pattern}"))


def _one(place: Path, pattern: str, title: str) -> Path:
    found = _found(place, pattern)
    if len(found) == 1:
        return found[0]
    raise ConfigError(
        f"{title}: there {'is no file' if not found else 'are several files'} {pattern}"
        + (f": {', '.join(map(str, found))}" if found else ""),
        remedy='The splits with answers are "train" (train2014) and "validation" (val2014); unpack questions and '
        "annotations of both there."
        if not found
        else "Leave one of them there.",
    )


def _annotated(questions: Path, annotations: Path, count: int) -> list[_Annotated]:
    by_id = {_id(held, annotations): held for held in _list(annotations, "annotations")}
    rows = []
    for asked in _list(questions, "questions")[: count or None]:
        number = _id(asked, questions)
        held = by_id.get(number)
        if held is None:
            raise DataError(
                f"question {number} of {questions} has no annotation in {annotations}",
                remedy="Take both files from the same release.",
            )
        try:
            rows.append(
                _Annotated(
                    asked["question"],
                    number,
                    int(asked["image_id"]),
                    intern(held["multiple_choice_answer"]),
                    tuple(intern(said["answer"]) for said in held["answers"]),
                    intern(held["question_type"]),
                    intern(held["answer_type"]),
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"question {number} is not as VQAv2 writes it in {questions} or {annotations}: "
                f"{type(error).__name__}: {error}",
                remedy=_AS_GIVEN_OUT,
            ) from error
    return rows


def _id(held: Any, file: Path) -> int | str:
    """A number in VQAv2 itself; others that use its form count in texts."""
    number = held.get("question_id") if isinstance(held, dict) else None
    if not isinstance(number, int | str):
        raise ConfigError(
            f"{file} has {shown(held)} without a question_id, so it is not as VQAv2 writes it",
            remedy=_AS_GIVEN_OUT,
        )
    return number


def _list(file: Path, name: str) -> Sequence[Any]:
    whole = _parsed(file, file.read_bytes(), 1)
    if not isinstance(whole, dict) or not isinstance(whole.get(name), list):
        raise ConfigError(f"{file} has no list of {name}", remedy=_AS_GIVEN_OUT)
    return whole[name]


def _records(file: Path) -> Iterator[Any]:
    if file.suffix == ".jsonl":
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _parsed(file, line, number)
        return
    whole = _parsed(file, file.read_bytes(), 1)
    if not isinstance(whole, list):
        raise ConfigError(f"{file} is no list of records", remedy="Write [{...}, ...], or one record a line in .jsonl.")
    yield from whole


def _parsed(file: Path, text: bytes, line: int) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        at = line + (error.lineno - 1 if isinstance(error, json.JSONDecodeError) else 0)
        raise ConfigError(f"{file} is not JSON: {error}", file=str(file), line=at) from error
