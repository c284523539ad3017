"""Whether the project may have the GPUs, and the vCPUs that go with them, in each place of the ladder.

Vertex AI counts them apart, spot and flex-start apart from on demand, in each region for itself. A place without room
is left out of this run's ladder; a launch fails only when none is left, and then says what the person does have. What
is in use is counted (cloud/usage.py); where the jobs of a region may not be listed, none are assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from arrcoc_core.catalog import MACHINES, counts_of, gpu_quota, machine_for, regions_of
from arrcoc_core.catalog.rules import WORDS
from arrcoc_core.cloud.usage import Usage, read_usage
from arrcoc_core.errors import CloudError
from arrcoc_core.facts import Check
from arrcoc_core.infra.quotas import UNLIMITED, Quotas, read_quotas
from arrcoc_core.preflight.ground import Ground

if TYPE_CHECKING:
    from arrcoc_core.catalog import Provisioning
    from arrcoc_core.vertex_planning import Rung

MOST_AT_ONCE = 64
_NOTHING_KNOWN = Usage({}, ())


class Room(NamedTuple):
    """What a rung needs of one metric, what is granted, and what jobs take of it."""

    rung: Rung
    metric: str
    needed: int
    granted: int | None
    """None: Google names no limit of that metric, so nothing can be said against it."""
    taken: int
    jobs: tuple[str, ...]

    @property
    def left(self) -> int | None:
        """None: as much as anybody wants, or nobody knows."""
        if self.granted is None or self.granted == UNLIMITED:
            return None
        return max(0, self.granted - self.taken)

    @property
    def enough(self) -> bool:
        return self.left is None or self.left >= self.needed

    @property
    def times(self) -> int:
        """How many such jobs fit at once; one where the limit is not known."""
        if self.left is None:
            return MOST_AT_ONCE if self.granted == UNLIMITED else 1
        return self.left // self.needed

    def describe(self) -> str:
        """ "us-central1: 1 needed, 0 granted"; of the quota for on demand it says so."""
        granted = f"{self.granted} granted" if self.left is not None else "no limit"
        if self.granted is None:
            granted = "limit not known"
        used = f", {self.taken} in use by {_few(self.jobs)}" if self.taken else ""
        way = ", on demand" if self.rung.provisioning == "on-demand" else ""
        return f"{self.rung.region}{way}: {self.needed} needed, {granted}{used}"


def gpu_quotas(ground: Ground) -> Check:
    rooms = [_room(ground, rung, rung.gpu_quota, ground.cloud.gpus) for rung in ground.cloud.rungs]
    return _row(f"{ground.cloud.gpu} GPUs", "GPU quota", rooms, lambda: _gpu_remedy(ground, rooms))


def cpu_quotas(ground: Ground) -> Check:
    """The vCPUs, in the places whose GPUs there is room for; what both leave is the run's ladder."""
    cloud = ground.cloud
    gpus = [_room(ground, rung, rung.gpu_quota, cloud.gpus) for rung in cloud.rungs]
    cpus = [_room(ground, rung, rung.cpu_quota, cloud.cpus) for rung in cloud.rungs]
    open_for_gpus = [pair for pair in zip(gpus, cpus, strict=True) if pair[0].enough] or list(
        zip(gpus, cpus, strict=True)
    )
    usable = [(gpu, cpu) for gpu, cpu in open_for_gpus if gpu.enough and cpu.enough]
    ground.found["rungs"] = tuple(gpu.rung for gpu, _ in usable)
    ground.found["at_once"] = max(1, min(MOST_AT_ONCE, usable[0][0].times, usable[0][1].times)) if usable else 1
    rooms = [cpu for _, cpu in open_for_gpus]
    return _row("vCPUs", "CPU quota", rooms, lambda: _cpu_remedy(rooms))


def _row(what: str, name: str, rooms: list[Room], remedy: Callable[[], str]) -> Check:
    good = [room for room in rooms if room.enough]
    short = "; ".join(dict.fromkeys(room.describe() for room in rooms if not room.enough))
    if not good:
        return Check(name, False, f"no room for {what}: {short}", remedy())
    said = "; ".join(dict.fromkeys(room.describe() for room in good))
    known = any(room.granted is not None for room in good)
    return Check(name, known, f"{said} (left out: {short})" if short else said, unknown=not known)


def _room(ground: Ground, rung: Rung, metric: str, needed: int) -> Room:
    usage = _usages(ground)[rung.region]
    taken = usage.taken.get(metric, 0)
    quotas = _quotas(ground)
    granted = _limit(quotas, metric, rung.region) if metric in quotas.infos else None
    return Room(rung, metric, needed, granted, taken, usage.jobs if taken else ())


