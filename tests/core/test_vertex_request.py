"""The CustomJob of each machine, against the file that was reviewed; and that Google's own types take it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cloud_facts import cloud_facts
from google.cloud.aiplatform_v1.types import CustomJob, Scheduling
from google.protobuf import json_format
from ready_sandbox import ready_sandbox

from arrcoc_core import Experiment, Vertex
from arrcoc_core.accounts.mode import WandbMode
from arrcoc_core.catalog import MACHINES, Machine, gpu_quota
from arrcoc_core.cloud.calling import call
from arrcoc_core.cloud.names import Names
from arrcoc_core.errors import CloudError
from arrcoc_core.planning import make_plan
from arrcoc_core.resolving import resolve
from arrcoc_core.sandbox.errors import ApiError
from arrcoc_core.sandbox.images import publish
from arrcoc_core.sandbox.validation import check_request
from arrcoc_core.settings import load_settings
from arrcoc_core.vertex_planning import CloudPlan
from arrcoc_core.vertex_request import STRATEGIES, job_request

GOLDEN = Path(__file__).with_name("golden")
IMAGE = "us-central1-docker.pkg.dev/my-project-123/arr-coc-0-1/trainer@sha256:" + "0" * 64
RUN = "small-20261122t120000-abcd"


def planned(compute: Vertex, root: Path) -> CloudPlan:
    resolved = resolve(Experiment(name="small", compute=compute), load_settings(root))
    cloud = make_plan(resolved, cloud_facts(root)).cloud
    assert cloud is not None
    return cloud


def requests(machine: Machine, root: Path, machines: int = 1) -> dict[str, Any]:
    """Provisioning -> the request of a first attempt, at a price that does not change with the price list."""
    fallback = tuple(way for way in ("flex", "on-demand") if way in machine.provisioning)
    compute = Vertex(gpu=machine.gpu, count=machine.count, machines=machines, fallback=fallback, max_hours=100.0)
    cloud = planned(compute, root)
    return {
        rung.provisioning: job_request(
            cloud,
            replace(rung, usd_per_h=1.25),
            (RUN, 1),
            image=IMAGE,
            run_uri=cloud.run_uri(RUN),
            secrets={"HF_TOKEN": "projects/my-project-123/secrets/arr-coc-0-1-hf-token"},
        )
        for rung in cloud.rungs
    }


@pytest.mark.parametrize("machine", MACHINES, ids=lambda one: f"{one.gpu}_{one.count}")
def test_the_request_for_each_gpu_and_count_is_the_reviewed_one(
    machine: Machine, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    made = requests(machine, tmp_path)
    assert set(made) == set(machine.provisioning)
    check_golden(f"custom_job_{machine.gpu}_{machine.count}.json", made, request)
    for way, one in made.items():
        job = CustomJob.from_json(json.dumps(one), ignore_unknown_fields=False)
        assert job.job_spec.scheduling.strategy == Scheduling.Strategy[STRATEGIES[way]]
        (pool,) = job.job_spec.worker_pool_specs
        assert pool.machine_spec.accelerator_type.name == machine.accelerator_type
        assert pool.machine_spec.accelerator_count == machine.count


def test_several_machines_are_a_chief_and_its_workers(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    machine = next(one for one in MACHINES if (one.gpu, one.count) == ("H100", 8))
    made = requests(machine, tmp_path, machines=3)
    check_golden("custom_job_3_machines.json", made, request)
    job = CustomJob.from_json(json.dumps(made["spot"]))
    chief, workers = job.job_spec.worker_pool_specs
    assert (chief.replica_count, workers.replica_count) == (1, 2)
    assert chief.container_spec == workers.container_spec


def test_there_is_a_golden_file_for_each_machine_and_no_other() -> None:
    expected = {f"custom_job_{one.gpu}_{one.count}.json" for one in MACHINES} | {"custom_job_3_machines.json"}
    assert {path.name for path in GOLDEN.glob("custom_job_*.json")} == expected


def test_what_a_job_may_not_exceed(tmp_path: Path) -> None:
    cloud = planned(Vertex(gpu="L4", max_hours=2.0, max_wait_minutes=7, fallback=("flex", "on-demand")), tmp_path)
    for rung, one in zip(cloud.rungs, cloud.requests, strict=True):
        scheduling = one["jobSpec"]["scheduling"]
        assert scheduling["timeout"] == "7200s"
        assert scheduling["disableRetries"] is True and scheduling["restartJobOnWorkerRestart"] is False
        # Only of flex-start machines Google takes a longest wait.
        assert scheduling.get("maxWaitDuration") == ("420s" if rung.provisioning == "flex" else None)


def test_attempts_differ_in_name_label_and_variable_only(tmp_path: Path) -> None:
    cloud = planned(Vertex(gpu="L4"), tmp_path)
    first, second = (
        job_request(cloud, cloud.rungs[0], (RUN, n), image=IMAGE, run_uri=cloud.run_uri(RUN)) for n in (1, 2)
    )
    assert second["labels"] == {"arrcoc_owner": "arr-coc-0-1", "arrcoc_run": RUN, "arrcoc_attempt": "2"}
    assert second["displayName"] == f"{RUN}-2"
    text = json.dumps(second).replace(f"{RUN}-2", f"{RUN}-1").replace('"arrcoc_attempt": "2"', '"arrcoc_attempt": "1"')
    text = text.replace('"ARRCOC_ATTEMPT", "value": "2"', '"ARRCOC_ATTEMPT", "value": "1"')
    assert json.loads(text) == first


def test_a_job_gets_references_and_nothing_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    facts = cloud_facts(tmp_path)
    online = replace(facts, logging=WandbMode(online=True))
    made = make_plan(resolve(Experiment(name="small", compute=Vertex(gpu="L4")), load_settings(tmp_path)), online)
    assert made.cloud is not None
    (pool,) = made.cloud.requests[0]["jobSpec"]["workerPoolSpecs"]
    given = {one["name"]: one["value"] for one in pool["containerSpec"]["env"]}
    assert given["ARRCOC_SECRETS"] == "WANDB_API_KEY=projects/my-project-123/secrets/arr-coc-0-1-wandb-api-key"
    assert given["WANDB_MODE"] == "online"
    assert given["WANDB_DOCKER"] == made.cloud.image and given["WANDB_JOB_NAME"] == "arr-coc-0-1"
    assert "CUDA_VISIBLE_DEVICES" not in given and "HF_HOME" not in given
    assert "0123456789abcdef" not in json.dumps(made.to_json()) + made.to_text()


def test_a_stored_plan_makes_the_same_request(tmp_path: Path) -> None:
    cloud = planned(Vertex(gpu="A100", count=4, regions=("us-central1", "europe-west4")), tmp_path)
    stored = json.loads(json.dumps(cloud.to_json()))
    assert CloudPlan.from_json(stored) == cloud
    assert stored["requests"] == list(CloudPlan.from_json(stored).requests)
    # An older version's plan may hold what this one does not know.
    assert CloudPlan.from_json({**stored, "of_another_version": 1}) == cloud


def test_google_s_rules_for_fields_take_every_golden_request() -> None:
    from google.cloud.aiplatform_v1.types import CreateCustomJobRequest

    parent = "projects/my-project-123/locations/us-central1"
    for path in GOLDEN.glob("custom_job_*.json"):
        for one in json.loads(path.read_text(encoding="utf-8")).values():
            job = CustomJob.from_json(json.dumps(one))
            check_request(
                CreateCustomJobRequest.pb(CreateCustomJobRequest(parent=parent, custom_job=job)), "CreateCustomJob"
            )
            without = CustomJob.from_json(json.dumps({**one, "displayName": ""}))
            request = CreateCustomJobRequest.pb(CreateCustomJobRequest(parent=parent, custom_job=without))
            with pytest.raises(ApiError, match=r"custom_job\.display_name"):
                check_request(request, "CreateCustomJob")


def test_the_sandbox_s_job_service_takes_every_machine_as_far_as_the_quota(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It knows machines, disks, strategies, accounts and images by a table of its own; no quota comes last."""
    with ready_sandbox(project, tmp_path_factory.mktemp("sandbox")) as box:
        settings = load_settings(project)
        names = Names.of(settings)
        digest = publish(box.box, f"{names.image}:small", {"/app/readme": "nothing to run"})
        with box.box.state.transaction():
            for machine in MACHINES:
                for way in machine.provisioning:
                    box.box.service("cloudquotas").grant(gpu_quota(machine.gpu, way), 0)
        facts = cloud_facts(project)
        assert facts.cloud is not None
        facts = replace(facts, cloud=replace(facts.cloud, names=names))
        jobs = box.cloud().jobs()
        for machine in MACHINES:
            fallback = tuple(way for way in ("flex", "on-demand") if way in machine.provisioning)
            compute = Vertex(gpu=machine.gpu, count=machine.count, machines=3, fallback=fallback)
            cloud = make_plan(resolve(Experiment(name="small", compute=compute), settings), facts).cloud
            assert cloud is not None
            for rung in cloud.rungs:
                uri = cloud.run_uri(RUN)
                one = job_request(cloud, rung, (RUN, 1), image=f"{names.image}@{digest}", run_uri=uri)
                job = CustomJob.from_json(json.dumps(one))
                parent = f"projects/{names.project}/locations/us-central1"
                with pytest.raises(CloudError) as raised:
                    call(jobs.create_custom_job, parent=parent, custom_job=job, again=False)
                assert raised.value.scope == "quota", f"{machine.machine_type} {rung.provisioning}: {raised.value}"
                assert rung.gpu_quota in str(raised.value), "our table of metrics is the sandbox's"


