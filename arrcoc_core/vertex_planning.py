"""What a launch on Vertex AI would do: where it tries, with which machine, at which price. Pure, like the whole plan.

A plan for the cloud is a ladder of rungs, tried from the top: each is a region, a machine, a way of getting it (spot,
flex-start, on demand) and how long to wait for it. `CloudPlan` holds the ladder and everything else that the job's
request is made of; it is kept as JSON beside the run, and whoever drives the run reads it there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from arrcoc_core.vertex_request import planned_request

Provisioning = Literal["spot", "flex", "on-demand"]


@dataclass(frozen=True, slots=True)
class Rung:
    """One place to try. Prices are of all machines together; None where no price is known."""

    region: str
    machine_type: str
    provisioning: Provisioning
    max_wait_s: float
    """Seconds to wait for a machine before the next rung."""
    usd_per_h: float | None
    usd_low: float | None
    usd_high: float | None
    """What the whole training would cost here, from the lowest to the highest estimate of its hours."""
    gpu_quota: str
    """Quota metrics that a job on this rung counts against."""
    cpu_quota: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(held: Mapping[str, Any]) -> Rung:
        return Rung(**{field.name: held[field.name] for field in fields(Rung)})

    def __post_init__(self) -> None:
        assert self.provisioning in get_args(Provisioning), self.provisioning


@dataclass(frozen=True, slots=True)
class CloudPlan:
    project: str
    region: str
    """Home: where image, build and buckets are."""
    endpoints: str
    """The CLOUD_ENDPOINTS folder; "": Google's own."""
    image: str
    """"…/trainer:TAG"; a job takes it by its digest."""
    image_tag: str
    service_account: str
    """That the job runs as."""
    build_account: str
    runs_bucket: str
    staging_bucket: str
    repository: str
    labels: Mapping[str, str]
    gpu: str
    count: int
    """GPUs in each machine."""
    machines: int
    accelerator_type: str
    disk_type: str
    disk_gb: int
    vcpus: int
    """Of each machine."""
    rungs: tuple[Rung, ...]
    environment: Mapping[str, str]
    """Variables of the job, besides those of each attempt."""
    secrets: Mapping[str, str]
    """Variable -> full name of the secret it is read from, by the job itself."""
    max_hours: float
    """Of one attempt."""
    max_cost_usd: float
    """Of the whole run; 0: no cap."""
    price_date: str
    price_source: str
    price_problem: str
    """Why the prices are not to be relied on, or ""."""

    @property
    def requests(self) -> tuple[dict[str, Any], ...]:
        """The exact CustomJob of each rung, with placeholders for the run's id and the image's digest."""
        return tuple(planned_request(self, rung) for rung in self.rungs)

    def run_uri(self, run_id: str) -> str:
        return f"gs://{self.runs_bucket}/runs/{run_id}"

    def to_json(self) -> dict[str, Any]:
        """As it stands in plan.json under "cloud"."""
        held: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(CloudPlan)}
        for name in ("labels", "environment", "secrets"):
            held[name] = dict(held[name])
        return {**held, "rungs": [rung.to_json() for rung in self.rungs], "requests": list(self.requests)}

    @staticmethod
    def from_json(held: Mapping[str, Any]) -> CloudPlan:
        values = {field.name: held[field.name] for field in fields(CloudPlan)}
        return CloudPlan(**{**values, "rungs": tuple(Rung.from_json(rung) for rung in held["rungs"])})
