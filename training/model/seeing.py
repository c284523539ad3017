"""Pictures as the selector and the language model see them, computed once and used for many questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from training.model.pruning import VisualTokens, encode
from training.model.registry import Base
from training.model.texture import Texture, describe

AnyPicture = NDArray[np.uint8] | Image.Image


@dataclass(frozen=True)
class Seen:
    """B pictures of one size. `grid`: (rows, columns) of their N visual tokens, which are in row-major order."""

    tokens: VisualTokens
    texture: Texture
    grid: tuple[int, int]

    def __len__(self) -> int:
        return len(self.tokens.embeddings)

    def __getitem__(self, rows: Tensor | slice) -> Seen:
        """Some of the pictures, in the order of `rows`; a picture may come more than once."""
        texture = self.texture
        return Seen(
            self.tokens[rows],
            Texture(texture.means[rows], texture.entropy[rows], texture.salience[rows]),
            self.grid,
        )

    @property
    def count(self) -> int:
        """N, visual tokens a picture."""
        return self.tokens.embeddings.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes of memory, for those who keep it."""
        return sum(t.numel() * t.element_size() for t in self._tensors())

    @staticmethod
    def join(parts: Sequence[Seen]) -> Seen:
        """One after the other. All must have the same grid."""
        embeddings, deepstack, means, entropy, salience = map(
            torch.cat, zip(*(part._tensors() for part in parts), strict=True)
        )
        return Seen(VisualTokens(embeddings, deepstack), Texture(means, entropy, salience), parts[0].grid)

    def _tensors(self) -> tuple[Tensor, ...]:
        texture = self.texture
        return (
            self.tokens.embeddings,
            self.tokens.deepstack,
            texture.means,
            texture.entropy,
            texture.salience,
        )


@torch.no_grad()
def look(base: Base, pictures: Sequence[AnyPicture], *, scale: bool = False) -> Seen:
    """One pass of the vision encoder and the texture array over pictures (uint8 [H, W, 3] or PIL) of one size.

    Sides are multiples of a visual token's side, so that N = H * W / side**2; with `scale` the image processor
    first brings the pictures to a size of its choice. Raises ValueError for pictures of two sizes, or of others.
    """
    arrays = [np.asarray(p.convert("RGB") if isinstance(p, Image.Image) else p) for p in pictures]
    sizes = {array.shape[:2] for array in arrays}
    if len(sizes) > 1:
        raise ValueError(f"pictures of one batch have one size, not {sorted(sizes)}")
    merge = base.model.config.vision_config.spatial_merge_size
    side = base.model.config.vision_config.patch_size * merge
    height, width = sizes.pop()
    if not scale and (height % side or width % side):
        raise ValueError(f"a picture of {height} x {width} px: both sides must be multiples of {side}")
    inputs = base.image_processor(images=arrays, do_resize=scale, return_tensors="pt")
    patches = inputs["image_grid_thw"]
    grid = (int(patches[0, 1]) // merge, int(patches[0, 2]) // merge)
    pixels = torch.from_numpy(np.stack(arrays)).to(base.device).permute(0, 3, 1, 2).float() / 255
    tokens = encode(base.model, inputs["pixel_values"].to(base.device), patches.to(base.device))
    return Seen(tokens, describe(pixels, grid), grid)
