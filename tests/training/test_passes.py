"""One way through the model for training, evaluation, comparison and quick validation."""

from __future__ import annotations

import pytest
import torch

from training.batches import Batch, Collate
from training.data import Synthetic
from training.model.arrcoc_qwen import ArrCocQwen
from training.model.budget import Budget
from training.objectives import Step, find_objective
from training.passes import Passes
from training.shaping import Sizing


@pytest.fixture(scope="module")
def model() -> ArrCocQwen:
    return ArrCocQwen.from_base("tiny", seed=5, dtype=torch.float32)


@pytest.fixture(scope="module")
def batch(model: ArrCocQwen) -> Batch:
    samples = Synthetic("validation", 4, Sizing("square", 64), together=1)
    return Collate(model.base.tokenizer, 64)([samples.get(k) for k in range(4)])


def test_the_selector_scores_in_float32_also_where_the_base_computes_in_bfloat16(
    model: ArrCocQwen, batch: Batch
) -> None:
    met: list[Step] = []

    def objective(step: Step) -> torch.Tensor:
        met.append(step)
        return find_objective("distil", 0.5)(step)

    passes = Passes(model, bf16=True)
    passes.loss(batch, objective, Budget(4), seeds=range(4), progress=0.0, selections=2).backward()
    (step,) = met
    exact = model.look(batch.pictures).about(batch.about)
    assert torch.equal(step.seen.texture.means, exact.texture.means), "the texture is not cast either"
    assert step.seen.tokens.embeddings.dtype == torch.bfloat16
    assert torch.equal(step.scores, model.scores(step.seen, step.asked))
    with passes.precision():  # what is cast does differ, so the line above says something
        assert not torch.equal(step.scores, model.scores(step.seen, step.asked))


def test_recomputed_activations_give_the_same_loss_and_gradient(model: ArrCocQwen, batch: Batch) -> None:
    found = []
    for recompute in (False, True):
        model.selector.zero_grad()
        loss = Passes(model).loss(
            batch,
            find_objective("rloo", 0.5),
            Budget(4),
            seeds=range(4),
            progress=0.0,
            selections=2,
            recompute=recompute,
        )
        loss.backward()
        found.append([loss.detach(), *(p.grad.clone() for p in model.selector.parameters() if p.grad is not None)])
    assert len(found[0]) > 10
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_what_looks_at_pictures_can_be_exchanged(model: ArrCocQwen, batch: Batch) -> None:
    asked_for = []

    def look(pictures):  # type: ignore[no-untyped-def]
        asked_for.append(len(pictures))
        return model.look(pictures)

    seen, _ = Passes(model, look_up=look).see(batch)
    assert asked_for == [len(batch.pictures)]
    assert torch.equal(seen.tokens.embeddings, Passes(model).see(batch)[0].tokens.embeddings)
