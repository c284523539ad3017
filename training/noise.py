"""The noise of a training step, drawn for each question from a generator of its own.

What a question draws hangs on the run's seed, the step and its place in the step alone: not on the questions that share
its pass, nor on the padding beside them, nor on the rank. So two processes train as one with twice the batch does, and
a resumed run draws what it would have drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from training.model.seeing import Seen


@dataclass(frozen=True)
class Noise:
    """Of B questions. counts: visual tokens of each; width: N, of the row. Each call draws anew, 0 in the padding."""

    generators: tuple[torch.Generator, ...]
    counts: tuple[int, ...]
    width: int

    @staticmethod
    def of(seeds: Sequence[int], seen: Seen) -> Noise:
        """For what the questions are about. Raises ValueError unless there is a seed for each of them."""
        device = seen.present.device
        if len(seeds) != len(seen):
            raise ValueError(f"{len(seeds)} seeds for {len(seen)} questions")
        generators = tuple(torch.Generator(device).manual_seed(seed) for seed in seeds)
        return Noise(generators, seen.counts, seen.count)

    def uniform(self) -> Tensor:
        """0 to below 1: [B, N], float32."""
        return self._drawn(torch.rand, ())

    def normal(self, size: int) -> Tensor:
        """Mean 0, variance 1: [B, N, size], float32."""
        return self._drawn(torch.randn, (size,))

    def _drawn(self, draw: Callable[..., Tensor], of_each: tuple[int, ...]) -> Tensor:
        rows = torch.zeros(len(self.counts), self.width, *of_each, device=self.generators[0].device)
        for row, generator, count in zip(rows, self.generators, self.counts, strict=True):
            row[:count] = draw(count, *of_each, generator=generator, device=generator.device)
        return rows


def noise_seeds(seed: int, step: int, first: int, count: int) -> list[int]:
    """For `count` questions of a step, the first of which has place `first` in it: a seed each, below 2**63."""
    sequences = (np.random.SeedSequence((seed, step, place)) for place in range(first, first + count))
    return [int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1)) for sequence in sequences]
