"""The picture logged at each evaluation: what was shown, and what the selector looked at.

Left the picture; right the same under the relevance map, with the kept patches outlined. Both are 256 x 256 with 16 px
between them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIDE = 256  # px
GAP = 16  # px
_GREY = (128, 128, 128)
_OUTLINE = (255, 255, 255)
_SHADOW = (0, 0, 0)
# Dark to bright, readable without colour vision: black, violet, orange, yellow (after matplotlib's inferno).
_HEAT = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], np.float32)
_HEAT_OPACITY = 0.6


def composite(picture: NDArray[np.uint8], relevance: NDArray[np.float32], kept: Iterable[int]) -> Image.Image:
    """RGB image [256, 528] of a picture [H, W, 3], its relevance map [rows, columns] and the indices kept of it."""
    left = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    heat = Image.fromarray(_colours(relevance)).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    right = Image.blend(left, heat, _HEAT_OPACITY)
    _outline(right, relevance.shape, kept)
    canvas = Image.new("RGB", (2 * SIDE + GAP, SIDE), _GREY)
    canvas.paste(left, (0, 0))
    canvas.paste(right, (SIDE + GAP, 0))
    return canvas


def _colours(relevance: NDArray[np.float32]) -> NDArray[np.uint8]:
    low, high = float(relevance.min()), float(relevance.max())
    place = (relevance - low) / (high - low or 1.0) * (len(_HEAT) - 1)
    channels = [np.interp(place, np.arange(len(_HEAT)), _HEAT[:, channel]) for channel in range(3)]
    return np.stack(channels, -1).round().astype(np.uint8)


def _outline(image: Image.Image, shape: tuple[int, ...], kept: Iterable[int]) -> None:
    rows, columns = shape
    draw = ImageDraw.Draw(image)
    for index in kept:
        row, column = divmod(int(index), columns)
        box = [
            round(column * SIDE / columns),
            round(row * SIDE / rows),
            round((column + 1) * SIDE / columns) - 1,
            round((row + 1) * SIDE / rows) - 1,
        ]
        draw.rectangle(box, outline=_SHADOW, width=4)
        draw.rectangle(box, outline=_OUTLINE, width=2)
