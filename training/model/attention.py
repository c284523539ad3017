"""The teacher: where a frozen language model itself looks, from the column in which it guesses the answer.

Fused attention never forms its weights, and forming all of them would cost S x S a head. Only one row is needed:
an attention function of our own, registered through transformers' public interface, calls the fused one for the
output and recomputes that row alone, exactly. It does nothing more unless a `Recorder` is passed along.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from arrcoc_core.errors import ConfigError

NAME = "sdpa_with_answer_row"
FLASH = "flash_attention_2"

Attention = Literal["sdpa", "flash"]


class Recorder:
    """Collects one query row of attention: `columns` int64 [B] says which. Give it to the model as `recorder=`.

    layer: the only one to record, counted from 0; None: all of them.
    """

    def __init__(self, columns: Tensor, layer: int | None = None) -> None:
        self.columns = columns
        self.layer = layer
        self._sum: Tensor | None = None
        self._layers = self._passed = 0

    @property
    def mean(self) -> Tensor:
        """[B, S], float32: the row's attention, mean over recorded layers and all heads (sums to 1 over the row)."""
        if self._sum is None:
            raise RuntimeError("nothing was recorded: was the base loaded by load_base?")
        return self._sum / self._layers

    @torch.no_grad()
    def add(self, query: Tensor, key: Tensor, mask: Tensor | None, scaling: float) -> None:
        """One layer: query [B, H, S, d], key [B, H_kv, S, d], mask bool or additive [B, 1, S, S], or None: causal."""
        self._passed += 1
        if self.layer not in (None, self._passed - 1):
            return
        batch, heads, length, width = query.shape
        rows = self.columns.view(-1, 1, 1, 1)
        query = query.gather(2, rows.expand(-1, heads, 1, width)).view(batch, key.shape[1], -1, width)
        with torch.autocast(query.device.type, enabled=False):  # a logit of 20 is known to 0.1 in bfloat16
            logits = query.float() @ key.float().transpose(2, 3) * scaling  # [B, H_kv, H / H_kv, S]
        if mask is None:
            after = torch.arange(length, device=key.device) > rows[:, 0]
            logits = logits.masked_fill(after[:, None], -torch.inf)
        else:
            row = mask.expand(batch, -1, -1, -1).gather(2, rows.expand(-1, 1, 1, length))
            logits = logits.masked_fill(~row, -torch.inf) if row.dtype == torch.bool else logits + row
        weights = logits.softmax(-1).mean((1, 2))
        self._sum = weights if self._sum is None else self._sum + weights
        self._layers += 1


def prepare(model: PreTrainedModel, kind: Attention = "sdpa") -> None:
    """Choose how a model computes attention: "sdpa", torch's own, which can record, or "flash", by flash_attn.

    Raises ConfigError where flash attention cannot work.
    """
    if kind == "flash":
        if model.device.type != "cuda" or model.dtype not in (torch.float16, torch.bfloat16):
            raise ConfigError(
                f"flash attention computes in half precision on CUDA devices, not in {model.dtype} on {model.device}",
                remedy='Take dtype=torch.bfloat16 and device="cuda", or attention="sdpa".',
            )
        if importlib.util.find_spec("flash_attn") is None:
            raise ConfigError(
                "flash attention was asked for, and the package flash_attn is not installed",
                remedy='Install flash-attn for this CUDA, or take attention="sdpa".',
            )
        model.set_attn_implementation(FLASH)
    else:
        model.set_attn_implementation({"text_config": NAME})


@contextmanager
def recording(model: PreTrainedModel) -> Iterator[None]:
    """Passes made inside can record: with another attention than ours, it is exchanged for as long."""
    usual = model.config.text_config._attn_implementation
    if usual == NAME:
        yield
        return
    model.set_attn_implementation({"text_config": NAME})
    try:
        yield
    finally:
        model.set_attn_implementation({"text_config": usual})


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float,
    recorder: Recorder | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    if recorder is not None:
        recorder.add(query, key, attention_mask, scaling)
    return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **options)


AttentionInterface.register(NAME, _attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
