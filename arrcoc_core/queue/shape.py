"""What our queue is set up as at W&B, and how an item's choice of machine is read back.

The resource is `gcp-vertex`, so that the web page shows what it is. Its configuration holds what a person may choose
there as template variables, `{{gpu}}`, `{{count}}`, `{{spot}}`, `{{region}}`; the server fills them in when an item is
pushed, and the agent that pops it finds the values in the item's `resource_args`. Only arrcoc's agent can make a job of
it: the ladder, the prices, the buckets and the account come from the project's settings, never from an item.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from arrcoc_core.queue.documents import RESOURCE
from arrcoc_core.queue.records import QueueSetup, mapping

if TYPE_CHECKING:
    from arrcoc_core.experiment import Vertex
    from arrcoc_core.settings import Settings

MOST_GPUS = 16
_LABELS = ("gpu", "count", "spot", "region")


@dataclass(frozen=True, slots=True)
class Choice:
    """The machine that an item asks for; None: not said."""

    gpu: str | None = None
    count: int | None = None
    spot: bool | None = None
    regions: tuple[str, ...] | None = None


def wanted_setup(settings: Settings) -> QueueSetup:
    """The queue as `arrcoc setup` makes it. Its defaults are the machine of `.training`."""
    from arrcoc_core.cloud.names import Names
    from arrcoc_core.compute import GpuName

    names = Names.of(settings)
    labels = {**names.labels, **{f"arrcoc_{name}": f"{{{{{name}}}}}" for name in _LABELS}}
    config: dict[str, Any] = {
        "spec": {
            "worker_pool_specs": [
                {
                    "machine_spec": {"accelerator_type": "{{gpu}}", "accelerator_count": "{{count}}"},
                    "replica_count": 1,
                    "container_spec": {"image_uri": "${image_uri}"},
                }
            ],
            "staging_bucket": f"gs://{names.staging_bucket}",
            "labels": labels,
        },
        "run": {"service_account": names.training_account, "restart_job_on_worker_restart": False},
    }
    gpu, spot = str(settings.get("TRAINING_GPU")) or "L4", bool(settings.get("TRAINING_GPU_IS_PREEMPTIBLE"))
    variables: dict[str, Any] = {
        "gpu": {"type": "string", "enum": list(get_args(GpuName)), "default": gpu},
        "count": {
            "type": "integer",
            "minimum": 1,
            "maximum": MOST_GPUS,
            "default": int(settings.get("TRAINING_GPU_NUMBER") or 1),
        },
        "spot": {"type": "string", "enum": ["true", "false"], "default": "true" if spot else "false"},
        "region": {"type": "string", "default": names.region},
    }
    return QueueSetup("", RESOURCE, config, variables)


def values_for(vertex: Vertex, home: str) -> dict[str, Any]:
    """What a launch of ours fills the template variables with: what the web page shows of it."""
    return {
        "gpu": vertex.gpu,
        "count": vertex.count,
        "spot": "true" if vertex.spot else "false",
        "region": ",".join(vertex.regions) or home,
    }


def choice_of(spec: Mapping[str, Any]) -> Choice:
    """The machine that a popped item asks for, as far as it was filled in."""
    resources = mapping(spec.get("resource_args"))
    config = mapping(resources.get(RESOURCE) or resources.get("vertex"))
    labels = mapping(mapping(config.get("spec")).get("labels"))
    given = mapping(spec.get("template_variables"))
    held = {name: _filled(given.get(name, labels.get(f"arrcoc_{name}"))) for name in _LABELS}
    count, spot, region = held["count"], held["spot"], held["region"]
    return Choice(
        gpu=held["gpu"],
        count=int(count) if count is not None and count.isdigit() else None,
        spot=None if spot is None else spot.lower() == "true",
        regions=None if region is None else tuple(part.strip() for part in region.split(",") if part.strip()),
    )


def differences(wanted: QueueSetup, found: QueueSetup) -> list[str]:
    """What of the queue is not as setup makes it, for people. Defaults are a person's to choose."""
    what: list[str] = []
    if found.config != wanted.config:
        what.append("its configuration")
    for name, schema in wanted.variables.items():
        held = found.variables.get(name)
        if held is None:
            what.append(f"no template variable {name}")
        elif _without_default(held) != _without_default(schema):
            what.append(f"the template variable {name}")
    return what


def _without_default(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "default"}


def _filled(value: Any) -> str | None:
    """A value as text; None where it is empty, or still a placeholder."""
    text = "" if value is None else str(value).strip()
    return None if not text or "{{" in text else text
