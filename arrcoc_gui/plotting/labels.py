"""Where the labels at the ends of the lines stand: near their line, never on top of each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class EndLabel:
    """A label that wants to be at `y` (pixels, its middle). The higher `rank`, the later it is left out."""

    key: str
    name: str
    value: str
    color: str
    y: float
    rank: int = 0
    dashed: bool = False


def place_labels(
    labels: Sequence[EndLabel], top: float, bottom: float, height: float
) -> tuple[list[tuple[EndLabel, float]], int]:
    """([(label, y of its middle)], number left out): sorted by y, each `height` from the next, inside [top, bottom].

    Labels are moved as little as a sweep down and a sweep up need; of those that have no room the lowest ranks go.
    """
    room = max(0, int((bottom - top) // height))
    kept = sorted(labels, key=lambda label: -label.rank)[:room]
    ordered = sorted(kept, key=lambda label: label.y)
    if not ordered:
        return [], len(labels)
    # Blocks of labels that touch: each block sits at the mean of what its members want.
    blocks: list[tuple[float, int]] = []  # (sum of wanted tops, members)
    for label in ordered:
        blocks.append((label.y, 1))
        while len(blocks) > 1 and _overlap(blocks[-2], blocks[-1], height):
            (upper, above), (lower, below) = blocks[-2], blocks[-1]
            # The members of the lower block stand `above` heights further down.
            blocks[-2:] = [(upper + lower - above * below * height, above + below)]
    placed: list[float] = []
    for total, members in blocks:
        first = total / members
        placed.extend(first + i * height for i in range(members))
    low, high = top + height / 2, bottom - height / 2
    for i, y in enumerate(placed):
        placed[i] = max(y, placed[i - 1] + height if i else low)
    for i in range(len(placed) - 1, -1, -1):
        limit = high if i == len(placed) - 1 else placed[i + 1] - height
        placed[i] = min(placed[i], limit)
    return list(zip(ordered, placed, strict=True)), len(labels) - len(kept)


def _overlap(upper: tuple[float, int], lower: tuple[float, int], height: float) -> bool:
    return lower[0] / lower[1] < upper[0] / upper[1] + upper[1] * height
