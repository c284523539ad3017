"""How fast a training goes, and what it waits for: the `perf/` metrics of a step.

    perf/step_s          seconds of an optimizer step
    perf/samples_per_s   questions a second, all ranks together
    perf/tokens_per_s    tokens a second through the language model, padding among them (the first rank's, times all)
    perf/data_wait       share of the step in which the first rank waited for a batch
    perf/memory_gb       the most memory the first rank has used: the GPU's, else its process's
    perf/mfu             the first rank's operations a second as a share of its GPU's bfloat16 peak, where that is known
                         (flops.PEAKS)

Tokens and operations are counted by the passes that were really made (flops.Meter), whatever the objective.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

import torch

from training.devices import World
from training.flops import Meter, peak_flops, selector_flops

if TYPE_CHECKING:
    from training.model.arrcoc_qwen import ArrCocQwen

T = TypeVar("T")


class Pace:
    """Measures one optimizer step after the other."""

    def __init__(self, model: ArrCocQwen, device: torch.device, world: World, visual: int) -> None:
        """`visual`: N, the most tokens of a picture that the selector looks at."""
        self._meter = Meter(model.base.model)
        self._selector_flops = 3 * selector_flops(model.selector, visual)  # forward, and both parts of backward
        self._device, self._ranks = device, world.size
        self._peak = peak_flops(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
        self._began = self._waited = 0.0

    def begin(self) -> None:
        """A step begins. What was done before, such as an evaluation, does not count."""
        self._meter.take()
        self._waited = 0.0
        self._began = time.perf_counter()

    def next(self, batches: Iterator[T]) -> T:
        """The next batch; the time it takes to come is a wait."""
        began = time.perf_counter()
        batch = next(batches)
        self._waited += time.perf_counter() - began
        return batch

    def seconds(self) -> float:
        """Since the step began."""
        return time.perf_counter() - self._began

    def facts(self, seconds: float, questions: int) -> dict[str, float]:
        """The metrics of a step of so many seconds and, over all ranks, so many questions."""
        done = self._meter.take()
        facts = {
            "perf/step_s": seconds,
            "perf/samples_per_s": questions / seconds,
            "perf/tokens_per_s": done.tokens * self._ranks / seconds,
            "perf/data_wait": min(1.0, self._waited / seconds),
            "perf/memory_gb": memory_gb(self._device),
        }
        if self._peak:
            flops = done.flops + self._selector_flops * questions / self._ranks
            facts["perf/mfu"] = flops / seconds / self._peak
        return facts


def memory_gb(device: torch.device) -> float:
    """The most memory used so far: the GPU's, else this process's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
