"""SIGTERM and SIGINT as a wish to stop, which the training loop grants at the end of a step.

The handler only sets a flag, so a signal, and any number after it, can interrupt neither a step nor a checkpoint.
Several ranks agree on the flag at every step: a platform that signals one of them stops all of them at the same step.
"""

from __future__ import annotations

import signal
from types import FrameType

STOPPED_EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h: stopped after a checkpoint, start me again to go on

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Listens from construction on; `name` is the first signal that came, or None."""

    def __init__(self) -> None:
        self.name: str | None = None
        for number in _SIGNALS:
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.name = self.name or signal.Signals(number).name

    def agreed(self) -> bool:
        """True on every rank when any rank was signalled. A collective: every rank calls it at the same point."""
        import torch.distributed as dist

        if not dist.is_initialized():
            return self.name is not None
        import torch

        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        flag = torch.tensor(int(self.name is not None), device=device)
        dist.all_reduce(flag, op=dist.ReduceOp.MAX)
        if flag.item() and self.name is None:
            self.name = "a signal to another rank"
        return self.name is not None


def ignore_in_worker(_worker: int) -> None:
    """For data-loading workers: a signal to the whole process group is the trainer's to answer, not theirs."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
