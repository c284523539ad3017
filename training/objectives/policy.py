"""REINFORCE on true hard-K passes: what is rewarded is what is evaluated.

A selection is K tokens drawn without replacement with probabilities softmax(scores) (Plackett-Luce, by Gumbel top-K:
Kool et al. 2019, arXiv 1903.06059). Its reward is the probability that the frozen language model gives the right
answer when it reads those K tokens only. The baseline of each selection is the mean reward of the others for the same
question (leave-one-out, RLOO: Kool et al. 2019, "Buy 4 REINFORCE Samples, Get a Baseline for Free!"). Forward passes
only, each over K tokens.

From scratch it begins slowly, for nearly all selections earn the same: distillation gives it a head start. On the hard
set it comes as far without one (docs/science.md).
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.model.selector import NOWHERE
from training.objectives.step import Step, answer_log_likelihood

_LEAST = 1e-30  # the logarithm of no chance at all is none


def rloo(step: Step) -> Tensor:
    """The REINFORCE surrogate; its gradient, not its value, means something."""
    rewards, likelihoods = [], []
    for _ in range(step.samples):
        order = draw(step.scores.detach(), int(step.keep.max()), step.noise.uniform())
        drawn = torch.arange(order.shape[1], device=order.device) < step.keep[:, None]
        likelihoods.append(selection_log_likelihood(step.scores, order, drawn))
        with torch.no_grad():
            kept = torch.zeros_like(step.seen.present).scatter_(1, order, drawn)
            rewards.append(answer_log_likelihood(step, step.seen.tokens, kept).exp())
    reward = torch.stack(rewards)
    advantage = (reward - reward.mean(0)) * step.samples / (step.samples - 1)
    return -(advantage * torch.stack(likelihoods)).mean()


def draw(scores: Tensor, keep: int, chance: Tensor) -> Tensor:
    """K tokens of each row without replacement, in the order in which they were drawn: [B, N] -> int64 [B, K].

    chance: uniform in 0..1, [B, N].
    """
    gumbel = -(-chance.clamp_min(_LEAST).log()).log()
    return (scores + gumbel).topk(keep, 1).indices


def selection_log_likelihood(scores: Tensor, order: Tensor, drawn: Tensor) -> Tensor:
    """Log-probability of drawing `order` (int64 [B, K]), one after the other without replacement, mean over draws: [B].

    drawn: bool [B, K], false behind the last draw of a row that draws fewer.
    """
    chosen = scores.gather(1, order)
    kept = torch.zeros_like(scores, dtype=torch.bool).scatter(1, order, drawn)
    left = scores.masked_fill(kept, NOWHERE).logsumexp(1, keepdim=True)  # of what is never drawn
    # What is left before each draw: itself, all later ones, and those.
    behind = torch.cat([left, chosen.masked_fill(~drawn, NOWHERE).flip(1)], 1)
    later = torch.logcumsumexp(behind, 1).flip(1)[:, :-1]
    return ((chosen - later) * drawn).sum(1) / drawn.sum(1)
