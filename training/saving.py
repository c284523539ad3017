"""Checkpoints written in the background: training waits for the copy to host memory and for nothing else.

`Saver.save` copies the tensors and returns; a thread packs, hashes, writes and commits them. At most one checkpoint is
on its way: the next one waits for it, and says so when that takes a while. What became of it is taken up in the
training loop, by `check` at each step and by `wait` at the end or a stop: a committed one is told to whoever holds rows
for it, a failed one is said with its step and written again, and after the last try it ends the attempt. Nothing that
a failed checkpoint carried is given up before another one is committed.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from typing import Any

from arrcoc_core.errors import CheckpointError
from training.checkpoints import Checkpoint, CheckpointStore, save

TRIES = 3
_SECONDS_BEFORE_SAYING = 1.0


class Saver:
    """Writes checkpoints to a store. `saved` is called in the loop's thread with each one that was committed."""

    def __init__(
        self,
        store: CheckpointStore,
        *,
        limit: int,
        say: Callable[[str], None],
        saved: Callable[[Checkpoint], None],
    ) -> None:
        """`limit`: how many checkpoints stay in the store."""
        self.newest = -1
        """Step of the newest checkpoint that is committed or on its way; a resumed run sets it."""
        self.stood_still_s = 0.0
        """How long the loop has waited for `save` in all."""
        self.write_s = 0.0
        """How long the last checkpoint took to be written."""
        self._store, self._limit = store, limit
        self._say, self._saved = say, saved
        self._memory = HostMemory()
        self._writing: _Write | None = None

    def save(self, checkpoint: Checkpoint) -> None:
        """Begin to write it; one of the step that was saved last is there already. Raises like `check`."""
        if checkpoint.step == self.newest:
            return
        began = time.monotonic()
        if self._writing is not None and not self.wait(_SECONDS_BEFORE_SAYING):
            self._say(f"waiting for the checkpoint of step {self._writing.checkpoint.step}, which is still on its way")
            self.wait()
        copied = Checkpoint(
            checkpoint.step,
            self._memory.copy(checkpoint.selector, "selector"),
            self._memory.copy(checkpoint.optimizer, "optimizer"),
            self._memory.copy(checkpoint.state, "state"),
            list(checkpoint.rows),
        )
        self._memory.settle()
        self.newest = checkpoint.step
        self._writing = _Write(self._store, copied, self._limit)
        self.stood_still_s += time.monotonic() - began

    def check(self) -> None:
        """Take up what became of the checkpoint on its way. Raises CheckpointError when it cannot be written."""
        write = self._writing
        if write is None or write.alive():
            return
        self._writing = None
        self.write_s = write.seconds
        if write.error is None:
            self._say(f"saved {write.folder}")
            self._saved(write.checkpoint)
            return
        step, reason = write.checkpoint.step, f"{type(write.error).__name__}: {write.error}"
        foreign = isinstance(write.error, CheckpointError)  # another trainer's, or a store that does not keep its word
        if foreign or write.tries == TRIES:
            first = "Make room there. " if is_disk_full(write.error) else ""
            raise CheckpointError(
                f"the checkpoint of step {step} could not be written ({reason})",
                remedy=f"{first}The checkpoints before it were kept; start the run again to go on from the newest.",
            ) from write.error
        self._say(f"the checkpoint of step {step} could not be written, try {write.tries} of {TRIES} ({reason}): again")
        self._writing = _Write(self._store, write.checkpoint, self._limit, write.tries + 1)

    def wait(self, at_most_s: float = float("inf")) -> bool:
        """Until nothing is on its way; False when that takes longer than `at_most_s`. Raises like `check`."""
        deadline = time.monotonic() + at_most_s
        while self._writing is not None:
            left = deadline - time.monotonic()
            self._writing.join(None if left == float("inf") else max(0.0, left))
            if self._writing.alive():
                return False
            self.check()
        return True


def is_disk_full(error: BaseException) -> bool:
    """Whether an error says that there is no room for what was written: on the disk, or by a limit."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _Write:
    """One try to write a checkpoint, in a thread of its own. The end of the process waits for it, whatever the end is
    for: a checkpoint from before an error is worth having."""

    def __init__(self, store: CheckpointStore, checkpoint: Checkpoint, limit: int, tries: int = 1) -> None:
        self.checkpoint, self.tries = checkpoint, tries
        self.folder = ""
        self.error: Exception | None = None
        self.seconds = 0.0
        self._store, self._limit = store, limit
        self._thread = threading.Thread(target=self._run, name=f"checkpoint-{checkpoint.step}")
        self._thread.start()

    def alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, timeout_s: float | None) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        began = time.monotonic()
        try:
            self.folder = save(self._store, self.checkpoint, limit=self._limit)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the loop's to hear
            self.error = error
        self.seconds = time.monotonic() - began


class HostMemory:
    """Copies of tensors in host memory that is used again for the next checkpoint; page-locked for those of a GPU.

    The copies of one checkpoint are overwritten by those of the next.
    """

    def __init__(self) -> None:
        self._held: dict[str, Any] = {}
        self._from_gpu = False

    def copy(self, value: Any, name: str) -> Any:
        """A copy of a tree of dicts, lists, tensors and plain values; `name` tells the trees apart."""
        import torch

        if isinstance(value, dict):
            return {key: self.copy(held, f"{name}/{key}") for key, held in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.copy(held, f"{name}/{index}") for index, held in enumerate(value))
        if not isinstance(value, torch.Tensor):
            return value
        source = value.detach()
        on_gpu = source.device.type == "cuda"
        self._from_gpu = self._from_gpu or on_gpu
        here = self._held.get(name)
        if here is None or here.shape != source.shape or here.dtype != source.dtype:
            here = self._held[name] = torch.empty(source.shape, dtype=source.dtype, pin_memory=on_gpu)
        return here.copy_(source, non_blocking=on_gpu)

    def settle(self) -> None:
        """Wait until the copies are whole."""
        if self._from_gpu:
            import torch

            torch.cuda.current_stream().synchronize()
