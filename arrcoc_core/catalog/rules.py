"""What an experiment may ask of Vertex AI: the rules between the fields of `Vertex`, from the catalogue alone.

`contradictions` finds what cannot be, `fitting_fallback` what of the default ladder can be. What depends on the world
(quota, prices, capacity) is the plan's and the preflight's to say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from arrcoc_core.catalog.machines import Machine, Provisioning, counts_of, machine_for, nearest, numbers
from arrcoc_core.catalog.regions import REGIONS, nearest_regions, regions_of
from arrcoc_core.compute import Fallback, Vertex
from arrcoc_core.errors import PlanError

FLEX_MAX_HOURS = 168.0
"""Flex-start machines run for at most seven days."""

WORDS: dict[Provisioning, str] = {"spot": "spot", "flex": "flex-start", "on-demand": "on demand"}


class Contradiction(NamedTuple):
    """`field` is the one of `Vertex` to change."""

    field: str
    message: str
    remedy: str


def contradictions(vertex: Vertex, per_step: int, chosen: Collection[str], prefix: str) -> Iterator[Contradiction]:
    """What the fields of a Vertex without INHERIT ask for and nobody offers.

    `per_step` is the number of questions of an optimizer step, `chosen` the fields that a person set: a default never
    contradicts anything. `prefix` is where the Vertex stands: "compute." or "compute.vertex.".
    """
    try:
        machine = machine_for(vertex.gpu, vertex.count)
    except PlanError:
        yield _count(vertex, prefix)
        return
    what = f"{machine.machine_type} ({vertex.count} x {vertex.gpu})"
    first: Provisioning = "spot" if vertex.spot else "on-demand"
    if first not in machine.provisioning:
        yield Contradiction(
            "spot",
            f"{prefix}spot = {vertex.spot}: {what} is offered as {_ways(machine)} only.",
            _other_counts(vertex, first) or f"Use spot={not vertex.spot}.",
        )
    if "fallback" in chosen:
        yield from _fallback(vertex, machine, what, prefix)
    yield from _regions(vertex, prefix)
    devices = vertex.count * vertex.machines
    if per_step % devices:
        field = "machines" if vertex.machines > 1 else "count"
        yield Contradiction(
            field,
            f"{prefix}{field} = {getattr(vertex, field)}: the {per_step} questions of an optimizer step cannot be "
            f"shared equally by {devices} GPUs.",
            "Make train.batch_size x train.gradient_accumulation_steps a multiple of count x machines.",
        )


def fitting_fallback(vertex: Vertex) -> tuple[Fallback, ...]:
    """Of the default ladder, what the machine is offered as; all of it where there is no such machine."""
    try:
        machine = machine_for(vertex.gpu, vertex.count)
    except PlanError:
        return vertex.fallback
    return tuple(way for way in vertex.fallback if way in machine.provisioning and not _too_long(vertex, way))


def fallback_note(vertex: Vertex) -> str:
    """Why the default ladder of this machine has no flex-start, or ""."""
    if "flex" not in machine_for(vertex.gpu, vertex.count).provisioning:
        return f"flex-start is not offered for {vertex.gpu}: it is left out of the default ladder"
    if _too_long(vertex, "flex"):
        return f"flex-start is left out of the default ladder: max_hours is more than its {FLEX_MAX_HOURS:.0f} hours"
    return ""


def _count(vertex: Vertex, prefix: str) -> Contradiction:
    counts = counts_of(vertex.gpu)
    there = f"only one with {counts[0]}" if len(counts) == 1 else f"only machines with {numbers(counts)}"
    return Contradiction(
        "count",
        f"{prefix}count = {vertex.count}: there is no machine with {vertex.count} {vertex.gpu}, {there}.",
        f"Use count={nearest(counts, vertex.count)}; more GPUs by machines=2 and up.   arrcoc costs --gpu {vertex.gpu}",
    )


def _fallback(vertex: Vertex, machine: Machine, what: str, prefix: str) -> Iterator[Contradiction]:
    for way in vertex.fallback:
        if way not in machine.provisioning:
            kept = tuple(other for other in vertex.fallback if other in machine.provisioning)
            yield Contradiction(
                "fallback",
                f'{prefix}fallback = {vertex.fallback!r}: {what} is not offered as "{way}" but as {_ways(machine)}.',
                f"Use fallback={kept!r}.",
            )
        elif _too_long(vertex, way):
            yield Contradiction(
                "fallback",
                f"{prefix}fallback asks for flex-start, which runs for at most {FLEX_MAX_HOURS:.0f} hours, and "
                f"{prefix}max_hours = {vertex.max_hours:g}.",
                f"Use max_hours={FLEX_MAX_HOURS:.0f}, or leave flex out of fallback.",
            )


def _regions(vertex: Vertex, prefix: str) -> Iterator[Contradiction]:
    for region in vertex.regions:
        if region not in REGIONS:
            meant = nearest_regions(region)
            yield Contradiction(
                "regions",
                f"{prefix}regions: Vertex AI has no region {region!r}.",
                (f"Did you mean {' or '.join(meant)}? " if meant else "")
                + f"{vertex.gpu} is in {', '.join(regions_of(vertex.gpu))}.",
            )
    twice = next((region for region in vertex.regions if vertex.regions.count(region) > 1), None)
    if twice is not None:
        yield Contradiction(
            "regions", f"{prefix}regions names {twice} twice.", "Name each region once, in the order to try them."
        )


def _too_long(vertex: Vertex, way: str) -> bool:
    return way == "flex" and vertex.max_hours > FLEX_MAX_HOURS


def _ways(machine: Machine) -> str:
    return " and ".join(WORDS[way] for way in machine.provisioning)


def _other_counts(vertex: Vertex, way: Provisioning) -> str:
    """The counts of the GPU that are offered this way, as a remedy."""
    fit = tuple(count for count in counts_of(vertex.gpu) if way in machine_for(vertex.gpu, count).provisioning)
    return f"Use spot={not vertex.spot}, or count={numbers(fit)} for {WORDS[way]}." if fit else ""
