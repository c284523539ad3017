"""A W&B Launch queue: made, verified, filled, emptied, removed. One request for each method, but where it says so.

    client = QueueClient.of(settings)          the server, the key and the entity of the settings
    client.ensure("vertex-ai-queue", wanted_setup(settings))
    item = client.push("vertex-ai-queue", spec, values)

Asked by GraphQL through `WandbClient`, without importing wandb: the documents and where they come from are in
documents.py. Every method raises CloudError; a server that has no Launch is one with scope "invalid" that says so. What
changes something is sent once: whether it was done although its answer was lost is for the caller to find out.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from arrcoc_core.accounts.wandb_client import WandbClient
from arrcoc_core.errors import CloudError
from arrcoc_core.queue import documents
from arrcoc_core.queue.asking import Document, LaunchServer, inside
from arrcoc_core.queue.records import Item, LaunchAgent, QueueSetup, agent_of, item_of, mapping, setup_of
from arrcoc_core.queue.shape import differences

if TYPE_CHECKING:
    from arrcoc_core.settings import Settings

PAGE = 100
MOST_PAGES = 20
"""2,000 items; more than that are not looked at."""


class Popped(NamedTuple):
    item_id: str
    spec: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verified:
    """What `verify` found. foreign: there is a queue of that name for something else than Vertex AI."""

    state: Literal["ok", "missing", "different", "foreign"]
    detail: str = ""
    ours: bool = False
    """It bears our owner's label: `arrcoc setup` has made it."""


