"""What a rule for choosing visual tokens may look at, and what a rule is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

if TYPE_CHECKING:
    from training.model.arrcoc_qwen import ArrCocQwen, Reading
    from training.model.prompts import Asked
    from training.model.seeing import Seen
    from training.passes import Passes


@dataclass(frozen=True)
class View:
    """B questions as a rule sees them.

    asked: with the right answers behind the questions; only `search` reads them. questions: their own words alone, as
    people asked, without the prompt around them. regions: bool [B, N], the tokens on
    what is asked about, where the data knows; generator: of what is drawn at random, the same for the same seed.
    """

    passes: Passes
    seen: Seen
    asked: Asked
    questions: tuple[str, ...]
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
    def likeness(self) -> Tensor:
        """Cosine of each visual token with each word (token of text) of its question, in the embedding space:
        [B, N, T], float32, NaN where a question has fewer than T."""
        base = self.model.base
        ids = [base.tokenizer(text, add_special_tokens=False).input_ids for text in self.questions]
        lines = pad_sequence([torch.tensor(line) for line in ids], batch_first=True, padding_value=-1).to(base.device)
        words = F.normalize(base.model.get_input_embeddings()(lines.clamp_min(0)).float(), dim=-1)
        return torch.einsum("bnd,btd->bnt", self.directions, words).masked_fill((lines < 0)[:, None], torch.nan)

    def noise(self) -> Tensor:
        """Uniform in 0..1: [B, N], on the device of the tokens."""
        return torch.rand(self.shape, generator=self.generator).to(self.seen.tokens.embeddings.device)


Rule = Callable[[View], Tensor]
"""Scores [B, N], float32: the highest K are kept. A rule that picks one token after the other scores by its order."""
