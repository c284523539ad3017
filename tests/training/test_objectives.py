"""Each objective pulls the scores where it should, and reaches every token that it claims to reach."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from training.batches import Batch, Collate
from training.data import Synthetic
from training.model.arrcoc_qwen import ArrCocQwen
from training.model.seeing import Seen
from training.model.selector import NOWHERE
from training.noise import Noise, noise_seeds
from training.objectives import OBJECTIVES, Step, find_objective
from training.objectives.distillation import distillation_loss
from training.objectives.gates import soft_top
from training.objectives.policy import draw, rloo, selection_log_likelihood
from training.shaping import Sizing


@pytest.fixture(scope="module")
def model() -> ArrCocQwen:
    return ArrCocQwen.from_base("tiny", seed=3)


@pytest.fixture(scope="module")
def batch(model: ArrCocQwen) -> Batch:
    samples = Synthetic("train", 16, Sizing("square", 64), together=1)
    return Collate(model.base.tokenizer, 64)([samples.get(k) for k in range(16)])


@pytest.fixture
def step(model: ArrCocQwen, batch: Batch) -> Step:
    seen = model.look(batch.pictures).about(batch.about)
    asked = model.ask(batch.questions, batch.answers, seen.grids)
    scores = torch.zeros(seen.present.shape, requires_grad=True)
    return Step(model, seen, asked, scores, torch.full((16,), 8), noise_of(seen))


def noise_of(seen: Seen, seed: int = 0) -> Noise:
    return Noise.of(noise_seeds(seed, 1, 0, len(seen)), seen)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_has_a_finite_gradient_and_leaves_the_base_alone(step: Step, name: str) -> None:
    OBJECTIVES[name](step).backward()
    gradient = step.scores.grad
    assert gradient is not None and gradient.isfinite().all() and gradient.any()
    assert all(p.grad is None for p in step.model.base.model.parameters())
    reached = (gradient != 0).float().mean()
    if name in ("distil", "saliency", "noise-gate", "soft-gate", "bernoulli-gate"):
        assert reached == 1  # each of the N tokens hears whether it was needed


@pytest.mark.parametrize("name", ["distil", "rloo", "noise-gate", "bernoulli-gate"])
def test_following_the_gradient_finds_more_of_what_is_asked_about(model: ArrCocQwen, batch: Batch, name: str) -> None:
    """Scores learned freely for 16 questions, without a selector: the answers get likelier from 8 of 64 tokens."""
    seen = model.look(batch.pictures).about(batch.about)
    asked = model.ask(batch.questions, batch.answers, seen.grids)
    scores = torch.zeros(seen.present.shape, requires_grad=True)
    optimizer = torch.optim.Adam([scores], lr=0.2)
    before = _loss_of_top(model, seen, asked, scores)
    for k in range(20):
        optimizer.zero_grad()
        noise = noise_of(seen, seed=k)
        OBJECTIVES[name](Step(model, seen, asked, scores, torch.full((16,), 8), noise, progress=k / 20)).backward()
        optimizer.step()
    assert _loss_of_top(model, seen, asked, scores) < before - 0.3


def test_two_objectives_follow_each_other(step: Step) -> None:
    both = find_objective("distil+saliency", 0.25)
    early, late = replace(step, progress=0.2), replace(step, progress=0.25)
    assert both(early) == OBJECTIVES["distil"](early)
    assert both(late) == OBJECTIVES["saliency"](late)


def test_distillation_is_zero_where_the_selector_says_what_the_teacher_does() -> None:
    teacher = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]])
    assert distillation_loss(teacher.log() + 3, teacher) == pytest.approx(0, abs=1e-6)
    assert distillation_loss(torch.zeros(2, 3), teacher) > 0


def test_the_probabilities_of_all_ordered_selections_add_up_to_one() -> None:
    scores = torch.tensor([[0.3, -1.0, 2.0, 0.5]])
    orders = torch.tensor(list(itertools.permutations(range(4), 2)))
    chances = (
        2
        * selection_log_likelihood(scores.expand(len(orders), -1), orders, torch.ones(len(orders), 2, dtype=torch.bool))
    ).exp()  # it is a mean over K
    assert chances.sum() == pytest.approx(1, abs=1e-5)
    first = scores.softmax(1)[0]
    assert chances[(orders[:, 0] == 2) & (orders[:, 1] == 3)].item() == pytest.approx(
        float(first[2] * first[3] / (1 - first[2])), abs=1e-5
    )


def test_selections_are_drawn_as_likely_as_they_are_said_to_be() -> None:
    scores = torch.tensor([[0.0, 1.0, 2.0]])
    order = draw(scores.expand(20_000, -1), 2, torch.rand(20_000, 3, generator=torch.Generator().manual_seed(0)))
    for first, second in ((2, 1), (0, 2)):
        seen = ((order[:, 0] == first) & (order[:, 1] == second)).float().mean().item()
        said = (
            (2 * selection_log_likelihood(scores, torch.tensor([[first, second]]), torch.ones(1, 2, dtype=torch.bool)))
            .exp()
            .item()
        )
        assert seen == pytest.approx(said, abs=0.01)


def test_a_reward_that_is_always_the_same_teaches_nothing(step: Step) -> None:
    """Keep all N tokens: every selection is the same, so no advantage is left."""
    everything = replace(step, keep=torch.full((16,), step.seen.count))
    rloo(everything).backward()
    assert step.scores.grad is not None and step.scores.grad.abs().max() < 1e-5


def test_a_soft_top_adds_up_to_k_and_keeps_adding_up_when_scores_move() -> None:
    torch.manual_seed(0)
    scores = torch.randn(3, 20, dtype=torch.float64, requires_grad=True)
    p = soft_top(scores, torch.full((3,), 5), 0.5)
    assert p.sum(1).tolist() == pytest.approx([5, 5, 5], abs=1e-6)
    (gradient,) = torch.autograd.grad(p[:, 0].sum(), scores)
    assert gradient.sum(1).abs().max() < 1e-6  # a shift of all scores changes nothing
    assert torch.autograd.gradcheck(lambda s: soft_top(s, torch.full((3,), 5), 0.5), scores, atol=1e-4)


@torch.no_grad()
def _loss_of_top(model: ArrCocQwen, seen: object, asked: object, scores: Tensor) -> float:
    kept = torch.zeros(scores.shape, dtype=torch.bool).scatter_(1, scores.topk(8, 1).indices, True)
    return model.read(seen, asked, kept).loss.mean().item()  # type: ignore[arg-type]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_question_hears_nothing_of_the_padding_beside_longer_ones(model: ArrCocQwen, batch: Batch, name: str) -> None:
    """About one picture, alone and beside a question about two: the same noise and the same gradient."""
    alone = model.look(batch.pictures[:3])
    gradients = []
    for about in ([(0,)], [(0,), (1, 2)]):
        seen = alone.about(about)
        asked = model.ask(batch.questions[: len(about)], batch.answers[: len(about)], seen.grids)
        scores = torch.where(seen.present, -torch.arange(seen.count) / 64, NOWHERE).requires_grad_()
        step = Step(model, seen, asked, scores, torch.full((len(about),), 8), noise_of(seen))
        (OBJECTIVES[name](step) * len(about)).backward()
        assert scores.grad is not None
        gradients.append(scores.grad[0, : alone.count])
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-5, rtol=1e-3)
