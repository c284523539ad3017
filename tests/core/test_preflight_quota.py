"""What live jobs take of the quotas, and what the preflight makes of it; secrets that a run needs or can do without."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from google.cloud.aiplatform_v1.types import CustomJob
from ready_sandbox import ready_sandbox
from sandbox_settings import log_as_found, log_offline, log_online

from arrcoc_core import Data, Experiment, Model, Vertex
from arrcoc_core.api import stage
from arrcoc_core.cloud.calling import call
from arrcoc_core.cloud.names import OWNER_LABEL, Names
from arrcoc_core.cloud.usage import count_usage
from arrcoc_core.errors import PlanError
from arrcoc_core.facts import Check, gather_facts
from arrcoc_core.planning import Plan, make_plan
from arrcoc_core.preflight import Preflight, preflight
from arrcoc_core.preflight.quotas import Room
from arrcoc_core.resolving import resolve
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.images import publish
from arrcoc_core.settings import load_settings
from arrcoc_core.vertex_request import job_request

SPOT_L4 = "custom_model_training_preemptible_nvidia_l4_gpus"
SPOT_CPUS = "custom_model_training_preemptible_cpus"


@pytest.fixture(scope="module")
def ready(make_project: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Path]]:
    root = make_project()
    with ready_sandbox(root, tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox, root


def planned(root: Path, compute: Vertex, **more: object) -> Plan:
    settings = load_settings(root)
    return make_plan(
        resolve(Experiment(name="far", compute=compute, **more), settings),
        gather_facts(root, settings),  # type: ignore[arg-type]
    )


def looked(root: Path, compute: Vertex, **more: object) -> Preflight:
    return preflight(planned(root, compute, **more), load_settings(root))


def row(found: Preflight, name: str) -> Check:
    return next(check for check in found.checks if check.name == name)


def grant(box: Sandbox, metric: str, value: int, region: str = "us-central1") -> None:
    with box.box.state.transaction():
        box.box.service("cloudquotas").grant(metric, value, region)


def request_of(root: Path, compute: Vertex, rung: int = 0, n: int = 1) -> CustomJob:
    cloud = planned(root, compute).cloud
    assert cloud is not None
    image = f"{cloud.image.rpartition(':')[0]}@sha256:{'0' * 64}"
    made = job_request(cloud, cloud.rungs[rung], ("other", n), image=image, run_uri=cloud.run_uri("other"))
    return CustomJob.from_json(json.dumps(made))


def test_live_jobs_are_added_up_by_metric(ready: tuple[Sandbox, Path]) -> None:
    _, root = ready
    jobs = [
        request_of(root, Vertex(gpu="L4")),
        request_of(root, Vertex(gpu="L4"), rung=1, n=2),  # flex-start draws on the quota of spot
        request_of(root, Vertex(gpu="A100", count=2, machines=3, spot=False, fallback=())),
        CustomJob(display_name="no-gpu", job_spec={"worker_pool_specs": [{"machine_spec": {"machine_type": "e2"}}]}),
    ]
    usage = count_usage(jobs)
    short = {metric.rpartition("/")[2]: amount for metric, amount in usage.taken.items()}
    assert short == {
        SPOT_L4: 2,
        SPOT_CPUS: 16,
        "custom_model_training_nvidia_a100_gpus": 6,
        "custom_model_training_a2_cpus": 72,
    }
    assert usage.jobs == ("no-gpu", "other-1", "other-1", "other-2")


def test_what_a_live_job_takes_is_not_there_for_another(ready: tuple[Sandbox, Path]) -> None:
    box, root = ready
    names = Names.of(load_settings(root))
    digest = publish(box.box, f"{names.image}:usage", {"/app/readme": "nothing to run"})
    job = request_of(root, Vertex(gpu="L4"))
    for pool in job.job_spec.worker_pool_specs:
        pool.container_spec.image_uri = f"{names.image}@{digest}"
        pool.container_spec.command = ["sleep", "60"]
        pool.container_spec.args = []
    jobs = box.cloud().jobs()
    parent = f"projects/{names.project}/locations/us-central1"
    made = call(jobs.create_custom_job, parent=parent, custom_job=job, again=False)
    try:
        full = looked(root, Vertex(gpu="L4", regions=("us-central1",)))
        quota = row(full, "GPU quota")
        assert quota.failed and "1 needed, 1 granted, 1 in use by other-1" in quota.detail
        assert "Wait until other-1 has ended" in quota.remedy
        with pytest.raises(PlanError, match="in use by other-1"):
            full.require()
        # With room in another region, the run's ladder is that region alone.
        compute = Vertex(gpu="L4", regions=("us-central1", "us-east4"))
        both = looked(root, compute)
        assert both.ok
        cloud = both.refine(planned(root, compute)).cloud
        assert cloud is not None and {rung.region for rung in cloud.rungs} == {"us-east4"}
    finally:
        call(jobs.cancel_custom_job, name=made.name)


def test_a_metric_that_google_does_not_name_is_unknown_and_stops_nothing(ready: tuple[Sandbox, Path]) -> None:
    _, root = ready
    cloud = planned(root, Vertex(gpu="L4")).cloud
    assert cloud is not None
    room = Room(cloud.rungs[0], "aiplatform.googleapis.com/renamed", 4, None, 0, ())
    assert room.enough and room.times == 1 and "limit not known" in room.describe()
    assert not room._replace(granted=3).enough and room._replace(granted=3).times == 0
    assert room._replace(granted=9, taken=1).times == 2 and not room._replace(granted=4, taken=1).enough
    assert room._replace(granted=-1, taken=50).enough


def test_room_for_several_runs_is_room_for_several_points_of_a_sweep(ready: tuple[Sandbox, Path]) -> None:
    box, root = ready
    grant(box, SPOT_L4, 9, "us-west1")
    grant(box, SPOT_CPUS, 26, "us-west1")
    compute = Vertex(gpu="L4", regions=("us-west1",))
    refined = looked(root, compute).refine(planned(root, compute))
    assert refined.at_once == 3, "26 vCPUs are three times 8"
    grant(box, SPOT_CPUS, -1, "us-west1")
    assert looked(root, compute).refine(planned(root, compute)).at_once == 9, "-1 is no limit"


def test_one_of_each_place_is_looked_at_for_all_points_of_a_sweep(
    ready: tuple[Sandbox, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from arrcoc_core import sweep

    box, root = ready
    monkeypatch.chdir(root)
    base = Experiment(name="far", compute=Vertex(gpu="L4", regions=("us-east4",)))
    staged = stage(sweep(base, {"tokens.keep": [2, 4, 8]}))
    told: list[Check] = []
    assert all(found.ok for found in staged.look(told.append))
    assert len(told) == len({check.name for check in told}), "one preflight for three points"
    assert {plan.image for plan in staged.plans} == {"image to be built first"}
    span, one = staged.cost_range, staged.plans[0].cost_range
    assert span is not None and one is not None and span[1] == pytest.approx(3 * one[1])
    assert "buckets.insert" not in str(box.requests()[-40:])


def test_a_run_that_logs_online_needs_the_key_and_gets_its_reference(
    ready: tuple[Sandbox, Path], request: pytest.FixtureRequest
) -> None:
    box, root = ready
    request.addfinalizer(lambda: log_offline(box.folder))
    log_as_found(box.folder)
    east = Vertex(gpu="L4", regions=("us-east4",))
    automatic = looked(root, east)
    assert row(automatic, "secrets").ok and "the job logs offline" in row(automatic, "secrets").detail
    assert row(automatic, "W&B").detail.startswith("sandbox may write to sandbox/arr-coc-0-1; the project is made")
    offline = automatic.refine(planned(root, east))
    assert offline.cloud is not None and offline.cloud.environment["WANDB_MODE"] == "offline"
    assert offline.environment["WANDB_MODE"] == "offline" and "it logs offline" in offline.warnings[-1]
    log_online(box.folder)
    without = row(looked(root, east), "secrets")
    assert without.failed and "arrcoc setup --copy-keys" in without.remedy and "WANDB_MODE" in without.remedy
    names = Names.of(load_settings(root))
    client = box.cloud().secrets()
    parent, _, secret_id = names.secret("WANDB_API_KEY").rpartition("/secrets/")
    secret = {"replication": {"automatic": {}}, "labels": {OWNER_LABEL: names.owner}}
    client.create_secret(request={"parent": parent, "secret_id": secret_id, "secret": secret})
    payload = {"data": b"0123456789abcdef"}
    client.add_secret_version(request={"parent": names.secret("WANDB_API_KEY"), "payload": payload})
    unreadable = row(looked(root, east), "secrets")
    assert unreadable.failed and "jobs may not read it" in unreadable.detail
    from arrcoc_core.infra import World, run_setup

    run_setup(World.of(load_settings(root)), on_event=lambda event: None)
    found = looked(root, east)
    assert row(found, "secrets").ok and row(found, "secrets").detail.startswith("WANDB_API_KEY; HF_TOKEN is not kept")
    cloud = found.refine(planned(root, east)).cloud
    assert cloud is not None and cloud.secrets == {"WANDB_API_KEY": names.secret("WANDB_API_KEY")}
    assert "0123456789abcdef" not in json.dumps(cloud.to_json()) + str(found)


def test_the_hub_s_token_is_left_out_where_it_is_not_kept(ready: tuple[Sandbox, Path]) -> None:
    _, root = ready
    east = Vertex(gpu="L4", regions=("us-east4",))
    large = {"model": Model(base="Qwen/Qwen3-VL-2B-Instruct"), "data": Data(image_size=512)}
    plan = planned(root, east, **large)
    assert plan.cloud is not None and list(plan.cloud.secrets) == ["HF_TOKEN"]
    found = preflight(plan, load_settings(root))
    assert row(found, "secrets").ok and "public models" in row(found, "secrets").detail
    refined = found.refine(plan)
    assert refined.cloud is not None and "HF_TOKEN" not in refined.cloud.secrets
    changed = ("cloud", "image", "at_once", "environment", "warnings")
    assert refined == replace(plan, **{name: getattr(refined, name) for name in changed})
