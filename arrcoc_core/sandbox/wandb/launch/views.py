"""Queues, items and agents as GraphQL shows them."""

from __future__ import annotations

import json
from typing import Any

from arrcoc_core.sandbox.wandb.launch.agents import Agent
from arrcoc_core.sandbox.wandb.launch.items import Item
from arrcoc_core.sandbox.wandb.launch.queues import Queue, ResourceConfig
from arrcoc_core.sandbox.wandb.views import exact_timestamp, offset_of, page, page_size
from arrcoc_core.sandbox.wandb.world import Asked, Project


class LaunchOfProject:
    """Mixed into a project's view."""

    _asked: Asked
    _project: Project

    def run_queues(self) -> list[QueueView]:
        found = self._asked.world.launch.queues.of(self._project.entity, self._project.name)
        return [QueueView(self._asked, queue) for queue in found]

    def run_queue(self, name: str) -> QueueView | None:
        found = self._asked.world.launch.queues.find(self._project.entity, self._project.name, name)
        return None if found is None else QueueView(self._asked, found)

    def launch_agents(self) -> list[dict[str, Any]]:
        found = self._asked.world.launch.agents.of(self._project.entity, self._project.name)
        return [agent_view(self._asked, agent) for agent in found]


class QueueView:
    def __init__(self, asked: Asked, queue: Queue) -> None:
        self._launch = asked.world.launch
        self._queue = queue
        self.id = queue.id
        self.name = queue.name
        self.created_by = queue.created_by
        self.created_at = exact_timestamp(queue.created)
        self.access = queue.access
        self.prioritization_mode = queue.prioritization
        self.default_resource_config_id = queue.config_id
        self.external_links = queue.links

    def default_resource_config(self) -> dict[str, Any] | None:
        found = self._launch.queues.config(self._queue.config_id)
        return None if found is None else config_view(found)

    def run_queue_item(self, id: str) -> dict[str, Any] | None:
        found = self._launch.items.get(id)
        return item_view(found) if found is not None and found.queue == self._queue.id else None

    def run_queue_items(self, first: int | None = None, after: str | None = None) -> dict[str, Any]:
        start, size = offset_of(after), page_size(first)
        found = self._launch.items.of(self._queue, size, start)
        return page(found, item_view, start, self._launch.items.count(self._queue))


def item_view(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "state": item.state,
        "associatedRunId": item.run,
        "launchAgentId": item.agent,
        "createdAt": exact_timestamp(item.created),
        "updatedAt": exact_timestamp(item.updated),
        "priority": item.priority,
        "runSpec": item.spec,
        "error": item.error,
        "warnings": item.warnings,
    }


def config_view(config: ResourceConfig) -> dict[str, Any]:
    variables = [{"name": name, "schema": json.dumps(schema)} for name, schema in config.variables.items()]
    return {
        "id": config.id,
        "resource": config.resource,
        "config": config.config,
        "templateVariables": variables,
    }


def agent_view(asked: Asked, agent: Agent) -> dict[str, Any]:
    return {
        "id": agent.id,
        "name": agent.name,
        "hostname": agent.hostname,
        "runQueues": agent.queues,
        "agentStatus": asked.world.launch.agents.status(agent),
        "stopPolling": agent.stop,
        "createdAt": exact_timestamp(agent.created),
        "heartbeatAt": exact_timestamp(agent.heartbeat),
        "agentConfig": agent.config,
        "version": agent.version,
    }
