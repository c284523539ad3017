"""How much memory a training takes on each device, and what batch would fit: pure arithmetic on a base's sizes.

    weights        bytes a value x parameters; with a shared-out base every device holds its part of the layers, all of
                   the embeddings, and the one layer that is being computed
    a question     what its forward passes hold at their fullest moment. The base is frozen: as long as no gradient goes
                   through it, the activations of one layer at a time. An objective that goes back through the language
                   model keeps those of all layers, unless they are recomputed (gradient checkpointing).

The plan goes by `SHAPES` and warns; the trainer knows its base's configuration and what it has measured, and when
memory runs out it says what would fit (training/memory.py). The constants are checked against torch's own count of
saved and of living tensors, for a base of the 2B's widths (tests/training/test_memory.py), not on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple


class Shape(NamedTuple):
    """Sizes of a Qwen3-VL. `whole`: parameters of embeddings and head, which are never shared out."""

    parameters: float
    whole: float
    hidden: int
    intermediate: int
    """Width inside the feed-forward block; of a mixture of experts, of those that work on a token together."""
    layers: int
    vision_hidden: int
    vision_intermediate: int
    levels: int = 3
    """DeepStack."""


SHAPES: Mapping[str, Shape] = {
    "Qwen/Qwen3-VL-2B-Instruct": Shape(2.13e9, 0.311e9, 2048, 6144, 28, 1024, 4096),
    "Qwen/Qwen3-VL-4B-Instruct": Shape(4.44e9, 0.389e9, 2560, 9728, 36, 1024, 4096),
    "Qwen/Qwen3-VL-8B-Instruct": Shape(8.77e9, 1.245e9, 4096, 12288, 36, 1152, 4304),
    "Qwen/Qwen3-VL-30B-A3B-Instruct": Shape(31.1e9, 0.622e9, 2048, 6144, 48, 1152, 4304),
}
"""From the configurations on the Hub."""

GPU_BYTES: Mapping[str, float] = {
    "T4": 16e9,
    "L4": 24e9,
    "V100": 16e9,
    "A100": 40e9,
    "A100-80GB": 80e9,
    "H100": 80e9,
    "H100-MEGA": 80e9,
    "H200": 141e9,
    "B200": 180e9,
}
"""Compute Engine, "GPU machine types"."""

USABLE = 0.92
"""Share of a GPU's memory that tensors can have: the rest is its context, libraries and fragments."""
SELECTOR_BYTES = 0.05e9
"""The selector, its gradients and AdamW's two moments in float32."""
PATCHES_PER_TOKEN = 4
MARGIN = 1.1
"""What is proposed leaves a tenth of the activations' room free."""


class Fit(NamedTuple):
    """A way to train with the same number of questions a step in less memory."""

    batch_size: int
    accumulation: int
    checkpointing: bool


def weights_bytes(shape: Shape, value_bytes: int, shares: int = 1) -> float:
    """The base's weights on each of `shares` devices that hold it together."""
    layers = shape.parameters - shape.whole
    gathered = layers / shape.layers if shares > 1 else 0.0
    return value_bytes * (shape.whole + layers / shares + gathered)


def question_bytes(
    shape: Shape, visual: int, text: int, value_bytes: int, *, through: bool = False, checkpointing: bool = False
) -> float:
    """What one question about a picture of `visual` tokens takes in training, beside the weights.

    `through`: a gradient goes back through the language model.
    """
    length = visual + text
    patches = PATCHES_PER_TOKEN * visual
    layer = value_bytes * length * (8 * shape.hidden + 3 * shape.intermediate)
    looking = value_bytes * patches * (8 * shape.vision_hidden + 2 * shape.vision_intermediate)
    seen = 2 * value_bytes * visual * shape.hidden * (1 + shape.levels)
    # Of the selector: the tokens and their norm in float32, and a dozen maps of its own width.
    selector = 4 * visual * (2 * shape.hidden + 12 * max(96, shape.hidden // 8))
    kept = 0.0
    if through:
        kept = shape.layers * (value_bytes * length * shape.hidden if checkpointing else layer)
    return seen + max(looking, layer + selector + kept)


def fitting(
    batch_size: int,
    accumulation: int,
    *,
    checkpointing: bool,
    fixed: float,
    per_question: Callable[[bool], float],
    limit: float,
) -> Fit | None:
    """The largest smaller batch that fits into `limit` bytes with as many questions a step; None: not even one does.

    `fixed`: bytes that do not go by the batch; `per_question`: bytes, without and with gradient checkpointing, which is
    proposed only where not even one question fits without.
    """
    per_step = batch_size * accumulation
    for recompute in (False, True) if not checkpointing else (True,):
        most = int((limit - fixed) / (MARGIN * per_question(recompute)))
        largest = batch_size if recompute and not checkpointing else batch_size - 1
        for batch in range(min(most, largest), 0, -1):
            if per_step % batch == 0:
                return Fit(batch, per_step // batch, recompute)
    return None
