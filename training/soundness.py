"""Whether a step may be taken: one whose loss or gradient is not a number would spoil the selector for good.

A run that meets one ends with an error that says where, before the optimizer has moved; what it goes on from, when it
is started again, is the newest checkpoint, which was written before. A step follows from its number alone, so the
second time at the same one is the last: the run is not tried again. Which steps were met lies beside the checkpoints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from arrcoc_core.errors import RunError
from training.checkpoints import CheckpointStore
from training.devices import World, agreed

AGAIN_EXIT_CODE = 78
_MOST_NAMED = 64


@dataclass
class Watch:
    """The passes of one optimizer step, on one rank. `split` is where their questions are from."""

    step: int
    split: str
    unsound: list[tuple[int, float, list[int]]] = field(default_factory=list)

    def see(self, number: int, loss: float, questions: list[int]) -> None:
        """Forward pass `number` (from 0) over these questions, by their numbers in the set, had this loss."""
        if not math.isfinite(loss):
            self.unsound.append((number, loss, questions))

    def error(self, loss: float, gradient: float, questions: list[int]) -> RunError | None:
        """What is wrong when the step's loss, or the norm of its gradient, summed over all ranks, is not finite.

        `questions`: all of this step.
        """
        if math.isfinite(loss) and math.isfinite(gradient):
            return None
        if self.unsound:
            number, value, questions = self.unsound[0]
            what = f"the loss is {value} at step {self.step}, in forward pass {number + 1} of it"
        elif not math.isfinite(loss):
            what = f"the loss is {loss} at step {self.step}, by the pass of another rank"
        else:
            what = f"the gradient is {gradient} at step {self.step} (its norm; the loss is {loss:.4g})"
        return RunError(
            f"{what}, over questions {_named(questions)} of {self.split!r}; the step was not taken",
            remedy="Look at those questions, or lower train.learning_rate in a new run.",
        )


def remembered(error: RunError, step: int, good: int, store: CheckpointStore, world: World) -> RunError:
    """A step's error with the newest checkpoint, of step `good` (below 0: none), and for good where it is not the first
    time that this step went so. With several ranks all have to call it."""
    goes_on = f"The newest good checkpoint is that of step {good}." if good >= 0 else "There is no checkpoint yet."
    name = f"unsound/step-{step:08d}"
    if agreed(lambda: store.put_if_absent(name, error.message.encode()), world):
        return RunError(error.message, remedy=f"{error.remedy} {goes_on}")
    again = RunError(
        f"{error.message}; it was so in an attempt before, so the run ends here. {goes_on}", remedy=error.remedy
    )
    again.exit_code = AGAIN_EXIT_CODE
    return again


def _named(questions: list[int]) -> str:
    shown = ", ".join(map(str, questions[:_MOST_NAMED]))
    return shown if len(questions) <= _MOST_NAMED else f"{shown} … ({len(questions)} in all)"
