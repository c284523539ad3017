"""What every data set gives: questions about pictures, one `Sample` each, to be asked for by number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Sample:
    """One question with its answer.

    pictures: what it is about, in the order in which the language model sees them; uint8 [H, W, 3] each, RGB, scaled.
    picture_ids: one for each of them; two of one set are equal only where the pictures are.
    answer: the one to learn: of several the most frequent.
    answers: what each of several people said; () where there is one right answer.
    question_type, answer_type: what the set says of them ("what color is the"; "yes/no", "number", "other"), or "".
    question_id: the set's own name of the question, or "".
    region: (top, left, bottom, right) of what is asked about, as shares of the first picture; None: not known.
    """

    pictures: tuple[NDArray[np.uint8], ...]
    picture_ids: tuple[int, ...]
    question: str
    answer: str
    answers: tuple[str, ...] = ()
    question_type: str = ""
    answer_type: str = ""
    question_id: str = ""
    region: tuple[float, float, float, float] | None = None


class Samples(Protocol):
    """A set of questions, `together` of which follow each other about the same picture.

    `window`: that many in a row are at hand at a time, so that the order has to go from one such window to the next;
    0 = all are.
    """

    together: int
    window: int

    def __len__(self) -> int: ...

    def get(self, index: int, draw: int = 0) -> Sample:
        """Question number `index`; `draw` says how often the set was gone through before."""
        ...
