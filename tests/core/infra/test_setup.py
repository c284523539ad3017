"""Setup against the sandbox: strangers' things stay, lost answers and races do no harm, errors are repairs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.iam.v1 import policy_pb2

from arrcoc_core.accounts.keys import LocalKey
from arrcoc_core.infra import check_infra, run_setup
from arrcoc_core.infra.accounts import training_account
from arrcoc_core.infra.buckets import runs_bucket, staging_bucket
from arrcoc_core.infra.events import Event
from arrcoc_core.infra.grants import LOG_WRITER, build_roles, training_roles
from arrcoc_core.infra.policies import add, edit, has, project_policy, remove
from arrcoc_core.infra.repository import repository
from arrcoc_core.infra.running import Outcome
from arrcoc_core.infra.secret_copies import secrets
from arrcoc_core.infra.world import World
from arrcoc_core.sandbox import Sandbox
from arrcoc_core.sandbox.faults import (
    BillingDisabled,
    BucketTaken,
    Fault,
    LostAck,
    NoNetwork,
    PermissionDenied,
    RevokedCredentials,
    Unavailable,
)

PROJECT = "arrcoc-sandbox"
KEY = LocalKey("WANDB_API_KEY", "a test", "a-key-that-is-not-one")
SetUp = Callable[..., Outcome]


def make_bucket(world: World) -> None:
    world.cloud.storage().create_bucket(world.names.runs_bucket, location="us-central1")


def make_repository(world: World) -> None:
    parent, _, name = world.names.repository.rpartition("/repositories/")
    request = {"parent": parent, "repository_id": name, "repository": {"format_": "DOCKER"}}
    world.cloud.registry().create_repository(request=request).result()


def make_account(world: World) -> None:
    account = {"account_id": world.names.training_account.split("@")[0], "service_account": {"description": "mine too"}}
    world.cloud.accounts().create_service_account(request={"name": f"projects/{PROJECT}", **account})


def make_secret(world: World) -> None:
    secret = {"replication": {"automatic": {}}, "labels": {"arrcoc_owner": "another"}}
    request = {"parent": f"projects/{PROJECT}", "secret_id": "mine-wandb-api-key", "secret": secret}
    world.cloud.secrets().create_secret(request=request)


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (make_bucket, "runs-bucket"),
        (make_repository, "repository"),
        (make_account, "training-account"),
        (make_secret, "secret-wandb-api-key"),
    ],
)
def test_what_has_our_name_and_not_our_label_is_never_touched(
    make: Callable[[World], None], key: str, world: World, sandbox: Sandbox, set_up: SetUp
) -> None:
    make(world)
    before = len(sandbox.changes())
    outcome = set_up(world, copy=frozenset({"WANDB_API_KEY"}), keys={"WANDB_API_KEY": KEY})
    assert outcome.exit_code == 2 and [event.resource for event in outcome.failed] == [key]
    assert outcome.failed[0].state == "foreign"
    error = outcome.failed[0].error
    assert error is not None and "is not ours" in error.message and "PROJECT_NAME" in error.fixes[0].text
    assert len(sandbox.changes()) == before, "nothing at all was made"
    every = (runs_bucket(world), repository(world), training_account(world), *secrets(world))
    resource = next(one for one in every if one.key == key)
    assert resource.destroy(world, print).state == "foreign" and len(sandbox.changes()) == before


def test_a_bucket_name_that_another_project_has_is_refused_before_anything_is_made(
    world: World, sandbox: Sandbox, set_up: SetUp
) -> None:
    sandbox.set_scenario([BucketTaken(name=world.names.staging_bucket)])
    outcome = set_up(world)
    assert outcome.exit_code == 2 and sandbox.changes() == []
    (failed,) = outcome.failed
    assert failed.resource == "staging-bucket" and failed.error is not None
    assert world.names.staging_bucket in failed.error.message


@pytest.mark.parametrize(
    ("faults", "row", "words"),
    [
        ([RevokedCredentials()], "credentials", ""),
        ([NoNetwork()], "credentials", ""),
        ([BillingDisabled()], "billing", "gcloud billing projects link arrcoc-sandbox"),
        (
            [PermissionDenied(method="BatchGetServices")],
            "apis",
            "gcloud projects add-iam-policy-binding arrcoc-sandbox",
        ),
    ],
)
def test_what_is_wrong_from_the_start_is_one_message_with_its_repair(
    faults: list[Fault], row: str, words: str, world: World, sandbox: Sandbox
) -> None:
    sandbox.set_scenario(faults)
    events: list[Event] = []
    outcome = run_setup(world, on_event=events.append)
    assert outcome.exit_code == 2
    (failed,) = outcome.failed
    assert failed.resource == row and failed.error is not None and failed.error.fixes
    assert words in "\n".join(fix.command for fix in failed.error.fixes)
    assert all(event.final for event in outcome.events), "no row is left waiting"
    sandbox.set_scenario([])
    assert sandbox.changes() == []


def test_a_project_that_is_not_there_is_named(world: World, sandbox: Sandbox) -> None:
    named = replace(world.names, project="no-such-project")
    wrong = World(type(world.cloud)(sandbox.endpoints, named.project), named)
    outcome = run_setup(wrong, on_event=lambda _: None)
    (failed,) = outcome.failed
    assert outcome.exit_code == 2 and failed.error is not None and "no-such-project" in failed.error.message


@pytest.mark.parametrize(
    "method",
    [
        "buckets.insert",
        "CreateRepository",
        "CreateServiceAccount",
        "CreateSecret",
        "AddSecretVersion",
        "SetIamPolicy",
        "BatchEnableServices",
    ],
)
def test_a_lost_answer_is_found_again(method: str, sandbox: Sandbox, world: World, set_up: SetUp) -> None:
    sandbox.box.service("serviceusage").switch("aiplatform.googleapis.com", method != "BatchEnableServices")
    sandbox.set_scenario([LostAck(method=method)])
    with_key: dict[str, Any] = {"copy": frozenset({"WANDB_API_KEY"}), "keys": {"WANDB_API_KEY": KEY}}
    outcome = set_up(world, **with_key)
    assert outcome.ok, [event.error for event in outcome.failed]
    assert [taken for _, taken in sandbox.box.faults.all()] == [1], "an answer was lost"
    assert len(list(world.cloud.secrets().list_secret_versions(parent=world.names.secret("WANDB_API_KEY")))) == 1
    made = len(sandbox.changes())
    again = set_up(world, **with_key)
    assert again.ok and len(sandbox.changes()) == made
    assert all(event.state in ("ok", "skipped") for event in again.events)


def test_a_service_that_fails_for_a_moment_is_asked_again(sandbox: Sandbox, world: World, set_up: SetUp) -> None:
    sandbox.set_scenario([Unavailable(method=method, times=2) for method in ("GetServiceAccount", "SetIamPolicy")])
    assert set_up(world).ok


def test_a_role_that_is_lacking_stops_its_row_and_those_that_need_it(
    sandbox: Sandbox, world: World, set_up: SetUp
) -> None:
    sandbox.set_scenario([PermissionDenied(method="CreateServiceAccount")])
    outcome = set_up(world)
    states = {event.resource: event.state for event in outcome.events}
    assert outcome.exit_code == 1 and states["training-account"] == states["build-account"] == "failed"
    assert states["training-roles"] == states["build-roles"] == states["act-as"] == "skipped"
    assert states["runs-bucket"] == states["repository"] == "created", "the others go on"
    sandbox.set_scenario([])
    assert set_up(world).ok


def test_two_setups_at_once_make_one_of_each(sandbox: Sandbox, world: World, set_up: SetUp) -> None:
    other = replace(world, cloud=sandbox.cloud())
    outcomes: list[Outcome] = []
    threads = [threading.Thread(target=lambda w=w: outcomes.append(set_up(w))) for w in (world, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.exit_code for outcome in outcomes] == [0, 0]
    assert all(event.state in ("ok", "skipped") for event in check_infra(world, on_event=lambda _: None).events)


def test_policies_are_edited_in_a_loop_and_conditions_of_others_stay(sandbox: Sandbox, world: World) -> None:
    holder = project_policy(world)
    condition = {"title": "this year", "expression": 'request.time < timestamp("2030-01-01T00:00:00Z")'}
    policy = holder.read()
    policy.version = 3
    policy.bindings.add(role=LOG_WRITER, members=["user:a@example.com"], condition=condition)
    holder.write(policy)
    members = [f"serviceAccount:x{number}@y.iam.gserviceaccount.com" for number in range(6)]
    worlds = [replace(world, cloud=sandbox.cloud()) for _ in members]

    def grant(one: World, member: str) -> None:
        edit(project_policy(one), lambda held: add(held, LOG_WRITER, member))

    threads = [threading.Thread(target=grant, args=pair) for pair in zip(worlds, members, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = holder.read()
    assert all(has(found, LOG_WRITER, member) for member in members), "no writer undid another's work"
    assert not has(found, LOG_WRITER, "user:a@example.com"), "a conditional binding is not the plain one"
    assert [binding.members[0] for binding in found.bindings if binding.HasField("condition")] == ["user:a@example.com"]
    for member in members:
        assert edit(holder, lambda held, member=member: remove(held, LOG_WRITER, member))
        assert not edit(holder, lambda held, member=member: remove(held, LOG_WRITER, member))
    assert len([binding for binding in holder.read().bindings if binding.role == LOG_WRITER]) == 1


def test_the_binding_of_a_deleted_account_is_taken_back() -> None:
    policy = policy_pb2.Policy()
    policy.bindings.add(role=LOG_WRITER, members=["deleted:serviceAccount:a@b?uid=123", "user:c@d"])
    assert remove(policy, LOG_WRITER, "serviceAccount:a@b")
    assert [list(binding.members) for binding in policy.bindings] == [["user:c@d"]]


def test_what_was_changed_by_hand_is_set_right(sandbox: Sandbox, world: World, set_up: SetUp) -> None:
    assert set_up(world).ok
    bucket = world.cloud.storage().get_bucket(world.names.staging_bucket)
    bucket.lifecycle_rules = []
    bucket.versioning_enabled = True
    bucket.patch()
    edit(project_policy(world), lambda held: remove(held, LOG_WRITER, f"serviceAccount:{world.names.build_account}"))
    looked = {event.resource: event for event in check_infra(world, on_event=lambda _: None).events}
    assert looked["staging-bucket"].state == "different" and "versioning is on" in looked["staging-bucket"].detail
    assert looked["build-roles"].state == "different" and "logging.logWriter" in looked["build-roles"].detail
    before = len(sandbox.changes())
    assert set_up(world).ok and len(sandbox.changes()) == before + 2
    assert staging_bucket(world).check(world).state == build_roles(world).check(world).state == "ok"
    assert training_roles(world).check(world).state == "ok"


def test_a_key_is_copied_once_and_again_when_it_is_another(sandbox: Sandbox, world: World, set_up: SetUp) -> None:
    have: dict[str, Any] = {"keys": {"WANDB_API_KEY": KEY}}
    assert {e.resource: e.state for e in set_up(world, **have).events}["secret-wandb-api-key"] == "skipped"
    assert "CreateSecret" not in str(sandbox.changes()), "a key is copied only when somebody has said so"
    have["copy"] = frozenset({"WANDB_API_KEY"})
    assert set_up(world, **have).ok
    assert set_up(world, **have).count("created") == 0
    have["keys"] = {"WANDB_API_KEY": replace(KEY, value="another-key")}
    events: list[Event] = []
    assert {e.resource: e.state for e in set_up(world, events, **have).events}["secret-wandb-api-key"] == "created"
    name = f"{world.names.secret('WANDB_API_KEY')}/versions/latest"
    assert world.cloud.secrets().access_secret_version(name=name).payload.data == b"another-key"
    assert "another-key" not in repr(events) + repr(have["keys"]) + Path(sandbox.folder / "requests.jsonl").read_text()
    changes = len(sandbox.changes())
    assert set_up(world, **have).ok and len(sandbox.changes()) == changes
