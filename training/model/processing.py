"""How a picture and a question are prepared as they were in training: what `processor.json` beside a selector says.

    {"image": {"resize": "square", "size": 64, "min_pixels": 0, "multiple_of": 8, "resample": "bicubic",
               "visual_tokens": 64},
     "text": {"question": "{question}", "tokenizer": "tiny", "revision": "", "max_seq_length": 64,
              "prompt": "…{question}…"},
     "keep": 4}

`image` says how pictures are scaled (`training.shaping.Sizing`), and of `visual_tokens` the N that this makes, at most;
`keep` is the K that the selector was trained for, with `share` and `mass` beside it where the budget goes by them.
`question` is what is put around a question; tokenizer and chat template are the base's, and `prompt` shows what they
make of it all, for people and for code in other languages.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from arrcoc_core.errors import ConfigError
from arrcoc_core.experiment import Resize
from training.decoding import as_rgb
from training.model.budget import Budget
from training.model.files import PROCESSOR
from training.model.prompts import template
from training.model.registry import Base
from training.model.seeing import AnyPicture
from training.shaping import Sizing, asked, cut

_REMEDY = (
    "Copy or fetch the whole folder anew: it is the result/ of a run, or a repository of the Hub. A processor.json of "
    "another library has to go from there."
)


@dataclass(frozen=True)
class Processor:
    sizing: Sizing
    visual_tokens: int
    max_seq_length: int
    budget: Budget
    prompt: str = "{question}"

    def picture(self, picture: AnyPicture) -> NDArray[np.uint8]:
        """RGB, uint8 [H, W, 3], the right way up, scaled."""
        return self.sizing(as_rgb(picture))

    def question(self, base: Base, question: str) -> str:
        """Cut at its end where it is longer than in training, one token being left for the answer; in its prompt."""
        ((short, _),) = cut(base.tokenizer, [question], [self.max_seq_length - 1])
        return asked(self.prompt, short)

    def save(self, folder: Path, base: Base) -> None:
        held = {
            "image": {
                "resize": self.sizing.resize,
                "size": self.sizing.image_size,
                "min_pixels": self.sizing.min_pixels,
                "multiple_of": self.sizing.token_side,
                "resample": "bicubic",
                "visual_tokens": self.visual_tokens,
            },
            "text": {
                "question": self.prompt,
                "tokenizer": base.name,
                "revision": base.revision,
                "max_seq_length": self.max_seq_length,
                "prompt": asked(template(base), self.prompt),
            },
            "keep": self.budget.keep,
        }
        if self.budget.share or self.budget.mass:
            held |= {"share": self.budget.share, "mass": self.budget.mass}
        (folder / PROCESSOR).write_text(json.dumps(held, indent=2) + "\n", encoding="utf-8")

    @staticmethod
    def load(folder: Path) -> Processor | None:
        """None where an older version has left none. ConfigError where the file is damaged, or is another's."""
        path = folder / PROCESSOR
        if not path.is_file():
            return None
        try:
            return _read(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:  # also of what is no JSON, or no UTF-8
            raise ConfigError(f"{path} cannot be read: {error}", remedy=_REMEDY) from error
        except (KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"{path} does not say how pictures and questions are prepared: {type(error).__name__}: {error}",
                remedy=_REMEDY,
            ) from error


def _read(held: dict[str, Any]) -> Processor:
    image, text = held["image"], held["text"]
    resize = image.get("resize", "square")  # an older version knew squares only
    if resize not in get_args(Resize):
        raise TypeError(f"{resize!r} is no way to resize")
    sizing = Sizing(
        resize,
        _whole(image["size"]),
        _whole(image.get("min_pixels", 0)),
        _whole(image.get("multiple_of", 1)),
    )
    budget = Budget(_whole(held["keep"]), _number(held.get("share", 0.0)), _number(held.get("mass", 0.0)))
    prompt = text.get("question", "{question}")
    if not isinstance(prompt, str):
        raise TypeError(f"{prompt!r} is no text")
    return Processor(sizing, _whole(image["visual_tokens"]), _whole(text["max_seq_length"]), budget, prompt)


def _number(held: Any) -> float:
    if not isinstance(held, int | float):
        raise TypeError(f"{held!r} is no number")
    return held


def _whole(held: Any) -> int:
    if not isinstance(held, int):
        raise TypeError(f"{held!r} is no whole number")
    return held
