"""The process that drives the runs of a project: `python -m arrcoc_core.supervisor STATE [local|cloud]`.

It is started detached by a launch or by `reconcile`, holds the lease of its kind, and ends when no run of that kind is
left. A few times a second it takes each unfinished run, oldest first, one step further (`driving.py`): starts queued
runs as their `max_parallel` allows, resumes what was killed, stops what was cancelled, and closes what ended. A run in
the cloud is looked at again soon after something has happened to it, and ever less often while nothing does.

It may die at any moment. Trainers go on without it; the next one finds them by their handles (or, when the handle was
not yet written, by the key they were started under), and an attempt is started only after its row has been written, so
that there are never two. When the state folder disappears under it, it stops what it started here and ends; when only
the store is moved aside (store.db.damaged), it ends and leaves trainers alone.

It reads records, plans and files, never experiments: without their types it starts in a tenth of a second.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import cast

from arrcoc_core import lease
from arrcoc_core.driving import Driver
from arrcoc_core.errors import StoreError
from arrcoc_core.records import RunRecord
from arrcoc_core.store import Store

POLL_S = 0.1
STORE_PAUSE_S = 2.0
"""How long it waits after the store could not be used: the disk is full, for one."""
LINGER_S = 1.0
"""How long it waits for another run before it ends: a script that launches one after the other needs one supervisor."""
SOON_S = 0.4
SELDOM_S = 8.0
LONGER = 1.3
"""Pauses between two looks at a run in the cloud: after something has happened, at most, and how they grow between."""


class Supervisor:
    """One pass over all runs is `step()`; `serve()` repeats it until nothing is left."""

    def __init__(self, store: Store, state: Path, say: Callable[[str], None], kind: lease.Kind = "local") -> None:
        self._store = store
        self._state = state
        self._say = say
        self._kind: lease.Kind = kind
        self.driver = Driver(store, state, say)
        self._last_renewal = time.monotonic()
        self._active: list[RunRecord] = []
        self._seen = -1
        self._pauses: dict[str, tuple[float, float]] = {}
        """Run in the cloud -> when to look at it next, and the pause before that."""
        self.stop = False

    def serve(self, each: Callable[[], None] = lambda: None) -> None:
        """Drive until no run is left, the lease is lost, the state folder is gone, or `stop` is set.

        `each` is called after each pass over the runs.
        """
        idle_since: float | None = None
        while not self.stop:
            if not self._store.path.exists():
                self._leave_without_store()
                return
            try:
                if not self._keep_lease():
                    self._say("another supervisor has taken over")
                    return
                left = self.step()
                each()
                if left:
                    idle_since = None
                else:
                    now = time.monotonic()
                    idle_since = now if idle_since is None else idle_since
                    if now - idle_since >= LINGER_S and lease.give_back(
                        self._store, only_when_idle=True, kind=self._kind
                    ):
                        return
            except StoreError as error:  # no run's fault: trainers go on, and what happened is written down later
                self._say(f"{error.message}")
                time.sleep(STORE_PAUSE_S)
            time.sleep(POLL_S)
        lease.give_back(self._store, only_when_idle=False, kind=self._kind)

    def step(self) -> int:
        """Look at every unfinished run of this kind once; returns how many there are."""
        token = self._store.changes_token()
        if token != self._seen:  # a record changes by events only
            found = {run.id: run for run in self._active}
            self._active = [
                run for run in reversed(self._store.runs(active=True)) if lease.kind_of(run.target) == self._kind
            ]
            for run in self._active:  # something else has happened to it, a cancel for one: look at once
                if run.id not in found or found[run.id].version != run.version:
                    self._pauses.pop(run.id, None)
            self._seen = token
        active = self._active
        running = sum(1 for run in active if _holds_place(run))
        blocked = False
        for run in active:
            if not _holds_place(run) and not _in_queue(run):
                # Strictly in order: a run that has to wait lets nothing younger pass.
                blocked = blocked or running >= run.max_parallel
                if blocked:
                    continue
                running += 1
            self._drive(run)
        return len(active)

    def _drive(self, run: RunRecord) -> None:
        if self._kind == "local":
            self.driver.drive(run)
            return
        due, pause = self._pauses.get(run.id, (0.0, SOON_S))
        if time.monotonic() < due:
            return
        if not self._keep_lease():  # each look may take its time
            return
        pause = SOON_S if self.driver.drive(run) else min(SELDOM_S, pause * LONGER)
        self._pauses[run.id] = time.monotonic() + pause, pause

    def _leave_without_store(self) -> None:
        if any(self._state.glob("store.db.*")):  # moved aside, as the error about a damaged one advises
            self._say("the run store was moved away: what trains goes on by itself")
            return
        self._say("the state folder is gone")
        if self._kind == "local":
            self.driver.end_all(self._active)

    def _keep_lease(self) -> bool:
        now = time.monotonic()
        if now - self._last_renewal < lease.RENEW_S:
            return True
        self._last_renewal = now
        return lease.renew(self._store, self._kind)


def _holds_place(run: RunRecord) -> bool:
    """Whether it counts against `max_parallel`: it runs, or is between two attempts."""
    return run.state != "queued" and not _in_queue(run)


def _in_queue(run: RunRecord) -> bool:
    """Whether a queue's agent says when it starts: it takes no place here, and waits for none."""
    return run.target == "wandb-launch" and run.preparing


def main(arguments: Sequence[str]) -> int:
    """Drive the runs of the state folder `arguments[0]`; 0 also when another supervisor does it already."""
    state = Path(arguments[0])
    kind = cast("lease.Kind", arguments[1] if len(arguments) > 1 else "local")
    with Store(state / "store.db") as store:
        if not lease.acquire(store, kind):
            return 0
        supervisor = Supervisor(store, state, _say, kind)

        def leave(_number: int, _frame: FrameType | None) -> None:
            supervisor.stop = True  # trainers go on

        signal.signal(signal.SIGTERM, leave)
        # A shell makes what it starts in the background deaf to these two, and so would be the trainers.
        signal.signal(signal.SIGINT, leave)
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)
        _say(f"{kind} supervisor {os.getpid()} drives {state}")
        supervisor.serve()
        _say(f"{kind} supervisor {os.getpid()} ends")
    return 0


def _say(line: str) -> None:
    now = time.time()
    with suppress(OSError):  # a full disk silences it, and is no reason to leave the runs alone
        print(time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
