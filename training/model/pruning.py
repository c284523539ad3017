"""The language model over K of N visual tokens, through transformers' public interface.

Four steps: `encode` the picture in full; take the positions of the *full* sequence; `shorten` ids, mask and
positions to the columns that stay; hand the kept tokens over as `mm_encoder_outputs`. Kept tokens keep their
original 3-D positions and their rows of DeepStack. With all N kept the result is bitwise that of the plain model.

Left-out positions would be made up anew by the model, without an error and wrong: always pass them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from training.model.prompts import Asked


@dataclass(frozen=True)
class VisualTokens:
    """`embeddings` [B, N, D] as they enter the language model; `deepstack` [B, L, N, D], added after layer l.

    A picture with fewer than N tokens has them first.
    """

    embeddings: Tensor
    deepstack: Tensor

    def __getitem__(self, rows: Tensor | slice) -> VisualTokens:
        return VisualTokens(self.embeddings[rows], self.deepstack[rows])


@dataclass(frozen=True)
class EncodedPictures:
    """What `mm_encoder_outputs["image"]` has to look like: tensors by picture, here all joined into a single one."""

    pooler_output: tuple[Tensor, ...]
    deepstack_features: list[tuple[Tensor, ...]]


def encode(model: PreTrainedModel, pixel_values: Tensor, image_grid_thw: Tensor) -> VisualTokens:
    """The vision encoder's tokens for B pictures, whose patches follow each other in `pixel_values`.

    Pictures of several sizes are padded to N, the tokens of the largest, with zeros.
    """
    features = model.model.get_image_features(pixel_values, image_grid_thw, return_dict=True)
    levels = [pad_sequence(level, batch_first=True) for level in features.deepstack_features]
    return VisualTokens(pad_sequence(features.pooler_output, batch_first=True), torch.stack(levels, 1))


def shorten(asked: Asked, keep: Tensor) -> dict[str, Tensor]:
    """Drop the visual columns that `keep` (bool [B, N]) leaves out; rows may have and keep different numbers.

    A row's own tokens are the first in its row of `keep`; what lies behind them is padding and not looked at.

    Returns `input_ids`, `attention_mask` [B, S'], `position_ids` [4, B, S'] and `targets` [B, S'], padded on the
    left to the longest row.
    """
    own = torch.arange(keep.shape[1], device=keep.device) < asked.visual.sum(1, keepdim=True)
    stays = asked.attention_mask.bool()
    stays = stays & (~asked.visual).masked_scatter(asked.visual, keep[own])
    width = int(stays.sum(1).max())
    # Stable: first what goes, then what stays, each in its order; so the last columns are the row, left-padded.
    columns = stays.to(torch.uint8).sort(dim=1, stable=True).indices[:, -width:]
    mask = stays.gather(1, columns)
    return {
        # A placeholder in the padding of a short row would be counted as a picture's: any other id does.
        "input_ids": asked.input_ids.gather(1, columns) * mask,
        "attention_mask": mask.long(),
        "position_ids": _packed_positions(asked.position_ids, mask, columns),
        "targets": asked.targets.gather(1, columns),
    }


def pack(tokens: VisualTokens, keep: Tensor) -> dict[str, EncodedPictures]:
    """`mm_encoder_outputs` for the kept tokens (bool [B, N]); differentiable with respect to `tokens`."""
    levels = [(level[keep],) for level in tokens.deepstack.unbind(1)]
    return {"image": EncodedPictures(pooler_output=(tokens.embeddings[keep],), deepstack_features=levels)}


def run(
    model: PreTrainedModel, asked: Asked, tokens: VisualTokens, keep: Tensor, **options: Any
) -> tuple[Tensor, Tensor]:
    """Logits and targets of the last columns, from the first that is asked for on: [B, A, vocabulary], [B, A].

    A is the length of the longest answer (1 without answers). `options` go to the model's `forward`.
    """
    short = shorten(asked, keep)
    targets = short.pop("targets")
    answers = int((asked.input_ids.shape[1] - asked.answer_column).max())
    output = model(**short, mm_encoder_outputs=pack(tokens, keep), use_cache=False, logits_to_keep=answers, **options)
    return output.logits, targets[:, -answers:]


def _packed_positions(positions: Tensor, mask: Tensor, columns: Tensor) -> Tensor:
    """3-D positions as they were; the plain ones, which only order the mask, counted anew."""
    short = positions.gather(2, columns.expand(4, -1, -1))
    short[0] = (mask.long().cumsum(1) - 1).clamp_min(0)
    return short * mask
