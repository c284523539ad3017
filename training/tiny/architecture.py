"""The tiny base's shape: Qwen3-VL as it is, only smaller.

Under one million parameters: vision of 2 layers (hidden 64, patches of 4 px, merged 2 x 2 into 64 tokens of a
64 x 64 picture), DeepStack from both of them, language model of 3 layers (hidden 128, grouped-query attention,
interleaved 3-D rotary positions).
"""

from __future__ import annotations

import torch
from transformers import PreTrainedTokenizerBase, Qwen3VLConfig, Qwen3VLForConditionalGeneration

from training.tiny.synthetic import IMAGE_SIZE
from training.tiny.tokenizer import MERGE_SIZE, PATCH_SIZE

HIDDEN = 128
VISION_HIDDEN = 64


def make_config(tokenizer: PreTrainedTokenizerBase, dropout: float = 0.2) -> Qwen3VLConfig:
    """Configuration of a tiny base over `tokenizer`'s vocabulary; `dropout` of attention while it is trained."""
    number = tokenizer.convert_tokens_to_ids
    return Qwen3VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": HIDDEN,
            "intermediate_size": 2 * HIDDEN,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 32,
            "max_position_embeddings": 1024,
            # Above 0 it makes several heads look where the answer is, as in a large model.
            "attention_dropout": dropout,
            "pad_token_id": tokenizer.pad_token_id,
            "tie_word_embeddings": True,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [6, 5, 5],
                "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": 2,
            "hidden_size": VISION_HIDDEN,
            "intermediate_size": 2 * VISION_HIDDEN,
            "num_heads": 2,
            "in_channels": 3,
            "patch_size": PATCH_SIZE,
            "spatial_merge_size": MERGE_SIZE,
            "temporal_patch_size": 1,
            "out_hidden_size": HIDDEN,
            "num_position_embeddings": (IMAGE_SIZE // PATCH_SIZE) ** 2,
            "deepstack_visual_indexes": [0, 1],
        },
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
        tie_word_embeddings=True,
    )


def make_model(tokenizer: PreTrainedTokenizerBase, seed: int, dropout: float = 0.2) -> Qwen3VLForConditionalGeneration:
    """A tiny base with weights drawn from `seed`, on the CPU in float32."""
    torch.manual_seed(seed)
    model = Qwen3VLForConditionalGeneration(make_config(tokenizer, dropout))
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model
