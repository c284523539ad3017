"""Keeping K of N visual tokens: the four equalities, and the trap that positions are."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from training.model import attention, pruning
from training.model.arrcoc_qwen import ArrCocQwen
from training.model.attention import Recorder
from training.model.prompts import Asked
from training.model.pruning import VisualTokens, pack, shorten
from training.model.registry import load_base
from training.model.seeing import Seen
from training.tiny.synthetic import picture, questions

KEPT = (4, 16, 33)


@pytest.fixture(scope="module")
def model() -> ArrCocQwen:
    return ArrCocQwen.from_base("tiny")


@pytest.fixture(scope="module")
def shown() -> list:
    return [picture("validation", 0, index) for index in range(3)]


@pytest.fixture(scope="module")
def seen(model: ArrCocQwen, shown: list) -> Seen:
    return model.look([one.pixels for one in shown])


@pytest.fixture(scope="module")
def asked(model: ArrCocQwen, shown: list, seen: Seen) -> Asked:
    """Questions of different lengths, so that the batch is padded."""
    chosen = [questions(one.things)[k] for k, one in enumerate(shown)]
    return model.ask([q.text for q in chosen], [q.answer for q in chosen], seen.grids)


@pytest.fixture(scope="module")
def keep() -> torch.Tensor:
    """A different number of tokens for each picture: bool [3, 64]."""
    make = torch.Generator().manual_seed(0)
    ranks = torch.rand(3, 64, generator=make).argsort(1).argsort(1)
    return ranks < torch.tensor(KEPT)[:, None]


def masked_full_logits(model: ArrCocQwen, asked: Asked, seen: Seen, keep: torch.Tensor) -> torch.Tensor:
    """The reference: the full sequence, in which the dropped columns are hidden from everyone. [B, vocabulary]."""
    visible = asked.attention_mask.bool() & (~asked.visual).masked_scatter(asked.visual, keep)
    length = visible.shape[1]
    mask = torch.tril(torch.ones(length, length, dtype=torch.bool)) & visible[:, None]
    mask = mask | torch.eye(length, dtype=torch.bool)
    output = model.base.model(
        input_ids=asked.input_ids,
        attention_mask=mask[:, None],
        position_ids=asked.position_ids,
        mm_encoder_outputs=pack(seen.tokens, torch.ones_like(keep)),
        use_cache=False,
    )
    return output.logits[:, -1]


@torch.no_grad()
def test_all_tokens_kept_is_bitwise_the_plain_model(model: ArrCocQwen, shown: list, asked: Asked, seen: Seen) -> None:
    plain = load_base("tiny").model
    plain.set_attn_implementation("sdpa")
    inputs = model.base.image_processor(images=[one.pixels for one in shown], return_tensors="pt")
    native = plain(
        input_ids=asked.input_ids,
        attention_mask=asked.attention_mask,
        mm_token_type_ids=asked.visual.int(),
        use_cache=False,
        logits_to_keep=1,
        **inputs,
    ).logits
    ours, _ = pruning.run(model.base.model, asked, seen.tokens, torch.ones(3, 64, dtype=torch.bool))
    assert (ours - native).abs().max() == 0.0


@torch.no_grad()
def test_any_number_kept_is_the_full_sequence_with_the_rest_hidden(
    model: ArrCocQwen, asked: Asked, seen: Seen, keep: torch.Tensor
) -> None:
    ours, _ = pruning.run(model.base.model, asked, seen.tokens, keep)
    reference = masked_full_logits(model, asked, seen, keep)
    assert (ours[:, -1] - reference).abs().max() < 2e-5


@torch.no_grad()
def test_generation_with_a_cache_is_that_without(
    model: ArrCocQwen, asked: Asked, seen: Seen, keep: torch.Tensor
) -> None:
    short = shorten(asked, keep)
    del short["targets"]
    logits = []
    for use_cache in (True, False):
        output = model.base.model.generate(
            **short,
            mm_encoder_outputs=pack(seen.tokens, keep),
            max_new_tokens=5,
            do_sample=False,
            use_cache=use_cache,
            eos_token_id=None,
            pad_token_id=0,
            output_logits=True,
            return_dict_in_generate=True,
        )
        logits.append(torch.stack(output.logits))
    assert len(logits[0]) == 5
    assert (logits[0] - logits[1]).abs().max() < 2e-5


def test_gradients_reach_exactly_the_kept_tokens(
    model: ArrCocQwen, asked: Asked, seen: Seen, keep: torch.Tensor
) -> None:
    tokens = VisualTokens(
        seen.tokens.embeddings.clone().requires_grad_(), seen.tokens.deepstack.clone().requires_grad_()
    )
    logits, _ = pruning.run(model.base.model, asked, tokens, keep)
    logits.logsumexp(-1).sum().backward()
    assert torch.equal(tokens.embeddings.grad.abs().sum(-1) > 0, keep)
    assert torch.equal(tokens.deepstack.grad.abs().sum((1, 3)) > 0, keep)
    assert all(parameter.grad is None for parameter in model.base.model.parameters())


@torch.no_grad()
def test_kept_tokens_keep_their_places(model: ArrCocQwen, asked: Asked, seen: Seen, keep: torch.Tensor) -> None:
    short = shorten(asked, keep)
    for row in range(3):
        visual = short["input_ids"][row] == model.base.model.config.image_token_id
        assert int(visual.sum()) == KEPT[row]
        places = short["position_ids"][2:, row, visual] - 2  # behind the two tokens that open the turn
        assert torch.equal(places[0] * 8 + places[1], keep[row].nonzero().flatten())
        assert short["position_ids"][1:, row, -1].tolist() == asked.position_ids[1:, row, -1].tolist()
    moved = dataclasses.replace(asked, position_ids=torch.arange(asked.input_ids.shape[1]).expand(4, 3, -1))
    right, _ = pruning.run(model.base.model, asked, seen.tokens, keep)
    wrong, _ = pruning.run(model.base.model, moved, seen.tokens, keep)
    assert (right - wrong).abs().max() > 1e-2  # made-up positions are silently another question


@torch.no_grad()
def test_a_row_of_a_batch_reads_as_it_does_alone(
    model: ArrCocQwen, asked: Asked, seen: Seen, keep: torch.Tensor
) -> None:
    together, _ = pruning.run(model.base.model, asked, seen.tokens, keep)
    for row in range(3):
        one = slice(row, row + 1)
        alone, _ = pruning.run(model.base.model, asked[one], seen.tokens[one], keep[one])
        assert (together[one] - alone).abs().max() < 2e-5


@torch.no_grad()
def test_the_teacher_is_the_models_own_attention(model: ArrCocQwen, asked: Asked, seen: Seen) -> None:
    eager = load_base("tiny").model
    eager.set_attn_implementation("eager")
    output = eager(
        input_ids=asked.input_ids,
        attention_mask=asked.attention_mask,
        position_ids=asked.position_ids,
        mm_encoder_outputs=pack(seen.tokens, torch.ones(3, 64, dtype=torch.bool)),
        output_attentions=True,
        use_cache=False,
    )
    rows = torch.stack([layer[:, :, -1] for layer in output.attentions]).mean((0, 2))
    expected = rows[asked.visual].view(3, 64)
    _, teacher = model.read_all(seen, asked)
    torch.testing.assert_close(teacher, expected / expected.sum(1, keepdim=True), atol=1e-6, rtol=1e-4)


@torch.no_grad()
def test_the_teacher_is_recorded_whatever_attention_the_base_has(model: ArrCocQwen, asked: Asked, seen: Seen) -> None:
    _, teacher = model.read_all(seen, asked)
    inner = model.base.model
    inner.set_attn_implementation({"text_config": "eager"})
    try:
        torch.testing.assert_close(model.read_all(seen, asked)[1], teacher, atol=1e-6, rtol=1e-4)
        assert inner.config.text_config._attn_implementation == "eager"
    finally:
        attention.prepare(inner)


def test_a_recorder_reads_the_same_row_from_every_kind_of_mask() -> None:
    make = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 4, 6, 8, generator=make), torch.randn(2, 2, 6, 8, generator=make)
    causal = torch.tril(torch.ones(6, 6, dtype=torch.bool))[None, None]
    additive = torch.zeros(causal.shape).masked_fill(~causal, -torch.inf)
    columns = torch.tensor([5, 3])
    rows = []
    for mask in (None, causal, additive):
        recorder = Recorder(columns)
        recorder.add(query, key, mask, scaling=0.3)
        rows.append(recorder.mean)
    expected = (query @ key.repeat_interleave(2, 1).transpose(2, 3) * 0.3 + additive).softmax(-1).mean(1)
    with torch.autocast("cpu", torch.bfloat16):  # what the base computes in does not blur what the teacher says
        recorder = Recorder(columns)
        recorder.add(query, key, causal, scaling=0.3)
        assert (query @ key.repeat_interleave(2, 1).transpose(2, 3)).dtype == torch.bfloat16
    rows.append(recorder.mean)
    for row in rows:
        torch.testing.assert_close(row, expected[torch.arange(2), columns])
    with pytest.raises(RuntimeError, match="nothing was recorded"):
        _ = Recorder(columns).mean
