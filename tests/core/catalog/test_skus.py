"""Google's wording: real SKU descriptions, read as what they price; their look-alikes, not read at all."""

from __future__ import annotations

import pytest

from arrcoc_core.catalog.prices import shipped_prices
from arrcoc_core.catalog.skus import Reading, read_sku, sku_rows

# Descriptions as the Cloud Billing catalogue had them in 2025 and 2026.
REAL = [
    ("Nvidia Tesla T4 GPU running in Americas", "T4/gpu", "on_demand"),
    ("Nvidia L4 GPU running in Americas", "L4/gpu", "on_demand"),
    ("Nvidia Tesla V100 GPU running in Americas", "V100/gpu", "on_demand"),
    ("Nvidia Tesla A100 GPU running in Americas", "A100/gpu", "on_demand"),
    ("Nvidia Tesla A100 80GB GPU running in Netherlands", "A100-80GB/gpu", "on_demand"),
    ("Nvidia H100 80GB GPU running in Americas", "H100/gpu", "on_demand"),
    ("Nvidia H100 80GB Plus GPU running in Americas", "H100-MEGA/gpu", "on_demand"),
    ("A4 Nvidia B200 (1 gpu slice) running in Americas", "B200/gpu", "on_demand"),
    ("Nvidia Tesla A100 GPU attached to Spot Preemptible VMs running in Americas", "A100/gpu", "spot"),
    ("Nvidia L4 GPU attached to Spot Preemptible VMs running in Frankfurt", "L4/gpu", "spot"),
    ("Spot Preemptible A4 Nvidia B200 (1 gpu slice) running in Americas", "B200/gpu", "spot"),
    ("Nvidia H100 80GB GPU attached to DWS Defined Duration VMs running in Americas", "H100/gpu", "flex"),
    ("Nvidia H100 Mega 80GB GPU attached to DWS Defined Duration VMs running in Americas", "H100-MEGA/gpu", "flex"),
    ("Nvidia Tesla A100 80GB GPU attached to DWS Defined Duration VMs running in Americas", "A100-80GB/gpu", "flex"),
    ("N1 Predefined Instance Core running in Americas", "n1/vcpu", "on_demand"),
    ("N1 Predefined Instance Ram running in Americas", "n1/ram", "on_demand"),
    ("Spot Preemptible N1 Predefined Instance Core running in Americas", "n1/vcpu", "spot"),
    ("Spot Preemptible G2 Instance Core running in Iowa", "g2/vcpu", "spot"),
    ("A2 Instance Ram running in Americas", "a2/ram", "on_demand"),
    ("A3Plus Instance Core running in Americas", "a3-mega/vcpu", "on_demand"),
    ("A3 Plus Instance Ram running in Netherlands", "a3-mega/ram", "on_demand"),
    ("Spot Preemptible A3Ultra Instance Core running in Americas", "a3-ultra/vcpu", "spot"),
    ("DWS Defined Duration A3 Core running in Americas", "a3-high/vcpu", "flex"),
    ("DWS Defined Duration A3Plus Core running in Americas", "a3-mega/vcpu", "flex"),
    ("DWS Defined Duration A2 Ram running in Americas", "a2/ram", "flex"),
    ("Vertex AI: Training/Pipelines on NVIDIA H100 80GB in Iowa", "H100/gpu", "vertex"),
    ("Vertex AI: Training/Pipelines on A3 Instance RAM in Iowa", "a3-high/ram", "vertex"),
    ("Vertex AI: Training/Pipelines on N1 Predefined Instance Core running in Iowa", "n1/vcpu", "vertex"),
    ("Vertex AI: Training/Pipelines management fee on NVIDIA H100 80GB in Iowa", "H100/gpu", "fee"),
    ("Vertex AI: Training/Pipelines Management fee on N1 Instance Core in Iowa", "n1/vcpu", "fee"),
    ("Vertex AI: Training/Pipelines management fee on A3 Instance Core in Iowa", "a3-high/vcpu", "fee"),
]  # fmt: skip

LOOK_ALIKES = [
    ("Reserved Nvidia Tesla A100 GPU in Seoul", "OnDemand", "h"),
    ("Reserved Nvidia H100 80GB Mega GPU in Americas in Calendar Mode", "OnDemand", "h"),
    ("Commitment v1: A2 Cpu in Americas for 1 Year", "Commit1Yr", "h"),
    ("Commitment v1: Nvidia L4 GPU running in Americas for 3 Year", "Commit3Yr", "h"),
    ("A2 Sole Tenancy Instance Core running in Americas", "OnDemand", "h"),
    ("Custom Instance Core running in Americas", "OnDemand", "h"),
    ("G2 Custom Extended Instance Ram running in Americas", "OnDemand", "GiBy.h"),
    ("Capacity Optimized A2 Instance Core running in Americas", "OnDemand", "h"),
    ("Committed Use Discount Premium for A2 Instance Core running in Johannesburg", "CmtCudPremium", "h"),
    ("Vertex AI: Online/Batch Prediction Nvidia H100 80gb GPU running in Iowa", "OnDemand", "h"),
    ("Vertex AI: Online/Batch Prediction management fee on NVIDIA H100 80GB in Iowa", "OnDemand", "h"),
    ("1/8 vGPU no lssd running in Iowa", "OnDemand", "h"),
    ("Nvidia Tesla P4 GPU running in Americas", "OnDemand", "h"),
    ("TpuV5p running in Columbus", "OnDemand", "h"),
    ("E2 Instance Core running in Americas", "OnDemand", "h"),
    ("A2 Instance Ram running in Americas", "OnDemand", "GiBy.mo"),  # a month, not an hour
    ("Network Internet Egress from Americas", "OnDemand", "GiBy"),
]


@pytest.mark.parametrize(("description", "part", "rate"), REAL)
def test_real_descriptions_are_read(description: str, part: str, rate: str) -> None:
    unit = "GiBy.h" if part.endswith("/ram") else "h"
    # The catalogue marks spot with its usage type, except that of the B200; flex-start it marks as on demand.
    usage = "Preemptible" if rate == "spot" and part != "B200/gpu" else "OnDemand"
    assert read_sku(description, usage, unit) == Reading(part, rate)  # type: ignore[arg-type]


@pytest.mark.parametrize(("description", "usage", "unit"), LOOK_ALIKES)
def test_look_alikes_are_not(description: str, usage: str, unit: str) -> None:
    assert read_sku(description, usage, unit) is None


def test_the_40_gb_card_is_not_read_as_the_80_gb_one() -> None:
    cards = {read_sku(f"Nvidia Tesla A100{size} GPU running in Iowa", "OnDemand", "h") for size in ("", " 80GB")}
    assert {reading.part for reading in cards if reading} == {"A100/gpu", "A100-80GB/gpu"}


def test_what_a_stand_in_serves_reads_back_as_what_it_was_made_from() -> None:
    prices = shipped_prices()
    seen: set[tuple[str, str, str]] = set()
    for sku in sku_rows(prices):
        reading = read_sku(sku.description, sku.usage_type, sku.unit)
        assert reading is not None, sku
        (region,) = sku.regions
        unit = prices.units[region][reading.part]
        expected = getattr(unit, reading.rate)
        assert expected is None or expected == sku.usd
        key = (region, *reading)
        assert key not in seen
        seen.add(key)
    assert {(region, part, "on_demand") for region, row in prices.units.items() for part in row} <= seen
