"""How much of Vertex AI's quotas a project uses in a region, counted from its live custom jobs.

The Cloud Quotas API knows limits and no use, and none of the clients this project has knows it either (Cloud
Monitoring does, minutes late and with a permission of its own). So the GPUs and vCPUs of the custom jobs that are
live in the region are added up, whoever started them. Other kinds of training are custom jobs underneath.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from arrcoc_core.catalog import MACHINES, Machine, Provisioning, cpu_quota, gpu_quota
from arrcoc_core.cloud.calling import call
from arrcoc_core.cloud.clients import Cloud

PATIENCE_S = 5.0
"""A count that cannot be had is done without: nobody waits long for it."""

LIVE = ("QUEUED", "PENDING", "RUNNING", "CANCELLING", "UPDATING")
"""Job states that hold quota, without their JOB_STATE_."""

_WAYS: Mapping[str, Provisioning] = {"SPOT": "spot", "FLEX_START": "flex"}
_BY_TYPE = {(machine.machine_type, machine.accelerator_type): machine for machine in MACHINES}
_BY_ACCELERATOR = {machine.accelerator_type: machine for machine in MACHINES}


@dataclass(frozen=True)
class Usage:
    """What live jobs take of each quota metric, and what they are called."""

    taken: Mapping[str, int]
    jobs: tuple[str, ...]


def read_usage(cloud: Cloud, region: str) -> Usage:
    """Count the live custom jobs of a region. CloudError where they may not be listed."""
    client = cloud.jobs(region)
    request = {
        "parent": f"projects/{cloud.project}/locations/{region}",
        "filter": " OR ".join(f'state="JOB_STATE_{state}"' for state in LIVE),
        "page_size": 100,
    }

    def list_custom_jobs(**limits: Any) -> list[Any]:
        return list(client.list_custom_jobs(request=request, **limits))  # every page of it

    return count_usage(call(list_custom_jobs, patience_s=PATIENCE_S))


def count_usage(jobs: Iterable[Any]) -> Usage:
    """What these CustomJobs take of each quota; machines without a GPU take none that a launch needs."""
    taken: dict[str, int] = {}
    names: list[str] = []
    for job in jobs:
        names.append(str(job.display_name))
        way = _WAYS.get(job.job_spec.scheduling.strategy.name, "on-demand")
        for pool in job.job_spec.worker_pool_specs:
            spec = pool.machine_spec
            machine = _machine(spec)
            if machine is None:
                continue
            replicas = int(pool.replica_count) or 1
            for metric, amount in (
                (gpu_quota(machine.gpu, way), int(spec.accelerator_count)),
                (cpu_quota(machine, way), machine.vcpus),
            ):
                taken[metric] = taken.get(metric, 0) + amount * replicas
    return Usage(taken, tuple(sorted(names)))


def _machine(spec: Any) -> Machine | None:
    accelerator = spec.accelerator_type.name
    return _BY_TYPE.get((spec.machine_type, accelerator)) or _BY_ACCELERATOR.get(accelerator)
