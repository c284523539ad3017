"""The noise of a training step, drawn for each question from a generator of its own.

What a question draws hangs on the run's seed, the step and its place in the step alone: not on the questions that share
its pass, nor on the padding beside them, nor on the rank. So two processes train as one with twice the batch does, and
a resumed run draws what it would have drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


@dataclass(frozen=True)
class Noise:
    """Of B questions. counts: visual tokens of each; each call draws anew, with 0 in the padding of shorter rows."""

    generators: tuple[torch.Generator, ...]
    counts: tuple[int, ...]

    @staticmethod
    def of(seeds: Sequence[int], counts: Sequence[int], device: torch.device) -> Noise:
        """Raises ValueError unless there is a seed for each question."""
        generators = tuple(torch.Generator(device).manual_seed(seed) for seed, _ in zip(seeds, counts, strict=True))
        return Noise(generators, tuple(counts))

    def uniform(self) -> Tensor:
        """0 to below 1: [B, N], float32."""
        return self._drawn(torch.rand, ())

    def normal(self, width: int) -> Tensor:
        """Mean 0, variance 1: [B, N, width], float32."""
        return self._drawn(torch.randn, (width,))

    def _drawn(self, draw: Callable[..., Tensor], of_each: tuple[int, ...]) -> Tensor:
        rows = [
            draw(count, *of_each, generator=generator, device=generator.device)
            for generator, count in zip(self.generators, self.counts, strict=True)
        ]
        return pad_sequence(rows, batch_first=True)


def noise_seeds(seed: int, step: int, first: int, count: int) -> list[int]:
    """For `count` questions of a step, the first of which has place `first` in it: a seed each, below 2**63."""
    sequences = (np.random.SeedSequence((seed, step, place)) for place in range(first, first + count))
    return [int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1)) for sequence in sequences]
