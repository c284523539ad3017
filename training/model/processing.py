"""How a picture and a question are prepared as they were in training: what `processor.json` beside a selector says.

    {"image": {"size": 64, "resample": "bicubic", "visual_tokens": 64},
     "text": {"tokenizer": "tiny", "revision": "", "max_seq_length": 64, "prompt": "…{question}…"},
     "keep": 4}

`size` is the side in pixels of the square that every picture is scaled to, `visual_tokens` the N that this makes,
`keep` the K that the selector was trained for, with `share` and `mass` beside it where the budget goes by them.
Tokenizer and chat template are the base's; `prompt` shows what they make of a question, for people and for code in
other languages.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.model.budget import Budget
from training.model.files import PROCESSOR
from training.model.prompts import template
from training.model.registry import Base
from training.model.seeing import AnyPicture
from training.shaping import cut, resized


@dataclass(frozen=True)
class Processor:
    image_size: int
    visual_tokens: int
    max_seq_length: int
    budget: Budget

    def picture(self, picture: AnyPicture) -> NDArray[np.uint8]:
        """RGB, uint8 [image_size, image_size, 3]."""
        array = np.asarray(picture.convert("RGB") if isinstance(picture, Image.Image) else picture, dtype=np.uint8)
        return resized(array, self.image_size)

    def question(self, base: Base, question: str) -> str:
        """Cut at its end where it is longer than in training, one token being left for the answer."""
        return cut(base.tokenizer, question, self.max_seq_length - 1)[0]

    def save(self, folder: Path, base: Base) -> None:
        held = {
            "image": {"size": self.image_size, "resample": "bicubic", "visual_tokens": self.visual_tokens},
            "text": {
                "tokenizer": base.name,
                "revision": base.revision,
                "max_seq_length": self.max_seq_length,
                "prompt": template(base),
            },
            "keep": self.budget.keep,
        }
        if self.budget.share or self.budget.mass:
            held |= {"share": self.budget.share, "mass": self.budget.mass}
        (folder / PROCESSOR).write_text(json.dumps(held, indent=2) + "\n", encoding="utf-8")

    @staticmethod
    def load(folder: Path) -> Processor | None:
        """None where an older version has left none."""
        path = folder / PROCESSOR
        if not path.is_file():
            return None
        held = json.loads(path.read_text(encoding="utf-8"))
        image, text = held["image"], held["text"]
        budget = Budget(held["keep"], held.get("share", 0.0), held.get("mass", 0.0))
        return Processor(image["size"], image["visual_tokens"], text["max_seq_length"], budget)
