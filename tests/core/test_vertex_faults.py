"""The driver and the Vertex target through every fault at every call of a launch, in the model of Vertex."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.core.vertex_bench import RATE, REGIONS, Machine
from tests.core.vertex_model import Fault, Job, Killed, World

TRANSIENT = ("unavailable", "internal", "offline")
FINAL = ("quota", "invalid", "permission", "billing", "api-disabled", "not-found")
TICK_S = 3.0


def train(world: World, job: Job) -> None:
    """What an undisturbed job does, one thing at a time."""
    if job.state == "JOB_STATE_PENDING":
        world.start(job)
    elif job.trains and world.committed.get(job.run, -1) < 20:
        world.checkpoint(job)
    elif job.trains:
        world.exit(job, 0)


def drive(machine: Machine, run_id: str, act: Callable[[World, Job], None] = train, *, steps: int = 400) -> None:
    """Until the run has ended; builds and jobs go their way in between. Never do two jobs train."""
    world = machine.world
    for _ in range(steps):
        if machine.run(run_id).finished:
            return
        machine.step()
        world.now += TICK_S
        for build in world.builds:
            if build.state == "working":
                build.state = "succeeded"
                world.images.add(build.tag)
        world.finish_cancelling()
        for job in world.live(run_id):
            if world.now >= job.listed_at + TICK_S:
                act(world, job)
        check(world, run_id)
    pytest.fail(f"no end after {steps} looks: {machine.run(run_id)}\n" + "\n".join(machine.said[-20:]))


def check(world: World, run_id: str) -> None:
    assert sum(job.trains for job in world.live(run_id)) <= 1
    if not world.was_late:
        assert sum(not world.harmless(job) for job in world.live(run_id)) <= 1


Make = Callable[..., Machine]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """`make(world, "name")`: a machine in that world, with a state folder of its own."""
    made: list[Machine] = []

    def new(world: World, name: str = "a") -> Machine:
        made.append(Machine(tmp_path / name, world))
        return made[-1]

    yield new
    for machine in made:
        machine.store.close()


@pytest.fixture
def machine(make: Make) -> Machine:
    return make(World())


def calls_of_a_launch(make: Make) -> int:
    machine = make(World(), "undisturbed")
    machine.launch("r")
    drive(machine, "r")
    assert machine.run("r").state == "succeeded", machine.said
    return machine.world.calls


@pytest.mark.parametrize("lost", [False, True], ids=["not-done", "answer-lost"])
@pytest.mark.parametrize("scope", ["", *TRANSIENT, "conflict", *FINAL, "auth"])
def test_every_fault_at_every_call_of_a_launch(make: Make, scope: str, lost: bool, full: bool) -> None:
    calls = calls_of_a_launch(make)
    assert calls > 25
    for call in range(1, calls + 1, 1 if full else 3):
        world = World(at_call=(call, Fault(scope, lost)))
        machine = make(world, f"{call}")
        machine.launch("r")
        drive(machine, "r")
        run = machine.run("r")
        where = f"call {call} {scope or 'killed'}: {run.state} {run.cause}"
        if scope in FINAL or scope == "auth":
            assert run.state in ("succeeded", "failed"), where
            assert run.state == "succeeded" or "as the test wants" in run.cause, where
        else:
            assert run.state == "succeeded", where
            assert len(run.attempts) <= 2 and run.used.failure == 0, where
        assert not [job for job in world.live("r") if not world.harmless(job)], where


def test_an_answer_that_is_lost_never_makes_a_second_job(machine: Machine) -> None:
    machine.launch("r")
    machine.world.images.add("tag")
    real = machine.world.create_job

    def lost(*arguments: object) -> object:
        real(*arguments)  # pyright: ignore[reportArgumentType]
        machine.world.create_job = real
        raise ConnectionError("the process is killed here")

    machine.world.create_job = lost  # pyright: ignore[reportAttributeAccessIssue]
    drive(machine, "r")
    assert len(machine.world.jobs) == 1


def test_a_job_that_turns_up_late_trains_nothing(machine: Machine) -> None:
    world = machine.world
    world.late_creates = True
    machine.launch("r")

    def act(world: World, job: Job) -> None:
        world.late_creates = False
        if len(world.jobs) == 2:
            train(world, job)

    drive(machine, "r", act)
    assert machine.run("r").state == "succeeded", machine.said
    first, second = world.jobs
    assert "76" in first.error[1] or world.harmless(first)
    assert second.state == "JOB_STATE_SUCCEEDED"


def test_a_stockout_goes_to_the_next_place_and_a_preemption_resumes_where_it_was(machine: Machine) -> None:
    def act(world: World, job: Job) -> None:
        if job.n == 1:
            world.stockout(job)
        elif job.n in (2, 3) and job.trains:
            world.checkpoint(job)
            world.preempt(job)
        else:
            train(world, job)

    machine.launch("r")
    drive(machine, "r", act)
    run = machine.run("r")
    assert run.state == "succeeded"
    states = [(one.region, one.state, one.scope) for one in run.attempts]
    assert states == [
        (REGIONS[0], "failed", "stockout"),
        (REGIONS[1], "preempted", "preempted"),
        (REGIONS[1], "preempted", "preempted"),
        (REGIONS[1], "succeeded", ""),
    ]
    assert (run.used.capacity, run.used.preemption, run.used.failure) == (1, 2, 0)
    assert run.attempts[0].cost_usd == 0
    for one in run.attempts[1:]:
        assert one.running_at is not None and one.cost_usd > 0
    jobs = [job for job in machine.world.jobs if job.started_at]
    paid = [RATE * ((job.ended_at or 0) - (job.started_at or 0)) / 3600 for job in jobs]
    assert [one.cost_usd for one in run.attempts[1:]] == pytest.approx(paid)


def test_where_not_all_machines_come_there_is_no_room_although_the_first_has_begun(machine: Machine) -> None:
    def act(world: World, job: Job) -> None:
        if job.n == 1:
            world.put_new("r", "attempts/1/claim.json", {"job": job.id})
            world.stockout(job)
        else:
            train(world, job)

    machine.launch("r")
    drive(machine, "r", act)
    run = machine.run("r")
    assert run.state == "succeeded" and [one.scope for one in run.attempts] == ["stockout", ""]
    assert (run.used.capacity, run.used.failure) == (1, 0) and run.attempts[1].region == REGIONS[1]


def test_stockouts_everywhere_wrap_round_with_growing_pauses_until_the_budget_is_used(machine: Machine) -> None:
    machine.launch("r", budgets=(8, 20, 3))
    drive(machine, "r", lambda world, job: world.stockout(job), steps=3000)
    run = machine.run("r")
    assert run.state == "failed" and "found no room 9 times, 8 allowed" in run.cause
    assert [one.region for one in run.attempts] == [*REGIONS * 4, REGIONS[0]]
    starts = [one.started_at for one in run.attempts]
    pauses = [later - earlier for earlier, later in pairwise(starts)]
    assert max(pauses[:4]) < 15 < sum(pauses[4:]) / 4, pauses


def test_internal_errors_stay_in_their_place_three_times(machine: Machine) -> None:
    machine.launch("r", budgets=(4, 20, 3))
    drive(machine, "r", lambda world, job: world.trouble(job))
    assert [one.region for one in machine.run("r").attempts] == [*[REGIONS[0]] * 3, *[REGIONS[1]] * 2]


def test_quota_stops_the_run_and_says_what_to_do(machine: Machine) -> None:
    machine.world.create_scope[REGIONS[0]] = "quota"
    machine.launch("r")
    drive(machine, "r")
    run = machine.run("r")
    assert (run.state, run.cause, run.remedy) == ("failed", "refused", "ask for more")
    assert len(run.attempts) == 1 and machine.world.jobs == []


@pytest.mark.parametrize("dark", ["offline", "auth", "unavailable", "permission"])
def test_what_cannot_be_observed_goes_on(machine: Machine, dark: str) -> None:
    machine.launch("r")
    world = machine.world
    while not any(job.trains for job in world.jobs):
        machine.step()
        world.now += TICK_S
        for build in world.builds:
            build.state = "succeeded"
        for job in world.live("r"):
            train(world, job)
    machine.step()
    world.dark = dark  # pyright: ignore[reportAttributeAccessIssue]
    for _ in range(50):
        world.now += 600
        machine.step()
    run = machine.run("r")
    assert run.state == "running" and run.problem == "no answer"
    assert [event.kind for event in machine.store.events("r")].count("out_of_sight") == 1
    world.dark = None
    machine.step()
    assert machine.run("r").problem == ""
    drive(machine, "r")
    assert machine.run("r").state == "succeeded" and len(machine.run("r").attempts) == 1


def test_a_machine_that_does_not_come_is_given_up_for_the_next_place(machine: Machine) -> None:
    machine.launch("r", max_wait_s=60.0)
    drive(machine, "r", lambda world, job: None if job.region == REGIONS[0] else train(world, job))
    run = machine.run("r")
    assert run.state == "succeeded"
    assert [(one.region, one.scope) for one in run.attempts] == [(REGIONS[0], "waited"), (REGIONS[1], "")]
    assert run.used.capacity == 1 and "in the time allowed" in run.attempts[0].cause


def test_the_cost_cap_cancels_with_its_arithmetic(machine: Machine) -> None:
    machine.launch("r", max_cost_usd=0.10)

    def act(world: World, job: Job) -> None:
        if job.state == "JOB_STATE_PENDING":
            world.start(job)
        elif job.trains:
            world.checkpoint(job)

    drive(machine, "r", act)
    run = machine.run("r")
    assert run.state == "cancelled" and "max_cost_usd" in run.cause and "x $1.20 =" in run.cause
    assert 0.05 < run.cost_usd <= 0.10


def test_max_hours_ends_an_attempt_not_the_run(machine: Machine) -> None:
    machine.launch("r", max_hours=0.01)
    drive(machine, "r", lambda world, job: None if job.n == 1 and job.trains else train(world, job))
    run = machine.run("r")
    assert run.state == "succeeded" and run.attempts[0].scope == "timeout" and run.used.failure == 1


@pytest.mark.parametrize("when", range(12))
def test_a_cancel_at_any_time_leaves_nothing(machine: Machine, when: int) -> None:
    from arrcoc_core.records import Event

    world = machine.world
    machine.launch("r")
    for _ in range(when):
        machine.step()
        world.now += TICK_S
        for job in world.live("r"):
            if job.state == "JOB_STATE_PENDING":
                world.start(job)
        if when > 6:
            for build in world.builds:
                build.state = "succeeded"
    machine.store.append([Event("r", "cancel_requested", world.now, cause="enough")])
    for _ in range(60):
        machine.step()
        world.now += TICK_S
        world.finish_cancelling()
    run = machine.run("r")
    assert (run.state, run.cause) == ("cancelled", "enough")
    assert world.live("r") == [] and not [build for build in world.builds if build.state == "working"]


def test_a_cancel_leaves_the_build_that_another_run_waits_for(machine: Machine) -> None:
    from arrcoc_core.records import Event

    world = machine.world
    for run_id in ("r", "s"):
        machine.launch(run_id)
    for _ in range(4):
        machine.step()
    machine.store.append([Event("r", "cancel_requested", world.now, cause="enough")])
    for _ in range(4):
        machine.step()
    assert machine.run("r").state == "cancelled" and [build.state for build in world.builds] == ["working"]
    drive(machine, "s")
    assert machine.run("s").state == "succeeded" and len(world.builds) == 1


def test_two_machines_drive_one_run_and_exactly_one_acts(make: Make) -> None:
    world = World()
    one, other = make(world, "a"), make(world, "b")
    one.launch("r")
    other.launch("r")

    def act(world: World, job: Job) -> None:
        if job.n < 3 and job.trains:
            world.checkpoint(job)
            world.preempt(job)
        else:
            train(world, job)

    for _ in range(40):
        one.step()
        other.step()
        world.now += TICK_S
        for build in world.builds:
            if build.state == "working":
                build.state = "succeeded"
                world.images.add(build.tag)
        for job in world.live("r"):
            act(world, job)
        check(world, "r")
    assert len(world.jobs) == 3 and len(world.builds) == 1
    for machine in (one, other):
        run = machine.run("r")
        assert run.state == "succeeded" and len(run.attempts) == 3, machine.said
    fences = [found.content["owner"] for (_, name), found in world.objects.items() if name.endswith("fence.json")]
    assert len(fences) == 3


def test_two_machines_that_submit_at_the_same_moment_make_one_job(make: Make) -> None:
    world = World(images={"tag"})
    one, other = make(world, "a"), make(world, "b")
    one.launch("r")
    other.launch("r")
    create, inside = world.create_job, list[int]()

    def meanwhile(*arguments: Any) -> Any:
        if not inside:  # the other one takes all its steps between this one's last look and its request
            inside.append(1)
            for _ in range(6):
                other.step()
        return create(*arguments)

    world.create_job = meanwhile  # pyright: ignore[reportAttributeAccessIssue]
    for _ in range(4):
        one.step()
    assert len(world.jobs) == 1 and inside
    drive(other, "r")
    drive(one, "r")
    assert [machine.run("r").state for machine in (one, other)] == ["succeeded", "succeeded"] and len(world.jobs) == 1


def killed(*_: object) -> None:
    raise Killed


def test_the_other_machine_goes_on_when_the_one_that_had_the_fence_is_gone(make: Make) -> None:
    world = World(images={"tag"})
    one, other = make(world, "a"), make(world, "b")
    one.launch("r")
    create, world.create_job = world.create_job, killed  # pyright: ignore[reportAttributeAccessIssue]
    for _ in range(6):
        one.step()
    world.create_job = create  # pyright: ignore[reportAttributeAccessIssue]
    assert ("r", "attempts/1/fence.json") in world.objects and world.jobs == []
    other.launch("r")
    drive(other, "r", steps=800)
    assert other.run("r").state == "succeeded"
    one.start()
    drive(one, "r")
    assert one.run("r").state == "succeeded" and len(world.jobs) == 1


def test_a_cancel_on_one_machine_reaches_the_other(make: Make) -> None:
    from arrcoc_core.records import Event

    world = World(images={"tag"})
    one, other = make(world, "a"), make(world, "b")
    one.launch("r")
    other.launch("r")
    for number in range(60):
        one.step()
        other.step()
        world.now += TICK_S
        world.finish_cancelling()
        for job in world.live("r"):
            if job.state == "JOB_STATE_PENDING":
                world.start(job)
        if number == 10:
            other.store.append([Event("r", "cancel_requested", world.now, cause="enough")])
    assert [machine.run("r").state for machine in (one, other)] == ["cancelled", "cancelled"]
    assert world.live("r") == [] and len(world.jobs) == 1
