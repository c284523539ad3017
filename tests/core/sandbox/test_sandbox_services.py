"""Each service through its real client: what the real one does in the cases that arrcoc meets."""

from __future__ import annotations

import time

import pytest
from google.api_core import exceptions as api

from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import QuotaDenied
from arrcoc_core.sandbox.project import BILLING_ACCOUNT, OWNER, PROJECT_NUMBER

PROJECT = "projects/arrcoc-sandbox"
A100 = "CustomModelTrainingPreemptibleNvidiaA100GpusPerProjectPerRegion"
QUOTAS = f"{PROJECT}/locations/global"
REPOSITORY = f"{PROJECT}/locations/us-central1/repositories/r"
IMAGE = "us-central1-docker.pkg.dev/arrcoc-sandbox/r/trainer"


def test_a_new_project_has_googles_defaults_on_and_nothing_of_ours(sandbox: Sandbox) -> None:
    client = sandbox.cloud().services()
    on = [one.config.name for one in client.list_services(request={"parent": PROJECT, "filter": "state:ENABLED"})]
    assert "storage.googleapis.com" in on and "logging.googleapis.com" in on
    assert not {"aiplatform.googleapis.com", "cloudbuild.googleapis.com", "secretmanager.googleapis.com"} & set(on)


def test_apis_are_switched_on_by_an_operation(sandbox: Sandbox) -> None:
    cloud = sandbox.cloud()
    wanted = ["cloudresourcemanager.googleapis.com", "iam.googleapis.com"]
    operation = cloud.services().batch_enable_services(request={"parent": PROJECT, "service_ids": wanted})
    assert not operation.operation.done  # as it was answered, however late this machine looks
    assert {one.config.name for one in operation.result(timeout=10).services} == set(wanted)
    assert cloud.projects().get_project(name=PROJECT).project_id == "arrcoc-sandbox"
    with pytest.raises(api.Forbidden, match="no-such"):
        cloud.services().batch_enable_services(request={"parent": PROJECT, "service_ids": ["no-such.googleapis.com"]})
    off = cloud.services().disable_service(request={"name": f"{PROJECT}/services/iam.googleapis.com"})
    off.result(timeout=10)
    with pytest.raises(api.Forbidden, match="has not been used"):
        cloud.accounts().list_service_accounts(name=PROJECT)


def test_without_billing_only_free_apis_can_be_switched_on(box: Sandbox) -> None:
    cloud = box.cloud()
    assert cloud.billing().get_project_billing_info(name=PROJECT).billing_account_name == BILLING_ACCOUNT
    unlinked = {"name": PROJECT, "project_billing_info": {"billing_account_name": ""}}
    assert not cloud.billing().update_project_billing_info(request=unlinked).billing_enabled
    with pytest.raises(api.BadRequest) as refused:
        cloud.services().enable_service(request={"name": f"{PROJECT}/services/aiplatform.googleapis.com"})
    assert refused.value.reason == "UREQ_PROJECT_BILLING_NOT_FOUND"
    cloud.services().enable_service(request={"name": f"{PROJECT}/services/iam.googleapis.com"})


def test_another_project_is_refused(box: Sandbox) -> None:
    with pytest.raises(api.Forbidden) as refused:
        box.cloud().projects().get_project(name="projects/somebody-elses")
    assert refused.value.metadata["permission"] == "resourcemanager.projects.get"
    with pytest.raises(api.Forbidden) as refused:
        box.cloud().secrets().list_secrets(parent="projects/somebody-elses")
    assert refused.value.reason == "CONSUMER_INVALID"


def test_a_stale_policy_is_refused_over_both_transports(box: Sandbox) -> None:
    cloud = box.cloud()
    account = cloud.accounts().create_service_account(name=PROJECT, account_id="trainer-1")
    for client, resource, error in (
        (cloud.projects(), PROJECT, api.Conflict),
        (cloud.accounts(), account.name, api.Aborted),
    ):
        policy = client.get_iam_policy(request={"resource": resource})
        policy.bindings.add(role="roles/viewer", members=[f"serviceAccount:{account.email}"])
        kept = client.set_iam_policy(request={"resource": resource, "policy": policy})
        assert kept.etag != policy.etag
        with pytest.raises(error, match="concurrent policy changes"):
            client.set_iam_policy(request={"resource": resource, "policy": policy})


