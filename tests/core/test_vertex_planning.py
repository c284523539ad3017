"""A plan for Vertex AI: the ladder, its prices, the budget's arithmetic; pure, and cheap."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cloud_facts import cloud_facts

from arrcoc_core import Data, Experiment, Model, Train, Vertex, plan
from arrcoc_core.catalog import REGIONS, price
from arrcoc_core.catalog.machines import machine_for
from arrcoc_core.errors import PlanError
from arrcoc_core.experiment import BaseName
from arrcoc_core.facts import Facts, PastRun
from arrcoc_core.planning import Plan, make_plan
from arrcoc_core.resolving import resolve
from arrcoc_core.settings import load_settings
from arrcoc_core.vertex_planning import CloudPlan
from arrcoc_core.vertex_review import OVERHEAD


@pytest.fixture
def facts(project: Path) -> Facts:
    return cloud_facts(project)


def planned(facts: Facts, compute: Vertex, data: Data | None = None) -> Plan:
    experiment = Experiment(name="far", compute=compute, data=data or Data())
    return make_plan(resolve(experiment, load_settings(facts.root)), facts)


def cloud_of(made: Plan) -> CloudPlan:
    assert made.cloud is not None
    return made.cloud


def places(made: Plan) -> list[tuple[str, str]]:
    return [(rung.provisioning, rung.region) for rung in cloud_of(made).rungs]


def failed(made: Plan) -> list[str]:
    return [check.name for check in made.checks if check.failed]


def test_the_ladder_goes_through_the_regions_before_it_falls_back(facts: Facts) -> None:
    regions = ("us-east4", "us-central1")
    made = planned(facts, Vertex(gpu="L4", regions=regions, fallback=("on-demand", "flex"), max_wait_minutes=5))
    assert places(made) == [(way, region) for way in ("spot", "on-demand", "flex") for region in regions]
    assert {rung.max_wait_s for rung in cloud_of(made).rungs} == {300.0}
    assert places(planned(facts, Vertex(gpu="L4"))) == [("spot", "us-central1"), ("flex", "us-central1")]
    assert places(planned(facts, Vertex(gpu="L4", spot=False, fallback=("on-demand",)))) == [
        ("on-demand", "us-central1")
    ]
    # A T4 is not offered as flex-start: the default ladder does without, and says so.
    made = planned(facts, Vertex(gpu="T4"))
    assert places(made) == [("spot", "us-central1")]
    assert any("flex-start is not offered for T4" in note for note in made.warnings)


def test_each_rung_has_the_catalogues_price_and_quota(facts: Facts) -> None:
    made = planned(facts, Vertex(gpu="A100", count=2, machines=2, fallback=("flex", "on-demand")))
    machine = machine_for("A100", 2)
    low, high = made.estimate_s
    assert facts.cloud is not None
    for rung in cloud_of(made).rungs:
        quote = price(
            machine, "us-central1", rung.provisioning, machines=2, prices=facts.cloud.prices, today=facts.cloud.today
        )
        assert rung.usd_per_h == quote.usd_per_h is not None
        assert rung.usd_low == pytest.approx(quote.usd_per_h * low / 3600)
        assert rung.usd_high == pytest.approx(quote.usd_per_h * high / 3600)
    spot, _, demand = cloud_of(made).rungs
    assert spot.gpu_quota == "aiplatform.googleapis.com/custom_model_training_preemptible_nvidia_a100_gpus"
    assert demand.gpu_quota == "aiplatform.googleapis.com/custom_model_training_nvidia_a100_gpus"
    assert spot.cpu_quota != demand.cpu_quota
    span = made.cost_range
    assert span is not None and made.cost_usd is not None
    assert (span[0], span[1]) == (spot.usd_low, demand.usd_high)
    assert spot.usd_low is not None and spot.usd_high is not None and spot.usd_low < made.cost_usd < spot.usd_high


def test_text_and_json_say_all_of_it(facts: Facts) -> None:
    made = planned(facts, Vertex(gpu="L4", regions=("us-central1", "us-east4"), max_cost_usd=50.0))
    text, stored = made.to_text(), json.loads(json.dumps(made.to_json()))
    cloud = cloud_of(made)
    for part in (
        "1. us-central1, spot: g2-standard-8",
        "2. us-east4, spot",
        f"of {cloud.price_date}, {cloud.price_source}",
        "at most $50.00",
        "custom_model_training_preemptible_nvidia_l4_gpus",
        "gs://my-project-123-arr-coc-0-1-runs",
        "c0dec0dec0de",
        "x $",
    ):
        assert part in text, part
    assert CloudPlan.from_json(stored["cloud"]) == cloud
    assert stored["target"] == "vertex" and stored["machine"] == "1 x L4 (Vertex)"
    assert stored["cost_range"] == list(made.cost_range or ())
    assert "packages" not in [check.name for check in made.checks], "torch here is no business of a job there"


def test_the_budget_refuses_with_its_arithmetic(facts: Facts) -> None:
    free = planned(facts, Vertex(gpu="A100"))
    dearest = max(rung.usd_high * OVERHEAD[rung.provisioning] for rung in cloud_of(free).rungs if rung.usd_high)
    assert planned(facts, Vertex(gpu="A100", max_cost_usd=round(dearest + 0.01, 2))).ok
    made = planned(facts, Vertex(gpu="A100", max_cost_usd=round(dearest - 0.01, 2)))
    assert failed(made) == ["budget"]
    with pytest.raises(PlanError) as raised:
        made.require()
    assert "/h (us-central1, " in str(raised.value) and "= $" in str(raised.value)
    assert "max_cost_usd" in raised.value.remedy and raised.value.exit_code == 2


def test_a_budget_without_a_price_or_without_hours_is_refused(facts: Facts) -> None:
    assert facts.cloud is not None
    nothing = replace(facts.cloud.prices, units={})
    unpriced = replace(facts, cloud=replace(facts.cloud, prices=nothing))
    made = planned(unpriced, Vertex(gpu="L4", max_cost_usd=1000.0))
    assert failed(made) == ["budget"] and "no price is known" in made.to_text()
    without_cap = planned(unpriced, Vertex(gpu="L4"))
    assert without_cap.ok and without_cap.cost_usd is None and without_cap.cost_range is None
    assert "price unknown" in without_cap.headline and any("no price" in note for note in without_cap.warnings)
    # Nobody knows how long a data set from the Hub takes, so it counts as max_hours.
    endless = Data(dataset="HuggingFaceM4/VQAv2", max_train_samples=0)
    made = planned(facts, Vertex(gpu="L4", max_cost_usd=10.0), endless)
    assert failed(made) == ["budget"] and "max_hours" in made.to_text()
    assert planned(facts, Vertex(gpu="L4", max_cost_usd=10.0, max_hours=1.0), endless).ok


def test_old_prices_say_so(facts: Facts) -> None:
    assert facts.cloud is not None
    later = replace(facts.cloud, today=facts.cloud.prices.as_of + timedelta(days=91))
    made = planned(replace(facts, cloud=later), Vertex(gpu="L4"))
    assert "90 days" in cloud_of(made).price_problem and any("90 days" in note for note in made.warnings)
    fresh = replace(facts.cloud, today=facts.cloud.prices.as_of + timedelta(days=90))
    assert planned(replace(facts, cloud=fresh), Vertex(gpu="L4", fallback=())).warnings == ()


LARGE: dict[str, BaseName] = {
    "2B": "Qwen/Qwen3-VL-2B-Instruct",
    "8B": "Qwen/Qwen3-VL-8B-Instruct",
    "30B": "Qwen/Qwen3-VL-30B-A3B-Instruct",
}


@pytest.mark.parametrize(
    ("size", "compute", "told"),
    [
        ("2B", Vertex(gpu="L4"), ""),
        ("8B", Vertex(gpu="A100"), ""),
        ("8B", Vertex(gpu="L4"), ""),
        ("8B", Vertex(gpu="T4"), "it will run out of memory; 2 of them would hold it together"),
        ("8B", Vertex(gpu="T4", count=4), "4 GPUs hold the base together, about"),
        ("8B", Vertex(gpu="T4", count=4, shard_base="never"), "it will run out of memory"),
        ("8B", Vertex(gpu="A100", count=2, shard_base="always"), "2 GPUs hold the base together"),
        ("30B", Vertex(gpu="A100"), "takes about 62."),
        ("30B", Vertex(gpu="H100", count=8), ""),
        ("30B", Vertex(gpu="L4", count=8), "8 GPUs hold the base together"),
        ("30B", Vertex(gpu="T4", count=1), "it will run out of memory"),
    ],
)
def test_a_base_that_no_gpu_can_hold_alone_is_told(facts: Facts, size: str, compute: Vertex, told: str) -> None:
    experiment = Experiment(
        name="far",
        model=Model(base=LARGE[size]),
        data=Data(image_size=512, max_train_samples=96),
        train=Train(batch_size=8, bf16=True),
        compute=compute,
    )
    made = make_plan(resolve(experiment, load_settings(facts.root)), facts)
    notes = [note for note in made.warnings if note.startswith(LARGE[size])]
    assert len(notes) == bool(told), notes
    assert told in "".join(notes)


def test_a_home_that_is_no_region_fails_with_what_was_meant(facts: Facts) -> None:
    assert facts.cloud is not None
    moved = replace(facts.cloud, names=replace(facts.cloud.names, region="us-centrall1"))
    made = planned(replace(facts, cloud=moved), Vertex(gpu="L4", regions=("us-east4",)))
    assert failed(made) == ["regions"]
    assert "Did you mean us-central1" in made.to_text() and "GCP_ROOT_RESOURCE_REGION" in made.to_text()


def test_a_region_without_the_gpu_is_worth_a_note(facts: Facts) -> None:
    assert "africa-south1" in REGIONS
    made = planned(facts, Vertex(gpu="B200", count=8, regions=("africa-south1",)))
    assert any("africa-south1 has no B200" in note for note in made.warnings)


def test_past_runs_on_the_same_machine_correct_the_hours_and_so_the_price(facts: Facts) -> None:
    model = planned(facts, Vertex(gpu="L4"))
    past = PastRun("tiny", "f", model.machine, 100.0, 400.0)
    made = planned(replace(facts, history=(past,)), Vertex(gpu="L4"))
    assert made.estimate_s[0] == pytest.approx(0.9 * 4 * model.workload)
    assert "your last run of tiny" in made.estimate_source
    assert (made.cost_usd or 0) > 2 * (model.cost_usd or 0)


def test_an_account_may_come_from_the_endpoints_alone(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = project / "elsewhere"
    folder.mkdir()
    (folder / ".training").write_text("GCP_PROJECT_ID=arrcoc-sandbox\n")
    (folder / "endpoints.json").write_text('{"name": "sandbox", "services": {}}')
    monkeypatch.setenv("ARRCOC_CLOUD_ENDPOINTS", "elsewhere")
    made = plan(Experiment(name="far", compute=Vertex(gpu="L4")))
    assert cloud_of(made).project == "arrcoc-sandbox"
    assert cloud_of(made).endpoints == str(folder), "whoever drives the run has another working directory"
    assert "sandbox" in made.to_text()


def test_planning_asks_nobody_and_imports_no_client(project: Path) -> None:
    code = """
import os, sys
os.environ["ARRCOC_GCP_PROJECT_ID"] = "my-project-123"
from arrcoc_core import Experiment, Vertex, plan
made = plan(Experiment(name="far", compute=Vertex(gpu="L4")))
made.to_json(), made.to_text()
clients = ("google.auth", "google.api", "google.cloud.", "grpc", "requests")
print([name for name in sys.modules if name.startswith(clients)])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
