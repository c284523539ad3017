"""The queue's client against the sandbox's W&B, over loopback."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from arrcoc_core.errors import CloudError
from arrcoc_core.experiment import Vertex
from arrcoc_core.queue import documents
from arrcoc_core.queue.client import QueueClient
from arrcoc_core.queue.shape import Choice, choice_of, values_for, wanted_setup
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import LostAck, NoLaunch, PermissionDenied, RateLimited, Unavailable
from arrcoc_core.settings import Settings
from tests.core.queue.bench import QUEUE


def test_a_queue_is_made_verified_made_right_and_removed(box: Sandbox, settings: Settings) -> None:
    client, wanted = QueueClient.of(settings), wanted_setup(settings)
    assert client.verify("new", wanted).state == "missing"
    made = client.ensure("new", wanted)
    assert (made.state, made.ours) == ("ok", True) and client.entity == "sandbox"
    before = len(box.requests())
    assert client.ensure("new", wanted).state == "ok"
    assert not [one for one in box.requests()[before:] if one["mutating"]], "what is right is left alone"
    fewer = {name: one for name, one in wanted.variables.items() if name != "spot"}
    client.change(documents.UPSERT_QUEUE, upsert("new", wanted.resource, wanted.config, fewer))
    found = client.verify("new", wanted)
    assert found == replace(made, state="different", detail="not as arrcoc makes it: no template variable spot")
    client.ensure("new", wanted)
    defaults = {
        name: {**one, "default": "L4" if name == "gpu" else one["default"]} for name, one in wanted.variables.items()
    }
    client.change(documents.UPSERT_QUEUE, upsert("new", wanted.resource, wanted.config, defaults))
    assert client.verify("new", wanted).state == "ok", "another default is a person's choice"
    assert client.delete("new") and not client.delete("new") and client.setup("new") is None


def upsert(name: str, resource: str, config: object, variables: object) -> dict[str, object]:
    return {
        "entityName": "sandbox",
        "projectName": documents.PROJECT,
        "queueName": name,
        "resourceType": resource,
        "resourceConfig": json.dumps({"resource_args": {resource: config}}),
        "templateVariables": json.dumps(variables),
    }


def test_a_queue_for_something_else_is_left_as_it_is(client: QueueClient, settings: Settings) -> None:
    client.change(documents.UPSERT_QUEUE, upsert("cluster", "kubernetes", {"spec": {}}, {}))
    for act in (client.verify, client.ensure):
        found = act("cluster", wanted_setup(settings))
        assert found.state == "foreign" and "kubernetes" in found.detail and not found.ours
    client.delete("cluster")


def test_an_item_goes_its_way(client: QueueClient) -> None:
    values = values_for(Vertex(gpu="A100", count=2, spot=False, regions=("us-east4", "us-central1")), "us-central1")
    first = client.push(QUEUE, {"run_id": "r1", "docker": {"docker_image": "i"}}, values)
    client.push(QUEUE, {"run_id": "r2", "docker": {"docker_image": "i"}})
    assert [(one.run_id, one.state) for one in client.items(QUEUE)] == [("r1", "PENDING"), ("r2", "PENDING")]
    agent = client.register(QUEUE, {"max_jobs": 3}, "arrcoc@0")
    popped = client.pop(QUEUE, agent)
    assert popped is not None and popped.item_id == first
    assert choice_of(popped.spec) == Choice("A100", 2, False, ("us-east4", "us-central1"))
    held = client.item(QUEUE, first)
    assert held is not None and (held.state, held.agent_id) == ("LEASED", agent)
    assert client.acknowledge(first, "r1") and not client.acknowledge(first, "other")
    assert client.fail(first, "it broke. Mend it.", "run")
    held = client.item(QUEUE, first)
    assert held is not None and (held.state, held.error, held.run_id) == ("FAILED", "it broke. Mend it.", "r1")
    client.remove(QUEUE, first)
    client.remove(QUEUE, first)
    assert client.item(QUEUE, first) is None
    assert client.pop(QUEUE, agent) is not None and client.pop(QUEUE, agent) is None
    known = client.agent(agent)
    assert known is not None and (known.slots, known.version, known.status) == (3, "arrcoc@0", "POLLING")
    client.heartbeat(agent, "RUNNING")
    assert agent in [one.id for one in client.agents() if one.status == "RUNNING"]


def test_a_lease_that_is_not_acknowledged_ends(client: QueueClient) -> None:
    item = client.push(QUEUE, {"run_id": "r", "docker": {"docker_image": "i"}})
    assert client.pop(QUEUE, client.register(QUEUE, {}, "")) is not None
    time.sleep(0.08)  # a minute of the sandbox's time, and more
    held = client.item(QUEUE, item)
    assert held is not None and held.state == "PENDING" and not client.acknowledge(item, "r")


def test_every_item_is_listed_page_by_page(client: QueueClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arrcoc_core.queue.client.PAGE", 3)
    for n in range(7):
        client.push(QUEUE, {"run_id": f"r{n}", "docker": {"docker_image": "i"}})
    assert [one.run_id for one in client.items(QUEUE)] == [f"r{n}" for n in range(7)]


def test_the_servers_clock_and_not_this_one_dates_what_waits(client: QueueClient) -> None:
    client.push(QUEUE, {"run_id": "r", "docker": {"docker_image": "i"}})
    (item,) = client.items(QUEUE)
    assert item.created_at is not None and client.client.server_time is not None
    assert abs(client.server_now - item.created_at) < 5


@pytest.mark.parametrize(
    "act",
    [
        lambda client, settings: client.setup(QUEUE),
        lambda client, settings: client.ensure(QUEUE, wanted_setup(settings)),
        lambda client, settings: client.push(QUEUE, {"run_id": "r"}),
        lambda client, settings: client.items(QUEUE),
        lambda client, settings: client.agents(),
        lambda client, settings: client.pop(QUEUE, "a"),
    ],
)
def test_a_server_without_launch_says_so_and_what_to_do(
    box: Sandbox, client: QueueClient, settings: Settings, act: Callable[[QueueClient, Settings], object]
) -> None:
    box.set_scenario([NoLaunch()])
    with pytest.raises(CloudError) as caught:
        act(client, settings)
    assert "has no Launch" in caught.value.message and "compute=Vertex(...)" in caught.value.remedy
    assert caught.value.data["reason"] == "NO_LAUNCH"


def test_without_the_queue_or_the_right_to_it_the_repair_is_named(
    box: Sandbox, client: QueueClient, settings: Settings
) -> None:
    for act in (
        lambda: client.items("none"),
        lambda: client.push("none", {"run_id": "r"}),
        lambda: client.register("none", {}, ""),
    ):
        with pytest.raises(CloudError) as caught:
            act()
        assert caught.value.scope == "not-found"
    others = QueueClient(client.client, "others")
    with pytest.raises(CloudError) as caught:
        others.ensure(QUEUE, wanted_setup(settings))
    assert caught.value.scope == "permission"


def test_questions_are_asked_again_and_changes_are_not(box: Sandbox, client: QueueClient) -> None:
    box.set_scenario([Unavailable(service="wandb", times=1), RateLimited(service="wandb", retry_after_s=0.1)])
    assert client.items(QUEUE) == []
    box.set_scenario([LostAck(method="pushToRunQueueByName", times=1)])
    with pytest.raises(CloudError) as caught:
        client.push(QUEUE, {"run_id": "r", "docker": {"docker_image": "i"}})
    assert caught.value.scope == "offline"
    assert [one.run_id for one in client.items(QUEUE)] == ["r"], "it was done, once"
    box.set_scenario([PermissionDenied(method="ackRunQueueItem")])
    with pytest.raises(CloudError) as caught:
        client.acknowledge(client.items(QUEUE)[0].id, "r")
    assert caught.value.scope == "permission"
