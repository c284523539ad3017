"""What a machine costs an hour, from dated unit prices: GPUs, vCPUs, memory, and what Vertex AI adds.

    quote = price(machine_for("A100", 1), "us-central1", "spot")
    quote.usd_per_h, quote.parts, quote.as_of, quote.problem

Spot and flex-start are billed as Compute Engine's spot or flex-start prices plus Vertex AI's management fee, which is
a share of the on-demand price; on demand is billed by Vertex AI at its own, higher rate. Where the table has no rate
of Vertex AI's own, fee and rate are taken as `Prices.fee` of the on-demand price.

A price that is missing has `usd_per_h` None; one that is old, or only an upper bound, says so in `problem`, which is
to be shown wherever the price is. Not counted: boot disk (200 GB are about $0.05 an hour), local SSD, network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from arrcoc_core.catalog.machines import Machine, Provisioning

STALE_DAYS = 90


@dataclass(frozen=True, slots=True)
class Unit:
    """Dollars per hour for one GPU, vCPU or GiB of memory in a region; None: not known."""

    on_demand: float | None = None
    flex: float | None = None
    spot: float | None = None
    fee: float | None = None
    """Vertex AI's management fee on spot and flex-start."""
    vertex: float | None = None
    """Vertex AI's own on-demand rate, with its fee in it."""
    dates: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """Field -> ISO date and source, for the rates that are not of the table's own date."""

    @classmethod
    def from_json(cls, held: Mapping[str, Any]) -> Unit:
        fields: dict[str, Any] = {**held, "dates": {rate: tuple(day) for rate, day in held.get("dates", {}).items()}}
        return cls(**fields)

    def rate(self, provisioning: Provisioning) -> float | None:
        """Compute Engine's rate."""
        return {"spot": self.spot, "flex": self.flex, "on-demand": self.on_demand}[provisioning]

    def read_at(self, rate: str, table: Prices) -> tuple[date, str]:
        """When and where a rate of this unit was read."""
        if rate not in self.dates:
            return table.as_of, table.source
        as_of, source = self.dates[rate]
        return date.fromisoformat(as_of), source


Units = Mapping[str, Mapping[str, Unit]]
"""Region -> part -> unit price. Parts: "A100/gpu", and of each machine series "a2/vcpu" and "a2/ram"."""


@dataclass(frozen=True)
class Prices:
    """A table of unit prices. `fee` is Vertex AI's management fee as a share of the on-demand price."""

    as_of: date
    source: str
    units: Units
    fee: float

    def to_json(self) -> dict[str, Any]:
        units = {
            region: {part: {k: v for k, v in asdict(unit).items() if v not in (None, {})} for part, unit in row.items()}
            for region, row in self.units.items()
        }
        return {"as_of": self.as_of.isoformat(), "source": self.source, "fee": self.fee, "units": units}

    @classmethod
    def from_json(cls, held: Mapping[str, Any]) -> Prices:
        """Raises ValueError, KeyError or TypeError where it is not a price table."""
        units = {
            str(region): {str(part): Unit.from_json(unit) for part, unit in row.items()}
            for region, row in held["units"].items()
        }
        return cls(date.fromisoformat(held["as_of"]), str(held["source"]), units, float(held["fee"]))


class PricePart(NamedTuple):
    label: str
    usd: float
    """Dollars per hour."""


@dataclass(frozen=True)
class Price:
    """Dollars per hour; None with a `problem` that says why where no price is known. `note` is worth knowing."""

    usd_per_h: float | None
    parts: tuple[PricePart, ...]
    as_of: date
    source: str
    problem: str = ""
    note: str = ""


