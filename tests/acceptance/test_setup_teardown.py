"""From an empty project: setup, setup again, setup killed after each of its steps, teardown.

The command line is met as people meet it, in processes of its own, against the sandbox; what is there is then read
through Google's own clients.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arrcoc_core.cli import main
from arrcoc_core.cloud.names import Names
from arrcoc_core.infra.policies import VERSION
from arrcoc_core.sandbox import Sandbox, running
from arrcoc_core.sandbox.box import REQUESTS

PROJECT = "arrcoc-sandbox"
OWNER = "arr-coc-0-1"
NAMES = Names(PROJECT, "us-central1", OWNER)
# A person's own: they stay out of the sandbox, which has keys for itself.
KEYS = {"WANDB_API_KEY": "0123456789abcdef" * 2 + "01234567", "HF_TOKEN": "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"}
EXPERIMENT = """
from arrcoc_core import Experiment, Vertex

cloud = Experiment(name="cloud", compute=Vertex(gpu="A100", spot=True, fallback=()))
"""
SETUP = ("setup", "--yes", "--copy-keys")


@pytest.fixture
def cloud_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an experiment for the cloud, keys on this machine, and nothing of the developer's."""
    (project / "experiments" / "cloud.py").write_text(EXPERIMENT, encoding="utf-8")
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(project / "home"))
    monkeypatch.setenv("ARRCOC_CLOUD_ENDPOINTS", "")
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return project


def test_from_nothing_to_everything_and_back(
    cloud_project: Path, tmp_path: Path, arrcoc: list[str], figures: Callable[..., None]
) -> None:
    (cloud_project / "experiments" / "vqav2_2b.py").unlink()  # one quota is enough to see it asked for
    with running(tmp_path / "box", speed=100) as box:
        command = Command(arrcoc, cloud_project, box)
        before = contents(box)
        dry = command("setup", "--dry-run")
        assert {row["state"] for row in last(dry).values()} == {"ok", "unknown", "missing", "different"}
        assert box.changes() == [] and contents(box) == before

        started = time.monotonic()
        made = command.apart(*SETUP)
        took = time.monotonic() - started
        assert {row["state"] for row in last(made).values()} == {"ok", "created", "requested"}
        steps = len(box.changes())
        assert_all_there(contents(box))

        again = command(*SETUP)
        assert len(box.changes()) == steps, "the second setup makes no changing call at all"
        assert {row["state"] for row in last(again).values()} <= {"ok", "requested"}
        assert again[-1]["ok"] and again[-1]["failed"] == again[-1]["skipped"] == 0
        figures("setup", steps=steps, seconds=round(took, 2))

        strangers = make_strangers(box)
        fill_runs_bucket(box)
        full = contents(box)
        changes = len(box.changes())
        listed = command("teardown", "--dry-run", "--with-checkpoints")
        items = {line["name"]: line for line in listed if line["type"] == "item"}
        assert items[f"gs://{NAMES.runs_bucket}"]["size_bytes"] == 3 * 1000
        assert items[f"gs://{NAMES.runs_bucket}"]["usd_per_month"] == pytest.approx(3000 / 2**30 * 0.02)
        assert all("somebody" not in name for name in items)
        assert len(box.changes()) == changes and contents(box) == full, "a dry run changes nothing"

        refused = command("teardown", code=2)
        assert f"--confirm {OWNER}" in json.dumps(refused[-1])
        refused = command("teardown", "--confirm", OWNER, "--with-checkpoints", code=2)
        assert f"--confirm-checkpoints {NAMES.runs_bucket}" in json.dumps(refused[-1])
        assert len(box.changes()) == changes and contents(box) == full, "without the names typed nothing is removed"

        command("teardown", "--confirm", OWNER)
        left = contents(box)
        assert left["buckets"].keys() == {NAMES.runs_bucket, "arrcoc-sandbox-somebodys"}
        assert left["objects"][NAMES.runs_bucket] == full["objects"][NAMES.runs_bucket], "checkpoints stay"
        assert_no_accounts(left)

        both = ("--confirm", OWNER, "--confirm-checkpoints", NAMES.runs_bucket)
        command("teardown", "--with-checkpoints", *both)
        empty = contents(box)
        assert only("somebody", empty) == strangers, "what is not ours is as it was"
        assert_no_accounts(empty)
        assert {kind for kind in empty if empty[kind] != strangers.get(kind)} == {"services", "quotas", "policy"}
        assert empty["services"] == full["services"], "the APIs stay on"
        assert [role for role, _ in empty["policy"]] == ["roles/owner"]
        assert command("teardown", "--with-checkpoints", *both)[-1]["removed"] == 0

        assert command(*SETUP)[-1]["ok"]
        assert contents(box) == {**full, "objects": contents(box)["objects"]}, "and all can be made again"