def test_policies_know_the_accounts_of_the_project(box: Sandbox) -> None:
    cloud = box.cloud()
    account = cloud.accounts().create_service_account(name=PROJECT, account_id="trainer-1")
    policy = cloud.projects().get_iam_policy(resource=PROJECT)
    policy.bindings.add(role="roles/viewer", members=["serviceAccount:nobody@arrcoc-sandbox.iam.gserviceaccount.com"])
    with pytest.raises(api.BadRequest, match=r"nobody@.* does not exist"):
        cloud.projects().set_iam_policy(request={"resource": PROJECT, "policy": policy})
    policy.bindings[-1].members[:] = [f"serviceAccount:{account.email}"]
    cloud.projects().set_iam_policy(request={"resource": PROJECT, "policy": policy})
    cloud.accounts().delete_service_account(name=account.name)
    left = cloud.projects().get_iam_policy(resource=PROJECT).bindings[-1].members
    assert list(left) == [f"deleted:serviceAccount:{account.email}?uid={account.unique_id}"]


def test_service_accounts(box: Sandbox) -> None:
    client = box.cloud().accounts()
    made = client.create_service_account(
        request={
            "name": PROJECT,
            "account_id": "trainer-1",
            "service_account": {"display_name": "T", "description": "d"},
        }
    )
    assert made.email == "trainer-1@arrcoc-sandbox.iam.gserviceaccount.com"
    with pytest.raises(api.AlreadyExists):
        client.create_service_account(name=PROJECT, account_id="trainer-1")
    for bad in ("short", "Upper-case", "ends-in-dash-", "x" * 31):
        with pytest.raises(api.InvalidArgument):
            client.create_service_account(name=PROJECT, account_id=bad)
    for name in (made.name, f"projects/-/serviceAccounts/{made.email}", f"projects/-/serviceAccounts/{made.unique_id}"):
        assert client.get_service_account(name=name).unique_id == made.unique_id
    made.description = "another"
    changed = {"service_account": made, "update_mask": {"paths": ["description"]}}
    assert client.patch_service_account(request=changed).description == "another"
    assert [one.email for one in client.list_service_accounts(name=PROJECT)] == [made.email]
    client.delete_service_account(name=made.name)
    with pytest.raises(api.NotFound):
        client.get_service_account(name=made.name)


def test_secrets(box: Sandbox) -> None:
    client = box.cloud().secrets()
    with pytest.raises(api.BadRequest, match="replication"):
        client.create_secret(parent=PROJECT, secret_id="a", secret={})
    made = client.create_secret(
        parent=PROJECT, secret_id="a", secret={"replication": {"automatic": {}}, "labels": {"owner": "x"}}
    )
    assert made.name == f"projects/{PROJECT_NUMBER}/secrets/a"  # the real service answers by number, too
    latest = f"{PROJECT}/secrets/a/versions/latest"
    with pytest.raises(api.NotFound, match="has no versions"):
        client.get_secret_version(name=latest)
    for value in (b"one", b"two"):
        client.add_secret_version(parent=made.name, payload={"data": value})
    assert client.access_secret_version(name=latest).payload.data == b"two"
    with pytest.raises(api.BadRequest, match="checksum"):
        client.add_secret_version(parent=made.name, payload={"data": b"x", "data_crc32c": 1})
    versions = list(client.list_secret_versions(parent=made.name))
    assert [one.name.rpartition("/")[2] for one in versions] == ["2", "1"]
    client.destroy_secret_version(name=versions[0].name)
    with pytest.raises(api.BadRequest, match="DESTROYED"):
        client.access_secret_version(name=latest)
    assert client.access_secret_version(name=versions[1].name).payload.data == b"one"
    assert len(list(client.list_secrets(request={"parent": PROJECT, "filter": "labels.owner=x"}))) == 1
    assert list(client.list_secrets(request={"parent": PROJECT, "filter": "labels.owner=y"})) == []
    client.delete_secret(name=made.name)
    with pytest.raises(api.NotFound):
        client.access_secret_version(name=versions[1].name)


def _wanted(value: int, region: str = "us-central1") -> dict[str, object]:
    return {
        "service": "aiplatform.googleapis.com",
        "quota_id": A100,
        "dimensions": {"region": region},
        "quota_config": {"preferred_value": value},
        "contact_email": "me@example.com",
    }


def test_quota_is_asked_for_and_granted_after_a_while(box: Sandbox) -> None:
    client = box.cloud().quotas()
    made = client.create_quota_preference(
        request={"parent": QUOTAS, "quota_preference_id": "p", "quota_preference": _wanted(4)}
    )
    assert made.reconciling and made.quota_config.granted_value == 0
    with pytest.raises(api.Conflict):
        client.create_quota_preference(
            request={"parent": QUOTAS, "quota_preference_id": "q", "quota_preference": _wanted(8)}
        )
    deadline = time.monotonic() + 20
    while client.get_quota_preference(name=made.name).reconciling and time.monotonic() < deadline:
        time.sleep(0.05)
    assert client.get_quota_preference(name=made.name).quota_config.granted_value == 4
    info = client.get_quota_info(name=f"{QUOTAS}/services/aiplatform.googleapis.com/quotaInfos/{A100}")
    rows = {dict(row.dimensions).get("region", ""): row.details.value for row in info.dimensions_infos}
    assert rows == {"us-central1": 4, "": 0}
    lowered = {"quota_preference": {"name": made.name, **_wanted(2)}}
    assert client.update_quota_preference(request=lowered).quota_config.granted_value == 2


