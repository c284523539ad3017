"""Prices: made of their parts, dated, checked, and honest about what is missing or old."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from arrcoc_core.catalog import MACHINES, Prices, Unit, cost_of, load_prices, machine_for, price, regions_of
from arrcoc_core.catalog.prices import prices_path, shipped_prices
from arrcoc_core.catalog.refreshing import check_prices

SHIPPED = shipped_prices()
FRESH = SHIPPED.as_of + timedelta(days=1)


def test_a_spot_price_is_gpu_and_vcpu_and_memory_and_the_fee() -> None:
    quote = price(machine_for("A100", 1), "us-central1", "spot", today=FRESH)
    parts = {part.label: part.usd for part in quote.parts}
    assert list(parts) == ["GPU", "vCPU", "memory", "Vertex AI management fee"]
    assert quote.usd_per_h == pytest.approx(sum(parts.values()))
    on_demand = 2.933908 + 12 * 0.031611 + 85 * 0.004237
    assert parts["Vertex AI management fee"] == pytest.approx(0.15 * on_demand, rel=1e-4)
    assert parts["GPU"] == 1.5399
    assert parts["vCPU"] + parts["memory"] == pytest.approx(0.38812)
    bare = parts["GPU"] + parts["vCPU"] + parts["memory"]
    assert quote.usd_per_h is not None and bare / quote.usd_per_h < 0.8, "the bare spot price is far too low"


def test_what_others_were_billed_for_eight_h100() -> None:
    """By invoices of 2025 for an a3-highgpu-8g in us-central1, which had disks besides."""
    machine = machine_for("H100", 8)
    on_demand = price(machine, "us-central1", "on-demand", today=FRESH).usd_per_h
    flex = price(machine, "us-central1", "flex", today=FRESH).usd_per_h
    assert on_demand == pytest.approx(101.5429684 - 0.53561644, abs=0.01)
    assert flex == pytest.approx(52.0306163 - 0.53561644 - 0.65753425, abs=0.01)


def test_several_machines_cost_as_many_times() -> None:
    one = price(machine_for("L4", 2), "us-central1", "spot", today=FRESH)
    three = price(machine_for("L4", 2), "us-central1", "spot", machines=3, today=FRESH)
    assert one.usd_per_h is not None and three.usd_per_h == pytest.approx(3 * one.usd_per_h)
    assert sum(part.usd for part in three.parts) == pytest.approx(three.usd_per_h)


def test_on_demand_is_above_flex_start_is_above_spot_in_the_shipped_table() -> None:
    seen = 0
    for region in SHIPPED.units:
        for machine in MACHINES:
            quotes = {way: price(machine, region, way, today=FRESH) for way in ("spot", "flex", "on-demand")}
            rates = {way: quote.usd_per_h for way, quote in quotes.items()}
            full, spot, flex = rates["on-demand"], rates["spot"], rates["flex"]
            if full is not None and spot is not None:
                assert full > spot > 0, (machine.name, region)
            if full is not None and flex is not None:
                bound = "the most it can be" in quotes["flex"].problem
                assert full == pytest.approx(flex) if bound else full > flex, (machine.name, region)
            if spot is not None and flex is not None:
                # Where spot has passed flex-start, the price itself says so.
                assert flex > spot or quotes["spot"].note == "flex-start is cheaper than spot here"
                seen += 1
    assert seen > 100
    assert [finding for finding in check_prices(SHIPPED) if finding.wrong] == []


def test_the_check_finds_what_cannot_be() -> None:
    def table(**unit: float) -> Prices:
        return Prices(FRESH, "test", {"us-central1": {"T4/gpu": Unit(**unit)}}, 0.15)

    assert check_prices(table(on_demand=1.0, flex=0.6, spot=0.5)) == ()
    (spot,) = check_prices(table(on_demand=1.0, spot=1.0))
    assert spot.wrong and spot.part == "T4/gpu spot"
    (flex,) = check_prices(table(on_demand=1.0, flex=1.2))
    assert flex.wrong and flex.part == "T4/gpu flex"
    (nothing,) = check_prices(table(on_demand=1.0, spot=0.0))
    assert nothing.wrong


@pytest.mark.parametrize("gpu", sorted({machine.gpu for machine in MACHINES}))
def test_every_gpu_has_a_price_in_the_main_region(gpu: str) -> None:
    machine = next(machine for machine in MACHINES if machine.gpu == gpu)
    assert all(price(machine, "us-central1", way).usd_per_h for way in machine.provisioning)


def test_a_price_older_than_90_days_says_so() -> None:
    machine = machine_for("A100", 1)
    assert price(machine, "us-central1", "spot", today=SHIPPED.as_of + timedelta(days=90)).problem == ""
    old = price(machine, "us-central1", "spot", today=SHIPPED.as_of + timedelta(days=91))
    assert old.problem == f"older than 90 days (of {SHIPPED.as_of})" and old.usd_per_h is not None
    assert old.as_of == SHIPPED.as_of and "Cloud Billing" in old.source


def test_a_price_has_the_date_of_its_oldest_part() -> None:
    machine = machine_for("H200", 8)
    newer = price(machine, "us-central1", "spot", today=FRESH)
    assert newer.as_of == date(2026, 10, 13) and newer.as_of > SHIPPED.as_of
    assert price(machine, "us-central1", "flex", today=FRESH).as_of == SHIPPED.as_of, "flex-start is an older reading"
    row = SHIPPED.units["us-central1"]
    mixed = replace(row["H200/gpu"], dates={"spot": ("2026-01-05", "elsewhere")})
    prices = replace(SHIPPED, units={"us-central1": {**row, "H200/gpu": mixed}})
    quote = price(machine, "us-central1", "spot", prices=prices, today=FRESH)
    assert (quote.as_of, quote.source) == (date(2026, 1, 5), "elsewhere") and "older than" in quote.problem


def test_a_missing_price_says_so_and_is_not_zero() -> None:
    unpriced = next(
        region
        for region in regions_of("H100")
        if region not in SHIPPED.units or "H100/gpu" not in SHIPPED.units[region]
    )
    quote = price(machine_for("H100", 8), unpriced, "spot")
    assert quote.usd_per_h is None and quote.parts == ()
    assert quote.problem == f"no price known for a3-highgpu-8g in {unpriced} as spot"
    assert "not offered" in price(machine_for("T4", 1), "us-central1", "flex").problem


def test_a_flex_start_price_that_is_not_known_is_bounded_by_on_demand() -> None:
    quote = price(machine_for("L4", 1), "us-central1", "flex", today=FRESH)
    full = price(machine_for("L4", 1), "us-central1", "on-demand", today=FRESH)
    assert quote.usd_per_h == pytest.approx(full.usd_per_h) and "the most it can be" in quote.problem


def test_vertex_ais_own_rates_win_over_the_share() -> None:
    units = {"us-central1": {"B200/gpu": Unit(on_demand=10.0, flex=5.0, spot=4.0, fee=2.0, vertex=13.0)}}
    prices = Prices(FRESH, "test", units, 0.15)
    rates = {
        way: price(machine_for("B200", 8), "us-central1", way, prices=prices, today=FRESH).usd_per_h
        for way in ("spot", "flex", "on-demand")
    }
    assert rates == {"spot": 48.0, "flex": 56.0, "on-demand": 104.0}


def test_the_newer_of_the_refreshed_and_the_shipped_table_counts(tmp_path: Path) -> None:
    assert load_prices(None) is load_prices(tmp_path) is SHIPPED
    path = prices_path(tmp_path)
    path.parent.mkdir()
    newer = replace(SHIPPED, as_of=FRESH, source="today")
    path.write_text(json.dumps(newer.to_json()))
    assert load_prices(tmp_path) == newer
    path.write_text(json.dumps(replace(newer, as_of=SHIPPED.as_of - timedelta(days=1)).to_json()))
    assert load_prices(tmp_path) is SHIPPED
    odd = '{"as_of": "2027-01-01", "source": "", "fee": 0, "units": {"a": {"b": {"x": 1}}}}'
    for damaged in ("", "[]", '{"as_of": 1}', odd):
        path.write_text(damaged)
        assert load_prices(tmp_path) is SHIPPED


def test_the_original_readmes_figures_come_out_of_the_same_function() -> None:
    spot, full = 1.10, 3.67
    assert round(cost_of(spot, 5 / 60), 2) == 0.09
    assert round(cost_of(spot, 12), 2) == 13.20
    assert round(cost_of(4 * spot, 3.5), 2) == 15.40  # its table said $7.70
    assert round(1 - spot / full, 2) == 0.70
