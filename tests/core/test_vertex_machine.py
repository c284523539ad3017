"""Random sequences of everything that can happen to a run on Vertex, against the model, with one or two machines.

At any moment: never two jobs train for a run, no budget is exceeded, a run that is over stays as it is, and one that
has reached its cost cap is stopped by the first clean look. And in the end, when the faults are over: every run comes
to a true end, with nothing of it left, and it has succeeded unless something was a reason not to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from arrcoc_core.records import Event, RunRecord
from tests.core.vertex_bench import RATE, REGIONS, Machine
from tests.core.vertex_model import Fault, Job, World

SCOPES = ("", "unavailable", "internal", "offline", "conflict")
LOOKS = st.lists(st.tuples(st.integers(0, 1), st.booleans()), min_size=2, max_size=8)
BUDGETS = ("capacity", "preemption", "failure")
HARD = ("auth", "quota", "permission", "invalid")


class RunOnVertex(RuleBasedStateMachine):
    shared: ClassVar[list[Machine]]
    id = "r"

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.machines: list[Machine] = []
        self.excuse = False
        """Whether something has happened that a run may fail of."""
        self.cancelled = False
        self.ends: dict[int, RunRecord] = {}

    @initialize(
        budgets=st.tuples(st.integers(0, 6), st.integers(0, 4), st.integers(0, 3)),
        cap=st.sampled_from([0.0, 0.0, 0.05, 0.5]),
        built=st.booleans(),
        two=st.booleans(),
    )
    def launch(self, budgets: tuple[int, int, int], cap: float, built: bool, two: bool) -> None:
        if built:
            self.world.images.add("tag")
        self.cap = cap
        self.machines = self.shared[: 1 + two]
        for machine in self.machines:
            machine.reset(self.world)
            machine.launch(self.id, budgets=budgets, max_cost_usd=cap, max_wait_s=300.0)

    # The driver

    @rule(looks=LOOKS, dt=st.sampled_from([1.0, 7.0, 40.0]))
    def look(self, looks: list[tuple[int, bool]], dt: float) -> None:
        """A few looks by the machines in some order, the world going on after some of them."""
        for which, goes_on in looks:
            machine = self.machines[which % len(self.machines)]
            attempt = machine.run(self.id).live_attempt
            known = attempt is not None and attempt.running_at is not None
            clean = not self.world.faults and self.world.dark is None
            machine.step()
            if clean and known and self.cap and self.spent() >= self.cap and self.trains():
                run = machine.run(self.id)
                assert run.finished or run.state == "cancelling", run
            self.world.now += dt
            if goes_on:
                self.jobs_go_on()
            self.never_two_train()

    @rule(looks=LOOKS)
    def look_quickly(self, looks: list[tuple[int, bool]]) -> None:
        self.look(looks, 2.0)

    @rule(looks=LOOKS)
    def look_while_all_goes_well(self, looks: list[tuple[int, bool]]) -> None:
        self.a_build_ends("succeeded")
        self.look(looks, 20.0)

    @rule(which=st.integers(0, 1), after=st.integers(0, 12), goes_on=st.booleans())
    @precondition(lambda self: len(self.machines) == 2)
    def one_looks_in_the_middle_of_the_others_look(self, which: int, after: int, goes_on: bool) -> None:
        one, other = self.machines[which], self.machines[1 - which]
        begun, acted = self.world.calls, list[int]()

        def between() -> None:
            if self.world.calls >= begun + after and not acted:
                acted.append(self.world.calls)
                other.step()
                if goes_on:
                    self.jobs_go_on()
                self.never_two_train()

        self.world.between = between
        one.step()
        self.world.between = None
        self.never_two_train()

    @rule(which=st.integers(0, 1))
    def kill_between_looks(self, which: int) -> None:
        self.machines[which % len(self.machines)].start()

    @rule(scope=st.sampled_from(SCOPES), lost=st.booleans(), after=st.integers(0, 5))
    def fail_a_call(self, scope: str, lost: bool, after: int) -> None:
        self.world.faults += [*[None] * after, Fault(scope, lost)]

    @rule(scope=st.sampled_from(HARD), after=st.integers(0, 5))
    def refuse_a_call(self, scope: str, after: int) -> None:
        self.world.faults += [*[None] * after, Fault(scope)]
        self.excuse = True

    @rule(scope=st.sampled_from(["offline", "auth", "unavailable"]))
    def darkness(self, scope: Any) -> None:
        self.world.dark = scope
        self.excuse = self.excuse or scope == "auth"

    @rule()
    def light(self) -> None:
        self.world.dark = None

    # The world

    @rule(seconds=st.sampled_from([30.0, 400.0, 1000.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.now += seconds
        self.excuse = True  # one who sleeps that long finds no room for too long, too often

    @rule()
    def a_job_will_be_late(self) -> None:
        self.world.late_creates = 1

    @rule(state=st.sampled_from(["succeeded", "succeeded", "failed", "timeout", "cancelled"]))
    def a_build_ends(self, state: str) -> None:
        for build in self.world.builds:
            if build.state == "working":
                build.state = state
                if state == "succeeded":
                    self.world.images.add(build.tag)
                else:
                    self.excuse = True

    def jobs_go_on(self) -> None:
        self.world.finish_cancelling()
        for job in self.live():
            if job.state == "JOB_STATE_PENDING":
                self.world.start(job)
            elif job.trains:
                self.world.checkpoint(job)

    @rule(what=st.sampled_from(["preempt", "trouble", "exit 0", "exit 1", "exit 2", "exit 75", "gone"]))
    @precondition(lambda self: self.trains())
    def a_training_job_ends(self, what: str) -> None:
        job = self.trains()[0]
        self.excuse = self.excuse or what != "exit 0"
        if what == "gone":
            self.world.end(job, "JOB_STATE_FAILED", (0, ""))
        elif what.startswith("exit"):
            self.world.exit(job, int(what.split()[1]))
        else:
            getattr(self.world, what)(job)

    @rule()
    def no_room(self) -> None:
        for job in self.live():
            if job.state == "JOB_STATE_PENDING":
                self.world.stockout(job)
                self.excuse = True

    @rule(region=st.sampled_from(REGIONS), scope=st.sampled_from(["quota", "permission", "unavailable"]))
    def a_region_refuses(self, region: str, scope: Any) -> None:
        self.world.create_scope[region] = scope
        self.excuse = True

    @rule(which=st.integers(0, 1))
    def cancel(self, which: int) -> None:
        machine = self.machines[which % len(self.machines)]
        cause = "enough"
        machine.store.append([Event(self.id, "cancel_requested", self.world.now, cause=cause)])
        self.cancelled = True

    @rule()
    @precondition(lambda self: self.trains())
    def cancelled_in_the_console(self) -> None:
        self.world.end(self.trains()[0], "JOB_STATE_CANCELLED", (1, "cancelled"))
        self.cancelled = True

    # What always holds

    @invariant()
    def never_two_train(self) -> None:
        assert len(self.trains()) <= 1
        if not self.world.was_late:
            assert sum(not self.world.harmless(job) for job in self.live()) <= 1

    @invariant()
    def budgets_are_kept_and_ends_are_final(self) -> None:
        for number, machine in enumerate(self.machines):
            run = machine.run(self.id)
            for name in BUDGETS:
                assert getattr(run.used, name) <= getattr(run.budgets, name) + 1
            assert sum(one.live for one in run.attempts) <= 1
            assert run.rung < len(run.ladder)
            if run.finished:
                before = self.ends.setdefault(number, run)
                assert before.state == run.state and before.attempts == run.attempts

    def teardown(self) -> None:
        if not self.machines:
            return
        world = self.world
        world.faults, world.dark, world.late_creates = [], None, 0
        world.create_scope.clear()
        for _ in range(700):
            for machine in self.machines:
                machine.step()
            world.now += 20.0
            self.a_healthy_world_goes_on()
            self.never_two_train()
            if all(machine.run(self.id).finished for machine in self.machines):
                break
        for _ in range(3):  # what turned up late comes to its end
            world.now += 60
            self.a_healthy_world_goes_on()
        for machine in self.machines:
            run = machine.run(self.id)
            told = "\n".join([str(run), *machine.said])
            assert run.finished, told
            assert not any(one.live for one in run.attempts), told
            assert run.cause or run.state == "succeeded", told
            if run.state == "succeeded":
                assert self.id in world.done, told
            elif run.state == "cancelled":
                assert self.cancelled or "max_cost_usd" in run.cause, told
            else:  # what went wrong may have been forgiven as often as it is
                # One machine counts it, the other may go by the stop that the first wrote.
                known = [machine.run(self.id) for machine in self.machines]
                spent = any(getattr(one.used, name) > getattr(one.budgets, name) for one in known for name in BUDGETS)
                assert self.excuse or spent, told
        self.budgets_are_kept_and_ends_are_final()
        assert self.live() == [], "an orphan"
        assert not [build for build in world.builds if build.state == "working"]
        jobs = {job.name: job for job in world.jobs}
        for one in self.machines[0].run(self.id).attempts:
            job = jobs.get((one.handle or {}).get("job", ""))
            if job is not None and job.started_at is not None and job.ended_at is not None:
                assert one.cost_usd == pytest.approx(RATE * (job.ended_at - job.started_at) / 3600)

    def a_healthy_world_goes_on(self) -> None:
        self.world.finish_cancelling()
        for build in self.world.builds:
            if build.state == "working":
                build.state = "succeeded"
                self.world.images.add(build.tag)
        for job in self.live():
            if job.listed_at > self.world.now:
                continue
            if job.state == "JOB_STATE_PENDING":
                self.world.start(job)
            elif job.trains and self.world.committed.get(self.id, -1) < 20:
                self.world.checkpoint(job)
            elif job.trains:
                self.world.exit(job, 0)

    def live(self) -> list[Job]:
        return self.world.live(self.id)

    def trains(self) -> list[Job]:
        return [job for job in self.live() if job.trains]

    def spent(self) -> float:
        """What the jobs that this run's first machine knows of have really cost by now."""
        jobs = [job for job in self.world.jobs if job.run == self.id and job.started_at is not None]
        return sum(RATE * ((job.ended_at or self.world.now) - (job.started_at or 0)) / 3600 for job in jobs)


