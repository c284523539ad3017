"""GPU quota: what the experiments need, what is asked for, and what comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from arrcoc_core import Experiment, Local, Vertex, resolve
from arrcoc_core.infra.events import Event
from arrcoc_core.infra.needs import Amount, GpuNeed, gpu_needs, needs_of
from arrcoc_core.infra.quota_requests import GpuQuota
from arrcoc_core.infra.quotas import read_quotas
from arrcoc_core.infra.running import Outcome
from arrcoc_core.infra.tables import cost_rows, cost_total, quota_rows, region_rows, wanted_amounts
from arrcoc_core.infra.world import World
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import QuotaDenied
from arrcoc_core.settings import load_settings

A100 = "aiplatform.googleapis.com/custom_model_training_preemptible_nvidia_a100_gpus"
CPUS = "aiplatform.googleapis.com/custom_model_training_preemptible_cpus"
NEED = GpuNeed("A100", "us-central1", (Amount(A100, 4, "A100", "spot"), Amount(CPUS, 48, "CPU", "spot")), ("big",))
SetUp = Callable[..., Outcome]


def test_what_experiments_need_per_gpu_and_region(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {})
    one = Experiment(name="one", compute=Vertex(gpu="L4", count=1, fallback=("flex",)))
    four = Experiment(name="four", compute=Vertex(gpu="L4", count=4, machines=2, spot=False, fallback=()))
    big = Experiment(name="big", compute=Vertex(gpu="A100", regions=("europe-west4", "us-central1"), fallback=()))
    here = Experiment(name="here", compute=Local())
    needs = needs_of([resolve(each, settings) for each in (one, four, big, here)], "us-central1")
    assert [(need.gpu, need.region, need.experiments) for need in needs] == [
        ("L4", "us-central1", ("one", "four")),
        ("A100", "europe-west4", ("big",)),
        ("A100", "us-central1", ("big",)),
    ]
    amounts = {amount.metric.rpartition("custom_model_training_")[2]: amount.value for amount in needs[0].amounts}
    assert amounts == {
        "preemptible_nvidia_l4_gpus": 1,
        "preemptible_cpus": 12,  # the A100 in the same region needs 12, the L4 alone would need 8
        "nvidia_l4_gpus": 8,
        "g2_cpus": 96,
    }


def test_what_only_examples_need_is_listed_and_not_asked_for(world: World, sandbox: Sandbox, set_up: SetUp) -> None:
    settings = load_settings(Path("/"), {})
    mine = Experiment(name="mine", compute=Vertex(gpu="L4", regions=("us-central1",)))
    shown = Experiment(name="shown", compute=Vertex(gpu="A100", regions=("us-central1",)), tags=("example",))
    own, example = needs_of([resolve(each, settings) for each in (shown, mine)], "us-central1")
    assert (own.gpu, own.example, example.gpu, example.example) == ("L4", False, "A100", True)
    assert {amount.value for amount in own.amounts if amount.gpu == "CPU"} == {8}  # not the 12 of the A100
    outcome = set_up(world, needs=(example,))
    row = {event.resource: event for event in outcome.events}["quota-a100-us-central1"]
    assert outcome.ok and row.state == "skipped" and row.error is not None
    assert "arrcoc infra --request A100=1@us-central1" in row.error.to_text()
    assert "CreateQuotaPreference" not in str(sandbox.changes())


def test_broken_experiments_need_nothing(project: Path) -> None:
    (project / "experiments" / "vqav2_2b.py").unlink()
    (project / "experiments" / "broken.py").write_text("this is not Python", encoding="utf-8")
    (project / "experiments" / "cloud.py").write_text(
        "from arrcoc_core import Experiment, Vertex\n"
        'good = Experiment(name="good", compute=Vertex(gpu="T4", fallback=()))\n'
        'bad = Experiment(name="bad", compute=Vertex(gpu="H200", count=3))\n',
        encoding="utf-8",
    )
    assert [need.gpu for need in gpu_needs(project, load_settings(project, {}))] == ["T4"]


def test_asked_for_followed_and_granted(world: World, sandbox: Sandbox, set_up: SetUp) -> None:
    outcome = set_up(world, needs=(NEED,))
    row = {event.resource: event for event in outcome.events}["quota-a100-us-central1"]
    assert outcome.ok and row.state == "requested" and "4 asked for, pending" in row.detail
    asked = len(sandbox.changes())
    assert set_up(world, needs=(NEED,)).ok and len(sandbox.changes()) == asked, "what is pending is not asked again"
    request = read_quotas(world.cloud).request(A100, "us-central1")
    assert request is not None and request.wanted == 4 and request.annotations == world.names.labels
    deadline = time.monotonic() + 20
    while GpuQuota(NEED).check(world).state != "ok":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert set_up(world, needs=(NEED,)).ok and len(sandbox.changes()) == asked
    # More is needed now: the request, which is ours, is raised.
    more = replace(NEED, amounts=(Amount(A100, 8, "A100", "spot"),))
    assert set_up(world, needs=(more,)).ok and len(sandbox.changes()) == asked + 1


def test_refused_is_said_once_and_asked_again_only_by_a_person(world: World, sandbox: Sandbox, set_up: SetUp) -> None:
    sandbox.set_scenario([QuotaDenied()])
    set_up(world, needs=(NEED,))
    deadline = time.monotonic() + 20
    while GpuQuota(NEED).check(world).state == "pending":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    before = len(sandbox.changes())
    events: list[Event] = []
    outcome = set_up(world, events, needs=(NEED,))
    row = {event.resource: event for event in outcome.events}["quota-a100-us-central1"]
    assert outcome.ok and row.state == "skipped" and "denied" in row.detail and len(sandbox.changes()) == before
    assert row.error is not None and "arrcoc infra --request A100=4@us-central1" in row.error.to_text()
    insisting = GpuQuota(NEED, insist=True)
    assert insisting.check(world).state == "missing"
    assert insisting.ensure(world, print).state == "pending"
    assert len(sandbox.changes()) > before


def test_not_asked_for_without_leave_or_address(world: World, sandbox: Sandbox, set_up: SetUp) -> None:
    outcome = set_up(world, needs=(NEED,), request_quota=False)
    row = {event.resource: event for event in outcome.events}["quota-a100-us-central1"]
    assert outcome.ok and row.state == "skipped" and row.error is not None
    assert "CreateQuotaPreference" not in str(sandbox.changes())


def test_the_tables(world: World, sandbox: Sandbox, set_up: SetUp) -> None:
    assert set_up(world, needs=(NEED,)).ok
    rows = {(row.gpu, row.region, row.kind): row for row in quota_rows(replace(world, needs=(NEED,)))}
    row = rows["A100", "us-central1", "spot"]
    assert (row.limit, row.used, row.needed) == (0, 0, 4)
    assert row.pending is not None and row.pending.state == "pending"
    assert rows["T4", "us-central1", "spot"].needed == 0, "what is granted beside is shown, too"
    world.cloud.storage().bucket(world.names.runs_bucket).blob("a").upload_from_string(b"x" * 2**20)
    costs = {cost.resource: cost for cost in cost_rows(world)}
    assert costs["runs-bucket"].size_bytes == 2**20
    assert costs["runs-bucket"].usd_per_month == pytest.approx(0.020 / 1024)
    total = cost_total(list(costs.values()))
    assert total["complete"] and total["usd_per_month"] == pytest.approx(0.020 / 1024)


def test_regions_with_their_prices_and_quota(world: World) -> None:
    rows = region_rows(("L4",), None, read_quotas(world.cloud), "europe-west4")
    assert rows[0].region == "europe-west4" and rows[0].spot_quota == 1
    known = [row.spot_usd_per_h for row in rows[1:] if row.spot_usd_per_h is not None]
    assert known == sorted(known) and len(rows) > 10
    both = [(row.spot_usd_per_h, row.usd_per_h) for row in rows if row.spot_usd_per_h and row.usd_per_h]
    assert both and all(spot < full for spot, full in both)


def test_an_explicit_request_brings_its_vcpus() -> None:
    assert [(one.gpu, one.value, one.kind) for one in wanted_amounts("L4", 3, False)] == [
        ("L4", 4, "spot"),
        ("CPU", 48, "spot"),
    ]
    assert [(one.gpu, one.value) for one in wanted_amounts("H200", 16, True)] == [("H200", 16), ("CPU", 448)]
