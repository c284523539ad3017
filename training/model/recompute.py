"""Gradient checkpointing of a frozen language model: layers are computed again on the way back instead of remembered.

It pays only where a gradient goes back through the language model, as for an objective that softens which tokens are
read: then the activations of all layers would be kept. The selector's own are a small part of what a pass holds at its
fullest moment, which is in the frozen encoder (arrcoc_core/memory.py), so that recomputing them alone saves nothing
there. transformers' own switch works in training mode only, in which a base would drop attention at random.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel


def recompute_layers(model: PreTrainedModel) -> None:
    """Let each decoder layer forget its activations whenever a gradient goes through it; values stay the same."""
    for layer in model.model.language_model.layers:
        _Recomputed(layer)


class _Recomputed:
    """Stands before a layer's own forward pass; the layer's names, and so its state, stay as they are."""

    def __init__(self, layer: nn.Module) -> None:
        self._forward = layer.forward
        layer.forward = self

    def __call__(self, hidden: Tensor, *args: Any, **options: Any) -> Any:
        if torch.is_grad_enabled() and hidden.requires_grad:
            return checkpoint(self._forward, hidden, *args, use_reentrant=False, **options)
        return self._forward(hidden, *args, **options)
