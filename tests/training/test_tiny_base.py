"""The base that ships is what its script makes, and answers."""

from __future__ import annotations

import json
from itertools import islice

import numpy as np
import pytest
import torch
from transformers import Qwen3VLForConditionalGeneration

from training.model.arrcoc_qwen import ArrCocQwen
from training.model.registry import SHIPPED, load_base
from training.tiny.synthetic import EASY, HARD, Kind, pick, picture, questions
from training.tiny.tokenizer import MERGE_SIZE, PATCH_SIZE, make_image_processor, make_tokenizer
from training.tiny.train_base import EASY_BASE, HARD_BASE, HARDENED_BASE, SEED, Recipe, Trainer

FOLDERS = {EASY_BASE: SHIPPED["tiny"], HARD_BASE: SHIPPED["tiny-hard"], HARDENED_BASE: SHIPPED["tiny-hardened"]}
EACH = pytest.mark.parametrize("recipe", FOLDERS, ids=lambda recipe: recipe.name)


def log(recipe: Recipe) -> list[dict]:
    return [json.loads(line) for line in (FOLDERS[recipe] / "training_log.jsonl").read_text().splitlines()]


@EACH
def test_the_first_steps_of_the_script_are_those_of_the_shipped_log(recipe: Recipe) -> None:
    rows = list(islice(Trainer(recipe).train(), 5))
    # Processors add in different orders, and in bfloat16 round, too; a wrong seed or batch does a hundred times more.
    close = 1e-2 if recipe.bf16 else 2e-4
    for ours, shipped in zip(rows, log(recipe), strict=False):
        assert (ours["step"], ours["stage"]) == (shipped["step"], shipped["stage"])
        assert ours["loss"] == pytest.approx(shipped["loss"], rel=close)


@EACH
def test_the_shipped_log_is_whole(recipe: Recipe) -> None:
    rows = log(recipe)
    assert [row["step"] for row in rows] == list(range(sum(stage.steps for stage in recipe.stages)))
    assert [row["stage"] for row in rows] == [stage.name for stage in recipe.stages for _ in range(stage.steps)]
    if not recipe.start:
        assert np.mean([row["accuracy"] for row in rows if row["stage"] == "vision"][-50:]) > 0.995
    assert np.mean([row["accuracy"] for row in rows[-50:]]) > (0.97 if recipe.hide else 0.995)


@EACH
def test_the_shipped_base_is_a_small_qwen3_vl(recipe: Recipe) -> None:
    folder = FOLDERS[recipe]
    base = load_base(str(folder))
    assert type(base.model) is Qwen3VLForConditionalGeneration
    assert sum(parameter.numel() for parameter in base.model.parameters()) < 1_000_000
    assert sum(file.stat().st_size for file in folder.iterdir()) < 6_000_000
    assert not base.model.training and not any(p.requires_grad for p in base.model.parameters())
    assert f"seed {SEED}" in (folder / "README.md").read_text()


def test_the_shipped_tokenizer_and_processor_are_those_of_the_script() -> None:
    base, made = load_base("tiny"), make_tokenizer()
    assert base.tokenizer.get_vocab() == made.get_vocab()
    assert base.tokenizer.chat_template == made.chat_template
    for text in ("which colour is the circle", "Which shape is Red?"):
        assert base.tokenizer(text).input_ids == made(text).input_ids
    pixels = [picture("train", 0, 0).pixels]
    ours, shipped = (p(images=pixels, return_tensors="pt") for p in (make_image_processor(), base.image_processor))
    assert torch.equal(ours["pixel_values"], shipped["pixel_values"])


def test_the_processor_cuts_patches_as_the_model_reads_them() -> None:
    pixels = picture("train", 0, 1).pixels
    made = make_image_processor()(images=[pixels], return_tensors="pt")
    side = len(pixels) // (PATCH_SIZE * MERGE_SIZE)
    scaled = torch.from_numpy(pixels).permute(2, 0, 1).float() / 127.5 - 1
    patches = scaled.reshape(3, side, MERGE_SIZE, PATCH_SIZE, side, MERGE_SIZE, PATCH_SIZE)
    patches = patches.permute(1, 4, 2, 5, 0, 3, 6).reshape(-1, 3 * PATCH_SIZE**2)
    assert made["image_grid_thw"].tolist() == [[1, 2 * side, 2 * side]]
    torch.testing.assert_close(made["pixel_values"], patches, atol=1e-6, rtol=0)


def test_packed_questions_are_read_as_if_each_were_alone() -> None:
    model, trainer = ArrCocQwen.from_base("tiny"), Trainer()
    trainer.model = model.base.model
    batch = trainer.batch("validation", 0, size=2)
    with torch.no_grad():
        _, packed = trainer.language_loss(batch)
    shown = [picture("validation", SEED, index) for index in range(2)]
    asked = [question for one in shown for question in questions(one.things)]
    seen = model.look([one.pixels for one in shown for _ in questions(one.things)])
    alone, _ = model.read_all(seen, model.ask([q.text for q in asked], [q.answer for q in asked], seen.grids))
    assert torch.equal(packed, alone.right)


@pytest.mark.parametrize(("name", "kinds"), [("tiny", EASY), ("tiny-hard", HARD), ("tiny-hardened", HARD)])
def test_with_all_tokens_the_base_answers_held_out_questions(name: str, kinds: tuple[Kind, ...], full: bool) -> None:
    model, count = ArrCocQwen.from_base(name), 1024 if full else 192
    right = []
    for first in range(0, count, 64):
        shown = [picture("validation", 0, index) for index in range(first, first + 64)]
        asked = [questions(one.things, kinds)[pick(0, first + k)] for k, one in enumerate(shown)]
        seen = model.look([one.pixels for one in shown])
        reading, _ = model.read_all(seen, model.ask([q.text for q in asked], [q.answer for q in asked], seen.grids))
        right.append(reading.right)
    assert torch.cat(right).float().mean() >= (0.99 if name == "tiny" else 0.97)
