"""What can be said of a plan for Vertex AI without asking anybody: do the places exist, is it within the budget.

Budget: a launch is refused when what it could cost is more than `max_cost_usd`, that is

    highest hours of the estimate x $/h x OVERHEAD of the way it is provided, on the dearest rung

and also when that cannot be known, because a rung has no known price. Hours that nobody can estimate count as
`max_hours`. The same cap is kept while the run goes on; this is the part that can be said before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from arrcoc_core.catalog import REGIONS, Provisioning, cost_of, regions_of
from arrcoc_core.catalog.regions import nearest_regions
from arrcoc_core.catalog.rules import fallback_note
from arrcoc_core.facts import Check
from arrcoc_core.formatting import duration, money, money_range

if TYPE_CHECKING:
    from arrcoc_core.estimates import Estimate
    from arrcoc_core.experiment import Vertex
    from arrcoc_core.vertex_planning import CloudPlan

OVERHEAD: Mapping[Provisioning, float] = {"spot": 1.25, "flex": 1.0, "on-demand": 1.0}
"""What interruptions may add to the hours that are paid for.

Each preemption costs the work since the last checkpoint and the start of another machine, some ten minutes together.
A quarter more covers one every 40 minutes: far more than Google's spot machines usually see.
"""


def place_checks(compute: Vertex, cloud: CloudPlan, expected: Estimate) -> tuple[Check, ...]:
    """What can be said of the places and of the money without asking anybody."""
    checks = [
        _home_check(cloud),
        Check("machine", True, f"{cloud.rungs[0].machine_type}, {compute.count} x {compute.gpu}"),
    ]
    if compute.max_cost_usd:
        checks.append(cap_check(cloud, expected))
    return tuple(checks)


def cap_check(cloud: CloudPlan, expected: Estimate) -> Check:
    """Whether the run could cost more than its cap, with the arithmetic."""
    cap = cloud.max_cost_usd
    unpriced = next((rung for rung in cloud.rungs if rung.usd_per_h is None), None)
    if unpriced is not None:
        return Check(
            "budget",
            False,
            f"no price is known for {unpriced.machine_type} in {unpriced.title}, so nobody can say that the run stays "
            f"below compute.max_cost_usd = {money(cap)}",
            "arrcoc costs --refresh   asks Google for today's prices\nOr take another region, or max_cost_usd=0.",
        )
    hours = expected.high_s / 3600 if expected.high_s else cloud.max_hours
    how = "at most" if expected.high_s else "of max_hours, since nobody can say how long it takes,"
    worst, most = max(
        ((rung, cost_of(rung.usd_per_h or 0.0, hours * OVERHEAD[rung.provisioning])) for rung in cloud.rungs),
        key=lambda pair: pair[1],
    )
    factor = OVERHEAD[worst.provisioning]
    sum_of_it = (
        f"{duration(hours * 3600)} {how} x ${worst.usd_per_h:.2f}/h ({worst.title})"
        f"{f' x {factor:.2f} for preemptions' if factor > 1 else ''} = {money(most)}"
    )
    if most <= cap:
        return Check("budget", True, f"{sum_of_it}, at most {money(cap)}")
    return Check(
        "budget",
        False,
        f"it could cost more than compute.max_cost_usd = {money(cap)}: {sum_of_it}",
        f"Raise max_cost_usd to {-int(-most // 1)}, leave out the dearest place (regions, fallback), or train less.",
    )


def place_notes(compute: Vertex, cloud: CloudPlan, *, default_ladder: bool) -> tuple[str, ...]:
    """What is worth knowing about the places and is no reason to stop."""
    offered = regions_of(cloud.gpu)
    elsewhere = [region for region in dict.fromkeys(rung.region for rung in cloud.rungs) if region not in offered]
    notes = [fallback_note(compute)] if default_ladder else []
    notes += [f"{region} has no {cloud.gpu} by the table of this version" for region in elsewhere if region in REGIONS]
    if cloud.price_problem:
        notes.append(f"prices: {cloud.price_problem} (arrcoc costs --refresh)")
    notes.append(cloud.price_note)
    return tuple(note for note in notes if note)


def text_rows(cloud: CloudPlan) -> list[tuple[str, str]]:
    """Label and text of each line that the plan for a terminal has about the cloud."""
    rows = [("project", f"{cloud.project}, home {cloud.region}{' (sandbox)' if cloud.endpoints else ''}")]
    rows += [("ladder" if n == 0 else "", line) for n, line in enumerate(ladder_lines(cloud))]
    rows.append(("prices", f"of {cloud.price_date}, {cloud.price_source}"))
    rows.append(("budget", f"at most {money(cloud.max_cost_usd)}" if cloud.max_cost_usd else "no cap (max_cost_usd=0)"))
    needed = dict.fromkeys((rung.region, rung.gpu_quota, rung.cpu_quota) for rung in cloud.rungs)
    for n, (region, gpu, cpu) in enumerate(needed):
        rows.append(
            ("quota" if n == 0 else "", f"{region}: {cloud.gpus} of {_metric(gpu)}, {cloud.cpus} of {_metric(cpu)}")
        )
    return rows


def ladder_lines(cloud: CloudPlan) -> list[str]:
    """ "1. us-central1, spot: g2-standard-8, $0.41/h, $0.10 to $0.29; waits at most 30 min"."""
    lines: list[str] = []
    for n, rung in enumerate(cloud.rungs, 1):
        total = "" if rung.usd_low is None else f", {money_range(rung.usd_low, rung.usd_high)}"
        cost = "price unknown" if rung.usd_per_h is None else f"${rung.usd_per_h:.2f}/h{total}"
        wait = f"waits at most {duration(rung.max_wait_s)}"
        lines.append(f"{n}. {rung.title}: {rung.machine_type}, {cost}; {wait}")
    return lines


def _home_check(cloud: CloudPlan) -> Check:
    """The regions of an experiment are checked where it is written; the one of `.training` is known only here."""
    regions = dict.fromkeys(rung.region for rung in cloud.rungs)
    if cloud.region in REGIONS:
        return Check("regions", True, ", ".join(regions))
    meant = nearest_regions(cloud.region)
    return Check(
        "regions",
        False,
        f"Vertex AI has no region {cloud.region!r} (GCP_ROOT_RESOURCE_REGION in .training)",
        (f"Did you mean {' or '.join(meant)}? " if meant else "")
        + f"{cloud.gpu} is in {', '.join(regions_of(cloud.gpu))}.",
    )


def _metric(name: str) -> str:
    return name.rpartition("/")[2]
