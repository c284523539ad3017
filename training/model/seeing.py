"""Pictures as the selector and the language model see them, computed once and used for many questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from training.model.pruning import VisualTokens, encode
from training.model.registry import Base
from training.model.texture import Grids, Texture, describe

_NAMES = ("embeddings", "deepstack", "means", "entropy", "salience")

AnyPicture = NDArray[np.uint8] | Image.Image


@dataclass(frozen=True)
class Seen:
    """B pictures, or what B questions are about: the pictures of one question lie behind each other in its row.

    `grids`: for each row the (rows, columns) of the visual tokens of its pictures, each in row-major order. Rows are as
    long as the longest, N; `present`: bool [B, N], false where a shorter row has no token.
    """

    tokens: VisualTokens
    texture: Texture
    present: Tensor
    grids: tuple[Grids, ...]

    def __len__(self) -> int:
        return len(self.tokens.embeddings)

    def __getitem__(self, rows: Tensor | slice) -> Seen:
        """Some of the rows, in the order of `rows`; one may come more than once."""
        indices = range(len(self))[rows] if isinstance(rows, slice) else rows.tolist()
        return _seen([tensor[rows] for tensor in self._tensors()], [self.grids[index] for index in indices])

    def about(self, pictures: Sequence[int | Sequence[int]]) -> Seen:
        """One row for each question, from rows that are pictures: the place of its picture, or of all of its pictures.

        A picture may be in several questions.
        """
        groups = [[one] if isinstance(one, int) else list(one) for one in pictures]
        if all(len(group) == 1 for group in groups):
            return self[torch.tensor([place for (place,) in groups], device=self.present.device)]
        lines = [
            torch.cat([place * self.count + torch.arange(tokens_of(self.grids[place])) for place in group])
            for group in groups
        ]
        where = pad_sequence(lines, batch_first=True, padding_value=-1).to(self.present.device)
        embeddings, deepstack, *rest = self._tensors()
        flat = [embeddings.flatten(0, 1), deepstack.transpose(1, 2).flatten(0, 1), *(t.flatten(0, 1) for t in rest)]
        empty = where < 0
        embeddings, deepstack, *rest = (
            tensor[where.clamp_min(0)].masked_fill(empty.view(*empty.shape, *[1] * (tensor.dim() - 1)), 0)
            for tensor in flat
        )
        grids = [tuple(grid for place in group for grid in self.grids[place]) for group in groups]
        return _seen([embeddings, deepstack.transpose(1, 2), *rest], grids)

    @property
    def count(self) -> int:
        """N, visual tokens of the longest row."""
        return self.present.shape[1]

    @property
    def counts(self) -> tuple[int, ...]:
        """Visual tokens of each row."""
        return tuple(map(tokens_of, self.grids))

    @property
    def places(self) -> Tensor | None:
        """int64 [B, N]: which of its row's pictures a token is of, -1 in the padding. None: each row is one whole
        picture."""
        if all(len(grids) == 1 for grids in self.grids) and set(self.counts) == {self.count}:
            return None
        lines = [
            torch.arange(len(grids)).repeat_interleave(torch.tensor([rows * columns for rows, columns in grids]))
            for grids in self.grids
        ]
        places = pad_sequence(lines, batch_first=True, padding_value=-1)
        return F.pad(places, (0, self.count - places.shape[1]), value=-1).to(self.present.device)

    @property
    def nbytes(self) -> int:
        """Bytes of memory, for those who keep it."""
        return sum(t.numel() * t.element_size() for t in self._tensors())

    @staticmethod
    def join(parts: Sequence[Seen]) -> Seen:
        """One after the other."""
        longest = max(part.count for part in parts)
        columns = zip(*(part._padded(longest) for part in parts), strict=True)
        return _seen(list(map(torch.cat, columns)), [grids for part in parts for grids in part.grids])

    def tensors(self) -> dict[str, Tensor]:
        """By name, for those who store it; `grids` go with them."""
        return dict(zip(_NAMES, self._tensors(), strict=True))

    @staticmethod
    def from_tensors(held: Mapping[str, Tensor], grids: Sequence[Grids]) -> Seen:
        """What `tensors` gave."""
        return _seen([held[name] for name in _NAMES], grids)

    def _padded(self, count: int) -> list[Tensor]:
        """The tensors with rows of `count` tokens."""
        embeddings, deepstack, means, entropy, salience = self._tensors()
        more = count - self.count
        wide = (F.pad(tensor, (0, 0, 0, more)) for tensor in (embeddings, deepstack, means))
        return [*wide, *(F.pad(tensor, (0, more)) for tensor in (entropy, salience))]

    def _tensors(self) -> tuple[Tensor, ...]:
        texture = self.texture
        return (
            self.tokens.embeddings,
            self.tokens.deepstack,
            texture.means,
            texture.entropy,
            texture.salience,
        )


def tokens_of(grids: Grids) -> int:
    """Visual tokens of the pictures of one row."""
    return sum(rows * columns for rows, columns in grids)


def _seen(tensors: Sequence[Tensor], grids: Sequence[Grids]) -> Seen:
    embeddings, deepstack, means, entropy, salience = tensors
    counts = torch.tensor([tokens_of(held) for held in grids], device=embeddings.device)
    present = torch.arange(embeddings.shape[1], device=embeddings.device) < counts[:, None]
    texture = Texture(means, entropy, salience)
    return Seen(VisualTokens(embeddings, deepstack), texture, present, tuple(grids))


@torch.no_grad()
def look(base: Base, pictures: Sequence[AnyPicture], *, scale: bool = False) -> Seen:
    """One pass of the vision encoder and the texture array over pictures (uint8 [H, W, 3] or PIL) of any sizes.

    Sides are multiples of a visual token's side, so that N = H * W / side**2; with `scale` the image processor
    first brings the pictures to a size of its choice. Raises ValueError for pictures of another size.
    """
    arrays = [np.asarray(p.convert("RGB") if isinstance(p, Image.Image) else p) for p in pictures]
    merge = base.model.config.vision_config.spatial_merge_size
    side = base.model.config.vision_config.patch_size * merge
    for height, width in sorted({array.shape[:2] for array in arrays}):
        if not scale and (height % side or width % side):
            raise ValueError(f"a picture of {height} x {width} px: both sides must be multiples of {side}")
    inputs = base.image_processor(images=arrays, do_resize=scale, return_tensors="pt")
    patches = inputs["image_grid_thw"]
    grids = [(rows // merge, columns // merge) for _, rows, columns in patches.tolist()]
    tokens = encode(base.model, inputs["pixel_values"].to(base.device), patches.to(base.device))
    texture = _describe(base, arrays, grids)
    return _seen([tokens.embeddings, tokens.deepstack, *texture], [(grid,) for grid in grids])


def _describe(base: Base, arrays: Sequence[NDArray[np.uint8]], grids: Sequence[tuple[int, int]]) -> list[Tensor]:
    """Means, entropy and salience of pictures, those of one size at a time, padded to the largest.

    In float32 whatever the base computes in, as when the selector is used: bfloat16 would blur the texture.
    """
    alike: dict[tuple[Any, ...], list[int]] = {}
    for k, (array, grid) in enumerate(zip(arrays, grids, strict=True)):
        alike.setdefault((array.shape, grid), []).append(k)
    lines: list[Any] = [None] * len(arrays)
    for (_, grid), members in alike.items():
        stacked = np.stack([arrays[k] for k in members])
        pixels = torch.from_numpy(stacked).to(base.device).permute(0, 3, 1, 2).float() / 255
        with torch.autocast(base.device.type, enabled=False):
            texture = describe(pixels, grid)
        for k, line in zip(members, zip(texture.means, texture.entropy, texture.salience, strict=True), strict=True):
            lines[k] = line
    return [pad_sequence(column, batch_first=True) for column in zip(*lines, strict=True)]
