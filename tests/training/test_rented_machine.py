"""What Vertex AI tells a container: machines, keys, places; and the price of it."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from google.cloud.secretmanager_v1 import Replication, Secret

from arrcoc_core.cloud.objects import Objects
from arrcoc_core.errors import CloudError, ConfigError
from arrcoc_core.sandbox import Sandbox
from training.attempt import Attempt
from training.checkpoints import Checkpoint, save
from training.cost import BEFORE, METRIC, RATE, SINCE, Cost
from training.gcs import GcsStore
from training.ranks import Ranks
from training.secret_keys import read_secrets
from training.vertex_machine import Nodes, check_output_directory

CLUSTER = {
    "workerpool0": ["chief-0:2222"],
    "workerpool1": ["worker-0:2222", "worker-1:2222"],
}


def spec(pool: str, index: int) -> str:
    return json.dumps({"cluster": CLUSTER, "environment": "cloud", "task": {"type": pool, "index": index}})


def test_machines_are_counted_in_the_order_of_their_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLUSTER_SPEC", raising=False)
    assert Nodes.from_environment() == Nodes()
    for place, rank in ((("workerpool0", 0), 0), (("workerpool1", 0), 1), (("workerpool1", 1), 2)):
        monkeypatch.setenv("CLUSTER_SPEC", spec(*place))
        assert Nodes.from_environment() == Nodes(rank, 3, "chief-0", 2222)
    alone = {"cluster": {"workerpool0": ["chief-0:2222"]}, "task": {"type": "workerpool0", "index": 0}}
    monkeypatch.setenv("CLUSTER_SPEC", json.dumps(alone))
    assert Nodes.from_environment() == Nodes()
    for wrong in ("{", "[]", "{}", spec("workerpool7", 0)):
        monkeypatch.setenv("CLUSTER_SPEC", wrong)
        with pytest.raises(ConfigError, match="CLUSTER_SPEC"):
            Nodes.from_environment()


TELL = "import os, pathlib; pathlib.Path(*(os.environ[name] for name in ('HERE', 'RANK'))).write_text(str("
TELL += "[os.environ[name] for name in ('LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT')]))"


def test_ranks_are_numbered_through_all_machines(tmp_path: Path) -> None:
    for rank in (0, 1):
        nodes = Nodes(rank, 2, "chief-0", 2222)
        # Vertex sets these two, and means machines by them.
        environment = {**os.environ, "HERE": str(tmp_path), "WORLD_SIZE": "2", "RANK": str(rank)}
        assert Ranks([sys.executable, "-c", TELL], 2, nodes=nodes, environment=environment).wait() == 0
    told = {int(path.name): path.read_text() for path in tmp_path.iterdir()}
    assert told == {rank: str([str(rank % 2), "4", "chief-0", "2222"]) for rank in range(4)}


def test_checkpoints_belong_to_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIP_CHECKPOINT_DIR", raising=False)
    check_output_directory("gs://b/runs/x")
    monkeypatch.setenv("AIP_CHECKPOINT_DIR", "gs://b/runs/x/checkpoints/")
    check_output_directory("gs://b/runs/x")
    with pytest.raises(ConfigError, match="AIP_CHECKPOINT_DIR"):
        check_output_directory("gs://b/runs/y")


def test_cost_counts_from_the_beginning_of_the_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (RATE, SINCE, BEFORE):
        monkeypatch.delenv(name, raising=False)
    assert Cost.from_environment() is None
    cost = Cost(3.6, time.time() - 1000, 5.0)
    assert cost.values["cost/usd"] == pytest.approx(6.0, abs=0.1)
    for name, value in cost.environment().items():
        monkeypatch.setenv(name, value)
    assert Cost.from_environment() == cost


def test_the_cost_of_a_run_never_goes_back(sandbox: Sandbox) -> None:
    storage: Any = sandbox.cloud().storage()
    storage.create_bucket("runs")
    run = Objects(storage, "gs://runs/one")
    store = GcsStore(Objects(storage, "gs://runs/one/checkpoints"))

    def lost(n: int, *, beat: float, **told: dict[str, float]) -> None:
        """Attempt n is lost without a word after that heartbeat, and a checkpoint with what its rows had told."""
        attempt = Attempt(run, n, f"job-{n}")
        attempt.claim()
        attempt.beat({}, Cost(3600.0, time.time() - beat, attempt.usd_before(store)))
        if told:
            save(store, Checkpoint(n, {}, {}, told), limit=2)

    def before(n: int) -> float:
        return Attempt(run, n, f"job-{n}").usd_before(store)

    assert before(1) == 0
    lost(1, beat=5.0)
    assert before(2) == pytest.approx(5.0, abs=0.5)
    lost(2, beat=1.0, summary={METRIC: 12.0})
    assert before(3) == 12.0
    assert before(2) == pytest.approx(5.0, abs=0.5), "the same job again counts nothing twice"
    lost(3, beat=4.0)
    assert before(4) == before(5) == pytest.approx(16.0, abs=0.5), "what is counted stays counted"
    lost(5, beat=1.0, summary={METRIC: 17.5}, unevaluated={METRIC: 18.5})
    assert before(6) == 18.5
    run.delete("checkpoints/step-00000005/COMMITTED")  # the trainer goes on from the one before
    assert before(6) == pytest.approx(17.0, abs=0.5)
    run.replace("checkpoints/step-00000002/state.json", b"{}")
    assert before(6) == pytest.approx(17.0, abs=0.5)


def test_secrets_are_read_and_never_told(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud = sandbox.cloud()
    service: Any = cloud.services()
    service.enable_service(request={"name": f"projects/{cloud.project}/services/secretmanager.googleapis.com"}).result()
    parent, value = f"projects/{cloud.project}", "a-key-that-nobody-may-see"
    secrets: Any = cloud.secrets()
    held = secrets.create_secret(
        parent=parent,
        secret_id="key",
        secret=Secret(replication=Replication(automatic=Replication.Automatic())),
    )
    secrets.add_secret_version(parent=held.name, payload={"data": f"{value}\n".encode()})
    monkeypatch.setenv("ARRCOC_SECRETS", f"WANDB_API_KEY={held.name},HF_TOKEN={held.name}/versions/1")
    assert read_secrets(cloud, print) == {"WANDB_API_KEY": value, "HF_TOKEN": value}
    monkeypatch.setenv("ARRCOC_SECRETS", f"WANDB_API_KEY={held.name},HF_TOKEN={parent}/secrets/missing")
    assert read_secrets(cloud, print) == {"WANDB_API_KEY": value}
    said = capsys.readouterr().out
    assert "going on without HF_TOKEN" in said and value not in said
    monkeypatch.setenv("ARRCOC_SECRETS", f"HF_TOKEN={held.name},WANDB_API_KEY={parent}/secrets/missing")
    with pytest.raises(CloudError, match="secrets/missing for WANDB_API_KEY") as missing:
        read_secrets(cloud, print)
    assert missing.value.exit_code == 2 and value not in str(missing.value)
    monkeypatch.setenv("ARRCOC_SECRETS", value)
    with pytest.raises(ConfigError) as wrong:
        read_secrets(cloud, print)
    assert value not in str(wrong.value)
    assert value not in "".join(capsys.readouterr())
