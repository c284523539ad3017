"""What Vertex AI tells a container about itself: the project, the job, its place among several machines.

Which variables, and which of them to trust:

- CLUSTER_SPEC (docs.cloud.google.com/vertex-ai/docs/training/distributed-training, "Cluster description"): the
  addresses of all machines by worker pool, and which of them this one is. It is the same for every framework, and
  what is gone by here: machine 0 is the one of `workerpool0`, the others follow in the order of their pools.
- RANK and WORLD_SIZE: Vertex sets them, too, for PyTorch, and they count *machines*, not processes
  (github.com/Lightning-AI/pytorch-lightning/issues/13374, github.com/cellarium-ai/cellarium-ml/issues/56). torch
  reads them as processes, so they are never passed on: each rank gets its own.
- CLOUD_ML_PROJECT_ID, CLOUD_ML_JOB_ID and, with a base_output_directory, AIP_MODEL_DIR and AIP_CHECKPOINT_DIR.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from arrcoc_core.cloud.clients import Cloud
from arrcoc_core.cloud.endpoints import load_endpoints
from arrcoc_core.errors import ConfigError

_RENDEZVOUS_PORT = 2222


@dataclass(frozen=True)
class Nodes:
    """The machines of the job: this one is `rank` of `count`; rank 0 of the processes listens at `address:port`."""

    rank: int = 0
    count: int = 1
    address: str = ""
    port: int = 0

    @staticmethod
    def from_environment() -> Nodes:
        """One machine where CLUSTER_SPEC is not set. ConfigError when it cannot be read."""
        said = os.environ.get("CLUSTER_SPEC")
        if not said:
            return Nodes()
        try:
            spec = json.loads(said)
            pools = {str(pool): list(addresses) for pool, addresses in spec["cluster"].items()}
            task = spec["task"]
            members = [(pool, index) for pool in sorted(pools) for index in range(len(pools[pool]))]
            rank = members.index((str(task["type"]), int(task["index"])))
            address, _, port = str(pools[members[0][0]][0]).partition(":")
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise ConfigError(f"CLUSTER_SPEC cannot be read ({type(error).__name__}: {error}): {said}") from None
        return Nodes(rank, len(members), address, int(port or _RENDEZVOUS_PORT)) if len(members) > 1 else Nodes()


def open_cloud() -> Cloud:
    """The cloud this job runs in, with the job's own identity."""
    return Cloud(
        load_endpoints(os.environ.get("ARRCOC_CLOUD_ENDPOINTS", "")), os.environ.get("CLOUD_ML_PROJECT_ID", "")
    )


def check_output_directory(run_uri: str) -> None:
    """That the job was created with the run's folder as its base_output_directory. ConfigError when with another."""
    told = os.environ.get("AIP_CHECKPOINT_DIR", "").rstrip("/")
    if told and told != f"{run_uri.rstrip('/')}/checkpoints":
        raise ConfigError(
            f"this job keeps checkpoints in {told} (AIP_CHECKPOINT_DIR), and the run's are in {run_uri}/checkpoints",
            remedy="Create the job with the run's folder as its base_output_directory.",
        )
