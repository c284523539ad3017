"""Operations counted from a configuration: against the numbers of a real size, and against what torch counts."""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import Qwen3VLConfig, Qwen3VLMoeConfig

from arrcoc_core.estimates import PEAK_FLOPS
from training.flops import (
    PEAKS,
    Meter,
    language_model_flops,
    peak_flops,
    selector_flops,
    vision_flops,
)
from training.model.arrcoc_qwen import ArrCocQwen
from training.model.pruning import encode
from training.model.registry import load_base
from training.model.selector import ParticipatoryScorer, SelectorConfig
from training.tiny import synthetic

VISION = {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "num_heads": 16, "patch_size": 16}
SIZE_2B = Qwen3VLConfig(
    text_config={
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 151936,
    },
    vision_config={**VISION, "out_hidden_size": 2048, "deepstack_visual_indexes": [5, 11, 17]},
)
SIZE_30B = Qwen3VLMoeConfig(
    text_config={
        "hidden_size": 2048,
        "num_hidden_layers": 48,
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
        "head_dim": 128,
        "vocab_size": 151936,
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 768,
    }
)


@pytest.mark.parametrize("kept", [64, 128, 256, 512, 1024])
def test_the_language_model_of_2b(kept: int) -> None:
    length = kept + 64
    expected = 2.82e9 * length + 1.15e5 * length**2 + 0.62e9
    assert language_model_flops(SIZE_2B, kept, 64) == pytest.approx(expected, rel=2e-3)


def test_the_whole_of_2b() -> None:
    assert language_model_flops(SIZE_2B, 1024, 64) == pytest.approx(3.20e12, rel=5e-3)
    assert vision_flops(SIZE_2B, 4096) == pytest.approx(4.33e12, rel=5e-3)
    assert selector_flops(ParticipatoryScorer(SelectorConfig.of(2048)), 1024) < 3e9


def test_a_mixture_of_experts_counts_the_experts_that_work() -> None:
    """30B-A3B: 3.35 billion parameters are active by its card, with those of the embeddings, which only look up."""
    embeddings = 2048 * 151936
    assert language_model_flops(SIZE_30B, 0, 1) / 2 + embeddings == pytest.approx(3.35e9, rel=0.01)


def test_the_meter_counts_what_torch_counts() -> None:
    """torch counts causal attention in full, and the meter half of it; the rest is the same."""
    model = ArrCocQwen(load_base("tiny"), torch.nn.Identity())  # type: ignore[arg-type]
    config = model.base.model.config
    meter = Meter(model.base.model)
    pictures = [synthetic.picture("train", 3, number).pixels for number in range(2)]
    with sdpa_kernel(SDPBackend.MATH):
        inputs = model.base.image_processor(images=pictures, do_resize=False, return_tensors="pt")
        with FlopCounterMode(display=False) as looking:
            encode(model.base.model, inputs["pixel_values"], inputs["image_grid_thw"])
        assert meter.take().flops == looking.get_total_flops() == 2 * vision_flops(config, 256)

        seen = model.look(pictures)
        meter.take()
        asked = model.ask(["which colour is the circle ?"] * 2, ["red", "blue"], seen.grids)
        length = asked.input_ids.shape[1]
        with FlopCounterMode(display=False) as reading:
            model.read_all(seen, asked)
        counted = meter.take()
        text = config.text_config
        half = 2 * 2 * text.num_hidden_layers * text.num_attention_heads * text.head_dim * length**2
        row = 2 * 2 * text.num_hidden_layers * text.num_attention_heads * text.head_dim * length  # the teacher's row
        assert counted.tokens == 2 * length
        assert counted.flops + half + row == reading.get_total_flops()


def test_a_gradient_that_passes_through_counts_once_more() -> None:
    base = load_base("tiny")
    meter = Meter(base.model)
    positions = torch.arange(20).expand(4, 1, 20)
    embeddings = torch.randn(1, 20, base.hidden_size)
    base.model.model.language_model(inputs_embeds=embeddings, position_ids=positions)
    once = meter.take().flops
    assert once == language_model_flops(base.model.config, 12, 8, 0)
    base.model.model.language_model(inputs_embeds=embeddings.requires_grad_(), position_ids=positions)
    assert meter.take().flops == 2 * once


def test_peaks_by_the_drivers_names() -> None:
    assert peak_flops("NVIDIA H100 80GB HBM3") == 989e12
    assert peak_flops("NVIDIA H100 PCIe") == 756e12
    assert peak_flops("NVIDIA A100-SXM4-80GB") == 312e12
    assert peak_flops("NVIDIA L4") == 121e12 and peak_flops("Tesla T4") == 65e12
    others = ("GeForce RTX 4090", "L40S", "A10G", "RTX A1000", "T400 4GB", "A100-SXM4-80GB MIG 3g.40gb", "GH200 480GB")
    assert [name for name in others if peak_flops(f"NVIDIA {name}") is not None] == []
    assert {name: PEAKS[name] for name in PEAK_FLOPS} == PEAK_FLOPS  # the plan's table, which loads no torch
