"""The selector: how relevant each visual token of a picture is to a question. The only part that is trained.

    texture, tokens, question ─┬─ propositional   information: entropy of the cell         (nothing learned)
                               ├─ perspectival    salience: contrast with the surround     (nothing learned)
                               └─ participatory   ParticipatoryScorer: question x content  (learned)
                                     │ three maps, each normalised over its own picture
                                     ▼
                     AdaptiveTensionBalancer: how much each counts for this question ─▶ scores ─▶ allocate(K)

Maps are normalised per picture, never over the batch: what one picture gets must not depend on its neighbours.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from training.model.texture import CHANNELS, Texture

WAYS = ("propositional", "perspectival", "participatory")


@dataclass(frozen=True)
class SelectorConfig:
    """Sizes. `hidden`: width of the base's embeddings; `scorer`, `balancer`: widths inside; `heads` of pooling."""

    hidden: int
    scorer: int
    balancer: int
    heads: int = 4

    @staticmethod
    def of(hidden: int) -> SelectorConfig:
        """Sizes for a base: about 1.3M + 0.7M parameters at 2048 (Qwen3-VL-2B), 88 thousand for the tiny base."""
        return SelectorConfig(hidden, scorer=max(96, hidden // 8), balancer=max(96, hidden * 37 // 256))

    def to_dict(self) -> dict[str, int]:
        return asdict(self)


class ParticipatoryScorer(nn.Module):
    """Couples what is asked with what is there: a score for each token from its product with the question."""

    def __init__(self, config: SelectorConfig) -> None:
        super().__init__()
        width = config.scorer
        self.heads = config.heads
        self.read_question = nn.Sequential(nn.LayerNorm(config.hidden), nn.Linear(config.hidden, width))
        self.attend = nn.Parameter(torch.randn(config.heads, width // config.heads))
        self.pooled = nn.Linear(width, width)
        self.read_token = nn.Sequential(nn.LayerNorm(config.hidden), nn.Linear(config.hidden, width))
        self.read_texture = nn.Linear(CHANNELS, width)
        self.couple = nn.Sequential(nn.Linear(3 * width, width), nn.GELU(), nn.Linear(width, 1))

    def forward(self, tokens: Tensor, texture: Tensor, question: Tensor, question_mask: Tensor) -> Tensor:
        """tokens [B, N, D], texture [B, N, 13], question [B, T, D], question_mask bool [B, T] -> [B, N]."""
        asked = self.pooled(self._pool(self.read_question(question), question_mask))[:, None]
        there = nn.functional.gelu(self.read_token(tokens) + self.read_texture(texture))
        return self.couple(torch.cat([there, asked.expand_as(there), there * asked], -1)).squeeze(-1)

    def _pool(self, words: Tensor, mask: Tensor) -> Tensor:
        """Each head takes its part of the width from the words it attends to: [B, T, width] -> [B, width]."""
        parts = words.unflatten(2, (self.heads, -1))
        weights = torch.einsum("bthd,hd->bth", parts, self.attend) / parts.shape[-1] ** 0.5
        weights = weights.masked_fill(~mask[..., None], -torch.inf).softmax(1)
        return torch.einsum("bth,bthd->bhd", weights, parts).flatten(1)


class AdaptiveTensionBalancer(nn.Module):
    """Weighs the three ways of knowing against each other, for each picture and question."""

    def __init__(self, config: SelectorConfig) -> None:
        super().__init__()
        width = config.balancer
        self.weigh = nn.Sequential(
            nn.Linear(3 * len(WAYS) + config.hidden, width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Linear(width, len(WAYS)),
        )
        self.question_norm = nn.LayerNorm(config.hidden, elementwise_affine=False)
        # At first the same for everything, leaning on the way that can learn; else it would get no gradient.
        nn.init.zeros_(self.weigh[-1].weight)
        with torch.no_grad():
            self.weigh[-1].bias.copy_(torch.tensor([0.0, 0.0, 1.0]))

    def forward(self, maps: Tensor, question: Tensor, question_mask: Tensor) -> Tensor:
        """maps [B, 3, N], question [B, T, D], question_mask bool [B, T] -> weights [B, 3], each row sums to 1."""
        present = question_mask[..., None].to(question.dtype)
        mean = self.question_norm((question * present).sum(1) / present.sum(1))
        statistics = torch.cat([maps.mean(2), maps.amax(2), maps.std(2)], 1)
        return self.weigh(torch.cat([statistics, mean], 1)).softmax(1)


class Selector(nn.Module):
    """Scores of a picture's visual tokens for a question; float32 throughout, whatever the base computes in."""

    def __init__(self, config: SelectorConfig) -> None:
        super().__init__()
        self.config = config
        self.participatory = ParticipatoryScorer(config)
        self.balancer = AdaptiveTensionBalancer(config)
        self.log_sharpness = nn.Parameter(torch.tensor(0.0))

    def forward(self, tokens: Tensor, texture: Texture, question: Tensor, question_mask: Tensor) -> Tensor:
        """tokens [B, N, D] and question [B, T, D] in the base's embedding space -> scores [B, N], float32."""
        tokens, question = tokens.float(), question.float()
        coupling = self.participatory(tokens, texture.means, question, question_mask)
        maps = torch.stack([texture.entropy, texture.salience, coupling], 1)
        weights = self.balancer(maps, question, question_mask)
        return self.log_sharpness.exp() * (weights[..., None] * normalised(maps)).sum(1)


def normalised(maps: Tensor) -> Tensor:
    """Zero mean and unit deviation over the last dimension, the tokens of one picture."""
    centred = maps - maps.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True).sqrt() + 1e-5)


def allocate(scores: Tensor, keep: int) -> Tensor:
    """The `keep` most relevant tokens of each picture: [B, N] -> int64 [B, keep], ascending. Ties: the first.

    Raises ValueError unless 1 <= keep <= N.
    """
    if not 1 <= keep <= scores.shape[1]:
        raise ValueError(f"cannot keep {keep} of {scores.shape[1]} visual tokens")
    order = scores.sort(dim=1, descending=True, stable=True).indices
    return order[:, :keep].sort(1).values


def random_selection(count: int, total: int, keep: int, seed: int) -> Tensor:
    """Any `keep` of `total` tokens for each of `count` pictures: int64 [count, keep], ascending."""
    generator = torch.Generator().manual_seed(seed)
    return allocate(torch.rand(count, total, generator=generator), keep)


def uniform_selection(count: int, grid: tuple[int, int], keep: int) -> Tensor:
    """The same evenly spread `keep` tokens for each picture: int64 [count, keep], ascending.

    Tokens are taken in the order of a Bayer matrix (bit-reversed interleaving), which is even at every length.
    """
    rows, columns = grid
    size = 1 << (max(rows, columns) - 1).bit_length()
    order = torch.zeros(1, 1, dtype=torch.long)
    while len(order) < size:
        order = torch.cat([torch.cat([4 * order, 4 * order + 2], 1), torch.cat([4 * order + 3, 4 * order + 1], 1)])
    ranks = order[:rows, :columns].flatten()[None].float()
    return allocate(-ranks, keep).repeat(count, 1)
