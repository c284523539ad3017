"""The process that drives all local runs of a project: `python -m arrcoc_core.supervisor STATE`.

It is started detached by a launch or by `reconcile`, holds the lease, and ends when no run is left. A few times a
second it looks at each unfinished run, oldest first, asks its target, and does what `lifecycle.advance` says: starts
queued runs as their `max_parallel` allows, resumes what was killed, stops what was cancelled, and closes what ended.

It may die at any moment. Trainers go on without it; the next one finds them by their handles (or, when the handle was
not yet written, by the key in their environment), and an attempt is started only after its row has been written, so
that there are never two. When the state folder disappears under it, it stops what it started and ends.

It reads records, plans and files, never experiments: without their types it starts in a tenth of a second.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from arrcoc_core import lease
from arrcoc_core.errors import StoreError
from arrcoc_core.lifecycle import Interrupt, Kill, Observation, Submit, advance
from arrcoc_core.records import AttemptRecord, Event, RunRecord
from arrcoc_core.store import Conflict, Store
from arrcoc_core.targets import AttemptKey, Handle, JobRequest, NoRoomError, Target, make_target
from arrcoc_core.targets.local import read_json

POLL_S = 0.1
STORE_PAUSE_S = 2.0
"""How long it waits after the store could not be used: the disk is full, for one."""
LINGER_S = 1.0
"""How long it waits for another run before it ends: a script that launches one after the other needs one supervisor."""


class Supervisor:
    """One pass over all runs is `step()`; `serve()` repeats it until nothing is left."""

    def __init__(self, store: Store, state: Path, say: Callable[[str], None]) -> None:
        self._store = store
        self._state = state
        self._say = say
        self._targets: dict[str, Target] = {}
        self._refused: dict[str, str] = {}
        self._summaries: dict[str, int] = {}
        self._last_renewal = 0.0
        self._active: list[RunRecord] = []
        self._seen = -1
        self.stop = False

    def serve(self) -> None:
        """Drive until no run is left, the lease is lost, the state folder is gone, or `stop` is set."""
        idle_since: float | None = None
        while not self.stop:
            if not self._store.path.exists():
                self._say("the state folder is gone")
                self._end_all()
                return
            try:
                if not self._keep_lease():
                    self._say("another supervisor has taken over")
                    return
                if self.step():
                    idle_since = None
                else:
                    now = time.monotonic()
                    idle_since = now if idle_since is None else idle_since
                    if now - idle_since >= LINGER_S and lease.give_back(self._store, only_when_idle=True):
                        return
            except StoreError as error:  # no run's fault: trainers go on, and what happened is written down later
                self._say(f"{error.message}")
                time.sleep(STORE_PAUSE_S)
            time.sleep(POLL_S)
        lease.give_back(self._store, only_when_idle=False)

    def step(self) -> int:
        """Look at every unfinished run once; returns how many there are."""
        token = self._store.changes_token()
        if token != self._seen:  # a record changes by events only
            self._active = list(reversed(self._store.runs(active=True)))
            self._seen = token
        active = self._active
        running = sum(1 for run in active if _holds_place(run))
        blocked = False
        for run in active:
            if not _holds_place(run):
                # Strictly in order: a run that has to wait lets nothing younger pass.
                blocked = blocked or running >= run.max_parallel
                if blocked:
                    continue
                running += 1
            self._drive(run)
        return len(active)

    def _drive(self, run: RunRecord) -> None:
        """Take one run as far as it goes now. What is broken about one run ends that run and no other."""
        try:
            self._advance(run)
        except Conflict:
            return  # a cancel came in between: the next pass sees it
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
            self._say(f"{run.id}: {type(error).__name__}: {error}")
            self._give_up(run, f"{type(error).__name__}: {error}")

    def _advance(self, run: RunRecord) -> None:
        attempt = run.live_attempt
        if attempt is None:
            seen = None
        else:
            run, seen = self._observe(run, attempt)
        now = time.time()
        actions = advance(run, seen, now)
        events = [action for action in actions if isinstance(action, Event)]
        summary = self._new_summary(run, now, always=any(event.kind == "ended" for event in events))
        if summary is not None:
            events.insert(0, summary)
        if not events:
            return
        self._store.append(events, expect={run.id: run.version})
        for event in events:
            if event.kind != "summary":
                self._say(f"{run.id}: {event.kind} {event.attempt or ''} {event.data.get('state', '')} {event.cause}")
        for action in actions:
            self._act(run, action)

    def _act(self, run: RunRecord, action: object) -> None:
        target = self._target(run)
        attempt = run.live_attempt
        if isinstance(action, Submit):
            self._submit(target, run, action.n)
        elif isinstance(action, Interrupt | Kill) and attempt is not None and attempt.handle is not None:
            target.cancel(attempt.handle, force=isinstance(action, Kill))

    def _submit(self, target: Target, run: RunRecord, n: int) -> None:
        key = AttemptKey(run.id, n)
        try:
            handle = target.submit(self._request(run), key)
        except NoRoomError as error:
            self._refused[run.id] = error.message
            return
        self._remember(run.id, n, handle)

    def _observe(self, run: RunRecord, attempt: AttemptRecord) -> tuple[RunRecord, Observation]:
        target = self._target(run)
        if attempt.handle is not None:
            return run, target.observe(attempt.handle)
        refused = self._refused.pop(run.id, None)
        if refused is not None:
            return run, Observation("refused", reason=refused)
        handle = target.find(self._request(run), AttemptKey(run.id, attempt.n))
        if handle is None:
            return run, Observation("absent")
        self._say(f"{run.id}: found attempt {attempt.n} again")
        return self._remember(run.id, attempt.n, handle), target.observe(handle)

    def _remember(self, run_id: str, n: int, handle: Handle) -> RunRecord:
        # Not `expect`: a cancel that came in meanwhile does not make the process less real.
        self._store.append([Event(run_id, "attempt_submitted", time.time(), n, data={"handle": handle})])
        return self._store.run(run_id)

    def _new_summary(self, run: RunRecord, now: float, *, always: bool) -> Event | None:
        """The newest metrics, when the trainer has replaced them since the last look."""
        path = self._directory(run.id) / "summary.json"
        try:
            changed = path.stat().st_mtime_ns
        except FileNotFoundError:
            return None
        if self._summaries.get(run.id) == changed and not always:
            return None
        self._summaries[run.id] = changed
        found = read_json(path)
        if found is None:
            return None
        summary = {str(name): float(value) for name, value in found.items() if isinstance(value, int | float)}
        return None if summary == run.summary else Event(run.id, "summary", now, data={"summary": summary})

    def _give_up(self, run: RunRecord, cause: str) -> None:
        now = time.time()
        current = self._store.run(run.id)
        if current.finished:
            return
        events = [Event(run.id, "ended", now, cause=cause, data={"state": "failed"})]
        attempt = current.live_attempt
        if attempt is not None:
            if attempt.handle is not None:
                self._target(run).cancel(attempt.handle)
            data = {"state": "failed", "exit_code": None}
            events.insert(0, Event(run.id, "attempt_ended", now, attempt.n, cause, data))
        self._store.append(events)

    def _request(self, run: RunRecord) -> JobRequest:
        directory = self._directory(run.id)
        plan = json.loads((directory / "plan.json").read_text(encoding="utf-8"))
        return JobRequest(directory, tuple(plan["command"]), plan["environment"])

    def _target(self, run: RunRecord) -> Target:
        if run.target not in self._targets:
            self._targets[run.target] = make_target(run.target)
        return self._targets[run.target]

    def _directory(self, run_id: str) -> Path:
        return self._state / "runs" / run_id

    def _keep_lease(self) -> bool:
        now = time.monotonic()
        if now - self._last_renewal < lease.RENEW_S:
            return True
        self._last_renewal = now
        return lease.renew(self._store)

    def _end_all(self) -> None:
        for run in self._store.runs(active=True):
            attempt = run.live_attempt
            if attempt is not None and attempt.handle is not None:
                self._target(run).cancel(attempt.handle, force=True)


def _holds_place(run: RunRecord) -> bool:
    """Whether it counts against `max_parallel`: it runs, or is between two attempts."""
    return run.state != "queued"


def main(arguments: Sequence[str]) -> int:
    """Drive the runs of the state folder `arguments[0]`; 0 also when another supervisor does it already."""
    state = Path(arguments[0])
    with Store(state / "store.db") as store:
        if not lease.acquire(store):
            return 0
        supervisor = Supervisor(store, state, _say)

        def leave(_number: int, _frame: FrameType | None) -> None:
            supervisor.stop = True  # trainers go on

        signal.signal(signal.SIGTERM, leave)
        # A shell makes what it starts in the background deaf to these two, and so would be the trainers.
        signal.signal(signal.SIGINT, leave)
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)
        _say(f"supervisor {os.getpid()} drives {state}")
        supervisor.serve()
        _say(f"supervisor {os.getpid()} ends")
    return 0


def _say(line: str) -> None:
    now = time.time()
    with suppress(OSError):  # a full disk silences it, and is no reason to leave the runs alone
        print(time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
