"""Work of ours that is going on: jobs of Vertex AI with our label, and runs of this machine's store that wait for one.

A region that cannot be asked is not taken for empty: the error is raised.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from arrcoc_core.catalog import MACHINES, regions_of
from arrcoc_core.cloud.names import OWNER_LABEL, RUN_LABEL
from arrcoc_core.errors import CloudError
from arrcoc_core.infra.resource import listed

if TYPE_CHECKING:
    from arrcoc_core.infra.world import World
    from arrcoc_core.run import Run

ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED", "PARTIALLY_SUCCEEDED"})
_AT_ONCE = 8
_GPUS = {machine.accelerator_type: machine.gpu for machine in MACHINES}


@dataclass(frozen=True, slots=True)
class LiveJob:
    run: str
    """Run id; "" for a job that has our label and none of a run."""
    job: str
    region: str
    state: str
    gpu: str
    count: int
    """GPUs over all its machines."""

    def to_json(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "job": self.job,
            "region": self.region,
            "state": self.state,
            "gpu": self.gpu,
            "count": self.count,
        }


def live_jobs(world: World, regions: Iterable[str]) -> list[LiveJob]:
    """The jobs with our label that have not ended, in these regions, all asked at once."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(partial(_jobs_in, world), dict.fromkeys(regions)))
    return [job for jobs in found for job in jobs]


def job_regions(world: World) -> tuple[str, ...]:
    """Every region where a job of ours may be: the home region, and all that have a GPU."""
    gpus = dict.fromkeys(machine.gpu for machine in MACHINES)
    named = [need.region for need in world.needs]
    return tuple(dict.fromkeys([world.names.region, *named, *(region for gpu in gpus for region in regions_of(gpu))]))


def active_runs(world: World) -> list[Run]:
    """Runs of this project's store that have not ended and go to this account, a job of theirs there or not yet."""
    if world.root is None:
        return []
    from arrcoc_core.api import runs

    folder = world.cloud.endpoints.folder
    found: list[Run] = []
    for run in runs(root=world.root):
        if run.finished or run.target == "local":
            continue
        cloud: dict[str, Any] = run.plan.get("cloud") or {}
        same = cloud.get("project") == world.names.project
        if same and str(cloud.get("endpoints") or "") == str(folder or ""):
            found.append(run)
    return found


def _jobs_in(world: World, region: str) -> list[LiveJob]:
    wanted = [f'labels.{OWNER_LABEL}="{world.names.owner}"']
    wanted += [f'state!="JOB_STATE_{state}"' for state in sorted(ENDED)]
    request = {
        "parent": f"{world.project_path}/locations/{region}",
        "filter": " AND ".join(wanted),
        "page_size": 100,
    }
    try:
        found = listed(world.cloud.jobs(region).list_custom_jobs, request=request)
    except CloudError as error:
        if error.scope == "api-disabled":
            return []  # without the API there is no job
        raise
    jobs = [_live(job, region) for job in found if dict(job.labels).get(OWNER_LABEL) == world.names.owner]
    return [job for job in jobs if job.state not in ENDED]


def _live(job: Any, region: str) -> LiveJob:
    gpu, count = "", 0
    for pool in job.job_spec.worker_pool_specs:
        spec = pool.machine_spec
        count += int(spec.accelerator_count) * int(pool.replica_count or 1)
        gpu = gpu or _GPUS.get(spec.accelerator_type.name, "")
    return LiveJob(
        run=dict(job.labels).get(RUN_LABEL, ""),
        job=str(job.name),
        region=region,
        state=job.state.name.removeprefix("JOB_STATE_"),
        gpu=gpu,
        count=count,
    )
