"""The whole: loading, saving, answering, and a base that stays what it was."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration

from arrcoc_core.errors import ConfigError
from training.model.arrcoc_qwen import ArrCocQwen
from training.model.files import CONFIG, PROCESSOR, WEIGHTS
from training.model.registry import HUB_NAMES, TINY_FOLDER, load_base, parameters_hash, visual_tokens
from training.model.seeing import Seen
from training.model.selector import WAYS, allocate
from training.objectives.distillation import distillation_loss
from training.tiny.synthetic import pick, picture, questions


@pytest.fixture(scope="module")
def model() -> ArrCocQwen:
    return ArrCocQwen.from_base("tiny", seed=1)


def samples(split: str, count: int, first: int = 0) -> tuple[list[np.ndarray], list[str], list[str]]:
    shown = [picture(split, 0, index) for index in range(first, first + count)]
    asked = [questions(one.things)[pick(0, first + k)] for k, one in enumerate(shown)]
    return [one.pixels for one in shown], [q.text for q in asked], [q.answer for q in asked]


def test_three_lines_load_a_result_and_answer(model: ArrCocQwen, tmp_path: Path) -> None:
    pixels, texts, answers = samples("validation", 1)
    model.save_pretrained(tmp_path / "result")
    loaded = ArrCocQwen.from_pretrained(tmp_path / "result")
    answer = loaded.answer(pixels[0], texts[0], keep=64)
    assert answer.text == answers[0]
    assert answer.kept == tuple(range(64)) and answer.relevance.shape == (8, 8)
    few = loaded.answer(Image.fromarray(pixels[0]), texts[0], keep=4)
    assert len(few.kept) == 4 and few.kept == tuple(sorted(np.argsort(-few.relevance.ravel(), kind="stable")[:4]))


def test_what_was_saved_is_read_back_bitwise(model: ArrCocQwen, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["base"] == "tiny"
    assert parameters_hash(ArrCocQwen.from_pretrained(tmp_path).selector) == parameters_hash(model.selector)


def _with(change: dict[str, object | None]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        held = json.loads((folder / CONFIG).read_text()) | change
        (folder / CONFIG).write_text(json.dumps({name: value for name, value in held.items() if value is not None}))

    return spoil


def _prepared(**change: object) -> Callable[[Path], object]:
    sound = {"image": {"size": 64, "visual_tokens": 64}, "text": {"max_seq_length": 64}, "keep": 4}
    return lambda folder: (folder / PROCESSOR).write_text(json.dumps(sound | change))


def _cut(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:1000])


def _of_another_width(folder: Path) -> None:
    held = load_file(folder / WEIGHTS)
    save_file({name: value[:1].clone() if value.dim() else value for name, value in held.items()}, folder / WEIGHTS)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_cut(WEIGHTS), "selector.safetensors cannot be read"),
        (_of_another_width, "are not those of the selector that"),
        (_with({"base": None}), "does not name the base"),
        (_with({"selector": {"hidden": 1}}), "does not describe a selector"),
        (_with({"base": "tiny-hard"}), "a base of the weights sha256:[0-9a-f]{64}, and tiny-hard has sha256:"),
        (lambda folder: (folder / CONFIG).write_text("{"), "config.json cannot be read"),
        (lambda folder: (folder / PROCESSOR).write_text('{"image": '), "processor.json cannot be read: Expecting"),
        (lambda folder: (folder / PROCESSOR).write_text("[]"), "processor.json does not say how .*: TypeError"),
        (
            lambda folder: (folder / PROCESSOR).write_text('{"processor_class": "Qwen3VLProcessor"}'),
            "processor.json does not say how .*: KeyError: 'image'",
        ),
        (_prepared(share="an eighth"), "processor.json does not say how .*'an eighth' is no number"),
        (_prepared(image={"size": 64, "resize": "round"}), "processor.json does not say how .*'round' is no way"),
        (_prepared(text={"max_seq_length": 64, "question": 5}), "processor.json does not say how .*5 is no text"),
    ],
)
def test_a_result_that_is_damaged_or_of_another_base_is_refused(
    model: ArrCocQwen, tmp_path: Path, spoil: Callable[[Path], None], told: str
) -> None:
    model.save_pretrained(tmp_path)
    spoil(tmp_path)
    with pytest.raises(ConfigError, match=told) as caught:
        ArrCocQwen.from_pretrained(tmp_path)
    assert caught.value.remedy


def test_a_folder_without_a_selector_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no selector") as caught:
        ArrCocQwen.from_pretrained(tmp_path)
    assert "result/" in caught.value.remedy


def test_a_new_selector_depends_on_its_seed_alone(model: ArrCocQwen) -> None:
    state = torch.get_rng_state()
    again, other = ArrCocQwen.from_base("tiny", seed=1), ArrCocQwen.from_base("tiny", seed=2)
    assert torch.equal(torch.get_rng_state(), state)
    assert parameters_hash(model.selector) == parameters_hash(again.selector) != parameters_hash(other.selector)


def test_training_leaves_the_base_bitwise_as_it_was() -> None:
    model = ArrCocQwen.from_base("tiny")
    before, selector_before = parameters_hash(model.base.model), parameters_hash(model.selector)
    pixels, texts, answers = samples("train", 16)
    seen = model.look(pixels)
    asked = model.ask(texts, answers, seen.grids)
    optimizer = torch.optim.AdamW(model.selector.parameters(), lr=1e-3)
    _, teacher = model.read_all(seen, asked)
    losses = []
    for _ in range(10):
        loss = distillation_loss(model.scores(seen, asked), teacher)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.read(seen, asked, allocate(model.scores(seen, asked), 4))
    model.answer(pixels[0], texts[0], keep=4)
    assert losses[-1] < losses[0]
    assert parameters_hash(model.base.model) == before
    assert parameters_hash(model.selector) != selector_before


def test_readings_say_what_greedy_decoding_writes(model: ArrCocQwen) -> None:
    pixels, texts, answers = samples("validation", 12)
    seen = model.look(pixels)
    asked = model.ask(texts, answers, seen.grids)
    kept = allocate(torch.rand(12, 64, generator=torch.Generator().manual_seed(0)), 24)
    reading = model.read(seen, asked, kept)
    written = model.generate(seen, model.ask(texts, None, seen.grids), kept)
    assert [ours == right for ours, right in zip(written, answers, strict=True)] == reading.right.tolist()
    assert model.words(reading.guesses) == [text.split()[0] for text in written]
    assert torch.equal(reading.loss < 0.5, reading.right & (reading.loss < 0.5)) and (reading.loss >= 0).all()


def test_answers_of_several_tokens_are_judged_whole(model: ArrCocQwen) -> None:
    pixels, texts, answers = samples("validation", 3)
    seen = model.look(pixels)
    asked = model.ask(texts, [answers[0], f"{answers[1]} red", answers[2]], seen.grids)
    reading, teacher = model.read_all(seen, asked)
    assert reading.right.tolist() == [True, False, True]
    assert (reading.guesses != -100).sum(1).tolist() == [1, 2, 1]
    _, plain = model.read_all(seen, model.ask(texts, answers, seen.grids))
    torch.testing.assert_close(teacher, plain, atol=1e-6, rtol=1e-4)  # it looks from where the answer begins


def test_pictures_seen_once_serve_in_any_order(model: ArrCocQwen) -> None:
    pixels, texts, _ = samples("train", 6)
    seen = Seen.join([model.look(pixels[:4]), model.look(pixels[4:])])
    asked = model.ask(texts, None, seen.grids)
    order = torch.tensor([5, 0, 0, 3])
    scores = model.scores(seen, asked)
    torch.testing.assert_close(model.scores(seen[order], asked[order]), scores[order])
    assert len(seen) == 6 and seen.count == 64 and seen.nbytes > 6 * 64 * 128 * 4
    swapped = model.scores(seen, asked[torch.tensor([1, 0, 2, 3, 4, 5])])
    assert not torch.equal(swapped[:2], scores[:2]) and torch.allclose(swapped[2:], scores[2:], atol=1e-6)


def test_the_number_of_tokens_follows_the_picture_unless_it_may_be_scaled(model: ArrCocQwen) -> None:
    large = np.zeros((96, 32, 3), np.uint8)
    seen = model.look([large])
    assert seen.grids == (((12, 4),),) and seen.count == 48 and seen.texture.means.shape == (1, 48, 13)
    square = np.zeros((200, 200, 3), np.uint8)
    assert model.look([square], scale=True).count == 64 == visual_tokens("tiny", 64)
    assert model.answer(square, "which colour is the ring?", keep=4).text
    with pytest.raises(ValueError, match="60 x 64 px: both sides must be multiples of 8"):
        model.look([np.zeros((60, 64, 3), np.uint8)])


def test_tokens_of_a_picture_are_known_without_loading_a_base() -> None:
    assert visual_tokens("tiny", 32) == 16 and visual_tokens(HUB_NAMES[0], 512) == 256
    with pytest.raises(ConfigError, match="100 px do not divide into the visual tokens of tiny, 8 px a side"):
        visual_tokens("tiny", 100)


def test_the_same_run_twice_gives_the_same_bits(model: ArrCocQwen) -> None:
    pixels, texts, answers = samples("train", 8)
    results = []
    for _ in range(2):
        seen = model.look(pixels)
        asked = model.ask(texts, answers, seen.grids)
        results.append((model.scores(seen, asked).detach(), model.read_all(seen, asked)[1]))
    assert torch.equal(results[0][0], results[1][0]) and torch.equal(results[0][1], results[1][1])


def test_a_base_in_a_folder_of_the_hubs_format_is_loaded(tmp_path: Path) -> None:
    shutil.copytree(TINY_FOLDER, tmp_path / "copy")
    base = load_base(str(tmp_path / "copy"), dtype=torch.bfloat16)
    assert base.model.dtype == torch.bfloat16 and base.hidden_size == 128
    assert parameters_hash(load_base(str(tmp_path / "copy")).model) == parameters_hash(load_base("tiny").model)


def test_a_base_in_half_precision_is_read_and_its_selector_stays_in_single() -> None:
    model = ArrCocQwen.from_base("tiny", dtype=torch.bfloat16)
    pixels, texts, answers = samples("validation", 8)
    seen = model.look(pixels)
    asked = model.ask(texts, answers, seen.grids)
    reading, teacher = model.read_all(seen, asked)
    scores = model.scores(seen, asked)
    assert seen.tokens.embeddings.dtype == torch.bfloat16 and scores.dtype == teacher.dtype == torch.float32
    assert reading.right.float().mean() > 0.8
    distillation_loss(scores, teacher).backward()


def test_a_mixture_of_experts_is_read_by_the_same_code(tmp_path: Path) -> None:
    config = json.loads((TINY_FOLDER / "config.json").read_text())
    text = config["text_config"] | {
        "model_type": "qwen3_vl_moe_text",
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 64,
    }
    vision = config["vision_config"] | {"model_type": "qwen3_vl_moe_vision"}
    ids = {key: value for key, value in config.items() if key.endswith("token_id")}
    torch.manual_seed(0)
    experts = Qwen3VLMoeForConditionalGeneration(Qwen3VLMoeConfig(text_config=text, vision_config=vision, **ids))
    shutil.copytree(TINY_FOLDER, tmp_path / "moe", ignore=shutil.ignore_patterns("model*", "config.json"))
    experts.save_pretrained(tmp_path / "moe")
    model = ArrCocQwen.from_base(str(tmp_path / "moe"))
    pixels, texts, answers = samples("train", 2)
    seen = model.look(pixels)
    asked = model.ask(texts, answers, seen.grids)
    _, teacher = model.read_all(seen, asked)
    assert torch.allclose(teacher.sum(1), torch.ones(2))
    assert model.read(seen, asked, allocate(teacher, 4)).loss.shape == (2,)
    before = parameters_hash(model.base.model)
    optimizer = torch.optim.AdamW(model.selector.parameters(), lr=1e-2)
    losses = []
    for _ in range(3):
        loss = distillation_loss(model.scores(seen, asked), teacher)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] and parameters_hash(model.base.model) == before
    assert model.answer(pixels[0], texts[0], keep=4).text is not None


def test_flash_attention_where_it_cannot_work_is_refused_with_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"on CUDA devices, not in torch\.float32 on cpu") as caught:
        ArrCocQwen.from_base("tiny", attention="flash")
    assert 'attention="sdpa"' in caught.value.remedy


def test_an_explanation_holds_what_the_answer_was_chosen_by(model: ArrCocQwen) -> None:
    pixels, texts, _ = samples("validation", 2)
    answer = model.answer(pixels[0], texts[0], keep=6)
    why = model.explain(pixels[0], texts[0], keep=6)
    (shown,) = why.pictures
    assert why.question == texts[0] and why.answer == answer.text
    assert tuple(np.flatnonzero(shown.kept)) == answer.kept and shown.kept.shape == (8, 8)
    weights = np.array(list(why.weights.values()))
    assert list(why.weights) == list(WAYS) and weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(np.tensordot(weights, shown.maps, 1), shown.scores, atol=1e-5)
    np.testing.assert_array_equal(shown.scores, answer.relevance)


def test_an_explanation_of_several_pictures_has_the_maps_of_each(model: ArrCocQwen) -> None:
    pixels, texts, _ = samples("validation", 2)
    why = model.explain(pixels, texts[0], keep=9)
    assert [shown.maps.shape for shown in why.pictures] == [(3, 8, 8)] * 2
    assert sum(shown.kept.sum() for shown in why.pictures) == 9
    answer = model.answer(pixels, texts[0], keep=9)
    assert answer.text == why.answer and answer.relevance.shape == (128,)
    assert answer.kept == tuple(np.flatnonzero(np.concatenate([shown.kept.ravel() for shown in why.pictures])))


def test_an_unknown_base_is_answered_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="no base model 'tinny'") as caught:
        load_base("tinny")
    assert all(name in caught.value.remedy for name in ("tiny", *HUB_NAMES))


def test_a_folder_of_another_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ConfigError, match="is a llama, not a Qwen3-VL"):
        load_base(str(tmp_path))


@pytest.mark.parametrize(
    ("spoil", "wrong"),
    [
        (lambda text: text[:-30], "Expecting|Unterminated|delimiter"),
        (lambda text: "[]", "it holds no JSON object"),
        (lambda text: "{}", "patch_size is 14, and 4 in the vision tower"),
        (lambda text: text.replace("shortest_edge", "edge"), "size must have one of"),
    ],
)
def test_a_damaged_file_of_a_base_is_named(tmp_path: Path, spoil: Callable[[str], str], wrong: str) -> None:
    folder = shutil.copytree(TINY_FOLDER, tmp_path / "copy")
    file = folder / "preprocessor_config.json"
    file.write_text(spoil(file.read_text()))
    with pytest.raises(ConfigError, match=f"{re.escape(str(file))}: .*({wrong})") as caught:
        load_base(str(folder))
    assert "preprocessor_config.json there again" in caught.value.remedy
    file.unlink()
    with pytest.raises(ConfigError, match=f"{re.escape(str(file))}: Can't load image processor"):
        load_base(str(folder))


def test_a_hub_that_cannot_be_reached_is_said_plainly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants as hub

    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match="could not be fetched from the Hugging Face Hub") as caught:
        load_base(HUB_NAMES[0])
    assert "tiny" in caught.value.remedy
