"""Samples of a set of rows, wherever these come from.

A row has `image` (one picture) or `images` (a list of them), `question`, and the answer: `multiple_choice_answer`,
`answer` or `answers` (texts, or records with a text under `answer`, as in VQAv2); `question_type`, `answer_type` and
`question_id` where the set knows them. Answers lose the blanks around them, and empty ones do not count. A number is
taken as the text that it is written as.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from numbers import Number
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from arrcoc_core.errors import ConfigError, DataError
from arrcoc_core.experiment import BadPictures
from training.decoding import read_picture
from training.samples import Sample
from training.shaping import Sizing

ANSWERS = ("multiple_choice_answer", "answer", "answers")
PICTURES = ("image", "images")
TEXTS = ("question", *ANSWERS, "question_type", "answer_type")

Row = Mapping[str, Any]


class Rows(Protocol):
    """`title` is what messages call the set; paths of pictures are below `folder`; `window`: see `Samples`."""

    title: str
    folder: Path | None
    window: int

    def __len__(self) -> int: ...

    def row(self, index: int) -> Row: ...


class RowSamples:
    """The first `len(rows)` questions; pictures are decoded when asked for.

    A row that cannot be used raises DataError; with `bad` = "skip" the next one of its window that can takes its
    place, always the same, and the log says so. `least`: visual tokens that the pictures of a row have to make.
    """

    together = 1

    def __init__(self, rows: Rows, sizing: Sizing, bad: BadPictures = "error", least: int = 0) -> None:
        self.window = rows.window
        self._rows, self._sizing, self._bad, self._least = rows, sizing, bad, least
        self._told: set[int] = set()

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, index: int, draw: int = 0) -> Sample:
        del draw  # a question of a data set is the same each time
        try:
            return self._sample(index)
        except DataError as error:
            if self._bad == "error":
                raise
            if index not in self._told:
                self._told.add(index)
                print(f"skipped: {error}", file=sys.stderr, flush=True)
        return self._stand_in(index)

    def _stand_in(self, index: int) -> Sample:
        size = self.window or len(self)
        first = index // size * size
        size = min(size, len(self) - first)
        for k in range(1, size):
            try:
                return self._sample(first + (index - first + k) % size)
            except DataError:
                continue
        raise DataError(
            f"none of {size:,} questions of {self._rows.title} from number {first:,} on can be used",
            remedy='See why with data.bad_pictures="error".',
        )

    def _sample(self, index: int) -> Sample:
        row = self._rows.row(index)
        named = f"question {row.get('question_id') or f'number {index}'} of {self._rows.title}"
        said = [texts for name in ANSWERS if (texts := _texts(row.get(name), f"{name} of {named}"))]
        if not said:
            raise DataError(f"{named} has no answer", remedy="Take it out, or a split that has answers.")
        question = row["question"]
        if not isinstance(question, str) or not question.strip():
            held = "no text" if question is None or isinstance(question, str) else f"{question!r}, which is no text"
            raise DataError(f"{named} has {held}", remedy="Write the question as a text, or take it out.")
        held = row.get("images")
        held = [row.get("image")] if held is None else held
        if not isinstance(held, list | tuple):
            raise DataError(
                f"the images of {named} are {shown(held)}, not a list",
                remedy='Write ["a.jpg", "b.jpg"], or call the column image where a question is about one picture.',
            )
        if not held:
            raise DataError(f"{named} has no picture", remedy="Take it out.")
        read = [read_picture(picture, named, self._rows.folder) for picture in held]
        pictures = tuple(self._sizing(picture, named) for picture, _ in read)
        self._check_tokens(pictures, named)
        people = max(said, key=len)
        return Sample(
            pictures,
            tuple(number for _, number in read),
            question,
            Counter(said[0]).most_common(1)[0][0],  # of equally frequent ones the first
            answers=people if len(people) > 1 else (),
            question_type=_text(row.get("question_type"), f"question_type of {named}"),
            answer_type=_text(row.get("answer_type"), f"answer_type of {named}"),
            question_id=str(row.get("question_id") or ""),
        )

    def _check_tokens(self, pictures: Sequence[NDArray[np.uint8]], named: str) -> None:
        count = sum(map(self._sizing.tokens, pictures))
        if count < self._least:
            sizes = ", ".join(f"{picture.shape[1]} x {picture.shape[0]}" for picture in pictures)
            raise DataError(
                f"the picture of {named} makes {count} visual tokens ({sizes} px), and {self._least} are to be kept",
                remedy="Put a larger one in its place. For a new run: raise data.min_pixels, keep fewer, give "
                'Tokens(share=…), which goes by the size of each picture, or let data.bad_pictures="skip" ask a '
                "neighbouring question instead.",
            )


def check_columns(title: str, columns: Iterable[str]) -> None:
    """ConfigError when what a sample needs is not among a set's columns."""
    columns = list(columns)
    for needed in (("question",), PICTURES, ANSWERS):
        if not set(needed) & set(columns):
            raise ConfigError(
                f"{title} has the columns {', '.join(columns)}, and none is called {' or '.join(needed)}",
                remedy=f"Needed are question, one of {' and '.join(PICTURES)}, and one of {', '.join(ANSWERS)}.",
            )


def _texts(held: Any, named: str) -> tuple[str, ...]:
    """The answers in a row's column, however they are held, without those that say nothing."""
    if isinstance(held, Mapping):  # a list of records may come as a record of lists
        return _texts(_answer_of(held, named), named)
    several = held if isinstance(held, list | tuple | np.ndarray) else (held,)
    texts = (_text(_answer_of(one, named) if isinstance(one, Mapping) else one, named) for one in several)
    return tuple(text for text in texts if text)


def _answer_of(record: Mapping[str, Any], named: str) -> Any:
    if "answer" not in record:
        raise DataError(
            f"the {named} has a record {shown(dict(record))} without an answer",
            remedy='Write {"answer": "yes"}, as VQAv2 does, or the text alone.',
        )
    return record["answer"]


def _text(held: Any, named: str) -> str:
    if held is None:
        return ""
    if not isinstance(held, str | Number):
        raise DataError(f"the {named} has {shown(held)}, which is no text", remedy='Write it as a text: "yes".')
    return str(held).strip()


def shown(held: Any) -> str:
    """A value of a row for a message, which may be long."""
    text = repr(held)
    return text if len(text) <= 80 else f"{text[:80]}…"
