"""How a batch goes through the model, wherever one does: training, evaluation, comparison and quick validation.

The base computes in bfloat16 where that is asked for; the selector, which is small and learns, always in float32: its
scores are made outside of what is cast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from training.noise import Noise
from training.objectives import Objective, Step

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from arrcoc_core.experiment import Experiment
    from training.batches import Batch
    from training.model.arrcoc_qwen import ArrCocQwen, Reading
    from training.model.budget import Budget
    from training.model.prompts import Asked
    from training.model.seeing import Seen

Look = Callable[[Sequence["NDArray[np.uint8]"]], "Seen"]


def stored_precision(bf16: bool) -> torch.dtype | None:
    """In what the base's parameters are held: with `bf16` in what they were published in (None), else in float32."""
    return None if bf16 else torch.float32


def new_model(experiment: Experiment, revision: str, device: torch.device) -> ArrCocQwen:
    """The experiment's base at a commit of it, with the selector that its seed draws."""
    from training.model.arrcoc_qwen import ArrCocQwen

    return ArrCocQwen.from_base(
        experiment.model.base,
        revision,
        seed=experiment.train.seed,
        features=experiment.model.features,
        balance=experiment.model.balance,
        device=device,
        dtype=stored_precision(experiment.train.bf16),
    )


@dataclass(frozen=True)
class Passes:
    """The passes through one model. `look_up`: what looks at pictures in the model's stead, such as a cache."""

    model: ArrCocQwen
    bf16: bool = False
    look_up: Look | None = None

    def precision(self) -> torch.autocast:
        return torch.autocast(self.model.base.device.type, torch.bfloat16, enabled=self.bf16)

    def see(self, batch: Batch) -> tuple[Seen, Asked]:
        """A batch as the base sees it, with the right answers behind the questions."""
        with self.precision():
            seen = (self.look_up or self.model.look)(batch.pictures).about(batch.about)
            return seen, self.model.ask(batch.questions, batch.answers, seen.grids)

    def loss(
        self,
        batch: Batch,
        objective: Objective,
        budget: Budget,
        *,
        seeds: Sequence[int],
        progress: float,
        selections: int,
        recompute: bool = False,
    ) -> Tensor:
        """The forward pass of a training step: the mean loss of the batch's questions, with gradient to the selector.

        seeds: of what is drawn at random for each question; progress: 0..1, how much of the training is over;
        selections, `recompute`: train.selections and train.gradient_checkpointing.
        """
        seen, asked = self.see(batch)
        if recompute:
            from torch.utils.checkpoint import checkpoint

            scores = checkpoint(self.model.scores, seen, asked, use_reentrant=False)
            assert isinstance(scores, Tensor)
        else:
            scores = self.model.scores(seen, asked)
        keep = budget.counts(scores.detach(), seen.present, batch.questions)
        noise = Noise.of(seeds, seen)
        with self.precision():
            return objective(Step(self.model, seen, asked, scores, keep, noise, progress, selections))

    def read(self, seen: Seen, asked: Asked, kept: Tensor) -> Reading:
        """`ArrCocQwen.read`."""
        with self.precision():
            return self.model.read(seen, asked, kept)

    def read_all(self, seen: Seen, asked: Asked, layer: int | None = None) -> tuple[Reading, Tensor]:
        """`ArrCocQwen.read_all`."""
        with self.precision():
            return self.model.read_all(seen, asked, layer)

    def generate(self, seen: Seen, asked: Asked, kept: Tensor, *, on_all_ranks: bool = False) -> list[str]:
        """`ArrCocQwen.generate`."""
        with self.precision():
            return self.model.generate(seen, asked, kept, on_all_ranks=on_all_ranks)