class QueueClient(LaunchServer):
    def __init__(self, client: WandbClient, entity: str = "") -> None:
        super().__init__(client, entity)
        self._ids: dict[str, str] = {}

    @staticmethod
    def of(settings: Settings) -> QueueClient:
        """CloudError (scope "auth") where this machine has no key."""
        return QueueClient(WandbClient.of(settings), str(settings.get("WANDB_ENTITY")))

    # The queue itself

    def queue_id(self, queue: str) -> str:
        """By which agents name it; as it was when it was seen last, "" where there is none."""
        if queue not in self._ids:
            self._queue(documents.QUEUE, queue)
        return self._ids.get(queue, "")

    def setup(self, queue: str) -> QueueSetup | None:
        """What it is set up as; None where there is none of that name. Two requests."""
        held = self._queue(documents.QUEUE, queue)
        if held is None:
            return None
        config_id = held.get("defaultResourceConfigID")
        if config_id is None:
            return setup_of(str(held["id"]), None)
        answer = self.ask(documents.RESOURCE_CONFIG, {"entityName": self.entity, "id": config_id})
        return setup_of(str(held["id"]), inside(answer, "entity", "defaultResourceConfig"))

    def verify(self, queue: str, wanted: QueueSetup) -> Verified:
        """Whether it is there, and as `wanted`. Changes nothing."""
        found = self.setup(queue)
        if found is None:
            return Verified("missing", f"{self.entity} has no queue {queue}")
        if found.resource not in ("", documents.RESOURCE):
            return Verified("foreign", f"{self.entity}/{queue} is for {found.resource}, not for Vertex AI")
        ours = _owner(found) == _owner(wanted)
        what = differences(wanted, found)
        if what:
            return Verified("different", f"not as arrcoc makes it: {', '.join(what)}", ours)
        return Verified("ok", f"{self.entity}/{queue}, {found.resource}", ours)

    def ensure(self, queue: str, wanted: QueueSetup) -> Verified:
        """Create it or make it right, and read it back. One of another kind is left as it is: foreign."""
        found = self.verify(queue, wanted)
        if found.state in ("ok", "foreign"):
            return found
        project = {"entityName": self.entity, "name": documents.PROJECT}
        self.change(documents.CREATE_PROJECT, {"input": project})
        variables = {
            **self._place(queue),
            "resourceType": wanted.resource,
            "resourceConfig": json.dumps({"resource_args": {wanted.resource: wanted.config}}),
            "templateVariables": json.dumps({name: {"schema": one} for name, one in wanted.variables.items()}),
            "prioritizationMode": "DISABLED",
        }
        result = inside(self.change(documents.UPSERT_QUEUE, variables), "upsertRunQueue")
        if not inside(result, "success"):
            said = "; ".join(str(one) for one in inside(result, "configSchemaValidationErrors") or ())
            raise CloudError(f"W&B did not make the queue {queue}{f': {said}' if said else ''}", scope="internal")
        found = self.verify(queue, wanted)
        if found.state != "ok":
            raise CloudError(f"the queue {queue} was made, and reads back otherwise: {found.detail}", scope="internal")
        return found

    def delete(self, queue: str) -> bool:
        """Remove it with all its items; False where there was none. Two requests."""
        held = self._queue(documents.QUEUE, queue)
        if held is None:
            return False
        self.change(documents.DELETE_QUEUE, {"id": str(held["id"])})
        return True

    # Items

    def push(self, queue: str, spec: Mapping[str, Any], values: Mapping[str, Any] | None = None) -> str:
        """Put an item into the queue; its id. CloudError "not-found" where there is no such queue."""
        variables = {**self._place(queue), "runSpec": json.dumps(spec)}
        if values is not None:
            variables["templateVariableValues"] = json.dumps(values)
        result = inside(self.change(documents.PUSH, variables), "pushToRunQueueByName")
        if not result:
            raise self._no_queue(queue)
        return str(result["runQueueItemId"])

    def items(self, queue: str) -> list[Item]:
        """Every item, oldest first; one request for each PAGE of them. CloudError "not-found" without the queue."""
        found: list[Item] = []
        after: str | None = None
        for _ in range(MOST_PAGES):
            held = self._queue(documents.items, queue, {"first": PAGE, "after": after})
            if held is None:
                raise self._no_queue(queue)
            listed = held["runQueueItems"]
            found += [item_of(edge["node"]) for edge in listed["edges"]]
            after = inside(listed, "pageInfo", "endCursor")
            if not inside(listed, "pageInfo", "hasNextPage") or not after:
                break
        return sorted(found, key=lambda item: (item.created_at or 0.0, item.id))

    def item(self, queue: str, item_id: str) -> Item | None:
        """None where it is not there any more, or the queue is not."""
        node = inside(self._queue(documents.item, queue, {"itemId": item_id}), "runQueueItem")
        return None if node is None else item_of(node)

    def remove(self, queue: str, item_id: str) -> None:
        """Take an item out of the queue; nothing happens where it is not there. Two requests."""
        held = self._queue(documents.QUEUE, queue)
        if held is None:
            return
        try:
            self.change(documents.REMOVE, {"queueID": str(held["id"]), "runQueueItemId": item_id})
        except CloudError as error:
            if error.scope != "not-found":
                raise

    # What an agent does

    def register(self, queue: str, config: Mapping[str, Any], version: str) -> str:
        """Become an agent of this queue; its id. Two requests."""
        held = self._queue(documents.QUEUE, queue)
        if held is None:
            raise self._no_queue(queue)
        variables = {
            "entity": self.entity,
            "project": documents.PROJECT,
            "queues": [str(held["id"])],
            "hostname": socket.gethostname(),
            "agentConfig": json.dumps(config),
            "version": version,
        }
        return str(inside(self.change(documents.CREATE_AGENT, variables), "createLaunchAgent", "launchAgentId"))

    def heartbeat(self, agent_id: str, status: str) -> None:
        self.ask(documents.UPDATE_AGENT, {"agentId": agent_id, "agentStatus": status})

    def agent(self, agent_id: str) -> LaunchAgent | None:
        node = inside(self.ask(documents.agent, {"agentId": agent_id}), "launchAgent")
        return None if node is None else agent_of(node)

    def agents(self) -> list[LaunchAgent]:
        """Every agent of the entity, dead ones, too."""
        answer = self.ask(documents.agents, {"entity": self.entity, "projectName": documents.PROJECT})
        return [agent_of(node) for node in inside(answer, "project", "launchAgents") or ()]

    def pop(self, queue: str, agent_id: str) -> Popped | None:
        """Lease the next item; None where nothing waits. Not acknowledged, it is back in the queue after a minute."""
        variables = {
            "entity": self.entity,
            "project": documents.PROJECT,
            "queueName": queue,
            "launchAgentId": agent_id,
        }
        result = inside(self.change(documents.POP, variables), "popFromRunQueue")
        item_id = inside(result, "runQueueItemId")
        return Popped(str(item_id), mapping(inside(result, "runSpec"))) if item_id else None

    def acknowledge(self, item_id: str, run_id: str) -> bool:
        """False where the server does not take it: acknowledged before, by whomever, or not leased any more."""
        answer = self.change(documents.ACKNOWLEDGE, {"itemId": item_id, "runId": run_id})
        return bool(inside(answer, "ackRunQueueItem", "success"))

    def fail(self, item_id: str, message: str, stage: Literal["agent", "run"]) -> bool:
        """Say why an item could not be run ("agent"), or how its run ended ("run")."""
        answer = self.change(documents.FAIL, {"runQueueItemId": item_id, "message": message, "stage": stage})
        return bool(inside(answer, "failRunQueueItem", "success"))

    def run_states(self, project: str, run_ids: Sequence[str]) -> dict[str, str]:
        """The states of those runs that W&B knows, such as "running" or "finished"; one request for all of them."""
        if not run_ids:
            return {}
        variables = {"entity": self.entity, "project": project, **{f"r{n}": one for n, one in enumerate(run_ids)}}
        held: dict[str, Any] = inside(self.ask(documents.run_states(len(run_ids)), variables), "project") or {}
        return {str(node["name"]): str(node["state"]) for node in held.values() if node is not None}

    def _place(self, queue: str) -> dict[str, str]:
        return {"entityName": self.entity, "projectName": documents.PROJECT, "queueName": queue}

    def _queue(self, document: Document, queue: str, more: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        named = {"entityName": self.entity, "projectName": documents.PROJECT, "runQueue": queue}
        held: dict[str, Any] | None = inside(self.ask(document, {**named, **(more or {})}), "project", "runQueue")
        if held is not None:
            self._ids[queue] = str(held["id"])
        return held

    def _no_queue(self, queue: str) -> CloudError:
        return CloudError(
            f"{self.entity} has no queue {queue} at {self.client.url}",
            scope="not-found",
            remedy="arrcoc setup   makes it",
        )


def _owner(setup: QueueSetup) -> Any:
    return inside(setup.config, "spec", "labels", "arrcoc_owner")
