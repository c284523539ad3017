"""Which rows are sent, and with which `_step`: a pure function of the steps here and there.

W&B takes rows in the order of `_step` only: its client drops a row whose `_step` is not behind the newest one's
(wandb 0.31, `Run.starting_step`). Rows behind the newest come first, with their own step; those missing before it
follow, with steps that are free.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Decision:
    steps: Ints
    """`trainer/step` of the rows to send, in the order in which they are sent."""
    places: Ints
    """The `_step` of each."""
    appended: int
    """How many of them lie before the newest row of the server, so that their `_step` is not their own."""


def decide(here: Ints, there: Ints, newest: int) -> Decision:
    """`here`, `there`: the steps of the rows, ascending; `newest`: the highest `_step` of the server, -1 for none."""
    missing = np.setdiff1d(here, there, assume_unique=True)
    last = int(there[-1]) if len(there) else -1
    behind, before = missing[missing > last], missing[missing <= last]
    # Its own step, or the next that is free where an attempt that was logged twice has used it up.
    index = np.arange(len(behind), dtype=np.int64)
    places = np.maximum.accumulate(np.maximum(behind, newest + 1) - index) + index if len(behind) else behind
    free = (int(places[-1]) if len(places) else newest) + 1
    appended = np.arange(free, free + len(before), dtype=np.int64)
    return Decision(np.concatenate([behind, before]), np.concatenate([places, appended]), len(before))
