"""Why a job ended, in Vertex AI's words: google.rpc code and message."""

from __future__ import annotations

from urllib.parse import quote

RETRY_REGION = "Please try a different region or use a different accelerator type."


def stockout(region: str) -> tuple[int, str]:
    return 8, f"Resources are insufficient in region: {region}. {RETRY_REGION}"


def preempted(region: str, task: str = "workerpool0-0") -> tuple[int, str]:
    said = f"The replica {task} was preempted: its Spot VM was reclaimed."
    return 8, f"{said} Resources are insufficient in region: {region}. {RETRY_REGION}"


def internal() -> tuple[int, str]:
    return 13, "Internal error occurred for the current attempt."


def timed_out(seconds: float) -> tuple[int, str]:
    return 4, f"The job was stopped because it ran longer than its timeout of {seconds:.0f} s."


def cancelled() -> tuple[int, str]:
    return 1, "CANCELED"


def exited(task: str, code: int, project: str, job_id: str, console: str) -> tuple[int, str]:
    wanted = f'resource.type="ml_job" resource.labels.job_id="{job_id}"'
    link = f"{console}/logs/query;query={quote(wanted)}?project={project}"
    return 3, (
        f"The replica {task} exited with a non-zero status of {code}. To find out more about why your job exited "
        f"please check the logs: {link}"
    )


def no_image(uri: str) -> tuple[int, str]:
    return 5, f"Failed to pull image {uri}: not found."
