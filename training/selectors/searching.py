"""The best subset that a search finds: how far the choice of K tokens alone can go, at the least.

For each question, subsets of K tokens are tried with the right answer at hand, and the one that makes it most likely
is kept: first those of the best known selectors, then swaps of tokens, drawn at random and kept where they help. It is
a lower bound of the true ceiling: more tries may find a better one. What does not know the answer can hardly be
expected to get there, but nothing forbids it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.model.selector import allocate
from training.selectors.view import View


def search(view: View, starts: list[Tensor], keep: int | Tensor, tries: int) -> tuple[Tensor, Tensor]:
    """Which K tokens of each picture were found: (kept bool [B, N], right bool [B]).

    starts: scores [B, N] of known selectors; keep: K, one for all or int64 [B]; tries: passes over K tokens for each
    question beyond those. A question once right stays so, and is not searched any further.
    """
    present = view.seen.present
    best = allocate(starts[0], keep, present)
    reading = view.read(best)
    loss, right = reading.loss, reading.right
    for attempt in range(len(starts) - 1 + tries):
        candidate = allocate(starts[attempt + 1], keep, present) if attempt + 1 < len(starts) else _swap(view, best)
        tried = view.read(candidate)
        better = ~right & (tried.right | (tried.loss < loss))
        best = torch.where(better[:, None], candidate, best)
        loss, right = torch.where(better, tried.loss, loss), right | tried.right
        if bool(right.all()):
            break
    return best, right


def _swap(view: View, kept: Tensor) -> Tensor:
    """Another subset of the same size: about a third of the kept tokens for others."""
    noise = view.noise()
    stays = kept & (noise > 1 / 3)
    fresh = view.noise().masked_fill(stays | ~view.seen.present, -torch.inf)
    ranks = fresh.argsort(1, descending=True).argsort(1)
    return stays | (ranks < (kept.sum(1) - stays.sum(1))[:, None])