def price(
    machine: Machine,
    region: str,
    provisioning: Provisioning,
    *,
    machines: int = 1,
    prices: Prices | None = None,
    today: date | None = None,
) -> Price:
    """What `machines` of them cost an hour in a region."""
    table = prices or shipped_prices()
    if provisioning not in machine.provisioning:
        return _unknown(table, f"{machine.machine_type} is not offered as {provisioning}")
    found = _parts_of(machine, region, table)
    on_demand = _sum(found, "on-demand")
    compute = _sum(found, provisioning)
    if on_demand is None or (compute is None and provisioning == "spot"):
        return _unknown(table, f"no price known for {machine.machine_type} in {region} as {provisioning}")
    problems: list[str] = []
    charged: Provisioning = provisioning
    if compute is None:  # flex-start is never dearer than on demand: a bound is better than nothing
        charged, compute = "on-demand", on_demand
        problems.append(f"no flex-start price known in {region}: the on-demand price, which is the most it can be")
    fee = _fee(found, table, charged)
    parts = [PricePart(label, (unit.rate(charged) or 0.0) * amount * machines) for unit, amount, label in found]
    as_of, source = min(unit.read_at(_FIELDS[charged], table) for unit, _, _ in found)
    if old := too_old(as_of, today):
        problems.append(old)
    return Price(
        (compute + fee) * machines,
        (*parts, PricePart("Vertex AI management fee", fee * machines)),
        as_of,
        source,
        "; ".join(problems),
        _note(found, provisioning),
    )


def cost_of(usd_per_h: float, hours: float) -> float:
    """Dollars for that many hours at a rate: the only place where the two are multiplied."""
    return usd_per_h * hours


def too_old(as_of: date, today: date | None = None) -> str:
    """What is to be said of a price of that day, or ""."""
    days = ((today or date.today()) - as_of).days
    return f"older than {STALE_DAYS} days (of {as_of})" if days > STALE_DAYS else ""


def shipped_prices() -> Prices:
    """The table that comes with this version."""
    from arrcoc_core.catalog.shipped import PRICES

    return PRICES


def prices_path(state: Path) -> Path:
    """Where a refreshed table is kept."""
    return state / "cache" / "prices.json"


def load_prices(state: Path | None) -> Prices:
    """The refreshed table where there is one newer than the shipped one; a damaged one counts as none."""
    shipped = shipped_prices()
    if state is None:
        return shipped
    try:
        kept = Prices.from_json(json.loads(prices_path(state).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return shipped  # never refreshed, or damaged: the shipped one says its date
    return kept if kept.as_of >= shipped.as_of else shipped


Part = tuple[Unit, float, str]
"""A unit price, how many of it the machine has, and what it is called."""


def _parts_of(machine: Machine, region: str, table: Prices) -> list[Part]:
    held = table.units.get(region, {})
    amounts = [(f"{machine.gpu}/gpu", float(machine.count), "GPU")]
    # The price of a B200 is that of its share of the whole machine.
    if machine.series != "a4":
        amounts.append((f"{machine.series}/vcpu", float(machine.vcpus), "vCPU"))
        amounts.append((f"{machine.series}/ram", float(machine.memory_gb), "memory"))
    return [(held.get(part, Unit()), amount, label) for part, amount, label in amounts]


def _sum(found: list[Part], provisioning: Provisioning) -> float | None:
    total = 0.0
    for unit, amount, _ in found:
        rate = unit.rate(provisioning)
        if rate is None:
            return None
        total += rate * amount
    return total


def _fee(found: list[Part], table: Prices, provisioning: Provisioning) -> float:
    """What Vertex AI charges above Compute Engine's price."""
    total = 0.0
    for unit, amount, _ in found:
        base = unit.on_demand or 0.0
        if provisioning == "on-demand":
            own = None if unit.vertex is None else max(0.0, unit.vertex - base)
        else:
            own = unit.fee
        total += (table.fee * base if own is None else own) * amount
    return total


_FIELDS: Mapping[Provisioning, str] = {"spot": "spot", "flex": "flex", "on-demand": "on_demand"}


def _note(found: list[Part], provisioning: Provisioning) -> str:
    spot, flex = _sum(found, "spot"), _sum(found, "flex")
    if provisioning != "on-demand" and spot is not None and flex is not None and spot >= flex:
        return "flex-start is cheaper than spot here"
    return ""


def _unknown(table: Prices, problem: str) -> Price:
    return Price(None, (), table.as_of, table.source, problem)
