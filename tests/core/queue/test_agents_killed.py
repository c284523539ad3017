"""Agents that are killed at every boundary of pop, submit and acknowledge, with clocks that stand minutes apart.

What holds in spite of it: no item ever has two live jobs, each ends done or failed with a reason, no slot is lost.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arrcoc_core.queue.client import QueueClient
from arrcoc_core.queue.notes import Notebook
from arrcoc_core.queue.shape import wanted_setup
from arrcoc_core.sandbox import running
from arrcoc_core.settings import load_settings
from tests.core.queue.bench import QUEUE, Cloud, Machine

SPEED = 100
"""A lease of a minute ends after 0.6 s."""
TICK_S = 3.0
CLOCKS = (-420.0, -95.0, 180.0, 731.0)
"""By how much the clock of each agent's machine is wrong, in seconds."""
CALLS = (
    *("pop", "put", "put_new", "acknowledge", "adopt"),  # from the queue to the store; `put` writes the note
    *("create_job", "list_jobs", "drop"),  # from the store to Vertex AI, and the slot free again
)
BOUNDARIES = [(call, when) for call in CALLS for when in ("before", "after")]
FAILS = 5
"""Every so manieth run has a wrong configuration."""


@pytest.fixture(scope="module")
def connect(tmp_path_factory: pytest.TempPathFactory, sandbox_key: str) -> Iterator[Callable[[], QueueClient]]:
    folder = tmp_path_factory.mktemp("sandbox")
    (folder / "key.json").write_text(sandbox_key, encoding="utf-8")
    with running(folder, speed=SPEED) as box:
        settings = load_settings(folder, {"ARRCOC_CLOUD_ENDPOINTS": str(box.folder)})
        made: list[QueueClient] = []

        def new() -> QueueClient:
            made.append(QueueClient.of(settings))
            return made[-1]

        new().ensure(QUEUE, wanted_setup(settings))
        yield new
        for client in made:
            client.client.close()


def on(cloud: Cloud) -> None:
    """A tick: jobs start, train, checkpoint, and end as their run is to end."""
    cloud.now += TICK_S
    cloud.finish_cancelling()
    for job in list(cloud.jobs):
        if not job.live:
            continue
        if job.state == "JOB_STATE_PENDING":
            cloud.start(job)
        elif job.trains and cloud.committed.get(job.run, -1) < 10:
            cloud.checkpoint(job)
        elif job.trains:
            cloud.exit(job, 2 if job.run.endswith("x") else 0)
    no_two_live(cloud)


def no_two_live(cloud: Cloud) -> None:
    """A job that can never train, as its attempt is another's, ends by itself and does not count."""
    for run in {job.run for job in cloud.jobs if job.live}:
        live = [job for job in cloud.live(run) if not cloud.harmless(job)]
        assert len(live) <= 1, f"{run} has {len(live)} live jobs"


@pytest.fixture
def make(tmp_path: Path, connect: Callable[[], QueueClient]) -> Iterator[Callable[..., Machine]]:
    """`make(cloud, "name", slots=3, clock_s=180)`: a machine in that world."""
    made: list[Machine] = []

    def new(cloud: Cloud, name: str, **how: float) -> Machine:
        made.append(Machine(tmp_path / name, cloud, connect, **how))  # pyright: ignore[reportArgumentType]
        return made[-1]

    yield new
    for machine in made:
        machine.store.close()


