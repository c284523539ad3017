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
    return view.likeness.nan_to_num(nan=-torch.inf).amax(2)


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
    no_other = torch.eye(view.shape[1], dtype=torch.bool, device=distance.device) | ~view.seen.present[:, None]
    closest = torch.full_like(distance[..., 0], torch.inf)

    def after(rows: Tensor, taken: Tensor) -> Tensor:
        nonlocal closest
        closest = torch.minimum(closest, distance[rows, taken])
        return closest

    return _in_turn(distance.masked_fill(no_other, torch.inf).amin(2), after, view.seen.present)


def conditional_diversity(view: View) -> Tensor:
    """Greedy MAP of a determinantal point process whose kernel is similarity weighed by relevance to the question.

    CDPruner (arXiv 2506.10967): L = diag(r) S diag(r), S cosines between tokens, r *minus* the token's mean cosine with
    the question's words, scaled to 0..1 in each picture. The minus is its authors', whose code takes tokens that point
    away from the text as the relevant ones; from a quarter of the tokens or less it answers more questions here, too.
    """
    present = view.seen.present
    away = -view.likeness.nanmean(2)
    low = away.masked_fill(~present, torch.inf).amin(1, keepdim=True)
    high = away.masked_fill(~present, -torch.inf).amax(1, keepdim=True)
    relevance = (away - low + 1e-6) / (high - low + 1e-6)
    similarity = view.directions @ view.directions.transpose(1, 2)
    return by_determinant(similarity * relevance[:, :, None] * relevance[:, None, :], present)


def by_determinant(kernel: Tensor, present: Tensor) -> Tensor:
    """Scores [B, N] by the order in which tokens are taken, the one next that leaves the kernel [B, N, N] of all that
    were taken the largest determinant: incremental Cholesky (Chen et al. 2018, arXiv 1709.05135)."""
    gains = kernel.diagonal(dim1=1, dim2=2).clone()
    factors = torch.zeros_like(kernel)  # [B, steps, N]
    step = 0

    def after(rows: Tensor, taken: Tensor) -> Tensor:
        nonlocal gains, step
        before = factors[:, :step]
        projected = torch.einsum("bkn,bk->bn", before, before[rows, :, taken])
        # As many as there are dimensions; then the determinant is 0, and what is left of it the noise of rounding.
        gain, alone = gains[rows, taken], kernel[rows, taken, taken]
        row = (kernel[rows, taken] - projected) * torch.where(gain > 1e-6 * alone, gain.rsqrt(), 0.0)[:, None]
        factors[:, step] = row
        gains, step = gains - row.square(), step + 1
        return gains

    return _in_turn(gains, after, present)


def oracle(view: View) -> Tensor:
    """The tokens on what is asked about, then any others. Only where the data knows the region; no true ceiling:
    what a language model answers from best is not always the box."""
    if view.regions is None:
        raise ValueError("this data does not know where the answer is")
    return view.noise() + 2 * view.regions


def _in_turn(gains: Tensor, after: Callable[[Tensor, Tensor], Tensor], present: Tensor) -> Tensor:
    """Scores [B, N] by the order in which tokens are taken, always the one that gains most, ties the first: N to 1.

    gains: of the first one [B, N]; after(rows, taken): of the next one, when token taken[k] of row k has been taken.
    """
    rows = torch.arange(len(gains), device=gains.device)
    left, scores = present.clone(), torch.zeros_like(gains)
    for rank in range(gains.shape[1], 0, -1):
        best = gains.masked_fill(~left, -torch.inf).argmax(1)
        # A row with fewer tokens has none left for the last ranks.
        scores[rows, best] = torch.where(left[rows, best], float(rank), scores[rows, best])
        left[rows, best] = False
        gains = after(rows, best)
    return scores


def _attention(view: View, layer: int | None = None) -> Tensor:
    _, attention = view.passes.read_all(view.seen, view.asked, layer)
    return attention
