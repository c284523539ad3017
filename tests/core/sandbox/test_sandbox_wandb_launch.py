"""The sandbox's Launch, met by wandb's own client; leases, turns and what is refused, on the wire."""

from __future__ import annotations

import base64
import json
import urllib.error
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from wandb_client import run_client

from arrcoc_core.sandbox import Sandbox, running
from arrcoc_core.sandbox.faults import NoLaunch

LAUNCH = """
import json
import wandb
from wandb.errors import CommError
from wandb.sdk.launch.api import LaunchApi
from wandb.sdk.launch import launch_add

api = LaunchApi()
variables = {
    "gpu": {"schema": {"type": "string", "enum": ["L4", "A100"], "default": "L4"}},
    "count": {"schema": {"type": "integer", "minimum": 1, "maximum": 8, "default": 1}},
}
config = {"spec": {"gpu": "{{gpu}}", "count": "{{count}}", "name": "on-{{count}}-{{gpu}}"}, "run": {}}
made = wandb.Api().upsert_run_queue(
    name="queue", resource_config=config, resource_type="gcp-vertex", entity="sandbox-team",
    template_variables=variables, prioritization_mode="V0",
)
other = wandb.Api().create_run_queue(name="other", type="gcp-vertex", entity="sandbox-team", config={"spec": {}})
queue = wandb.Api().run_queue("sandbox-team", "queue")
found = {
    "id": queue.id == made.id, "type": queue.type, "access": queue.access, "mode": queue.prioritization_mode,
    "config": queue.default_resource_config, "variables": [v["name"] for v in queue.template_variables],
    "queues": [q["name"] for q in api.get_project_run_queues("sandbox-team", "model-registry")],
    "team": api.entity_is_team("sandbox-team"),
}
agent = api.create_launch_agent("sandbox-team", "model-registry", ["queue"], {"max_jobs": 2}, "0.31.0")["launchAgentId"]
pushed = [
    launch_add(
        docker_image="image:1", project="arr-coc", entity="sandbox-team", queue_name="queue", name=f"n{i}",
        run_id=f"run{i}", config={"overrides": {"args": [], "entry_point": ["train"]}},
        template_variables={"count": i + 1}, priority=priority,
    )
    for i, priority in enumerate((2, 0, 2))
]
found["states"] = [run.state for run in pushed]
pop = lambda: api.pop_from_run_queue("queue", "sandbox-team", "model-registry", agent_id=agent)
first = pop()
found["first"] = first["runSpec"]
found["leased"] = pushed[1].state
api.ack_run_queue_item(first["runQueueItemId"], first["runSpec"]["run_id"])
found["claimed"] = pushed[1].state
try:
    api.ack_run_queue_item(first["runQueueItemId"], "again")
except CommError as error:
    found["again"] = str(error)
api.update_run_queue_item_warning(first["runQueueItemId"], "slow", "agent")
second = pop()
found["second"] = second["runSpec"]["run_id"]
api.fail_run_queue_item(second["runQueueItemId"], "no quota", "agent", ["a.log"])
found["failed"] = pushed[0].state
pushed[2].delete()
found["left"] = [item.id for item in queue.items] == [pushed[0].id, pushed[1].id]
found["nothing"] = pop()
api.update_launch_agent_status(agent, "RUNNING")
told = api.get_launch_agent(agent)
found["agent"] = (told["agentStatus"], told["stopPolling"], told["runQueues"] == [made.id])
other.delete()
found["after"] = [q["name"] for q in api.get_project_run_queues("sandbox-team", "model-registry")]
run = wandb.init(project="arr-coc", entity="sandbox-team", id="run1", settings={"silent": True})
run.finish()
found["run"] = api.get_run_state("sandbox-team", "arr-coc", "run1")
found["stopped"] = api.check_stop_requested("arr-coc", "sandbox-team", "run1")
from wandb.sdk.launch.create_job import _create_job
created = [_create_job(api, "image", "image:tag", entity="sandbox-team", project="arr-coc", name="job-x")[1:]
           for _ in range(2)]
found["created"] = created
found["job"] = wandb.Api().job("sandbox-team/arr-coc/job-x:latest")._job_info["source"]
item = launch_add(job="sandbox-team/arr-coc/job-x:tag", project="arr-coc", entity="sandbox-team", queue_name="queue")
found["of a job"] = item.state
open("a.txt", "w").write("hello")
run = wandb.init(project="arr-coc", entity="sandbox-team", id="logs", settings=wandb.Settings(silent=True))
artifact = wandb.Artifact("thing", "dataset", metadata={"rows": 1})
artifact.add_file("a.txt")
run.log_artifact(artifact, aliases=["best"]).wait()
run.finish()
thing = wandb.Api().artifact("sandbox-team/arr-coc/thing:best")
found["thing"] = (thing.version, sorted(thing.aliases), thing.metadata, thing.size, thing.logged_by().id)
found["text"] = open(thing.download(root="got") + "/a.txt").read()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("wandb") / "sandbox") as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def _fair_weather(box: Sandbox) -> Iterator[None]:
    yield
    box.set_scenario([])
    box.box.clock.speed = 1.0


def test_wandbs_own_client_works_a_queue(box: Sandbox, tmp_path: Path) -> None:
    found = json.loads(run_client(box, tmp_path, LAUNCH).splitlines()[-1])
    spec = found.pop("first")
    assert spec["run_id"] == "run1", "the most urgent one comes first"
    assert spec["resource"] == "gcp-vertex" and spec["docker"] == {"docker_image": "image:1"}
    assert spec["resource_args"] == {"gcp-vertex": {"spec": {"gpu": "L4", "count": 2, "name": "on-2-L4"}, "run": {}}}
    assert found.pop("again").startswith("Error acking run queue item")
    config = {"spec": {"gpu": "{{gpu}}", "count": "{{count}}", "name": "on-{{count}}-{{gpu}}"}, "run": {}}
    assert found == {
        "id": True,
        "type": "gcp-vertex",
        "access": "PROJECT",
        "mode": "V0",
        "config": {"resource_args": {"gcp-vertex": config}},
        "variables": ["gpu", "count"],
        "queues": ["queue", "other"],
        "team": True,
        "states": ["pending"] * 3,
        "leased": "leased",
        "claimed": "claimed",
        "second": "run0",
        "failed": "failed",
        "left": True,
        "nothing": None,
        "agent": ["RUNNING", False, True],
        "after": ["queue"],
        "run": "finished",
        "stopped": False,
        "created": [["Created", ["tag", "latest"]], ["No changes detected for", ["tag", "latest"]]],
        "job": {"image": "image:tag"},
        "of a job": "pending",
        "thing": ["v0", ["best", "latest"], {"rows": 1}, 5, "logs"],
        "text": "hello",
    }


class Wire:
    """One queue "q" of a project of its own, asked as any client asks."""

    def __init__(self, box: Sandbox, project: str) -> None:
        self.box = box
        self.place = {"entityName": "sandbox", "projectName": project, "queueName": "q"}
        self.ask("upsertModel", "UpsertModelInput", "inserted", {"entityName": "sandbox", "name": project})
        queue = {"access": "PROJECT", "prioritizationMode": "V0", **self.place}
        self.id = self.ask("createRunQueue", "CreateRunQueueInput", "queueID", queue)["queueID"]

    def ask(self, field: str, kind: str, select: str, given: dict[str, Any]) -> Any:
        answer = self.post(f"mutation ($input: {kind}!) {{ {field}(input: $input) {{ {select} }} }}", input=given)
        return answer["data"][field]

    def post(self, query: str, **variables: Any) -> dict[str, Any]:
        key = Path(self.box.endpoints.keys["WANDB_API_KEY"]).read_text(encoding="utf-8").strip()
        address = f"{self.box.endpoints.services['wandb']}/graphql"
        body = {"query": query, "variables": variables}
        return requests.post(address, json=body, auth=("api", key), timeout=20).json()

    def push(self, name: str, **more: Any) -> str:
        given = {**self.place, "runSpec": json.dumps({"run_id": name}), **more}
        return self.ask("pushToRunQueueByName", "PushToRunQueueByNameInput", "runQueueItemId", given)["runQueueItemId"]

    def pop(self) -> tuple[str, str] | None:
        """(item, the run it is for)"""
        item = self.ask("popFromRunQueue", "PopFromRunQueueInput", "runQueueItemId runSpec", self.place)
        return None if item is None else (item["runQueueItemId"], item["runSpec"]["run_id"])

    def ack(self, item: str) -> bool:
        given = {"runQueueItemId": item, "runName": "r"}
        return self.ask("ackRunQueueItem", "AckRunQueueItemInput", "success", given)["success"]

    def state(self, item: str) -> str:
        query = """query ($p: String!, $i: ID!) { project(name: $p, entityName: "sandbox") {
            runQueue(name: "q") { runQueueItem(id: $i) { state } } } }"""
        project = self.post(query, p=self.place["projectName"], i=item)["data"]["project"]
        return project["runQueue"]["runQueueItem"]["state"]


def test_a_lease_ends_after_a_minute_of_its_time(box: Sandbox) -> None:
    wire = Wire(box, "leases")
    early, late = wire.push("early"), wire.push("late")
    assert wire.pop() == (early, "early") and wire.state(early) == "LEASED"
    box.restart()
    assert wire.state(early) == "LEASED" and wire.pop() == (late, "late") and wire.pop() is None
    assert wire.ack(late)
    box.box.clock.speed = 1e6  # a minute is over at once
    assert wire.state(early) == "PENDING" and not wire.ack(early), "too late"
    again = wire.pop()
    box.box.clock.speed = 1.0
    assert again == (early, "early") and wire.ack(early) and not wire.ack(early)
    box.box.clock.speed = 1e6
    assert wire.state(early) == wire.state(late) == "CLAIMED" and wire.pop() is None


def test_an_item_goes_to_one_of_many(box: Sandbox) -> None:
    wire = Wire(box, "many")
    pushed = [wire.push(f"r{number}") for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        popped = [item for item in pool.map(lambda _: wire.pop(), range(48)) if item is not None]
    assert sorted(item for item, _ in popped) == sorted(pushed)


def test_the_most_urgent_comes_first_then_the_oldest(box: Sandbox) -> None:
    wire = Wire(box, "turns")
    for name, priority in (("a", 3), ("b", 1), ("c", None), ("d", 0), ("e", 1), ("f", 2)):
        wire.push(name, **({} if priority is None else {"priority": priority}))
    assert [wire.pop() for _ in range(7)][-1] is None
    box.box.clock.speed = 1e6  # all come back, in their old places
    turns = [wire.pop() for _ in range(1)]
    box.box.clock.speed = 1.0
    turns += [wire.pop() for _ in range(6)]
    assert [turn and turn[1] for turn in turns] == ["d", "b", "e", "c", "f", "a", None]


def test_what_the_web_page_does(box: Sandbox) -> None:
    wire = Wire(box, "model-registry")
    pushed = box.on_page("wandb", do="push", queue="q", job="sandbox/arr-coc/job-x:v0", run_config={"tokens.keep": 64})
    spec = pushed["run_spec"]
    assert (spec["job"], spec["project"], spec["author"]) == ("sandbox/arr-coc/job-x:v0", "arr-coc", "sandbox")
    assert spec["overrides"] == {"run_config": {"tokens.keep": 64}} and wire.state(pushed["item"]) == "PENDING"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        box.on_page("wandb", do="push", queue="none", job="j")
    agent = {"entityName": "sandbox", "projectName": "model-registry", "runQueues": [wire.id], "hostname": "h"}
    agent_id = wire.ask("createLaunchAgent", "CreateLaunchAgentInput", "launchAgentId", agent)["launchAgentId"]
    box.on_page("wandb", do="stop agent", agent=agent_id)
    look = "query ($id: ID!) { launchAgent(id: $id) { stopPolling agentStatus } }"
    assert wire.post(look, id=agent_id)["data"]["launchAgent"] == {"stopPolling": True, "agentStatus": "POLLING"}
    agents = box.box.service("wandb").world.launch.agents
    held = agents.get(agent_id)
    held.heartbeat -= 301
    agents.put(held)
    assert wire.post(look, id=agent_id)["data"]["launchAgent"]["agentStatus"] == "KILLED"


def test_what_is_refused(box: Sandbox) -> None:
    wire = Wire(box, "refused")
    item = wire.push("r")
    asked = {**wire.place, "runSpec": "{}", "templateVariableValues": '{"gpu": "L4"}'}
    push = "mutation ($i: PushToRunQueueByNameInput!) { pushToRunQueueByName(input: $i) { runQueueItemId } }"
    assert "no template variables" in wire.post(push, i=asked)["errors"][0]["message"]
    assert "not found" in wire.post(push, i={**asked, "queueName": "none"})["errors"][0]["message"]
    assert wire.post(push, i={**asked, "entityName": "others"})["errors"][0]["message"] == "permission denied"
    gone = base64.b64encode(b"RunQueueItem:999999").decode()
    ack = "mutation ($i: AckRunQueueItemInput!) { ackRunQueueItem(input: $i) { success } }"
    assert "not found" in wire.post(ack, i={"runQueueItemId": gone, "runName": "r"})["errors"][0]["message"]
    box.set_scenario([NoLaunch()])
    told = wire.post('{ project(name: "refused") { runQueues { id } } }')["errors"][0]["message"]
    assert told == 'Cannot query field "runQueues" on type "Project".'
    box.set_scenario([])
    assert wire.state(item) == "PENDING"
