"""What an objective is given, and what it is: a function from it to the mean loss of its questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from training.model import pruning
from training.model.prompts import IGNORED

if TYPE_CHECKING:
    from training.model.arrcoc_qwen import ArrCocQwen
    from training.model.prompts import Asked
    from training.model.pruning import VisualTokens
    from training.model.seeing import Seen
    from training.noise import Noise


@dataclass(frozen=True)
class Step:
    """B questions in one forward pass of the training.

    scores: [B, N] float32, of the selector, with gradient. keep: int64 [B], K of each question. progress: 0..1, how
    much of the training is over. samples: how many selections a sampling objective draws for each question. noise:
    where all that is random comes from.
    """

    model: ArrCocQwen
    seen: Seen
    asked: Asked
    scores: Tensor
    keep: Tensor
    noise: Noise
    progress: float = 0.0
    samples: int = 4


Objective = Callable[[Step], Tensor]
"""The mean loss over a step's questions, with gradient to its scores."""


def answer_log_likelihood(step: Step, tokens: VisualTokens, keep: Tensor) -> Tensor:
    """Log-probability of each right answer, mean over its tokens, in nats: [B].

    tokens: as the language model is to read them, perhaps with gradient; keep: bool [B, N], which of them it reads.
    """
    logits, targets = pruning.run(step.model.base.model, step.asked, tokens, keep)
    asked = targets != IGNORED
    chosen = logits.float().log_softmax(-1).gather(2, targets.clamp_min(0)[..., None]).squeeze(-1)
    return (chosen * asked).sum(1) / asked.sum(1).clamp_min(1)


def bounded_loss(likelihood: Tensor, floor: float = 0.1) -> Tensor:
    """Cross-entropy of the answer mixed with a floor, mean over questions: a confidently wrong base, which misses a
    token that was dropped, must not outweigh all the others."""
    return -torch.log((1 - floor) * likelihood.exp() + floor).mean()
