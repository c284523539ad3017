"""What an item orders: a run of ours that was pushed by a launch, or something from W&B's web page.

A launch of ours pushes the run's folder as the one argument of the trainer; everything else about the run is in that
folder. An item from elsewhere names an image (or a job that has one) and what to change of the experiment. Whatever it
says, only our trainer's entry point on an image of our repository is ever run: an item is data, not a command.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arrcoc_core.errors import RunError
from arrcoc_core.queue.documents import RESOURCE
from arrcoc_core.queue.records import mapping
from arrcoc_core.vertex_request import COMMAND

_RUN_URI = re.compile(r"gs://([^/]+)/runs/([a-z0-9][a-z0-9-]{0,62})")
_OURS = (list(COMMAND), ["python", "training/train.py"], ["python3", "-m", "training.train"])
"""The ways in which our trainer is named as an entry point."""


class Refused(RunError):
    """What an item asks for is not run; the message and the remedy are for the person who pushed it."""


@dataclass(frozen=True, slots=True)
class OurRun:
    """A run that a launch of ours has prepared and pushed."""

    bucket: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Request:
    """A run that somebody asks for on the web page, or with `wandb launch`."""

    image: str
    """As it was written; "": the job's."""
    job: str
    """ "entity/project/job-name:alias"; "": there is an image."""
    overrides: Mapping[str, Any]
    """What to change of the experiment."""
    name: str
    author: str


def spec_of(
    *,
    entity: str,
    project: str,
    run_id: str,
    image: str,
    run_uri: str,
    experiment: Mapping[str, Any],
    name: str,
) -> dict[str, Any]:
    """The item of a run of ours, as wandb 0.31 pushes one (sdk/launch/utils.py:construct_launch_spec)."""
    return {
        "entity": entity,
        "project": project,
        "name": name,
        "run_id": run_id,
        "docker": {"docker_image": image},
        "git": {},
        "resource": RESOURCE,
        "overrides": {"entry_point": list(COMMAND), "args": [run_uri], "run_config": dict(experiment)},
    }


def order_of(spec: Mapping[str, Any]) -> OurRun | Request:
    """What a popped item orders. Refused where it is nothing that arrcoc runs."""
    if not spec:
        raise Refused("the item is empty", remedy="Push it again, from a job or an image of this project.")
    resource = str(spec.get("resource") or RESOURCE)
    if resource not in (RESOURCE, "vertex"):
        raise Refused(
            f"it asks for the resource {resource!r}, and this queue's agents run jobs on Vertex AI",
            remedy="Choose a queue of that resource.",
        )
    overrides = mapping(spec.get("overrides"))
    entry_point, args = _texts(overrides, "entry_point"), _texts(overrides, "args")
    if entry_point and entry_point not in _OURS:
        raise Refused(
            f"its entry point is {' '.join(entry_point)[:120]!r}: arrcoc runs nothing but its own trainer",
            remedy="Leave the entry point as it is; what to train is said by the run's configuration.",
        )
    found = _RUN_URI.fullmatch(args[0].rstrip("/")) if len(args) == 1 else None
    if found is not None:
        return OurRun(found[1], found[2])
    if args:
        raise Refused(
            f"it has arguments ({' '.join(args)[:120]}), which the trainer does not take",
            remedy="Leave the arguments empty; what to train is said by the run's configuration.",
        )
    image, job = str(mapping(spec.get("docker")).get("docker_image") or ""), str(spec.get("job") or "")
    if not image and not job:
        what = f"the source {spec['uri']}" if spec.get("uri") else "neither a job nor an image"
        raise Refused(
            f"it has {what}: arrcoc runs images that were built for this project",
            remedy="Push a job of one of this project's runs, or the image of one.",
        )
    named = {key: str(spec.get(key) or "") for key in ("name", "author")}
    return Request(image, job, mapping(overrides.get("run_config")), **named)


def run_id_for(item_id: str, experiment: str) -> str:
    """The run of an item from the web page: the same for every agent that may ever pop it."""
    mark = hashlib.sha256(item_id.encode()).hexdigest()[:10]
    slug = re.sub(r"[^a-z0-9]+", "-", experiment.lower()).strip("-")[:40].strip("-")
    return f"{slug or 'run'}-queued-{mark}"


def _texts(overrides: Mapping[str, Any], name: str) -> list[str]:
    held: Any = overrides.get(name) or ()
    if isinstance(held, str):
        return held.split()
    if not isinstance(held, list | tuple):
        raise Refused(f"overrides.{name} is not a list of words", remedy="Write it as a list, or leave it out.")
    return [str(one) for one in held]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
