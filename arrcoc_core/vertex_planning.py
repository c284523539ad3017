"""What a launch on Vertex AI would do: where it tries, with which machine, at which price. Pure, like the whole plan.

A plan for the cloud is a ladder of rungs, tried from the top: each is a region, a machine, a way of getting it (spot,
flex-start, on demand) and how long to wait for it. `CloudPlan` holds the ladder and everything else that the job's
request is made of; it is kept as JSON beside the run, and whoever drives the run reads it there.

Ladder: spot (or on demand) in each region of the experiment, then each `fallback` in each region. What can
be said against a plan is in vertex_review.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from arrcoc_core.catalog import (
    Machine,
    Price,
    Provisioning,
    cost_of,
    cpu_quota,
    gpu_quota,
    machine_for,
)
from arrcoc_core.catalog.rules import WORDS
from arrcoc_core.resolved import SYNTHETIC, TINY
from arrcoc_core.vertex_request import planned_request

if TYPE_CHECKING:
    from arrcoc_core.estimates import Estimate
    from arrcoc_core.experiment import Vertex
    from arrcoc_core.facts import CloudFacts, Facts
    from arrcoc_core.resolved import ResolvedExperiment

PASSED_ON = ("WANDB_MODE", "WANDB_BASE_URL", "WANDB_PROJECT", "WANDB_ENTITY", "HF_ENDPOINT")
"""Variables of this shell and project that a job elsewhere gets, too: none of them is about this machine."""


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

    @property
    def title(self) -> str:
        """ "us-central1, spot"."""
        return f"{self.region}, {WORDS[self.provisioning]}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(held: Mapping[str, Any]) -> Rung:
        return Rung(**{field.name: held[field.name] for field in fields(Rung)})


@dataclass(frozen=True, slots=True)
class CloudPlan:
    project: str
    region: str
    """Home: where image, build and buckets are."""
    owner: str
    """PROJECT_NAME: whose it is, in every name and label."""
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
    price_note: str
    """What is worth knowing about them, or ""."""

    @property
    def requests(self) -> tuple[dict[str, Any], ...]:
        """The exact CustomJob of each rung, with placeholders for the run's id and the image's digest."""
        return tuple(planned_request(self, rung) for rung in self.rungs)

    @property
    def cost_range(self) -> tuple[float, float] | None:
        """Dollars for the whole training: the least on the cheapest rung, the most on the dearest; None: not known."""
        low = [rung.usd_low for rung in self.rungs if rung.usd_low is not None]
        high = [rung.usd_high for rung in self.rungs if rung.usd_high is not None]
        return (min(low), max(high)) if len(high) == len(self.rungs) else None

    @property
    def cost_usd(self) -> float | None:
        """Expected dollars on the first rung; None: not known."""
        first = self.rungs[0]
        if first.usd_low is None or first.usd_high is None:
            return None
        return (first.usd_low * first.usd_high) ** 0.5

    @property
    def gpus(self) -> int:
        """GPUs of all machines together."""
        return self.count * self.machines

    @property
    def cpus(self) -> int:
        return self.vcpus * self.machines

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
        values: dict[str, Any] = {field.name: held[field.name] for field in fields(CloudPlan)}
        values["rungs"] = tuple(Rung.from_json(rung) for rung in held["rungs"])
        return CloudPlan(**values)


def plan_cloud(resolved: ResolvedExperiment, compute: Vertex, facts: Facts, expected: Estimate) -> CloudPlan:
    """The cloud's part of a plan; `facts.cloud` is set. PlanError where no machine has that many of the GPU."""
    cloud = facts.cloud
    assert cloud is not None
    names, machine = cloud.names, machine_for(compute.gpu, compute.count)
    rungs, prices = _ladder(compute, machine, cloud, expected)
    oldest = min(prices, key=lambda quote: quote.as_of)
    return CloudPlan(
        project=names.project,
        region=names.region,
        owner=names.owner,
        endpoints=cloud.endpoints,
        image=f"{names.image}:{facts.code_hash}",
        image_tag=facts.code_hash,
        service_account=names.training_account,
        build_account=names.build_account,
        runs_bucket=names.runs_bucket,
        staging_bucket=names.staging_bucket,
        repository=names.repository,
        labels=names.labels,
        gpu=machine.gpu,
        count=machine.count,
        machines=compute.machines,
        accelerator_type=machine.accelerator_type,
        disk_type=machine.disk_type,
        disk_gb=machine.disk_gb,
        vcpus=machine.vcpus,
        rungs=rungs,
        environment={key: value for key, value in facts.job_environment.items() if key in PASSED_ON},
        secrets=_secrets(resolved, facts),
        max_hours=compute.max_hours,
        max_cost_usd=compute.max_cost_usd,
        price_date=oldest.as_of.isoformat(),
        price_source=oldest.source,
        price_problem=_price_problem(rungs, prices),
        price_note="; ".join(dict.fromkeys(quote.note for quote in prices if quote.note)),
    )


def _ladder(
    compute: Vertex, machine: Machine, cloud: CloudFacts, expected: Estimate
) -> tuple[tuple[Rung, ...], list[Price]]:
    first: Provisioning = "spot" if compute.spot else "on-demand"
    ways: dict[Provisioning, None] = dict.fromkeys((first, *compute.fallback))
    regions = dict.fromkeys(compute.regions or (cloud.names.region,))
    low_h, high_h = expected.low_s / 3600, expected.high_s / 3600
    rungs: list[Rung] = []
    prices: list[Price] = []
    for way in ways:
        for region in regions:
            quote = cloud.quote(machine, region, way, compute.machines)
            prices.append(quote)
            known = quote.usd_per_h if expected.high_s else None
            rungs.append(
                Rung(
                    region=region,
                    machine_type=machine.machine_type,
                    provisioning=way,
                    max_wait_s=compute.max_wait_minutes * 60.0,
                    usd_per_h=quote.usd_per_h,
                    usd_low=None if known is None else cost_of(known, low_h),
                    usd_high=None if known is None else cost_of(known, high_h),
                    gpu_quota=gpu_quota(machine.gpu, way),
                    cpu_quota=cpu_quota(machine, way),
                )
            )
    return tuple(rungs), prices


def _price_problem(rungs: tuple[Rung, ...], prices: list[Price]) -> str:
    unpriced = dict.fromkeys(rung.title for rung in rungs if rung.usd_per_h is None)
    if unpriced:
        return f"no price known for {rungs[0].machine_type} in {'; '.join(unpriced)}"
    return next((quote.problem for quote in prices if quote.problem), "")


def _secrets(resolved: ResolvedExperiment, facts: Facts) -> Mapping[str, str]:
    """References to what the job may need: W&B's key when it logs online, the Hub's token when it down- or uploads."""
    assert facts.cloud is not None
    wanted = ["WANDB_API_KEY"] if facts.logging.online else []
    experiment = resolved.experiment
    if experiment.model.base not in TINY or experiment.data.dataset not in SYNTHETIC or experiment.hub.repo:
        wanted.append("HF_TOKEN")
    return {variable: facts.cloud.names.secret(variable) for variable in wanted}
