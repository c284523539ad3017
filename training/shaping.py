"""How pictures are scaled and text is cut: in training, and wherever a trained selector is used afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from arrcoc_core.errors import DataError
from arrcoc_core.experiment import Resize

if TYPE_CHECKING:
    from PIL import Image
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Sizing:
    """How large a picture is made, bicubically.

    "square": `image_size` pixels both ways. "dynamic": it keeps its aspect ratio as nearly as both sides can be
    multiples of `token_side`, and has at most `image_size` squared pixels and at least `min_pixels`: the rule of
    Qwen2-VL and its successors (Wang et al., "Qwen2-VL"; transformers' `smart_resize`).
    """

    resize: Resize
    image_size: int
    min_pixels: int = 0
    token_side: int = 1

    @property
    def most_tokens(self) -> int:
        """Visual tokens of the largest picture that this makes."""
        if self.resize == "square":
            return (self.image_size // self.token_side) ** 2
        return self.image_size**2 // self.token_side**2

    def tokens(self, picture: NDArray[np.uint8]) -> int:
        """Visual tokens of a picture that was scaled."""
        height, width = picture.shape[:2]
        return (height // self.token_side) * (width // self.token_side)

    def __call__(self, picture: NDArray[np.uint8] | Image.Image, named: str = "a question") -> NDArray[np.uint8]:
        """uint8 [H, W, 3] of an RGB picture. DataError where one side is over 200 times the other."""
        height, width = picture.shape[:2] if isinstance(picture, np.ndarray) else picture.size[::-1]
        if self.resize == "square":
            return resized(picture, self.image_size, self.image_size)
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

        side = self.token_side
        try:
            to = smart_resize(height, width, side, max(self.min_pixels, side * side), self.image_size**2)
        except ValueError as error:
            raise DataError(
                f"the picture of {named} has {width} x {height} px: {error}", remedy="Crop it, or leave it out."
            ) from error
        return resized(picture, *to)


def resized(picture: NDArray[np.uint8] | Image.Image, height: int, width: int) -> NDArray[np.uint8]:
    """The picture [H, W, 3] scaled to [height, width, 3]; the very same array when it has that size."""
    from PIL import Image

    if isinstance(picture, np.ndarray):
        if picture.shape[:2] == (height, width):
            return picture
        picture = Image.fromarray(picture)
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture, dtype=np.uint8)


def cut(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], most: Sequence[int]) -> list[tuple[str, int]]:
    """Of each text the beginning that makes at most so many tokens, and how many these are."""
    found = tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return [
        (text, len(offsets)) if len(offsets) <= limit else (text[: offsets[limit - 1][1]], limit)
        for text, offsets, limit in zip(texts, found, most, strict=True)
    ]


def asked(prompt: str, question: str) -> str:
    """What the language model is asked: the prompt with the question in its place."""
    return prompt.replace("{question}", question)
