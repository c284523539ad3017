"""The texture array: 13 channels that describe a picture without the vision encoder, and two maps made of them.

Nothing here is learned, and every value depends on its own picture only, never on others in the batch.

| channels | what |
|---|---|
| 0-2 | red, green, blue, 0..1 |
| 3-5 | CIE L*a*b* (D65): lightness 0..1, a* and b* in units of 100 |
| 6-8 | Sobel edge of the luminance: across, down, magnitude |
| 9-11 | place: row and column in -1..1, distance from the centre 0..1 |
| 12 | salience: distance of the colour from its surround (17 x 17 box mean) |
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

CHANNELS = 13
PIXELS_PER_TOKEN = 8  # a side; a picture is brought to this resolution first
ENTROPY_BINS = 16

Grids = tuple[tuple[int, int], ...]
"""(rows, columns) of the visual tokens of each picture that a question is about, in their order."""

_LUMA = (0.299, 0.587, 0.114)
_RGB_TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
_D65 = (0.95047, 1.0, 1.08883)


@dataclass(frozen=True)
class Texture:
    """Per visual token: `means` [B, N, 13] of the channels; `entropy` [B, N], 0..1; `salience` [B, N], >= 0."""

    means: Tensor
    entropy: Tensor
    salience: Tensor


@torch.no_grad()
def describe(pixels: Tensor, grid: tuple[int, int]) -> Texture:
    """Texture of `pixels` [B, 3, H, W] in 0..1 for each cell of a `grid` of (rows, columns) visual tokens."""
    size = (grid[0] * PIXELS_PER_TOKEN, grid[1] * PIXELS_PER_TOKEN)
    if pixels.shape[-2:] != size:
        pixels = F.interpolate(pixels, size, mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)
    means = _cells(texture_array(pixels)).mean((3, 5)).flatten(2).transpose(1, 2)
    return Texture(means, information_entropy(pixels), means[..., 12])


def texture_array(pixels: Tensor) -> Tensor:
    """[B, 3, H, W] in 0..1 -> [B, 13, H, W]; the channels are listed at the top."""
    count, _, height, width = pixels.shape
    luminance = _luminance(pixels)
    sobel = pixels.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    padded = F.pad(luminance[:, None], (1, 1, 1, 1), mode="replicate")
    edges = F.conv2d(padded, torch.stack([sobel, sobel.T])[:, None])
    magnitude = edges.square().sum(1, keepdim=True).sqrt()
    rows = torch.linspace(-1, 1, height, device=pixels.device)[:, None].expand(height, width)
    columns = torch.linspace(-1, 1, width, device=pixels.device)[None].expand(height, width)
    place = torch.stack([rows, columns, torch.hypot(rows, columns) / math.sqrt(2)])
    surround = _box(height, pixels) @ pixels @ _box(width, pixels).T
    salience = (pixels - surround).square().sum(1, keepdim=True).sqrt()
    return torch.cat([pixels, _lab(pixels), edges, magnitude, place.expand(count, -1, -1, -1), salience], 1)


def information_entropy(pixels: Tensor) -> Tensor:
    """Shannon entropy of each token cell's luminance histogram, as a share of the largest: [B, N] in 0..1."""
    levels = (_luminance(pixels)[:, None] * ENTROPY_BINS).long().clamp(0, ENTROPY_BINS - 1)
    cells = _cells(levels).squeeze(1).transpose(2, 3).flatten(3).flatten(1, 2)  # [B, N, pixels]
    counts = torch.zeros(*cells.shape[:2], ENTROPY_BINS, device=pixels.device)
    counts.scatter_add_(2, cells, torch.ones((), device=pixels.device).expand(cells.shape))
    return torch.special.entr(counts / cells.shape[2]).sum(2) / math.log(ENTROPY_BINS)


def _cells(values: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, C, rows, 8, columns, 8]."""
    return values.unflatten(3, (-1, PIXELS_PER_TOKEN)).unflatten(2, (-1, PIXELS_PER_TOKEN))


def _box(length: int, like: Tensor, reach: int = 8) -> Tensor:
    """The box mean over 2 * reach + 1 pixels, edges repeated, as a matrix [length, length]: the fastest way here."""
    places = torch.arange(length)[:, None] + torch.arange(-reach, reach + 1)
    return F.one_hot(places.clamp(0, length - 1), length).to(like).mean(1)


def _luminance(pixels: Tensor) -> Tensor:
    return torch.einsum("bchw,c->bhw", pixels, pixels.new_tensor(_LUMA))


def _lab(pixels: Tensor) -> Tensor:
    linear = torch.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4)
    xyz = torch.einsum("ij,bjhw->bihw", pixels.new_tensor(_RGB_TO_XYZ), linear)
    xyz = xyz / pixels.new_tensor(_D65)[:, None, None]
    f = torch.where(xyz > 0.008856, xyz.clamp_min(0.008856) ** (1 / 3), 7.787 * xyz + 16 / 116)
    return torch.stack([1.16 * f[:, 1] - 0.16, 5 * (f[:, 0] - f[:, 1]), 2 * (f[:, 1] - f[:, 2])], 1)
