"""What happens next to a run: one pure function, driven by whoever holds the lease.

`advance(run, seen, now)` looks at what is known of a run and at what its target reports, and returns the actions that
follow: `Event`s to write down, and acts on the world (`Submit`, `Interrupt`, `Kill`). The driver writes the events
first, in one transaction that fails when the run has changed meanwhile, and acts afterwards; so an act is never done
twice, and one that a dying driver left out is found missing by the next.

A run in the cloud is prepared first (its image is built, its files are uploaded): `seen` is then a `Preparation`. How
an attempt ends decides what follows:

    result complete                        the run has succeeded
    a stop was asked for                   the run is cancelled
    exit 2, wrong configuration            the run has failed: trying again cannot help
    exit 78, no number at the same step    the run has failed: it would come to the same again
    as before
    exit 77, stopped at W&B                the run is cancelled
    exit 75, or killed from outside,       preempted: resumed at once, from the preemption budget, when a newer
    or its machine taken away              checkpoint was committed since the last attempt ended; without any progress
                                           it is a failure, so that a run that dies on arrival does not do so for ever
    any other exit                         failure: tried again after a pause, from the failure budget
    the target could not take it           tried again after a pause, from the capacity budget

and in the cloud, by the scope of the error that ended or refused it,

    quota, invalid, permission, billing,   the run has failed, with what to do about it
    api-disabled, not-found
    auth                                   the same while nothing has been trained; later it waits for a log-in
    stockout                               the next rung of the ladder, from the capacity budget, after a pause that
                                           grows each time the ladder has been gone through
    internal, unavailable, conflict        the same rung, the third time in a row the next one; capacity budget
    preempted, timeout                     as above: preemption and failure budget

A budget of 3 forgives three; the fourth ends the run. Progress does not refill it. What cannot be observed (no network,
expired credentials) is unknown: nothing follows from it but a word to those who watch.

Money: an attempt costs the rate of its place from getting its machine to its end. A run that is about to reach its
`max_cost_usd` is cancelled; the cause says the sum. Pauses are jittered by the run's id and the attempt's number, not
by chance, so that this stays a function and two machines that drive one run agree.
"""

from __future__ import annotations

import hashlib
import signal
from dataclasses import dataclass, replace
from typing import Any

from arrcoc_core.formatting import duration, money
from arrcoc_core.observing import (
    EXIT_CANCELLED,
    EXIT_CONFIG,
    EXIT_STOPPED,
    EXIT_TAKEN,
    EXIT_UNSOUND,
    Observation,
    Preparation,
    describe,
)
from arrcoc_core.records import AttemptRecord, AttemptState, Budget, Event, RunRecord, RunState, Stop

GRACE_S = 30.0
"""Seconds between SIGTERM and SIGKILL: long enough to finish a step and write a checkpoint."""
FAILURE_PAUSE_S = 1.0
CAPACITY_PAUSE_S = 5.0
LONGEST_PAUSE_S = 60.0
LONGEST_CAPACITY_PAUSE_S = 900.0
ROUND_FACTOR = 4.0
"""By how much the pause grows each time the whole ladder was without room."""
SAME_PLACE = 3
"""Internal errors in a row before another place is tried."""
WAIT_SLACK_S = 60.0
"""How much longer than allowed a job may wait for its machine: where the service ends the wait itself, it does so."""
HOURS_SLACK_S = 300.0
STOPPING_S = 60.0
"""What stopping a job may take, and is paid for: reserved when the cost nears its cap."""

FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""Signals that people and machines send; any other is the program's own crash."""

HOPELESS = frozenset({"quota", "invalid", "permission", "billing", "api-disabled", "not-found"})
"""Scopes that another attempt cannot help: a person must do something first."""
TROUBLE = frozenset({"internal", "unavailable", "offline", "conflict"})
"""Scopes of what is the service's own trouble, and passes."""


@dataclass(frozen=True, slots=True)
class Submit:
    n: int


@dataclass(frozen=True, slots=True)
class Interrupt:
    """SIGTERM: finish the step, checkpoint, exit."""

    n: int
    stop: Stop = ""


@dataclass(frozen=True, slots=True)
class Kill:
    n: int


Action = Event | Submit | Interrupt | Kill
Seen = Observation | Preparation | None


