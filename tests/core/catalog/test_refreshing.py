"""Today's prices, by the real client from a price list in Google's wording: read whole, checked, kept in one step."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from arrcoc_core.catalog import MACHINES, load_prices, price, refresh_prices, refreshing
from arrcoc_core.catalog.prices import prices_path, shipped_prices
from arrcoc_core.cloud.calling import call
from arrcoc_core.cloud.clients import Cloud
from arrcoc_core.errors import CloudError
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import NoNetwork, Unavailable

TODAY = datetime.now(UTC).date()


@pytest.fixture
def cloud(sandbox: Sandbox) -> Cloud:
    """Clients of a project in which the Cloud Billing API is on, as setup leaves it."""
    made = sandbox.cloud()
    request = {"name": f"projects/{made.project}/services/cloudbilling.googleapis.com"}
    call(made.services().enable_service, request=request).result(timeout=20)
    return made


def test_todays_table_replaces_the_shipped_one_and_comes_to_the_same(cloud: Cloud, tmp_path: Path) -> None:
    """The stand-in's price list is made from the shipped table, with look-alikes among it: both must agree."""
    state, said = tmp_path / "state", []
    made = refresh_prices(cloud, state, said.append)
    assert made.as_of == TODAY and "Cloud Billing" in made.source
    assert any("Compute Engine: " in line for line in said) and any("Vertex AI: " in line for line in said)
    assert any("flex-start is cheaper than spot" in line for line in said)
    assert load_prices(state) == made and not list(prices_path(state).parent.glob("*.partial"))
    shipped, compared = shipped_prices(), 0
    for region in shipped.units:
        for machine in MACHINES:
            for way in machine.provisioning:
                old = price(machine, region, way, prices=shipped, today=shipped.as_of)
                new = price(machine, region, way, prices=made, today=TODAY)
                assert new.usd_per_h == (None if old.usd_per_h is None else pytest.approx(old.usd_per_h, rel=1e-6))
                if new.usd_per_h is not None:
                    compared += 1
                    assert new.as_of == TODAY and "older" not in new.problem
    assert compared > 300