def test_killed_after_each_step_and_run_again(
    cloud_project: Path, tmp_path: Path, arrcoc: list[str], full: bool, figures: Callable[..., None]
) -> None:
    with running(tmp_path / "undisturbed", speed=100) as box:
        Command(arrcoc, cloud_project, box)(*SETUP)
        wanted, steps = contents(box), len(box.changes())
    points = range(1, steps + 1) if full else (2, steps - 2)
    for step in points:
        with running(tmp_path / f"killed-{step}", speed=100) as box:
            command = Command(arrcoc, cloud_project, box)
            command.kill_at(step, *SETUP)
            command(*SETUP)
            assert contents(box) == wanted, f"after a kill at step {step}"
            if full or step == points[-1]:
                # The same for teardown, which has fewer steps.
                command.kill_at(len(box.changes()) + 1 + step % 9, "teardown", "--confirm", OWNER)
                command("teardown", "--confirm", OWNER)
                left = contents(box)
                assert left["buckets"].keys() == {NAMES.runs_bucket}
                assert not left["secrets"] and not left["repositories"]
                assert_no_accounts(left)
    figures("setup killed", kill_points=len(points), steps=steps)


class Command:
    """`arrcoc --json …` against one sandbox: in this process, or in one of its own."""

    def __init__(self, arrcoc: list[str], project: Path, box: Sandbox) -> None:
        self._arrcoc, self._project, self._box = arrcoc, project, box
        os.environ["ARRCOC_CLOUD_ENDPOINTS"] = str(box.folder)  # the fixture takes it back

    def __call__(self, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            ended = main(["--json", *arguments])
        return self._lines(arguments, ended, code, out.getvalue(), err.getvalue())

    def apart(self, *arguments: str) -> list[dict[str, Any]]:
        child = self._start(*arguments)
        out, err = child.communicate(timeout=120)
        return self._lines(arguments, child.returncode, 0, out, err)

    def kill_at(self, step: int, *arguments: str) -> None:
        """Start it, and SIGKILL it when the sandbox has been asked for the `step`th change."""
        child = self._start(*arguments)
        log = self._box.folder / REQUESTS  # to ask the sandbox itself a thousand times a second takes it a core
        while log.read_bytes().count(b'"mutating": true') < step and child.poll() is None:
            time.sleep(0.001)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert child.returncode == -signal.SIGKILL, f"{arguments} had ended before step {step}"

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self._arrcoc, "--json", *arguments],
            cwd=self._project,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _lines(self, arguments: Any, ended: int, code: int, out: str, err: str) -> list[dict[str, Any]]:
        assert ended == code, f"{arguments}: {ended}\n{out}\n{err}"
        for value in [*KEYS.values(), *own_keys(self._box).values()]:
            assert value not in out + err, "no key is ever printed"
        return [json.loads(line) for line in out.splitlines()]


