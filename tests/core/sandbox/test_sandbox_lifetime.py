"""The sandbox as a process: starts once, keeps its state and its ports over SIGKILL, and serves machines of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from arrcoc_core.cloud.clients import Cloud
from arrcoc_core.errors import CloudError
from arrcoc_core.sandbox import Sandbox, reset, start, status, stop
from arrcoc_core.sandbox.faults import Unavailable

PROJECT = "projects/arrcoc-sandbox"
ACCOUNT = "trainer-1@arrcoc-sandbox.iam.gserviceaccount.com"
MACHINE = """
import os
from arrcoc_core.cloud.clients import Cloud
from arrcoc_core.cloud.endpoints import load_endpoints
cloud = Cloud(load_endpoints(os.environ["ARRCOC_CLOUD_ENDPOINTS"]))
print(cloud.identity.project)
try:
    print(cloud.secrets().access_secret_version(name="projects/arrcoc-sandbox/secrets/a/versions/1").payload.data.decode())
except Exception as error:
    print(error.reason)
print(cloud.identity.credentials.service_account_email)
"""


def test_a_process_that_survives_its_own_death(tmp_path: Path) -> None:
    folder = tmp_path / "box"
    sandbox = start(folder, speed=50, scenario=[Unavailable(method="ListServices", times=1)])
    try:
        first = status(folder)
        assert first["running"] and first["speed"] == 50 and first["scenario"][0]["method"] == "ListServices"
        assert start(folder).status()["pid"] == first["pid"]  # a running one is used
        client = sandbox.cloud().services()
        client.enable_service(request={"name": f"{PROJECT}/services/iam.googleapis.com"})
        sandbox.kill()
        assert not status(folder)["running"]
        assert start(folder).status()["pid"] != first["pid"]
        again = status(folder)
        assert (again["url"], again["speed"]) == (first["url"], 50)
        # The client from before the kill goes on: the port is the same, and so is what was done.
        held = client.get_service(request={"name": f"{PROJECT}/services/iam.googleapis.com"})
        assert held.state.name == "ENABLED"
        assert sandbox.changes() == ["serviceusage.EnableService"]
        assert oct(folder.stat().st_mode & 0o777) == "0o700"
    finally:
        stop(folder)
    assert not status(folder)["running"]
    reset(folder)
    assert not folder.exists()


def test_two_starts_at_once_are_one_sandbox(tmp_path: Path) -> None:
    folder = tmp_path / "box"
    threads = [threading.Thread(target=start, args=(folder,)) for _ in range(3)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = [one.pid for one in psutil.process_iter() if str(folder) in _command(one)]
        assert found == [status(folder)["pid"]]
    finally:
        stop(folder)


def test_reset_removes_only_a_sandbox(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    reset(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_a_machine_runs_as_its_service_account(box: Sandbox, tmp_path: Path) -> None:
    cloud = box.cloud()
    cloud.accounts().create_service_account(name=PROJECT, account_id="trainer-1")
    cloud.secrets().create_secret(parent=PROJECT, secret_id="a", secret={"replication": {"automatic": {}}})
    cloud.secrets().add_secret_version(parent=f"{PROJECT}/secrets/a", payload={"data": b"value"})
    # The person's own login lies where Google's libraries look first, and must not be found from the machine.
    (tmp_path / ".config/gcloud").mkdir(parents=True)
    (tmp_path / ".config/gcloud/application_default_credentials.json").write_text("{}")
    base = {name: value for name, value in os.environ.items() if name not in ("NO_GCE_CHECK", "CLOUDSDK_CONFIG")}
    env = {**base, "HOME": str(tmp_path), **box.box.machine_environment(ACCOUNT)}

    def ask() -> list[str]:
        done = subprocess.run([sys.executable, "-c", MACHINE], env=env, capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert ask() == ["arrcoc-sandbox", "IAM_PERMISSION_DENIED", ACCOUNT]
    policy = cloud.secrets().get_iam_policy(request={"resource": f"{PROJECT}/secrets/a"})
    policy.bindings.add(role="roles/secretmanager.secretAccessor", members=[f"serviceAccount:{ACCOUNT}"])
    cloud.secrets().set_iam_policy(request={"resource": f"{PROJECT}/secrets/a", "policy": policy})
    assert ask() == ["arrcoc-sandbox", "value", ACCOUNT]


def test_a_restart_in_the_middle_keeps_what_was_acknowledged(box: Sandbox) -> None:
    client, addresses = box.cloud().secrets(), (box.box.url, box.box.grpc_address)
    made: list[str] = []
    for number in range(4):
        made.append(client.create_secret(parent=PROJECT, secret_id=f"s{number}", secret=_secret()).name)
        box.restart()
        assert (box.box.url, box.box.grpc_address) == addresses
    assert [one.name for one in client.list_secrets(parent=PROJECT)] == made


def test_a_folder_without_a_sandbox_says_what_to_do(tmp_path: Path) -> None:
    from arrcoc_core.cloud.endpoints import load_endpoints
    from arrcoc_core.errors import ConfigError

    with pytest.raises(ConfigError, match="no sandbox has been started") as refused:
        load_endpoints(str(tmp_path))
    assert "arrcoc sandbox start" in refused.value.remedy


def test_a_sandbox_that_has_ended_is_offline(box: Sandbox) -> None:
    from arrcoc_core.cloud.calling import call

    cloud = Cloud(box.endpoints, "arrcoc-sandbox")
    client = cloud.secrets()
    box.kill()
    try:
        with pytest.raises(CloudError) as met:
            call(client.list_secrets, parent=PROJECT, patience_s=0.0)
        assert met.value.scope == "offline"
    finally:
        box.revive()


def test_the_command(project: Path, arrcoc: list[str]) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*arrcoc, *words], cwd=project, capture_output=True, text=True, check=False)

    try:
        made = json.loads(run("sandbox", "start", "--speed", "20", "--json").stdout)
        assert made["running"] and made["started"] and made["speed"] == 20
        assert made["endpoints"] == str(project / ".arrcoc" / "sandbox")
        seen = run("--sandbox", "plan", "--help")
        assert seen.returncode == 0
        (project / "bad.py").write_text("scenario = 1\n")
        refused = run("sandbox", "start", "--scenario", "bad.py")
        assert refused.returncode == 2 and "scenario = [Preempt(at_step=40)]" in refused.stderr
    finally:
        ended = json.loads(run("sandbox", "reset", "--json").stdout)
    assert not ended["running"] and not (project / ".arrcoc" / "sandbox").exists()


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has just ended, or is somebody else's
        return []


def _secret() -> dict[str, object]:
    return {"replication": {"automatic": {}}}