def test_no_item_runs_twice_and_each_ends(
    make: Callable[..., Machine], connect: Callable[[], QueueClient], full: bool, figures: Callable[..., None]
) -> None:
    count, agents = (100, 4) if full else (12, 4)
    cloud, client = Cloud(images={"tag"}), connect()
    here = make(cloud, "launches")
    machines = [make(cloud, f"agent-{n}", slots=2 if full else 1, clock_s=CLOCKS[n]) for n in range(agents)]
    for n in range(count - count // 6):
        here.launch(f"run-{n}{'x' if n % FAILS == 0 else ''}")
    for n in range(count // 6 - 1):  # from the web page
        client.push(QUEUE, {"docker": {"docker_image": "image:tag"}, "name": f"web-{n}"})
    client.push(QUEUE, {"docker": {"docker_image": "x"}, "overrides": {"entry_point": ["bash", "-c", "rm -rf /"]}})
    # At full size each agent is killed everywhere; in the reduced one each at a quarter of the boundaries.
    left = {one: BOUNDARIES[:] if full else BOUNDARIES[n::agents] for n, one in enumerate(machines)}
    for boundaries in left.values():
        random.Random(4).shuffle(boundaries)
    ticks = 0
    deadline = time.monotonic() + (240 if full else 60)
    while not ended(here, machines, client, count):
        assert time.monotonic() < deadline, told(here, machines, client)
        for n, machine in enumerate(machines):
            if machine.axe.at is None and left[machine]:
                machine.axe.at = left[machine].pop()
            if full or ticks % 3 == n % 3:
                machine.poll()
            slots_are_right(machine)
            machine.drive()
            no_two_live(cloud)
        if ticks < 10 or ticks % 20 == 0:  # the launching machine drives on, rarely: the agents are to submit
            here.drive()
            no_two_live(cloud)
        ticks += 1
        on(cloud)
    kills = [struck for machine in machines for struck in machine.axe.struck]
    runs = {run.id: run for run in here.store.runs()}
    for item in client.items(QUEUE):
        assert item.state in ("CLAIMED", "FAILED") and (item.state == "CLAIMED" or item.error), item
        if item.run_id in runs:
            assert (item.state == "CLAIMED") == (runs[item.run_id].state == "succeeded"), item
    trained = [job.run for job in cloud.jobs if cloud.objects.get((job.run, f"attempts/{job.n}/exit.json"))]
    assert sorted(set(trained)) == sorted(trained), "a run was trained twice"
    assert len(set(trained)) == count - 1, "all but the one that is no run of ours"
    for machine in machines:
        assert not left[machine], f"{machine.state.name} was not killed at {left[machine]}"
    assert set(kills) == set(BOUNDARIES) and (len(kills) == agents * len(BOUNDARIES) or not full)
    figures("queue_agents_killed", items=count, agents=agents, kills=len(kills), jobs=len(cloud.jobs), two_live=0)


@pytest.mark.parametrize(
    "where",
    [
        ("put_new", "after"),
        ("acknowledge", "after"),
        pytest.param(("put", "after"), marks=pytest.mark.long),
        pytest.param(("pop", "after"), marks=pytest.mark.long),
        pytest.param(("put_new", "before"), marks=pytest.mark.long),
        pytest.param(("acknowledge", "before"), marks=pytest.mark.long),
        pytest.param(("adopt", "before"), marks=pytest.mark.long),
    ],
)
def test_an_agent_that_sleeps_over_its_lease_gives_way(
    make: Callable[..., Machine], connect: Callable[[], QueueClient], where: tuple[str, str]
) -> None:
    cloud, client = Cloud(images={"tag"}), connect()
    for item in client.items(QUEUE):
        client.remove(QUEUE, item.id)
    here, one, other = make(cloud, "launches"), make(cloud, "a", slots=1), make(cloud, "b", slots=1, clock_s=-600)
    here.launch("run")
    for _ in range(6):
        here.drive()

    def meanwhile() -> None:
        time.sleep(0.7)  # more than a minute of the sandbox's time
        cloud.now += 90
        for _ in range(3):
            other.poll()
            other.drive()
        no_two_live(cloud)

    one.axe.at, one.axe.meanwhile = where, meanwhile
    deadline = time.monotonic() + 30
    while not (here.run("run").finished and not held(one) and not held(other)):
        assert time.monotonic() < deadline, told(here, [one, other], client)
        for machine in (one, other):
            machine.poll()
            machine.drive()
            slots_are_right(machine)
        here.drive()
        on(cloud)
    assert one.axe.struck == [where] and here.run("run").state == "succeeded"
    assert [job.run for job in cloud.jobs if cloud.objects.get((job.run, f"attempts/{job.n}/exit.json"))] == ["run"]
    assert [(item.run_id, item.state) for item in client.items(QUEUE)] == [("run", "CLAIMED")]


def ended(here: Machine, machines: list[Machine], client: QueueClient, count: int) -> bool:
    if not all(run.finished for run in here.store.runs()) or any(held(machine) for machine in machines):
        return False
    items = client.items(QUEUE)
    return len(items) == count and not any(item.waits for item in items)


def held(machine: Machine) -> int:
    return len(Notebook(machine.state / "agents" / QUEUE).all())


def slots_are_right(machine: Machine) -> None:
    assert machine.agent is not None
    notes = Notebook(machine.state / "agents" / QUEUE).all()
    assert sum(note.takes_slot for note in notes) <= machine.slots, notes


def told(here: Machine, machines: list[Machine], client: QueueClient) -> str:
    waits = [item for item in client.items(QUEUE) if item.waits]
    lines = [f"{machine.state.name}: {held(machine)} held\n" + "\n".join(machine.said[-10:]) for machine in machines]
    return "\n".join([str(waits), *lines, *here.said[-10:]])
