"""Which picture to show at which step: the evaluation pictures of a run as plain values.

A run logs the same few questions at every evaluation, under the keys `pictures/0`, `pictures/1`, …: a key is a
sample, and each sample has one picture a step. At a cursor between two evaluations the last one before it
is shown; before the first, the first.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from arrcoc_gui.monitor.captions import Caption, parse_caption

PREFIX = "pictures/"


class MediaLike(Protocol):
    """`arrcoc_core.metrics.Media`: one logged picture."""

    @property
    def step(self) -> int: ...
    @property
    def key(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def caption(self) -> str: ...


@dataclass(frozen=True)
class Picture:
    """One picture of one sample at one step."""

    step: int
    path: Path
    caption: Caption


class PictureAlbum:
    """The pictures of one run by sample and step."""

    def __init__(self, media: Iterable[MediaLike] = ()) -> None:
        table: dict[str, dict[int, Picture]] = {}
        for item in media:
            picture = Picture(int(item.step), Path(item.path), parse_caption(item.caption))
            table.setdefault(item.key, {})[picture.step] = picture
        self._samples = {key: [shown[step] for step in sorted(shown)] for key, shown in table.items()}

    @property
    def samples(self) -> list[str]:
        """Keys in number order: `pictures/2` before `pictures/10`."""
        return sorted(self._samples, key=_number_order)

    def steps(self, sample: str) -> list[int]:
        """Steps at which this sample has a picture, ascending."""
        return [picture.step for picture in self._samples.get(sample, [])]

    def at(self, sample: str, step: float | None) -> Picture | None:
        """The sample's picture at `step` (None: the latest)."""
        shown = self._samples.get(sample, [])
        if not shown:
            return None
        if step is None:
            return shown[-1]
        return shown[max(bisect_right(shown, step, key=lambda picture: picture.step) - 1, 0)]


def sample_words(key: str, number: int, count: int) -> str:
    """What a sample is called: our own by number, those of other people's runs by their key."""
    return f"sample {number + 1} of {count}" if key.startswith(PREFIX) else key


def _number_order(key: str) -> tuple[str, int, str]:
    head, _, tail = key.rpartition("/")
    return (head, int(tail), "") if tail.isdigit() else (head, 1 << 30, tail)
