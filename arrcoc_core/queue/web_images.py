"""The image of an item from the web page: one of this project's repository, by its digest and with its tag.

The tag is the hash of the code in it (image/__init__.py), and says what the run is a run of.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from arrcoc_core.cloud.calling import if_there
from arrcoc_core.queue.asking import inside
from arrcoc_core.queue.orders import Refused

if TYPE_CHECKING:
    from arrcoc_core.cloud.clients import Cloud
    from arrcoc_core.cloud.names import Names
    from arrcoc_core.queue.client import QueueClient

JOB_FILE = "wandb-job.json"

_JOB = """
query LaunchJob($entityName: String!, $projectName: String!, $name: String!, $fileNames: [String!]) {
  project(name: $projectName, entityName: $entityName) {
    artifact(name: $name) {
      id
      usedBy { edges { node { name createdAt project { name entityName } } } }
      files(names: $fileNames) { edges { node { name directUrl } } }
    }
  }
}
"""
"""Fields of wandb 0.31, sdk/artifacts/_generated/operations.py. wandb makes a job at the end of a run that has an
image, and names the run not as its creator but as one that uses it."""

_CONFIG = """
query RunConfig($entity: String!, $project: String!, $name: String!) {
  project(name: $project, entityName: $entity) { run(name: $name) { config } }
}
"""


class Found(NamedTuple):
    """`tag` is the hash of the code in it."""

    image: str
    """By its digest."""
    tag: str


class Job(NamedTuple):
    image: str
    """As the job names it."""
    config: dict[str, Any]
    """Of the newest run of the job; {} where there is none to be seen."""


def read_job(client: QueueClient, job: str) -> Job:
    """What a job artifact "entity/project/name:alias" runs. Refused where it is none that runs an image."""
    parts = job.split("/")
    if len(parts) != 3:
        raise Refused(f"{job!r} is no job", remedy="A job is named entity/project/job:version.")
    entity, project, name = parts
    answer = client.ask(_JOB, {"entityName": entity, "projectName": project, "name": name, "fileNames": [JOB_FILE]})
    artifact = inside(answer, "project", "artifact")
    edges: list[Any] = inside(artifact, "files", "edges") or []
    address = next((inside(edge, "node", "directUrl") for edge in edges), None)
    if not address:
        raise Refused(f"the job {job} is not there (any more)", remedy="Push a job of one of this project's runs.")
    try:
        held: dict[str, Any] = json.loads(client.client.get(str(address)))
        kind, image = str(held.get("source_type", "")), str(inside(held, "source", "image") or "")
    except (ValueError, AttributeError):
        raise Refused(f"the job {job} cannot be read", remedy="Push a job of one of this project's runs.") from None
    if not image:
        raise Refused(
            f"the job {job} runs {f'code of the kind {kind!r}' if kind else 'no image'}, not an image",
            remedy="Push a job that was made by a run of this project on Vertex AI: it runs that run's image.",
        )
    used: list[Any] = inside(artifact, "usedBy", "edges") or []
    runs = [inside(edge, "node") for edge in used]
    newest = max(runs, key=lambda run: str(inside(run, "createdAt") or ""), default=None)
    return Job(image, {} if newest is None else _config(client, newest))


def find(cloud: Cloud, names: Names, image: str) -> Found:
    """The image by its digest, where it is one of ours. Refused."""
    rest = image.removeprefix(names.image)
    if rest == image or rest[:1] not in (":", "@"):
        raise Refused(
            f"its image {image} is not of this project's repository, {names.image}",
            remedy="Push a job or an image of one of this project's runs: arrcoc runs nothing else.",
        )
    version = rest[1:]
    if rest[0] == ":":
        tag = f"{names.repository}/packages/trainer/tags/{version}"
        found: Any = if_there(cloud.registry().get_tag, name=tag)
        digest = "" if found is None else str(found.version).rsplit("/", 1)[1]
        tags = [version]
    else:
        name = f"{names.repository}/dockerImages/trainer@{version}"
        found = if_there(cloud.registry().get_docker_image, name=name)
        digest = "" if found is None else version
        tags = [] if found is None else [str(one) for one in found.tags]
    if not digest:
        raise Refused(f"its image {image} is not there (any more)", remedy="Push a job or an image of a newer run.")
    return Found(f"{names.image}@{digest}", tags[0] if tags else digest.removeprefix("sha256:")[:12])


def _config(client: QueueClient, run: Any) -> dict[str, Any]:
    project = {"entity": inside(run, "project", "entityName"), "project": inside(run, "project", "name")}
    answer = client.ask(_CONFIG, {**project, "name": inside(run, "name")})
    held: Any = json.loads(inside(answer, "project", "run", "config") or "{}")
    return dict(held) if isinstance(held, dict) else {}  # pyright: ignore[reportUnknownArgumentType]
