"""The selector: sizes, independence of pictures in a batch, and what is kept."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import Qwen3VLConfig, Qwen3VLMoeConfig

from training.model.selector import (
    Balance,
    Selector,
    SelectorConfig,
    allocate,
    normalised,
    random_selection,
    uniform_selection,
)
from training.model.texture import CHANNELS, Texture, describe, information_entropy, texture_array
from training.objectives.distillation import distillation_loss


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def kept(mask: torch.Tensor) -> list[list[int]]:
    return [row.nonzero().flatten().tolist() for row in mask]


def example(hidden: int = 128, batch: int = 3, tokens: int = 64, words: int = 7) -> tuple:
    make = torch.Generator().manual_seed(0)
    draw = partial(torch.randn, generator=make)
    texture = Texture(draw(batch, tokens, CHANNELS), draw(batch, tokens).abs(), draw(batch, tokens).abs())
    mask = torch.arange(words)[None] < torch.tensor([words, words - 1, words - 2])[:batch, None]
    return draw(batch, tokens, hidden), texture, draw(batch, words, hidden), mask


def test_sizes_at_the_width_of_the_2b_base_are_those_promised() -> None:
    with torch.device("meta"):
        selector = Selector(SelectorConfig.of(2048))
    assert parameters(selector.participatory) == pytest.approx(1_300_000, rel=0.05)
    assert parameters(selector.balancer) == pytest.approx(700_000, rel=0.05)


@pytest.mark.parametrize(
    ("config", "scorer", "balancer"),
    [
        (Qwen3VLConfig(text_config={"hidden_size": 2048}), 1_324_033, 697_971),  # 2B
        (Qwen3VLConfig(text_config={"hidden_size": 2560}), 2_064_641, 1_089_283),  # 4B
        (Qwen3VLConfig(text_config={"hidden_size": 4096}), 5_269_505, 2_783_587),  # 8B
        (Qwen3VLMoeConfig(text_config={"hidden_size": 2048}), 1_324_033, 697_971),  # 30B-A3B
    ],
)
def test_sizes_follow_the_width_of_the_base_as_docs_say(config, scorer: int, balancer: int) -> None:
    with torch.device("meta"):
        selector = Selector(SelectorConfig.of(config.text_config.hidden_size))
    assert (parameters(selector.participatory), parameters(selector.balancer)) == (scorer, balancer)
    page = (Path(__file__).parents[2] / "docs" / "model.md").read_text(encoding="utf-8")
    assert f"{scorer:,}" in page and f"{balancer:,}" in page


def test_before_the_tiny_base_it_has_some_ninety_thousand() -> None:
    assert parameters(Selector(SelectorConfig.of(128))) == pytest.approx(90_000, rel=0.05)


def test_scores_of_a_picture_do_not_depend_on_its_neighbours_in_the_batch() -> None:
    torch.manual_seed(0)
    selector = Selector(SelectorConfig.of(128))
    nn.init.normal_(selector.balancer.weigh[-1].weight)
    tokens, texture, question, mask = example()
    together = selector(tokens, texture, question, mask)
    one = Texture(texture.means[1:2], texture.entropy[1:2], texture.salience[1:2])
    torch.testing.assert_close(together[1:2], selector(tokens[1:2], one, question[1:2], mask[1:2]))


def test_words_in_the_padding_do_not_count() -> None:
    selector = Selector(SelectorConfig.of(128))
    tokens, texture, question, mask = example()
    changed = question.masked_fill(~mask[..., None], 100.0)
    torch.testing.assert_close(selector(tokens, texture, question, mask), selector(tokens, texture, changed, mask))


def test_maps_are_normalised_over_each_picture_also_a_flat_one() -> None:
    maps = torch.randn(2, 3, 64) * 5 + 2
    maps[0, 0] = 4.0
    result = normalised(maps)
    assert torch.isfinite(result).all() and (result[0, 0] == 0).all()
    torch.testing.assert_close(result[1].mean(-1), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(result[1].std(-1, correction=0), torch.ones(3), atol=1e-4, rtol=0)


def test_every_part_of_the_selector_learns() -> None:
    selector = Selector(SelectorConfig.of(128))
    optimizer = torch.optim.SGD(selector.parameters(), lr=0.1)
    inputs, teacher = example(), torch.rand(3, 64).softmax(1)
    for _ in range(2):  # the balancer's last layer begins at zero, so those below it learn from the second step on
        optimizer.zero_grad()
        distillation_loss(selector(*inputs), teacher).backward()
        optimizer.step()
    learned = [p for p in selector.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in learned)


@pytest.mark.parametrize(
    ("features", "balance", "absent"),
    [
        ("texture", "learned", "participatory.read_token."),
        ("vision", "learned", "participatory.read_texture."),
        ("both", "fixed", "balancer."),
    ],
)
def test_what_is_left_out_of_a_selector_has_no_say_and_no_parameters(features, balance, absent) -> None:
    torch.manual_seed(0)
    selector = Selector(SelectorConfig.of(128, features, balance))
    assert not any(name.startswith(absent) for name in selector.state_dict())
    assert Selector(SelectorConfig(**selector.config.to_dict())).state_dict().keys() == selector.state_dict().keys()
    tokens, texture, question, mask = example()
    other = Texture(texture.means.flip(1), texture.entropy.flip(1), texture.salience.flip(1))
    scores = selector(tokens, texture, question, mask)
    assert torch.equal(scores, selector(tokens.flip(1), texture, question, mask)) == (features == "texture")
    assert torch.equal(scores, selector(tokens, other, question, mask)) == (features == "vision")
    distillation_loss(scores, torch.rand(3, 64).softmax(1)).backward()
    assert all(p.grad is not None for p in selector.parameters() if p.requires_grad)
    _, weights = selector.ways(tokens, texture, question, mask)
    assert torch.allclose(weights.sum(1), torch.ones(3))
    if balance == "fixed":
        assert torch.allclose(weights, torch.full((3, 3), 1 / 3))


def test_distillation_loss_is_nought_at_the_teacher_and_reaches_every_token() -> None:
    teacher = torch.rand(2, 64).softmax(1)
    scores = (teacher.log() + 3).requires_grad_()
    assert distillation_loss(scores, teacher).item() == pytest.approx(0, abs=1e-6)
    scores = torch.zeros(2, 64, requires_grad=True)
    distillation_loss(scores, teacher).backward()
    assert (scores.grad != 0).all()


def test_allocation_keeps_the_best_in_order_and_the_first_of_equals() -> None:
    scores = torch.tensor([[0.0, 3.0, 1.0, 3.0, 2.0], [1.0, 1.0, 1.0, 1.0, 1.0]])
    assert kept(allocate(scores, 3)) == [[1, 3, 4], [0, 1, 2]]
    assert kept(allocate(scores, 5)) == [[0, 1, 2, 3, 4]] * 2
    for keep in (0, 6):
        with pytest.raises(ValueError, match=f"cannot keep {keep} of 5 visual tokens"):
            allocate(scores, keep)


def test_each_row_keeps_its_own_number_and_never_its_padding() -> None:
    scores = torch.tensor([[0.0, 3.0, 1.0, 9.0, 9.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
    present = torch.tensor([[True, True, True, False, False], [True] * 5])
    assert kept(allocate(scores, torch.tensor([2, 4]), present)) == [[1, 2], [1, 2, 3, 4]]
    assert kept(random_selection(present, torch.tensor([3, 1]), seed=0))[0] == [0, 1, 2]
    with pytest.raises(ValueError, match=r"cannot keep 4 of 3 visual tokens \(row 0\)"):
        allocate(scores, 4, present)


def test_random_and_uniform_selections_have_the_same_budget() -> None:
    present = torch.ones(200, 64, dtype=torch.bool)
    drawn = random_selection(present, 4, seed=1)
    assert torch.equal(drawn, random_selection(present, 4, seed=1))
    assert not torch.equal(drawn, random_selection(present, 4, seed=2))
    assert (drawn.sum(1) == 4).all() and drawn.any(0).all()
    even = uniform_selection([((8, 8),)] * 2, 4)
    assert kept(even) == [[0, 4, 32, 36]] * 2
    assert kept(uniform_selection([((8, 8),)], 64)) == [list(range(64))]
    assert kept(uniform_selection([((3, 5),)], 15)) == [list(range(15))]


def test_an_even_grid_is_spread_over_all_pictures_of_a_question() -> None:
    rows = kept(uniform_selection([((8, 8), (4, 8)), ((4, 4),)], torch.tensor([6, 4])))
    assert rows[1] == [0, 2, 8, 10]
    assert sum(index < 64 for index in rows[0]) == 4 and len(rows[0]) == 6


def test_texture_has_thirteen_channels_with_the_values_of_their_definitions() -> None:
    red = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None].expand(1, 3, 64, 64)
    array = texture_array(red)
    assert array.shape == (1, CHANNELS, 64, 64)
    lab = array[0, 3:6, 0, 0] * 100  # CIE's values for sRGB red
    torch.testing.assert_close(lab, torch.tensor([53.24, 80.09, 67.20]), atol=0.05, rtol=0)
    assert array[0, 6:9].abs().max() < 1e-6 and array[0, 12].abs().max() < 1e-5
    assert array[0, 9, 0, 0] == array[0, 10, 0, 0] == -1 and array[0, 11, 0, 0] == 1


def test_a_spot_of_another_colour_is_salient_and_an_even_cell_holds_no_information() -> None:
    pixels = torch.full((1, 3, 64, 64), 0.5)
    pixels[0, 0, 24:32, 24:32] = 1.0
    texture = describe(pixels, (8, 8))
    assert texture.salience.argmax() == 3 * 8 + 3
    assert texture.entropy.abs().max() == 0
    noise = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)).expand(1, 3, 64, 64)
    assert information_entropy(noise).min() > 0.7


def test_a_picture_of_any_size_is_described_once_per_token() -> None:
    texture = describe(torch.rand(2, 3, 96, 128), (3, 4))
    assert texture.means.shape == (2, 12, CHANNELS) and texture.entropy.shape == texture.salience.shape == (2, 12)


@pytest.mark.parametrize("balance", ["learned", "fixed"])
@pytest.mark.parametrize("counts", [(1,), (4, 1)], ids=str)
def test_a_picture_of_one_token_has_a_score_and_a_gradient(balance: Balance, counts: tuple[int, ...]) -> None:
    """Its maps have no deviation: nothing is divided by it. Alone, and beside a picture of four."""
    torch.manual_seed(0)
    selector = Selector(SelectorConfig.of(128, balance=balance))
    tokens, texture, question, mask = example(batch=len(counts), tokens=max(counts))
    present = torch.arange(max(counts)) < torch.tensor(counts)[:, None]
    places = None if len(counts) == 1 else present.long() - 1
    scores = selector(tokens, texture, question, mask, places)
    assert scores.isfinite().all()
    (scores * present).square().sum().backward()
    gradients = [p.grad for p in selector.parameters() if p.grad is not None]
    assert len(gradients) > 5 and all(gradient.isfinite().all() for gradient in gradients)
