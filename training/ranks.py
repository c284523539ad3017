"""One process per GPU, started and ended as one.

`torchrun` would do, except that it answers every failure with exit code 1: the trainer's own codes (2 for a wrong
configuration, 75 for stopped after a checkpoint) have to reach whoever started it.

Several machines: each starts its own ranks, numbered after those of the machines before it, and all meet at the address
of the first one.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from training.vertex_machine import Nodes

_SECONDS_TO_FOLLOW = 30.0  # how long the other ranks may take once one has ended badly
_LOOK_S = 0.1
PARENT = "ARRCOC_PARENT_PID"
_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>


def run_ranks(command: Sequence[str], count: int) -> int:
    """Run `command` once for each rank on this machine; the exit code of the first rank that ended badly, else 0.

    SIGTERM and SIGINT are passed on. When a rank ends badly the others are stopped too: without it they would wait
    for it for ever.
    """
    ranks = Ranks(command, count)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: ranks.send(number))
    code = ranks.wait()
    return code if code >= 0 else 1  # killed by a signal: an error like any other


class Ranks:
    """The processes of the ranks on this machine. They end when this process does."""

    def __init__(
        self,
        command: Sequence[str],
        count: int,
        *,
        nodes: Nodes | None = None,
        environment: Mapping[str, str] | None = None,
        output: IO[bytes] | None = None,
    ) -> None:
        """Start `command` for `count` ranks. `nodes`: where this machine stands among others that start as many;
        `environment`: instead of this process's own; `output`: a file instead of its standard output and error."""
        nodes = nodes or Nodes(address="127.0.0.1")
        shared = {
            **(os.environ if environment is None else environment),
            "WORLD_SIZE": str(count * nodes.count),
            "LOCAL_WORLD_SIZE": str(count),
            "MASTER_ADDR": nodes.address or "127.0.0.1",
            "MASTER_PORT": str(nodes.port or _free_port()),
            PARENT: str(os.getpid()),
        }
        self._processes = [
            subprocess.Popen(
                list(command),
                env={**shared, "RANK": str(nodes.rank * count + local), "LOCAL_RANK": str(local)},
                stdout=output,
                stderr=output,
            )
            for local in range(count)
        ]

    def send(self, number: int) -> None:
        """Signal those that still run."""
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(number)

    def wait(self, meanwhile: Callable[[], None] = lambda: None) -> int:
        """Until all have ended: the exit code of the first that ended badly (negative: by that signal), else 0.

        `meanwhile` is called ten times a second.
        """
        first_bad, deadline = 0, float("inf")
        while None in [process.poll() for process in self._processes]:
            bad = [process.returncode for process in self._processes if process.returncode]
            if bad and not first_bad:
                first_bad, deadline = bad[0], time.monotonic() + _SECONDS_TO_FOLLOW
                self.send(signal.SIGTERM)
            if time.monotonic() > deadline:
                self.send(signal.SIGKILL)
            meanwhile()
            time.sleep(_LOOK_S)
        return first_bad or next((process.returncode for process in self._processes if process.returncode), 0)


def end_with_parent() -> None:
    """In a rank: be killed when whoever started it ends, whatever ends it. Nothing happens in any other process."""
    parent = os.environ.get(PARENT)
    if parent is None or int(parent) != os.getppid():
        return
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != int(parent):  # it had ended before that took hold
        os.kill(os.getpid(), signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