def advance(run: RunRecord, seen: Seen, now: float) -> tuple[Action, ...]:
    """The actions that follow; () = nothing to do now. `seen` is None when there was nothing to look at."""
    if run.finished:
        return ()
    if isinstance(seen, Preparation):
        return _while_preparing(run, seen, now)
    if seen is not None and seen.kind == "unknown":
        return _out_of_sight(run, seen.reason, now)
    sight = (_event(run, "in_sight", now, cause=""),) if run.problem and seen is not None else ()
    attempt = run.live_attempt
    if attempt is None:
        return sight + _between_attempts(run, seen, now)
    if seen is None:
        return ()
    if seen.kind == "alive":
        return sight + _while_alive(run, attempt, seen, now)
    return sight + _after_end(run, attempt, seen, now)


def _between_attempts(run: RunRecord, seen: Observation | None, now: float) -> tuple[Action, ...]:
    if run.state == "cancelling":
        if run.ladder and (seen is None or seen.kind != "absent"):
            return ()  # not before nothing of it is left in the cloud
        return (_event(run, "ended", now, cause=run.cause, state=run.verdict, remedy=run.remedy),)
    if now < run.not_before:
        return ()
    if run.preparing:
        if run.preparation and run.preparation.get("state") == "needed":
            return (Event(run.id, "preparation", now, data={"state": "working"}),)
        return ()
    n = len(run.attempts) + 1
    place = run.ladder[run.rung] if run.ladder else None
    if place is None:
        return (Event(run=run.id, kind="attempt_started", at=now, attempt=n), Submit(n))
    over = _over_cap(run, place.usd_per_h, now)
    if over:
        return (_stop_run(run, now, over, "cancelled"),)
    where = {
        "region": place.region,
        "machine_type": place.machine_type,
        "provisioning": place.provisioning,
        "usd_per_h": place.usd_per_h,
    }
    return (Event(run=run.id, kind="attempt_started", at=now, attempt=n, data=where), Submit(n))


def _while_preparing(run: RunRecord, seen: Preparation, now: float) -> tuple[Action, ...]:
    if run.state == "cancelling" or not run.preparing:
        return ()
    held = run.preparation or {}
    if seen.state == "unknown":
        return _out_of_sight(run, seen.detail, now)
    if seen.state == "stopped":
        return (_stop_run(run, now, seen.detail, seen.verdict),)
    data = {**seen.data, "detail": seen.detail, "state": "ready" if seen.state == "ready" else "working"}
    if seen.state == "failed":
        return (_stop_run(run, now, seen.detail, "failed", seen.remedy),)
    if seen.state == "again":
        used = run.used.failure + 1
        if used > run.budgets.failure:
            return (_stop_run(run, now, f"{_times('failure', used, run)}: {seen.detail}", "failed", seen.remedy),)
        data |= {"counts": "failure", "not_before": now + _paced(run, FAILURE_PAUSE_S * 4.0**used)}
        return (Event(run.id, "preparation", now, cause=seen.detail, data=data),)
    news = {name: value for name, value in data.items() if held.get(name) != value}
    sight = (_event(run, "in_sight", now, cause=""),) if run.problem else ()
    return (*sight, Event(run.id, "preparation", now, data=news)) if news else sight


def _while_alive(run: RunRecord, attempt: AttemptRecord, seen: Observation, now: float) -> tuple[Action, ...]:
    started: tuple[Action, ...] = ()
    if seen.busy and attempt.state == "starting":
        since = {} if seen.running_at is None else {"running_at": seen.running_at}
        started = (Event(run.id, "attempt_running", now, attempt.n, data=since),)
    if run.state == "cancelling":
        return started + _stop(run, attempt, now, run.cause, "")
    if attempt.interrupted_at is not None:
        return started + _stop(run, attempt, now, "", attempt.stop)
    over = _over_cap(run, attempt.usd_per_h if attempt.running_at is not None else None, now)
    if over:
        return (*started, _stop_run(run, now, over, "cancelled"), *_stop(run, attempt, now, over, ""))
    why, stop = _overdue(run, attempt, seen, now)
    return started + (_stop(run, attempt, now, why, stop) if stop else ())


def _stop(run: RunRecord, attempt: AttemptRecord, now: float, cause: str, stop: Stop) -> tuple[Action, ...]:
    if attempt.interrupted_at is None:
        data = {"stop": stop} if stop else {}
        return (Event(run.id, "interrupt_sent", now, attempt.n, cause, data), Interrupt(attempt.n, stop))
    # Again and again: a driver may have died between writing it down and doing it.
    if now >= (attempt.killed_at or attempt.interrupted_at) + GRACE_S:
        cause = f"still there {GRACE_S:.0f} s after SIGTERM"
        return (Event(run.id, "kill_sent", now, attempt.n, cause), Kill(attempt.n))
    return ()


