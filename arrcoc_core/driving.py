"""Driving one run by one step: ask its target, decide with `lifecycle.advance`, write it down, act.

`Driver.drive(run)` depends on a store, a function that gives the target of a name, and a clock: the supervisors are
loops around it, and the tests run it through thousands of invented worlds. It may be killed between any two lines:
what has happened is in the store or can be asked of the target.

What is broken about one run ends that run and no other. A run with something still going on is stopped first, and
ended only when that is gone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from arrcoc_core.errors import CloudError, StoreError
from arrcoc_core.lifecycle import GRACE_S, TROUBLE, Action, Interrupt, Kill, Submit, advance
from arrcoc_core.observing import Observation, Preparation
from arrcoc_core.records import AttemptRecord, Event, RunRecord
from arrcoc_core.store import Conflict, Store
from arrcoc_core.targets import (
    AttemptKey,
    Handle,
    JobRequest,
    NoRoomError,
    StoppedError,
    Target,
    UnseenError,
    Verdict,
    make_target,
)
from arrcoc_core.targets.local import read_json

QUIET = frozenset({"summary"})
"""Events that are not worth a line in the supervisor's log."""


class Driver:
    """Takes runs one step further. It belongs to one thread, like its store."""

    def __init__(
        self,
        store: Store,
        state: Path,
        say: Callable[[str], None],
        *,
        target_of: Callable[[str], Target] = make_target,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self._state = state
        self._say = say
        self._target_of = target_of
        self._clock = clock
        self.targets: dict[str, Target] = {}
        self._refused: dict[str, Observation] = {}
        self._doubts: dict[str, CloudError] = {}
        self._summaries: dict[str, int] = {}
        self._deaf: dict[str, float] = {}

    def drive(self, run: RunRecord) -> bool:
        """Take one run as far as it goes now; whether anything happened. StoreError is for the caller."""
        try:
            return self._advance(run)
        except Conflict:
            return True  # a cancel came in between: the next pass sees it
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
            cause = f"{type(error).__name__}: {error}"
            self._say(f"{run.id}: {cause}")
            self._give_up(run, cause)
            return True

    def end_all(self, runs: Sequence[RunRecord]) -> None:
        """Kill what is alive of these runs."""
        for run in runs:
            attempt = run.live_attempt
            if attempt is not None and attempt.handle is not None:
                self._target(run).cancel(attempt.handle, force=True)

    def _advance(self, run: RunRecord) -> bool:
        before = run.version
        run, seen = self._look(run)
        now = self._clock()
        actions = advance(run, seen, now)
        events = [action for action in actions if isinstance(action, Event)]
        summary = self._new_summary(run, now, always=any(event.kind == "ended" for event in events))
        if summary is not None:
            events.insert(0, summary)
        if not events:
            return run.version != before or (isinstance(seen, Observation) and seen.news)
        self.store.append(events, expect={run.id: run.version})
        for event in events:
            if event.kind not in QUIET:
                what = event.data.get("state", ""), event.data.get("detail", ""), event.cause
                said = " ".join(str(part) for part in (event.kind, event.attempt or "", *what) if part)
                self._say(f"{run.id}: {said}")
        for action in actions:
            self._act(run, action)
        return True

    # Looking

    def _look(self, run: RunRecord) -> tuple[RunRecord, Observation | Preparation | None]:
        attempt = run.live_attempt
        try:
            if attempt is not None:
                return self._observe(run, attempt)
            if run.state == "cancelling":
                return run, self._cleared(run)
            if run.preparation is not None and run.preparing and self._clock() >= run.not_before:
                return run, self._prepared(run, run.preparation)
        except (CloudError, UnseenError) as error:  # nothing is known; nothing follows
            return run, Observation("unknown", reason=error.message, remedy=error.remedy)
        return run, None

    def _observe(self, run: RunRecord, attempt: AttemptRecord) -> tuple[RunRecord, Observation]:
        target = self._target(run)
        if attempt.handle is not None:
            return run, target.observe(attempt.handle)
        refused = self._refused.pop(run.id, None)
        if refused is not None:
            return run, refused
        try:
            handle = target.find(self._request(run, finding=True), AttemptKey(run.id, attempt.n))
        except StoppedError as error:
            return run, _stopped(error)
        doubt = self._doubts.pop(run.id, None)
        if handle is None:
            return run, Observation("absent") if doubt is None else _refusal("absent", doubt)
        self._say(f"{run.id}: found attempt {attempt.n} again")
        return self._remember(run.id, attempt.n, handle), target.observe(handle)

    def _prepared(self, run: RunRecord, held: Mapping[str, Any]) -> Preparation | None:
        if held.get("state") == "needed":  # not before it is written down that it has begun
            return None
        try:
            return self._target(run).prepare(self._request(run), run.id, held)
        except StoppedError as error:
            return Preparation("stopped", detail=error.message, verdict=error.verdict)
        except CloudError as error:
            if error.scope in TROUBLE or (error.scope == "auth" and run.attempts):
                raise
            return Preparation("failed", detail=error.message, remedy=error.remedy)

    def _cleared(self, run: RunRecord) -> Observation | None:
        if not run.ladder:
            return None
        held = dict(run.preparation or {})
        build = held.get("build")
        others = [one.preparation for one in self.store.runs(active=True) if one.id != run.id and one.preparing]
        if any(other is not None and other.get("build") == build for other in others):
            held.pop("build", None)  # another run waits for the same image
        return self._target(run).clear(self._request(run), run.id, held, Verdict(run.verdict, run.cause, run.remedy))

    # Acting

    def _act(self, run: RunRecord, action: Action) -> None:
        attempt = run.live_attempt
        if isinstance(action, Submit):
            self._submit(self._target(run), run, action.n)
        elif isinstance(action, Interrupt | Kill) and attempt is not None and attempt.handle is not None:
            stop = action.stop if isinstance(action, Interrupt) else attempt.stop
            now = self.store.run(run.id)  # what has just been written down may have ended it
            verdict = Verdict(now.verdict, now.cause, now.remedy) if now.state == "cancelling" else None
            try:
                self._target(run).cancel(attempt.handle, force=isinstance(action, Kill), stop=stop, verdict=verdict)
            except (CloudError, UnseenError) as error:  # it is asked again after the grace period
                self._say(f"{run.id}: {error.message}")

    def _submit(self, target: Target, run: RunRecord, n: int) -> None:
        try:
            handle = target.submit(self._request(run), AttemptKey(run.id, n))
        except NoRoomError as error:
            self._refused[run.id] = Observation("refused", reason=error.message)
        except StoppedError as error:
            self._refused[run.id] = _stopped(error)
        except UnseenError as error:
            self._say(f"{run.id}: {error.message}")
        except CloudError as error:
            self._say(f"{run.id}: {error.message}")
            if error.scope in TROUBLE or (error.scope == "auth" and n > 1):
                self._doubts[run.id] = error  # it may have been started all the same: `find` tells
            else:
                self._refused[run.id] = _refusal("refused", error)
        else:
            self._remember(run.id, n, handle)

    def _remember(self, run_id: str, n: int, handle: Handle) -> RunRecord:
        # Not `expect`: a cancel that came in meanwhile does not make the process less real.
        self.store.append([Event(run_id, "attempt_submitted", self._clock(), n, data={"handle": handle})])
        return self.store.run(run_id)

    def _give_up(self, run: RunRecord, cause: str) -> None:
        """End a run that cannot be driven: what is alive of it is stopped first, as if it were cancelled."""
        now = self._clock()
        current = self.store.run(run.id)
        if current.finished:
            return
        attempt = current.live_attempt
        if attempt is None and not current.ladder:
            self.store.append([Event(run.id, "ended", now, cause=cause, data={"state": "failed"})])
            return
        if current.state != "cancelling":
            self.store.append([Event(run.id, "cancel_requested", now, cause=cause, data={"verdict": "failed"})])
            current = self.store.run(run.id)
        since = self._deaf.setdefault(run.id, now)
        handle = attempt.handle if attempt is not None else None
        if handle is not None:  # it may not even be possible to look at it any more
            verdict = Verdict("failed", current.cause or cause)
            try:
                self._target(run).cancel(handle, force=now > since + GRACE_S, verdict=verdict)
            except (CloudError, UnseenError) as error:  # it is asked again at the next look
                self._say(f"{run.id}: {error.message}")
        # A process has a handle from its start on. One that was killed is gone, seen or not; a job without a handle
        # cannot be reached by anybody here.
        here = not current.ladder
        if (here and handle is None) or (now > since + 3 * GRACE_S and (here or handle is None)):
            events = [Event(run.id, "ended", now, cause=current.cause or cause, data={"state": current.verdict})]
            if attempt is not None:
                data = {"state": "failed", "exit_code": None}
                events.insert(0, Event(run.id, "attempt_ended", now, attempt.n, cause, data))
            self.store.append(events)

    # What a run has on disk

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

    def _request(self, run: RunRecord, *, finding: bool = False) -> JobRequest:
        directory = self._directory(run.id)
        try:
            plan: dict[str, Any] = json.loads((directory / "plan.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            if not finding or run.ladder:
                raise
            return JobRequest(directory, (), {})  # a process here is found without it
        image = str((run.preparation or {}).get("image", ""))
        command, spent = tuple(plan["command"]), run.spent_usd(self._clock())
        return JobRequest(directory, command, plan["environment"], plan, run.rung, image, spent)

    def _target(self, run: RunRecord) -> Target:
        if run.target not in self.targets:
            self.targets[run.target] = self._target_of(run.target)
        return self.targets[run.target]

    def _directory(self, run_id: str) -> Path:
        return self._state / "runs" / run_id


def _stopped(error: StoppedError) -> Observation:
    return Observation("refused", scope="stopped", verdict=error.verdict, reason=error.message)


def _refusal(kind: Any, error: CloudError) -> Observation:
    return Observation(kind, scope=error.scope, reason=error.message, remedy=error.remedy)
