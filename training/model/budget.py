"""How many visual tokens each question may keep: a number, a share of what there is, or as many as hold the relevance.

A share suits pictures of different sizes; a relevance mass lets easy questions do with less. What is decided is only
how many; which ones is `selector.allocate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from arrcoc_core.errors import ConfigError
from arrcoc_core.experiment import Tokens
from arrcoc_core.resolved import share_of


@dataclass(frozen=True)
class Budget:
    """`keep`: K for every question; `share`: where it is not 0, that share of each question's own tokens instead.

    `mass`: where it is not 0, the smallest number of tokens whose scores, as a softmax, sum to it, but no more than
    that K or share.
    """

    keep: int
    share: float = 0.0
    mass: float = 0.0

    @staticmethod
    def of(tokens: Tokens) -> Budget:
        return Budget(tokens.keep, tokens.share, tokens.mass)

    def least(self, budgets: Sequence[int]) -> int:
        """Tokens that a question has to have, to be asked with this budget and trained on with those of `in_step`."""
        return max(*budgets, 0 if self.share or self.mass else self.keep, 0)

    def in_step(self, step: int, budgets: Sequence[int]) -> Budget:
        """The budget that optimizer step `step` trains at: of several K one after the other; () = always this one."""
        return Budget(budgets[step % len(budgets)]) if budgets else self

    def counts(self, scores: Tensor, present: Tensor, questions: Sequence[str] = ()) -> Tensor:
        """Tokens to keep of each row: int64 [B], from scores [B, N] and bool [B, N], false in the padding.

        Raises ConfigError for a row with fewer tokens than a fixed K, called by its question where these are given.
        """
        there = present.sum(1)
        if self.share:
            most = torch.tensor([share_of(count, self.share) for count in there.tolist()], device=present.device)
        else:
            most = torch.full_like(there, self.keep)
            if self.mass:
                most = torch.minimum(most, there)
            else:
                self._check(there, questions)
        if not self.mass:
            return most
        held = scores.float().masked_fill(~present, -torch.inf).softmax(1).sort(1, descending=True).values
        # The token with which the sum reaches the mass is the last one needed.
        needed = (held.cumsum(1) < self.mass).sum(1) + 1
        return torch.minimum(needed, most)

    def _check(self, there: Tensor, questions: Sequence[str]) -> None:
        wrong = (there < self.keep).nonzero().flatten().tolist()
        if wrong:
            row, count = wrong[0], int(there[wrong[0]])
            which = f"the question {questions[row]!r}" if questions else f"question {row} of the batch"
            raise ConfigError(
                f"cannot keep {self.keep} visual tokens for {which}: its picture has only {count}",
                remedy=f"Keep at most {count}, raise data.image_size, or give Tokens(share=…), which goes by the size "
                "of each picture.",
            )
