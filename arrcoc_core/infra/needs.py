"""Which GPU quota the experiments of the project need: per GPU and region, each with the vCPUs that go with it.

Vertex AI counts GPUs and vCPUs apart, spot and flex-start apart from on demand; a job needs both. What is needed is
the largest single run: runs that wait for each other share it.

An experiment that is tagged `EXAMPLE` is there to be looked at. What only such ones need is listed, and asked for by
name alone (`arrcoc infra --request`): quota is requested from people, who want to know what for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from arrcoc_core.errors import ArrcocError
from arrcoc_core.experiment import Vertex, WandbLaunch

if TYPE_CHECKING:
    from arrcoc_core.catalog import Provisioning
    from arrcoc_core.resolved import ResolvedExperiment
    from arrcoc_core.settings import Settings


EXAMPLE = "example"


@dataclass(frozen=True, slots=True)
class Amount:
    """`value` of a quota metric; `gpu` is "CPU" for vCPUs."""

    metric: str
    value: int
    gpu: str
    kind: str
    """ "spot" (flex-start draws on the same quota) or "on-demand"."""


@dataclass(frozen=True, slots=True)
class GpuNeed:
    gpu: str
    region: str
    amounts: tuple[Amount, ...]
    experiments: tuple[str, ...]
    """Names of those that ask for it."""
    example: bool = False
    """Whether only examples ask for it."""


def gpu_needs(root: Path | None, settings: Settings) -> tuple[GpuNeed, ...]:
    """What the experiments in `root`/experiments ask for; broken ones ask for nothing."""
    return needs_of(resolved_experiments(root, settings), str(settings.get("GCP_ROOT_RESOURCE_REGION")))


def queues_of(experiments: Iterable[ResolvedExperiment], settings: Settings) -> tuple[str, ...]:
    """The Launch queues that are named: by the settings, and by experiments."""
    named = [one.experiment.compute for one in experiments]
    queues = [str(one.queue) for one in named if isinstance(one, WandbLaunch)]
    return tuple(dict.fromkeys(name for name in (str(settings.get("WANDB_LAUNCH_QUEUE_NAME")), *queues) if name))


def resolved_experiments(root: Path | None, settings: Settings) -> list[ResolvedExperiment]:
    """The experiments in `root`/experiments that could be launched."""
    if root is None:
        return []
    from arrcoc_core.discovery import discover
    from arrcoc_core.resolving import resolve

    found: list[ResolvedExperiment] = []
    for entry in discover(root).entries:
        if entry.experiment is None or entry.error is not None:
            continue
        try:
            found.append(resolve(entry.experiment, settings))
        except ArrcocError:
            continue  # a row of the list with its error; it cannot be launched, so it needs nothing
    return found


def needs_of(experiments: Iterable[ResolvedExperiment], home: str) -> tuple[GpuNeed, ...]:
    """One row for each GPU and region, in the order in which experiments name them; what only examples need last."""
    everything = list(experiments)
    own = _rows([one for one in everything if EXAMPLE not in one.experiment.tags], home)
    there = {(need.gpu, need.region) for need in own}
    more = [need for need in _rows(everything, home) if (need.gpu, need.region) not in there]
    return (*own, *(replace(need, example=True) for need in more))


def _rows(experiments: Iterable[ResolvedExperiment], home: str) -> tuple[GpuNeed, ...]:
    amounts: dict[tuple[str, str], dict[str, Amount]] = {}
    names: dict[tuple[str, str], dict[str, None]] = {}
    for resolved in experiments:
        compute = resolved.experiment.compute
        vertex = compute.vertex if isinstance(compute, WandbLaunch) else compute
        if not isinstance(vertex, Vertex):
            continue
        for region in vertex.regions or (home,):
            place = (vertex.gpu, region)
            names.setdefault(place, {})[resolved.name] = None
            held = amounts.setdefault(place, {})
            for amount in amounts_for(vertex.gpu, vertex.count, vertex.machines, provisionings(vertex)):
                known = held.get(amount.metric)
                if known is None or known.value < amount.value:
                    held[amount.metric] = amount
    # vCPUs are one quota for several GPUs: every row of a region asks for as many as the largest.
    most: dict[tuple[str, str], Amount] = {}
    for (_, region), held in amounts.items():
        for metric, amount in held.items():
            known = most.get((region, metric))
            if known is None or known.value < amount.value:
                most[region, metric] = amount
    return tuple(
        GpuNeed(gpu, region, tuple(most[region, metric] for metric in held), tuple(names[gpu, region]))
        for (gpu, region), held in amounts.items()
    )


def provisionings(vertex: Vertex) -> tuple[Provisioning, ...]:
    """What a run may be placed on, the first choice first."""
    first: Provisioning = "spot" if vertex.spot else "on-demand"
    rest: list[Provisioning] = [one for one in vertex.fallback if one != first]
    return (first, *rest)


def amounts_for(gpu: str, count: int, machines: int, kinds: Iterable[Provisioning]) -> tuple[Amount, ...]:
    """The metrics that `machines` machines of `count` GPUs draw on: GPUs before vCPUs, spot before on demand."""
    from arrcoc_core.catalog import cpu_quota, gpu_quota, machine_for

    machine = machine_for(gpu, count)
    found: dict[str, Amount] = {}
    for kind in kinds:
        if kind not in machine.provisioning:
            continue
        word = "on-demand" if kind == "on-demand" else "spot"
        for metric, value, what in (
            (gpu_quota(gpu, kind), count * machines, gpu),
            (cpu_quota(machine, kind), machine.vcpus * machines, "CPU"),
        ):
            found.setdefault(metric, Amount(metric, value, what, word))
    return tuple(found.values())
