"""One process per GPU, started and ended as one.

`torchrun` would do, except that it answers every failure with exit code 1: the trainer's own codes (2 for a wrong
configuration, 75 for stopped after a checkpoint) have to reach whoever started it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence

_SECONDS_TO_FOLLOW = 30.0  # how long the other ranks may take once one has ended badly


def run_ranks(command: Sequence[str], count: int) -> int:
    """Run `command` once for each rank on this machine; the exit code of the first rank that ended badly, else 0.

    SIGTERM and SIGINT are passed on. When a rank ends badly the others are stopped too: without it they would wait
    for it for ever.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {**os.environ, "WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = [
        subprocess.Popen(list(command), env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(count)
    ]

    def pass_on(number: int, _frame: object) -> None:
        for rank in ranks:
            if rank.poll() is None:
                rank.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)

    first_bad, deadline = 0, float("inf")
    while None in [rank.poll() for rank in ranks]:
        bad = [rank.returncode for rank in ranks if rank.returncode]
        if bad and not first_bad:
            first_bad, deadline = bad[0], time.monotonic() + _SECONDS_TO_FOLLOW
            pass_on(signal.SIGTERM, None)
        if time.monotonic() > deadline:
            pass_on(signal.SIGKILL, None)
        time.sleep(0.1)
    code = first_bad or next((rank.returncode for rank in ranks if rank.returncode), 0)
    return code if code >= 0 else 1  # killed by a signal: an error like any other