def _overdue(run: RunRecord, attempt: AttemptRecord, seen: Observation, now: float) -> tuple[str, Stop]:
    """Why the attempt is not to go on although the run does."""
    if not run.ladder:
        return "", ""
    place, longest_s = run.ladder[run.rung], run.max_hours * 3600
    if attempt.running_at is None:
        waited = now - attempt.started_at
        if not seen.busy and waited > _paced(run, place.max_wait_s + WAIT_SLACK_S):
            return f"no machine in {place.region} for {duration(place.max_wait_s)}", "wait"
    elif longest_s and now - attempt.running_at > _paced(run, longest_s + HOURS_SLACK_S):
        return f"it takes longer than {run.max_hours:g} hours", "hours"
    return "", ""


def _after_end(run: RunRecord, attempt: AttemptRecord, seen: Observation, now: float) -> tuple[Action, ...]:
    if attempt.stop and seen.scope == "stopped":  # by us, although nobody but our own record says so
        seen = replace(seen, scope="waited" if attempt.stop == "wait" else "timeout")
    how = describe(seen)
    if seen.done:
        ended = _attempt_ended(run, attempt, seen, now, "succeeded", "")
        return (ended, _event(run, "ended", now, cause="", state="succeeded"))
    if run.state == "cancelling":
        return _finish(run, attempt, seen, now, "cancelled", how, run.verdict, run.cause, run.remedy)
    if seen.scope == "stopped":
        return _finish(run, attempt, seen, now, "cancelled", how, seen.verdict or "cancelled", seen.reason)
    if seen.exit_code == EXIT_CANCELLED:
        return _finish(run, attempt, seen, now, "cancelled", how, "cancelled", how)
    if seen.exit_code in (EXIT_CONFIG, EXIT_UNSOUND):
        return _finish(run, attempt, seen, now, "failed", how, "failed", how)
    if seen.scope in HOPELESS or (seen.scope == "auth" and attempt.n == 1):
        return _finish(run, attempt, seen, now, "failed", how, "failed", how, seen.remedy)
    if seen.scope in ("stockout", "waited"):
        return _again(run, attempt, seen, now, "failed", how, "capacity")
    if seen.scope == "timeout":
        return _again(run, attempt, seen, now, "failed", how, "failure")
    if seen.kind in ("refused", "absent") or seen.scope in TROUBLE or seen.exit_code == EXIT_TAKEN:
        return _again(run, attempt, seen, now, "failed", how, "capacity")
    if seen.scope == "preempted" or (not seen.scope and _from_outside(seen.exit_code)):
        if seen.committed_step > run.committed_step:
            return _again(run, attempt, seen, now, "preempted", how, "preemption")
        return _again(run, attempt, seen, now, "failed", f"{how}, without a new checkpoint", "failure")
    return _again(run, attempt, seen, now, "failed", how, "failure")


def _finish(
    run: RunRecord,
    attempt: AttemptRecord,
    seen: Observation,
    now: float,
    attempt_state: AttemptState,
    attempt_cause: str,
    verdict: str,
    cause: str,
    remedy: str = "",
) -> tuple[Action, ...]:
    """Close the attempt and the run; in the cloud, the run only when nothing of it is left there."""
    ended = _attempt_ended(run, attempt, seen, now, attempt_state, attempt_cause)
    if not run.ladder:
        return (ended, _event(run, "ended", now, cause=cause, state=verdict, remedy=remedy))
    return (ended,) if run.state == "cancelling" else (ended, _stop_run(run, now, cause, verdict, remedy))


def _stop_run(run: RunRecord, now: float, cause: str, verdict: RunState | str, remedy: str = "") -> Event:
    return _event(run, "cancel_requested", now, cause=cause, verdict=verdict, remedy=remedy)


def _again(
    run: RunRecord,
    attempt: AttemptRecord,
    seen: Observation,
    now: float,
    state: AttemptState,
    cause: str,
    budget: Budget,
) -> tuple[Action, ...]:
    """Close the attempt and leave the run to the next one, or end it when the budget is used up."""
    used: int = getattr(run.used, budget) + 1
    more: dict[str, Any] = {"counts": budget}
    if used > getattr(run.budgets, budget):
        final = f"{_times(budget, used, run)}: {cause}"
        ended = _attempt_ended(run, attempt, seen, now, state, cause, **more)
        if not run.ladder:
            return (ended, _event(run, "ended", now, cause=final, state="failed"))
        return (ended, _stop_run(run, now, final, "failed", seen.remedy))
    pause = _pause(budget, used)
    if run.ladder and budget == "capacity":
        pause, more = _next_place(run, attempt, seen, used, more)
    ended = _attempt_ended(run, attempt, seen, now, state, cause, not_before=now + _paced(run, pause), **more)
    return (ended,)


