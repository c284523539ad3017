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

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from arrcoc_core.compute import ShardBase
from arrcoc_core.experiment import Experiment


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


PROMPT_TOKENS = 16
"""Of a question's prompt, beside question and answer."""


class Need(NamedTuple):
    """Bytes on each GPU: the base with the selector, and one forward pass of the batch."""

    weights: float
    batch: float

    @property
    def total(self) -> float:
        return self.weights + self.batch


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


def goes_through(objective: str) -> bool:
    """Whether a gradient of the objective, or of one of two, goes back through the language model."""
    return not _THROUGH.isdisjoint(objective.split("+"))


_THROUGH = frozenset({"saliency", "noise-gate", "soft-gate", "bernoulli-gate", "straight-through"})


def gpu_need(experiment: Experiment, visual: int, shares: int = 1) -> Need | None:
    """What a training needs on each of `shares` GPUs that hold its base together; None for the tiny base."""
    shape, train = SHAPES.get(experiment.model.base), experiment.train
    if shape is None:
        return None
    value_bytes = 2 if train.bf16 else 4
    each = question_bytes(
        shape,
        visual,
        experiment.data.max_seq_length + PROMPT_TOKENS,
        value_bytes,
        through=goes_through(train.objective),
        checkpointing=train.gradient_checkpointing,
    )
    return Need(weights_bytes(shape, value_bytes, shares) + SELECTOR_BYTES, train.batch_size * each)


def gpu_note(experiment: Experiment, visual: int, gpu: str, count: int, shard: ShardBase, counts: Sequence[int]) -> str:
    """What is to be known before `count` GPUs of a kind on each machine are paid for: "" where the base fits into one.

    `counts`: how many there can be on a machine.
    Which GPUs share the base is decided again when they are there, by their true memory (training/sharding.py).
    """
    there = GPU_BYTES.get(gpu, 0.0)
    whole = gpu_need(experiment, visual)
    if not there or whole is None or (whole.total <= USABLE * there and shard != "always"):
        return ""
    batch = experiment.train.batch_size
    asked = (
        f"{experiment.model.base} takes about {whole.weights / _GB:.1f} GB and a pass of {batch} "
        f"question{'s' if batch > 1 else ''} {whole.batch / _GB:.1f} GB, of the {USABLE * there / _GB:.1f} GB that can "
        f"be used on a {gpu}"
    )
    shares = count if shard != "never" else 1
    shared = gpu_need(experiment, visual, shares)
    if shares > 1 and shared is not None and shared.total <= USABLE * there:
        return f"{asked}: {shares} GPUs hold the base together, about {shared.total / _GB:.1f} GB on each"
    return f"{asked}: it will run out of memory{_way_out(experiment, visual, there, count, counts)}"


_GB = 1e9


def _way_out(experiment: Experiment, visual: int, there: float, count: int, counts: Sequence[int]) -> str:
    """The first of these that would do: share the base out, a smaller batch; else nothing to say."""
    for shares in sorted(shares for shares in counts if shares > 1 and shares >= count):
        need = gpu_need(experiment, visual, shares)
        if need is not None and need.total <= USABLE * there:
            return f"; {shares} of them would hold it together (count={shares}, shard_base)"
    train, need = experiment.train, gpu_need(experiment, visual, count)
    if need is None:
        return ""
    each = need.batch / train.batch_size
    fit = fitting(
        train.batch_size,
        train.gradient_accumulation_steps,
        checkpointing=True,
        fixed=need.weights,
        per_question=lambda _: each,
        limit=USABLE * there,
    )
    if fit is None:
        return ""
    return (
        f"; train.batch_size={fit.batch_size} with train.gradient_accumulation_steps={fit.accumulation} "
        f"{'and a shared base ' if count > 1 else ''}would fit"
    )


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
