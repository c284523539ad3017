"""Query and Mutation: Launch."""

from __future__ import annotations

import json
from typing import Any

from arrcoc_core.sandbox.wandb.graphql import WandbError
from arrcoc_core.sandbox.wandb.launch.agents import Agent
from arrcoc_core.sandbox.wandb.launch.items import Item
from arrcoc_core.sandbox.wandb.launch.queues import Queue
from arrcoc_core.sandbox.wandb.launch.store import Launch
from arrcoc_core.sandbox.wandb.launch.templates import problems, schemas_of
from arrcoc_core.sandbox.wandb.launch.views import agent_view
from arrcoc_core.sandbox.wandb.world import Asked

STATUSES = ("POLLING", "RUNNING", "KILLED")
"""Of an agent (wandb 0.31, sdk/launch/agent/agent.py)."""


class LaunchFields:
    """Mixed into the root, which has `_asked`."""

    _asked: Asked

    @property
    def _launch(self) -> Launch:
        return self._asked.world.launch

    def launch_agent(self, id: str) -> dict[str, Any] | None:
        found = self._launch.agents.get(id)
        return agent_view(self._asked, found) if found and self._asked.readable(found.entity) else None

    def create_default_resource_config(self, input: dict[str, Any]) -> dict[str, Any]:
        self._asked.check_writable(input["entity_name"], "createDefaultResourceConfig")
        variables = schemas_of(_object(input.get("template_variables"), "templateVariables"))
        wrong = problems(variables)
        if wrong:
            raise WandbError(400, "; ".join(wrong))
        config = _object(input["config"], "config")
        made = self._launch.queues.add_config(input["entity_name"], input["resource"], config, variables)
        return {"defaultResourceConfigID": made.id, "success": True}

    def create_run_queue(self, input: dict[str, Any]) -> dict[str, Any]:
        entity, project, name = self._place(input, "createRunQueue")
        if self._launch.queues.find(entity, project, name) is not None:
            raise WandbError(400, f"run queue {name} already exists in {entity}/{project}")
        queue = self._launch.queues.add(entity, project, name, self._asked.caller)
        queue.access = input["access"]
        queue.prioritization = input.get("prioritization_mode") or "DISABLED"
        queue.config_id = input.get("default_resource_config_id")
        self._launch.queues.put(queue)
        return {"success": True, "queueID": queue.id}

    def upsert_run_queue(self, input: dict[str, Any]) -> dict[str, Any]:
        entity, project, name = self._place(input, "upsertRunQueue")
        queues = self._launch.queues
        variables = schemas_of(_object(input.get("template_variables"), "templateVariables"))
        config = _object(input["resource_config"], "resourceConfig")
        wrong = problems(variables)
        if wrong:
            return {"success": False, "configSchemaValidationErrors": wrong}
        queue = queues.find(entity, project, name) or queues.add(entity, project, name, self._asked.caller)
        queue.config_id = queues.add_config(entity, input["resource_type"], config, variables).id
        queue.prioritization = input.get("prioritization_mode") or queue.prioritization
        if input.get("external_links") is not None:
            queue.links = _object(input["external_links"], "externalLinks")
        queues.put(queue)
        return {"success": True, "configSchemaValidationErrors": []}

    def delete_run_queues(self, input: dict[str, Any]) -> dict[str, Any]:
        for queue_id in input["queue_ids"]:
            self._launch.delete_queue(self._queue_by_id(queue_id, "deleteRunQueues"))
        return {"success": True}

    def push_to_run_queue(self, input: dict[str, Any]) -> dict[str, Any]:
        return {"runQueueItemId": self._push(self._queue_by_id(input["queue_id"], "pushToRunQueue"), input).id}

    def push_to_run_queue_by_name(self, input: dict[str, Any]) -> dict[str, Any]:
        item = self._push(self._queue(input, "pushToRunQueueByName"), input)
        return {"runQueueItemId": item.id, "runSpec": json.dumps(item.spec)}

    def pop_from_run_queue(self, input: dict[str, Any]) -> dict[str, Any] | None:
        queue = self._queue(input, "popFromRunQueue")
        agent_id = input.get("launch_agent_id")
        if agent_id:
            self._launch.agents.beat(self._agent(agent_id, "popFromRunQueue"))
        item = self._launch.items.pop(queue, agent_id)
        return None if item is None else {"runQueueItemId": item.id, "runSpec": item.spec}

    def ack_run_queue_item(self, input: dict[str, Any]) -> dict[str, Any]:
        item = self._item(input["run_queue_item_id"], "ackRunQueueItem")
        return {"success": self._launch.items.acknowledge(item, input["run_name"])}

    def fail_run_queue_item(self, input: dict[str, Any]) -> dict[str, Any]:
        item = self._item(input["run_queue_item_id"], "failRunQueueItem")
        item.state, item.error = "FAILED", _told(input)
        self._launch.items.put(item)
        return {"success": True}

    def update_run_queue_item_warning(self, input: dict[str, Any]) -> dict[str, Any]:
        item = self._item(input["run_queue_item_id"], "updateRunQueueItemWarning")
        item.warnings.append(_told(input))
        self._launch.items.put(item)
        return {"success": True}

    def delete_from_run_queue(self, input: dict[str, Any]) -> dict[str, Any]:
        queue = self._queue_by_id(input["queue_id"], "deleteFromRunQueue")
        item = self._item(input["run_queue_item_id"], "deleteFromRunQueue")
        if item.queue != queue.id:
            raise WandbError(404, f"run queue item {item.id} not found in {queue.name}")
        self._launch.items.delete(item)
        return {"success": True}

    def create_launch_agent(self, input: dict[str, Any]) -> dict[str, Any]:
        entity, project = input["entity_name"], input["project_name"]
        self._asked.check_writable(entity, "createLaunchAgent")
        for queue_id in input["run_queues"]:
            self._queue_by_id(queue_id, "createLaunchAgent")
        config, version = input.get("agent_config"), input.get("version")
        agent = self._launch.agents.add(entity, project, input["hostname"], input["run_queues"], config, version)
        return {"launchAgentId": agent.id}

    def update_launch_agent(self, input: dict[str, Any]) -> dict[str, Any]:
        agent = self._agent(input["launch_agent_id"], "updateLaunchAgent")
        status = input.get("agent_status") or agent.status
        if status not in STATUSES:
            raise WandbError(400, f"invalid agent status: {status}")
        agent.status = status
        self._launch.agents.beat(agent)
        return {"success": True}

    def _place(self, input: dict[str, Any], what: str) -> tuple[str, str, str]:
        """Entity, project and name of a queue; the caller may write there, and the project is there."""
        entity, project, name = input["entity_name"], input["project_name"], input["queue_name"]
        self._asked.check_writable(entity, what)
        if self._asked.world.project(entity, project) is None:
            raise WandbError(404, f"project {entity}/{project} not found during {what}")
        return entity, project, name

    def _push(self, queue: Queue, input: dict[str, Any]) -> Item:
        spec = _object(input["run_spec"], "runSpec")
        values = _object(input.get("template_variable_values"), "templateVariableValues")
        return self._launch.push(queue, spec, values, input.get("priority"))

    def _queue(self, input: dict[str, Any], what: str) -> Queue:
        entity, project, name = input["entity_name"], input["project_name"], input["queue_name"]
        self._asked.check_writable(entity, what)
        found = self._launch.queues.find(entity, project, name)
        if found is None:
            raise WandbError(404, f"run queue {name} not found in {entity}/{project} during {what}")
        return found

    def _queue_by_id(self, queue_id: str, what: str) -> Queue:
        found = self._launch.queues.get(queue_id)
        if found is None:
            raise WandbError(404, f"run queue {queue_id} not found during {what}")
        self._asked.check_writable(found.entity, what)
        return found

    def _item(self, item_id: str, what: str) -> Item:
        item = self._launch.items.get(item_id)
        if item is None:
            raise WandbError(404, f"run queue item {item_id} not found during {what}")
        self._queue_by_id(item.queue, what)
        return item

    def _agent(self, agent_id: str, what: str) -> Agent:
        found = self._launch.agents.get(agent_id)
        if found is None:
            raise WandbError(404, f"launch agent {agent_id} not found during {what}")
        self._asked.check_writable(found.entity, what)
        return found


def _told(input: dict[str, Any]) -> dict[str, Any]:
    return {"message": input["message"], "stage": input["stage"], "filePaths": input.get("file_paths") or []}


def _object(text: str | None, field: str) -> dict[str, Any]:
    try:
        held: Any = json.loads(text or "{}")
    except ValueError:
        held = None
    if not isinstance(held, dict):
        raise WandbError(400, f"{field} must be a JSON object")
    return held  # pyright: ignore[reportUnknownVariableType]
