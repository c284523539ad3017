"""How pictures are scaled and text is cut: in training, and wherever a trained selector is used afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image
    from transformers import PreTrainedTokenizerBase


def resized(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The picture [H, W, 3] scaled to [side, side, 3]; the very same array when it has that size."""
    if picture.shape[:2] == (side, side):
        return picture
    from PIL import Image

    scaled: Image.Image = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(scaled, dtype=np.uint8)


def cut(tokenizer: PreTrainedTokenizerBase, text: str, most: int) -> tuple[str, int]:
    """The beginning of `text` that makes at most `most` tokens, and how many these are."""
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    if len(offsets) <= most:
        return text, len(offsets)
    return text[: offsets[most - 1][1]], most
