"""What happens next to a run: one pure function, driven by whoever holds the lease.

`advance(run, observation, now)` looks at what is known of a run and at what its target reports, and returns the
actions that follow: `Event`s to write down, and acts on the world (`Submit`, `Interrupt`, `Kill`). The driver writes
the events first, in one transaction that fails when the run has changed meanwhile, and acts afterwards; so an act is
never done twice, and one that a dying driver left out is found missing by the next.

How an attempt ends decides what follows:

    result complete                        the run has succeeded
    a stop was asked for                   the run is cancelled
    exit 2, wrong configuration            the run has failed: trying again cannot help
    exit 75, or killed from outside        preempted: resumed at once, from the preemption budget, when a newer
                                           checkpoint was committed since the last attempt ended; without any progress
                                           it is a failure, so that a run that dies on arrival does not do so for ever
    any other exit                         failure: tried again after a pause, from the failure budget
    the target could not take it           tried again after a pause, from the capacity budget

A budget of 3 forgives three; the fourth ends the run. Progress does not refill it.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from arrcoc_core.records import AttemptRecord, AttemptState, Budget, Event, RunRecord, RunState

GRACE_S = 30.0
"""Seconds between SIGTERM and SIGKILL: long enough to finish a step and write a checkpoint."""
FAILURE_PAUSE_S = 1.0
CAPACITY_PAUSE_S = 5.0
LONGEST_PAUSE_S = 60.0

EXIT_CONFIG = 2
EXIT_STOPPED = 75

FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""Signals that people and machines send; any other is the program's own crash."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What a target knows about the live attempt."""

    kind: Literal["absent", "refused", "alive", "ended"]
    """absent: never started, or nothing is known of it. refused: the target had no room (`reason`)."""
    busy: bool = False
    """alive: it has got past starting up."""
    committed_step: int = -1
    """Step of the newest committed checkpoint; -1: none."""
    exit_code: int | None = None
    """ended: the exit code, negative for a signal; None: killed while nobody watched."""
    done: bool = False
    """The result is complete."""
    reason: str = ""
    """Why it was refused, or the last line it printed."""


@dataclass(frozen=True, slots=True)
class Submit:
    n: int


@dataclass(frozen=True, slots=True)
class Interrupt:
    """SIGTERM: finish the step, checkpoint, exit."""

    n: int


@dataclass(frozen=True, slots=True)
class Kill:
    n: int


Action = Event | Submit | Interrupt | Kill


def advance(run: RunRecord, seen: Observation | None, now: float) -> tuple[Action, ...]:
    """The actions that follow; () = nothing to do now. `seen` is None when the run has no live attempt."""
    if run.finished:
        return ()
    attempt = run.live_attempt
    if attempt is None:
        return _between_attempts(run, now)
    if seen is None:
        return ()
    if seen.kind == "alive":
        return _while_alive(run, attempt, seen, now)
    return _after_end(run, attempt, seen, now)


def _between_attempts(run: RunRecord, now: float) -> tuple[Action, ...]:
    if run.state == "cancelling":
        return (_event(run, "ended", now, cause=run.cause, state="cancelled"),)
    if now < run.not_before:
        return ()
    n = len(run.attempts) + 1
    return (Event(run=run.id, kind="attempt_started", at=now, attempt=n), Submit(n))


def _while_alive(run: RunRecord, attempt: AttemptRecord, seen: Observation, now: float) -> tuple[Action, ...]:
    if run.state == "cancelling":
        if attempt.interrupted_at is None:
            return (Event(run.id, "interrupt_sent", now, attempt.n, run.cause), Interrupt(attempt.n))
        # Again and again: a driver may have died between writing it down and doing it.
        if now >= (attempt.killed_at or attempt.interrupted_at) + GRACE_S:
            cause = f"still there {GRACE_S:.0f} s after SIGTERM"
            return (Event(run.id, "kill_sent", now, attempt.n, cause), Kill(attempt.n))
        return ()
    if seen.busy and attempt.state == "starting":
        return (Event(run.id, "attempt_running", now, attempt.n),)
    return ()


