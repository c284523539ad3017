"""What a picture's caption says, as fields.

The trainer writes each evaluation picture's caption as one line,
`Q: what colour is the ring? | answer: red | right: red | kept 4/64 | weights: propositional 0.06, …`, and older ones
without the weights; this module is the only reader of that line. A caption that does not have this form (a picture
some other tool logged) keeps its whole text as the question and has no verdict, so that nothing is ever hidden from
the user.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORM = re.compile(
    r"^Q:\s*(?P<question>.*?)\s*\|\s*answer:\s*(?P<answer>.*?)\s*\|\s*right:\s*(?P<truth>.*?)\s*"
    r"\|\s*kept\s+(?P<kept>\d+)\s*/\s*(?P<total>\d+)\s*(\|\s*(?P<weights>weights:.*?)\s*)?$",
    re.DOTALL,
)


@dataclass(frozen=True)
class Caption:
    """One evaluation picture in words. `kept` of `total` visual tokens were read; both 0 when unknown.

    `weights`: how much each way of knowing counted, in words.
    """

    question: str
    answer: str = ""
    truth: str = ""
    kept: int = 0
    total: int = 0
    weights: str = ""

    @property
    def verdict(self) -> bool | None:
        """True or False: the answer given is the right one or not; None: the caption does not say."""
        return None if not self.truth else self.answer.casefold() == self.truth.casefold()

    @property
    def verdict_word(self) -> str:
        """`right`, `wrong`, or empty: the state in words, so that colour never says it alone."""
        return {True: "right", False: "wrong", None: ""}[self.verdict]


def parse_caption(text: str) -> Caption:
    """Read one caption; a text of any other form becomes the question of a caption without a verdict."""
    match = _FORM.match(text.strip())
    if match is None:
        return Caption(question=text.strip())
    return Caption(
        question=match["question"],
        answer=match["answer"],
        truth=match["truth"],
        kept=int(match["kept"]),
        total=int(match["total"]),
        weights=match["weights"] or "",
    )