def test_the_price_list_is_read_page_by_page(
    sandbox: Sandbox, cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked() -> int:
        return sum(row["method"] == "ListSkus" for row in sandbox.requests())

    changes = sandbox.changes()
    whole = refresh_prices(cloud, tmp_path)
    assert asked() == 2
    monkeypatch.setattr(refreshing, "PAGE", 100)
    assert refresh_prices(cloud, tmp_path) == whole
    assert asked() > 12 and sandbox.changes() == changes


def test_a_service_that_is_briefly_away_is_asked_again(sandbox: Sandbox, cloud: Cloud, tmp_path: Path) -> None:
    sandbox.set_scenario([Unavailable(method="ListSkus", times=2)])
    assert refresh_prices(cloud, tmp_path).as_of == TODAY


def test_with_the_api_off_the_message_says_how_to_turn_it_on(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(CloudError, match=r"cloudbilling\.googleapis\.com is off") as raised:
        refresh_prices(sandbox.cloud(), tmp_path)
    assert raised.value.scope == "api-disabled" and "enable" in raised.value.remedy and raised.value.exit_code == 2
    assert load_prices(tmp_path) is shipped_prices()


def test_without_a_network_the_table_from_before_stays(
    sandbox: Sandbox, cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh_prices(cloud, tmp_path)
    before = prices_path(tmp_path).read_bytes()
    sandbox.set_scenario([NoNetwork()])
    monkeypatch.setattr(refreshing, "PATIENCE_S", 0.1)
    with pytest.raises(CloudError) as raised:
        refresh_prices(cloud, tmp_path)
    assert raised.value.scope in ("offline", "unavailable")
    assert prices_path(tmp_path).read_bytes() == before


def sku(description: str, usd: float, *, usage: str = "OnDemand", unit: str = "h", free: float = 0.0) -> Any:
    from google.cloud.billing_v1 import Sku

    def tier(start: float, price: float) -> dict[str, Any]:
        units = int(price)
        money = {"currency_code": "USD", "units": units, "nanos": round((price - units) * 1e9)}
        return {"start_usage_amount": start, "unit_price": money}

    tiers = [tier(0, 0.0), tier(free, usd)] if free else [tier(0, usd)]
    return Sku(
        description=description,
        category={"usage_type": usage},
        service_regions=["us-central1", "us-east1"],
        pricing_info=[{"pricing_expression": {"usage_unit": unit, "tiered_rates": tiers}}],
    )


def taken(*skus: Any) -> dict[str, Any]:
    units: dict[str, dict[str, Any]] = {}
    for one in skus:
        refreshing.take(units, one)
    assert units.get("us-central1") == units.get("us-east1")
    return units.get("us-central1", {})


def test_units_nanos_tiers_and_regions_of_a_sku() -> None:
    row = taken(
        sku("Nvidia H100 80GB GPU running in Americas", 9.796551),
        sku("Nvidia L4 GPU running in Americas", 0.56004, free=100),
        sku("A2 Instance Ram running in Americas", 0.004237, unit="GiBy.h"),
        sku("A2 Instance Ram running in Europe", 3.0, unit="GiBy.mo"),
        sku("Reserved Nvidia Tesla A100 GPU in Americas", 0.0),
        sku("Nvidia Tesla T4 GPU running in Americas", 0.0),
    )
    assert set(row) == {"H100/gpu", "L4/gpu", "a2/ram"}
    assert row["H100/gpu"].on_demand == pytest.approx(9.796551, abs=1e-9)
    assert row["L4/gpu"].on_demand == pytest.approx(0.56004)  # beyond the free tier


def test_of_two_skus_for_one_price_the_dearer_counts_in_any_order() -> None:
    one, two = sku("Nvidia L4 GPU running in Iowa", 0.5), sku("Nvidia L4 GPU running in Americas", 0.6)
    assert taken(one, two)["L4/gpu"].on_demand == taken(two, one)["L4/gpu"].on_demand == pytest.approx(0.6)


def test_a_misread_price_is_left_out_and_said() -> None:
    shipped = shipped_prices()
    row = shipped.units["us-central1"]
    odd = replace(row["A100/gpu"], spot=9.0)
    table = replace(shipped, units={"us-central1": {**row, "A100/gpu": odd}})
    findings = refreshing.check_prices(table)
    assert [finding.part for finding in findings if finding.wrong] == ["A100/gpu spot"]
    kept = replace(table, units=refreshing.without(table.units, findings))
    machine = next(machine for machine in MACHINES if machine.gpu == "A100")
    quote = price(machine, "us-central1", "spot", prices=kept)
    assert quote.usd_per_h is None and "no price known" in quote.problem
    assert price(machine, "us-central1", "on-demand", prices=kept).usd_per_h


def test_what_the_catalogue_does_not_say_stays_with_the_date_it_had(tmp_path: Path) -> None:
    before = load_prices(None)
    machine = next(machine for machine in MACHINES if machine.gpu == "A100")
    row = {part: replace(unit, flex=None) for part, unit in before.units["us-central1"].items()}
    today = before.as_of + timedelta(days=200)
    made = replace(before, as_of=today, units=refreshing.with_older({"us-central1": row}, before))
    spot, flex = (price(machine, "us-central1", way, prices=made, today=today) for way in ("spot", "flex"))
    assert spot.as_of == today and spot.problem == ""
    assert flex.as_of == before.as_of and "older than" in flex.problem
    assert flex.usd_per_h == price(machine, "us-central1", "flex", prices=before).usd_per_h
    elsewhere = price(machine, "europe-west4", "spot", prices=made, today=today)
    assert elsewhere.as_of == before.as_of and "older than" in elsewhere.problem
    assert load_prices(None).units == before.units, "the table from before is not touched"


@pytest.mark.usefixtures("cloud")
def test_the_command_refreshes_and_then_no_price_is_old(
    sandbox: Sandbox, project: Path, arrcoc: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARRCOC_CLOUD_ENDPOINTS", str(sandbox.folder))
    done = subprocess.run([*arrcoc, "costs", "--refresh"], capture_output=True, text=True, check=True, cwd=project)
    assert f"prices of {TODAY}" in done.stdout and "older than" not in done.stdout
    assert "SKUs" in done.stderr
    held = json.loads((project / ".arrcoc/cache/prices.json").read_text())
    assert held["as_of"] == TODAY.isoformat()
    answer = subprocess.run([*arrcoc, "costs", "--json"], capture_output=True, text=True, check=True, cwd=project)
    assert json.loads(answer.stdout)["refreshed"] is True
    assert load_prices(project / ".arrcoc").as_of - TODAY < timedelta(days=1)