def last(lines: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The last line of each resource."""
    return {line["resource"]: line for line in lines if line["type"] == "resource"}


def own_keys(box: Sandbox) -> dict[str, str]:
    """Variable -> the key that the sandbox brings for it."""
    return {name: Path(file).read_text(encoding="utf-8").strip() for name, file in box.endpoints.keys.items()}


def contents(box: Sandbox) -> dict[str, Any]:
    """Everything that is in the project, without times, etags and numbers; read by looking only."""
    cloud = box.cloud()
    on = {api for api in APIS if box.box.service("serviceusage").enabled(api)}
    found: dict[str, Any] = {"services": sorted(on), "buckets": {}, "objects": {}}
    store = cloud.storage()
    for bucket in store.list_buckets(project=PROJECT):
        found["buckets"][bucket.name] = {
            "labels": bucket.labels,
            "rules": list(bucket.lifecycle_rules),
            "uniform": bucket.iam_configuration.uniform_bucket_level_access_enabled,
            "public": bucket.iam_configuration.public_access_prevention,
            "policy": bindings(bucket.get_iam_policy(requested_policy_version=VERSION).bindings),
        }
        found["objects"][bucket.name] = {blob.name: blob.crc32c for blob in bucket.list_blobs()}
    found["repositories"] = found["accounts"] = found["secrets"] = {}
    found["quotas"], found["policy"] = [], []
    if "artifactregistry.googleapis.com" in on:
        client, parent = cloud.registry(), f"projects/{PROJECT}/locations/us-central1"
        found["repositories"] = {
            one.name: {
                "labels": dict(one.labels),
                "clean-up": sorted(one.cleanup_policies),
                "policy": pb_bindings(client.get_iam_policy(request={"resource": one.name})),
            }
            for one in client.list_repositories(parent=parent)
        }
    if "iam.googleapis.com" in on:
        client = cloud.accounts()
        found["accounts"] = {
            one.email: {
                "description": one.description,
                "policy": pb_bindings(client.get_iam_policy(request={"resource": one.name})),
            }
            for one in client.list_service_accounts(name=f"projects/{PROJECT}")
        }
    if "secretmanager.googleapis.com" in on:
        client = cloud.secrets()
        own = {key: name for name, key in own_keys(box).items()}

        def whose(secret: str) -> str | None:
            held = client.access_secret_version(name=f"{secret}/versions/latest").payload.data.decode()
            return own.get(held)

        found["secrets"] = {
            one.name.rpartition("/")[2]: {
                "labels": dict(one.labels),
                "versions": len(list(client.list_secret_versions(parent=one.name))),
                "value": own.get(
                    client.access_secret_version(name=f"{one.name}/versions/latest").payload.data.decode()
                ),
                "policy": pb_bindings(client.get_iam_policy(request={"resource": one.name})),
            }
            for one in client.list_secrets(parent=f"projects/{PROJECT}")
        }
    if "cloudquotas.googleapis.com" in on:
        found["quotas"] = sorted(
            (one.quota_id, one.dimensions["region"], one.quota_config.preferred_value)
            for one in cloud.quotas().list_quota_preferences(parent=f"projects/{PROJECT}/locations/global")
        )
    if "cloudresourcemanager.googleapis.com" in on:
        found["policy"] = pb_bindings(cloud.projects().get_iam_policy(request={"resource": f"projects/{PROJECT}"}))
    return found


def bindings(held: Any) -> list[tuple[str, list[str]]]:
    return sorted((one["role"], sorted(one["members"])) for one in held)


def pb_bindings(policy: Any) -> list[tuple[str, list[str]]]:
    return sorted((one.role, sorted(one.members)) for one in policy.bindings)


APIS = (
    "aiplatform.googleapis.com",
    "artifactregistry.googleapis.com",
    "cloudbilling.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudquotas.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "iam.googleapis.com",
    "logging.googleapis.com",
    "secretmanager.googleapis.com",
    "storage.googleapis.com",
)


def assert_all_there(found: dict[str, Any]) -> None:
    """What training needs, and no role more."""
    trains, builds = f"serviceAccount:{NAMES.training_account}", f"serviceAccount:{NAMES.build_account}"
    owner = {"arrcoc_owner": OWNER}
    assert found["services"] == sorted(APIS)
    assert found["buckets"].keys() == {NAMES.staging_bucket, NAMES.runs_bucket}
    for bucket in found["buckets"].values():
        assert bucket["labels"] == owner and bucket["uniform"] and bucket["public"] == "enforced"
    staging, kept = found["buckets"][NAMES.staging_bucket], found["buckets"][NAMES.runs_bucket]
    assert [rule["condition"] for rule in staging["rules"]] == [{"age": 14}] and kept["rules"] == []
    assert granted(staging["policy"], builds) == ["roles/storage.legacyBucketReader", "roles/storage.objectUser"]
    assert granted(kept["policy"], trains) == ["roles/storage.objectUser"]
    assert granted(staging["policy"], trains) == granted(kept["policy"], builds) == []
    (repository,) = found["repositories"].values()
    assert repository["labels"] == owner and repository["clean-up"] == ["delete-old", "keep-newest"]
    assert repository["policy"] == [("roles/artifactregistry.writer", [builds])]
    assert found["accounts"].keys() == {NAMES.training_account, NAMES.build_account}
    assert {one["description"] for one in found["accounts"].values()} == {f"arrcoc_owner={OWNER}"}
    assert granted(found["policy"], trains) == granted(found["policy"], builds) == ["roles/logging.logWriter"]
    assert {name: secret["value"] for name, secret in found["secrets"].items()} == {
        f"{OWNER}-wandb-api-key": "WANDB_API_KEY",
        f"{OWNER}-hf-token": "HF_TOKEN",
    }, "the sandbox's own"
    for secret in found["secrets"].values():
        assert secret["versions"] == 1 and secret["labels"] == owner
        assert secret["policy"] == [("roles/secretmanager.secretAccessor", [trains])]
    assert [(quota[1], quota[2]) for quota in found["quotas"]] == [("us-central1", 1)]


def granted(policy: list[tuple[str, list[str]]], member: str) -> list[str]:
    return [role for role, members in policy if member in members]


def make_strangers(box: Sandbox) -> dict[str, Any]:
    """A bucket, an account, a repository and a secret of somebody else; also one that bears another label of ours."""
    cloud = box.cloud()
    store = cloud.storage()
    bucket = store.bucket("arrcoc-sandbox-somebodys")
    bucket.labels = {"arrcoc_owner": "another-project"}
    store.create_bucket(bucket, location="us-central1")
    bucket.blob("thesis.txt").upload_from_string("do not lose")
    account = {"account_id": "somebody", "service_account": {"description": "arrcoc_owner=another-project"}}
    cloud.accounts().create_service_account(request={"name": f"projects/{PROJECT}", **account})
    cloud.secrets().create_secret(
        request={
            "parent": f"projects/{PROJECT}",
            "secret_id": "somebodys-secret",
            "secret": {"replication": {"automatic": {}}},
        }
    )
    cloud.secrets().add_secret_version(
        request={"parent": f"projects/{PROJECT}/secrets/somebodys-secret", "payload": {"data": b"theirs"}}
    )
    return only("somebody", contents(box))


def only(word: str, found: dict[str, Any]) -> dict[str, Any]:
    """Of each kind, what has the word in its name."""
    return {
        kind: {name: value for name, value in held.items() if word in name}
        for kind, held in found.items()
        if isinstance(held, dict)
    }


def assert_no_accounts(found: dict[str, Any]) -> None:
    """Neither the accounts nor a binding that names one."""
    for email in (NAMES.training_account, NAMES.build_account):
        assert email not in json.dumps(found)


def fill_runs_bucket(box: Sandbox) -> None:
    bucket = box.cloud().storage().bucket(NAMES.runs_bucket)
    for number in range(3):
        bucket.blob(f"runs/one/checkpoints/step-{number}/selector").upload_from_string(b"x" * 1000)
