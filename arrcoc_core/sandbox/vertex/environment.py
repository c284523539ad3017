"""What a job's machine runs, and the variables it finds: the container's own, Vertex AI's and the machine's."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arrcoc_core.sandbox.images import Images
from arrcoc_core.sandbox.project import PROJECT_NUMBER
from arrcoc_core.sandbox.service import plain
from arrcoc_core.sandbox.vertex.records import Record
from arrcoc_core.sandbox.vertex.replicas import Machine, cluster_spec

if TYPE_CHECKING:
    from arrcoc_core.sandbox.box import Box

_AGENT = "service-{number}@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"


def machines_of(box: Box, job: Any, record: Record, folder: Path) -> list[Machine]:
    """The machines of a CustomJob, their images unpacked into fresh folders under `folder`."""
    from google.protobuf import json_format

    images = Images(box)
    pools = [
        (f"workerpool{number}", pool, [f"127.0.0.1:{_free_port()}" for _ in range(pool.replica_count)])
        for number, pool in enumerate(job.job_spec.worker_pool_specs)
        if pool.replica_count
    ]
    cluster = {name: addresses for name, _, addresses in pools}
    account = str(job.job_spec.service_account) or _AGENT.format(number=PROJECT_NUMBER)
    spec: dict[str, Any] = json_format.MessageToDict(plain(job.job_spec))
    made: list[Machine] = []
    for name, pool, addresses in pools:
        digest = images.resolve(pool.container_spec.image_uri)
        if digest is None:
            raise FileNotFoundError(pool.container_spec.image_uri)
        config = images.config(digest)
        own = {variable.name: variable.value for variable in pool.container_spec.env}
        given = list(pool.container_spec.command)
        command = [*(given or config.entrypoint), *(pool.container_spec.args or ([] if given else config.cmd))]
        for index in range(len(addresses)):
            task = f"{name}-{index}"
            place = folder / task
            place.mkdir(parents=True)
            images.unpack(digest, place / "root")
            environment = {
                **{key: value for key, value in config.env.items() if key != "PATH"},
                **own,
                **_vertex(record, PROJECT_NUMBER),
                "CLUSTER_SPEC": cluster_spec(cluster, name, index, spec),
                **box.machine_environment(account),
                "ARRCOC_STAND_IN_DEVICE": "cpu",
            }
            made.append(Machine(task, place, config.workdir, command, environment))
    return made


def _vertex(record: Record, number: str) -> dict[str, str]:
    found = {
        "CLOUD_ML_JOB_ID": record.id,
        "CLOUD_ML_PROJECT_ID": number,
        "CLOUD_ML_REGION": record.region,
    }
    if record.output:
        found |= {
            "AIP_MODEL_DIR": f"{record.output}model/",
            "AIP_CHECKPOINT_DIR": f"{record.output}checkpoints/",
            "AIP_TENSORBOARD_LOG_DIR": f"{record.output}logs/",
        }
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
