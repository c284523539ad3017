"""Gates: the answer's own loss flows back through the frozen language model to a soft choice of tokens.

A soft top K stands for the hard one while the selector learns: p = sigmoid((scores - t) / tau), with t such that each
picture's p add up to K, and tau falling. All of them need a backward pass through the base, and evaluate, like
everything here, with the hard top K. They are the rivals; on the hard set the noise gate is the strongest of them
(docs/science.md).
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.model.pruning import VisualTokens
from training.model.selector import NOWHERE, allocate
from training.objectives.step import Step, answer_log_likelihood, bounded_loss

_FROM, _TO = 1.0, 0.1  # temperature over the training
_BISECTIONS = 40
_LEAST = 1e-6  # the slope of a square root has no end at 0


def noise_gate(step: Step) -> Tensor:
    """Each token is mixed with noise of its own variance, sqrt(p) token + sqrt(1 - p) noise: unimportant ones drown.

    After AutoSelect (arXiv 2603.07135), whose denoiser is left out: here the base alone reads the noisy tokens.
    """
    p = soft_top(step.scores, step.keep, _temperature(step.progress))
    tokens, there = step.seen.tokens, step.seen.present
    levels, width = tokens.deepstack.shape[1], tokens.deepstack.shape[3]
    drawn = step.noise.normal(width * levels).unflatten(2, (levels, width)).transpose(1, 2)
    embeddings = _noisy(tokens.embeddings, p, there, step.noise.normal(width))
    return _loss(step, VisualTokens(embeddings, _noisy(tokens.deepstack, p[:, None], there[:, None], drawn)))


def soft_gate(step: Step) -> Tensor:
    """Each token is scaled towards the picture's mean token: p token + (1 - p) mean.

    After VisionSelector (arXiv 2510.16598): a scorer beside the model, a differentiable top K that hardens as the
    training goes on, and no loss but the answer's.
    """
    return _loss(step, _faded_tokens(step, soft_top(step.scores, step.keep, _temperature(step.progress))))


def bernoulli_gate(step: Step) -> Tensor:
    """Each token is there by chance, with probability p, and else folded into the picture's mean token.

    After RUTA (arXiv 2608.04132): rate against utility, by Bernoulli gates relaxed to binary concrete ones (Maddison
    et al. 2016, arXiv 1611.00712). There a price on the rate decides how many tokens a question gets; here all are
    compared at the same K, so the threshold in p, which is that price, holds the expected rate at K. Its candidates
    from a separate localizer, and its several anchors, are left out.
    """
    p = soft_top(step.scores, step.keep, 1.0).clamp(_LEAST, 1 - _LEAST)
    chance = step.noise.uniform().clamp(_LEAST, 1 - _LEAST)
    gate = torch.sigmoid((torch.logit(p) + torch.logit(chance)) / _temperature(step.progress))
    return _loss(step, _faded_tokens(step, gate))


def straight_through(step: Step) -> Tensor:
    """Only the K kept tokens are read, each times a gate of value 1 whose gradient is that of p.

    Straight-through estimator (Bengio et al. 2013, arXiv 1308.3432). Kept as a warning: what is dropped gets no
    gradient, so it never learns that it was needed.
    """
    p = soft_top(step.scores, step.keep, 1.0)
    keep = allocate(step.scores.detach(), step.keep, step.seen.present)
    gate = (1 + p - p.detach()).to(step.seen.tokens.embeddings.dtype)
    tokens = step.seen.tokens
    gated = VisualTokens(tokens.embeddings * gate[..., None], tokens.deepstack * gate[:, None, :, None])
    return bounded_loss(answer_log_likelihood(step, gated, keep))


def soft_top(scores: Tensor, keep: Tensor, temperature: float) -> Tensor:
    """p [B, N] in 0..1 that add up to `keep` (int64 [B]) in each row; the gradient goes through the threshold, too."""
    with torch.no_grad():
        spread = 10 * temperature + 5
        lowest = scores.masked_fill(scores <= NOWHERE, torch.inf).amin(1, keepdim=True)  # padding is no token
        low = lowest - spread
        high = scores.amax(1, keepdim=True) + spread
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            too_many = torch.sigmoid((scores - middle) / temperature).sum(1, keepdim=True) > keep[:, None]
            low, high = torch.where(too_many, middle, low), torch.where(too_many, high, middle)
        p = torch.sigmoid((scores - middle) / temperature)
        slope = p * (1 - p)
        slope = slope / (slope.sum(1, keepdim=True) + 1e-9)
    # By the implicit function theorem: dt = slope . dscores keeps the sum where it is.
    moved = (slope * scores).sum(1, keepdim=True)
    return torch.sigmoid((scores - middle - moved + moved.detach()) / temperature)


def _loss(step: Step, tokens: VisualTokens) -> Tensor:
    return bounded_loss(answer_log_likelihood(step, tokens, step.seen.present))


def _temperature(progress: float) -> float:
    return _FROM * (1 - progress) + _TO * progress


def _noisy(values: Tensor, p: Tensor, present: Tensor, noise: Tensor) -> Tensor:
    """noise: of variance 1, like values."""
    share = p[..., None].to(values.dtype)
    mean = _mean(values, present)
    deviation = _mean((values - mean).square(), present).sqrt()
    noise = noise.to(values.dtype) * deviation
    return share.clamp_min(_LEAST).sqrt() * values + (1 - share).clamp_min(_LEAST).sqrt() * noise


def _faded_tokens(step: Step, share: Tensor) -> VisualTokens:
    tokens, there = step.seen.tokens, step.seen.present
    return VisualTokens(
        _faded(tokens.embeddings, share, there), _faded(tokens.deepstack, share[:, None], there[:, None])
    )


def _faded(values: Tensor, p: Tensor, present: Tensor) -> Tensor:
    share = p[..., None].to(values.dtype)
    return share * values + (1 - share) * _mean(values, present)


def _mean(values: Tensor, present: Tensor) -> Tensor:
    """Over the tokens of each row, [..., N, D] -> [..., 1, D]; padding is none."""
    there = present[..., None].to(values.dtype)
    return (values * there).sum(-2, keepdim=True) / there.sum(-2, keepdim=True)
