"""The selector: how relevant each visual token of a picture is to a question. The only part that is trained.

    texture, tokens, question ─┬─ propositional   information: entropy of the cell         (nothing learned)
                               ├─ perspectival    salience: contrast with the surround     (nothing learned)
                               └─ participatory   ParticipatoryScorer: question x content  (learned)
                                     │ three maps, each normalised over its own picture
                                     ▼
                     AdaptiveTensionBalancer: how much each counts for this question ─▶ scores ─▶ allocate(K)

Maps are normalised per picture, never over the batch: what one picture gets must not depend on its neighbours. Where a
question is about several pictures, the learned map is normalised over all of them, and so can say which one matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from training.model.texture import CHANNELS, Grids, Texture

WAYS = ("propositional", "perspectival", "participatory")
NOWHERE = -1e9  # the score of a place in the padding, where there is no token
_ALIKE = 1e-12  # variance below which the tokens of a map do not differ

Features = Literal["both", "texture", "vision"]
Balance = Literal["learned", "fixed"]


@dataclass(frozen=True)
class SelectorConfig:
    """Sizes, and what is left out to learn what it is good for.

    `hidden`: width of the base's embeddings; `scorer`, `balancer`: widths inside; `heads` of pooling.
    `features`: what scores are made of: the vision encoder's tokens and the texture array; the texture array alone; or
    the tokens alone, without the two ways of knowing that are not learned, which come from the texture. `balance`:
    weights of the ways learned for each picture and question, or all the same, fixed.
    """

    hidden: int
    scorer: int
    balancer: int
    heads: int = 4
    features: Features = "both"
    balance: Balance = "learned"

    @staticmethod
    def of(hidden: int, features: Features = "both", balance: Balance = "learned") -> SelectorConfig:
        """Sizes for a base: about 1.3M + 0.7M parameters at 2048 (Qwen3-VL-2B), 88 thousand for the tiny base."""
        scorer, balancer = max(96, hidden // 8), max(96, hidden * 37 // 256)
        return SelectorConfig(hidden, scorer, balancer, features=features, balance=balance)

    def to_dict(self) -> dict[str, Any]:
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
        self.read_token = self.read_texture = None
        if config.features != "texture":
            self.read_token = nn.Sequential(nn.LayerNorm(config.hidden), nn.Linear(config.hidden, width))
        if config.features != "vision":
            self.read_texture = nn.Linear(CHANNELS, width)
        self.couple = nn.Sequential(nn.Linear(3 * width, width), nn.GELU(), nn.Linear(width, 1))
        self.couple[-1].bias.requires_grad_(False)  # the map is normalised, so a constant means nothing

    def forward(self, tokens: Tensor, texture: Tensor, question: Tensor, question_mask: Tensor) -> Tensor:
        """tokens [B, N, D], texture [B, N, 13], question [B, T, D], question_mask bool [B, T] -> [B, N]."""
        asked = self.pooled(self._pool(self.read_question(question), question_mask))[:, None]
        content = self.read_token(tokens) if self.read_token else None
        if self.read_texture:
            cells = self.read_texture(texture)
            content = cells if content is None else content + cells
        there = nn.functional.gelu(content)
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

    def forward(self, maps: Tensor, question: Tensor, question_mask: Tensor, present: Tensor | None = None) -> Tensor:
        """maps [B, 3, N], question [B, T, D], question_mask bool [B, T] -> weights [B, 3], each row sums to 1.

        present: bool [B, N], false in the padding of a row; None: there is none.
        """
        words = question_mask[..., None].to(question.dtype)
        mean = self.question_norm((question * words).sum(1) / words.sum(1))
        if present is None:
            deviation = maps.std(2) if maps.shape[2] > 1 else torch.zeros_like(maps[..., 0])
            statistics = torch.cat([maps.mean(2), maps.amax(2), deviation], 1)
        else:
            statistics = _statistics(maps, present)
        return self.weigh(torch.cat([statistics, mean], 1)).softmax(1)


class Selector(nn.Module):
    """Scores of a picture's visual tokens for a question; float32 throughout, whatever the base computes in."""

    def __init__(self, config: SelectorConfig) -> None:
        super().__init__()
        self.config = config
        self.participatory = ParticipatoryScorer(config)
        balanced = config.balance == "learned" and config.features != "vision"
        self.balancer = AdaptiveTensionBalancer(config) if balanced else None
        self.log_sharpness = nn.Parameter(torch.tensor(0.0))

    def forward(
        self,
        tokens: Tensor,
        texture: Texture,
        question: Tensor,
        question_mask: Tensor,
        places: Tensor | None = None,
    ) -> Tensor:
        """tokens [B, N, D] and question [B, T, D] in the base's embedding space -> scores [B, N], float32.

        places: int64 [B, N], which of a question's pictures a token is of, -1 in the padding of its row, whose scores
        are `NOWHERE`; None: each row is one whole picture.
        """
        maps, weights = self.ways(tokens, texture, question, question_mask, places)
        scores = self.log_sharpness.exp() * (weights[..., None] * maps).sum(1)
        return scores if places is None else scores.masked_fill(places < 0, NOWHERE)

    def ways(
        self,
        tokens: Tensor,
        texture: Texture,
        question: Tensor,
        question_mask: Tensor,
        places: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """What the scores are made of: the three maps, normalised, [B, 3, N], and their weights [B, 3]."""
        tokens, question = tokens.float(), question.float()
        coupling = self.participatory(tokens, texture.means, question, question_mask)
        maps = torch.stack([texture.entropy, texture.salience, coupling], 1)
        if self.balancer:
            weights = self.balancer(maps, question, question_mask, None if places is None else places >= 0)
        else:
            fixed = (0.0, 0.0, 1.0) if self.config.features == "vision" else (1 / 3, 1 / 3, 1 / 3)
            weights = maps.new_tensor(fixed).expand(len(maps), -1)
        return normalised(maps) if places is None else _normalised_apart(maps, places), weights


def normalised(maps: Tensor) -> Tensor:
    """Zero mean and unit deviation over the last dimension, the tokens of one picture."""
    centred = maps - maps.mean(-1, keepdim=True)
    return centred / (_root(centred.square().mean(-1, keepdim=True)) + 1e-5)


def _normalised_apart(maps: Tensor, places: Tensor) -> Tensor:
    """`normalised`, but of rows with several pictures or padding: the first two maps [B, 3, N] over each picture, the
    learned third over all that the question is about. What it gives in the padding means nothing."""
    pictures = places[:, None] == torch.arange(int(places.max()) + 1, device=places.device)[:, None]
    still, learned = maps.split([2, 1], 1)
    return torch.cat([_normalised_within(still, pictures), _normalised_within(learned, (places >= 0)[:, None])], 1)


def _normalised_within(maps: Tensor, groups: Tensor) -> Tensor:
    """Zero mean and unit deviation over each group of tokens: maps [B, M, N], groups bool [B, G, N] -> [B, M, N]."""
    member = groups.to(maps.dtype)
    share = member / member.sum(2, keepdim=True).clamp_min(1)
    centred = maps - (maps @ share.transpose(1, 2)) @ member
    deviation = _root(centred.square() @ share.transpose(1, 2)) @ member
    return centred / (deviation + 1e-5)


def _statistics(maps: Tensor, present: Tensor) -> Tensor:
    """Mean, largest and standard deviation of maps [B, 3, N] over the tokens that are present: [B, 9]."""
    there = present[:, None].to(maps.dtype)
    count = there.sum(2)
    mean = (maps * there).sum(2) / count
    largest = maps.masked_fill(~present[:, None], -torch.inf).amax(2)
    square = ((maps - mean[..., None]).square() * there).sum(2)
    return torch.cat([mean, largest, _root(square / (count - 1).clamp_min(1))], 1)


def _root(variance: Tensor) -> Tensor:
    """The deviation; 0 where all tokens are alike, as one token alone is, with a gradient of 0 and not of 0 / 0."""
    return torch.where(variance > _ALIKE, variance.clamp_min(_ALIKE).sqrt(), 0.0)


def allocate(scores: Tensor, budget: int | Tensor, present: Tensor | None = None) -> Tensor:
    """The most relevant tokens of each row: [B, N] -> bool [B, N], true where a token is kept. Ties: the first.

    budget: how many each row keeps, one number for all or int64 [B]; present: bool [B, N], false in the padding of a
    row, which is never kept (None: no padding). Raises ValueError unless each row keeps at least 1 of what it has.
    """
    if present is None:
        present = torch.ones(scores.shape, dtype=torch.bool, device=scores.device)
    budget = torch.as_tensor(budget, device=scores.device).expand(len(scores))
    there = present.sum(1)
    wrong = ((budget < 1) | (budget > there)).nonzero()
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(f"cannot keep {int(budget[row])} of {int(there[row])} visual tokens (row {row})")
    order = scores.masked_fill(~present, -torch.inf).sort(dim=1, descending=True, stable=True).indices
    best = torch.arange(scores.shape[1], device=scores.device) < budget[:, None]
    return torch.zeros_like(present).scatter_(1, order, best)


def random_selection(present: Tensor, budget: int | Tensor, seed: int) -> Tensor:
    """Any `budget` of the tokens that are `present` (bool [B, N]) in each row: bool [B, N], on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    if isinstance(budget, Tensor):
        budget = budget.cpu()
    return allocate(torch.rand(present.shape, generator=generator), budget, present.cpu())


def uniform_selection(grids: Sequence[Grids], budget: int | Tensor) -> Tensor:
    """`budget` tokens of each row, evenly spread over its pictures, in proportion to their sizes: bool [B, N].

    `grids`: for each row the (rows, columns) of its pictures. Tokens are taken in the order of a Bayer matrix
    (bit-reversed interleaving), which is even at every length.
    """
    if isinstance(budget, Tensor):
        budget = budget.cpu()
    ranks = uniform_ranks(grids)
    return allocate(-ranks, budget, ranks.isfinite())


def uniform_ranks(grids: Sequence[Grids]) -> Tensor:
    """When each token is taken in that order, 0 to below 1, and infinity in the padding: float64 [B, N]."""
    lines = {held: torch.cat([_spread(grid) for grid in held]) for held in set(grids)}
    return torch.nn.utils.rnn.pad_sequence([lines[held] for held in grids], batch_first=True, padding_value=torch.inf)


def _spread(grid: tuple[int, int]) -> Tensor:
    """For each token of a picture the share of its tokens that are taken before it: [rows * columns], 0 to below 1."""
    rows, columns = grid
    size = 1 << (max(rows, columns) - 1).bit_length()
    order = torch.zeros(1, 1, dtype=torch.long)
    while len(order) < size:
        order = torch.cat([torch.cat([4 * order, 4 * order + 2], 1), torch.cat([4 * order + 3, 4 * order + 1], 1)])
    ranks = order[:rows, :columns].flatten().argsort().argsort()
    return ranks.double() / len(ranks)