def _after_end(run: RunRecord, attempt: AttemptRecord, seen: Observation, now: float) -> tuple[Action, ...]:
    how = _describe(seen)
    if seen.done:
        return _close(run, attempt, seen, now, "succeeded", "", "succeeded", "")
    if run.state == "cancelling":
        return _close(run, attempt, seen, now, "cancelled", how, "cancelled", run.cause)
    if seen.exit_code == EXIT_CONFIG:
        return _close(run, attempt, seen, now, "failed", how, "failed", how)
    if seen.kind in ("refused", "absent"):
        return _again(run, attempt, seen, now, "failed", how, "capacity")
    if _from_outside(seen.exit_code):
        if seen.committed_step > run.committed_step:
            return _again(run, attempt, seen, now, "preempted", how, "preemption")
        return _again(run, attempt, seen, now, "failed", f"{how}, without a new checkpoint", "failure")
    return _again(run, attempt, seen, now, "failed", how, "failure")


def _close(
    run: RunRecord,
    attempt: AttemptRecord,
    seen: Observation,
    now: float,
    attempt_state: AttemptState,
    attempt_cause: str,
    state: RunState,
    cause: str,
) -> tuple[Action, ...]:
    return (
        _attempt_ended(run, attempt, seen, now, attempt_state, attempt_cause),
        _event(run, "ended", now, cause=cause, state=state),
    )


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
    allowed: int = getattr(run.budgets, budget)
    if used > allowed:
        times = {"failure": "failed", "preemption": "was preempted", "capacity": "found no room"}[budget]
        count = f"{times} {used} times, {allowed} allowed" if allowed else times
        return _close(run, attempt, seen, now, state, cause, "failed", f"{count}: {cause}")
    pause = _pause(budget, used)
    ended = _attempt_ended(run, attempt, seen, now, state, cause, counts=budget, not_before=now + pause)
    return (ended,)


def _attempt_ended(
    run: RunRecord,
    attempt: AttemptRecord,
    seen: Observation,
    now: float,
    state: AttemptState,
    cause: str,
    **more: Any,
) -> Event:
    data = {"state": state, "exit_code": seen.exit_code, "committed_step": seen.committed_step, **more}
    return Event(run.id, "attempt_ended", now, attempt.n, cause, data)


def _event(run: RunRecord, kind: str, now: float, *, cause: str, **data: Any) -> Event:
    return Event(run=run.id, kind=kind, at=now, cause=cause, data=data)


def _pause(budget: Budget, used: int) -> float:
    first = {"preemption": 0.0, "failure": FAILURE_PAUSE_S, "capacity": CAPACITY_PAUSE_S}[budget]
    return min(LONGEST_PAUSE_S, first * 2.0 ** (used - 1))


def _from_outside(exit_code: int | None) -> bool:
    return exit_code is None or exit_code == EXIT_STOPPED or -exit_code in FROM_OUTSIDE


def _describe(seen: Observation) -> str:
    said = f": {seen.reason}" if seen.reason else ""
    if seen.kind == "refused":
        return f"the machine could not start it{said}"
    if seen.kind == "absent":
        return "it was never started"
    if seen.exit_code is None:
        return "it was gone, without having said why"
    if seen.exit_code == EXIT_STOPPED:
        return "stopped after a checkpoint"
    if seen.exit_code < 0:
        return f"killed by {_signal_name(-seen.exit_code)}"
    if seen.exit_code == 0:
        return f"it ended without a complete result{said}"
    if seen.exit_code == EXIT_CONFIG:
        return f"wrong configuration{said}"
    return f"exit code {seen.exit_code}{said}"


def _signal_name(number: int) -> str:
    names: Sequence[signal.Signals] = [one for one in signal.Signals if one == number]
    return names[0].name if names else f"signal {number}"
