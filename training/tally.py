"""Means of what an evaluation measures, question by question, over all ranks; and apart for each type of question."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from training.devices import World

MOST_TYPES = 12
"""Types reported at each evaluation; of a set with more (VQAv2 has 65 question types) only at the last one."""


@dataclass
class Tally:
    """`sums` and `counts` by metric name."""

    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, values: Iterable[float]) -> None:
        values = list(values)
        self.sums[name] = self.sums.get(name, 0.0) + sum(values)
        self.counts[name] = self.counts.get(name, 0) + len(values)

    def add_by_type(self, name: str, values: Iterable[float], types: Iterable[str]) -> None:
        """Each value also under `name/type`; where the set says no type, nowhere."""
        for value, kind in zip(values, types, strict=True):
            if kind:
                self.add(f"{name}/{metric_name(kind)}", [value])

    def forget(self, name: str) -> None:
        """All metrics whose names begin so."""
        for held in [one for one in self.sums if one.startswith(name)]:
            del self.sums[held], self.counts[held]

    def means(self, world: World) -> dict[str, float]:
        """Over all ranks, each of which has to call this."""
        parts = [(self.sums, self.counts)]
        if world.size > 1:
            import torch.distributed as dist

            parts = [({}, {})] * world.size
            dist.all_gather_object(parts, (self.sums, self.counts))
        names = sorted({name for sums, _ in parts for name in sums})  # a rank without a question has none
        return {
            name: sum(sums.get(name, 0.0) for sums, _ in parts) / sum(counts.get(name, 0) for _, counts in parts)
            for name in names
        }


def without_many_types(means: dict[str, float]) -> dict[str, float]:
    """Without the types of each metric that has more than `MOST_TYPES` of them."""
    kinds: dict[str, int] = {}
    for name in means:
        head, _, kind = name.partition("/")
        if kind:
            kinds[head] = kinds.get(head, 0) + 1
    return {name: mean for name, mean in means.items() if kinds.get(name.partition("/")[0], 0) <= MOST_TYPES}


def metric_name(kind: str) -> str:
    """ "yes/no" -> "yes_no": a type as part of a metric's name."""
    return re.sub(r"[^a-z0-9]+", "_", kind.lower()).strip("_") or "unnamed"
