"""The request that starts an attempt on Vertex AI: one CustomJob as JSON, a pure function of the plan.

`job_request(cloud, rung, key, image=…, run_uri=…)` is what `projects.locations.customJobs.create` takes, in the JSON
of its REST interface; `CustomJob.from_json(json.dumps(request))` makes the client library's object of it. Nothing else
in the project builds such a request. What it looks like for each GPU and count is under tests/core/golden, and shows
in the diff when it changes.

Vertex's own restarts are off (`disableRetries`, no restart on a worker's): they know nothing of checkpoints, of our
budgets or of what an attempt may cost. Secrets travel as the names of what Secret Manager keeps, never as values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from arrcoc_core.cloud.names import ATTEMPT_LABEL, RUN_LABEL

if TYPE_CHECKING:
    from arrcoc_core.vertex_planning import CloudPlan, Rung

STRATEGIES = {"spot": "SPOT", "flex": "FLEX_START", "on-demand": "STANDARD"}
"""Our word for how a machine is provided -> `Scheduling.Strategy`."""

COMMAND = ("python", "-m", "training.train")

SHORTEST_S = 60.0
"""No job is created to end sooner; whoever drives the run creates none that its cap does not allow."""

RUN_ID, DIGEST = "{run}", "{digest}"
"""Stand in a planned request for what is known at launch: the run's id, and the image's digest once it is built."""


def job_request(
    cloud: CloudPlan,
    rung: Rung,
    key: tuple[str, int],
    *,
    image: str,
    run_uri: str,
    secrets: Mapping[str, str] | None = None,
    spent_usd: float = 0.0,
    pace: float = 1.0,
) -> dict[str, Any]:
    """The CustomJob of attempt `key` (run id, n) on a rung.

    `spent_usd` is what the run has cost before: with a cap, the service itself ends the job when the rest of it is used
    up, also while nobody looks. `pace` is how fast time passes where it runs (a sandbox's).

    `image` is a reference by digest ("…/trainer@sha256:…"), `run_uri` the run's folder ("gs://…/runs/<id>"). `secrets`
    are the references (variable -> resource name) to give to the job; left out, those of the plan.
    """
    run_id, n = key
    pool = {
        "machineSpec": {
            "machineType": rung.machine_type,
            "acceleratorType": cloud.accelerator_type,
            "acceleratorCount": cloud.count,
        },
        "replicaCount": 1,
        "diskSpec": {"bootDiskType": cloud.disk_type, "bootDiskSizeGb": cloud.disk_gb},
        "containerSpec": {
            "imageUri": image,
            "command": list(COMMAND),
            "args": [run_uri],
            "env": _variables(cloud, rung, run_id, n, cloud.secrets if secrets is None else secrets),
        },
    }
    pools = [pool]
    if cloud.machines > 1:  # the first pool is the chief, the second its workers
        pools.append({**pool, "replicaCount": cloud.machines - 1})
    return {
        "displayName": f"{run_id}-{n}",
        "labels": {**cloud.labels, RUN_LABEL: run_id, ATTEMPT_LABEL: str(n)},
        "jobSpec": {
            "workerPoolSpecs": pools,
            "scheduling": _scheduling(cloud, rung, spent_usd, pace),
            "serviceAccount": cloud.service_account,
            "baseOutputDirectory": {"outputUriPrefix": run_uri},
        },
    }


def planned_request(cloud: CloudPlan, rung: Rung) -> dict[str, Any]:
    """The request of a first attempt, with `RUN_ID` and `DIGEST` where a launch fills in its own."""
    return job_request(
        cloud,
        rung,
        (RUN_ID, 1),
        image=f"{cloud.image.rpartition(':')[0]}@{DIGEST}",
        run_uri=f"gs://{cloud.runs_bucket}/runs/{RUN_ID}",
    )


def _scheduling(cloud: CloudPlan, rung: Rung, spent_usd: float, pace: float) -> dict[str, Any]:
    longest_s = cloud.max_hours * 3600
    if cloud.max_cost_usd and rung.usd_per_h:
        affordable_s = (cloud.max_cost_usd - spent_usd) / rung.usd_per_h * 3600 * pace
        longest_s = min(longest_s, max(SHORTEST_S, affordable_s))
    settings: dict[str, Any] = {
        "strategy": STRATEGIES[rung.provisioning],
        "timeout": _seconds(longest_s),
        "restartJobOnWorkerRestart": False,
        "disableRetries": True,
    }
    if rung.provisioning == "flex":  # documented for flex-start only; whoever observes the others ends their wait
        settings["maxWaitDuration"] = _seconds(rung.max_wait_s)
    return settings


def _variables(cloud: CloudPlan, rung: Rung, run_id: str, n: int, secrets: Mapping[str, str]) -> list[dict[str, str]]:
    held = {
        **cloud.environment,
        "ARRCOC_RUN_ID": run_id,
        "ARRCOC_ATTEMPT": str(n),
        "ARRCOC_GPU": cloud.gpu,
        "ARRCOC_GPU_COUNT": str(cloud.count),
    }
    if rung.usd_per_h is not None:
        held["ARRCOC_USD_PER_HOUR"] = f"{rung.usd_per_h:.4f}"
    if held.get("WANDB_MODE") == "online":
        held |= as_wandb_job(cloud.image)
    if secrets:
        held["ARRCOC_SECRETS"] = ",".join(f"{variable}={name}" for variable, name in sorted(secrets.items()))
    return [{"name": name, "value": value} for name, value in sorted(held.items())]


def as_wandb_job(image: str) -> dict[str, str]:
    """Have wandb make a job of the run's image, which W&B's page can push to a queue; its alias is the image's tag.

    wandb 0.31 makes none unless told to (sdk/wandb_settings.py: docker, job_name, disable_job_creation). In a git
    checkout with a remote it would make a job of the repository instead, or none at all: hence no git.
    """
    repository = image.rpartition(":")[0].split("/")[-2]
    return {
        "WANDB_DOCKER": image,
        "WANDB_JOB_NAME": repository,
        "WANDB_DISABLE_JOB_CREATION": "false",
        "WANDB_DISABLE_GIT": "true",
    }


def _seconds(duration: float) -> str:
    """As JSON writes a protobuf Duration."""
    return f"{round(duration)}s"
