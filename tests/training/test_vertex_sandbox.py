"""A job of two machines on the sandbox's Vertex AI: they meet, act with the service account's roles only, and leave
what a run leaves."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from cloud_job import ROOT, put_run
from google.cloud.aiplatform_v1.types import CustomJob, JobState
from small_experiment import SMALL

from arrcoc_core import Vertex
from arrcoc_core.catalog import gpu_quota
from arrcoc_core.cloud.names import Names
from arrcoc_core.cloud.objects import Objects
from arrcoc_core.identity import job_files
from arrcoc_core.infra import World, run_setup
from arrcoc_core.metrics import open_metrics
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import Preempt
from arrcoc_core.sandbox.images import Config, Images
from arrcoc_core.settings import load_settings
from arrcoc_core.targets.vertex_mirror import pull

KEY = "a-key-that-nobody-may-see"
RUN = "two-machines"
ENDED = (JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED)


def push_image(sandbox: Sandbox, names: Names, scratch: Path) -> str:
    """An image with the job's files, as a build leaves one; its reference."""
    for path in job_files(ROOT):
        (scratch / "app" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, scratch / "app" / path)
    return f"{names.image}@{Images(sandbox.box).push(f'{names.image}:test', scratch, Config(workdir='/app'))}"


def keep_secret(sandbox: Sandbox, names: Names) -> str:
    """The key as a secret that the training account may read; its name."""
    secrets: Any = sandbox.cloud().secrets()
    parent, _, secret_id = names.secret("WANDB_API_KEY").rpartition("/secrets/")
    secret = {"replication": {"automatic": {}}, "labels": names.labels}
    held = secrets.create_secret(request={"parent": parent, "secret_id": secret_id, "secret": secret})
    secrets.add_secret_version(request={"parent": held.name, "payload": {"data": KEY.encode()}})
    policy = secrets.get_iam_policy(request={"resource": held.name})
    member = f"serviceAccount:{names.training_account}"
    policy.bindings.add(role="roles/secretmanager.secretAccessor", members=[member])
    secrets.set_iam_policy(request={"resource": held.name, "policy": policy})
    return held.name


def job(names: Names, image: str, secret: str, uri: str, attempt: int) -> CustomJob:
    variables = {
        "ARRCOC_RUN_ID": RUN,
        "ARRCOC_ATTEMPT": str(attempt),
        "ARRCOC_GPU": "L4",
        "ARRCOC_GPU_COUNT": "1",
        "ARRCOC_USD_PER_HOUR": "0.9",
        "ARRCOC_SECRETS": f"WANDB_API_KEY={secret}",
    }
    pool = {
        "machine_spec": {"machine_type": "g2-standard-8", "accelerator_type": "NVIDIA_L4", "accelerator_count": 1},
        "replica_count": 1,
        "container_spec": {
            "image_uri": image,
            "command": ["python", "-m", "training.train"],
            "args": [uri],
            "env": [{"name": name, "value": value} for name, value in variables.items()],
        },
    }
    return CustomJob(
        display_name=f"{RUN}-{attempt}",
        labels=names.labels,
        job_spec={
            "worker_pool_specs": [pool, pool],
            "scheduling": {"strategy": "SPOT", "timeout": {"seconds": 86400}, "disable_retries": True},
            "service_account": names.training_account,
            "base_output_directory": {"output_uri_prefix": uri},
        },
    )


def run_json(run: Objects, name: str) -> dict[str, Any]:
    return json.loads(run.get(name))


@pytest.mark.long
def test_two_machines(full: bool, sandbox: Sandbox, tmp_path: Path) -> None:
    """In full: with a preemption of both and a second attempt."""
    settings = load_settings(tmp_path)
    names, cloud = Names.of(settings), sandbox.cloud()
    run_setup(World.of(settings), on_event=lambda event: None)
    sandbox.box.service("cloudquotas").grant(gpu_quota("L4", "spot"), 2, "us-central1")
    uri = names.run_uri(RUN)
    run = Objects(cloud.storage(), uri)
    compute = Vertex(gpu="L4", count=1, machines=2, regions=("us-central1",))
    size = 32 if full else 8
    put_run(run, SMALL.but(compute=compute), tmp_path, f"data.max_train_samples={size}", "evaluation.samples=8")
    image, secret = push_image(sandbox, names, tmp_path / "image"), keep_secret(sandbox, names)
    sandbox.set_scenario([Preempt(at_step=2)] if full else [])
    jobs: Any = cloud.jobs("us-central1")
    states = [*([JobState.JOB_STATE_FAILED] if full else []), JobState.JOB_STATE_SUCCEEDED]
    for attempt, expected in enumerate(states, 1):
        parent = f"projects/{cloud.project}/locations/us-central1"
        made = jobs.create_custom_job(parent=parent, custom_job=job(names, image, secret, uri, attempt))
        while made.state not in ENDED:
            time.sleep(0.2)
            made = jobs.get_custom_job(name=made.name)
        said = run.get(f"stream/logs/attempt-{attempt}.log/000000000000").decode()
        assert made.state == expected, f"{made.error}\n{said}"

    here = tmp_path / "here"
    pull(cloud.storage(), uri, here, thorough=True)
    log = (here / "logs" / f"attempt-{len(states)}.log").read_text()
    assert "machine 1 of 2" in log and "2 ranks" in log and ("going on after step" in log) == full
    assert [row["trainer/step"] for row in open_metrics(here).rows()] == list(range(size // 8 + 1))
    assert (here / "result" / "DONE").exists()
    assert "NO GPU HERE" in log

    n = len(states)
    claim, beat, left = (run_json(run, f"attempts/{n}/{name}.json") for name in ("claim", "heartbeat", "exit"))
    assert claim["job"] == beat["job"] == left["job"] == made.name.rpartition("/")[2]
    assert (beat["step"], beat["total_steps"], beat["phase"]) == (size // 8, size // 8, "done")
    assert 0 < beat["usd"] < 0.1 and (beat["usd_before"] > 0) == full
    assert left["code"] == 0
    costs = [row["cost/usd"] for row in open_metrics(here).rows() if row.get("cost/usd") is not None]
    assert costs == sorted(costs) and costs[0] > 0 and costs[-1] < beat["usd"] + beat["usd_before"]
    assert run_json(run, "files/progress.json")["phase"] == "done"
    assert f".arrcoc/runs/{RUN}/result" in (here / "result" / "README.md").read_text()
    copied = {entry.name.rpartition("/")[2] for entry in run.listing("model/")}
    assert copied >= {"selector.safetensors", "config.json", "DONE"}

    told = [path for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith("state.db")]
    assert len(told) > 50
    assert [path for path in told if KEY.encode() in path.read_bytes()] == []
