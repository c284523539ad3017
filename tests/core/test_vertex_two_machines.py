"""Two machines that drive one run, one of them acting between any two calls of the other, late, or asleep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from arrcoc_core.records import Event
from tests.core.vertex_bench import Machine
from tests.core.vertex_model import Job, Killed, World

TICK_S = 3.0


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[World, str], Machine]]:
    """`make(world, "name")`: a machine in that world, with the run "r"."""
    made: list[Machine] = []

    def new(world: World, name: str) -> Machine:
        made.append(Machine(tmp_path / name, world))
        made[-1].launch("r")
        return made[-1]

    yield new
    for machine in made:
        machine.store.close()


Make = Callable[[World, str], Machine]


def on(world: World, act: Callable[[Job], None] | None = None) -> None:
    """A tick: builds end, jobs start, train, checkpoint twice, and succeed; or `act` says what they do."""
    world.now += TICK_S
    world.finish_cancelling()
    for build in world.builds:
        if build.state == "working":
            build.state = "succeeded"
            world.images.add(build.tag)
    for job in world.live("r"):
        if job.state == "JOB_STATE_PENDING":
            world.start(job)
        elif job.trains and act is not None:
            act(job)
        elif job.trains and world.committed.get("r", -1) < 20:
            world.checkpoint(job)
        elif job.trains:
            world.exit(job, 0)
    one_trains(world)


def one_trains(world: World) -> None:
    assert sum(job.trains for job in world.live("r")) <= 1
    assert sum(not world.harmless(job) for job in world.live("r")) <= 1


def to_the_end(world: World, *machines: Machine) -> None:
    for _ in range(500):
        if all(machine.run("r").finished for machine in machines):
            return
        for machine in machines:
            machine.step()
            one_trains(world)
        on(world)
    pytest.fail("\n".join(str(machine.run("r")) + "\n".join(machine.said[-20:]) for machine in machines))


def at_call(world: World, call: int, act: Callable[[], None]) -> list[int]:
    """Once that many calls were made, `act` comes before the next one, once. What it gives back is empty until then."""
    acted: list[int] = []

    def between() -> None:
        if world.calls >= call and not acted:
            acted.append(world.calls)
            act()

    world.between = between
    return acted


@pytest.mark.parametrize("looks", [1, 3])
def test_the_other_machine_may_act_between_any_two_calls(make: Make, looks: int, full: bool) -> None:
    def acts(world: World, other: Machine) -> None:
        for _ in range(looks):
            other.step()
            on(world)

    for call in range(0, 100, 1 if full else 2):
        world = World(images={"tag"})
        one, other = make(world, f"a{call}"), make(world, f"b{call}")
        acted = at_call(world, call, partial(acts, world, other))
        for _ in range(7):
            one.step()
        world.between = None
        if not acted:
            assert call > 20
            return
        to_the_end(world, one, other)
        assert [one.run("r").state, other.run("r").state] == ["succeeded"] * 2, call
        assert len(world.jobs) == 1, call


def test_a_cancel_between_any_two_calls_of_the_other_machine_leaves_no_job(make: Make, full: bool) -> None:
    def acts(world: World, other: Machine) -> None:
        other.store.append([Event("r", "cancel_requested", world.now, cause="enough")])
        for _ in range(20):
            other.step()
            on(world, lambda _: None)

    for call in range(0, 100, 1 if full else 2):
        world = World(images={"tag"})
        one, other = make(world, f"a{call}"), make(world, f"b{call}")
        acted = at_call(world, call, partial(acts, world, other))
        for _ in range(7):
            one.step()
        world.between = None
        if not acted:
            assert call > 20
            return
        for _ in range(60):
            one.step()
            other.step()
            on(world, lambda _: None)
        assert world.live("r") == [], call
        assert [one.run("r").state, other.run("r").state] == ["cancelled"] * 2, call
        assert not any(job.trains or job.state == "JOB_STATE_FAILED" for job in world.jobs), call


@pytest.mark.parametrize("ends", ["cancelled", "not to be found"])
def test_no_build_is_started_or_held_against_a_run_that_the_other_machine_has_stopped(make: Make, ends: str) -> None:
    for looks in range(1, 5):
        world = World()
        one, other = make(world, f"a{looks}"), make(world, f"b{looks}")
        for _ in range(3):
            one.step()
        assert [build.state for build in world.builds] == ["working"]
        for _ in range(looks):
            other.step()
        one.store.append([Event("r", "cancel_requested", world.now, cause="enough")])
        one.step()
        assert [build.state for build in world.builds] == ["cancelled"]
        if ends == "not to be found":
            world.forget_builds()
        for _ in range(5):
            one.step()
            other.step()
            world.now += TICK_S
        assert [machine.run("r").state for machine in (one, other)] == ["cancelled"] * 2, looks
        assert other.run("r").cause == "enough" and other.run("r").used.failure == 0, looks
        assert len(world.builds) == 1, looks


def test_one_that_comes_after_many_preemptions_concludes_what_the_first_had_concluded(make: Make) -> None:
    world = World(images={"tag"})
    one = make(world, "a")

    def taken_away(job: Job) -> None:
        world.checkpoint(job)
        world.preempt(job)

    while len(one.run("r").attempts) < 7:
        one.step()
        on(world, taken_away)
    other = make(world, "b")
    for _ in range(60):
        one.step()
        other.step()
        on(world, lambda _: None)
    ends = [[(end.state, end.scope) for end in machine.run("r").attempts] for machine in (one, other)]
    assert ends[0] == ends[1] and other.run("r").used == one.run("r").used, other.said
    assert other.run("r").used.failure == 0 and len(world.live("r")) == 1
    to_the_end(world, one, other)
    assert [one.run("r").state, other.run("r").state] == ["succeeded"] * 2
    late = make(world, "c")
    to_the_end(world, late)
    assert [end.state for end in late.run("r").attempts] == [end.state for end in one.run("r").attempts]


def test_one_that_slept_between_its_fence_and_its_job_follows_the_job_of_the_other(make: Make) -> None:
    world = World(images={"tag"})
    one, other = make(world, "a"), make(world, "b")
    create = world.create_job

    def sleeps(*arguments: object) -> object:
        world.create_job = create
        world.now += 3600
        while not any(job.trains for job in world.jobs):
            other.step()
            on(world)
        return create(*arguments)  # pyright: ignore[reportArgumentType]

    world.create_job = sleeps  # pyright: ignore[reportAttributeAccessIssue]
    for _ in range(20):
        one.step()
        other.step()
        world.now += TICK_S
        for job in world.live("r"):
            if job.state == "JOB_STATE_PENDING":
                world.start(job)
        one_trains(world)
    assert [job.trains for job in world.jobs] == [True, False]
    assert len(one.run("r").attempts) == len(other.run("r").attempts) == 1, one.said
    one.store.append([Event("r", "cancel_requested", world.now, cause="enough")])
    for _ in range(20):
        one.step()
        other.step()
        on(world, lambda _: None)
    assert [one.run("r").state, other.run("r").state] == ["cancelled"] * 2 and world.live("r") == []


def test_one_that_is_killed_after_its_job_was_made_and_finds_the_run_stopped_cancels_it(make: Make) -> None:
    world = World(images={"tag"})
    one, other = make(world, "a"), make(world, "b")
    create = world.create_job

    def stopped(*arguments: object) -> object:
        world.create_job = create
        other.store.append([Event("r", "cancel_requested", world.now, cause="enough")])
        for _ in range(5):
            other.step()
        create(*arguments)  # pyright: ignore[reportArgumentType]
        raise Killed

    world.create_job = stopped  # pyright: ignore[reportAttributeAccessIssue]
    for _ in range(40):
        one.step()
        other.step()
        on(world, lambda _: None)
    assert [one.run("r").state, other.run("r").state] == ["cancelled"] * 2 and world.live("r") == []


def test_a_full_disk_here_is_no_end_of_a_job_there(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(images={"tag"})
    one = make(world, "a")
    while one.run("r").state != "running":
        one.step()
        on(world)

    def full(*_: object, **__: object) -> bool:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(world, "pull", full)
        for _ in range(3):
            one.step()
        assert "No space left" in one.run("r").problem and one.run("r").state == "running"
    to_the_end(world, one)
    assert one.run("r").state == "succeeded" and len(world.jobs) == 1


def test_a_trainer_that_ends_itself_when_it_is_stopped_for_its_hours_was_not_preempted(tmp_path: Path) -> None:
    world = World(images={"tag"})
    machine = Machine(tmp_path, world)
    machine.launch("r", max_hours=0.01)
    for _ in range(700):
        machine.step()
        world.now += TICK_S
        for job in world.live("r"):
            if job.state == "JOB_STATE_PENDING":
                world.start(job)
            elif job.state == "JOB_STATE_CANCELLING":
                world.exit(job, 75)
            elif job.trains:
                world.checkpoint(job)
    run = machine.run("r")
    assert run.state == "failed" and {one.scope for one in run.attempts} == {"timeout"}
    assert (run.used.failure, run.used.preemption) == (4, 0)
    machine.store.close()


def test_a_run_that_cannot_be_driven_or_reached_holds_up_no_other(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(images={"tag"})
    one = make(world, "a")
    while one.run("r").state != "running":
        one.step()
        on(world)

    def odd(*_: object) -> object:
        raise ValueError("odd")

    with monkeypatch.context() as broken:
        broken.setattr(world, "get_job", odd)
        world.dark = "offline"
        for _ in range(60):
            one.step()
            world.now += TICK_S
        assert one.run("r").state == "cancelling" and one.run("r").live_attempt is not None
        world.dark = None
        one.step()
    assert [job.state for job in world.jobs] == ["JOB_STATE_CANCELLING"]
    for _ in range(30):
        one.step()
        on(world)
    assert one.run("r").state == "failed" and "odd" in one.run("r").cause and world.live("r") == []
