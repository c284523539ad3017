"""What a machine costs an hour, from dated unit prices: GPUs, vCPUs, memory, and what Vertex AI adds.

    quote = price(machine_for("A100", 1), "us-central1", "spot")
    quote.usd_per_h, quote.parts, quote.as_of, quote.problem

A price that is missing has `usd_per_h` None, one that is old says so: `problem` is to be shown wherever the price is.
Pure: `load_prices` reads one file, nothing asks the network (`refreshing.py` does).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from arrcoc_core.catalog.machines import Machine, Provisioning

STALE_DAYS = 90

Units = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Region -> part ("A100/gpu", "a2/vcpu", "a2/ram") -> provisioning -> dollars per hour and GPU, vCPU or GiB."""


class PricePart(NamedTuple):
    label: str
    usd: float
    """Dollars per hour."""


@dataclass(frozen=True)
class Price:
    """Dollars per hour; None with a `problem` that says why where no price is known."""

    usd_per_h: float | None
    parts: tuple[PricePart, ...]
    as_of: date
    source: str
    problem: str = ""


@dataclass(frozen=True)
class Prices:
    """A table of unit prices. `fee` is Vertex AI's management fee as a share of the on-demand price."""

    as_of: date
    source: str
    units: Units
    fee: float

    def to_json(self) -> dict[str, Any]:
        return {"as_of": self.as_of.isoformat(), "source": self.source, "fee": self.fee, "units": self.units}

    @classmethod
    def from_json(cls, held: Mapping[str, Any]) -> Prices:
        return cls(date.fromisoformat(held["as_of"]), str(held["source"]), held["units"], float(held["fee"]))


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
    units = table.units.get(region, {})
    amounts = {
        f"{machine.gpu}/gpu": machine.count,
        f"{machine.family}/vcpu": machine.vcpus,
        f"{machine.family}/ram": machine.memory_gb,
    }
    parts: list[PricePart] = []
    on_demand = 0.0
    for part, amount in amounts.items():
        unit, full = units.get(part, {}).get(provisioning), units.get(part, {}).get("on-demand")
        if unit is None or full is None:
            return _unknown(table, f"no price known for {machine.machine_type} in {region} as {provisioning}")
        parts.append(PricePart(_LABELS[part.split("/")[1]], unit * amount * machines))
        on_demand += full * amount * machines
    parts.append(PricePart("Vertex AI management fee", on_demand * table.fee))
    return Price(sum(part.usd for part in parts), tuple(parts), table.as_of, table.source, _age(table, today))


_LABELS = {"gpu": "GPU", "vcpu": "vCPU", "ram": "memory"}


def cost_of(usd_per_h: float, hours: float) -> float:
    """Dollars for that many hours at a rate: the only place where the two are multiplied."""
    return usd_per_h * hours


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
    except (OSError, ValueError, KeyError, TypeError):
        return shipped  # never refreshed, or damaged: the shipped one says its date
    return kept if kept.as_of >= shipped.as_of else shipped


def _unknown(table: Prices, problem: str) -> Price:
    return Price(None, (), table.as_of, table.source, problem)


def _age(table: Prices, today: date | None) -> str:
    days = ((today or date.today()) - table.as_of).days
    return f"older than {STALE_DAYS} days: of {table.as_of}" if days > STALE_DAYS else ""
