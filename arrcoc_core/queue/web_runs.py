"""A run for an item from the web page: planned and checked as any launch, and put into the runs bucket.

What is written is what a launch writes: experiment.json, image.json, and plan.json last, each once. Whichever agent
comes to the item later finds the run there; and where two make it at once, the first object of a name stays.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.errors import CloudError, ConfigError, SettingsError
from arrcoc_core.facts import gather_facts
from arrcoc_core.launching import created_data, plan_file
from arrcoc_core.planning import Plan, make_plan
from arrcoc_core.preflight import preflight
from arrcoc_core.queue import web_images
from arrcoc_core.queue.orders import Refused, Request
from arrcoc_core.queue.shape import choice_of
from arrcoc_core.queue.web_experiments import experiment_of
from arrcoc_core.resolved import ResolvedExperiment
from arrcoc_core.resolving import resolve

if TYPE_CHECKING:
    from arrcoc_core.cloud.clients import Cloud
    from arrcoc_core.cloud.names import Names
    from arrcoc_core.queue.client import QueueClient
    from arrcoc_core.settings import Settings
    from arrcoc_core.targets.vertex_services import Services

ITEM_ROWS = frozenset({"GPU quota", "CPU quota", "image", "price", "secrets"})
"""Rows of the preflight that are about what the item asks for; the others are about this machine's account."""


def make_run(
    run_id: str,
    order: Request,
    spec: dict[str, Any],
    *,
    queue: str,
    root: Path,
    settings: Settings,
    client: QueueClient,
    cloud: Cloud,
    names: Names,
    services: Services,
) -> None:
    """See that the run is in the runs bucket. Refused with what to do about it; CloudError: another time."""
    if services.read(run_id, "plan.json") is not None:
        return
    job = web_images.read_job(client, order.job) if order.job else web_images.Job(order.image, {})
    image = web_images.find(cloud, names, job.image)
    try:
        experiment = experiment_of(order.overrides, job.config, choice_of(spec), queue, order.name or "queued")
        resolved = _kept(services, run_id, resolve(experiment, settings))
        plan = _planned(resolved, root, settings, image, client.entity)
        plan.require()
    except (SettingsError, CloudError):
        raise
    except ConfigError as error:
        raise Refused(error.message, remedy=error.remedy) from error
    found = preflight(plan, settings)
    for row in found.stopping:
        if row.name not in ITEM_ROWS:
            raise CloudError(f"{row.name}: {row.detail}", scope="unavailable", remedy=row.remedy)
    if not found.ok:
        raise Refused("; ".join(f"{row.name}: {row.detail}" for row in found.stopping), remedy=_remedy(found.stopping))
    plan = found.refine(plan)
    services.put_new(run_id, "image.json", {"image": image.image})
    launch = {"launched_at": time.time(), "created": created_data(plan)}
    services.put_new(run_id, "plan.json", plan_file(plan, run_id, launch))


def _planned(
    resolved: ResolvedExperiment, root: Path, settings: Settings, image: web_images.Found, entity: str
) -> Plan:
    plan = make_plan(resolved, replace(gather_facts(root, settings), code_hash=image.tag))
    assert plan.queue is not None  # it goes through the queue that it came from
    return replace(plan, queue=replace(plan.queue, entity=entity))


def _kept(services: Services, run_id: str, resolved: ResolvedExperiment) -> ResolvedExperiment:
    """The experiment of the run: this one, or the one that another agent has put there before."""
    if services.put_new(run_id, "experiment.json", json.loads(resolved.to_json())):
        return resolved
    found = services.read(run_id, "experiment.json")
    return resolved if found is None else ResolvedExperiment.from_json(json.dumps(found.content))


def _remedy(rows: tuple[Any, ...]) -> str:
    return "\n".join(dict.fromkeys(line for row in rows for line in row.remedy.splitlines()))
