"""Floating-point operations of a Qwen3-VL, counted from its configuration: what a step costs, and what it could save.

Two operations for each weight and token of a matrix product; causal attention at half of S x S (each token looks at
those before it), the vision encoder's at the whole of it. Norms, activations, rotary positions and the look-up of
embeddings are left out: they are less than a hundredth. For Qwen3-VL-2B at S tokens and one answer token this is

    2.82e9 S + 1.15e5 S^2 + 0.62e9

`Meter` counts the passes that are really made, whatever objective makes them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

PEAKS: Mapping[str, float] = {
    "T4": 65e12,
    "L4": 121e12,
    "V100": 125e12,
    "A10": 125e12,
    "A100": 312e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "H200 NVL": 835e12,
    "H200": 989e12,
    "B200": 2250e12,
}
"""Dense bfloat16 peak (T4, V100: float16) by NVIDIA's data sheets, which print twice as much: "with sparsity".
The longest name that occurs in the driver's, as words of it, counts: an L40S is no L4."""


def language_model_flops(config: PretrainedConfig, visual: int, text: int, answers: int = 1) -> float:
    """One forward pass over `visual` kept tokens and `text` tokens of one question, with logits at `answers` places."""
    return _decoder(config.text_config, visual + text) + head_flops(config, answers)


def head_flops(config: PretrainedConfig, places: int) -> float:
    """Logits at so many places."""
    text = config.text_config
    return 2.0 * text.hidden_size * text.vocab_size * places


def vision_flops(config: PretrainedConfig, patches: int) -> float:
    """The vision encoder's forward pass over one picture of so many patches (4 make a visual token), DeepStack with it.

    Attention is within the picture, over all of its patches.
    """
    vision = config.vision_config
    width, merge = vision.hidden_size, vision.spatial_merge_size**2
    block = 4 * width**2 + 2 * width * vision.intermediate_size
    into = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2 * width
    merged = merge * width
    mergers = (1 + len(vision.deepstack_visual_indexes)) * (merged**2 + merged * vision.out_hidden_size)
    products = patches * (into + vision.depth * block) + patches // merge * mergers
    return 2.0 * products + 4.0 * vision.depth * width * patches**2


def selector_flops(scorer: nn.Module, visual: int) -> float:
    """A scorer's forward pass over the visual tokens of one picture: an upper bound, as if every one of its linear
    layers read each of them."""
    weights = sum(layer.weight.numel() for layer in scorer.modules() if isinstance(layer, nn.Linear))
    return 2.0 * weights * visual


def peak_flops(device_name: str) -> float | None:
    """Operations per second of the GPU that its driver calls so; None where the table does not have it, and for a part
    of one (MIG)."""
    if re.search(r"\bMIG\b", device_name):
        return None
    found = [name for name in PEAKS if re.search(rf"\b{name}\b", device_name)]
    return PEAKS[max(found, key=len)] if found else None


@dataclass
class Count:
    """What was done: operations in floating point, and tokens through the language model (padding counts, too)."""

    flops: float = 0.0
    tokens: int = 0


class Meter:
    """Counts the passes through a model's language model and vision encoder, by the shapes of their inputs.

    A pass through which a gradient goes back is counted twice: the base is frozen, so that its backward pass computes
    gradients of activations and none of weights. What is computed again for want of memory is not counted.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._config = model.config
        self._count = Count()
        inner = model.model
        inner.language_model.register_forward_pre_hook(self._reads, with_kwargs=True)
        inner.visual.register_forward_pre_hook(self._looks, with_kwargs=True)
        model.get_output_embeddings().register_forward_pre_hook(self._answers)

    def take(self) -> Count:
        """What was counted since the last call."""
        taken, self._count = self._count, Count()
        return taken

    def _reads(self, _module: nn.Module, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        embeddings = options.get("inputs_embeds")
        if not isinstance(embeddings, torch.Tensor):
            return
        batch, length = embeddings.shape[:2]
        self._count.tokens += batch * length
        self._count.flops += batch * _decoder(self._config.text_config, length) * _passes(embeddings)

    def _looks(self, _module: nn.Module, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        grids = options.get("grid_thw", args[1] if len(args) > 1 else None)
        if grids is None:
            return
        for patches in grids.prod(1).tolist():
            self._count.flops += vision_flops(self._config, patches)

    def _answers(self, _module: nn.Module, args: tuple[Any, ...]) -> None:
        hidden = args[0]
        places = hidden.numel() // hidden.shape[-1]
        self._count.flops += head_flops(self._config, places) * _passes(hidden)


def _passes(of: torch.Tensor) -> int:
    return 2 if of.requires_grad and torch.is_grad_enabled() else 1


def _decoder(text: PretrainedConfig, length: int) -> float:
    """All decoder layers over one sequence, without the head."""
    width, head = text.hidden_size, text.head_dim
    attention = 2 * width * head * (text.num_attention_heads + text.num_key_value_heads)
    experts = getattr(text, "num_experts", 0)
    if experts:
        into = text.num_experts_per_tok * 3 * width * text.moe_intermediate_size + width * experts
    else:
        into = 3 * width * text.intermediate_size
    layers = text.num_hidden_layers
    return 2.0 * layers * (attention + into) * length + 2.0 * layers * text.num_attention_heads * head * length**2
