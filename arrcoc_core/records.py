"""What the store knows about a run: events, and the record that they add up to.

An `Event` is something that happened to a run, with its time and cause; events are only ever added. `project` is the
one function that says what each of them means: folding it over the events of a run gives its `RunRecord`, which the
store keeps beside them so that a list of runs is one query. `lifecycle.advance` decides which event comes next.

    created            everything that is known at launch (`data`)
    preparation        how far its image and its files in the cloud are (`data`: see `RunRecord.preparation`)
    attempt_started    attempt n is about to be submitted (state `starting`), to which place of the ladder
    attempt_submitted  its handle (`data["handle"]`), and where it really is
    attempt_running    it has made its first step or loads the model, or got its machine: it lives, and costs
    attempt_ended      state, cause, exit code, newest committed step, which budget it counts against, what it has cost,
                       earliest retry, next place
    summary            the newest metrics (`data["summary"]`)
    cancel_requested   a person, or the run's cost, wants it to stop; where nothing is under way it ends at once.
                       `data["verdict"]`: what it then counts as, "cancelled" if not said
    interrupt_sent     SIGTERM went out; `data["stop"]` says why where the run goes on without it
    kill_sent          SIGKILL went out, after the grace period
    out_of_sight       it cannot be observed just now (`cause`): nothing is known, and nothing is concluded
    in_sight           it can again
    ended              the run is over: `data["state"]`, cause, `data["remedy"]`
    note               something worth keeping that changes no state

Times are Unix seconds (UTC).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, cast

RunState = Literal[
    "queued", "preparing", "starting", "running", "recovering", "cancelling", "succeeded", "failed", "cancelled"
]
AttemptState = Literal["starting", "running", "succeeded", "failed", "preempted", "cancelled"]
Budget = Literal["capacity", "preemption", "failure"]
Stop = Literal["", "wait", "hours"]
"""Why an attempt is stopped although its run goes on: it waited too long for a machine, or took too many hours."""

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
class Place:
    """A rung of the capacity ladder, as far as a run's course depends on it."""

    region: str
    machine_type: str
    provisioning: str
    """"spot", "flex" or "on-demand"."""
    max_wait_s: float
    """How long a job may wait there for its machine."""
    usd_per_h: float | None = None
    """None: not known."""

    @staticmethod
    def from_json(held: Mapping[str, Any]) -> Place:
        """From a rung as a plan stores it; what else it says is left out."""
        return Place(**{one.name: held[one.name] for one in fields(Place) if one.name in held})


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
    """What it has cost; of a live one see `spent_usd`."""
    region: str = ""
    machine_type: str = ""
    provisioning: str = ""
    usd_per_h: float | None = None
    running_at: float | None = None
    """Since when it has its machine, which is when it begins to cost."""
    scope: str = ""
    """What its end was about: a CloudScope, "preempted" or "timeout"; "" where its exit code says it."""
    link: str = ""
    """Its page in the console."""
    stop: Stop = ""

    @property
    def live(self) -> bool:
        return self.ended_at is None

    def spent_usd(self, now: float) -> float:
        """What it has cost up to `now`, at the rate of its place."""
        if not self.live or self.running_at is None or self.usd_per_h is None:
            return self.cost_usd
        from arrcoc_core.costing import Spell, spell_cost  # not before something costs: this machine does not

        return spell_cost(Spell(self.usd_per_h, self.running_at, None), now)


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
    ladder: tuple[Place, ...] = ()
    """Where its attempts may run, in the order in which they are tried; (): this machine."""
    rung: int = 0
    """Position in `ladder` of the next attempt, or of the live one."""
    troubles: int = 0
    """Internal errors in a row at this rung."""
    preparation: dict[str, Any] | None = None
    """None: nothing has to be prepared. Else `state` ("needed", "working", "ready"), `detail` for people, `step` and
    `of_steps` of the build, and what its target keeps there: the build's handle, in the end the image."""
    max_cost_usd: float = 0.0
    """What it may cost; 0: no cap."""
    max_hours: float = 0.0
    """How long one attempt may take; 0: as long as it likes."""
    pace: float = 1.0
    """How fast time passes where it runs: 60 in a sandbox in which a minute takes a second. Divides every pause."""
    verdict: str = "cancelled"
    """What it counts as once it has stopped, while it is `cancelling`."""
    remedy: str = ""
    """What to do about the cause it failed of."""
    problem: str = ""
    """Why it cannot be observed just now; "": it can."""
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
    def preparing(self) -> bool:
        """Whether something is left to prepare before an attempt can be submitted."""
        return self.preparation is not None and self.preparation.get("state") != "ready"

    @property
    def cost_usd(self) -> float:
        """What its ended attempts have cost."""
        return sum(attempt.cost_usd for attempt in self.attempts)

    def spent_usd(self, now: float) -> float:
        """What all its attempts have cost up to `now`."""
        return sum(attempt.spent_usd(now) for attempt in self.attempts)


CREATED_FIELDS = (
    "experiment", "fingerprint", "code", "target", "sweep", "sweep_name", "max_parallel", "total_steps",
    "estimate_low_s", "estimate_high_s", "base", "workload", "machine", "preparation", "max_cost_usd", "max_hours",
    "pace",
)  # fmt: skip
"""What a `created` event carries for the record, besides `budgets` and `ladder`."""


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
    ladder = tuple(Place.from_json(held) for held in event.data.get("ladder", ()))
    return RunRecord(
        id=event.run,
        state="queued",
        created_at=event.at,
        budgets=budgets,
        ladder=ladder,
        version=event.id,
        **known,
    )


