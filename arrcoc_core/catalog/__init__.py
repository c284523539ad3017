"""What Vertex AI offers and charges: machines, quota names, regions, prices. Pure data, no network at import.

machine = machine_for("A100", 1)
price(machine, "us-central1", "spot").usd_per_h
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from arrcoc_core.catalog.machines import MACHINES as MACHINES
from arrcoc_core.catalog.machines import Machine as Machine
from arrcoc_core.catalog.machines import Provisioning as Provisioning
from arrcoc_core.catalog.machines import counts_of as counts_of
from arrcoc_core.catalog.machines import cpu_quota as cpu_quota
from arrcoc_core.catalog.machines import gpu_quota as gpu_quota
from arrcoc_core.catalog.machines import machine_for as machine_for
from arrcoc_core.catalog.machines import machine_name as machine_name
from arrcoc_core.catalog.prices import Price as Price
from arrcoc_core.catalog.prices import PricePart as PricePart
from arrcoc_core.catalog.prices import Prices as Prices
from arrcoc_core.catalog.prices import Unit as Unit
from arrcoc_core.catalog.prices import cost_of as cost_of
from arrcoc_core.catalog.prices import load_prices as load_prices
from arrcoc_core.catalog.prices import price as price
from arrcoc_core.catalog.regions import REGIONS as REGIONS
from arrcoc_core.catalog.regions import regions_of as regions_of

if TYPE_CHECKING:
    from arrcoc_core.cloud.clients import Cloud


def refresh_prices(cloud: Cloud, state: Path, say: Callable[[str], None] = lambda _: None) -> Prices:
    """Today's prices from the Cloud Billing catalogue, kept under `state`; see refreshing.py."""
    from arrcoc_core.catalog.refreshing import refresh_prices as refresh

    return refresh(cloud, state, say)
