"""Pictures of different sizes in a batch, and several for one question: each row is read as if it were alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from arrcoc_core.errors import ConfigError
from training.model import pruning
from training.model.arrcoc_qwen import ArrCocQwen
from training.model.prompts import Asked
from training.model.registry import load_base
from training.model.seeing import Seen
from training.model.selector import NOWHERE, allocate
from training.objectives.distillation import distillation_loss
from training.tiny.synthetic import picture

TEXTS = ["which colour is the circle", "which shape is red", "which colour is the ring", "which shape is blue"]
ANSWERS = ["red", "circle red", "blue", "star"]
ABOUT = [[0, 1], [2], [1, 2, 0], [3]]  # which pictures each question is about
COUNTS = (64 + 24, 32, 24 + 32 + 64, 64)
BUDGET = torch.tensor([11, 5, 17, 8])


@pytest.fixture(scope="module")
def model() -> ArrCocQwen:
    model = ArrCocQwen.from_base("tiny", seed=1)
    torch.manual_seed(0)
    nn.init.normal_(model.selector.balancer.weigh[-1].weight)  # else its weights would be the same for everything
    return model


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    whole = [picture("validation", 0, index).pixels for index in range(4)]
    return [whole[0], whole[1][:48, :32], whole[2][:32], whole[3]]


@pytest.fixture(scope="module")
def seen(model: ArrCocQwen, pictures: list[np.ndarray]) -> Seen:
    return model.look(pictures).about(ABOUT)


@pytest.fixture(scope="module")
def asked(model: ArrCocQwen, seen: Seen) -> Asked:
    return model.ask(TEXTS, ANSWERS, seen.grids)


def test_rows_say_what_is_in_them(seen: Seen) -> None:
    assert seen.counts == COUNTS and seen.count == 120
    assert seen.grids[2] == ((6, 4), (4, 8), (8, 8))
    assert seen.present.sum(1).tolist() == list(COUNTS) and seen.present[1, :32].all()
    assert seen.places[0].unique_consecutive(return_counts=True)[1].tolist() == [64, 24, 32]
    assert not seen.tokens.embeddings[~seen.present].any()
    assert not seen.tokens.deepstack.transpose(1, 2)[~seen.present].any()


@torch.no_grad()
def test_all_kept_of_two_pictures_of_different_size_is_the_plain_model(
    model: ArrCocQwen, pictures: list[np.ndarray]
) -> None:
    seen = model.look(pictures).about([[0, 1], [2, 3]])
    asked = model.ask(TEXTS[:2], ANSWERS[:2], seen.grids)
    plain = load_base("tiny").model
    plain.set_attn_implementation("sdpa")
    inputs = model.base.image_processor(images=pictures, do_resize=False, return_tensors="pt")
    native = plain(
        input_ids=asked.input_ids,
        attention_mask=asked.attention_mask,
        mm_token_type_ids=asked.visual.int(),
        use_cache=False,
        logits_to_keep=2,
        **inputs,
    ).logits
    ours, _ = pruning.run(model.base.model, asked, seen.tokens, seen.present)
    assert (ours - native).abs().max() == 0.0


@torch.no_grad()
def test_a_row_does_not_depend_on_its_neighbours(
    model: ArrCocQwen, pictures: list[np.ndarray], seen: Seen, asked: Asked
) -> None:
    scores = model.scores(seen, asked)
    kept = allocate(scores, BUDGET, seen.present)
    reading, (full, teacher) = model.read(seen, asked, kept), model.read_all(seen, asked)
    assert kept.sum(1).tolist() == BUDGET.tolist() and not kept[~seen.present].any()
    for row, about in enumerate(ABOUT):
        alone = model.look([pictures[k] for k in about]).about([range(len(about))])
        own = model.ask(TEXTS[row : row + 1], ANSWERS[row : row + 1], alone.grids)
        count = COUNTS[row]
        same = {"atol": 1e-6, "rtol": 1e-5}
        torch.testing.assert_close(model.scores(alone, own)[0], scores[row, :count], **same)
        assert (scores[row, count:] == NOWHERE).all() and (teacher[row, count:] == 0).all()
        own_full, own_teacher = model.read_all(alone, own)
        torch.testing.assert_close(own_teacher[0], teacher[row, :count], **same)
        torch.testing.assert_close(own_full.loss[0], full.loss[row], **same)
        torch.testing.assert_close(
            model.read(alone, own, kept[row : row + 1, :count]).loss[0], reading.loss[row], **same
        )
        torch.testing.assert_close(
            distillation_loss(model.scores(alone, own), own_teacher),
            distillation_loss(scores[row : row + 1], teacher[row : row + 1]),
            **same,
        )


def test_padding_gives_no_gradient_and_no_loss(model: ArrCocQwen, seen: Seen, asked: Asked) -> None:
    scores = torch.randn(4, 120, generator=torch.Generator().manual_seed(0))
    scores = scores.masked_fill(~seen.present, NOWHERE).requires_grad_()
    distillation_loss(scores, model.read_all(seen, asked)[1]).backward()
    assert (scores.grad[seen.present] != 0).all() and not scores.grad[~seen.present].any()


@torch.no_grad()
def test_kept_of_several_pictures_is_the_whole_sequence_with_the_rest_hidden(
    model: ArrCocQwen, seen: Seen, asked: Asked
) -> None:
    kept = allocate(torch.rand(4, 120, generator=torch.Generator().manual_seed(0)), BUDGET, seen.present)
    visible = asked.attention_mask.bool() & (~asked.visual).masked_scatter(asked.visual, kept[seen.present])
    length = visible.shape[1]
    mask = torch.tril(torch.ones(length, length, dtype=torch.bool)) & visible[:, None]
    hidden = model.base.model(
        input_ids=asked.input_ids,
        attention_mask=(mask | torch.eye(length, dtype=torch.bool))[:, None],
        position_ids=asked.position_ids,
        mm_encoder_outputs=pruning.pack(seen.tokens, seen.present),
        use_cache=False,
    ).logits[:, -2:]
    ours, targets = pruning.run(model.base.model, asked, seen.tokens, kept)
    assert (ours - hidden)[targets != -100].abs().max() < 2e-5


@torch.no_grad()
def test_generation_is_the_same_with_and_without_a_cache_and_what_a_forced_pass_says(
    model: ArrCocQwen, seen: Seen
) -> None:
    kept = allocate(torch.rand(4, 120, generator=torch.Generator().manual_seed(1)), BUDGET, seen.present)
    asked = model.ask(TEXTS, None, seen.grids)
    short = pruning.shorten(asked, kept)
    del short["targets"]
    ids, logits = [], []
    for use_cache in (True, False):
        output = model.base.model.generate(
            **short,
            mm_encoder_outputs=pruning.pack(seen.tokens, kept),
            max_new_tokens=4,
            do_sample=False,
            use_cache=use_cache,
            eos_token_id=None,
            pad_token_id=0,
            output_logits=True,
            return_dict_in_generate=True,
        )
        ids.append(output.sequences[:, -4:])
        logits.append(torch.stack(output.logits, 1))
    assert torch.equal(*ids) and (logits[0] - logits[1]).abs().max() < 2e-5
    words = [" ".join(model.base.tokenizer.convert_ids_to_tokens(row)) for row in ids[0]]
    forced = model.ask(TEXTS, words, seen.grids)
    says, _ = pruning.run(model.base.model, forced, seen.tokens, kept)
    assert torch.equal(says.argmax(-1), ids[0]) and (says - logits[0]).abs().max() < 2e-5


def test_rows_are_joined_and_taken_out_again(model: ArrCocQwen, pictures: list[np.ndarray], seen: Seen) -> None:
    parts = [model.look(pictures[:1]), model.look(pictures[1:3])]
    joined = Seen.join(parts)
    assert joined.counts == (64, 24, 32) and joined.present.sum(1).tolist() == [64, 24, 32]
    torch.testing.assert_close(joined[1:].tokens.embeddings[:, :32], parts[1].tokens.embeddings)
    assert joined[torch.tensor([2, 0])].grids == (((4, 8),), ((8, 8),))
    assert model.look([pictures[0], pictures[3]]).places is None and joined[:1].places is None


def test_a_prompt_longer_than_the_base_can_read_is_refused(model: ArrCocQwen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model.base.model.config.text_config, "max_position_embeddings", 100)
    with pytest.raises(ConfigError, match=r"'which shape is red' is 1\d\d tokens long with its pictures") as caught:
        model.ask(TEXTS[:2], None, [((8, 8),), ((8, 8), (8, 8))])
    assert "at most 100" in str(caught.value) and "image_size" in caught.value.remedy
