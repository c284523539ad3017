"""A place for jobs in a sandbox: a repository, an account with its roles, a bucket; and jobs that are tiny scripts."""

from __future__ import annotations

import time
from typing import Any

from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.images import publish
from arrcoc_core.sandbox.logbook import LONGEST_DELAY_S

PARENT = "projects/arrcoc-sandbox/locations/us-central1"
ACCOUNT = "trainer@arrcoc-sandbox.iam.gserviceaccount.com"
IMAGE = "us-central1-docker.pkg.dev/arrcoc-sandbox/jobs/trainer"
BUCKET = "arrcoc-sandbox-jobs"
ENDED = ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED")

# What a trainer does with its bucket, without the second that Google's library takes to import.
TRAINER = """
import json, os, sys, time, urllib.parse, urllib.request

def metadata(path):
    host = os.environ["GCE_METADATA_HOST"]
    request = urllib.request.Request(f"http://{host}/computeMetadata/v1/{path}", headers={"Metadata-Flavor": "Google"})
    return urllib.request.urlopen(request).read()

def put(name, text):
    held = json.load(open(os.environ["ARRCOC_CLOUD_ENDPOINTS"] + "/endpoints.json"))
    token = json.loads(metadata("instance/service-accounts/default/token"))["access_token"]
    bucket = os.environ["AIP_MODEL_DIR"].split("/")[2]
    below = os.environ["AIP_MODEL_DIR"].split("/", 3)[3].removesuffix("model/")
    name = urllib.parse.quote(below + name, safe="")
    url = f"{held['services']['storage']}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/plain"}
    urllib.request.urlopen(urllib.request.Request(url, text.encode(), headers, method="POST")).read()
"""


class JobPlace:
    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        cloud = sandbox.cloud()
        cloud.registry().create_repository(parent=PARENT, repository_id="jobs", repository={"format": "DOCKER"})
        wanted = {"name": "projects/arrcoc-sandbox", "account_id": "trainer"}
        cloud.accounts().create_service_account(request=wanted)
        bucket = cloud.storage().create_bucket(BUCKET, location="us-central1")
        policy = bucket.get_iam_policy(requested_policy_version=3)
        policy.bindings.append({"role": "roles/storage.objectUser", "members": [f"serviceAccount:{ACCOUNT}"]})
        bucket.set_iam_policy(policy)
        self.bucket = bucket

    def clear(self) -> None:
        """No scenario, no job, no object, the quotas of a new project."""
        box = self.sandbox.box
        self.sandbox.set_scenario([])
        for record in box.service("aiplatform").life.live():
            box.service("aiplatform").life.decide(record.name, "cancelled")
            self.wait(record.name)
        for name, _ in box.service("aiplatform").life.jobs.items():
            box.service("aiplatform").life.jobs.delete(name)
        for name, _ in box.state.table("quota limits").items():
            box.state.table("quota limits").delete(name)
        self.bucket = self.sandbox.cloud().storage().bucket(BUCKET)
        for blob in self.bucket.list_blobs():
            blob.delete()

    @property
    def jobs(self) -> Any:
        return self.sandbox.cloud().jobs()

    def image(self, script: str) -> str:
        digest = publish(self.sandbox.box, f"{IMAGE}:t{abs(hash(script))}", {"/app/main.py": TRAINER + script})
        return f"{IMAGE}@{digest}"

    def job(self, script: str = "", *, arguments: tuple[str, ...] = (), **scheduling: Any) -> dict[str, Any]:
        pool = {
            "machine_spec": {
                "machine_type": "g2-standard-8",
                "accelerator_type": "NVIDIA_L4",
                "accelerator_count": 1,
            },
            "replica_count": 1,
            "container_spec": {
                "image_uri": self.image(script),
                "command": ["python", "main.py"],
                "args": list(arguments),
                "env": [{"name": "ARRCOC_RUN_ID", "value": "r"}],
            },
            "disk_spec": {"boot_disk_type": "pd-ssd", "boot_disk_size_gb": 200},
        }
        return {
            "display_name": "a job",
            "labels": {"arrcoc_run": "r", "arrcoc_attempt": "1"},
            "job_spec": {
                "worker_pool_specs": [pool],
                "scheduling": {"strategy": "SPOT", "disable_retries": True, **scheduling},
                "service_account": ACCOUNT,
                "base_output_directory": {"output_uri_prefix": f"gs://{BUCKET}/runs/r"},
            },
        }

    def create(self, job: dict[str, Any]) -> str:
        return str(self.jobs.create_custom_job(parent=PARENT, custom_job=job).name)

    def wait(self, name: str, *states: str) -> Any:
        """Look at the job until it is in one of these states (none: until it has ended)."""
        client = self.jobs
        while True:
            job = client.get_custom_job(name=name)
            if job.state.name in (states or ENDED):
                return job
            assert job.state.name not in ENDED, (job.state.name, job.error.message)
            time.sleep(0.03)

    def run(self, script: str = "", **given: Any) -> Any:
        return self.wait(self.create(self.job(script, **given)))

    def printed(self, name: str) -> list[str]:
        """What the job's machines printed, read as a client reads it, once all of it has arrived."""
        request = {
            "resource_names": ["projects/arrcoc-sandbox"],
            "filter": f'resource.type="ml_job" AND resource.labels.job_id="{name.rpartition("/")[2]}"',
        }
        ended = False
        while True:
            entries = list(self.sandbox.cloud().logs().list_log_entries(request=request))
            if ended:
                found = {entry.insert_id: entry for entry in entries if entry.json_payload}
                return [str(entry.json_payload["message"]) for entry in found.values()]
            ended = any(one.text_payload.startswith(("Job completed", "Job failed", "Job canc")) for one in entries)
            # An entry may come after one that was written later, by up to this long.
            time.sleep(self.sandbox.box.clock.scaled(LONGEST_DELAY_S) if ended else 0.02)