def test_quota_can_be_denied_and_needs_somebody_to_write_to(box: Sandbox) -> None:
    client = box.cloud().quotas()
    box.set_scenario([QuotaDenied()])
    with pytest.raises(api.BadRequest, match="contact_email"):
        client.create_quota_preference(
            request={"parent": QUOTAS, "quota_preference": {**_wanted(4), "contact_email": ""}}
        )
    made = client.create_quota_preference(request={"parent": QUOTAS, "quota_preference": _wanted(4)})
    deadline = time.monotonic() + 20
    while client.get_quota_preference(name=made.name).reconciling and time.monotonic() < deadline:
        time.sleep(0.05)
    assert client.get_quota_preference(name=made.name).quota_config.granted_value == 0


def test_the_catalogues_quota_names_are_served(box: Sandbox) -> None:
    from arrcoc_core.catalog import MACHINES, cpu_quota, gpu_quota

    parent = f"{QUOTAS}/services/aiplatform.googleapis.com"
    served = {info.metric for info in box.cloud().quotas().list_quota_infos(parent=parent)}
    named = {gpu_quota(machine.gpu, way) for machine in MACHINES for way in machine.provisioning}
    named |= {cpu_quota(machine, way) for machine in MACHINES for way in machine.provisioning}
    assert named <= served


def test_repositories_and_images(box: Sandbox) -> None:
    client = box.cloud().registry()
    parent = f"{PROJECT}/locations/us-central1"
    request = {
        "parent": parent,
        "repository_id": "r",
        "repository": {
            "format": "DOCKER",
            "labels": {"owner": "x"},
            "cleanup_policies": {"old": {"id": "old", "action": "DELETE", "condition": {"older_than": "864000s"}}},
        },
    }
    made = client.create_repository(request=request).result(timeout=10)
    assert made.name == REPOSITORY and made.cleanup_policies["old"].condition.older_than.days == 10
    with pytest.raises(api.Conflict):
        client.create_repository(request=request)
    digest = f"sha256:{'a' * 64}"
    registry = box.box.service("artifactregistry")
    with box.box.state.transaction():
        registry.put_image(IMAGE, digest, tags=["code-1"], size=7, manifest={"files": 3})
    tag = client.get_tag(name=f"{REPOSITORY}/packages/trainer/tags/code-1")
    assert tag.version == f"{REPOSITORY}/packages/trainer/versions/{digest}"
    assert [one.uri for one in client.list_docker_images(parent=REPOSITORY)] == [f"{IMAGE}@{digest}"]
    assert client.get_docker_image(name=f"{REPOSITORY}/dockerImages/trainer@{digest}").tags == ["code-1"]
    assert registry.manifest(f"{IMAGE}:code-1")["files"] == registry.manifest(f"{IMAGE}@{digest}")["files"] == 3
    assert client.get_repository(name=REPOSITORY).size_bytes == 7
    with pytest.raises(api.BadRequest, match="tagged"):
        client.delete_version(request={"name": tag.version})
    client.delete_version(request={"name": tag.version, "force": True}).result(timeout=10)
    with pytest.raises(api.NotFound):
        client.get_tag(name=tag.name)
    client.delete_repository(name=REPOSITORY).result(timeout=10)
    with pytest.raises(api.NotFound):
        client.get_repository(name=REPOSITORY)


def test_the_price_list_holds_what_must_not_be_taken(box: Sandbox) -> None:
    client = box.cloud().price_catalog()
    services = {one.display_name: one.name for one in client.list_services()}
    skus = list(client.list_skus(request={"parent": services["Compute Engine"], "page_size": 500}))
    words = [sku.description for sku in skus]
    assert any("attached to Spot Preemptible VMs" in text for text in words)
    assert any(text.startswith("Commitment") for text in words) and any(text.startswith("Reserved") for text in words)
    assert len({sku.sku_id for sku in skus}) == len(skus)


def test_the_owner_of_the_key_is_who_calls(box: Sandbox) -> None:
    assert box.cloud().identity.account == OWNER
    box.cloud().projects().get_project(name=PROJECT)
    assert box.requests()[-1]["caller"] == OWNER
