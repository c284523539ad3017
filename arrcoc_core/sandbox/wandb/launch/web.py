"""What a person does on W&B's web page, for people and tests who have none in the sandbox.

    POST /control/wandb   {"do": "push", "queue": "vertex-ai-queue", "job": "sandbox/arr-coc/job-x:latest",
                           "run_config": {…}, "args": […], "entry_point": […], "template_variables": {…},
                           "name": …, "project": …, "entity": …, "priority": …, "author": …, "resource_args": {…}}
                          {"do": "stop agent", "agent": "<id>"}      the agent is told to stop polling
                          {"do": "stop run", "run": "entity/project/id"}

An item pushed there holds what the page puts into its `runSpec`: the job and what overrides it, who asked for it, and
the queue's resource with its variables filled in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.wandb.accounts import USER
from arrcoc_core.sandbox.wandb.graphql import WandbError
from arrcoc_core.sandbox.wandb.launch.store import PROJECT

if TYPE_CHECKING:
    from arrcoc_core.sandbox.wandb.world import World

_OVERRIDES = ("run_config", "args", "entry_point")


def act(world: World, asked: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked; ApiError where it cannot be done."""
    what = asked.get("do")
    try:
        with world.state.transaction():
            if what == "push":
                return _push(world, asked)
            if what == "stop agent":
                return _stop_agent(world, str(asked.get("agent")))
            if what == "stop run":
                return _stop_run(world, str(asked.get("run")))
    except WandbError as error:
        raise ApiError("INVALID_ARGUMENT", error.message) from None
    raise ApiError("INVALID_ARGUMENT", f"W&B's page in the sandbox cannot {what!r}: push, stop agent, stop run")


def _push(world: World, asked: dict[str, Any]) -> dict[str, Any]:
    entity, name = str(asked.get("entity") or USER), str(asked.get("queue"))
    queue = world.launch.queues.find(entity, PROJECT, name)
    if queue is None:
        raise ApiError("NOT_FOUND", f"There is no queue {name} in {entity}.")
    job = str(asked.get("job") or "")
    spec: dict[str, Any] = {
        "job": job,
        "name": asked.get("name"),
        "entity": entity,
        "project": asked.get("project") or (job.split("/")[1] if job.count("/") == 2 else "uncategorized"),
        "author": asked.get("author") or USER,
        "overrides": {key: asked[key] for key in _OVERRIDES if asked.get(key) is not None},
        "resource": None,
    }
    if asked.get("resource_args"):
        spec["resource_args"] = asked["resource_args"]
    item = world.launch.push(queue, spec, asked.get("template_variables") or {}, asked.get("priority"))
    return {"item": item.id, "run_spec": item.spec}


def _stop_agent(world: World, agent_id: str) -> dict[str, Any]:
    agent = world.launch.agents.get(agent_id)
    if agent is None:
        raise ApiError("NOT_FOUND", f"There is no agent {agent_id}.")
    agent.stop = True
    world.launch.agents.put(agent)
    return {}


def _stop_run(world: World, path: str) -> dict[str, Any]:
    run = world.runs.get(*path.split("/")) if path.count("/") == 2 else None
    if run is None:
        raise ApiError("NOT_FOUND", f"There is no run {path}.")
    run.stopped = True
    world.runs.put(run)
    return {}
