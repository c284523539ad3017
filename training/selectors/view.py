"""What a rule for choosing visual tokens may look at, and what a rule is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from training.model.arrcoc_qwen import ArrCocQwen, Reading
    from training.model.prompts import Asked
    from training.model.seeing import Seen
    from training.passes import Passes


@dataclass(frozen=True)
class View:
    """B questions as a rule sees them.

    asked: with the right answers behind the questions; only `search` reads them. regions: bool [B, N], the tokens on
    what is asked about, where the data knows; generator: of what is drawn at random, the same for the same seed.
    """

    passes: Passes
    seen: Seen
    asked: Asked
    generator: torch.Generator
    regions: Tensor | None = None

    @property
    def model(self) -> ArrCocQwen:
        return self.passes.model

    def read(self, kept: Tensor) -> Reading:
        """What is answered from the tokens `kept` (bool [B, N]), in the precision of the training."""
        return self.passes.read(self.seen, self.asked, kept)

    @property
    def shape(self) -> tuple[int, int]:
        """(B, N)."""
        return self.seen.present.shape[0], self.seen.present.shape[1]

    @cached_property
    def directions(self) -> Tensor:
        """Visual tokens as unit vectors: [B, N, D], float32."""
        return F.normalize(self.seen.tokens.embeddings.float(), dim=-1)

    @cached_property
    def words(self) -> Tensor:
        """Word embeddings of what stands behind the picture as unit vectors: [B, T, D], float32, 0 at padding."""
        words = self.model.base.model.get_input_embeddings()(self.asked.question_ids).float()
        return F.normalize(words, dim=-1) * self.asked.question_mask[..., None]

    def noise(self) -> Tensor:
        """Uniform in 0..1: [B, N], on the device of the tokens."""
        return torch.rand(self.shape, generator=self.generator).to(self.seen.tokens.embeddings.device)


Rule = Callable[[View], Tensor]
"""Scores [B, N], float32: the highest K are kept. A rule that picks one token after the other scores by its order."""
