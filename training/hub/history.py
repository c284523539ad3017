"""The course of a run as its card shows it: some points of each curve, the best evaluation, the pictures of the last.

It travels with the checkpoints, so that a run that was resumed on another machine has all of it. Of each curve at most
MOST points are kept: when there are more, every second one goes, and from then on only every second one comes. Which
ones these are depends on their order alone, so a resumed run keeps the same ones as one that was never stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from arrcoc_core.references import ACCURACY, VQA_ACCURACY, judged_by
from training.tracking import Picture, Row

MOST = 256
CURVES = ("train/loss", "eval/loss", ACCURACY, VQA_ACCURACY, "eval/accuracy_shuffled_question")
_FIRST_LOOK = 0  # the step of an evaluation of a few questions only


class History:
    def __init__(self, held: Mapping[str, Any] | None = None, rows: Iterable[Row] = ()) -> None:
        """`held`: the `state()` that a checkpoint carried, and `rows` the rows that were logged before it."""
        held = held or {"curves": {}, "best": 0.0}
        self._curves: dict[str, _Curve] = {name: _Curve(**curve) for name, curve in held["curves"].items()}
        self.best = float(held["best"])
        """The highest accuracy on all held-out questions: the official VQA accuracy, where the data set has one."""
        self.pictures: tuple[Picture, ...] = ()
        for row in rows:
            self.pictures = row.pictures or self.pictures

    def add(self, row: Row) -> bool:
        """Whether the row holds a better accuracy than all before it."""
        for name in CURVES:
            if name in row.values and not (name.startswith("eval/") and row.step == _FIRST_LOOK):
                self._curves.setdefault(name, _Curve()).add(row.step, row.values[name])
        self.pictures = row.pictures or self.pictures
        accuracy = row.values.get(judged_by(row.values), 0.0)
        if accuracy <= self.best or row.step == _FIRST_LOOK:
            return False
        self.best = accuracy
        return True

    def is_best(self, summary: Mapping[str, float]) -> bool:
        """Whether none of the evaluations so far was better than this one."""
        return summary[judged_by(summary)] >= self.best

    def curves(self) -> dict[str, list[tuple[int, float]]]:
        """Name -> (step, value), in the order of the steps; the last one is always there."""
        return {name: curve.points() for name, curve in self._curves.items()}

    def state(self) -> dict[str, Any]:
        """For a checkpoint: JSON."""
        return {"curves": {name: curve.state() for name, curve in self._curves.items()}, "best": self.best}


class _Curve:
    def __init__(
        self,
        steps: Iterable[int] = (),
        values: Iterable[float] = (),
        every: int = 1,
        seen: int = 0,
        last: tuple[int, float] | None = None,
    ) -> None:
        """`every`: of so many points one is kept; `seen`: how many there were."""
        self.steps, self.values = list(steps), list(values)
        self.every, self.seen, self.last = every, seen, last

    def add(self, step: int, value: float) -> None:
        self.last = step, value
        if self.seen % self.every == 0:
            self.steps.append(step)
            self.values.append(value)
        self.seen += 1
        if len(self.steps) > MOST:
            self.steps, self.values = self.steps[::2], self.values[::2]
            self.every *= 2

    def points(self) -> list[tuple[int, float]]:
        kept = list(zip(self.steps, self.values, strict=True))
        return kept if self.last is None or self.last[0] == self.steps[-1] else [*kept, tuple(self.last)]

    def state(self) -> dict[str, Any]:
        held = {"steps": list(self.steps), "values": list(self.values)}
        return {**held, "every": self.every, "seen": self.seen, "last": self.last}
