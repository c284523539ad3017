"""A run that waits in the queue: one item whatever happens, a reason when it waits, and none left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arrcoc_core.queue.client import QueueClient
from arrcoc_core.records import Event
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import LostAck, Outage, RateLimited
from arrcoc_core.settings import Settings
from tests.core.queue.bench import QUEUE, Cloud, Machine


@pytest.fixture
def make(
    tmp_path: Path, settings: Settings, client: QueueClient, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Machine]]:
    """`make("name", slots=1)`: a machine in a world of its own cloud, all at the same empty queue."""
    monkeypatch.setattr("arrcoc_core.targets.wandb_launch.LOOK_S", 0.0)
    cloud = Cloud(images={"tag"})
    made: list[Machine] = []

    def new(name: str = "here", **how: float) -> Machine:
        made.append(Machine(tmp_path / name, cloud, lambda: QueueClient.of(settings), **how))  # pyright: ignore[reportArgumentType]
        return made[-1]

    yield new
    for machine in made:
        machine.store.close()
        machine.client.client.close()


Make = Callable[..., Machine]


def queued(machine: Machine, run_id: str = "r") -> Machine:
    """Its run has been pushed and waits."""
    machine.launch(run_id)
    for _ in range(6):
        machine.drive()
    assert machine.run(run_id).state == "preparing" and detail(machine, run_id) == "first in the queue vertex-ai-queue"
    return machine


def detail(machine: Machine, run_id: str = "r") -> str:
    return str((machine.run(run_id).preparation or {})["detail"])


def cancel(machine: Machine, run_id: str = "r") -> None:
    machine.store.append([Event(run_id, "cancel_requested", machine.clock(), cause="by the user")])


def test_the_item_says_what_wandb_shows_of_it(make: Make, client: QueueClient) -> None:
    queued(make())
    (item,) = client.items(QUEUE)
    assert (item.run_id, item.spec["resource"], item.spec["docker"]) == (
        "r",
        "gcp-vertex",
        {"docker_image": "image@tag"},
    )
    overrides = item.spec["overrides"]
    assert overrides["entry_point"] == ["python", "-m", "training.train"] and overrides["args"] == ["gs://runs/runs/r"]
    assert overrides["run_config"] == {"name": "r"}


def test_nothing_is_submitted_before_an_agent_has_taken_it(make: Make, client: QueueClient) -> None:
    here, agent = queued(make()), make("agent", slots=1)
    assert here.cloud.jobs == []
    agent.poll()
    here.drive()
    assert detail(here).startswith("taken by agent ")
    for _ in range(3):
        here.drive()
        agent.drive()
    assert len(here.cloud.jobs) == 1 and here.run("r").state in ("starting", "running")


def test_a_lost_answer_or_a_kill_makes_no_second_item(box: Sandbox, make: Make, client: QueueClient) -> None:
    here = make()
    box.set_scenario([LostAck(method="pushToRunQueueByName", times=1)])
    here.launch("r")
    for _ in range(8):
        here.drive()
    assert [item.run_id for item in client.items(QUEUE)] == ["r"] and not here.run("r").problem
    for when in ("before", "after"):
        here.axe.at = ("push", when)
        here.launch(f"s-{when}")
        for _ in range(8):
            here.drive()
    assert [item.run_id for item in client.items(QUEUE)] == ["r", "s-before", "s-after"]


def test_an_item_too_many_is_removed_or_let_go(make: Make, client: QueueClient) -> None:
    here, agent = queued(make()), make("agent", slots=3)
    client.push(QUEUE, dict(client.items(QUEUE)[0].spec))
    here.drive()
    assert len(client.items(QUEUE)) == 1, "the launching machine removes the younger one"
    agent.poll()
    client.push(QUEUE, dict(client.items(QUEUE)[0].spec))
    agent.poll()
    assert [item.state for item in client.items(QUEUE)] == ["CLAIMED"] and agent.agent is not None
    assert agent.agent.busy == 1


def test_after_a_minute_the_reason_is_named_and_nothing_is_written_while_it_stays(make: Make) -> None:
    here = queued(make())
    here.cloud.now += 61
    here.drive()
    assert detail(here) == "first in the queue vertex-ai-queue: no agent polls the queue"
    assert "arrcoc agent --detach" in (here.run("r").preparation or {})["todo"]
    before = here.store.changes_token()
    for _ in range(3):
        here.cloud.now += 300
        here.drive()
    assert here.store.changes_token() == before


def test_the_reason_names_the_busy_agent_and_what_it_is_busy_with(make: Make) -> None:
    here, agent = queued(make(), "first"), make("agent", slots=1)
    agent.poll()
    here.launch("second")
    for _ in range(6):
        here.drive()
    here.cloud.now += 61
    here.drive()
    assert detail(here, "second").endswith("is busy with first") and "the slot of agent" in detail(here, "second")


@pytest.mark.parametrize("taken", [False, True])
def test_a_run_that_is_cancelled_leaves_no_orphan(make: Make, client: QueueClient, taken: bool) -> None:
    here, agent = queued(make()), make("agent", slots=1)
    if taken:
        agent.poll()
        for _ in range(4):
            here.drive()
    cancel(here)
    for _ in range(6):
        here.drive()
        here.cloud.finish_cancelling()
        here.cloud.now += 40
    assert here.run("r").state == "cancelled"
    left = [(item.state, item.error) for item in client.items(QUEUE)]
    assert left == ([("FAILED", "cancelled: by the user")] if taken else [])
    for _ in range(12):
        agent.poll()
        agent.drive()
    assert agent.agent is not None and agent.agent.busy == 0 and here.cloud.live("r") == []


def test_an_item_that_was_popped_while_its_run_was_cancelled_is_not_run(make: Make, client: QueueClient) -> None:
    here, agent = queued(make()), make("agent", slots=1)
    agent.axe.at, agent.axe.meanwhile = ("put", "after"), lambda: (cancel(here), here.drive(), here.drive())  # pyright: ignore[reportAttributeAccessIssue]
    agent.poll()
    agent.poll()
    assert agent.axe.struck and here.cloud.jobs == [] and not [item for item in client.items(QUEUE) if item.waits]
    assert agent.store.runs() == []


def test_a_launch_whose_image_fails_has_never_been_in_the_queue(make: Make, client: QueueClient) -> None:
    here = make()
    here.cloud.images.clear()
    here.launch("r")
    for _ in range(3):
        here.drive()
    here.cloud.builds[0].state = "failed"
    for _ in range(3):
        here.drive()
    assert here.run("r").state == "failed" and client.items(QUEUE) == []


def test_an_item_that_was_removed_at_wandb_ends_the_run(make: Make, client: QueueClient) -> None:
    here = queued(make())
    client.remove(QUEUE, client.items(QUEUE)[0].id)
    for _ in range(4):
        here.drive()
    run = here.run("r")
    assert run.state == "failed" and run.cause == "its item was removed from the queue vertex-ai-queue"


def test_an_item_that_somebody_elses_agent_takes_ends_the_run_and_says_so(make: Make, client: QueueClient) -> None:
    here = queued(make())
    popped = client.pop(QUEUE, client.register(QUEUE, {}, "wandb@0.31.0"))
    assert popped is not None and client.acknowledge(popped.item_id, "r")
    for _ in range(4):
        here.drive()
    assert here.run("r").state == "failed" and "an agent that is not arrcoc's" in here.run("r").cause
    assert "Stop that agent" in here.run("r").remedy
    assert [item.state for item in client.items(QUEUE)] == ["FAILED"]


def test_an_item_that_an_agent_refuses_ends_the_run_with_the_reason(make: Make, client: QueueClient) -> None:
    here, agent = queued(make()), make("agent", slots=1)
    del here.cloud.objects["r", "plan.json"]
    agent.poll()
    for _ in range(3):
        here.drive()
    assert here.run("r").state == "failed"
    assert here.run("r").cause == (
        "it was refused in the queue vertex-ai-queue: its run's folder is not there. Launch it again."
    )


def test_a_run_that_fails_fails_its_item_with_cause_and_remedy(make: Make, client: QueueClient) -> None:
    here, agent = queued(make()), make("agent", slots=1)
    here.cloud.create_scope = dict.fromkeys(("us-central1", "europe-west4"), "quota")
    for _ in range(12):
        agent.poll()
        agent.drive()
        here.drive()
        here.cloud.now += 3
    assert here.run("r").state == "failed" and agent.agent is not None and agent.agent.busy == 0
    assert [(item.state, item.error) for item in client.items(QUEUE)] == [("FAILED", "failed: refused. ask for more")]


def test_without_the_queue_a_launch_fails_and_says_what_makes_it(make: Make, client: QueueClient) -> None:
    client.delete(QUEUE)
    here = make()
    here.launch("r")
    for _ in range(8):
        here.drive()
    assert here.run("r").state == "failed" and "no queue vertex-ai-queue" in here.run("r").cause
    assert "arrcoc setup" in here.run("r").remedy


def test_an_outage_of_wandb_is_waited_out_and_hinders_no_run_that_was_taken(
    box: Sandbox, make: Make, client: QueueClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arrcoc_core.queue.asking.PATIENCE_S", 0.0)
    here, agent = queued(make()), make("agent", slots=1)
    box.set_scenario([Outage(service="wandb", seconds=1e6)])
    here.drive()
    assert "cannot be reached" in here.run("r").problem and here.run("r").state == "preparing"
    agent.poll()
    box.set_scenario([])
    here.drive()
    assert not here.run("r").problem
    agent.poll()
    box.set_scenario([Outage(service="wandb", seconds=1e6)])
    for _ in range(6):
        here.drive()
    assert here.run("r").state == "starting" and not here.run("r").problem
    agent.drive()
    agent.poll()
    assert agent.agent is not None and agent.agent.busy == 1 and any("cannot be reached" in line for line in agent.said)


def test_a_server_that_asks_to_be_left_alone_is(box: Sandbox, make: Make, client: QueueClient) -> None:
    here = queued(make())
    box.set_scenario([RateLimited(service="wandb", retry_after_s=60)])
    here.drive()
    asked = len(box.requests())
    for _ in range(5):
        here.drive()
    assert len(box.requests()) == asked and detail(here) == "first in the queue vertex-ai-queue"
