"""SIGKILL of the sandbox's own process while a job trains: the job goes on, and is found again."""

from __future__ import annotations

import io
import tarfile
import time
from pathlib import Path

from job_place import IMAGE, PARENT

from arrcoc_core.sandbox import start, stop

SCRIPT = "import time\nprint('began', flush=True)\ntime.sleep(1)\nprint('ended')\n"
APIS = ("aiplatform", "artifactregistry", "cloudbuild")


def test_a_job_outlives_the_process_that_serves_it(tmp_path: Path) -> None:
    folder = tmp_path / "sandbox"
    sandbox = start(folder, speed=100)
    try:
        cloud = sandbox.cloud()
        wanted = [f"{name}.googleapis.com" for name in APIS]
        request = {"parent": "projects/arrcoc-sandbox", "service_ids": wanted}
        cloud.services().batch_enable_services(request=request).result(timeout=20)
        cloud.registry().create_repository(parent=PARENT, repository_id="jobs", repository={"format": "DOCKER"})
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name, text in {"Dockerfile": "FROM scratch\nCOPY main.py /app/\n", "main.py": SCRIPT}.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text.encode()))
        cloud.storage().create_bucket("arrcoc-sandbox-c").blob("c.tgz").upload_from_string(packed.getvalue())
        build = {
            "source": {"storage_source": {"bucket": "arrcoc-sandbox-c", "object_": "c.tgz"}},
            "steps": [{"name": "gcr.io/cloud-builders/docker", "args": ["build", "-t", f"{IMAGE}:t", "."]}],
            "images": [f"{IMAGE}:t"],
        }
        built = cloud.builds().create_build(project_id="arrcoc-sandbox", build=build).result(timeout=30)
        pool = {
            "machine_spec": {"machine_type": "n1-standard-4"},
            "replica_count": 1,
            "container_spec": {
                "image_uri": f"{IMAGE}@{built.results.images[0].digest}",
                "command": ["python", "/app/main.py"],
            },
        }
        job = {"display_name": "j", "job_spec": {"worker_pool_specs": [pool], "scheduling": {"disable_retries": True}}}
        name = cloud.jobs().create_custom_job(parent=PARENT, custom_job=job).name
        output = folder / "data" / "jobs" / name.rpartition("/")[2] / "0" / "workerpool0-0" / "stdout"
        while not (output.exists() and output.read_text()):
            time.sleep(0.02)
        sandbox.kill()
        cloud = start(folder).cloud()
        while not (held := cloud.jobs().get_custom_job(name=name)).end_time:
            time.sleep(0.05)
        assert held.state.name == "JOB_STATE_SUCCEEDED", held.error.message
        assert output.read_text() == "began\nended\n"
    finally:
        stop(folder)