def _quotas(ground: Ground) -> Quotas:
    metrics = {metric for rung in ground.cloud.rungs for metric in (rung.gpu_quota, rung.cpu_quota)}
    for machine in MACHINES:
        metrics.update(gpu_quota(machine.gpu, way) for way in machine.provisioning)
    return ground.once("quotas", lambda: read_quotas(ground.world.cloud, metrics))


def _limit(quotas: Quotas, metric: str, region: str) -> int:
    """What is granted; 0 where the metric has no limit for that region, or is not known at all."""
    return quotas.limit(metric, region) or 0


def _usages(ground: Ground) -> dict[str, Usage]:
    regions = list(dict.fromkeys(rung.region for rung in ground.cloud.rungs))

    def ask() -> dict[str, Usage]:
        with ThreadPoolExecutor(len(regions)) as pool:
            return dict(zip(regions, pool.map(partial(_usage, ground), regions), strict=True))

    return ground.once("usage", ask)


def _usage(ground: Ground, region: str) -> Usage:
    try:
        return read_usage(ground.world.cloud, region)
    except CloudError as error:
        if error.scope in ("auth", "api-disabled", "billing"):
            raise
        return _NOTHING_KNOWN  # the limit still says something


def _gpu_remedy(ground: Ground, rooms: list[Room]) -> str:
    """What the project does have, some of each kind; then how to get what it has not."""
    have = [*_fewer(ground, rooms), *islice(_elsewhere(ground, rooms), 3), *islice(_other_gpus(ground, rooms), 2)]
    return "\n".join([*have, *_waiting(rooms), *_requests(ground.cloud.gpu, rooms)])


def _cpu_remedy(rooms: list[Room]) -> str:
    return "\n".join([*_waiting(rooms), *_requests("CPU", rooms)])


def _fewer(ground: Ground, rooms: list[Room]) -> Iterator[str]:
    """Less of the same GPU in the same place."""
    cloud = ground.cloud
    for room in {(room.rung.region, room.metric): room for room in rooms}.values():
        fitting = [count for count in counts_of(cloud.gpu) if count * cloud.machines <= (room.left or 0)]
        if fitting:
            yield f"You have {room.left} {cloud.gpu} ({room.rung.title}): count={fitting[-1]}"


def _elsewhere(ground: Ground, rooms: list[Room]) -> Iterator[str]:
    """As much of the same GPU in other regions, and provided otherwise; the nearest two, then one."""
    cloud, quotas = ground.cloud, _quotas(ground)
    tried = {(room.rung.region, room.metric) for room in rooms}
    for way in machine_for(cloud.gpu, cloud.count).provisioning:
        if way == "flex":  # draws on the same quota as spot
            continue
        metric = gpu_quota(cloud.gpu, way)
        found = (region for region in regions_of(cloud.gpu) if (region, metric) not in tried)
        granted = ((region, _limit(quotas, metric, region)) for region in found)
        for region, limit in islice((one for one in granted if _covers(one[1], cloud.gpus)), 2):
            have = f"You have {_amount(limit)} {cloud.gpu} ({WORDS[way]}) in {region}"
            yield f'{have}: regions=("{region}",), {_spot(way)}'


def _other_gpus(ground: Ground, rooms: list[Room]) -> Iterator[str]:
    """Other GPUs in the same regions, the smaller ones first."""
    cloud, quotas = ground.cloud, _quotas(ground)
    for gpu in dict.fromkeys(machine.gpu for machine in MACHINES if machine.gpu != cloud.gpu):
        for region in dict.fromkeys(room.rung.region for room in rooms):
            limit = _limit(quotas, gpu_quota(gpu, "spot"), region)
            if any(_covers(limit, count * cloud.machines) for count in counts_of(gpu)):
                yield f'You have {_amount(limit)} {gpu} (spot) in {region}: gpu="{gpu}", spot=True'


def _waiting(rooms: list[Room]) -> Iterator[str]:
    full = next((room for room in rooms if room.taken and (room.left or 0) + room.taken >= room.needed), None)
    if full is not None:
        yield f"Wait until {_few(full.jobs)} has ended, or end it: arrcoc cancel"


def _requests(gpu: str, rooms: list[Room]) -> Iterator[str]:
    first = rooms[0]
    way = " --on-demand" if first.rung.provisioning == "on-demand" else ""
    wanted = first.needed + first.taken
    if gpu == "CPU":
        yield "arrcoc setup   requests the vCPUs, too (Google decides: minutes to days)"
    else:
        yield f"arrcoc infra --request {gpu}={wanted}@{first.rung.region}{way}   asks Google for it (minutes to days)"


def _covers(limit: int, needed: int) -> bool:
    return limit == UNLIMITED or limit >= needed


def _amount(limit: int) -> str:
    return "any number of" if limit == UNLIMITED else str(limit)


def _spot(way: Provisioning) -> str:
    return f"spot={way == 'spot'}"


def _few(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more" if names else "a job"
