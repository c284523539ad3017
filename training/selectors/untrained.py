"""Rules that need no training. Each is what its source says as far as it applies before the language model's layers,
on one picture's N tokens; none of them sees the answer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from training.model.selector import uniform_ranks
from training.selectors.view import View


def random(view: View) -> Tensor:
    """Any tokens, a new draw for each question. A strong line (UniPruneBench, arXiv 2511.02650)."""
    return view.noise()


def uniform(view: View) -> Tensor:
    """An evenly spread grid, the same whatever the question."""
    return -uniform_ranks(view.seen.grids).float().to(view.seen.present.device)


def edges(view: View) -> Tensor:
    """Magnitude of the luminance's Sobel gradient: where there is contrast."""
    return view.seen.texture.means[..., 8]


def information(view: View) -> Tensor:
    """Shannon entropy of the cell's luminance."""
    return view.seen.texture.entropy


def cosine(view: View) -> Tensor:
    """Largest cosine between a visual token and any word of the question, both in the embedding space."""
    return torch.einsum("bnd,btd->bnt", view.directions, view.words).amax(2)


def fastv(view: View) -> Tensor:
    """Attention of the answer position in the second layer, mean over heads, from a full pass.

    FastV (arXiv 2403.06764) prunes behind the second layer by just that. Here the tokens are dropped before the
    first layer, so that it reads as few as all others.
    """
    return _attention(view, layer=1)


def teacher(view: View) -> Tensor:
    """Attention of the answer position, mean over all layers and heads, from a full pass: what `distil` imitates.

    No competitor: it has read everything before it chooses.
    """
    return _attention(view)


def diversity(view: View) -> Tensor:
    """Greedy max-min distance: each next token is the one farthest from all that were picked.

    DivPrune (arXiv 2503.02175), distances 1 - cosine; it starts with the token that is farthest from its nearest.
    """
    distance = 1 - view.directions @ view.directions.transpose(1, 2)
    farthest = (distance + 2 * torch.eye(view.shape[1], device=distance.device)).amin(2)
    closest = torch.full_like(farthest, torch.inf)

    def after(rows: Tensor, picked: Tensor) -> Tensor:
        nonlocal closest
        closest = torch.minimum(closest, distance[rows, picked])
        return closest

    return _in_turn(view, farthest, after)


def conditional_diversity(view: View) -> Tensor:
    """Greedy MAP of a determinantal point process whose kernel is similarity weighed by relevance to the question.

    CDPruner (arXiv 2506.10967): L = diag(r) S diag(r), S cosines between tokens, r the token's mean cosine with the
    question's words scaled to 0..1 in each picture. Greedy MAP by incremental Cholesky (Chen et al. 2018, arXiv
    1709.05135).
    """
    cosines = torch.einsum("bnd,btd->bn", view.directions, view.words) / view.asked.question_mask.sum(1, keepdim=True)
    # Its own recipe takes tokens that point away from the text as the relevant ones, which is how CLIP's behave; the
    # tokens of a language model's own space are taken as they are.
    low = cosines.amin(1, keepdim=True)
    relevance = (cosines - low) / (cosines.amax(1, keepdim=True) - low + 1e-6) + 1e-3
    kernel = view.directions @ view.directions.transpose(1, 2) * relevance[:, :, None] * relevance[:, None, :]
    gains = kernel.diagonal(dim1=1, dim2=2).clone()
    factors = kernel.new_zeros(len(kernel), 0, kernel.shape[1])

    def after(rows: Tensor, picked: Tensor) -> Tensor:
        nonlocal gains, factors
        projected = torch.einsum("bkn,bk->bn", factors, factors[rows, :, picked])
        row = (kernel[rows, picked] - projected) / gains[rows, picked].clamp_min(1e-8).sqrt()[:, None]
        factors = torch.cat([factors, row[:, None]], 1)
        gains = gains - row.square()
        return gains

    return _in_turn(view, gains, after)


def oracle(view: View) -> Tensor:
    """The tokens on what is asked about, then any others. Only where the data knows the region; no true ceiling:
    what a language model answers from best is not always the box."""
    if view.regions is None:
        raise ValueError("this data does not know where the answer is")
    return view.noise() + 2 * view.regions


def _in_turn(view: View, gains: Tensor, after: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Greedy choice, one token of each row after the other, always the one that adds most: N for the first, then down.

    gains: [B, N], what each adds to none; after: from (rows, picked), int64 [B] each, what each adds now.
    """
    scores, taken = torch.zeros_like(gains), ~view.seen.present
    rows = torch.arange(len(gains), device=gains.device)
    for rank in range(view.shape[1], 0, -1):
        picked = gains.masked_fill(taken, -torch.inf).argmax(1)
        scores[rows, picked] = torch.where(taken[rows, picked], scores[rows, picked], float(rank))
        taken = taken.scatter(1, picked[:, None], True)
        gains = after(rows, picked)
    return scores


def _attention(view: View, layer: int | None = None) -> Tensor:
    _, attention = view.passes.read_all(view.seen, view.asked, layer)
    return attention
