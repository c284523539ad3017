"""Samples of a set of rows, wherever these come from.

A row has `image` (one picture) or `images` (a list of them), `question`, and the answer: `multiple_choice_answer`,
`answer` or `answers` (texts, or records with a text under `answer`, as in VQAv2); `question_type`, `answer_type` and
`question_id` where the set knows them.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from arrcoc_core.errors import ConfigError, DataError
from arrcoc_core.experiment import BadPictures
from training.decoding import read_picture
from training.samples import Sample
from training.shaping import Sizing

ANSWERS = ("multiple_choice_answer", "answer", "answers")
PICTURES = ("image", "images")

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
    place, always the same, and the log says so.
    """

    together = 1

    def __init__(self, rows: Rows, sizing: Sizing, bad: BadPictures = "error") -> None:
        self.window = rows.window
        self._rows, self._sizing, self._bad = rows, sizing, bad
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
        said = [texts for name in ANSWERS if (texts := _texts(row.get(name)))]
        if not said:
            raise DataError(f"{named} has no answer", remedy="Take it out, or a split that has answers.")
        if not row["question"]:
            raise DataError(f"{named} has no text", remedy="Take it out.")
        held = row.get("images")
        held = [row.get("image")] if held is None else held
        if not held:
            raise DataError(f"{named} has no picture", remedy="Take it out.")
        read = [read_picture(picture, named, self._rows.folder) for picture in held]
        people = max(said, key=len)
        return Sample(
            tuple(self._sizing(picture, named) for picture, _ in read),
            tuple(number for _, number in read),
            row["question"],
            Counter(said[0]).most_common(1)[0][0],  # of equally frequent ones the first
            answers=people if len(people) > 1 else (),
            question_type=row.get("question_type") or "",
            answer_type=row.get("answer_type") or "",
            question_id=str(row.get("question_id") or ""),
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


def _texts(held: Any) -> tuple[str, ...]:
    """The answers in a row's column, however they are held."""
    if held is None or isinstance(held, str):
        return (held,) if held else ()
    if isinstance(held, Mapping):  # a list of records may come as a record of lists
        return _texts(held.get("answer"))
    if isinstance(held, (list, tuple, np.ndarray)):
        return tuple(str(one["answer"] if isinstance(one, Mapping) else one) for one in held)
    return (str(held),)
