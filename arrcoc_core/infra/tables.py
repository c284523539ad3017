"""The tables of `arrcoc infra` and of the region question: quotas, monthly costs, regions with prices.

Each asks for itself and fails for itself; none waits for another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.catalog import MACHINES, counts_of, gpu_quota, load_prices, machine_for, price, regions_of
from arrcoc_core.cloud.usage import read_usage
from arrcoc_core.errors import CloudError
from arrcoc_core.infra.inventory import resources
from arrcoc_core.infra.keeping import AS_OF, SOURCES, Cost, cost_of_keeping
from arrcoc_core.infra.needs import amounts_for
from arrcoc_core.infra.quotas import QuotaRequest, Quotas, read_quotas

if TYPE_CHECKING:
    from arrcoc_core.catalog import Provisioning
    from arrcoc_core.infra.world import World
    from arrcoc_core.queue import QueueView

_AT_ONCE = 8
_KINDS: tuple[Provisioning, ...] = ("spot", "on-demand")
DEFAULT_GPUS = ("L4", "A100")
"""Shown where no experiment names a GPU of the cloud yet."""


@dataclass(frozen=True, slots=True)
class QuotaRow:
    """One quota in one region; `gpu` is "CPU" for vCPUs, `limit` -1 for unlimited, None where Google names none."""

    gpu: str
    region: str
    kind: str
    metric: str
    limit: int | None
    used: int | None
    needed: int
    pending: QuotaRequest | None

    def to_json(self) -> dict[str, Any]:
        return {
            "type": "quota",
            "gpu": self.gpu,
            "region": self.region,
            "kind": self.kind,
            "metric": self.metric,
            "limit": self.limit,
            "used": self.used,
            "needed": self.needed,
            "pending": self.pending.to_json() if self.pending is not None else None,
        }


@dataclass(frozen=True, slots=True)
class RegionRow:
    """A GPU in a region: dollars per hour for one, and the quota that is granted; None where not known."""

    region: str
    gpu: str
    spot_usd_per_h: float | None
    usd_per_h: float | None
    spot_quota: int | None
    quota: int | None
    price_as_of: str
    problem: str

    def to_json(self) -> dict[str, Any]:
        return {"type": "region", **{name: getattr(self, name) for name in self.__slots__}}


def quota_rows(world: World) -> list[QuotaRow]:
    """What the experiments need, then whatever else is granted or asked for."""
    quotas = read_quotas(world.cloud)
    wanted: dict[tuple[str, str], QuotaRow] = {}
    for need in world.needs:
        for amount in need.amounts:
            place = (amount.metric, need.region)
            wanted[place] = _row(quotas, amount.gpu, need.region, amount.kind, amount.metric, amount.value)
    for gpu in dict.fromkeys(machine.gpu for machine in MACHINES):
        for region in regions_of(gpu):
            for kind in _KINDS:
                metric = gpu_quota(gpu, kind)
                if (metric, region) not in wanted:
                    row = _row(quotas, gpu, region, kind, metric, 0)
                    if row.limit or row.pending is not None:
                        wanted[metric, region] = row
    return _with_usage(world, list(wanted.values()))


def cost_rows(world: World) -> list[Cost]:
    """What each resource that is there costs a month; one that cannot be looked at has no amount and says why."""

    def look(one: Any) -> Cost | None:
        try:
            if one.check(world).state in ("missing", "foreign", "note"):
                return None
            cost = cost_of_keeping(one, world)
            return cost if cost.usd_per_month is None or cost.note else None
        except CloudError as error:
            if error.scope == "api-disabled":
                return None  # never set up: there is nothing that could cost
            return Cost(one.key, one.title, None, None, error.message)

    keeping = [one for one in resources(world) if one.key in ("staging-bucket", "runs-bucket", "repository")]
    keeping += [one for one in resources(world) if one.key.startswith("secret-")]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [cost for cost in pool.map(look, keeping) if cost is not None]


def cost_total(costs: Sequence[Cost]) -> dict[str, Any]:
    known = [cost.usd_per_month for cost in costs if cost.usd_per_month is not None]
    return {
        "type": "cost-total",
        "usd_per_month": sum(known),
        "complete": len(known) == len(costs),
        "as_of": AS_OF.isoformat(),
        "source": SOURCES["storage"],
    }


def region_rows(gpus: Iterable[str], state: Path | None, quotas: Quotas | None, first: str = "") -> list[RegionRow]:
    """Every region that has one of the GPUs, for each of them; `first` leads, then the cheapest on spot."""
    table = load_prices(state)
    rows: list[RegionRow] = []
    for gpu in gpus:
        machine = machine_for(gpu, counts_of(gpu)[0])
        for region in regions_of(gpu):
            spot = price(machine, region, "spot", prices=table)
            full = price(machine, region, "on-demand", prices=table)
            rows.append(
                RegionRow(
                    region=region,
                    gpu=gpu,
                    spot_usd_per_h=_each(spot.usd_per_h, machine.count),
                    usd_per_h=_each(full.usd_per_h, machine.count),
                    spot_quota=quotas.limit(gpu_quota(gpu, "spot"), region) if quotas else None,
                    quota=quotas.limit(gpu_quota(gpu, "on-demand"), region) if quotas else None,
                    price_as_of=table.as_of.isoformat(),
                    problem=spot.problem,
                )
            )
    return sorted(rows, key=lambda row: (row.region != first, row.spot_usd_per_h is None, row.spot_usd_per_h or 0.0))


def gpus_of(world: World) -> tuple[str, ...]:
    """The GPUs that the experiments name, or some to look at."""
    return tuple(dict.fromkeys(need.gpu for need in world.needs)) or DEFAULT_GPUS


def _row(quotas: Quotas, gpu: str, region: str, kind: str, metric: str, needed: int) -> QuotaRow:
    return QuotaRow(
        gpu, region, kind, metric, quotas.limit(metric, region), None, needed, quotas.request(metric, region)
    )


def _with_usage(world: World, rows: list[QuotaRow]) -> list[QuotaRow]:
    """With what the live jobs of each region take; a region that does not answer has no number."""

    def taken(region: str) -> tuple[str, Any]:
        try:
            return region, read_usage(world.cloud, region).taken
        except CloudError:
            return region, None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        used = dict(pool.map(taken, dict.fromkeys(row.region for row in rows)))
    return [
        QuotaRow(
            row.gpu,
            row.region,
            row.kind,
            row.metric,
            row.limit,
            None if used[row.region] is None else used[row.region].get(row.metric, 0),
            row.needed,
            row.pending,
        )
        for row in rows
    ]


def _each(usd_per_h: float | None, count: int) -> float | None:
    return None if usd_per_h is None else usd_per_h / count


def wanted_amounts(gpu: str, count: int, on_demand: bool) -> tuple[Any, ...]:
    """The amounts of an explicit request: the smallest machine with that many GPUs decides about the vCPUs."""
    fitting = [one for one in counts_of(gpu) if one >= count] or list(counts_of(gpu))[-1:]
    machines = -(-count // fitting[0])
    return amounts_for(gpu, fitting[0], machines, ("on-demand",) if on_demand else ("spot",))


def queue_views(world: World) -> list[QueueView]:
    """What is in the Launch queues that are named. Of one that is not there its row says what to do. CloudError."""
    from arrcoc_core.infra.wandb_rows import queue_client
    from arrcoc_core.queue import look
    from arrcoc_core.queue.asking import NO_LAUNCH

    assert world.root is not None
    found: list[QueueView] = []
    client = queue_client(world.given)
    try:
        for name in world.queues:
            try:
                found.append(look(world.root, world.given, name, client=client))
            except CloudError as error:
                if error.scope != "not-found" and error.data.get("reason") != NO_LAUNCH:
                    raise
    finally:
        client.client.close()
    return found
