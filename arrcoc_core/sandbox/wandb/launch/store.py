"""Launch's memory as one thing, and what is done with more than one part of it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from arrcoc_core.sandbox.clock import Clock
from arrcoc_core.sandbox.state import State
from arrcoc_core.sandbox.wandb.graphql import WandbError
from arrcoc_core.sandbox.wandb.launch.agents import Agents
from arrcoc_core.sandbox.wandb.launch.items import Item, Items
from arrcoc_core.sandbox.wandb.launch.queues import Queue, Queues
from arrcoc_core.sandbox.wandb.launch.templates import filled

PROJECT = "model-registry"
"""The project that queues are in (wandb 0.31, sdk/launch/utils.py: LAUNCH_DEFAULT_PROJECT)."""


class Launch:
    def __init__(self, state: State, clock: Clock) -> None:
        self.queues = Queues(state, clock)
        self.items = Items(state, clock)
        self.agents = Agents(state, clock)

    def push(self, queue: Queue, spec: Mapping[str, Any], values: Mapping[str, Any], priority: int | None) -> Item:
        """An item whose spec has the queue's resource and configuration in it, variables filled in."""
        if priority is not None and not 0 <= priority <= 3:
            raise WandbError(400, f"priority must be from 0 (critical) to 3 (low), not {priority}")
        held = copy.deepcopy(dict(spec))
        config = self.queues.config(queue.config_id)
        if config is not None:
            arguments: dict[str, Any] = filled(config.config, config.variables, values).get("resource_args", {})
            own: dict[str, Any] = held.get("resource_args") or {}
            held["resource"] = held.get("resource") or config.resource
            held["resource_args"] = {
                name: {**arguments.get(name, {}), **own.get(name, {})} for name in {**arguments, **own}
            }
        elif values:
            raise WandbError(400, f"the queue {queue.name} has no template variables")
        return self.items.add(queue, held, priority)

    def delete_queue(self, queue: Queue) -> None:
        self.items.clear(queue)
        self.queues.delete(queue)
