"""The state machine: each row of its table, and what holds for any sequence of observations."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from arrcoc_core.lifecycle import GRACE_S, Action, Interrupt, Kill, Submit, advance
from arrcoc_core.observing import Observation
from arrcoc_core.records import AttemptRecord, Budgets, Event, RunRecord, project

NOW = 1000.0


def queued(**changes: object) -> RunRecord:
    created = Event("r", "created", 0.0, data={"experiment": "e", "fingerprint": "f", "code": "c", "target": "local"})
    return replace(project(None, created), **changes)


def live(state: str = "running", **changes: object) -> RunRecord:
    attempt = AttemptRecord(n=1, state="running", started_at=1.0, handle={})
    return queued(**{"state": state, "started_at": 1.0, "attempts": (attempt,), **changes})


def applied(run: RunRecord, actions: tuple[Action, ...]) -> RunRecord:
    for action in actions:
        if isinstance(action, Event):
            run = project(run, action)
    return run


def ended(**known: object) -> Observation:
    return Observation("ended", **known)


@pytest.mark.parametrize(
    ("seen", "attempt_state", "state", "budget"),
    [
        (ended(exit_code=0, done=True), "succeeded", "succeeded", None),
        (ended(exit_code=None, done=True), "succeeded", "succeeded", None),
        (ended(exit_code=0), "failed", "recovering", "failure"),
        (ended(exit_code=1, committed_step=50), "failed", "recovering", "failure"),
        (ended(exit_code=2, committed_step=50, reason="no GPU"), "failed", "failed", None),
        (ended(exit_code=78, committed_step=50, reason="the loss is nan"), "failed", "failed", None),
        (ended(exit_code=77, committed_step=50, reason="the last line"), "cancelled", "cancelled", None),
        (ended(exit_code=75, committed_step=50), "preempted", "recovering", "preemption"),
        (ended(exit_code=75), "failed", "recovering", "failure"),
        (ended(exit_code=-9, committed_step=0), "preempted", "recovering", "preemption"),
        (ended(exit_code=-9), "failed", "recovering", "failure"),
        (ended(exit_code=-15, committed_step=7), "preempted", "recovering", "preemption"),
        (ended(exit_code=-11, committed_step=7), "failed", "recovering", "failure"),
        (ended(exit_code=None, committed_step=7), "preempted", "recovering", "preemption"),
        (ended(exit_code=None), "failed", "recovering", "failure"),
        (Observation("refused", reason="full"), "failed", "recovering", "capacity"),
        (Observation("absent"), "failed", "recovering", "capacity"),
    ],
)
def test_how_an_attempt_ends_decides_what_follows(
    seen: Observation, attempt_state: str, state: str, budget: str | None
) -> None:
    run = applied(live(), advance(live(), seen, NOW))
    assert (run.attempts[0].state, run.state) == (attempt_state, state)
    used = {name: getattr(run.used, name) for name in ("capacity", "preemption", "failure")}
    assert used == {name: int(name == budget) for name in used}
    assert run.cause or run.state == "succeeded"


def test_a_kill_counts_as_failure_only_without_a_newer_checkpoint() -> None:
    run = applied(live(), advance(live(), ended(exit_code=-9, committed_step=50), NOW))
    assert run.committed_step == 50
    run = applied(run, advance(run, None, NOW))
    again = applied(run, advance(run, ended(exit_code=-9, committed_step=50), NOW))
    assert (again.used.preemption, again.used.failure) == (1, 1)
    further = applied(run, advance(run, ended(exit_code=-9, committed_step=100), NOW))
    assert (further.used.preemption, further.used.failure) == (2, 0)


@pytest.mark.parametrize(
    ("budget", "seen"),
    [
        ("failure", ended(exit_code=1)),
        ("preemption", ended(exit_code=-9, committed_step=9)),
        ("capacity", Observation("refused")),
    ],
)
def test_a_budget_forgives_as_many_as_it_says_and_no_other_pays(budget: str, seen: Observation) -> None:
    allowed = replace(Budgets(0, 0, 0), **{budget: 2})
    run = queued(budgets=allowed)
    now = NOW
    for n in (1, 2, 3):
        run = applied(run, advance(run, None, now))
        assert run.live_attempt is not None and run.live_attempt.n == n
        run = applied(run, advance(run, replace(seen, committed_step=9 * n if budget == "preemption" else -1), now))
        now += 120
    assert run.state == "failed"
    assert "3 times, 2 allowed" in run.cause
    assert len(run.attempts) == 3


def test_pauses_grow_after_failures_and_there_is_none_after_a_preemption() -> None:
    run = live(budgets=Budgets(9, 9, 9))
    pauses: list[float] = []
    for n in range(3):
        run = applied(run, advance(run, ended(exit_code=1), NOW))
        pauses.append(run.not_before - NOW)
        assert advance(run, None, run.not_before - 0.01) == ()
        actions = advance(run, None, run.not_before)
        assert Submit(n + 2) in actions
        run = applied(run, actions)
    assert pauses == sorted(set(pauses))
    run = applied(run, advance(run, ended(exit_code=75, committed_step=1), NOW))
    assert Submit(5) in advance(run, None, NOW)


def test_a_cancel_interrupts_once_then_kills() -> None:
    run = live("cancelling", cause="enough")
    alive = Observation("alive", busy=True)
    actions = advance(run, alive, NOW)
    assert Interrupt(1) in actions
    run = applied(run, actions)
    assert advance(run, alive, NOW + GRACE_S - 1) == ()
    actions = advance(run, alive, NOW + GRACE_S)
    assert Kill(1) in actions
    run = applied(run, actions)
    assert advance(run, alive, NOW + 2 * GRACE_S - 1) == ()
    assert Kill(1) in advance(run, alive, NOW + 2 * GRACE_S), "whoever was to kill it may have died before"
    run = applied(run, advance(run, ended(exit_code=-9), NOW + 2 * GRACE_S))
    assert (run.state, run.cause, run.attempts[0].state) == ("cancelled", "enough", "cancelled")


def test_a_run_that_finishes_while_it_is_cancelled_has_succeeded() -> None:
    run = live("cancelling")
    assert applied(run, advance(run, ended(exit_code=0, done=True), NOW)).state == "succeeded"


def test_a_cancel_between_attempts_or_in_the_queue_takes_effect_at_once() -> None:
    for run in (queued(), applied(live(), advance(live(), ended(exit_code=1), NOW))):
        run = project(run, Event("r", "cancel_requested", NOW, cause="enough"))
        assert (run.state, run.cause, run.ended_at) == ("cancelled", "enough", NOW)
        assert advance(run, None, NOW + 999) == ()


def test_an_ended_run_stays_as_it_is() -> None:
    for state in ("succeeded", "failed", "cancelled"):
        run = queued(state=state)
        assert advance(run, None, NOW) == ()
        assert project(run, Event("r", "cancel_requested", NOW)).state == state


def test_a_second_live_attempt_cannot_be_written_down() -> None:
    with pytest.raises(ValueError, match="cannot start"):
        project(live(), Event("r", "attempt_started", NOW, 2))


def test_any_sequence_of_observations_ends_with_never_two_attempts_at_once() -> None:
    for seed in range(400):
        chance = random.Random(seed)
        run = queued(budgets=Budgets(*(chance.randint(0, 4) for _ in range(3))))
        now, committed, submitted = 0.0, -1, 0
        for _ in range(3000):
            if run.finished:
                break
            now += chance.random() * 20
            if chance.random() < 0.005:
                run = project(run, Event("r", "cancel_requested", now, cause="enough"))
            if chance.random() < 0.3:
                committed += chance.randint(0, 2)
            seen = random_observation(chance, committed) if run.live_attempt else None
            before = run.live_attempt
            actions = advance(run, seen, now)
            run = applied(run, actions)
            for action in actions:
                if isinstance(action, Submit):
                    assert before is None, seed
                    submitted += 1
                    assert action.n == submitted == len(run.attempts)
            assert sum(attempt.live for attempt in run.attempts) <= 1
        assert run.finished, seed
        assert all(not attempt.live for attempt in run.attempts)
        assert run.started_at is not None or run.state == "cancelled"
        budgets = run.budgets
        assert len(run.attempts) <= 1 + budgets.capacity + budgets.preemption + budgets.failure


def random_observation(chance: random.Random, committed: int) -> Observation:
    kind = chance.choice(["alive", "alive", "alive", "ended", "ended", "refused", "absent"])
    return Observation(
        kind,
        busy=chance.random() < 0.5,
        committed_step=committed,
        exit_code=chance.choice([None, 0, 1, 2, 75, 75, -9, -9, -15, -11, 137]) if kind == "ended" else None,
        done=kind == "ended" and chance.random() < 0.1,
    )
