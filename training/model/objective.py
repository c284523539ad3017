"""What the selector is trained on: to say before the language model runs where it would look.

Distillation of the frozen model's own answer-position attention gives every one of the N tokens a gradient. Gates
on the kept tokens alone do not: a token that is dropped never learns that it was needed.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def distillation_loss(scores: Tensor, teacher: Tensor) -> Tensor:
    """Mean over pictures of KL(teacher || softmax(scores)), in nats; 0 when they agree.

    scores: [B, N]; teacher: [B, N], rows sum to 1, no gradient.
    """
    return F.kl_div(F.log_softmax(scores, 1), teacher, reduction="batchmean")
