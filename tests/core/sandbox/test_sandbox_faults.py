"""The scenario language: each fault comes when it says, as often as it says, and is counted on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.auth.transport.requests import Request

from arrcoc_core.cloud.calling import call
from arrcoc_core.errors import CloudError, ConfigError
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import (
    KINDS,
    ApiDisabled,
    BillingDisabled,
    Fault,
    InternalError,
    LostAck,
    NoNetwork,
    PermissionDenied,
    RevokedCredentials,
    Stockout,
    Unavailable,
    fault_from_json,
    load_scenario,
)

PROJECT = "projects/arrcoc-sandbox"
SECRET = {"replication": {"automatic": {}}}


def test_unavailable_comes_that_often(box: Sandbox) -> None:
    client = box.cloud().secrets()
    box.set_scenario([Unavailable(method="ListSecrets", times=2)])
    for _ in range(2):
        with pytest.raises(api.ServiceUnavailable):
            client.list_secrets(parent=PROJECT)
    assert list(client.list_secrets(parent=PROJECT)) == []
    box.set_scenario([Unavailable(times=3)])
    call(client.list_secrets, parent=PROJECT)  # our own retries outlast it
    assert [fault["taken"] for fault in box.status()["scenario"]] == [3]


def test_a_lost_answer_is_of_something_done(box: Sandbox) -> None:
    cloud = box.cloud()
    box.set_scenario([LostAck(method="CreateSecret"), LostAck(method="CreateServiceAccount")])
    with pytest.raises(requests.ConnectionError):
        cloud.secrets().create_secret(parent=PROJECT, secret_id="a", secret=SECRET)
    with pytest.raises(api.ServiceUnavailable):  # the same over gRPC
        cloud.accounts().create_service_account(name=PROJECT, account_id="somebody")
    assert len(list(cloud.secrets().list_secrets(parent=PROJECT))) == 1
    assert len(list(cloud.accounts().list_service_accounts(name=PROJECT))) == 1


def test_revoked_credentials(box: Sandbox) -> None:
    cloud = box.cloud()
    box.set_scenario([RevokedCredentials(after_calls=1)])
    cloud.secrets().list_secrets(parent=PROJECT)
    with pytest.raises(api.Unauthorized):
        cloud.secrets().list_secrets(parent=PROJECT)
    with pytest.raises(auth.RefreshError, match="invalid_grant"):
        cloud.identity.credentials.refresh(Request())
    for client, method in ((cloud.secrets(), "list_secrets"), (cloud.accounts(), "list_service_accounts")):
        named = {"parent": PROJECT} if method == "list_secrets" else {"name": PROJECT}
        with pytest.raises(CloudError) as refused:
            call(getattr(client, method), **named)
        assert refused.value.scope == "auth"


@pytest.mark.parametrize(
    ("fault", "scope"),
    [
        (ApiDisabled(service="secretmanager"), "api-disabled"),
        (BillingDisabled(), "billing"),
        (PermissionDenied(method="ListSecrets"), "permission"),
        (InternalError(method="ListSecrets", times=None), "internal"),
        (NoNetwork(), "offline"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Fault) else "",
)
def test_each_is_what_a_person_would_meet(box: Sandbox, fault: Fault, scope: str) -> None:
    box.set_scenario([fault])
    with pytest.raises(CloudError) as met:
        call(box.cloud().secrets().list_secrets, parent=PROJECT, patience_s=0.1)
    assert met.value.scope == scope
    box.set_scenario([])
    assert list(call(box.cloud().secrets().list_secrets, parent=PROJECT)) == []


def test_a_permission_can_be_missing(box: Sandbox) -> None:
    box.set_scenario([PermissionDenied(permission="storage.buckets.create")])
    asked = ["storage.buckets.create", "storage.buckets.get"]
    answer = box.cloud().projects().test_iam_permissions(resource=PROJECT, permissions=asked)
    assert list(answer.permissions) == ["storage.buckets.get"]


def test_counts_survive_a_kill(box: Sandbox) -> None:
    box.set_scenario([Stockout(region="us-central1", times=2), Stockout(times=1)])
    assert box.box.faults.take(Stockout, region="us-central1", provisioning="spot")
    assert box.box.faults.take(Stockout, region="europe-west4") == Stockout(times=1)
    assert box.box.faults.take(Stockout, region="europe-west4") is None
    box.restart()
    assert box.box.faults.take(Stockout, region="us-central1") == Stockout(region="us-central1", times=2)
    assert box.box.faults.take(Stockout, region="us-central1") is None


def test_an_error_that_a_fault_raises_does_not_undo_its_count(box: Sandbox) -> None:
    with pytest.raises(ValueError, match="stop"), box.box.state.transaction():
        box.set_scenario([Stockout()])
        box.box.faults.take(Stockout)
        raise ValueError("stop")
    assert box.box.faults.take(Stockout) is None


def test_faults_are_values(tmp_path: Path) -> None:
    for kind in KINDS.values():
        assert fault_from_json(kind().to_json()) == kind()
    file = tmp_path / "scenario.py"
    file.write_text(
        "from arrcoc_core.sandbox.faults import Preempt, Stockout\nscenario = [Preempt(at_step=7), Stockout(times=2)]\n"
    )
    assert [fault.to_json()["fault"] for fault in load_scenario(file)] == ["Preempt", "Stockout"]
    file.write_text("scenario = [1]\n")
    with pytest.raises(ConfigError, match="has no `scenario"):
        load_scenario(file)
    file.write_text("raise KeyError('x')\n")
    with pytest.raises(ConfigError, match="failed: KeyError"):
        load_scenario(file)
