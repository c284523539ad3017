"""What `arrcoc costs` shows, as values: every machine's price in a region, and an old table with today's numbers.

The README that this project began with counted an A100 at $1.10 an hour (spot) and $3.67 (on demand). Its sums come
out of `cost_of` as every sum of this system does, with one exception: for 4 GPUs it had halved the product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from arrcoc_core.catalog.machines import MACHINES, Machine, Provisioning, machine_for
from arrcoc_core.catalog.prices import Price, Prices, cost_of, price

OLD_SPOT_USD_PER_H = 1.10
OLD_ON_DEMAND_USD_PER_H = 3.67
"""For one A100, by the original README."""

WAYS: tuple[Provisioning, ...] = ("spot", "flex", "on-demand")


@dataclass(frozen=True)
class CostRow:
    """A machine's prices in a region; a way that it is not offered is not in `quotes`."""

    machine: Machine
    region: str
    quotes: dict[Provisioning, Price]

    def to_json(self) -> dict[str, Any]:
        return {
            "gpu": self.machine.gpu,
            "count": self.machine.count,
            "machine_type": self.machine.machine_type,
            "vcpus": self.machine.vcpus,
            "memory_gib": self.machine.memory_gb,
            "region": self.region,
            "prices": {way: quote_json(quote) for way, quote in self.quotes.items()},
        }


@dataclass(frozen=True)
class OldFigure:
    """A line of the original README: its own sum, what its table printed, and the same machine and time today."""

    time: str
    hours: float
    gpus: int
    printed_usd: float
    then_usd: float
    today: dict[Provisioning, Price]

    def today_usd(self, way: Provisioning) -> float | None:
        rate = self.today[way].usd_per_h
        return None if rate is None else cost_of(rate, self.hours)

    def to_json(self) -> dict[str, Any]:
        return {
            "time": self.time,
            "hours": self.hours,
            "gpus": self.gpus,
            "printed_usd": self.printed_usd,
            "then_usd": round(self.then_usd, 4),
            "today_usd": {way: self.today_usd(way) for way in self.today},
        }


def cost_rows(
    region: str, *, gpu: str | None = None, prices: Prices | None = None, today: date | None = None
) -> tuple[CostRow, ...]:
    """Every machine of the catalogue, or those with one GPU, in a region."""
    return tuple(
        CostRow(machine, region, _quotes(machine, region, prices, today))
        for machine in MACHINES
        if gpu in (None, machine.gpu)
    )


def old_figures(
    region: str = "us-central1", *, prices: Prices | None = None, today: date | None = None
) -> tuple[OldFigure, ...]:
    """The original README's table, on its machines, with today's prices of a region beside it."""
    lines: Sequence[tuple[str, float, int, float]] = (
        ("5 min", 5 / 60, 1, 0.09),
        ("12 hours", 12.0, 1, 13.20),
        ("3.5 hours", 3.5, 4, 7.70),
    )
    return tuple(
        OldFigure(
            time,
            hours,
            gpus,
            printed,
            cost_of(gpus * OLD_SPOT_USD_PER_H, hours),
            _quotes(machine_for("A100", gpus), region, prices, today),
        )
        for time, hours, gpus, printed in lines
    )


def saving(cheap_usd: float | None, full_usd: float | None) -> float | None:
    """The share that one price saves of the other; None where one is not known."""
    return None if cheap_usd is None or not full_usd else 1.0 - cheap_usd / full_usd


def quote_json(quote: Price) -> dict[str, Any]:
    return {
        "usd_per_h": quote.usd_per_h,
        "parts": {part.label: part.usd for part in quote.parts},
        "as_of": quote.as_of.isoformat(),
        "source": quote.source,
        "problem": quote.problem,
        "note": quote.note,
    }


def _quotes(machine: Machine, region: str, prices: Prices | None, today: date | None) -> dict[Provisioning, Price]:
    return {way: price(machine, region, way, prices=prices, today=today) for way in WAYS if way in machine.provisioning}