def check_golden(name: str, made: dict[str, Any], request: pytest.FixtureRequest) -> None:
    path = GOLDEN / name
    text = json.dumps(made, indent=2) + "\n"
    if request.config.getoption("--update-golden"):
        GOLDEN.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    reviewed = path.read_text(encoding="utf-8") if path.exists() else ""
    assert text == reviewed, f"{name} has changed: pytest --update-golden writes it anew, to be read in the diff"
    json_format.Parse(json.dumps(next(iter(made.values()))), CustomJob.pb(CustomJob()))


def test_a_cap_bounds_the_job_also_while_nobody_looks(tmp_path: Path) -> None:
    def timeout(cap: float, **more: float) -> str:
        cloud = replace(planned(Vertex(gpu="L4", max_hours=100.0), tmp_path), max_cost_usd=cap)
        rung = replace(cloud.rungs[0], usd_per_h=1.25)
        made = job_request(cloud, rung, (RUN, 1), image=IMAGE, run_uri=cloud.run_uri(RUN), **more)  # pyright: ignore[reportArgumentType]
        return made["jobSpec"]["scheduling"]["timeout"]

    assert timeout(0.0) == timeout(1000.0) == "360000s"
    assert timeout(5.0) == "14400s" and timeout(5.0, spent_usd=2.5) == "7200s"
    assert timeout(5.0, spent_usd=4.999) == "60s" and timeout(5.0, pace=60.0) == "360000s"
