"""Gradient checkpointing of the frozen base: the same gradients, and a fraction of what is remembered."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from training.model import pruning
from training.model.arrcoc_qwen import ArrCocQwen
from training.model.recompute import recompute_layers
from training.tiny import synthetic


def backward(model: ArrCocQwen) -> tuple[Tensor, int]:
    """The gradient that reaches the visual tokens from the answers, and the bytes remembered for it."""
    pictures = [synthetic.picture("train", 5, number).pixels for number in range(2)]
    seen = model.look(pictures)
    asked = model.ask(["which colour is the circle ?"] * 2, ["red", "blue"], seen.grids)
    embeddings = seen.tokens.embeddings.clone().requires_grad_()
    kept: dict[int, int] = {}

    def remember(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        logits, _ = pruning.run(
            model.base.model, asked, replace(seen.tokens, embeddings=embeddings), torch.ones(2, 64, dtype=torch.bool)
        )
        logits.logsumexp(-1).sum().backward()
    assert embeddings.grad is not None
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.base.model.parameters()}
    return embeddings.grad, sum(size for place, size in kept.items() if place not in weights)


def test_recomputed_layers_give_the_same_gradient_from_less_memory() -> None:
    model = ArrCocQwen.from_base("tiny")
    names = list(model.base.model.state_dict())
    plain, much = backward(model)
    recompute_layers(model.base.model)
    again, little = backward(model)
    assert torch.equal(again, plain) and plain.abs().sum() > 0
    assert little < 0.4 * much, (little, much)
    assert list(model.base.model.state_dict()) == names