def _next_place(
    run: RunRecord, attempt: AttemptRecord, seen: Observation, used: int, more: dict[str, Any]
) -> tuple[float, dict[str, Any]]:
    """How long to wait, and which rung and how many troubles to go on with."""
    jitter = 0.5 + _chance(run.id, attempt.n)
    next_rung = (run.rung + 1) % len(run.ladder)
    if seen.scope in ("stockout", "waited"):
        rounds = (used - 1) // len(run.ladder)
        pause = min(LONGEST_CAPACITY_PAUSE_S, CAPACITY_PAUSE_S * ROUND_FACTOR**rounds)
        return pause * jitter, {**more, "rung": next_rung}
    troubles = run.troubles + 1
    pause = min(LONGEST_PAUSE_S, CAPACITY_PAUSE_S * 2.0 ** (troubles - 1)) * jitter
    if troubles >= SAME_PLACE:
        return pause, {**more, "rung": next_rung}
    return pause, {**more, "troubles": troubles}


def _attempt_ended(
    run: RunRecord,
    attempt: AttemptRecord,
    seen: Observation,
    now: float,
    state: AttemptState,
    cause: str,
    **more: Any,
) -> Event:
    data: dict[str, Any] = {"state": state, "exit_code": seen.exit_code, "committed_step": seen.committed_step, **more}
    if run.ladder:
        since = seen.running_at if seen.running_at is not None else attempt.running_at
        until = seen.ended_at if seen.ended_at is not None else now
        spent = _cost(attempt.usd_per_h, since, until)
        data |= {"scope": seen.scope, "running_at": since, "cost_usd": spent}
    return Event(run.id, "attempt_ended", now, attempt.n, cause, data)


def _out_of_sight(run: RunRecord, reason: str, now: float) -> tuple[Action, ...]:
    return () if reason == run.problem else (_event(run, "out_of_sight", now, cause=reason),)


def _event(run: RunRecord, kind: str, now: float, *, cause: str, **data: Any) -> Event:
    return Event(run=run.id, kind=kind, at=now, cause=cause, data=data)


def _over_cap(run: RunRecord, usd_per_h: float | None, now: float) -> str:
    """The sum by which the run is about to reach its cap, "" while it is not. `usd_per_h`: what goes on to cost."""
    if not run.max_cost_usd:
        return ""
    from arrcoc_core.costing import over_cap

    spent, reserve = run.spent_usd(now), _cost(usd_per_h, now, now + _paced(run, STOPPING_S))
    if not over_cap(spent + reserve, run.max_cost_usd):
        return ""
    parts = [
        f"attempt {one.n}: {hours:.2f} h x ${one.usd_per_h:.2f} = {money(one.spent_usd(now))}"
        for one in run.attempts
        if one.running_at is not None and one.usd_per_h
        for hours in [((one.ended_at or now) - one.running_at) / 3600]
    ]
    more = f" + {money(reserve)} to stop it" if reserve else ""
    return (
        f"it has cost {money(spent)}{more} of the {money(run.max_cost_usd)} it may (max_cost_usd); "
        f"{'; '.join(parts[-4:])}"
    ).rstrip("; ")


def _cost(usd_per_h: float | None, since: float | None, until: float) -> float:
    from arrcoc_core.costing import Spell, spell_cost  # not before something costs: this machine does not

    return spell_cost(Spell(usd_per_h, since, until), until)


def _times(budget: Budget, used: int, run: RunRecord) -> str:
    allowed: int = getattr(run.budgets, budget)
    times = {"failure": "failed", "preemption": "was preempted", "capacity": "found no room"}[budget]
    return f"{times} {used} times, {allowed} allowed" if allowed else times


def _pause(budget: Budget, used: int) -> float:
    first = {"preemption": 0.0, "failure": FAILURE_PAUSE_S, "capacity": CAPACITY_PAUSE_S}[budget]
    return min(LONGEST_PAUSE_S, first * 2.0 ** (used - 1))


def _paced(run: RunRecord, seconds: float) -> float:
    return seconds / run.pace


def _chance(run_id: str, n: int) -> float:
    """0 to 1, always the same for one attempt."""
    return int.from_bytes(hashlib.sha256(f"{run_id} {n}".encode()).digest()[:6], "big") / 2**48


def _from_outside(exit_code: int | None) -> bool:
    return exit_code is None or exit_code == EXIT_STOPPED or -exit_code in FROM_OUTSIDE
