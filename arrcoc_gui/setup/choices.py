"""What can be chosen before a setup, as plain values: regions with price and granted quota, keys that were found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arrcoc_core.formatting import UNKNOWN
from arrcoc_gui.widgets.plain_table import Cell, TableRow

REGION_HEADERS = ("Region", "Spot", "On demand", "Spot quota", "On-demand quota", "Prices of")
REGION_RIGHT = frozenset({1, 2, 3, 4})


@dataclass(frozen=True)
class RegionOffer:
    """What one GPU type costs in a region ($/h for one GPU with its machine) and how many are granted."""

    region: str
    gpu: str
    spot_usd: float | None
    usd: float | None
    spot_quota: int | None
    quota: int | None
    as_of: str
    problem: str

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> RegionOffer:
        return cls(
            region=str(line.get("region", "")),
            gpu=str(line.get("gpu", "")),
            spot_usd=line.get("spot_usd_per_h"),
            usd=line.get("usd_per_h"),
            spot_quota=line.get("spot_quota"),
            quota=line.get("quota"),
            as_of=str(line.get("price_as_of") or ""),
            problem=str(line.get("problem") or ""),
        )


@dataclass(frozen=True)
class KeyFound:
    """A secret that may be copied to the cloud: where it lies, never what it is."""

    variable: str
    title: str
    found: bool
    where: str

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> KeyFound:
        variable = str(line.get("variable", ""))
        title = str(line.get("title") or variable)
        return cls(variable, title, bool(line.get("found")), str(line.get("where") or ""))

    @property
    def words(self) -> str:
        return f"{self.title}: found in {self.where}" if self.found else f"{self.title}: not on this machine"


def gpus_of(offers: Iterable[RegionOffer]) -> list[str]:
    """The GPU types that there are offers for, in their order."""
    return list(dict.fromkeys(offer.gpu for offer in offers if offer.gpu))


def region_rows(offers: Sequence[RegionOffer], gpu: str) -> list[TableRow]:
    """Rows of the table for one GPU type: granted spot quota first, then by price."""
    chosen = [offer for offer in offers if offer.gpu == gpu]
    chosen.sort(key=lambda offer: (not offer.spot_quota, offer.spot_usd is None, offer.spot_usd or 0.0, offer.region))
    return [
        TableRow(
            offer.region,
            (
                Cell(offer.region, bold=True),
                _price(offer.spot_usd),
                _price(offer.usd),
                quota_cell(offer.spot_quota),
                quota_cell(offer.quota),
                Cell(
                    offer.problem or offer.as_of,
                    "warn" if offer.problem else "muted",
                    tip=f"{offer.as_of} {offer.problem}".strip(),
                ),
            ),
        )
        for offer in chosen
    ]


def quota_cell(granted: int | None) -> Cell:
    """A limit: its number, "none" for 0, "no limit" for -1, a dash where it is not known."""
    if granted is None:
        return Cell(UNKNOWN, "muted")
    if granted < 0:
        return Cell("no limit")
    return Cell("none", "warn") if granted == 0 else Cell(f"{granted:,}")


def _price(usd: float | None) -> Cell:
    return Cell(UNKNOWN, "muted") if usd is None else Cell(f"${usd:.2f}/h")
