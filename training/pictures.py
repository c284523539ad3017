"""The picture logged at each evaluation: what was shown, and what the selector looked at. And figures that explain.

Left the picture; right the same under the relevance map, with the kept patches outlined. Both are 256 x 256 with 16 px
between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from training.model.selector import WAYS

if TYPE_CHECKING:
    from training.model.arrcoc_qwen import Explanation

SIDE = 256  # px
GAP = 16  # px
LINE = 32  # px, a line of text in a figure
_PAPER = (255, 255, 255)
_INK = (32, 32, 32)
_GREY = (128, 128, 128)
_OUTLINE = (255, 255, 255)
_SHADOW = (0, 0, 0)
# Dark to bright, readable without colour vision: black, violet, orange, yellow (after matplotlib's inferno).
_HEAT = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], np.float32)
_HEAT_OPACITY = 0.6


def composite(picture: NDArray[np.uint8], relevance: NDArray[np.float32], kept: Iterable[int]) -> Image.Image:
    """RGB image [256, 528] of a picture [H, W, 3], its relevance map [rows, columns] and the indices kept of it."""
    left = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    right = _under(left, relevance)
    _outline(right, relevance.shape, kept)
    canvas = Image.new("RGB", (2 * SIDE + GAP, SIDE), _GREY)
    canvas.paste(left, (0, 0))
    canvas.paste(right, (SIDE + GAP, 0))
    return canvas


def weights_in_words(weights: Sequence[float]) -> str:
    """How much each way of knowing counts, as a caption says it."""
    return "weights: " + ", ".join(f"{way} {weight:.2f}" for way, weight in zip(WAYS, weights, strict=True))


def figure(pictures: Sequence[NDArray[np.uint8]], explanation: Explanation) -> Image.Image:
    """An explanation as one RGB picture, with a row for each picture [H, W, 3] that the question was about.

    In a row: the picture; the map of each way of knowing over it, with its weight; the scores, and what was kept.
    """
    titles = ["picture", *(f"{way} {weight:.2f}" for way, weight in explanation.weights.items())]
    shown = explanation.pictures
    kept, total = (
        sum(int(x) for x in sizes) for sizes in zip(*((p.kept.sum(), p.kept.size) for p in shown), strict=True)
    )
    titles.append(f"kept {kept} of {total}")
    step = SIDE + GAP
    canvas = Image.new("RGB", (len(titles) * step + GAP, LINE + len(shown) * (step + LINE) + GAP), _PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(LINE // 2)
    draw.text((GAP, LINE // 4), f"Q: {explanation.question}   answer: {explanation.answer}", fill=_INK, font=font)
    for row, (pixels, one) in enumerate(zip(pictures, shown, strict=True)):
        top = LINE + row * (step + LINE)
        plain = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        last = _under(plain, one.scores)
        _outline(last, one.scores.shape, np.flatnonzero(one.kept))
        for place, (title, panel) in enumerate(
            zip(titles, [plain, *(_under(plain, way) for way in one.maps), last], strict=True)
        ):
            left = GAP + place * step
            draw.text((left, top + LINE // 4), title, fill=_INK, font=font)
            canvas.paste(panel, (left, top + LINE))
    return canvas


def _under(picture: Image.Image, relevance: NDArray[np.float32]) -> Image.Image:
    """A picture of SIDE x SIDE under the colours of a map."""
    heat = Image.fromarray(_colours(relevance)).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    return Image.blend(picture, heat, _HEAT_OPACITY)


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
