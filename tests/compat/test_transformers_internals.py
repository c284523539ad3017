"""What is relied on of transformers' Qwen3-VL, one test for each; a test that fails says what moved.

`make compat` runs this file against both ends of the range of versions that pyproject.toml allows.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
import transformers
from transformers import AttentionInterface, AttentionMaskInterface, Qwen3VLForConditionalGeneration

from training.model import attention, pruning
from training.model.arrcoc_qwen import ArrCocQwen
from training.model.registry import load_base
from training.tiny.synthetic import picture

GRIDS = ((8, 8), (4, 8))  # visual tokens of the two pictures
VERSION = transformers.__version__


@pytest.fixture(scope="module")
def model() -> ArrCocQwen:
    return ArrCocQwen.from_base("tiny")


@pytest.fixture(scope="module")
def pixels(model: ArrCocQwen) -> dict[str, Any]:
    shown = [picture("validation", 0, 0).pixels, picture("validation", 0, 1).pixels[:32]]
    return dict(model.base.image_processor(images=shown, do_resize=False, return_tensors="pt"))


def moved(what: str, is_there: bool, now: object = "") -> None:
    assert is_there, f"transformers {VERSION} moved {what}; it is now {now}"


def test_the_image_processor_gives_patches_and_a_grid_for_each_picture(pixels: dict[str, Any]) -> None:
    moved("the outputs of Qwen2VLImageProcessorPil", {"pixel_values", "image_grid_thw"} <= set(pixels), set(pixels))
    grids = pixels["image_grid_thw"].tolist()
    moved("image_grid_thw (time, rows, columns in patches)", grids == [[1, 16, 16], [1, 8, 16]], grids)
    moved("pixel_values (a row for each patch)", len(pixels["pixel_values"]) == 16 * 16 + 8 * 16)


@torch.no_grad()
def test_get_image_features_gives_the_tokens_of_each_picture(model: ArrCocQwen, pixels: dict[str, Any]) -> None:
    features = model.base.model.model.get_image_features(**pixels, return_dict=True)
    moved("pooler_output of get_image_features", hasattr(features, "pooler_output"), type(features))
    shapes = [tuple(tokens.shape) for tokens in features.pooler_output]
    moved("pooler_output (one tensor [tokens, width] a picture)", shapes == [(64, 128), (32, 128)], shapes)


@torch.no_grad()
def test_deepstack_features_are_split_by_level_and_picture(model: ArrCocQwen, pixels: dict[str, Any]) -> None:
    features = model.base.model.model.get_image_features(**pixels, return_dict=True)
    shapes = [[tuple(tokens.shape) for tokens in level] for level in features.deepstack_features]
    moved("deepstack_features (levels of one tensor a picture)", shapes == [[(64, 128), (32, 128)]] * 2, shapes)


@pytest.mark.parametrize("name", ["Qwen3VLForConditionalGeneration", "Qwen3VLMoeForConditionalGeneration"])
def test_forward_takes_what_is_given_to_it(name: str) -> None:
    wanted = {"input_ids", "attention_mask", "position_ids", "mm_encoder_outputs", "logits_to_keep"}
    there = set(inspect.signature(getattr(transformers, name).forward).parameters)
    moved(f"parameters of {name}.forward", wanted <= there, f"without {wanted - there}")


def test_get_rope_index_takes_token_types_and_the_grids_of_several_pictures(model: ArrCocQwen) -> None:
    inner = model.base.model.model
    there = set(inspect.signature(inner.get_rope_index).parameters)
    moved("get_rope_index's signature", {"input_ids", "mm_token_type_ids", "image_grid_thw"} <= there, there)
    asked = model.ask(["which shape is red"], None, [GRIDS])
    patches = torch.tensor([[1, 2 * rows, 2 * columns] for rows, columns in GRIDS])
    places, _ = inner.get_rope_index(asked.input_ids, mm_token_type_ids=asked.visual.int(), image_grid_thw=patches)
    moved("get_rope_index's result [3, B, S]", places.shape == (3, *asked.input_ids.shape), places.shape)
    first = places[:, 0, asked.visual[0]][:, :64] - places[:, 0, asked.visual[0]][:, :1]
    rows, columns = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    expected = torch.stack([torch.zeros(64, dtype=torch.long), rows.flatten(), columns.flatten()])
    moved("the 3-D positions of a picture (time, row, column)", torch.equal(first, expected))


@torch.no_grad()
def test_positions_of_four_rows_are_plain_ones_over_three_of_space(model: ArrCocQwen, pixels: dict[str, Any]) -> None:
    """The model makes them itself when they are left out: then ours have to give bitwise the same."""
    asked, native = _native(model, pixels)
    ours = model.base.model(
        input_ids=asked.input_ids,
        attention_mask=asked.attention_mask,
        position_ids=asked.position_ids,
        use_cache=False,
        logits_to_keep=1,
        **pixels,
    ).logits
    moved("position_ids [4, B, S]", torch.equal(ours, native), f"another result by {(ours - native).abs().max():.2g}")


@torch.no_grad()
def test_mm_encoder_outputs_stand_in_for_the_pictures(model: ArrCocQwen, pixels: dict[str, Any]) -> None:
    asked, native = _native(model, pixels)
    tokens = pruning.encode(model.base.model, **pixels)
    seen = model.look([picture("validation", 0, 0).pixels, picture("validation", 0, 1).pixels[:32]]).about([[0, 1]])
    ours, _ = pruning.run(model.base.model, asked, seen.tokens, seen.present)
    moved("mm_encoder_outputs", torch.equal(ours, native), f"another result by {(ours - native).abs().max():.2g}")
    assert torch.equal(tokens.embeddings[1, :32], seen.tokens.embeddings[0, 64:])


@torch.no_grad()
def test_generate_hands_on_positions_and_mm_encoder_outputs(model: ArrCocQwen) -> None:
    seen = model.look([picture("validation", 0, 0).pixels])
    asked = model.ask(["which shape is red"], None, seen.grids)
    logits, _ = pruning.run(model.base.model, asked, seen.tokens, seen.present)
    written = model.generate(seen, asked, seen.present)[0].split()[0]
    first = model.base.tokenizer.convert_ids_to_tokens(int(logits[0, -1].argmax()))
    moved("what generate() hands on to forward()", written == first, f"{written!r} in the place of {first!r}")


@torch.no_grad()
def test_a_registered_attention_gets_the_options_of_forward(model: ArrCocQwen) -> None:
    moved("AttentionInterface's registry", attention.NAME in AttentionInterface().valid_keys())
    moved("AttentionMaskInterface's registry", attention.NAME in AttentionMaskInterface().valid_keys())
    seen = model.look([picture("validation", 0, 0).pixels])
    asked = model.ask(["which shape is red"], None, seen.grids)
    recorder = attention.Recorder(asked.answer_column)
    pruning.run(model.base.model, asked, seen.tokens, seen.present, recorder=recorder)
    row = recorder.mean
    moved("how options of forward() reach the attention of each layer", row.shape == asked.input_ids.shape, row.shape)
    torch.testing.assert_close(row.sum(1), torch.ones(1))


def _native(model: ArrCocQwen, pixels: dict[str, Any]) -> tuple[Any, torch.Tensor]:
    """A question about both pictures, and what the plain model, by itself, says to it."""
    plain = load_base("tiny").model
    assert isinstance(plain, Qwen3VLForConditionalGeneration)
    plain.set_attn_implementation("sdpa")
    asked = model.ask(["which shape is red"], None, [GRIDS])
    inputs = {"input_ids": asked.input_ids, "attention_mask": asked.attention_mask}
    types = {"mm_token_type_ids": asked.visual.int()}
    return asked, plain(**inputs, **types, **pixels, use_cache=False, logits_to_keep=1).logits
