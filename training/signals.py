"""A wish to stop, which the training loop grants at the end of a step: SIGTERM and SIGINT, or a person at W&B.

The handler only sets a flag, so a signal, and any number after it, can interrupt neither a step nor a checkpoint.
Several ranks agree on the flag at every step: a platform that signals one of them stops all of them at the same step.
Where the machine is about to be taken away there is only so much time for what comes after it: GRACE says how much.

After a signal the run is to be gone on with (exit code 75); whoever stops it on its page at W&B wants it ended (77).
"""

from __future__ import annotations

import os
import signal
import time
from types import FrameType

STOPPED_EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h: stopped after a checkpoint, start me again to go on
CANCELLED_EXIT_CODE = 77  # stopped after a checkpoint, and not to be started again

GRACE = "ARRCOC_GRACE_S"
"""Variable with the seconds between a signal and the end; without it there are as many as it takes."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Listens from construction on; `name` is what asked first, a signal's name, or None."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.for_good = False
        """The run is to end, not to be gone on with elsewhere or later."""
        self._came_at = 0.0
        for number in _SIGNALS:
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.name is None:
            self.name, self._came_at = signal.Signals(number).name, time.monotonic()

    def cancel(self, name: str) -> None:
        """Stop for good; `name` says who wants it. May be called from any thread."""
        if self.name is None:
            self.for_good = True
            self.name, self._came_at = name, time.monotonic()

    @property
    def exit_code(self) -> int:
        return CANCELLED_EXIT_CODE if self.for_good else STOPPED_EXIT_CODE

    @property
    def seconds_left(self) -> float:
        """Until this process has to have ended, once it was asked to stop."""
        grace = float(os.environ.get(GRACE) or "inf")
        return grace if self.name is None else max(0.0, self._came_at + grace - time.monotonic())

    def agreed(self) -> bool:
        """True on every rank when any rank was asked. A collective: every rank calls it at the same point."""
        import torch.distributed as dist

        if not dist.is_initialized():
            return self.name is not None
        import torch

        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        asked = 0 if self.name is None else 2 if self.for_good else 1
        flag = torch.tensor(asked, device=device)
        dist.all_reduce(flag, op=dist.ReduceOp.MAX)
        if not flag.item():
            return False
        self.for_good = flag.item() == 2
        if not asked:
            self.name, self._came_at = "a signal to another rank", time.monotonic()
        return True


def ignore_in_worker(_worker: int) -> None:
    """For data-loading workers: a signal to the whole process group is the trainer's to answer, not theirs."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