def _preparation(run: RunRecord, event: Event) -> Changes:
    if run.finished:
        return {}
    changes: Changes = {"preparation": {**(run.preparation or {}), **event.data}}
    if run.started_at is None:
        changes["started_at"] = event.at
    if run.state == "queued":
        changes["state"] = "preparing"
    if event.data.get("counts"):
        changes["used"] = _counted(run, event.data["counts"])
        changes["cause"] = event.cause
    if "not_before" in event.data:
        changes["not_before"] = float(event.data["not_before"])
    return changes


def _attempt_started(run: RunRecord, event: Event) -> Changes:
    n = event.attempt or 0
    if run.finished or run.live_attempt is not None or n != len(run.attempts) + 1:
        raise ValueError(f"attempt {n} of {run.id} cannot start: {run.state}, {len(run.attempts)} attempts so far")
    where = {name: event.data[name] for name in _WHERE if name in event.data}
    return {
        "state": "starting" if n == 1 else "recovering",
        "started_at": run.started_at if run.started_at is not None else event.at,
        "attempts": (*run.attempts, AttemptRecord(n=n, state="starting", started_at=event.at, **where)),
    }


_WHERE = ("region", "machine_type", "provisioning", "usd_per_h")


def _attempt_submitted(run: RunRecord, event: Event) -> Changes:
    handle = event.data["handle"]
    where = {name: handle[name] for name in (*_WHERE, "link") if name in handle}
    return _change_attempt(run, event, handle=handle, **where)


def _attempt_running(run: RunRecord, event: Event) -> Changes:
    since = float(event.data.get("running_at", event.at))
    changes = _change_attempt(run, event, state="running", running_at=since)
    return changes if run.state == "cancelling" else {**changes, "state": "running", "cause": "", "troubles": 0}


def _attempt_ended(run: RunRecord, event: Event) -> Changes:
    data = event.data
    budget = cast("Budget | None", data.get("counts"))
    changes = _change_attempt(
        run,
        event,
        state=data["state"],
        cause=event.cause,
        ended_at=event.at,
        exit_code=data.get("exit_code"),
        scope=data.get("scope", ""),
        cost_usd=float(data.get("cost_usd", 0.0)),
        **({"running_at": data["running_at"]} if data.get("running_at") is not None else {}),
    )
    if run.state != "cancelling":
        changes |= {"state": "recovering", "cause": event.cause}
    return {
        **changes,
        "used": run.used if budget is None else _counted(run, budget),
        "not_before": float(data.get("not_before", 0.0)),
        "rung": int(data.get("rung", run.rung)),
        "troubles": int(data.get("troubles", 0)),
        "committed_step": max(run.committed_step, int(data.get("committed_step", -1))),
        "problem": "",
    }


def _counted(run: RunRecord, budget: Budget) -> Budgets:
    return replace(run.used, **{budget: getattr(run.used, budget) + 1})


def _summary(run: RunRecord, event: Event) -> Changes:
    return {"summary": dict(event.data["summary"])}


def _cancel_requested(run: RunRecord, event: Event) -> Changes:
    if run.finished or run.state == "cancelling":
        return {}
    verdict = event.data.get("verdict", "cancelled")
    more = {"verdict": verdict, "remedy": event.data.get("remedy", "")}
    if run.live_attempt is None and (run.preparation or {}).get("state") != "working" and not run.ladder:
        return {**more, "state": verdict, "cause": event.cause, "ended_at": event.at}
    return {**more, "state": "cancelling", "cause": event.cause}


def _interrupt_sent(run: RunRecord, event: Event) -> Changes:
    return _change_attempt(run, event, interrupted_at=event.at, stop=event.data.get("stop", ""))


def _kill_sent(run: RunRecord, event: Event) -> Changes:
    return _change_attempt(run, event, killed_at=event.at)


def _out_of_sight(run: RunRecord, event: Event) -> Changes:
    return {"problem": event.cause}


def _in_sight(run: RunRecord, event: Event) -> Changes:
    return {"problem": ""}


def _ended(run: RunRecord, event: Event) -> Changes:
    if run.finished:
        return {}
    data = event.data
    remedy = data.get("remedy") or run.remedy
    return {"state": data["state"], "cause": event.cause, "ended_at": event.at, "remedy": remedy, "problem": ""}


def _note(run: RunRecord, event: Event) -> Changes:
    return {}


def _change_attempt(run: RunRecord, event: Event, **changes: Any) -> Changes:
    if not run.attempts or run.attempts[-1].n != event.attempt:
        raise ValueError(f"{event.kind} of attempt {event.attempt} of {run.id}, which is not its newest")
    return {"attempts": (*run.attempts[:-1], replace(run.attempts[-1], **changes))}


Changes = dict[str, Any]

_PROJECTIONS: dict[str, Callable[[RunRecord, Event], Changes]] = {
    "preparation": _preparation,
    "attempt_started": _attempt_started,
    "attempt_submitted": _attempt_submitted,
    "attempt_running": _attempt_running,
    "attempt_ended": _attempt_ended,
    "summary": _summary,
    "cancel_requested": _cancel_requested,
    "interrupt_sent": _interrupt_sent,
    "kill_sent": _kill_sent,
    "out_of_sight": _out_of_sight,
    "in_sight": _in_sight,
    "ended": _ended,
    "note": _note,
}
