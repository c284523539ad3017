"""Distillation: the selector says before the language model runs where it would look.

The frozen model's own answer-position attention gives every one of the N tokens a gradient. Gates on the kept tokens
alone do not: a token that is dropped never learns that it was needed.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from training.model import pruning
from training.objectives.step import Step, answer_log_likelihood


def distillation_loss(scores: Tensor, teacher: Tensor) -> Tensor:
    """Mean over questions of KL(teacher || softmax(scores)), in nats; 0 when they agree.

    scores: [B, N]; teacher: [B, N], rows sum to 1, no gradient.
    """
    return F.kl_div(F.log_softmax(scores, 1), teacher, reduction="batchmean")


def attention(step: Step) -> Tensor:
    """Teacher: the attention of the answer position to each visual token, mean over layers and heads, in a full pass.

    Of what the language model looks at, after FastV (Chen et al. 2024, arXiv 2403.06764), but learned, so that no
    full pass is needed to choose.
    """
    _, teacher = step.model.read_all(step.seen, step.asked)
    return distillation_loss(step.scores, teacher)


def saliency(step: Step) -> Tensor:
    """Teacher: how much the answer's likelihood hangs on each visual token, |gradient x token|, in a full pass.

    Gradient times input (Shrikumar et al. 2016, arXiv 1605.01713). For bases whose attention has sinks.
    """
    tokens = step.seen.tokens
    embeddings = tokens.embeddings.detach().requires_grad_()
    with torch.enable_grad():
        likelihood = answer_log_likelihood(step, pruning.VisualTokens(embeddings, tokens.deepstack), step.seen.present)
        (gradient,) = torch.autograd.grad(likelihood.sum(), embeddings)
    weight = (gradient * embeddings).sum(-1).abs().detach().float()
    # A base that is sure of its answer has tiny gradients; how they compare is what is taught.
    return distillation_loss(step.scores, weight / weight.sum(1, keepdim=True).clamp_min(1e-30))