@contextmanager
def two_machines(folder: Path) -> Iterator[None]:
    """For the sequences in this block."""
    RunOnVertex.shared = [Machine(folder / name, World()) for name in "ab"]
    try:
        yield
    finally:
        for machine in RunOnVertex.shared:
            machine.store.close()


def test_a_build_that_ends_as_the_other_machine_cancels_the_run_is_no_failure_of_it(tmp_path: Path) -> None:
    with two_machines(tmp_path):
        sequence = RunOnVertex()
        sequence.launch(budgets=(0, 0, 0), cap=0.0, built=False, two=True)
        sequence.look(looks=[(0, False), (0, False), (1, False), (1, False)], dt=1.0)
        assert [build.state for build in sequence.world.builds] == ["working"]
        sequence.cancel(0)
        sequence.teardown()
        ends = [(run.state, run.cause) for run in (machine.run(sequence.id) for machine in sequence.machines)]
        assert ends == [("cancelled", "enough")] * 2 and len(sequence.world.builds) == 1


@pytest.mark.timeout(7200)
def test_runs_on_vertex_in_random_sequences(tmp_path: Path, full: bool, figures: Callable[..., None]) -> None:
    # In batches of their own seeds: Hypothesis remembers every sequence of a batch.
    batches, sequences = (20, 500) if full else (1, 50)
    for number in range(batches):
        with two_machines(tmp_path / str(number)):
            run_state_machine_as_test(
                seed(number)(RunOnVertex),
                settings=settings(
                    max_examples=sequences,
                    stateful_step_count=40,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                    phases=[Phase.generate, Phase.shrink],
                ),
            )
    figures("random fault sequences", sequences=batches * sequences)
