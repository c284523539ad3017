"""Today's prices from the Cloud Billing catalogue, checked before they are kept.

`refresh_prices` lists the SKUs of Compute Engine and of Vertex AI, reads the few that matter (`skus.py`) and checks
what they come to: on demand > flex-start > spot for each machine and region. A spot or flex-start price that is not
below on demand is a misread SKU and left out. Spot above flex-start is kept and said: Google's spot prices follow
demand, and for some GPUs they have passed flex-start's fixed ones.

What the catalogue does not say, or what was left out, stays as it was before, with the date that it had. The table is
written in one step; when anything fails, the one before stays whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from arrcoc_core.catalog.machines import MACHINES
from arrcoc_core.catalog.prices import Prices, Unit, Units, load_prices, price, prices_path, shipped_prices
from arrcoc_core.catalog.skus import COMPUTE_SERVICE, VERTEX_SERVICE, Reading, read_sku
from arrcoc_core.cloud.calling import call
from arrcoc_core.cloud.clients import Cloud
from arrcoc_core.errors import CloudError

PAGE = 5000
PATIENCE_S = 60.0
"""How long a page of the catalogue is asked for again."""
SOURCE = "Cloud Billing catalogue (cloudbilling.googleapis.com)"
RATES = ("on_demand", "flex", "spot", "fee", "vertex")
Say = Callable[[str], None]


class Finding(NamedTuple):
    """What the check found about a machine in a region. `wrong`: not to be used."""

    region: str
    part: str
    wrong: bool
    text: str


def refresh_prices(cloud: Cloud, state: Path, say: Say = lambda _: None, *, today: date | None = None) -> Prices:
    """Ask for today's prices and keep them under `state`. CloudError when the catalogue cannot be read whole."""
    units: dict[str, dict[str, Unit]] = {}
    for service, title in ((COMPUTE_SERVICE, "Compute Engine"), (VERTEX_SERVICE, "Vertex AI")):
        count = found = 0
        for sku in _list_skus(cloud, service):
            count += 1
            found += take(units, sku)
        say(f"{title}: {count:,} SKUs, {found} of machines in this catalogue")
    if not any(unit.on_demand is not None for row in units.values() for unit in row.values()):
        raise CloudError(
            "The Cloud Billing catalogue has none of the prices that are looked for: its wording has changed.",
            scope="internal",
            remedy="The prices from before are still used. Report this, with the date.",
        )
    made = Prices(today or datetime.now(UTC).date(), SOURCE, units, shipped_prices().fee)
    findings = check_prices(made)
    made = replace(made, units=with_older(without(units, findings), load_prices(state)))
    for finding in findings:
        say(f"{'left out' if finding.wrong else 'note'}: {finding.region}: {finding.text}")
    _write(prices_path(state), made)
    return made


def check_prices(prices: Prices) -> tuple[Finding, ...]:
    """on demand > flex-start > spot, for each unit price; and for each GPU, whether spot is the cheapest."""
    found: list[Finding] = []
    for region, row in prices.units.items():
        for part, unit in row.items():
            full = unit.on_demand
            if full is None:
                continue
            if unit.spot is not None and not 0 < unit.spot < full:
                found.append(Finding(region, f"{part} spot", True, f"{part}: spot ${unit.spot} is not below ${full}"))
            if unit.flex is not None and not 0 < unit.flex <= full:
                found.append(Finding(region, f"{part} flex", True, f"{part}: flex ${unit.flex} is above ${full}"))
    smallest = {machine.gpu: machine for machine in reversed(MACHINES)}
    for region in prices.units:
        for gpu, machine in smallest.items():
            quote = price(machine, region, "spot", prices=prices, today=prices.as_of)
            if quote.note:
                found.append(Finding(region, f"{gpu}/gpu", False, f"{gpu}: {quote.note}"))
    return tuple(found)


def _list_skus(cloud: Cloud, service: str) -> Iterable[Any]:
    from google.cloud.billing_v1 import ListSkusRequest

    catalog = cloud.price_catalog()
    token = ""
    while True:
        request = ListSkusRequest(parent=f"services/{service}", currency_code="USD", page_size=PAGE, page_token=token)
        # One page at a time through `call`: the pager of the client would fetch the next ones without its retries.
        pager = call(catalog.list_skus, request=request, patience_s=PATIENCE_S, timeout_s=60.0)
        page = next(iter(pager.pages))
        yield from page.skus
        token = page.next_page_token
        if not token:
            return


def take(units: dict[str, dict[str, Unit]], sku: Any) -> bool:
    """Put the price of a billing_v1 Sku where it belongs in `units`; whether it is one that matters."""
    if not sku.pricing_info:
        return False
    expression = sku.pricing_info[-1].pricing_expression
    reading = read_sku(sku.description, sku.category.usage_type, expression.usage_unit)
    usd = _unit_usd(expression)
    if reading is None or usd <= 0:
        return False
    for region in sku.service_regions:
        row = units.setdefault(str(region), {})
        row[reading.part] = _with(row.get(reading.part, Unit()), reading, usd)
    return True


def _unit_usd(expression: Any) -> float:
    """Dollars per unit of usage beyond any free tier."""
    rates = [tier.unit_price.units + tier.unit_price.nanos / 1e9 for tier in expression.tiered_rates]
    return next((rate for rate in reversed(rates) if rate > 0), 0.0)


def _with(unit: Unit, reading: Reading, usd: float) -> Unit:
    """Of two SKUs for one price, the dearer: a plan had better be too careful."""
    before: float | None = getattr(unit, reading.rate)
    return replace(unit, **{reading.rate: usd if before is None else max(before, usd)})


def without(units: Units, findings: Iterable[Finding]) -> dict[str, dict[str, Unit]]:
    """The units less the rates that are wrong."""
    kept = {region: dict(row) for region, row in units.items()}
    for finding in findings:
        if finding.wrong:
            part, _, rate = finding.part.rpartition(" ")
            kept[finding.region][part] = replace(kept[finding.region][part], **{rate: None})
    return kept


def with_older(units: Units, before: Prices) -> dict[str, dict[str, Unit]]:
    """The units, and what only the table from before has, with its date."""
    made = {region: dict(row) for region, row in units.items()}
    for region, row in before.units.items():
        for part, old in row.items():
            new = made.setdefault(region, {}).get(part, Unit())
            kept = [rate for rate in RATES if getattr(new, rate) is None and getattr(old, rate) is not None]
            if kept:
                dates = {
                    rate: (day.isoformat(), source) for rate in kept for day, source in [old.read_at(rate, before)]
                }
                old_rates = {rate: getattr(old, rate) for rate in kept}
                made[region][part] = replace(new, **old_rates, dates={**new.dates, **dates})
    return made


def _write(path: Path, prices: Prices) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_text(json.dumps(prices.to_json(), indent=1), encoding="utf-8")
    os.replace(partial, path)
