"""A trainer as a container of Vertex AI runs it, against the sandbox's Storage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from arrcoc_core import Experiment, Vertex
from arrcoc_core.cloud.objects import Objects
from arrcoc_core.paths import with_assignments
from arrcoc_core.resolving import resolve
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.settings import load_settings
from arrcoc_core.targets.vertex_mirror import pull

BUCKET = "arrcoc-sandbox-runs"
ROOT = Path(__file__).resolve().parents[2]


def put_run(folder: Objects, experiment: Experiment, project: Path, *assignments: str) -> None:
    """What a launch leaves in a run's folder before its first attempt."""
    resolved = resolve(with_assignments(experiment, assignments), load_settings(project, {}))
    folder.put_if_absent("experiment.json", resolved.to_json().encode())


class CloudRun:
    """A run's folder in the bucket with its experiment, and the containers that were started on it."""

    def __init__(self, sandbox: Sandbox, tmp_path: Path, experiment: Experiment, *assignments: str) -> None:
        self.sandbox, self.tmp_path = sandbox, tmp_path
        self.id = "small-run"
        self.storage: Any = sandbox.cloud().storage()
        if self.storage.lookup_bucket(BUCKET) is None:
            self.storage.create_bucket(BUCKET, location="us-central1")
        self.uri = f"gs://{BUCKET}/runs/{self.id}"
        self.objects = Objects(self.storage, self.uri)
        put_run(
            self.objects, experiment.but(compute=Vertex(gpu="L4", regions=("us-central1",))), tmp_path, *assignments
        )
        self.directory = tmp_path / "mirror" / self.id
        self.containers: list[subprocess.Popen[bytes]] = []

    def start(self, attempt: int = 1, job: str = "", **environment: str) -> subprocess.Popen[bytes]:
        """A container for an attempt; its output goes to a file of the test."""
        dropped = ("ARRCOC_", "WANDB_", "AIP_", "CLOUD_ML_")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        scratch = self.tmp_path / "vm"
        scratch.mkdir(exist_ok=True)
        own = {
            "ARRCOC_CLOUD_ENDPOINTS": str(self.sandbox.folder),
            "ARRCOC_STAND_IN_DEVICE": "cpu",
            "ARRCOC_RUN_ID": self.id,
            "ARRCOC_ATTEMPT": str(attempt),
            "ARRCOC_GPU": "L4",
            "ARRCOC_GPU_COUNT": "1",
            "ARRCOC_USD_PER_HOUR": "0.5",
            "CLOUD_ML_PROJECT_ID": "123456789",
            "CLOUD_ML_JOB_ID": job or f"job-{attempt}",
            "AIP_CHECKPOINT_DIR": f"{self.uri}/checkpoints/",
            "TMPDIR": str(scratch),
        }
        with (self.tmp_path / f"container-{len(self.containers) + 1}.txt").open("wb") as output:
            container = subprocess.Popen(
                [sys.executable, "-m", "training.train", self.uri],
                cwd=ROOT,
                env={**clean, **own, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.containers.append(container)
        return container

    def said(self, container: int = -1) -> str:
        """What a container wrote to its standard output."""
        number = container % len(self.containers) + 1
        return (self.tmp_path / f"container-{number}.txt").read_text(encoding="utf-8")

    def pull(self, *, thorough: bool = False) -> Path:
        pull(self.storage, self.uri, self.directory, thorough=thorough)
        return self.directory

    def names(self, below: str) -> list[str]:
        return [stored.name for stored in self.objects.listing(below)]

    def json(self, name: str) -> dict[str, Any]:
        return json.loads(self.objects.get(name))

    def committed(self) -> list[str]:
        return [name.split("/")[1] for name in self.names("checkpoints/") if name.endswith("/COMMITTED")]

    def end_all(self) -> None:
        for container in self.containers:
            if container.poll() is None:
                os.killpg(container.pid, signal.SIGKILL)
                container.wait()
