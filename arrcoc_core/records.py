"""What the store knows about a run: events, and the record that they add up to.

An `Event` is something that happened to a run, with its time and cause; events are only ever added. `project` is the
one function that says what each of them means: folding it over the events of a run gives its `RunRecord`, which the
store keeps beside them so that a list of runs is one query. `lifecycle.advance` decides which event comes next.

    created            everything that is known at launch (`data`)
    attempt_started    attempt n is about to be submitted (state `starting`)
    attempt_submitted  its handle (`data["handle"]`)
    attempt_running    it has made its first step or loads the model: it lives
    attempt_ended      state, cause, exit code, newest committed step, which budget it counts against, earliest retry
    summary            the newest metrics (`data["summary"]`)
    cancel_requested   a person wants it to stop; a run without a live attempt is cancelled at once
    interrupt_sent     SIGTERM went out
    kill_sent          SIGKILL went out, after the grace period
    ended              the run is over: `data["state"]`, cause
    note               something worth keeping that changes no state

Times are Unix seconds (UTC).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

RunState = Literal["queued", "starting", "running", "recovering", "cancelling", "succeeded", "failed", "cancelled"]
AttemptState = Literal["starting", "running", "succeeded", "failed", "preempted", "cancelled"]
Budget = Literal["capacity", "preemption", "failure"]

FINAL: frozenset[str] = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Event:
    run: str
    kind: str
    at: float
    attempt: int | None = None
    cause: str = ""
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    id: int = 0
    """Position in the store; 0 until it is written."""


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    n: int
    state: AttemptState
    started_at: float
    cause: str = ""
    ended_at: float | None = None
    handle: dict[str, Any] | None = None
    exit_code: int | None = None
    interrupted_at: float | None = None
    killed_at: float | None = None
    cost_usd: float = 0.0

    @property
    def live(self) -> bool:
        return self.ended_at is None


@dataclass(frozen=True, slots=True)
class Budgets:
    """How often each kind of end is forgiven before the run counts as failed."""

    capacity: int = 20
    preemption: int = 20
    failure: int = 3


@dataclass(frozen=True, slots=True)
class RunRecord:
    id: str
    experiment: str
    fingerprint: str
    code: str
    target: str
    state: RunState
    created_at: float
    cause: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    sweep: str | None = None
    sweep_name: str | None = None
    max_parallel: int = 1
    budgets: Budgets = Budgets()
    used: Budgets = Budgets(0, 0, 0)
    """How much of each budget is used up."""
    not_before: float = 0.0
    """No new attempt before this time."""
    committed_step: int = -1
    """Newest committed checkpoint when the last attempt ended; -1: none."""
    total_steps: int = 0
    estimate_low_s: float = 0.0
    estimate_high_s: float = 0.0
    base: str = ""
    workload: float = 0.0
    """Size of the run in the units of the step model (see estimates.py)."""
    machine: str = ""
    summary: dict[str, float] = field(default_factory=dict[str, float])
    attempts: tuple[AttemptRecord, ...] = ()
    version: int = 0
    """Id of the newest event of this run: what `Store.append(expect=...)` is checked against."""

    @property
    def finished(self) -> bool:
        return self.state in FINAL

    @property
    def live_attempt(self) -> AttemptRecord | None:
        return self.attempts[-1] if self.attempts and self.attempts[-1].live else None

    @property
    def cost_usd(self) -> float:
        return sum(attempt.cost_usd for attempt in self.attempts)


CREATED_FIELDS = (
    "experiment", "fingerprint", "code", "target", "sweep", "sweep_name", "max_parallel", "total_steps",
    "estimate_low_s", "estimate_high_s", "base", "workload", "machine",
)  # fmt: skip
"""What a `created` event carries for the record, besides `budgets`."""


def project(record: RunRecord | None, event: Event) -> RunRecord:
    """The record after `event`. Events that mean nothing any more (a cancel of an ended run) change no state."""
    if event.kind == "created":
        return record if record is not None else _created(event)
    if record is None:
        raise ValueError(f"event {event.kind!r} of a run that was never created: {event.run}")
    changes = _PROJECTIONS[event.kind](record, event)
    return replace(record, **changes, version=max(record.version, event.id))


def _created(event: Event) -> RunRecord:
    known = {name: event.data[name] for name in CREATED_FIELDS if name in event.data}
    budgets = Budgets(**event.data.get("budgets", {}))
    return RunRecord(id=event.run, state="queued", created_at=event.at, budgets=budgets, version=event.id, **known)


def _attempt_started(run: RunRecord, event: Event) -> Changes:
    n = event.attempt or 0
    if run.finished or run.live_attempt is not None or n != len(run.attempts) + 1:
        raise ValueError(f"attempt {n} of {run.id} cannot start: {run.state}, {len(run.attempts)} attempts so far")
    return {
        "state": "starting" if n == 1 else "recovering",
        "started_at": run.started_at if run.started_at is not None else event.at,
        "attempts": (*run.attempts, AttemptRecord(n=n, state="starting", started_at=event.at)),
    }


def _attempt_submitted(run: RunRecord, event: Event) -> Changes:
    return _change_attempt(run, event, handle=event.data["handle"])


def _attempt_running(run: RunRecord, event: Event) -> Changes:
    changes = _change_attempt(run, event, state="running")
    return changes if run.state == "cancelling" else {**changes, "state": "running", "cause": ""}


def _attempt_ended(run: RunRecord, event: Event) -> Changes:
    data = event.data
    budget = cast("Budget | None", data.get("counts"))
    used = run.used if budget is None else replace(run.used, **{budget: getattr(run.used, budget) + 1})
    changes = _change_attempt(
        run, event, state=data["state"], cause=event.cause, ended_at=event.at, exit_code=data.get("exit_code")
    )
    if run.state != "cancelling":
        changes |= {"state": "recovering", "cause": event.cause}
    return {
        **changes,
        "used": used,
        "not_before": float(data.get("not_before", 0.0)),
        "committed_step": max(run.committed_step, int(data.get("committed_step", -1))),
    }


def _summary(run: RunRecord, event: Event) -> Changes:
    return {"summary": dict(event.data["summary"])}


def _cancel_requested(run: RunRecord, event: Event) -> Changes:
    if run.finished or run.state == "cancelling":
        return {}
    if run.live_attempt is None:
        return {"state": "cancelled", "cause": event.cause, "ended_at": event.at}
    return {"state": "cancelling", "cause": event.cause}


def _interrupt_sent(run: RunRecord, event: Event) -> Changes:
    return _change_attempt(run, event, interrupted_at=event.at)


def _kill_sent(run: RunRecord, event: Event) -> Changes:
    return _change_attempt(run, event, killed_at=event.at)


def _ended(run: RunRecord, event: Event) -> Changes:
    if run.finished:
        return {}
    return {"state": event.data["state"], "cause": event.cause, "ended_at": event.at}


def _note(run: RunRecord, event: Event) -> Changes:
    return {}


def _change_attempt(run: RunRecord, event: Event, **changes: Any) -> Changes:
    if not run.attempts or run.attempts[-1].n != event.attempt:
        raise ValueError(f"{event.kind} of attempt {event.attempt} of {run.id}, which is not its newest")
    return {"attempts": (*run.attempts[:-1], replace(run.attempts[-1], **changes))}


Changes = dict[str, Any]

_PROJECTIONS: dict[str, Callable[[RunRecord, Event], Changes]] = {
    "attempt_started": _attempt_started,
    "attempt_submitted": _attempt_submitted,
    "attempt_running": _attempt_running,
    "attempt_ended": _attempt_ended,
    "summary": _summary,
    "cancel_requested": _cancel_requested,
    "interrupt_sent": _interrupt_sent,
    "kill_sent": _kill_sent,
    "ended": _ended,
    "note": _note,
}
