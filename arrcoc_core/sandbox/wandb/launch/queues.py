"""Queues, and the configurations of a resource that they start their items from."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from arrcoc_core.sandbox.clock import Clock
from arrcoc_core.sandbox.state import State


@dataclass
class ResourceConfig:
    id: str
    entity: str
    resource: str
    config: dict[str, Any]
    """{"resource_args": {resource: …}}"""
    variables: dict[str, dict[str, Any]]
    """Template variable -> its JSON schema."""


@dataclass
class Queue:
    id: str
    entity: str
    project: str
    name: str
    created: float
    created_by: str
    access: str = "PROJECT"
    prioritization: str = "DISABLED"
    config_id: str | None = None
    links: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def prioritized(self) -> bool:
        return self.prioritization != "DISABLED"


class Queues:
    def __init__(self, state: State, clock: Clock) -> None:
        self._queues = state.table("queue")
        self._configs = state.table("resource config")
        self._state = state
        self._clock = clock

    def find(self, entity: str, project: str, name: str) -> Queue | None:
        return next((queue for queue in self.of(entity, project) if queue.name == name), None)

    def get(self, queue_id: str) -> Queue | None:
        held = self._queues.get(queue_id)
        return None if held is None else Queue(**held)

    def of(self, entity: str, project: str) -> list[Queue]:
        """A project's queues, the oldest first."""
        found = [Queue(**held) for held in self._queues.values()]
        return sorted((q for q in found if (q.entity, q.project) == (entity, project)), key=lambda q: q.created)

    def add(self, entity: str, project: str, name: str, created_by: str) -> Queue:
        queue_id = _id("RunQueue", self._state.next("queue"))
        queue = Queue(queue_id, entity, project, name, self._clock.now(), created_by)
        self.put(queue)
        return queue

    def put(self, queue: Queue) -> None:
        self._queues.put(queue.id, dataclasses.asdict(queue))

    def delete(self, queue: Queue) -> None:
        self._queues.delete(queue.id)

    def config(self, config_id: str | None) -> ResourceConfig | None:
        held = self._configs.get(config_id) if config_id else None
        return None if held is None else ResourceConfig(**held)

    def add_config(
        self, entity: str, resource: str, config: Mapping[str, Any], variables: Mapping[str, dict[str, Any]]
    ) -> ResourceConfig:
        config_id = _id("DefaultResourceConfig", self._state.next("resource config"))
        made = ResourceConfig(config_id, entity, resource, dict(config), dict(variables))
        self._configs.put(config_id, dataclasses.asdict(made))
        return made


def _id(kind: str, number: int) -> str:
    return base64.b64encode(f"{kind}:{number}".encode()).decode()
