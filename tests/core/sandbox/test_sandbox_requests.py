"""What every service of the sandbox has in common: routes, validation, errors, credentials, paging, records."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from google.api_core import exceptions as api
from google.cloud.secretmanager_v1 import Secret

from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.errors import CODES
from arrcoc_core.sandbox.project import OWNER, PROJECT_NUMBER
from arrcoc_core.sandbox.routes import define
from arrcoc_core.sandbox.services import SERVICES
from arrcoc_core.sandbox.validation import TABLE, behaviors

PROJECT = "projects/arrcoc-sandbox"
AUTOMATIC = {"replication": {"automatic": {}}}


def raw(box: Sandbox, verb: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, dict[str, Any]]:
    """A request by hand, for what the real clients would never send."""
    token = box.box.service("tokens").token(OWNER) if token is None else token
    request = urllib.request.Request(
        f"{box.box.url}{path}",
        method=verb,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}"} if token else {},
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_every_service_answers_methods_of_the_real_client() -> None:
    import importlib

    from arrcoc_core.sandbox.service import RawService, Service

    shared = set(dir(Service)) | set(dir(RawService))
    for entry in SERVICES:
        module, name = entry.split(":")
        service = getattr(importlib.import_module(f"arrcoc_core.sandbox.{module}"), name)
        methods = {method.handler for method in define(service.clients).methods.values()}
        if issubclass(service, RawService):
            continue
        served = methods & set(dir(service))
        assert served - shared, f"{name} serves nothing"


def test_grpc_and_rest_have_the_same_methods() -> None:
    for client in (
        "google.cloud.secretmanager_v1:SecretManagerServiceClient",
        "google.cloud.billing_v1:CloudCatalogClient",
    ):
        made = define((client,))
        by_rest = {route.method.path for routes in made.routes.values() for route in routes}
        by_grpc = {path for path in made.methods if not path.startswith("/google.longrunning")}
        assert by_rest == by_grpc


def test_a_field_that_is_none_is_refused_by_name(box: Sandbox) -> None:
    status, answer = raw(box, "POST", f"/secretmanager/v1/{PROJECT}/secrets?secretId=a", {**AUTOMATIC, "colour": "red"})
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert 'Unknown name "colour"' in answer["error"]["message"]
    status, answer = raw(box, "GET", f"/secretmanager/v1/{PROJECT}/secrets?colour=red")
    assert status == 400 and 'Unknown name "colour"' in answer["error"]["message"]


def test_a_required_field_left_out_is_named(box: Sandbox) -> None:
    client = box.cloud().quotas()
    with pytest.raises(api.BadRequest) as refused:
        client.create_quota_preference(parent=f"{PROJECT}/locations/global", quota_preference={"quota_id": "x"})
    assert "quota_preference.quota_config" in refused.value.message
    assert "quota_preference.service" in refused.value.message
    fields = {row["field"] for detail in refused.value.details for row in detail.get("fieldViolations", [])}
    assert "quota_preference.quota_config" in fields
    with pytest.raises(api.InvalidArgument, match="account_id"):
        box.cloud().accounts().create_service_account(name=PROJECT, account_id="")


def test_what_only_the_service_sets_is_ignored(box: Sandbox) -> None:
    secret = Secret(AUTOMATIC, create_time="2001-01-01T00:00:00Z")
    made = box.cloud().secrets().create_secret(parent=PROJECT, secret_id="a", secret=secret)
    assert made.create_time.year > 2020


def test_what_never_changes_is_refused_in_an_update(box: Sandbox) -> None:
    client = box.cloud().secrets()
    made = client.create_secret(parent=PROJECT, secret_id="a", secret=AUTOMATIC)
    with pytest.raises(api.BadRequest, match="replication is immutable"):
        client.update_secret(secret=made, update_mask={"paths": ["replication"]})
    made.labels["k"] = "v"
    assert dict(client.update_secret(secret=made, update_mask={"paths": ["labels"]}).labels) == {"k": "v"}


def test_the_annotations_name_their_source_and_cover_the_job_request() -> None:
    held = json.loads(TABLE.read_text(encoding="utf-8"))
    assert held["as_of"] and any("aiplatform" in source for source in held["sources"])
    assert "R" in behaviors()["google.cloud.aiplatform.v1.CustomJob"]["display_name"]
    assert "O" in behaviors()["google.cloud.aiplatform.v1.CustomJob"]["state"]


def test_bad_tokens_are_refused_before_anything_else(box: Sandbox) -> None:
    for token in ("ya29.something", "a.b.c"):
        status, answer = raw(box, "GET", f"/secretmanager/v1/{PROJECT}/secrets?colour=red", token=token)
        assert (status, answer["error"]["status"]) == (401, "UNAUTHENTICATED")


def test_what_is_not_served_says_so(box: Sandbox) -> None:
    with pytest.raises(api.MethodNotImplemented, match="DeleteProject is not served by the sandbox"):
        box.cloud().projects().delete_project(name=PROJECT)
    with pytest.raises(api.MethodNotImplemented, match="ListRoles is not served by the sandbox"):
        box.cloud().accounts().list_roles(request={"parent": PROJECT})


def test_errors_carry_reason_and_metadata_over_both_transports(sandbox: Sandbox) -> None:
    cloud = sandbox.cloud()
    calls = [
        lambda: cloud.accounts().list_service_accounts(name=PROJECT),  # gRPC
        lambda: cloud.secrets().list_secrets(parent=PROJECT),  # REST
    ]
    for call, service in zip(calls, ("iam.googleapis.com", "secretmanager.googleapis.com"), strict=True):
        with pytest.raises(api.Forbidden) as refused:
            call()
        assert refused.value.reason == "SERVICE_DISABLED"
        assert refused.value.domain == "googleapis.com"
        assert refused.value.metadata["service"] == service
        assert refused.value.metadata["consumer"] == f"projects/{PROJECT_NUMBER}"


def test_the_codes_are_googles() -> None:
    from google.rpc import code_pb2

    assert {name: number for name, (number, _) in CODES.items()} | {"OK": 0} == dict(code_pb2.Code.items())


def test_lists_come_in_pages(box: Sandbox) -> None:
    client = box.cloud().secrets()
    for number in range(5):
        client.create_secret(parent=PROJECT, secret_id=f"s{number}", secret=AUTOMATIC)
    pages = list(client.list_secrets(request={"parent": PROJECT, "page_size": 2}).pages)
    assert [len(page.secrets) for page in pages] == [2, 2, 1]
    assert pages[0].next_page_token and not pages[2].next_page_token
    with pytest.raises(api.BadRequest, match="page token"):
        list(client.list_secrets(request={"parent": PROJECT, "page_token": "nonsense"}))


def test_requests_are_recorded_without_their_values(box: Sandbox) -> None:
    client = box.cloud().secrets()
    client.create_secret(parent=PROJECT, secret_id="a", secret=AUTOMATIC)
    client.add_secret_version(parent=f"{PROJECT}/secrets/a", payload={"data": b"hunter2-value"})
    client.access_secret_version(name=f"{PROJECT}/secrets/a/versions/latest")
    assert box.changes() == ["secretmanager.CreateSecret", "secretmanager.AddSecretVersion"]
    last = box.requests()[-1]
    assert (last["method"], last["mutating"], last["caller"]) == ("AccessSecretVersion", False, OWNER)
    assert set(last) == {"at", "service", "method", "mutating", "caller", "transport"}
    told = [path.read_bytes() for path in box.folder.rglob("*") if path.suffix in (".jsonl", ".txt", ".log")]
    assert told and not any(b"hunter2" in text or b"ya29" in text for text in told)


def test_an_error_leaves_nothing_half_done(box: Sandbox) -> None:
    table = box.box.state.table("t")
    with pytest.raises(ValueError, match="stop"), box.box.state.transaction():
        table.put("a", {"x": 1})
        with box.box.state.transaction():
            table.put("b", {"x": 2})
        raise ValueError("stop")
    assert table.items() == []
